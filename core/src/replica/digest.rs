//! Finding out in which live entries two nodes differ, without sending the names of all.
//!
//! Rests on the replication rule R4: only with a peer whose vector is not above the floor are live entries compared.

use std::collections::BTreeSet;

use minicbor::{Decode, Encode};
use sha2::{Digest as _, Sha256};

use super::{Dot, Origin};

/// Into how many ranges one that differs is divided.
pub const BRANCHES: u64 = 16;
/// Entries of a range that are named instead of dividing it.
pub const LEAF: usize = 32;

/// Dots of one origin, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(array)]
pub struct Range {
    /// Whose dots.
    #[n(0)]
    pub origin: Origin,
    /// The first number.
    #[n(1)]
    pub from: u64,
    /// The last number.
    #[n(2)]
    pub to: u64,
}

/// What one node holds of a range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Digest {
    /// How many live entries.
    #[n(0)]
    pub count: u64,
    /// A sum over their names, whatever their order.
    #[n(1)]
    pub sum: u64,
}

/// What a node says of a range that it is asked about.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Reply {
    /// It holds the same.
    #[n(0)]
    Same,
    /// It holds something else: these are the parts of the range.
    #[n(1)]
    Parts(#[n(0)] Vec<(Range, Digest)>),
    /// It holds these and no others.
    #[n(2)]
    Dots(#[n(0)] Vec<Dot>),
}

/// The names of the live entries of one node, as they were when it was asked first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names(BTreeSet<Dot>);

impl FromIterator<Dot> for Names {
    fn from_iter<I: IntoIterator<Item = Dot>>(dots: I) -> Self {
        Self(dots.into_iter().collect())
    }
}

impl Names {
    /// Returns whether an entry is among them.
    pub fn contains(&self, dot: Dot) -> bool {
        self.0.contains(&dot)
    }

    /// Returns the questions with which a comparison begins: one range for each origin of which anything is held. What of
    /// other origins the peer holds is none of what this node has to let go of.
    pub fn questions(&self) -> Vec<(Range, Digest)> {
        let origins: BTreeSet<Origin> = self.0.iter().map(|dot| dot.origin).collect();
        let whole = |origin| Range { origin, from: 0, to: u64::MAX };
        origins.into_iter().map(|origin| (whole(origin), self.digest(whole(origin)))).collect()
    }

    /// Answers a question.
    pub fn answer(&self, (range, asked): (Range, Digest)) -> Reply {
        let own = self.digest(range);
        if own == asked {
            return Reply::Same;
        }
        let held: Vec<Dot> = self.range(range).collect();
        if held.len() <= LEAF {
            return Reply::Dots(held);
        }
        // What lies before the first and behind the last is not divided: the parts get small where the entries are.
        let (Some(first), Some(last)) = (held.first(), held.last()) else { return Reply::Dots(held) };
        let width = (last.seq - first.seq) / BRANCHES + 1;
        let mut parts = Vec::new();
        let mut from = range.from;
        while from <= last.seq {
            let behind = first.seq.max(from).saturating_add(width);
            let to = if behind > last.seq { range.to } else { behind - 1 };
            let part = Range { origin: range.origin, from, to };
            parts.push((part, self.digest(part)));
            let Some(next) = to.checked_add(1) else { break };
            from = next;
        }
        Reply::Parts(parts)
    }

    /// Takes a reply in. Returns what is to be asked next, and adds to `lacking` what the peer does not hold.
    pub fn handle_reply(
        &self,
        range: Range,
        reply: &Reply,
        lacking: &mut BTreeSet<Dot>,
    ) -> Vec<(Range, Digest)> {
        match reply {
            Reply::Same => Vec::new(),
            Reply::Parts(parts) => {
                let own = parts.iter().map(|(part, theirs)| (*part, self.digest(*part), *theirs));
                let differs = own.filter(|(_, own, theirs)| own.count > 0 && own != theirs);
                differs.map(|(part, own, _)| (part, own)).collect()
            }
            Reply::Dots(theirs) => {
                lacking.extend(self.range(range).filter(|dot| !theirs.contains(dot)));
                Vec::new()
            }
        }
    }

    /// Compares with a peer by `ask`ing it. Returns what is held here and not there.
    pub fn lacking(&self, mut ask: impl FnMut((Range, Digest)) -> Reply) -> BTreeSet<Dot> {
        let (mut open, mut lacking) = (self.questions(), BTreeSet::new());
        while let Some(question) = open.pop() {
            let reply = ask(question);
            open.extend(self.handle_reply(question.0, &reply, &mut lacking));
        }
        lacking
    }

    fn range(&self, Range { origin, from, to }: Range) -> impl Iterator<Item = Dot> {
        self.0.range(origin.dot(from)..=origin.dot(to)).copied()
    }

    fn digest(&self, range: Range) -> Digest {
        self.range(range).fold(Digest::default(), |digest, dot| Digest {
            count: digest.count + 1,
            sum: digest.sum.wrapping_add(number(dot)),
        })
    }
}

/// Returns a number that stands for a name.
fn number(dot: Dot) -> u64 {
    let mut hash = Sha256::new();
    hash.update(dot.origin.to_bytes());
    hash.update(dot.seq.to_be_bytes());
    hash.finalize().iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(node: u32) -> Origin {
        Origin { node, start: 1, random: 0 }
    }

    #[test]
    fn what_the_peer_lacks_is_found_and_nothing_else() {
        arbtest::arbtest(|u| {
            let (mut mine, mut theirs, mut expected) = (Names::default(), Names::default(), BTreeSet::new());
            for node in 1..=3 {
                let mut seq = 0;
                for _ in 0..u.int_in_range(0..=90)? {
                    seq += if u.ratio(1, 20)? { u.int_in_range(1..=u64::MAX / 200)? } else { 1 };
                    let dot = origin(node).dot(seq);
                    match u.int_in_range(0..=12)? {
                        0 => _ = theirs.0.insert(dot),
                        1 => {
                            mine.0.insert(dot);
                            expected.insert(dot);
                        }
                        _ => {
                            mine.0.insert(dot);
                            theirs.0.insert(dot);
                        }
                    }
                }
            }
            assert_eq!(mine.lacking(|question| theirs.answer(question)), expected);
            Ok(())
        });
    }

    #[test]
    fn few_differences_among_many_entries_cost_little() {
        let all: Names = (1..=100_000).map(|seq| origin(1).dot(seq)).collect();
        let mut theirs = all.clone();
        for seq in [7, 50_000, 99_999] {
            theirs.0.remove(&origin(1).dot(seq));
        }
        let (mut questions, mut named) = (0, 0);
        let lacking = all.lacking(|question| {
            questions += 1;
            let reply = theirs.answer(question);
            if let Reply::Dots(dots) = &reply {
                named += dots.len();
            }
            reply
        });
        assert_eq!(lacking.iter().map(|dot| dot.seq).collect::<Vec<_>>(), [7, 50_000, 99_999]);
        assert!(questions < 20 && named < 4 * LEAF, "{questions} questions, {named} names");
        questions = 0;
        let same = all.lacking(|question| {
            questions += 1;
            all.answer(question)
        });
        assert_eq!((same.len(), questions), (0, 1));
    }

    #[test]
    fn questions_and_replies_come_back_from_their_bytes() {
        let names: Names = (1..=100).map(|seq| origin(1).dot(3 * seq)).collect();
        let [question] = names.questions()[..] else { panic!("one origin") };
        let bytes = minicbor::to_vec(question).unwrap();
        assert_eq!(minicbor::decode::<(Range, Digest)>(&bytes).unwrap(), question);
        for theirs in [names.clone(), Names::default(), names.0.iter().skip(1).copied().collect()] {
            let reply = theirs.answer(question);
            let bytes = minicbor::to_vec(&reply).unwrap();
            assert_eq!(minicbor::decode::<Reply>(&bytes).unwrap(), reply);
        }
    }
}
