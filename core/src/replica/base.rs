//! From where a client catches up that does not say what it holds.
//!
//! Rests on the replication rule R20 (catch-up).

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

use super::{Dot, Given, Hlc, Origin, Vector};

/// User agents of one account of which is known what they were given. Beyond: the one that was not here for the longest time is
/// forgotten.
pub const AGENTS_MAX: usize = 16;

/// By how much what all members of a group have committed has grown since the entry that its origin wrote before: of each
/// origin the last number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Advance(#[n(0)] Vec<Dot>);

/// What a node has told in its own entries of what all members have committed.
#[derive(Clone, Debug, Default)]
pub struct Told(BTreeMap<Origin, u64>);

/// What all members had committed as the origin of each entry knew it: the sum of what its entries say up to there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bases(BTreeMap<Origin, BTreeMap<u64, Advance>>);

/// What the user agents of one account were given (XEP-0388), as of when they were here last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Agents(#[n(0)] BTreeMap<Box<str>, Agent>);

/// One user agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Agent {
    /// What it was given.
    #[n(0)]
    pub given: Given,
    /// When it was here last.
    #[n(1)]
    pub seen: Hlc,
}

impl Told {
    /// Returns what an entry has to say that is written now, `stable` being what all members are known to have committed.
    pub fn advance(&mut self, stable: &Vector) -> Advance {
        let mut grown = Vec::new();
        for origin in stable.origins() {
            let (prefix, told) = (stable.prefix(origin), self.0.entry(origin).or_default());
            if prefix > *told {
                *told = prefix;
                grown.push(origin.dot(prefix));
            }
        }
        Advance(grown)
    }
}

impl Advance {
    /// Returns whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Bases {
    /// Takes note of what an entry says. Most say nothing and cost nothing.
    pub fn note(&mut self, dot: Dot, advance: &Advance) {
        if !advance.is_empty() {
            self.0.entry(dot.origin).or_default().insert(dot.seq, advance.clone());
        }
    }

    /// Returns what all members had committed when an entry was written, as far as its origin knew and its entries have come:
    /// never too much, so that nothing is missed.
    pub fn at(&self, dot: Dot) -> Vector {
        let steps = self.0.get(&dot.origin).into_iter().flat_map(|steps| steps.range(..=dot.seq));
        let mut prefixes = BTreeMap::new();
        for held in steps.flat_map(|(_, Advance(held))| held) {
            let prefix = prefixes.entry(held.origin).or_insert(0);
            *prefix = held.seq.max(*prefix);
        }
        Vector::prefixes_of(&prefixes)
    }

    /// Puts together what the entries of an origin say up to one of them: those before it are not kept any longer, and nobody
    /// asks from where they went on.
    pub fn fold(&mut self, dot: Dot) {
        let whole = self.at(dot);
        let Some(steps) = self.0.get_mut(&dot.origin) else { return };
        let later = steps.split_off(&dot.seq.saturating_add(1));
        let said = Advance(whole.origins().map(|origin| origin.dot(whole.prefix(origin))).collect());
        *steps = later;
        if !said.is_empty() {
            steps.insert(dot.seq, said);
        }
    }

    /// Returns how many entries it remembers.
    pub fn len(&self) -> usize {
        self.0.values().map(BTreeMap::len).sum()
    }

    /// Returns whether it remembers none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Agents {
    /// Takes note of what a user agent was given up to now.
    pub fn note(&mut self, agent: &str, given: &Given, seen: Hlc) {
        let known = self.0.entry(agent.into()).or_default();
        known.given.join(given);
        known.seen = seen.max(known.seen);
        self.bound();
    }

    /// Returns what a user agent was given.
    pub fn of(&self, agent: &str) -> Option<&Given> {
        self.0.get(agent).map(|agent| &agent.given)
    }

    /// Takes over what another node knows: what either says that it was given, it was given.
    pub fn merge(&mut self, other: &Self) {
        for (name, agent) in &other.0 {
            let known = self.0.entry(name.clone()).or_default();
            known.given.join(&agent.given);
            known.seen = agent.seen.max(known.seen);
        }
        self.bound();
    }

    /// Returns how many are known.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether none is.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn bound(&mut self) {
        while self.0.len() > AGENTS_MAX {
            let oldest = self.0.iter().min_by_key(|(name, agent)| (agent.seen, *name));
            let Some(oldest) = oldest.map(|(name, _)| name.clone()) else { return };
            self.0.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(node: u32) -> Origin {
        Origin { node, start: 1, random: 0 }
    }

    fn vector(prefixes: &[(u32, u64)]) -> Vector {
        Vector::prefixes_of(&prefixes.iter().map(|(node, seq)| (origin(*node), *seq)).collect())
    }

    fn at(millis: i64) -> Hlc {
        Hlc { millis, count: 0 }
    }

    #[test]
    fn an_entry_says_what_was_stable_when_it_was_written_whoever_is_asked() {
        let (mut told, mut bases) = (Told::default(), Bases::default());
        let stable =
            [vector(&[(1, 3)]), vector(&[(1, 3)]), vector(&[(1, 5), (2, 1)]), vector(&[(1, 5), (2, 4)])];
        let said: Vec<Advance> = stable.iter().map(|stable| told.advance(stable)).collect();
        assert!(said[1].is_empty() && said[3].0.len() == 1, "only what has grown travels");
        for (seq, advance) in (1..).zip(&said) {
            let bytes = minicbor::to_vec(advance).unwrap();
            assert_eq!(minicbor::decode::<Advance>(&bytes).ok().as_ref(), Some(advance));
            bases.note(origin(1).dot(seq), advance);
        }
        for (seq, stable) in (1..).zip(&stable) {
            assert_eq!(bases.at(origin(1).dot(seq)), *stable);
        }
        assert_eq!(bases.at(origin(1).dot(99)), stable[3]);
        assert_eq!((bases.at(origin(2).dot(1)), bases.len()), (Vector::new(), 3));
        bases.fold(origin(1).dot(3));
        assert_eq!(bases.len(), 2);
        for seq in [3, 4] {
            assert_eq!(bases.at(origin(1).dot(seq)), stable[usize::try_from(seq).unwrap() - 1]);
        }
    }

    #[test]
    fn what_has_not_come_makes_the_base_smaller_and_never_greater() {
        arbtest::arbtest(|u| {
            let (mut told, mut whole, mut some) = (Told::default(), Bases::default(), Bases::default());
            let mut stable = Vector::new();
            for seq in 1..=u.int_in_range(1..=12)? {
                for _ in 0..u.int_in_range(0..=2)? {
                    let node = u.int_in_range(1..=3)?;
                    stable.count(origin(node).dot(stable.prefix(origin(node)) + 1));
                }
                let advance = told.advance(&stable);
                whole.note(origin(1).dot(seq), &advance);
                if u.ratio(2, 3)? {
                    some.note(origin(1).dot(seq), &advance);
                }
                let dot = origin(1).dot(seq);
                assert_eq!(whole.at(dot), stable);
                assert!(stable.includes(&some.at(dot)));
            }
            Ok(())
        });
    }

    #[test]
    fn what_another_node_applied_before_the_entry_is_not_hidden_by_it() {
        // Node 2 applied 3:1 before it applied 1:1; node 1 did not know 3:1 when it wrote 1:1, and the client has read there.
        let mut bases = Bases::default();
        bases.note(origin(1).dot(1), &Told::default().advance(&vector(&[(2, 7)])));
        let base = Given::base(None, None, &bases.at(origin(1).dot(1)));
        assert!(
            base.covers(origin(2).dot(7)) && !base.covers(origin(3).dot(1)),
            "it is sent again, not missed"
        );
    }

    #[test]
    fn as_many_user_agents_are_known_as_there_is_room_for() {
        let mut agents = Agents::default();
        for number in 0..18 {
            agents.note(&format!("agent-{number}"), &vector(&[(1, 1)]).into(), at(number));
        }
        assert_eq!((agents.len(), agents.of("agent-0"), agents.of("agent-1")), (AGENTS_MAX, None, None));
        agents.note("agent-2", &vector(&[(2, 5)]).into(), at(99));
        agents.note("new", &Given::default(), at(100));
        let given = agents.of("agent-2").expect("it was here lately");
        assert!(given.covers(origin(1).dot(1)) && given.covers(origin(2).dot(5)));
        assert_eq!(agents.of("agent-3"), None);
    }

    #[test]
    fn nodes_that_tell_each_other_know_the_same_user_agents() {
        let (mut one, mut other) = (Agents::default(), Agents::default());
        for number in 0..12 {
            one.note(&format!("a{number}"), &vector(&[(1, 3)]).into(), at(number));
            other.note(&format!("b{number}"), &vector(&[(2, 3)]).into(), at(number));
        }
        other.note("a11", &vector(&[(2, 9)]).into(), at(1));
        let (before, mut both) = (one.clone(), other.clone());
        one.merge(&other);
        both.merge(&before);
        assert_eq!(one, both);
        assert_eq!(one.len(), AGENTS_MAX);
        one.merge(&other);
        assert_eq!(one, both, "once is enough");
        let given = one.of("a11").expect("the last of them");
        assert!(given.covers(origin(1).dot(3)) && given.covers(origin(2).dot(9)));
    }
}
