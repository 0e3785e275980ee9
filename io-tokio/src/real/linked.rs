//! Which other nodes are linked, as the node's events tell it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use eyot_core::config::{Level, StaticCluster};
use eyot_core::trace::Event;

use super::control::wire::{DomainLevel, Member};

/// What was heard last of each node, by its name, and of the level of each domain. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Linked(Arc<Mutex<Told>>);

#[derive(Debug, Default)]
struct Told {
    nodes: BTreeMap<Box<str>, Heard>,
    /// On which of several ways a node is reached.
    ways: BTreeMap<Box<str>, Box<str>>,
    levels: BTreeMap<Box<str>, (Level, u32)>,
}

#[derive(Clone, Copy, Debug)]
enum Heard {
    Up,
    Down(&'static str),
    Refused(&'static str),
}

impl Linked {
    /// Takes note of an event.
    pub fn observe(&self, event: &Event) {
        if let Event::Level { domain, level, there } = event {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.levels.insert(domain.clone(), (*level, *there));
            return;
        }
        if let Event::PeerRoute { peer, route } = event {
            let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            told.ways.insert(peer.clone(), route.clone());
            return;
        }
        let (peer, heard) = if let Event::PeerUp { peer, .. } = event {
            (peer, Heard::Up)
        } else if let Event::PeerDown { peer, why } = event {
            (peer, Heard::Down(why))
        } else if let Event::PeerRefused { peer: Some(peer), why } = event {
            (peer, Heard::Refused(why))
        } else {
            return;
        };
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Which way it is reached is told behind that it is.
        if !matches!(heard, Heard::Refused(_)) {
            told.ways.remove(peer);
        }
        let all = &mut told.nodes;
        let before = all.get(peer);
        // A connection that is refused beside one that serves takes no link away.
        if !matches!((before, heard), (Some(Heard::Up), Heard::Refused(_))) {
            all.insert(peer.clone(), heard);
        }
    }

    /// Returns all members and how they are reached.
    pub fn members(&self, cluster: &StaticCluster) -> Vec<Member> {
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all = &told.nodes;
        let state = |node: u32, name: &str| match all.get(name) {
            _ if node == cluster.node => "this node".to_owned(),
            Some(Heard::Up) => match told.ways.get(name) {
                Some(way) if way.starts_with("over ") => format!("linked {way}"),
                Some(way) if !way.is_empty() => format!("linked by {way}"),
                Some(_) | None => "linked".to_owned(),
            },
            Some(Heard::Down(why)) => format!("not linked: {why}"),
            Some(Heard::Refused(why)) => format!("refused: {why}"),
            None => "not linked: it has not been reached yet".to_owned(),
        };
        let members = cluster.members.iter().map(|member| Member {
            name: member.name.clone(),
            site: member.site.clone(),
            address: member.route.clone(),
            state: state(member.node, &member.name),
        });
        members.collect()
    }

    /// Returns the domains in which what is said has to be on other nodes, too, and whether it can be.
    pub fn levels(&self) -> Vec<DomainLevel> {
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let levels = told.levels.iter().map(|(domain, (level, there))| DomainLevel {
            domain: domain.to_string(),
            level: level.to_string(),
            state: match (*there >= level.wanted(), level) {
                (true, _) => "met".to_owned(),
                (false, Level::Site { sites }) => format!("below: {there} of {sites} sites"),
                (false, Level::Local | Level::Cluster { .. }) => {
                    format!("below: {there} of {} nodes", level.wanted())
                }
            },
        });
        levels.collect()
    }
}

#[cfg(test)]
mod tests {
    use eyot_core::config::{ClusterSecret, LinkKind, StaticMember};
    use eyot_core::replica::Origin;

    use super::*;

    #[test]
    fn the_last_word_of_a_link_counts_and_a_refusal_beside_it_does_not() {
        let member = |node, name: &str| StaticMember {
            node,
            name: name.into(),
            site: "here".into(),
            key: [u8::try_from(node).unwrap(); 32],
            route: format!("{name}.example:5230"),
            link: LinkKind::Lan,
        };
        let cluster = StaticCluster {
            id: [0; 16],
            node: 1,
            members: vec![member(1, "a"), member(2, "b")],
            routes: Vec::new(),
            grace: StaticCluster::GRACE,
            hysteresis: StaticCluster::HYSTERESIS,
            secret: ClusterSecret([0; 32]),
        };
        let linked = Linked::default();
        let state = || linked.members(&cluster).into_iter().map(|member| member.state).collect::<Vec<_>>();
        assert_eq!(state(), ["this node", "not linked: it has not been reached yet"]);
        let refused = Event::PeerRefused { peer: Some("b".into()), why: "its key is not the member's" };
        linked.observe(&refused);
        assert_eq!(state()[1], "refused: its key is not the member's");
        linked.observe(&Event::PeerUp { peer: "b".into(), origin: Origin { node: 2, start: 1, random: 0 } });
        linked.observe(&refused);
        assert_eq!(state()[1], "linked");
        linked.observe(&Event::PeerRoute { peer: "b".into(), route: "sat".into() });
        assert_eq!(state()[1], "linked by sat");
        linked.observe(&Event::PeerDown { peer: "b".into(), why: "it is stopping" });
        assert_eq!(state()[1], "not linked: it is stopping");
        assert_eq!(linked.members(&cluster)[1].address, "b.example:5230");
    }

    #[test]
    fn the_level_of_a_domain_is_that_of_the_moment() {
        let linked = Linked::default();
        let now = |level, there| {
            linked.observe(&Event::Level { domain: "x.example".into(), level, there });
            linked
                .levels()
                .into_iter()
                .map(|told| format!("{} {}", told.level, told.state))
                .collect::<Vec<_>>()
        };
        assert_eq!(now(Level::Cluster { nodes: 3 }, 2), ["cluster:3 below: 2 of 3 nodes"]);
        assert_eq!(now(Level::Cluster { nodes: 3 }, 3), ["cluster:3 met"]);
        assert_eq!(now(Level::Site { sites: 2 }, 1), ["site:2 below: 1 of 2 sites"]);
    }
}
