//! Who reaches whom: what nodes say of their direct links, and the best path there is to each.
//!
//! Each node says which others it reaches directly, by a number that grows; who hears something new says it on. A link counts when both
//! ends say so. A path costs what its links are like; of equal ones the one with the lesser nodes is taken, so all nodes agree
//! (docs/adr/0024-failure-detection.md, docs/adr/0027-paths.md).

use std::collections::{BTreeMap, BTreeSet};

use super::field::{Fields, put_number};
use super::frame::Malformed;
use crate::config::LinkKind;
use crate::replica::Origin;

/// Nodes that one node can say to reach: as many as a cluster may have.
const UP_MAX: u64 = 64;

/// What a node says of whom it reaches directly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    /// Who says it.
    pub(super) owner: Origin,
    /// How often it has said something else before.
    pub(super) seq: u64,
    /// Whom it reaches, and what the way is like.
    pub(super) up: BTreeMap<u32, LinkKind>,
}

/// A path to a node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Path {
    cost: u32,
    /// The nodes on it, the one that it leads to last.
    pub(super) hops: Vec<u32>,
    /// What the slowest link on it is like.
    pub(super) slowest: LinkKind,
}

/// What is known of all links.
#[derive(Debug, Default)]
pub(super) struct Graph {
    by: BTreeMap<u32, Facts>,
}

impl Graph {
    /// Takes in what a node says. Returns whether it is new.
    pub(super) fn hear(&mut self, facts: &Facts) -> bool {
        let known = self.by.get(&facts.owner.node);
        let is_new = known.is_none_or(|known| {
            let same = known.owner == facts.owner;
            if same { facts.seq > known.seq } else { facts.owner.succeeds(known.owner) }
        });
        if is_new {
            self.by.insert(facts.owner.node, facts.clone());
        }
        is_new
    }

    /// Returns what every node has said.
    pub(super) fn all(&self) -> impl Iterator<Item = &Facts> {
        self.by.values()
    }

    /// Returns what a link between two nodes is like, if both say that it is there.
    fn link(&self, one: u32, other: u32) -> Option<LinkKind> {
        let said = |of: u32, to: u32| self.by.get(&of)?.up.get(&to).copied();
        Some(said(one, other)?.max(said(other, one)?))
    }

    /// Returns the best path from one node to another that takes a third one.
    pub(super) fn over(&self, from: u32, to: u32) -> Option<Path> {
        let mut open: BTreeSet<(u32, Vec<u32>, LinkKind)> = BTreeSet::from([(0, Vec::new(), LinkKind::Lan)]);
        let mut done: BTreeSet<u32> = BTreeSet::new();
        while let Some((cost, hops, slowest)) = open.pop_first() {
            let at = hops.last().copied().unwrap_or(from);
            if at == to {
                return Some(Path { cost, hops, slowest });
            }
            if !done.insert(at) {
                continue;
            }
            let next = self.by.get(&at).into_iter().flat_map(|facts| facts.up.keys().copied());
            for next in next.filter(|next| !done.contains(next) && (at, *next) != (from, to)) {
                if let Some(kind) = self.link(at, next) {
                    let hops = hops.iter().copied().chain([next]).collect();
                    open.insert((cost + cost_of(kind), hops, slowest.max(kind)));
                }
            }
        }
        None
    }
}

const fn cost_of(kind: LinkKind) -> u32 {
    match kind {
        LinkKind::Lan => 1,
        LinkKind::Wan => 10,
        LinkKind::Satcom => 100,
        LinkKind::Hf => 1_000,
    }
}

const KINDS: [LinkKind; 4] = [LinkKind::Lan, LinkKind::Wan, LinkKind::Satcom, LinkKind::Hf];

/// Appends the body of the frame.
pub(super) fn write(facts: &Facts, out: &mut Vec<u8>) {
    out.extend_from_slice(&facts.owner.to_bytes());
    put_number(out, facts.seq);
    for (node, kind) in &facts.up {
        put_number(out, (*node).into());
        put_number(out, KINDS.iter().position(|known| known == kind).unwrap_or_default() as u64);
    }
}

/// Reads the body of a frame.
pub(super) fn read(body: &[u8]) -> Result<Facts, Malformed> {
    let mut fields = Fields(body);
    let (owner, seq) = (fields.origin()?, fields.number()?);
    let mut up = BTreeMap::new();
    while !fields.0.is_empty() {
        let node = u32::try_from(fields.number()?).map_err(|_| Malformed::Number)?;
        let kind = usize::try_from(fields.number()?).ok().and_then(|kind| KINDS.get(kind));
        up.insert(node, *kind.ok_or(Malformed::Value)?);
        if up.len() as u64 > UP_MAX {
            return Err(Malformed::Value);
        }
    }
    Ok(Facts { owner, seq, up })
}

#[cfg(test)]
mod tests {
    use arbtest::arbtest;

    use super::*;

    fn origin(node: u32, start: u32) -> Origin {
        Origin { node, start, random: 7 }
    }

    fn graph(links: &[(u32, u32, LinkKind)]) -> Graph {
        let mut graph = Graph::default();
        for node in 1..=6 {
            let here = links.iter().filter(|(one, other, _)| [*one, *other].contains(&node));
            let up = here.map(|(one, other, kind)| (if *one == node { *other } else { *one }, *kind));
            graph.hear(&Facts { owner: origin(node, 1), seq: 1, up: up.collect() });
        }
        graph
    }

    #[test]
    fn the_cheapest_path_is_taken_and_of_equal_ones_that_of_the_lesser_nodes() {
        use LinkKind::{Hf, Lan, Satcom, Wan};
        let hops = |links: &[_], from, to| graph(links).over(from, to).map(|path| (path.hops, path.slowest));
        assert_eq!(hops(&[(1, 2, Lan)], 1, 2), None, "the direct one does not count");
        assert_eq!(hops(&[(1, 3, Wan), (3, 2, Lan)], 1, 2), Some((vec![3, 2], Wan)));
        assert_eq!(
            hops(&[(1, 3, Hf), (3, 2, Lan), (1, 4, Satcom), (4, 5, Wan), (5, 2, Wan)], 1, 2),
            Some((vec![4, 5, 2], Satcom))
        );
        assert_eq!(
            hops(&[(1, 4, Wan), (4, 2, Wan), (1, 3, Wan), (3, 2, Wan)], 1, 2),
            Some((vec![3, 2], Wan))
        );
        assert_eq!(hops(&[(1, 3, Wan), (4, 2, Lan)], 1, 2), None);
        let mut one_sided = graph(&[(1, 3, Wan), (3, 2, Lan)]);
        assert!(one_sided.hear(&Facts { owner: origin(2, 1), seq: 2, up: BTreeMap::new() }));
        assert_eq!(one_sided.over(1, 2), None, "half a link is none");
    }

    #[test]
    fn what_is_older_changes_nothing() {
        let mut graph = graph(&[(1, 2, LinkKind::Lan)]);
        let facts = |start, seq| Facts { owner: origin(1, start), seq, up: BTreeMap::new() };
        assert!(!graph.hear(&facts(1, 1)) && graph.hear(&facts(1, 2)) && !graph.hear(&facts(1, 2)));
        assert!(graph.hear(&facts(2, 0)) && !graph.hear(&facts(1, 9)) && graph.hear(&facts(2, 1)));
    }

    #[test]
    fn what_is_said_comes_back_and_garbage_is_an_error() {
        arbtest(|data| {
            let owner =
                Origin { node: data.arbitrary()?, start: data.arbitrary()?, random: data.arbitrary()? };
            let mut up = BTreeMap::new();
            for _ in 0..data.int_in_range(0..=5)? {
                up.insert(data.arbitrary()?, *data.choose(&KINDS)?);
            }
            let facts = Facts { owner, seq: data.arbitrary()?, up };
            let mut out = Vec::new();
            write(&facts, &mut out);
            assert_eq!(read(&out), Ok(facts));
            _ = read(data.bytes(data.len())?);
            Ok(())
        });
    }
}
