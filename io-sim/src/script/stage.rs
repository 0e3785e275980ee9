//! Where acts happen: a world and the names that the scenario gave to what is in it.

use std::collections::{BTreeMap, BTreeSet};

use eyot_core::config::{Config, DomainConfig, Durability, Level, Registration, ShowVersion, StaticCluster};
use eyot_core::io::Secret;
use eyot_core::jid::{BareJid, Domain};
use eyot_core::limits::Limits;
use eyot_core::time::Span;

use super::capability::CLUSTER;
use super::cluster::{NamedRoute, cluster_of, is_radio, seat_of};
use super::run::Verdict;
use super::scope::DEFAULT_NODE;
use super::text::{Piece, noise, pieces};
use super::verb::Watched;
use crate::client::{ClientConfig, Op, Sight};
use crate::engine::{SimSpan, SimTime};
use crate::net::LinkProfile;
use crate::oracle::{Cast, Check, Evidence, Patience};
use crate::world::{Actor, ClientIx, NodeIx, NodeSight, Options, Record, Step, World};

/// The domain of a scenario that names none.
const DEFAULT_DOMAIN: &str = "eyot.example";
/// PBKDF2 iterations unless a `limit` line says otherwise: enough to be real, few enough for debug builds.
const SCRAM_ITERATIONS: u32 = 256;
/// A world that is still busy after so long will not come to rest.
const SETTLE_MAX: SimSpan = SimSpan::from_secs(1_800);

/// A world with names.
#[derive(Debug)]
pub struct Stage {
    /// The world.
    pub world: World,
    /// What the nodes will serve, until they run.
    pub domains: Vec<(String, Registration)>,
    /// Their bounds, until they run.
    pub limits: Limits,
    /// Nodes by name; empty until they run.
    pub nodes: BTreeMap<String, NodeIx>,
    /// The names of the nodes, in the order of the file.
    pub node_names: Vec<String>,
    /// Sites that the world does not know yet, with their nodes.
    pub sites: Vec<(String, Vec<String>)>,
    /// Links between nodes that the world does not know yet.
    pub links: Vec<(String, String, LinkProfile)>,
    /// Those of several ways between two nodes that the world does not know yet.
    pub(super) routes: Vec<NamedRoute>,
    /// Whether the nodes are one cluster.
    pub clustered: bool,
    /// Whether they may become members of one.
    pub seated: bool,
    /// Tokens that were made, by name.
    pub tokens: BTreeMap<String, Secret>,
    /// How long a node may be away, and has to be back, until people see that.
    pub waits: (Span, Span),
    /// Where what people say has to be before they are told that it is safe.
    pub durability: Durability,
    /// Accounts by localpart: the whole address and the password.
    pub accounts: BTreeMap<String, (String, String)>,
    /// Rooms by name: the address.
    pub rooms: BTreeMap<String, String>,
    /// Clients by name.
    pub clients: BTreeMap<String, ClientIx>,
    /// What expectations have said.
    pub verdicts: Vec<Verdict>,
    /// Where the record begins that expectations look at: the first deed after time passed.
    pub block: usize,
    /// When that deed was done.
    pub begun: SimTime,
    /// Where the chapters of the record begin; what comes before the first is setting up.
    pub chapters: Vec<usize>,
    /// Whether the story breaks a disk, so that a node may report it.
    pub disk_broken: bool,
    /// Lines that an `at` has put off, by their number in the queue.
    pub due: Vec<u32>,
    /// Who takes part, as oracles are told.
    pub cast: Cast,
    /// Where each `check` was.
    pub checks: Vec<Check>,
    /// When clients that had a stream were told to do something.
    pub deeds: Vec<SimTime>,
    /// What clients ask for when they come online, because the story is about what they are told of it.
    pub watched: BTreeSet<Watched>,
}

/// Why a scenario cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It needs what this version cannot do.
    Pending(String),
    /// Something is wrong with it.
    Wrong(String),
}

impl From<String> for Trouble {
    fn from(what: String) -> Self {
        Self::Wrong(what)
    }
}

impl Stage {
    /// Creates an empty stage.
    pub fn new(options: Options) -> Self {
        Self {
            world: World::new(options),
            domains: Vec::new(),
            limits: Limits { scram_iterations: SCRAM_ITERATIONS, ..Limits::default() },
            nodes: BTreeMap::new(),
            node_names: Vec::new(),
            sites: Vec::new(),
            links: Vec::new(),
            routes: Vec::new(),
            clustered: false,
            seated: false,
            tokens: BTreeMap::new(),
            waits: (StaticCluster::GRACE, StaticCluster::HYSTERESIS),
            durability: Durability::default(),
            accounts: BTreeMap::new(),
            rooms: BTreeMap::new(),
            clients: BTreeMap::new(),
            verdicts: Vec::new(),
            block: 0,
            begun: SimTime::ZERO,
            chapters: Vec::new(),
            disk_broken: false,
            due: Vec::new(),
            cast: Cast::default(),
            checks: Vec::new(),
            deeds: Vec::new(),
            watched: BTreeSet::new(),
        }
    }

    fn patience_of_nodes(&self) -> Patience {
        let span = |span: Span| SimSpan::from_micros(span.as_micros());
        let routes = self.routes.iter().map(|route| &route.profile);
        let slow = self.links.iter().map(|(_, _, profile)| profile).chain(routes).any(is_radio);
        let (notice, answer) = if slow { (600, 600) } else { (20, 60) };
        let (notice, answer) = (SimSpan::from_secs(notice), SimSpan::from_secs(answer));
        Patience { grace: span(self.waits.0), hysteresis: span(self.waits.1), notice, answer }
    }

    /// Starts the nodes, unless they run.
    ///
    /// # Errors
    ///
    /// [`Trouble`] when a domain is none or a node does not become ready.
    pub fn set_up(&mut self) -> Result<(), Trouble> {
        if !self.nodes.is_empty() {
            return Ok(());
        }
        if self.durability.level != Level::Local && !self.clustered && !self.seated {
            return Err(Trouble::Pending(CLUSTER.into()));
        }
        if self.domains.is_empty() {
            self.domains.push((DEFAULT_DOMAIN.into(), Registration::Closed));
        }
        if self.node_names.is_empty() {
            self.node_names.push(DEFAULT_NODE.into());
        }
        self.cast.domains = self.domains.iter().map(|(name, _)| name.clone()).collect();
        self.cast.limits = self.limits.clone();
        self.cast.durability = self.durability;
        self.cast.cluster = (self.clustered || self.seated).then(|| self.patience_of_nodes());
        let mut domains = Vec::new();
        for (name, registration) in &self.domains {
            let name = Domain::parse(name).map_err(|error| format!("{name} is no domain: {error:?}"))?;
            domains.push(DomainConfig { name, registration: *registration, durability: self.durability });
        }
        let (grace, hysteresis) = self.waits;
        for name in self.node_names.clone() {
            let config = Config {
                node: name.clone(),
                domains: domains.clone(),
                show_version: ShowVersion::Yes,
                location: None,
                cluster: self
                    .clustered
                    .then(|| cluster_of(&name, &self.node_names, &self.sites, (&self.links, &self.routes)))
                    .map(|cluster| StaticCluster { grace, hysteresis, ..cluster }),
                seat: self.seated.then(|| {
                    let cluster =
                        cluster_of(&name, &self.node_names, &self.sites, (&self.links, &self.routes));
                    seat_of(&StaticCluster { grace, hysteresis, ..cluster })
                }),
                limits: self.limits.clone(),
            };
            self.cast
                .sites
                .extend(config.cluster.as_ref().and_then(StaticCluster::own).map(|own| own.site.clone()));
            self.cast.sites.extend(config.seat.as_ref().map(|seat| seat.site.clone()));
            config.check().map_err(|error| format!("the nodes cannot run: {error:?}"))?;
            let ix = self.world.add_node(&name, config);
            self.cast.nodes.push(name.clone());
            self.nodes.insert(name, ix);
        }
        self.lay_out()?;
        for name in self.node_names.clone() {
            self.start(self.node(&name)?)?;
        }
        if self.clustered { self.link_up() } else { Ok(()) }
    }

    /// Waits until the nodes have found each other.
    fn link_up(&mut self) -> Result<(), Trouble> {
        let limit = self.patience();
        while !self.world.is_linked_up() {
            if self.step(limit) == Step::Nothing {
                return Err(Trouble::Wrong("the nodes do not find each other".into()));
            }
        }
        Ok(())
    }

    /// Tells the world of sites and links between nodes, as soon as there are nodes.
    ///
    /// # Errors
    ///
    /// [`Trouble`] when a node does not exist.
    pub fn lay_out(&mut self) -> Result<(), Trouble> {
        if self.nodes.is_empty() {
            return Ok(());
        }
        for (name, nodes) in core::mem::take(&mut self.sites) {
            let nodes = nodes.iter().map(|node| self.node(node)).collect::<Result<Vec<_>, _>>()?;
            self.world.add_site(&name, &nodes);
        }
        for (one, other, profile) in core::mem::take(&mut self.links) {
            let (one, other) = (self.node(&one)?, self.node(&other)?);
            self.world.link_nodes(one, other, &profile);
        }
        for route in core::mem::take(&mut self.routes) {
            let ends = (self.node(&route.one)?, self.node(&route.other)?);
            self.world.add_route(&route.name, ends, &route.profile);
        }
        Ok(())
    }

    /// Starts a node and waits until it is ready.
    ///
    /// # Errors
    ///
    /// [`Trouble`] when it does not become ready.
    pub fn start(&mut self, node: NodeIx) -> Result<(), Trouble> {
        self.world.start_node(node);
        let limit = self.world.now() + SETTLE_MAX;
        while !self.world.is_ready(node) {
            if self.step(limit) == Step::Nothing {
                return Err(Trouble::Wrong("the node does not become ready".into()));
            }
        }
        Ok(())
    }

    /// Returns the domain that addresses without one belong to.
    pub fn domain(&self) -> &str {
        self.domains.first().map_or(DEFAULT_DOMAIN, |(name, _)| name)
    }

    /// Returns a node by name.
    ///
    /// # Errors
    ///
    /// [`Trouble`] when it does not exist yet.
    pub fn node(&self, name: &str) -> Result<NodeIx, Trouble> {
        self.nodes.get(name).copied().ok_or_else(|| Trouble::Wrong(format!("node {name} was never started")))
    }

    /// Returns a client by name.
    ///
    /// # Errors
    ///
    /// [`Trouble`] when it does not exist.
    pub fn client(&self, name: &str) -> Result<ClientIx, Trouble> {
        self.clients.get(name).copied().ok_or_else(|| Trouble::Wrong(format!("there is no client {name}")))
    }

    /// Adds a client.
    ///
    /// # Errors
    ///
    /// [`Trouble`] when its node does not exist.
    pub fn add_client(
        &mut self,
        name: &str,
        node: &str,
        profile: LinkProfile,
        config: ClientConfig,
    ) -> Result<(), Trouble> {
        let home = self.cast.nodes.iter().position(|known| known == node).unwrap_or_default();
        let node = self.node(node)?;
        self.cast.clients.push(name.into());
        if profile.loses() {
            self.cast.lossy.insert(self.cast.homes.len());
        }
        self.cast.homes.push(home);
        self.cast.users.push(format!("{}@{}", config.user, config.domain));
        self.cast.passwords.push(vec![(self.world.history().len(), config.password.clone())]);
        let ix = self.world.add_client(name, node, profile, config);
        self.clients.insert(name.into(), ix);
        Ok(())
    }

    /// Lets a client connect to another node of the cluster from here on.
    ///
    /// # Errors
    ///
    /// [`Trouble`] when there is no such client or node, or the nodes are no cluster.
    pub fn send_to(&mut self, name: &str, node: &str) -> Result<(), Trouble> {
        let (client, node) = (self.client(name)?, self.node(node)?);
        if node == self.world.home(client) {
            return Ok(());
        }
        if !self.clustered {
            return Err(Trouble::Pending(CLUSTER.into()));
        }
        self.cast.roaming.insert(client.at());
        self.world.send_to(client, node);
        Ok(())
    }

    /// Returns the bare JID of the account that a client logs in to.
    pub fn account_of(&self, client: ClientIx) -> String {
        let config = self.world.client(client).config();
        format!("{}@{}", config.user, config.domain)
    }

    /// Lets the world come to rest while it is set up.
    ///
    /// # Errors
    ///
    /// [`Trouble`] when it does not.
    pub fn rest(&mut self) -> Result<(), Trouble> {
        let limit = self.patience();
        while !self.world.is_quiet() {
            if self.step(limit) == Step::Nothing {
                let why = self.world.restless();
                return Err(Trouble::Wrong(format!("the world does not come to rest: {why}")));
            }
        }
        Ok(())
    }

    /// Tells a client what to do.
    ///
    /// # Errors
    ///
    /// [`Trouble`] when it does not exist.
    pub fn tell(&mut self, client: &str, op: Op) -> Result<(), Trouble> {
        let ix = self.client(client)?;
        if self.world.client(ix).is_connected() {
            self.deeds.push(self.world.now());
        }
        self.world.tell(ix, op);
        Ok(())
    }

    /// Lets a client use another password at its next login.
    ///
    /// # Errors
    ///
    /// [`Trouble`] when it does not exist.
    pub fn set_password(&mut self, client: &str, password: &str) -> Result<(), Trouble> {
        let ix = self.client(client)?;
        self.world.client_mut(ix).config_mut().password = password.into();
        let from = self.world.history().len();
        if let Some(used) = self.cast.passwords.get_mut(ix.at()) {
            used.push((from, password.into()));
        }
        Ok(())
    }

    /// Returns what oracles are given.
    pub fn evidence(&self) -> Evidence<'_> {
        Evidence {
            cast: &self.cast,
            history: self.world.history(),
            checks: &self.checks,
            inputs: self.world.inputs(),
            backlogs: self.world.backlogs(),
            links: self.world.link_sights(),
            entries: self.world.entry_sights(),
            ended: self.world.now(),
        }
    }

    /// Returns the whole address that a scenario writes as `who`.
    ///
    /// An account or a room stands for its bare JID, with or without a resource behind it; a client that is not named like
    /// an account for its full JID; anything with an `@` or a dot for itself; anything else for a
    /// localpart of the first domain.
    ///
    /// # Errors
    ///
    /// [`Trouble`] when a client is meant that has never been bound.
    pub fn address(&self, who: &str) -> Result<String, Trouble> {
        let (name, resource) = who.split_once('/').map_or((who, None), |(name, rest)| (name, Some(rest)));
        let join = |bare: &str| resource.map_or_else(|| bare.into(), |resource| format!("{bare}/{resource}"));
        if let Some((address, _)) = self.accounts.get(name) {
            return Ok(join(address));
        }
        if let Some(address) = self.rooms.get(name) {
            return Ok(join(address));
        }
        if let Some(client) = self.clients.get(who) {
            return self
                .last_jid(*client)
                .ok_or_else(|| Trouble::Wrong(format!("{who} has never been bound")));
        }
        if name.contains(['@', '.']) {
            return Ok(who.into());
        }
        Ok(join(&format!("{name}@{}", self.domain())))
    }

    /// Returns the full JID that a client was bound to last.
    fn last_jid(&self, client: ClientIx) -> Option<String> {
        self.world.history().iter().rev().find_map(|record| match &record.actor {
            Actor::Client(ix, Sight::Bound { jid, .. }) if *ix == client => Some(jid.clone()),
            Actor::Client(..) | Actor::Node(..) | Actor::World(_) => None,
        })
    }

    /// Returns the bare JID of a localpart, or of a whole address.
    ///
    /// # Errors
    ///
    /// [`Trouble`] when it is none.
    pub fn bare(&self, who: &str) -> Result<BareJid, Trouble> {
        let address = if who.contains('@') { who.into() } else { format!("{who}@{}", self.domain()) };
        BareJid::parse(&address)
            .map_err(|error| Trouble::Wrong(format!("{address} is no address: {error:?}")))
    }

    /// Fills in what a text leaves open: `{bob}` an address, `{domain}` the domain, `{x*300}` a letter so
    /// many times, `{noise*300}` so many letters that no compression makes shorter, the same for each number. Who is
    /// named, and how much it may become, was looked at when the line was read.
    ///
    /// # Errors
    ///
    /// [`Trouble`] when a brace holds something else.
    pub fn expand(&self, text: &str) -> Result<String, Trouble> {
        let mut out = String::new();
        for piece in pieces(text)? {
            match piece {
                Piece::Plain(text) => out.push_str(text),
                Piece::Domain => out.push_str(self.domain()),
                Piece::Address(who) => out.push_str(&self.address(who)?),
                Piece::Repeated(letter, count) => out.push_str(&letter.repeat(count)),
                Piece::Noise(count) => out.push_str(&noise(count)),
            }
        }
        Ok(out)
    }

    /// Records whether an expectation holds.
    pub fn judge(&mut self, met: bool, seen: Vec<String>) {
        self.verdicts.push(Verdict { line: 0, text: String::new(), at: self.world.now(), met, seen });
    }

    /// Does the next thing up to `limit`; lines that are due are kept for the runner.
    pub fn step(&mut self, limit: SimTime) -> Step {
        let step = self.world.step(limit);
        if let Step::Script(number) = step {
            self.due.push(number);
        }
        step
    }

    /// Returns the records that expectations look at.
    pub fn records(&self) -> &[Record] {
        self.world.history().get(self.block..).unwrap_or_default()
    }

    /// Returns the time by which a world must have come to rest.
    pub fn patience(&self) -> SimTime {
        self.world.now() + SETTLE_MAX
    }

    /// Returns what a node last answered to its operator since `from`.
    pub fn answered(&self, node: NodeIx, from: usize) -> Option<&eyot_core::io::Answer> {
        let records = self.world.history().get(from..).unwrap_or_default();
        records.iter().rev().find_map(|record| match &record.actor {
            Actor::Node(ix, NodeSight::Answered(_, answer)) if *ix == node => Some(answer),
            Actor::Node(..) | Actor::Client(..) | Actor::World(_) => None,
        })
    }
}

/// Makes a secret of a text.
pub(super) fn secret(text: &str) -> Secret {
    Secret(bytes::Bytes::copy_from_slice(text.as_bytes()))
}
