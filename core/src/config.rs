//! Configuration as plain data, validated on the way in. Files and flags are the driver's.

use std::collections::BTreeSet;

use crate::jid::Domain;
use crate::limits::Limits;
use crate::time::Span;

/// The configuration of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The name of the node; shown to operators, never to users.
    pub node: String,
    /// The domains it serves; at least one, no two alike.
    pub domains: Vec<DomainConfig>,
    /// Whether anybody may ask which version runs (XEP-0092).
    pub show_version: ShowVersion,
    /// Where clients are told to come back to their sessions (XEP-0198, 5); nothing: where they find the domain.
    pub location: Option<String>,
    /// The nodes that serve the same domains; nothing where this one is alone.
    pub cluster: Option<StaticCluster>,
    /// How it would be a member of a cluster whose members stand in the store; never beside `cluster`. The node may be alone as yet.
    pub seat: Option<Seat>,
    /// Its bounds.
    pub limits: Limits,
}

/// A cluster whose members are known beforehand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticCluster {
    /// Tells the cluster from others.
    pub id: [u8; 16],
    /// The number of this node.
    pub node: u32,
    /// All members, this one included; no two have a number, a name or a key in common.
    pub members: Vec<StaticMember>,
    /// Ways to members that have several. A member without any is called where it listens.
    pub routes: Vec<StaticRoute>,
    /// How long a node may be out of reach before its sessions are hidden.
    pub grace: Span,
    /// How long it has to be in reach again before they are shown.
    pub hysteresis: Span,
    /// What all members know and nobody else: what clients see of it is the same on every node.
    pub secret: ClusterSecret,
}

/// How other nodes know this one and reach it, where the members stand in the store and not in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seat {
    /// SHA-256 of the public key in its certificate.
    pub key: [u8; 32],
    /// Its site.
    pub site: String,
    /// Where it listens for other nodes, in words of their resolvers.
    pub route: String,
    /// What the way to it is like.
    pub link: LinkKind,
    /// How long a node may be out of reach before its sessions are hidden.
    pub grace: Span,
    /// How long it has to be in reach again before they are shown.
    pub hysteresis: Span,
}

/// The secret of a cluster. `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct ClusterSecret(pub [u8; 32]);

/// A member of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticMember {
    /// Its number.
    pub node: u32,
    /// Its name.
    pub name: String,
    /// Its site.
    pub site: String,
    /// SHA-256 of the public key in its certificate.
    pub key: [u8; 32],
    /// Where it listens for other nodes, in words of the driver's resolver.
    pub route: String,
    /// What the way there is like.
    pub link: LinkKind,
    /// Bits in a second that it takes; nothing where that is found out.
    pub rate: Option<u32>,
}

/// One of several ways to a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticRoute {
    /// The number of the member.
    pub node: u32,
    /// What both ends call it.
    pub name: String,
    /// Where the member listens on it, in words of the driver's resolver.
    pub address: String,
    /// What it is like.
    pub link: LinkKind,
    /// Bits in a second that it takes; nothing where that is found out.
    pub rate: Option<u32>,
    /// The least is the best; of equal ones the one that is named first.
    pub priority: u32,
    /// How long it has to be up before it is used in the place of a worse one.
    pub proven: Span,
}

/// What the way to a peer is like, from the fastest to the slowest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LinkKind {
    /// A local network.
    Lan,
    /// A wide area network.
    Wan,
    /// A satellite in geostationary orbit.
    Satcom,
    /// Short-wave radio.
    Hf,
}

/// Members of a cluster. Each has a link to each other one.
pub(crate) const MEMBERS_MAX: usize = 64;
/// Bytes of the name of a node or a site.
pub(crate) const NAME_BYTES_MAX: usize = 64;
/// Ways to one member.
const ROUTES_MAX: usize = 8;
/// Bytes of the name of one: it has room in the smallest frame, with everything else that nodes greet each other with.
const ROUTE_BYTES_MAX: usize = 32;

/// Whether anybody may ask which version runs (XEP-0092).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ShowVersion {
    /// Anybody may.
    #[default]
    Yes,
    /// Nobody is told.
    No,
}

/// The configuration of one domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainConfig {
    /// Its name.
    pub name: Domain,
    /// Who may create accounts.
    pub registration: Registration,
    /// Where a stanza has to be before its client is told that it is safe.
    pub durability: Durability,
}

/// When a stanza of a client is acknowledged, beside that it is on the disk of its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Durability {
    /// Where it has to be.
    pub level: Level,
    /// What is done while it cannot be there.
    pub short: Short,
}

/// Where a stanza has to be before it counts as safe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// On the disk of the node that took it.
    #[default]
    Local,
    /// On the disks of so many members of the cluster.
    Cluster {
        /// How many, the one that took it included.
        nodes: u32,
    },
    /// On the disks of members in so many sites.
    Site {
        /// How many, its own included.
        sites: u32,
    },
}

/// What is done while too few members have a stanza.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Short {
    /// Nothing is acknowledged, for some time; then the client is told which of its stanzas are below the level.
    Hold {
        /// For how long.
        time: Span,
    },
    /// It is acknowledged as soon as it is clear that too few can be reached; operators are told.
    Degrade,
}

/// Who may create accounts in a domain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Registration {
    /// Operators only.
    #[default]
    Closed,
    /// Anybody, by in-band registration (XEP-0077).
    Open,
}

/// A configuration that cannot be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// There is no domain.
    NoDomain,
    /// A domain is named twice.
    DomainTwice(Domain),
    /// The cluster does not have this node.
    NoMember,
    /// The members stand both in the configuration and in the store.
    TwoWays,
    /// Two members of the cluster have something in common.
    MemberTwice(String),
    /// A member has no name, or a name or a site that is too long.
    MemberName(String),
    /// The cluster has more members than it may.
    Members(usize),
    /// A route leads to no member, has no name, one that is too long or one that another route to this member has, or is one too many.
    Route(String),
    /// The level of a domain counts more members, or more sites, than there are: so many.
    Level(Domain, usize),
}

impl Config {
    /// Creates the configuration of a node that serves `domain` with the default bounds.
    pub fn single(domain: Domain) -> Self {
        Self {
            node: String::from("eyot"),
            domains: vec![DomainConfig::closed(domain)],
            show_version: ShowVersion::default(),
            location: None,
            cluster: None,
            seat: None,
            limits: Limits::default(),
        }
    }

    /// Checks what the types cannot say.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the first rule that is broken.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.domains.is_empty() {
            return Err(ConfigError::NoDomain);
        }
        for (index, domain) in self.domains.iter().enumerate() {
            if self.domains.iter().take(index).any(|earlier| earlier.name == domain.name) {
                return Err(ConfigError::DomainTwice(domain.name.clone()));
            }
        }
        self.cluster.as_ref().map_or(Ok(()), StaticCluster::check)?;
        if self.seat.is_some() {
            // How many members there are is not known here, and changes.
            return if self.cluster.is_some() { Err(ConfigError::TwoWays) } else { Ok(()) };
        }
        let (nodes, sites) = self.cluster.as_ref().map_or((1, 1), StaticCluster::size);
        for DomainConfig { name, durability, .. } in &self.domains {
            let there = match durability.level {
                Level::Local | Level::Cluster { .. } => nodes,
                Level::Site { .. } => sites,
            };
            if !(1..=there).contains(&(durability.level.wanted() as usize)) {
                return Err(ConfigError::Level(name.clone(), there));
            }
        }
        Ok(())
    }

    /// Returns the configuration of `domain`, if this node serves it.
    pub fn domain(&self, domain: &str) -> Option<&DomainConfig> {
        self.domains.iter().find(|served| served.name.as_str() == domain)
    }
}

impl DomainConfig {
    /// Creates the configuration of a domain in which only operators create accounts, and in which what is on one disk is safe.
    pub fn closed(name: Domain) -> Self {
        Self { name, registration: Registration::Closed, durability: Durability::default() }
    }
}

impl Durability {
    /// How long nothing is acknowledged that is below the level, unless somebody says otherwise.
    pub const HOLD: Span = Span::from_secs(10);
}

impl Default for Durability {
    fn default() -> Self {
        Self { level: Level::Local, short: Short::Hold { time: Self::HOLD } }
    }
}

impl Level {
    /// Reads a level as operators write it; nothing when it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let count = |text: &str| text.parse::<u32>().ok().filter(|count| *count > 0);
        match text.split_once(':') {
            None => (text == "local").then_some(Self::Local),
            Some(("cluster", nodes)) => Some(Self::Cluster { nodes: count(nodes)? }),
            Some(("site", sites)) => Some(Self::Site { sites: count(sites)? }),
            Some(_) => None,
        }
    }

    /// Returns how many it counts.
    pub const fn wanted(self) -> u32 {
        match self {
            Self::Local => 1,
            Self::Cluster { nodes } => nodes,
            Self::Site { sites } => sites,
        }
    }
}

impl core::fmt::Display for Level {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Local => out.write_str("local"),
            Self::Cluster { nodes } => write!(out, "cluster:{nodes}"),
            Self::Site { sites } => write!(out, "site:{sites}"),
        }
    }
}

impl core::fmt::Debug for ClusterSecret {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.write_str("(hidden)")
    }
}

impl StaticCluster {
    /// How long a node may be out of reach before its sessions are hidden, unless somebody says otherwise.
    pub const GRACE: Span = Span::from_secs(15);
    /// How long it has to be in reach again before they are shown, unless somebody says otherwise.
    pub const HYSTERESIS: Span = Span::from_secs(10);

    /// Returns the member that this node is.
    pub fn own(&self) -> Option<&StaticMember> {
        self.members.iter().find(|member| member.node == self.node)
    }

    /// Returns the ways to a member, the best first.
    pub fn routes_to(&self, member: &StaticMember) -> Vec<StaticRoute> {
        let mut routes: Vec<_> =
            self.routes.iter().filter(|route| route.node == member.node).cloned().collect();
        routes.sort_by_key(|route| route.priority);
        if routes.is_empty() {
            let (name, address) = (String::new(), member.route.clone());
            let (node, link, rate) = (member.node, member.link, member.rate);
            let (priority, proven) = (0, Span::default());
            routes.push(StaticRoute { node, name, address, link, rate, priority, proven });
        }
        routes
    }

    /// Returns what the slowest way to a member is like.
    pub fn slowest(&self, member: &StaticMember) -> LinkKind {
        let routes = self.routes.iter().filter(|route| route.node == member.node);
        routes.map(|route| route.link).max().unwrap_or(member.link)
    }

    /// Returns the numbers of the other members.
    pub fn others(&self) -> impl Iterator<Item = u32> + '_ {
        self.members.iter().map(|member| member.node).filter(|node| *node != self.node)
    }

    /// Returns how many members there are, and how many sites.
    fn size(&self) -> (usize, usize) {
        let sites: BTreeSet<&str> = self.members.iter().map(|member| member.site.as_str()).collect();
        (self.members.len(), sites.len())
    }

    fn check(&self) -> Result<(), ConfigError> {
        if self.own().is_none() {
            return Err(ConfigError::NoMember);
        }
        if self.members.len() > MEMBERS_MAX {
            return Err(ConfigError::Members(self.members.len()));
        }
        for (index, member) in self.members.iter().enumerate() {
            let StaticMember { node, name, site, key, .. } = member;
            if name.is_empty() || name.len() > NAME_BYTES_MAX || site.len() > NAME_BYTES_MAX {
                return Err(ConfigError::MemberName(name.clone()));
            }
            let mut earlier = self.members.iter().take(index);
            if earlier.any(|other| other.node == *node || other.name == *name || other.key == *key) {
                return Err(ConfigError::MemberTwice(name.clone()));
            }
        }
        for (index, route) in self.routes.iter().enumerate() {
            let earlier = self.routes.iter().take(index).filter(|other| other.node == route.node);
            let is_known = earlier.clone().any(|other| other.name == route.name);
            let leads = self.members.iter().any(|member| member.node == route.node);
            let is_named = !route.name.is_empty() && route.name.len() <= ROUTE_BYTES_MAX;
            if !leads || !is_named || is_known || earlier.count() >= ROUTES_MAX {
                return Err(ConfigError::Route(route.name.clone()));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(node: u32, name: &str, key: u8) -> StaticMember {
        let (site, route) = ("here".into(), "b:5230".into());
        StaticMember { node, name: name.into(), site, key: [key; 32], route, link: LinkKind::Lan, rate: None }
    }

    #[test]
    fn a_cluster_has_this_node_and_no_member_twice() {
        let check = |members: Vec<StaticMember>| {
            let (grace, hysteresis) = (StaticCluster::GRACE, StaticCluster::HYSTERESIS);
            let secret = ClusterSecret([0; 32]);
            StaticCluster { id: [0; 16], node: 1, members, routes: Vec::new(), grace, hysteresis, secret }
                .check()
        };
        let twice = |name: &str| Err(ConfigError::MemberTwice(name.into()));
        assert_eq!(check(vec![member(1, "a", 1), member(2, "b", 2)]), Ok(()));
        assert_eq!(check(vec![member(2, "b", 2)]), Err(ConfigError::NoMember));
        assert_eq!(check(vec![member(1, "a", 1), member(1, "b", 2)]), twice("b"));
        assert_eq!(check(vec![member(1, "a", 1), member(2, "a", 2)]), twice("a"));
        assert_eq!(check(vec![member(1, "a", 1), member(2, "b", 1)]), twice("b"));
        let nameless = check(vec![member(1, "", 1)]);
        assert_eq!(nameless, Err(ConfigError::MemberName(String::new())));
        let long = "n".repeat(65);
        assert_eq!(check(vec![member(1, &long, 1)]), Err(ConfigError::MemberName(long)));
        let many = (1..=65).map(|node| member(node, &node.to_string(), u8::try_from(node).unwrap()));
        assert_eq!(check(many.collect()), Err(ConfigError::Members(65)));
    }

    #[test]
    fn a_level_counts_no_more_than_there_are() {
        let alone = Config::single(Domain::parse("x.example").unwrap());
        let member = |node: u32, site: &str| {
            let key = u8::try_from(node).unwrap();
            StaticMember { site: site.into(), ..member(node, &node.to_string(), key) }
        };
        let members = vec![member(1, "north"), member(2, "north"), member(3, "south")];
        let (grace, hysteresis) = (StaticCluster::GRACE, StaticCluster::HYSTERESIS);
        let secret = ClusterSecret([0; 32]);
        let cluster =
            StaticCluster { id: [0; 16], node: 1, members, routes: Vec::new(), grace, hysteresis, secret };
        let three = Config { cluster: Some(cluster), ..alone.clone() };
        let check = |config: &Config, level: &str| {
            let mut config = config.clone();
            config.domains[0].durability.level = Level::parse(level).unwrap();
            match config.check() {
                Ok(()) => None,
                Err(ConfigError::Level(_, there)) => Some(there),
                Err(other) => panic!("{other:?}"),
            }
        };
        assert_eq!(check(&alone, "local"), None);
        assert_eq!(check(&alone, "cluster:2"), Some(1));
        assert_eq!(["cluster:3", "site:2"].map(|level| check(&three, level)), [None, None]);
        assert_eq!(check(&three, "cluster:4"), Some(3));
        assert_eq!(check(&three, "site:3"), Some(2));
        for wrong in ["", "Local", "cluster", "cluster:", "cluster:0", "cluster:-1", "site:x", "node:2"] {
            assert_eq!(Level::parse(wrong), None, "{wrong}");
        }
        for level in ["local", "cluster:2", "site:3"] {
            assert_eq!(Level::parse(level).unwrap().to_string(), level);
        }
    }
}
