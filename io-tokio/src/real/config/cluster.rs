//! The section `[cluster]`: who the other nodes are.

use std::net::SocketAddr;
use std::path::PathBuf;

use eyot_core::config::{
    ClusterSecret, ConfigError as NodeError, LinkKind, Seat, StaticCluster, StaticMember, StaticRoute,
};
use eyot_core::time::Span;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::error::{ConfigError, Source};
use super::time::Time;
use crate::peer_tls::read_key;

/// What is hashed before the secret to name the cluster.
const ID_LABEL: &[u8] = b"eyot cluster id";

/// Bits in a second without which a heartbeat takes minutes.
const RATE_MIN: u32 = 75;

/// The section. It is on every node but for `listen` the same; which member a node is says its `node`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterSection {
    /// Where to listen for other nodes.
    pub listen: Vec<SocketAddr>,
    /// The file with the secret, where the members stand in this file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<PathBuf>,
    /// Where other nodes find this one, where the members do not stand in this file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Its site then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// What the way to it is like then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<Link>,
    /// How long a node may be out of reach before its sessions are hidden.
    #[serde(default = "grace")]
    pub grace: Time,
    /// How long it has to be in reach again before they are shown.
    #[serde(default = "hysteresis")]
    pub hysteresis: Time,
    /// All members, this node included; none where `eyot cluster` says who they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub member: Vec<MemberSection>,
    /// Ways to members that have several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub route: Vec<RouteSection>,
}

/// One of several ways to a member.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RouteSection {
    /// The name of the member.
    pub peer: String,
    /// What both ends call the way.
    pub name: String,
    /// Where the member listens on it.
    pub address: String,
    /// What it is like.
    #[serde(default)]
    pub link: Link,
    /// How many bits in a second it takes from here to there; nothing where the node is to find that out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<u32>,
    /// The least is the best.
    #[serde(default)]
    pub priority: u32,
    /// How long it has to be up before it is used in the place of a worse one.
    #[serde(default = "proven")]
    pub proven: Time,
}

/// A member.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MemberSection {
    /// Its number, never to be given to another one.
    pub number: u32,
    /// Its name.
    pub name: String,
    /// Where it is.
    pub site: String,
    /// The hash of its key.
    pub key: String,
    /// Where it listens for other nodes.
    pub address: String,
    /// What the way to it is like.
    #[serde(default)]
    pub link: Link,
    /// How many bits in a second it takes from here to there; nothing where the node is to find that out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<u32>,
}

/// What the way to a member is like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Link {
    /// A local network.
    #[default]
    Lan,
    /// A wide area network.
    Wan,
    /// A satellite in geostationary orbit.
    Satcom,
    /// Short-wave radio.
    Hf,
}

fn grace() -> Time {
    Time(StaticCluster::GRACE)
}

fn hysteresis() -> Time {
    Time(StaticCluster::HYSTERESIS)
}

fn proven() -> Time {
    Time(Span::from_secs(30))
}

/// The site of a node that names none.
const SITE: &str = "main";

/// Who says who the members are.
#[derive(Clone, Debug)]
pub(super) enum Members {
    /// The file.
    File(StaticCluster),
    /// The store. The key is still to be read.
    Store(Seat),
}

/// Translates the section; `node` is the name of this node.
pub(super) fn check(
    source: &Source<'_>,
    node: &str,
    section: &ClusterSection,
) -> Result<Members, ConfigError> {
    let ClusterSection { secret, address, site, link, member, .. } = section;
    if secret.is_some() || !member.is_empty() {
        if let Some(key) =
            [("address", address.is_some()), ("site", site.is_some()), ("link", link.is_some())]
                .into_iter()
                .find_map(|(key, given)| given.then_some(key))
        {
            let remedy =
                "Write it into the [[cluster.member]] of this node, or leave `secret` and all members out.";
            return Err(source.value(
                &format!("cluster.{key}"),
                "the members stand in this file".into(),
                remedy.into(),
            ));
        }
        return file(source, node, section).map(Members::File);
    }
    check_waits(source, section)?;
    if !section.route.is_empty() {
        let remedy = "Leave it out: only members that stand in the file have several ways.";
        return Err(source.value(
            "cluster.route",
            "the members do not stand in this file".into(),
            remedy.into(),
        ));
    }
    let Some(route) = address.clone().filter(|address| is_address(address)) else {
        let problem = match address {
            Some(address) => format!("{address:?} is no host with a port"),
            None => "other nodes are not told where this one is".into(),
        };
        let remedy = "Write the address at which they reach it, such as \"b.example.org:5230\".";
        return Err(source.value("cluster.address", problem, remedy.into()));
    };
    Ok(Members::Store(Seat {
        key: [0; 32],
        site: site.clone().unwrap_or_else(|| SITE.into()),
        route,
        link: link.unwrap_or_default().into(),
        grace: section.grace.0,
        hysteresis: section.hysteresis.0,
    }))
}

/// Checks what is the same wherever the members stand.
fn check_waits(source: &Source<'_>, section: &ClusterSection) -> Result<(), ConfigError> {
    if section.listen.is_empty() {
        let remedy = "Give at least one address: other nodes have to reach this one.";
        return Err(source.value("cluster.listen", "there is no listener".into(), remedy.into()));
    }
    for (key, time) in [("cluster.grace", section.grace), ("cluster.hysteresis", section.hysteresis)] {
        if time.0.as_micros() > 24 * 3_600_000_000 {
            return Err(source.value(key, format!("{time} is too long"), "Use at most 24h.".into()));
        }
    }
    Ok(())
}

/// Translates the section where it names the members.
fn file(source: &Source<'_>, node: &str, section: &ClusterSection) -> Result<StaticCluster, ConfigError> {
    check_waits(source, section)?;
    let Some(own) = section.member.iter().find(|member| member.name == node) else {
        let problem = format!("no [[cluster.member]] has the name {node:?}");
        return Err(source.value(
            "node",
            problem,
            "Set `node` to the name of the member that this node is.".into(),
        ));
    };
    let secret = secret(source, section)?;
    let id = Sha256::digest([ID_LABEL, &secret].concat());
    let members = section.member.iter().enumerate();
    Ok(StaticCluster {
        id: std::array::from_fn(|at| id.get(at).copied().unwrap_or_default()),
        node: own.number,
        members: members.map(|(at, member)| check_member(source, at, member)).collect::<Result<_, _>>()?,
        routes: (0..section.route.len())
            .map(|at| check_route(source, section, at))
            .collect::<Result<_, _>>()?,
        grace: section.grace.0,
        hysteresis: section.hysteresis.0,
        secret: ClusterSecret(secret),
    })
}

fn check_member(source: &Source<'_>, at: usize, member: &MemberSection) -> Result<StaticMember, ConfigError> {
    let wrong = |key: &str, problem: String, remedy: &str| {
        Err(source.value(&format!("cluster.member[{at}].{key}"), problem, remedy.into()))
    };
    let Some(key) = read_key(&member.key) else {
        let remedy = "Write what `eyot cluster key` says on that node: 64 hexadecimal digits.";
        return wrong("key", format!("{:?} is no hash of a key", member.key), remedy);
    };
    if !is_address(&member.address) {
        let problem = format!("{:?} is no host with a port", member.address);
        return wrong("address", problem, "Write b.example.org:5230, or [2001:db8::1]:5230.");
    }
    if member.number == 0 {
        return wrong(
            "number",
            "0 stands for no node".into(),
            "Use 1 or more, and never give it to another node.",
        );
    }
    if member.site.is_empty() {
        return wrong("site", "it is empty".into(), "Name the place where the node is, such as \"north\".");
    }
    if member.rate.is_some_and(|rate| rate < RATE_MIN) {
        return wrong(
            "rate",
            format!("{RATE_MIN} bits in a second are the least"),
            "Write bits, such as 2400.",
        );
    }
    Ok(StaticMember {
        node: member.number,
        name: member.name.clone(),
        site: member.site.clone(),
        key,
        route: member.address.clone(),
        link: member.link.into(),
        rate: member.rate,
    })
}

fn check_route(source: &Source<'_>, section: &ClusterSection, at: usize) -> Result<StaticRoute, ConfigError> {
    let wrong = |key: &str, problem: String, remedy: &str| {
        source.value(&format!("cluster.route[{at}].{key}"), problem, remedy.into())
    };
    let route = section.route.get(at).ok_or_else(|| wrong("peer", "it is missing".into(), "Add it."))?;
    let Some(peer) = section.member.iter().find(|member| member.name == route.peer) else {
        let problem = format!("no [[cluster.member]] has the name {:?}", route.peer);
        return Err(wrong("peer", problem, "Name the member that the way leads to."));
    };
    if !is_address(&route.address) {
        let problem = format!("{:?} is no host with a port", route.address);
        return Err(wrong("address", problem, "Write b.example.org:5230, or [2001:db8::1]:5230."));
    }
    if route.rate.is_some_and(|rate| rate < RATE_MIN) {
        let problem = format!("{RATE_MIN} bits in a second are the least");
        return Err(wrong("rate", problem, "Write bits, such as 2400."));
    }
    if route.proven.0.as_micros() > 24 * 3_600_000_000 {
        return Err(wrong("proven", format!("{} is too long", route.proven), "Use at most 24h."));
    }
    Ok(StaticRoute {
        node: peer.number,
        name: route.name.clone(),
        address: route.address.clone(),
        link: route.link.into(),
        rate: route.rate,
        priority: route.priority,
        proven: route.proven.0,
    })
}

impl From<Link> for LinkKind {
    fn from(link: Link) -> Self {
        match link {
            Link::Lan => Self::Lan,
            Link::Wan => Self::Wan,
            Link::Satcom => Self::Satcom,
            Link::Hf => Self::Hf,
        }
    }
}

/// A socket address, or a name and a port.
fn is_address(text: &str) -> bool {
    let named = || {
        let (host, port) = text.rsplit_once(':')?;
        let is_port = port.parse::<u16>().is_ok_and(|port| port > 0);
        Some(is_port && eyot_core::jid::Domain::parse(host).is_ok() && !host.contains(':'))
    };
    text.parse::<SocketAddr>().map_or_else(|_| named().unwrap_or(false), |addr| addr.port() > 0)
}

fn secret(source: &Source<'_>, section: &ClusterSection) -> Result<[u8; 32], ConfigError> {
    const REMEDY: &str = "Make one with `eyot cluster secret`, and copy it to every node.";
    let Some(file) = &section.secret else {
        return Err(source.value("cluster.secret", "there is none".into(), REMEDY.into()));
    };
    let path = file.display();
    let text = std::fs::read_to_string(file).map_err(|error| {
        source.value("cluster.secret", format!("{path} cannot be read: {error}"), REMEDY.into())
    })?;
    read_key(text.trim_end()).ok_or_else(|| {
        let problem = format!("{path} does not hold 64 hexadecimal digits");
        source.value("cluster.secret", problem, REMEDY.into())
    })
}

/// Says what the core found wrong.
pub(super) fn broken(source: &Source<'_>, error: &NodeError) -> ConfigError {
    let (problem, remedy) = match error {
        NodeError::NoDomain
        | NodeError::DomainTwice(_)
        | NodeError::Level(..)
        | NodeError::TwoWays
        | NodeError::NoMember => ("this node is none of the members".to_owned(), "Add it."),
        NodeError::MemberTwice(name) => (
            format!("{name} has its number, its name or its key in common with a member above"),
            "Give each member its own.",
        ),
        NodeError::MemberName(name) => {
            (format!("{name:?} or its site is empty or too long"), "Use 1 to 64 bytes for names and sites.")
        }
        NodeError::Route(name) => {
            let problem =
                format!("{name:?} is empty, longer than 32 bytes, twice the same for one peer, or its ninth");
            let remedy = "Give each way to a peer a name of its own, and at most eight ways to each.";
            return source.value("cluster.route", problem, remedy.into());
        }
        NodeError::Members(count) => (format!("{count} members are too many"), "Use at most 64."),
    };
    source.value("cluster.member", problem, remedy.into())
}
