//! The shapes of partitions: which links between nodes are cut.
//!
//! The names are those of Jepsen's nemeses. A shape is a pure function of the nodes, a key and the entropy; each
//! node and each pair draws by its own name, so that one node more moves no other node's draw.

use core::fmt;
use std::collections::BTreeSet;

use crate::engine::{Entropy, Key, Purpose};

/// A shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One node is alone.
    One(String),
    /// Fewer than half of the nodes are cut off from the others; how many is drawn. Of two nodes: none.
    Minority,
    /// Two halves; of an odd number of nodes, one of them has a majority.
    Majority,
    /// Each node sees a majority, and no two see the same: a ring in which only neighbours hear each other.
    MajoritiesRing,
    /// Two halves, and one node between them that sees both.
    Bridge,
    /// Each link is cut or not.
    Random,
    /// Nodes of different groups do not hear each other; who is in none hears everybody.
    Groups(Vec<Vec<String>>),
}

/// Returns the cuts of a shape, each `(from, to)` by the place of the nodes in `nodes`: what `from` sends to `to` is
/// lost. With `oneway`, one direction of each link is left: of the cut off part, the first half or group, or
/// the earlier one in the ring, only what it sends is lost; a random shape draws for each direction.
pub fn cuts(
    shape: &Shape,
    oneway: bool,
    nodes: &[String],
    entropy: Entropy,
    key: Key,
) -> BTreeSet<(usize, usize)> {
    let drawn = Drawn { nodes, entropy, key };
    let pairs = match shape {
        Shape::One(name) => {
            let alone = nodes.iter().position(|node| node == name);
            let others = |alone| (0..nodes.len()).filter(move |other| *other != alone);
            alone.map_or_else(Vec::new, |alone| others(alone).map(|other| (alone, other)).collect())
        }
        Shape::Minority => {
            let most = nodes.len().saturating_sub(1) / 2;
            let count = if most == 0 { 0 } else { 1 + drawn.below(most) };
            let order = drawn.order();
            between(&order[..count], &order[count..])
        }
        Shape::Majority => {
            let order = drawn.order();
            let (left, right) = order.split_at(nodes.len() / 2);
            between(left, right)
        }
        Shape::MajoritiesRing => ring(&drawn.order()),
        Shape::Bridge => {
            let order = drawn.order();
            let half = nodes.len().saturating_sub(1) / 2;
            between(&order[..half], order.get(half + 1..).unwrap_or_default())
        }
        Shape::Random => return drawn.random(oneway),
        Shape::Groups(groups) => grouped(groups, nodes),
    };
    let back = pairs.iter().filter(|_| !oneway).map(|(from, to)| (*to, *from)).collect::<Vec<_>>();
    pairs.into_iter().chain(back).collect()
}

struct Drawn<'a> {
    nodes: &'a [String],
    entropy: Entropy,
    key: Key,
}

impl Drawn<'_> {
    fn below(&self, bound: usize) -> usize {
        let drawn = self.entropy.below(Purpose::FaultShape, self.key, 0, bound as u64);
        usize::try_from(drawn).unwrap_or(0)
    }

    /// All nodes, each at a place that is drawn by its name.
    fn order(&self) -> Vec<usize> {
        let place = |index: usize| self.entropy.draw(Purpose::FaultShape, self.of(&self.nodes[index]), 0);
        let mut order: Vec<usize> = (0..self.nodes.len()).collect();
        order.sort_by_key(|index| (place(*index), *index));
        order
    }

    fn of(&self, name: &str) -> Key {
        self.key.with(self.entropy.draw(Purpose::FaultShape, Key::of(name), 1))
    }

    fn random(&self, oneway: bool) -> BTreeSet<(usize, usize)> {
        let mut cuts = BTreeSet::new();
        for (index, one) in self.nodes.iter().enumerate() {
            for (other, name) in self.nodes.iter().enumerate().skip(index + 1) {
                let drawn = self.entropy.draw(Purpose::FaultShape, self.of(&format!("{one} {name}")), 2);
                let there = drawn & 1 == 1;
                let back = if oneway { drawn & 2 == 2 } else { there };
                cuts.extend(there.then_some((index, other)));
                cuts.extend(back.then_some((other, index)));
            }
        }
        cuts
    }
}

fn between(left: &[usize], right: &[usize]) -> Vec<(usize, usize)> {
    left.iter().flat_map(|from| right.iter().map(move |to| (*from, *to))).collect()
}

/// Cuts whoever stands too far apart in the ring.
fn ring(order: &[usize]) -> Vec<(usize, usize)> {
    let count = order.len();
    let reach = (count / 2).div_ceil(2);
    let mut pairs = Vec::new();
    for from in 0..count {
        for to in from + 1..count {
            let apart = (to - from).min(count - (to - from));
            if apart > reach {
                pairs.push((order[from], order[to]));
            }
        }
    }
    pairs
}

fn grouped(groups: &[Vec<String>], nodes: &[String]) -> Vec<(usize, usize)> {
    let places = |group: &Vec<String>| -> Vec<usize> {
        group.iter().filter_map(|name| nodes.iter().position(|node| node == name)).collect()
    };
    let groups: Vec<Vec<usize>> = groups.iter().map(places).collect();
    let mut pairs = Vec::new();
    for (index, left) in groups.iter().enumerate() {
        for right in groups.iter().skip(index + 1) {
            pairs.extend(between(left, right));
        }
    }
    pairs
}

impl fmt::Display for Shape {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(node) => write!(out, "one {node}"),
            Self::Minority => out.write_str("minority"),
            Self::Majority => out.write_str("majority"),
            Self::MajoritiesRing => out.write_str("majorities-ring"),
            Self::Bridge => out.write_str("bridge"),
            Self::Random => out.write_str("random"),
            Self::Groups(groups) => {
                let groups: Vec<String> = groups.iter().map(|group| group.join(" ")).collect();
                write!(out, "groups {}", groups.join(" / "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(count: usize) -> Vec<String> {
        ["a", "b", "c", "d", "e", "f", "g"].iter().take(count).map(|name| String::from(*name)).collect()
    }

    fn cut(shape: &Shape, oneway: bool, count: usize, seed: u64) -> BTreeSet<(usize, usize)> {
        cuts(shape, oneway, &nodes(count), Entropy::new(seed), Key::of("fault"))
    }

    /// How many nodes each hears, itself included.
    fn heard(cuts: &BTreeSet<(usize, usize)>, count: usize) -> Vec<usize> {
        (0..count).map(|to| (0..count).filter(|from| !cuts.contains(&(*from, to))).count()).collect()
    }

    #[test]
    fn one_is_alone_and_the_others_hear_each_other() {
        let cuts = cut(&Shape::One("b".into()), false, 3, 1);
        assert_eq!(cuts, BTreeSet::from([(0, 1), (1, 0), (1, 2), (2, 1)]));
        let cuts = cut(&Shape::One("b".into()), true, 3, 1);
        assert_eq!(cuts, BTreeSet::from([(1, 0), (1, 2)]), "only what it sends is lost");
        assert!(cut(&Shape::One("z".into()), false, 3, 1).is_empty());
    }

    #[test]
    fn a_minority_is_fewer_than_half_and_every_size_is_drawn() {
        let mut sizes = BTreeSet::new();
        for seed in 0..50 {
            let mut heard = heard(&cut(&Shape::Minority, false, 5, seed), 5);
            heard.sort_unstable();
            assert_eq!(heard[4] + heard[0], 5, "{heard:?}");
            sizes.insert(heard[0]);
        }
        assert_eq!(sizes, BTreeSet::from([1, 2]));
        assert!(cut(&Shape::Minority, false, 2, 1).is_empty());
    }

    #[test]
    fn halves_are_halves_and_differ_with_the_seed() {
        let halves: BTreeSet<_> = (0..20).map(|seed| cut(&Shape::Majority, false, 5, seed)).collect();
        assert!(halves.len() > 3);
        for cuts in &halves {
            assert_eq!(cuts.len(), 12, "two nodes against three, both ways");
        }
        assert_eq!(cut(&Shape::Majority, false, 2, 1), BTreeSet::from([(0, 1), (1, 0)]));
    }

    #[test]
    fn in_a_majorities_ring_each_sees_a_majority_and_no_two_the_same() {
        for count in 4..=7 {
            let cuts = cut(&Shape::MajoritiesRing, false, count, 3);
            assert!(heard(&cuts, count).iter().all(|seen| *seen > count / 2 && *seen < count), "{count}");
            let views: BTreeSet<Vec<usize>> = (0..count)
                .map(|to| (0..count).filter(|from| !cuts.contains(&(*from, to))).collect())
                .collect();
            assert_eq!(views.len(), count);
        }
        assert!(cut(&Shape::MajoritiesRing, false, 3, 3).is_empty(), "three in a ring are all neighbours");
    }

    #[test]
    fn a_bridge_sees_both_sides_and_the_sides_do_not_see_each_other() {
        let mut heard = heard(&cut(&Shape::Bridge, false, 5, 9), 5);
        heard.sort_unstable();
        assert_eq!(heard, [3, 3, 3, 3, 5]);
    }

    #[test]
    fn groups_hear_their_own_and_those_in_none() {
        let groups = Shape::Groups(vec![vec!["a".into(), "b".into()], vec!["c".into()]]);
        assert_eq!(cut(&groups, true, 4, 1), BTreeSet::from([(0, 2), (1, 2)]));
        assert_eq!(heard(&cut(&groups, false, 4, 1), 4), [3, 3, 2, 4]);
    }

    #[test]
    fn a_random_shape_draws_each_link_by_its_name() {
        let seven = cut(&Shape::Random, false, 7, 5);
        let six: BTreeSet<_> = seven.iter().copied().filter(|(one, other)| *one < 6 && *other < 6).collect();
        assert_eq!(cut(&Shape::Random, false, 6, 5), six, "one node less moves no other draw");
        assert!(seven.iter().all(|(one, other)| seven.contains(&(*other, *one))));
        let oneway = cut(&Shape::Random, true, 7, 5);
        assert!(oneway.iter().any(|(one, other)| !oneway.contains(&(*other, *one))));
    }
}
