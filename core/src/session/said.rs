//! What a session has said last to whom: its next message to them names it, and is shown to nobody before it.
//!
//! Rests on the replication rules R13 (scope). Each group is a scope of its own. Only in a cluster.

use std::collections::VecDeque;

use minicbor::{Decode, Encode};

use crate::jid::BareJid;
use crate::replica::Dot;

/// Scopes that a session remembers. Beyond: the one that was used least lately is forgotten, and who is not remembered gets what was
/// said last to all that were forgotten.
const SCOPES_MAX: usize = 64;
/// What FNV-1a begins with, and multiplies with.
const FNV: (u64, u64) = (0xcbf2_9ce4_8422_2325, 0x0100_0000_01b3);

/// What a session has said last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Said {
    /// The last dots, by what the names of a scope and of its group give; the one used last stands last.
    #[n(0)]
    scopes: VecDeque<(u64, u64, Dot)>,
    /// The last dots of forgotten scopes, by what the name of their group gives, but for those that a later one of these names, or one
    /// that it names does. Whoever is not remembered gets a message that names all of its group, so there are few.
    #[n(1)]
    forgotten: Vec<(u64, Dot)>,
}

/// A message that was written.
#[derive(Debug)]
pub(crate) struct Word {
    /// In the group of which domain.
    pub(crate) domain: Box<str>,
    /// To whom.
    pub(crate) to: BareJid,
    /// Its name.
    pub(crate) dot: Dot,
    /// What it names.
    pub(crate) past: Vec<Dot>,
}

impl Said {
    /// Returns what the next message to `to` names in the group of `domain`.
    pub(crate) fn past(&self, domain: &str, to: &BareJid) -> Vec<Dot> {
        let scope = name(domain, Some(to));
        match self.scopes.iter().find(|(known, ..)| *known == scope) {
            Some((.., dot)) => vec![*dot],
            None => self.forgotten_of(name(domain, None)).collect(),
        }
    }

    /// Takes note of a message.
    pub(crate) fn note(&mut self, Word { domain, to, dot, past }: Word) {
        let (group, scope) = (name(&domain, None), name(&domain, Some(&to)));
        if self.forgotten_of(group).any(|forgotten| past.contains(&forgotten)) {
            self.forgotten.retain(|(of, forgotten)| *of != group || !past.contains(forgotten));
            self.forgotten.push((group, dot));
        }
        self.scopes.retain(|(known, ..)| *known != scope);
        if self.scopes.len() >= SCOPES_MAX
            && let Some((.., group, last)) = self.scopes.pop_front()
        {
            self.forgotten.push((group, last));
        }
        self.scopes.push_back((scope, group, dot));
    }

    /// Returns all that the next messages to whomever name in the group of `domain`.
    pub(crate) fn all(&self, domain: &str) -> Vec<Dot> {
        let group = name(domain, None);
        let scopes = self.scopes.iter().filter(|(_, of, _)| *of == group).map(|(.., dot)| *dot);
        scopes.chain(self.forgotten_of(group)).collect()
    }

    fn forgotten_of(&self, group: u64) -> impl Iterator<Item = Dot> {
        self.forgotten.iter().filter(move |(of, _)| *of == group).map(|(_, dot)| *dot)
    }
}

/// Names what is said to somebody in a group, or all that is said there. Two with one name only wait for more than they need.
fn name(domain: &str, to: Option<&BareJid>) -> u64 {
    let to = to.map_or("", BareJid::as_str);
    let bytes = domain.bytes().chain([0]).chain(to.bytes());
    bytes.fold(FNV.0, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(FNV.1))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::replica::Origin;

    fn dot(seq: u64) -> Dot {
        Origin { node: 1, start: 1, random: 1 }.dot(seq)
    }

    fn say(said: &mut Said, domain: &str, to: &BareJid, seq: u64) -> Vec<Dot> {
        let past = said.past(domain, to);
        said.note(Word { domain: domain.into(), to: to.clone(), dot: dot(seq), past: past.clone() });
        past
    }

    #[test]
    fn a_message_names_the_last_one_to_the_same_recipient_in_the_same_group() {
        let [bob, amy] = ["bob@x.example", "amy@x.example"].map(|user| BareJid::parse(user).unwrap());
        let mut said = Said::default();
        for (to, seq) in [(&bob, 1), (&bob, 3), (&amy, 5)] {
            say(&mut said, "x.example", to, seq);
        }
        assert_eq!(said.past("x.example", &bob), [dot(3)]);
        assert_eq!(said.past("x.example", &amy), [dot(5)]);
        assert_eq!(said.past("y.example", &bob), []);
        let other = BareJid::parse("eve@x.example").unwrap();
        assert_eq!(said.past("x.example", &other), [], "it waits for nothing that was said to others");
        let bytes = minicbor::to_vec(&said).unwrap();
        assert_eq!(minicbor::decode::<Said>(&bytes).unwrap(), said);
    }

    #[test]
    fn a_message_comes_behind_all_that_was_said_to_the_same_however_many_were_spoken_to() {
        let mut seeds = 0x1234_5678_9abc_def1_u64;
        let mut draw = |below: u64| {
            seeds = seeds.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seeds >> 33) % below
        };
        for people in [30, 70, 200] {
            let mut said = Said::default();
            let (mut before, mut last) = (BTreeMap::<Dot, BTreeSet<Dot>>::new(), BTreeMap::new());
            let mut most = 0;
            for seq in 1..=2000 {
                let domain = ["x.example", "y.example"][usize::try_from(draw(2)).unwrap()];
                let to = BareJid::parse(&format!("u{}@x.example", draw(people))).unwrap();
                let past = say(&mut said, domain, &to, seq);
                most = most.max(past.len());
                let all = past
                    .iter()
                    .flat_map(|dot| before[dot].iter().copied().chain([*dot]))
                    .collect::<BTreeSet<_>>();
                if let Some(earlier) = last.insert((domain, to), dot(seq)) {
                    assert!(all.contains(&earlier), "{seq} does not come behind {earlier:?}");
                }
                before.insert(dot(seq), all);
            }
            assert!(said.scopes.len() <= SCOPES_MAX && said.forgotten.len() <= SCOPES_MAX + 2, "{said:?}");
            assert!(most <= SCOPES_MAX + 1 && (people == 30) == (most <= 1), "{most}");
        }
    }
}
