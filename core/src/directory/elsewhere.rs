//! What other nodes say of their sessions.
//!
//! What a node says is kept as long as nobody says that it is gone for good. Whether it counts is another question: the sessions
//! of a node that cannot be reached are hidden after a while, all at once, and shown again as they are by then.
//!
//! Rests on the replication rules R24 (owned state).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use smallvec::SmallVec;

use crate::exchange::{Crowd, Far, OwnedFrame, OwnedSince};
use crate::jid::{FullJid, Jid};
use crate::map::{Map, keyed};
use crate::replica::{Heard, Owned, Report};
use crate::session::Directed;

/// Sessions of one node. What it says beyond is not taken: they look as if they were not there.
const FAR_MAX: usize = 1_000_000;

/// The sessions of other nodes.
#[derive(Debug)]
pub(crate) struct Elsewhere {
    owned: Owned<FullJid, Far>,
    /// Of the nodes that are shown: who has a session of an account, by bare JID.
    accounts: Map<Arc<str>, SmallVec<[(u32, FullJid); 2]>>,
    /// Nodes whose sessions count.
    shown: BTreeSet<u32>,
    /// Nodes that can be told something.
    linked: BTreeSet<u32>,
    /// Reports that are not whole yet.
    partial: BTreeMap<u32, Report<FullJid, Far>>,
    /// By session of another node, whom of this node it has told its presence directly.
    directed: BTreeMap<FullJid, Directed>,
    /// Sessions that this node has given to others, which have not told of them yet: by address, the node that has it.
    expected: BTreeMap<FullJid, (u32, Far)>,
}

/// Something that is seen otherwise than before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// The address.
    pub(crate) jid: FullJid,
    /// The session that was seen there, not counting one of this node.
    pub(crate) was: Option<Far>,
    /// The session that is.
    pub(crate) is: Option<Far>,
}

/// Its own question is to be asked again: something is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gap;

impl Elsewhere {
    /// Creates the state in which nobody has said anything, with a hasher that is keyed with `key`.
    pub(crate) fn new(key: u64) -> Self {
        Self {
            owned: Owned::new(),
            accounts: keyed(key),
            shown: BTreeSet::new(),
            linked: BTreeSet::new(),
            partial: BTreeMap::new(),
            directed: BTreeMap::new(),
            expected: BTreeMap::new(),
        }
    }

    /// Returns whether no session of another node counts, and none has told anybody here anything.
    pub(crate) fn is_empty(&self) -> bool {
        self.accounts.is_empty() && self.directed.is_empty()
    }

    /// Returns what this node has heard of another one.
    pub(crate) fn heard(&self, node: u32) -> OwnedSince {
        OwnedSince(self.owned.heard(node))
    }

    /// Takes note of whether another node can be told something.
    pub(crate) fn link(&mut self, node: u32, linked: bool) {
        self.partial.remove(&node);
        if linked {
            self.linked.insert(node);
        } else {
            self.linked.remove(&node);
        }
    }

    /// Returns whether another node can be told something.
    pub(crate) fn is_linked(&self, node: u32) -> bool {
        self.linked.contains(&node)
    }

    /// Returns whether a node says that an account has a session there that had none.
    pub(crate) fn is_coming(&self, node: u32, frame: &OwnedFrame) -> bool {
        let mut there = frame.report.changes.iter().filter(|(_, far)| far.is_some());
        // What has come before of a report in parts is not looked through again.
        !frame.more
            && (self.partial.contains_key(&node)
                || there.any(|(jid, _)| !self.has_session(node, jid.as_jid().bare_str())))
    }

    /// Takes in what a node says of its sessions; returns what is seen otherwise.
    ///
    /// # Errors
    ///
    /// [`Gap`] when something before it is missing; nothing has changed.
    pub(crate) fn hear(&mut self, node: u32, frame: OwnedFrame) -> Result<Vec<Change>, Gap> {
        let OwnedFrame { mut report, more } = frame;
        if report.owner.node != node {
            return Ok(Vec::new());
        }
        if let Some(mut begun) = self.partial.remove(&node) {
            let goes_on = begun.owner == report.owner && begun.seq == report.seq && report.since.is_none();
            if goes_on {
                begun.changes.append(&mut report.changes);
                report = begun;
            }
        }
        while report.changes.len() > FAR_MAX {
            report.changes.pop_last();
        }
        if more {
            self.partial.insert(node, report);
            return Ok(Vec::new());
        }
        let keys: Vec<FullJid> = report.changes.keys().cloned().collect();
        let before: BTreeMap<FullJid, Far> = self.seen_of(node, &report, &keys);
        match self.owned.hear(&report) {
            Heard::Gap => Err(Gap),
            Heard::Old => Ok(Vec::new()),
            Heard::Changed(heard) => {
                if !self.shown.contains(&node) {
                    let gone = heard.into_iter().filter(|(_, is)| is.is_none()).map(|(jid, _)| jid);
                    return Ok(self.unheard(gone.collect()));
                }
                let mut changes = Vec::new();
                for (jid, is) in heard {
                    let expected = self.expected.get(&jid).is_some_and(|(of, _)| *of == node);
                    if expected && is.is_some() {
                        self.expected.remove(&jid);
                    }
                    self.index(node, &jid, expected || is.is_some());
                    let was = before.get(&jid).cloned();
                    changes.extend(self.change(jid, was));
                }
                Ok(changes)
            }
        }
    }

    /// Returns, of addresses that nobody sees, those at which somebody was who has told others here something and is gone: they have to
    /// hear of that.
    fn unheard(&self, jids: Vec<FullJid>) -> Vec<Change> {
        let told = |jid: &FullJid| self.directed.contains_key(jid) && self.linked_at(jid.as_jid()).is_none();
        let gone = jids.into_iter().filter(|jid| told(jid) && self.seen(jid.as_jid()).is_none());
        gone.map(|jid| Change { jid, was: None, is: None }).collect()
    }

    /// Takes note that a node cannot be told anything. Returns whose end nobody else will tell: those that people here see go when
    /// they see the node go.
    pub(crate) fn unlink(&mut self, node: u32) -> Vec<Change> {
        self.link(node, false);
        self.unheard(self.directed.keys().cloned().collect())
    }

    /// Returns what is seen, before a report, at the addresses that it may change.
    fn seen_of(&self, node: u32, report: &Report<FullJid, Far>, named: &[FullJid]) -> BTreeMap<FullJid, Far> {
        let all = self.owned.of(node).map(|(jid, _)| jid).filter(|_| report.since.is_none());
        let jids = named.iter().chain(all);
        jids.filter_map(|jid| Some((jid.clone(), self.seen(jid.as_jid())?.1.clone()))).collect()
    }

    /// Shows the sessions of a node from here on; returns what is seen otherwise.
    pub(crate) fn show(&mut self, node: u32) -> Vec<Change> {
        if !self.shown.insert(node) {
            return Vec::new();
        }
        self.turn(node, true)
    }

    /// Hides the sessions of a node; returns what is seen otherwise.
    pub(crate) fn hide(&mut self, node: u32) -> Vec<Change> {
        if !self.shown.remove(&node) {
            return Vec::new();
        }
        let mut changes = self.turn(node, false);
        let expected = self.expected.iter().filter(|(_, (of, _))| *of == node);
        let expected: Vec<FullJid> = expected.map(|(jid, _)| jid.clone()).collect();
        changes.extend(expected.iter().filter_map(|jid| self.forget_expected(jid)));
        changes
    }

    /// A session of this node goes on at another one, which has not told so yet. Nobody sees anything of that.
    pub(crate) fn expect(&mut self, jid: FullJid, node: u32, far: Far) {
        self.forget_expected(&jid);
        self.index(node, &jid, true);
        self.expected.insert(jid, (node, far));
    }

    /// Waits no longer for a node to tell of a session that it was given. Returns what is seen otherwise.
    pub(crate) fn forget_expected(&mut self, jid: &FullJid) -> Option<Change> {
        let was = self.seen(jid.as_jid()).map(|(_, far)| far.clone());
        let (node, _) = self.expected.remove(jid)?;
        if !self.shown.contains(&node) || self.far(node, jid).is_none() {
            self.index(node, jid, false);
        }
        self.change(jid.clone(), was)
    }

    fn turn(&mut self, node: u32, shown: bool) -> Vec<Change> {
        let jids: Vec<FullJid> = self.owned.of(node).map(|(jid, _)| jid.clone()).collect();
        let mut changes = Vec::new();
        for jid in jids {
            let was = self.seen(jid.as_jid()).map(|(_, far)| far.clone());
            self.index(node, &jid, shown);
            changes.extend(self.change(jid, was));
        }
        changes
    }

    fn change(&self, jid: FullJid, was: Option<Far>) -> Option<Change> {
        let is = self.seen(jid.as_jid()).map(|(_, far)| far.clone());
        (was != is).then_some(Change { jid, was, is })
    }

    fn index(&mut self, node: u32, jid: &FullJid, there: bool) {
        let bare = jid.as_jid().bare_str();
        if there {
            let sessions = match self.accounts.get_mut(bare) {
                Some(sessions) => sessions,
                None => self.accounts.entry(bare.into()).or_default(),
            };
            if !sessions.iter().any(|(of, known)| *of == node && known == jid) {
                sessions.push((node, jid.clone()));
            }
        } else if let Some(sessions) = self.accounts.get_mut(bare) {
            sessions.retain(|(of, known)| *of != node || known != jid);
            if sessions.is_empty() {
                self.accounts.swap_remove(bare);
            }
        }
    }

    /// Returns the session that is seen at an address: of several the one that keeps it.
    pub(crate) fn seen(&self, full: &Jid) -> Option<(u32, &Far)> {
        let known = self.accounts.get(full.bare_str())?;
        let here = known.iter().filter(|(_, jid)| jid.as_jid() == full);
        here.filter_map(|(node, jid)| Some((*node, self.far(*node, jid)?)))
            .reduce(|best, other| if other.1.beats(best.1) { other } else { best })
    }

    /// Returns the session at an address, of a node that can be told something, whether people see it or not.
    pub(crate) fn linked_at(&self, full: &Jid) -> Option<(u32, &Far)> {
        let jid = full.full()?;
        let there = self.linked.iter().filter_map(|node| Some((*node, self.far(*node, &jid)?)));
        there.reduce(|best, other| if other.1.beats(best.1) { other } else { best })
    }

    /// Returns the sessions that are seen of an account.
    pub(crate) fn of_account<'a>(
        &'a self,
        account: &Jid,
    ) -> impl Iterator<Item = (u32, &'a FullJid, &'a Far)> {
        let known = self.accounts.get(account.bare_str());
        known.into_iter().flatten().filter_map(|(node, jid)| {
            let (of, far) = self.seen(jid.as_jid())?;
            (of == *node).then_some((of, jid, far))
        })
    }

    /// Returns the accounts of which a node says that it has sessions, whether they count or not.
    pub(crate) fn accounts_of(&self, node: u32) -> BTreeSet<Box<str>> {
        self.owned.of(node).map(|(jid, _)| jid.as_jid().bare_str().into()).collect()
    }

    /// Returns whether a session of `user`, a bare JID, is seen.
    pub(crate) fn has(&self, user: &str) -> bool {
        self.accounts.contains_key(user)
    }

    fn far(&self, node: u32, jid: &FullJid) -> Option<&Far> {
        let expected = || self.expected.get(jid).filter(|(of, _)| *of == node).map(|(_, far)| far);
        self.owned.value(node, jid).or_else(expected)
    }

    /// Takes note of a presence that a session of another node has told somebody of this node directly; at most `max` for
    /// each session. Beyond: whoever was told has to hear the end of it from the node of the session.
    pub(crate) fn told(&mut self, from: &FullJid, to: &Jid, max: u32) {
        if self.seen(from.as_jid()).or_else(|| self.linked_at(from.as_jid())).is_some() {
            _ = self.directed.entry(from.clone()).or_default().told(to, max);
        }
    }

    /// Takes note that a session has taken back what it had told somebody of this node directly.
    pub(crate) fn untold(&mut self, from: &Jid, to: &Jid) {
        let Some(from) = from.full() else { return };
        if let Some(directed) = self.directed.get_mut(&from) {
            directed.untold(to);
            if directed.is_empty() {
                self.directed.remove(&from);
            }
        }
    }

    /// Returns whether the session at `from` has told `who` its presence directly.
    pub(crate) fn has_told(&self, from: &Jid, who: &Jid) -> bool {
        from.full().and_then(|from| self.directed(&from)).is_some_and(|directed| directed.knows(who))
    }

    /// Returns whom of this node a session has told its presence directly.
    pub(crate) fn directed(&self, from: &FullJid) -> Option<&Directed> {
        self.directed.get(from)
    }

    /// Takes whom a session, which is gone or not available any more, has told its presence directly.
    pub(crate) fn take_directed(&mut self, from: &FullJid) -> Directed {
        self.directed.remove(from).unwrap_or_default()
    }
}

impl Crowd for Elsewhere {
    fn has_session(&self, node: u32, account: &str) -> bool {
        let first = self.owned.first_from(node, &*format!("{account}/"));
        first.is_some_and(|first| first.as_jid().bare_str() == account)
    }
}
