//! What the nodes of a story are told of each other when they are one cluster.

use eyot_core::config::{ClusterSecret, LinkKind, Seat, StaticCluster, StaticMember, StaticRoute};
use eyot_core::time::Span;

use crate::engine::SimSpan;
use crate::net::LinkProfile;
use crate::world::peer_key;

/// Tells the cluster of a story from others.
const ID: [u8; 16] = *b"eyot-sim cluster";
/// What only its members know.
const SECRET: [u8; 32] = *b"what the nodes of a story share.";
/// A line with fewer bits in a second is a radio's.
const RADIO_RATE: u64 = 20_000;
/// A line that takes longer goes by way of a satellite.
const SATELLITE: SimSpan = SimSpan::from_millis(200);
/// A line that takes longer is none of a local network.
const WIDE: SimSpan = SimSpan::from_millis(5);

/// One of several ways between two nodes.
#[derive(Clone, Debug)]
pub(crate) struct NamedRoute {
    /// What the file calls it.
    pub name: String,
    /// A node.
    pub one: String,
    /// The other one.
    pub other: String,
    /// What it is like.
    pub profile: LinkProfile,
    /// The least is the best.
    pub priority: u32,
    /// How long it has to be up before it is used in the place of a worse one.
    pub proven: Span,
}

impl NamedRoute {
    /// Returns what a node is told of it; nothing when it leads elsewhere.
    fn seen_from(&self, own: &str, nodes: &[String]) -> Option<StaticRoute> {
        let to = if self.one == own { &self.other } else { &self.one };
        let (node, _) = (1..).zip(nodes).find(|(_, name)| *name == to)?;
        let (name, link) = (self.name.clone(), kind_of(&self.profile));
        let address = format!("{to}/{name}");
        let ends = [self.one.as_str(), self.other.as_str()];
        let is_first = nodes.iter().position(|node| node == own) < nodes.iter().position(|node| node == to);
        let (rate, priority, proven) = (rate_of(&self.profile, is_first), self.priority, self.proven);
        let route = StaticRoute { node, name, address, link, rate, priority, proven };
        ends.contains(&own).then_some(route)
    }
}

/// Returns the cluster as the node `own` is told of it: all nodes in the order of the file, with their sites, and the way to
/// each; local unless the file says what the link between two nodes is like.
pub(crate) fn cluster_of(
    own: &str,
    nodes: &[String],
    sites: &[(String, Vec<String>)],
    (links, routes): (&[(String, String, LinkProfile)], &[NamedRoute]),
) -> StaticCluster {
    let members = (1..).zip(nodes).map(|(node, name)| {
        let site = sites.iter().find(|(_, nodes)| nodes.contains(name));
        let way = links
            .iter()
            .rev()
            .find(|(one, other, _)| [(one, other), (other, one)].contains(&(&own.into(), name)));
        // What goes from the one of the two that the file names first in its list of nodes goes up.
        let is_first = nodes.iter().position(|node| node == own) < nodes.iter().position(|node| node == name);
        StaticMember {
            node,
            name: name.clone(),
            site: site.map_or_else(|| "site".into(), |(site, _)| site.clone()),
            key: peer_key(name),
            route: name.clone(),
            link: way.map_or(LinkKind::Lan, |(_, _, profile)| kind_of(profile)),
            rate: way.and_then(|(_, _, profile)| rate_of(profile, is_first)),
        }
    });
    let node = (1..).zip(nodes).find(|(_, name)| *name == own).map_or(0, |(node, _)| node);
    let (grace, hysteresis) = (StaticCluster::GRACE, StaticCluster::HYSTERESIS);
    let secret = ClusterSecret(SECRET);
    let routes = routes.iter().filter_map(|route| route.seen_from(own, nodes)).collect();
    StaticCluster { id: ID, node, members: members.collect(), routes, grace, hysteresis, secret }
}

/// Returns how many bits in a second an operator would say that such a link takes: those of satellites and radios are known.
fn rate_of(profile: &LinkProfile, is_up: bool) -> Option<u32> {
    let line = if is_up { profile.up } else { profile.down };
    let is_known = matches!(kind_of(profile), LinkKind::Satcom | LinkKind::Hf) && line.rate > 0;
    u32::try_from(line.rate).ok().filter(|_| is_known)
}

/// Returns how a node would be a member of such a cluster.
pub(super) fn seat_of(cluster: &StaticCluster) -> Seat {
    let own = cluster.own();
    let text = |of: fn(&StaticMember) -> &String| own.map(of).cloned().unwrap_or_default();
    Seat {
        key: own.map_or([0; 32], |own| own.key),
        site: text(|own| &own.site),
        route: text(|own| &own.route),
        link: LinkKind::Lan,
        grace: cluster.grace,
        hysteresis: cluster.hysteresis,
    }
}

/// Returns whether an operator would call such a link a radio.
pub(super) fn is_radio(profile: &LinkProfile) -> bool {
    kind_of(profile) == LinkKind::Hf
}

/// Returns what an operator would call such a link.
fn kind_of(profile: &LinkProfile) -> LinkKind {
    let lines = [profile.up, profile.down];
    let longest = lines.iter().map(|line| line.latency).max().unwrap_or(SimSpan::ZERO);
    if lines.iter().any(|line| (1..RADIO_RATE).contains(&line.rate)) {
        LinkKind::Hf
    } else if longest > SATELLITE {
        LinkKind::Satcom
    } else if longest > WIDE {
        LinkKind::Wan
    } else {
        LinkKind::Lan
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::builtin;

    #[test]
    fn links_are_called_what_they_are_like() {
        let kind = |name: &str| kind_of(&builtin(name).unwrap());
        assert_eq!(kind("lan"), LinkKind::Lan);
        assert_eq!(kind("perfect"), LinkKind::Lan);
        assert_eq!(kind("wan-80ms"), LinkKind::Wan);
        assert_eq!(kind("satcom-geo"), LinkKind::Satcom);
        assert_eq!(kind("hf-2400"), LinkKind::Hf);
        assert_eq!(kind("slow"), LinkKind::Hf);
        let rates = |name: &str| [true, false].map(|is_up| rate_of(&builtin(name).unwrap(), is_up));
        assert_eq!(rates("satcom-geo"), [Some(512_000), Some(2_000_000)]);
        assert_eq!(rates("hf-2400"), [Some(2_400); 2]);
        assert_eq!(rates("transatlantic"), [None; 2], "that is found out");
    }

    #[test]
    fn each_node_is_told_of_all_and_of_its_own_ways() {
        let nodes = ["a", "b", "c"].map(String::from);
        let sites = [("hq".into(), vec!["b".into()])];
        let links = [("c".into(), "b".into(), builtin("hf-2400").unwrap())];
        let told = |own| cluster_of(own, &nodes, &sites, (&links, &[]));
        let ways = |own| told(own).members.iter().map(|member| member.link).collect::<Vec<_>>();
        assert_eq!(ways("a"), [LinkKind::Lan; 3]);
        assert_eq!(ways("b"), [LinkKind::Lan, LinkKind::Lan, LinkKind::Hf]);
        assert_eq!(ways("c"), [LinkKind::Lan, LinkKind::Hf, LinkKind::Lan]);
        assert_eq!(
            told("b").own().map(|member| (member.name.as_str(), member.site.as_str())),
            Some(("b", "hq"))
        );
        assert_eq!(told("a").id, told("b").id);
    }
}
