//! What a session has said last to whom: its next message to them names it, and is shown to nobody before it.
//!
//! Rests on the replication rules R13 (scope). Each group is a scope of its own. Only in a cluster.

use std::collections::VecDeque;

use minicbor::{Decode, Encode};

use crate::jid::BareJid;
use crate::replica::Dot;

/// Scopes that a session remembers. Beyond: the one that was used least lately is forgotten, and who is not remembered gets what was
/// said last of all.
const SCOPES_MAX: usize = 64;
/// What FNV-1a begins with, and multiplies with.
const FNV: (u64, u64) = (0xcbf2_9ce4_8422_2325, 0x0100_0000_01b3);

/// The last dots, by what a scope's name gives; the one used last stands last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub(crate) struct Said(#[n(0)] VecDeque<(u64, Dot)>);

impl Said {
    /// Returns what the next message to `to` names in the group of `domain`.
    pub(crate) fn past(&self, domain: &str, to: &BareJid) -> Option<Dot> {
        let of = |name: u64| self.0.iter().find(|(known, _)| *known == name).map(|(_, dot)| *dot);
        let any = || of(name(domain, None)).filter(|_| self.0.len() >= SCOPES_MAX);
        of(name(domain, Some(to))).or_else(any)
    }

    /// Takes note of a message.
    pub(crate) fn note(&mut self, domain: &str, to: &BareJid, dot: Dot) {
        for name in [name(domain, Some(to)), name(domain, None)] {
            self.0.retain(|(known, _)| *known != name);
            if self.0.len() >= SCOPES_MAX {
                self.0.pop_front();
            }
            self.0.push_back((name, dot));
        }
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
    use super::*;
    use crate::replica::Origin;

    fn dot(seq: u64) -> Dot {
        Origin { node: 1, start: 1, random: 1 }.dot(seq)
    }

    #[test]
    fn a_message_names_the_last_one_to_the_same_recipient_in_the_same_group() {
        let [bob, amy] = ["bob@x.example", "amy@x.example"].map(|user| BareJid::parse(user).unwrap());
        let mut said = Said::default();
        said.note("x.example", &bob, dot(1));
        said.note("x.example", &bob, dot(3));
        said.note("x.example", &amy, dot(5));
        assert_eq!(said.past("x.example", &bob), Some(dot(3)));
        assert_eq!(said.past("x.example", &amy), Some(dot(5)));
        assert_eq!(said.past("y.example", &bob), None);
        let other = BareJid::parse("eve@x.example").unwrap();
        assert_eq!(said.past("x.example", &other), None, "it waits for nothing that was said to others");
        let bytes = minicbor::to_vec(&said).unwrap();
        assert_eq!(minicbor::decode::<Said>(&bytes).unwrap(), said);
    }

    #[test]
    fn who_was_forgotten_waits_for_what_was_said_last() {
        let user = |number: u64| BareJid::parse(&format!("u{number}@x.example")).unwrap();
        let mut said = Said::default();
        for number in 1..=70 {
            said.note("x.example", &user(number), dot(number));
        }
        assert_eq!(said.0.len(), SCOPES_MAX);
        assert_eq!(said.past("x.example", &user(70)), Some(dot(70)));
        assert_eq!(said.past("x.example", &user(8)), Some(dot(8)));
        assert_eq!(said.past("x.example", &user(7)), Some(dot(70)), "forgotten");
    }
}
