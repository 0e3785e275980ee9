//! Requests of this node's clients to clients of other nodes that nobody has answered.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::directory::SessionId;
use crate::jid::Jid;
use crate::stanza::Stanza;
use crate::time::Instant;

/// Open requests of one session. Beyond: refused.
const OPEN_MAX: usize = 256;

/// By what an answer is known: the id, and who was asked.
type Key = (Box<str>, Jid);

/// All of them.
#[derive(Debug, Default)]
pub(super) struct OpenIqs {
    /// By number; requests of one session with one id to one address are answered in their order.
    by: BTreeMap<SessionId, BTreeMap<Key, VecDeque<u64>>>,
    requests: BTreeMap<u64, OpenIq>,
    due: BTreeSet<(Instant, u64)>,
    counts: BTreeMap<SessionId, usize>,
}

#[derive(Debug)]
struct OpenIq {
    asker: SessionId,
    /// Without what it asks: a session may have many of them.
    stanza: Stanza,
    node: u32,
    deadline: Instant,
}

/// A session has asked too much.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooMany;

impl OpenIqs {
    /// Takes note of a request under a number of its own, for `node`.
    ///
    /// # Errors
    ///
    /// [`TooMany`] when its session has as many open ones as it may have.
    pub(super) fn ask(
        &mut self,
        asker: SessionId,
        stanza: &Stanza,
        (id, node, deadline): (u64, u32, Instant),
    ) -> Result<(), TooMany> {
        let count = self.counts.entry(asker).or_default();
        if *count >= OPEN_MAX {
            return Err(TooMany);
        }
        *count += 1;
        if let Some(key) = key(stanza, stanza.to.as_ref()) {
            self.by.entry(asker).or_default().entry(key).or_default().push_back(id);
        }
        self.due.insert((deadline, id));
        self.requests.insert(id, OpenIq { asker, stanza: stanza.emptied(), node, deadline });
        Ok(())
    }

    /// Closes the request that is answered. Returns whether there was one.
    pub(super) fn close(&mut self, asker: SessionId, answer: &Stanza) -> bool {
        let Some(key) = key(answer, Some(&answer.from)) else { return false };
        let id = self.by.get(&asker).and_then(|open| open.get(&key)).and_then(VecDeque::front).copied();
        id.and_then(|id| self.close_relayed(id)).is_some()
    }

    /// Closes the request with that number. Returns it, if it was open.
    pub(super) fn close_relayed(&mut self, id: u64) -> Option<Stanza> {
        let OpenIq { asker, stanza, deadline, .. } = self.requests.remove(&id)?;
        self.due.remove(&(deadline, id));
        if let (Some(open), Some(key)) = (self.by.get_mut(&asker), key(&stanza, stanza.to.as_ref()))
            && let Some(ids) = open.get_mut(&key)
        {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                open.remove(&key);
            }
        }
        if let Some(count) = self.counts.get_mut(&asker) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&asker);
                self.by.remove(&asker);
            }
        }
        Some(stanza)
    }

    /// Closes all requests that a node was asked.
    pub(super) fn close_node(&mut self, node: u32) -> Vec<Stanza> {
        let of_node = self.requests.iter().filter(|(_, open)| open.node == node);
        let ids: Vec<u64> = of_node.map(|(id, _)| *id).collect();
        ids.into_iter().filter_map(|id| self.close_relayed(id)).collect()
    }

    /// Closes all requests whose time is over.
    pub(super) fn close_due(&mut self, now: Instant) -> Vec<Stanza> {
        let ids: Vec<u64> =
            self.due.iter().take_while(|(deadline, _)| *deadline <= now).map(|(_, id)| *id).collect();
        ids.into_iter().filter_map(|id| self.close_relayed(id)).collect()
    }

    /// Takes all requests of a session, in their order: what, of which node, until when.
    pub(super) fn take(&mut self, asker: SessionId) -> Vec<(Stanza, u32, Instant)> {
        let mine = self.requests.iter().filter(|(_, open)| open.asker == asker);
        let all: Vec<_> = mine.map(|(id, open)| (*id, open.node, open.deadline)).collect();
        let taken = all.into_iter();
        taken.filter_map(|(id, node, due)| Some((self.close_relayed(id)?, node, due))).collect()
    }

    /// Forgets all requests of a session.
    pub(super) fn forget(&mut self, asker: SessionId) {
        let ids: Vec<u64> =
            self.by.get(&asker).into_iter().flat_map(BTreeMap::values).flatten().copied().collect();
        for id in ids {
            self.close_relayed(id);
        }
    }

    /// Returns when the next one's time is over.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due.first().map(|(deadline, _)| *deadline)
    }
}

fn key(stanza: &Stanza, asked: Option<&Jid>) -> Option<Key> {
    Some((stanza.id()?.as_ref().into(), asked?.clone()))
}

#[cfg(test)]
mod tests {
    use arbtest::arbtest;
    use slotmap::KeyData;

    use super::*;
    use crate::stanza::{IqType, Kind};

    fn asker(number: u64) -> SessionId {
        KeyData::from_ffi(1 << 32 | number).into()
    }

    fn jid(who: u8) -> Jid {
        Jid::parse(&format!("u{who}@x.example/r")).unwrap()
    }

    fn request(id: u8, to: u8) -> Stanza {
        let me = Jid::parse("me@x.example/r").unwrap();
        Stanza::make(Kind::Iq(IqType::Get), me, jid(to), Some(&id.to_string()), &[])
    }

    fn at(secs: u64) -> Instant {
        Instant::from_micros(secs * 1_000_000)
    }

    #[test]
    fn whatever_happens_each_request_is_closed_once() {
        arbtest(|data| {
            let mut open = OpenIqs::default();
            // By number: asker, id, to, node, deadline.
            let mut model: BTreeMap<u64, (u64, u8, u8, u32, u64)> = BTreeMap::new();
            for number in 0..data.int_in_range(0..=40)? {
                let (who, id, to) =
                    (data.int_in_range(1..=2)?, data.int_in_range(0..=1)?, data.int_in_range(0..=1)?);
                match data.int_in_range(0..=6)? {
                    0..=2_u8 => {
                        let (node, due) = (data.int_in_range(1..=2)?, data.int_in_range(1..=9)?);
                        let asked = open.ask(asker(who), &request(id, to), (number, node, at(due)));
                        assert_eq!(asked, Ok(()));
                        model.insert(number, (who, id, to, node, due));
                    }
                    3 => {
                        let answer = request(id, to).result(&[]);
                        let first = model
                            .iter()
                            .find(|(_, (of, with, asked, ..))| (*of, *with, *asked) == (who, id, to));
                        let first = first.map(|(number, _)| *number);
                        assert_eq!(open.close(asker(who), &answer), first.is_some());
                        first.map(|first| model.remove(&first));
                    }
                    4 => {
                        let node = data.int_in_range(1..=2)?;
                        let closed = open.close_node(node).len();
                        let before = model.len();
                        model.retain(|_, (.., of, _)| *of != node);
                        assert_eq!(closed, before - model.len());
                    }
                    5 => {
                        let now = data.int_in_range(0..=9)?;
                        let (closed, before) = (open.close_due(at(now)).len(), model.len());
                        model.retain(|_, (.., due)| *due > now);
                        assert_eq!(closed, before - model.len());
                    }
                    _ => {
                        open.forget(asker(who));
                        model.retain(|_, (of, ..)| *of != who);
                    }
                }
                assert_eq!(open.due(), model.values().map(|(.., due)| at(*due)).min());
                assert_eq!(open.requests.keys().collect::<Vec<_>>(), model.keys().collect::<Vec<_>>());
                assert_eq!(open.by.len(), open.counts.len());
                assert_eq!(open.counts.values().sum::<usize>(), model.len());
            }
            Ok(())
        });
    }

    #[test]
    fn what_a_request_asks_takes_no_room() {
        let (mut open, payload) =
            (OpenIqs::default(), crate::xml::Node::new("q", "urn:q").with_text(&"x".repeat(9_000)));
        let me = Jid::parse("me@x.example/r").unwrap();
        let asked = Stanza::make(Kind::Iq(IqType::Set), me, jid(1), Some("1"), &[payload]);
        assert_eq!(open.ask(asker(1), &asked, (1, 1, at(9))), Ok(()));
        let kept = open.close_relayed(1).unwrap();
        assert!(kept.packet().len() < 200);
        let error = |stanza: &Stanza| {
            stanza.error(crate::stanza::StanzaError::ItemNotFound).unwrap().packet().to_vec()
        };
        assert_eq!(error(&kept), error(&asked));
    }

    #[test]
    fn a_session_may_ask_only_so_much_at_once() {
        let mut open = OpenIqs::default();
        for number in 0..OPEN_MAX as u64 {
            assert_eq!(open.ask(asker(1), &request(1, 1), (number, 1, at(9))), Ok(()));
        }
        assert_eq!(open.ask(asker(1), &request(1, 1), (900, 1, at(9))), Err(TooMany));
        assert_eq!(open.ask(asker(2), &request(1, 1), (901, 1, at(9))), Ok(()));
        assert!(open.close(asker(1), &request(1, 1).result(&[])));
        assert!(!open.close(asker(1), &request(2, 1).result(&[])), "nobody has asked that");
        assert_eq!(open.ask(asker(1), &request(1, 1), (902, 1, at(9))), Ok(()));
    }
}
