//! What other nodes are told of the sessions of this one.
//!
//! Each address has the number of its last change, so that a node that says what it has heard is told what has changed since,
//! and nothing twice. Addresses without a session are remembered for a while; who has heard nothing for longer is told
//! everything that there is.

use std::collections::{BTreeMap, BTreeSet};

use crate::exchange::{Far, OwnedFrame, OwnedSince};
use crate::jid::FullJid;
use crate::replica::{Origin, Report};

/// Addresses without a session that are remembered. Beyond: the oldest is forgotten, and who has not heard of it is told everything.
const REMOVED_MAX: usize = 4_096;
/// Bytes of one frame, more or less; one session always fits.
const FRAME_BYTES: usize = 32 * 1024;
/// Bytes of a frame with one session, its presence left out, at most: there are three parts in an address.
const ALONE_BYTES: usize = 4 * 1024;
/// Bytes of a session in a frame beside its texts.
const FAR_BYTES: usize = 64;

/// What this node says of its sessions, and who has been told how much.
#[derive(Debug)]
pub(crate) struct Own {
    origin: Origin,
    /// The number of the last change.
    seq: u64,
    /// By address, the number of its last change and the session.
    values: BTreeMap<FullJid, (u64, Option<Far>)>,
    by_change: BTreeMap<u64, FullJid>,
    /// The changes of those that have no session.
    removals: BTreeSet<u64>,
    /// The last change that has been forgotten.
    floor: u64,
    peers: BTreeMap<u32, Peer>,
    /// Bytes of the longest thing that other nodes take, and whether the observers know that something was longer.
    takes: BTreeMap<u32, (usize, Told)>,
}

/// Whether the observers know that a presence was too long for a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// None was.
    No,
    /// They are to be told.
    Due,
    /// They have been told.
    Yes,
}

/// What another node has been told, in numbers of changes; nothing: it is to be told everything.
#[derive(Clone, Copy, Debug)]
struct Peer {
    /// It has said that it has heard so much.
    heard: Option<u64>,
    told: Option<u64>,
}

impl Own {
    /// Creates what an incarnation says that has no sessions.
    pub(crate) fn new(origin: Origin) -> Self {
        let (values, by_change, peers) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let takes = BTreeMap::new();
        Self { origin, seq: 0, values, by_change, removals: BTreeSet::new(), floor: 0, peers, takes }
    }

    /// Takes note of what there is at an address.
    pub(crate) fn set(&mut self, jid: &FullJid, far: Option<Far>) {
        let known = self.values.get(jid);
        if known.map_or(far.is_none(), |(_, known)| *known == far) {
            return;
        }
        self.seq += 1;
        if far.is_none() {
            self.removals.insert(self.seq);
        }
        if let Some((change, _)) = self.values.insert(jid.clone(), (self.seq, far)) {
            self.by_change.remove(&change);
            self.removals.remove(&change);
        }
        self.by_change.insert(self.seq, jid.clone());
        if self.removals.len() > REMOVED_MAX
            && let Some(oldest) = self.removals.pop_first()
        {
            self.floor = oldest;
            if let Some(jid) = self.by_change.remove(&oldest) {
                self.values.remove(&jid);
            }
        }
    }

    /// Another node says what it has heard.
    pub(crate) fn handle_since(&mut self, node: u32, OwnedSince(heard): OwnedSince) {
        let heard = heard.filter(|(origin, _)| *origin == self.origin).map(|(_, seq)| seq);
        self.peers.insert(node, Peer { heard, told: heard });
    }

    /// Another node can be reached, and takes nothing that is longer than `most` bytes.
    pub(crate) fn handle_up(&mut self, node: u32, most: usize) {
        self.takes.insert(node, (most, Told::No));
    }

    /// Returns the nodes that were not told a presence because it is too long for them.
    pub(crate) fn take_cramped(&mut self) -> Vec<u32> {
        let due = self.takes.iter_mut().filter(|(_, (_, told))| *told == Told::Due);
        due.map(|(node, (_, told))| (*told = Told::Yes, *node).1).collect()
    }

    /// What was under way to another node may be lost.
    pub(crate) fn handle_moved(&mut self, node: u32) {
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.told = peer.heard;
        }
    }

    /// Another node cannot be reached: it will say anew what it has heard.
    pub(crate) fn handle_down(&mut self, node: u32) {
        self.peers.remove(&node);
    }

    /// Returns what is to be told, and to whom: those that have said what they have heard.
    pub(crate) fn take_due(&mut self) -> Vec<(u32, OwnedFrame)> {
        let due = |peer: &Peer| peer.told != Some(self.seq);
        let due: Vec<(u32, Option<u64>)> =
            self.peers.iter().filter(|(_, peer)| due(peer)).map(|(node, peer)| (*node, peer.told)).collect();
        let mut frames = Vec::new();
        for (node, told) in due {
            let told = told.filter(|told| (self.floor..=self.seq).contains(told));
            let mut said = self.frames(told);
            self.shorten(node, &mut said);
            frames.extend(said.into_iter().map(|frame| (node, frame)));
            if let Some(peer) = self.peers.get_mut(&node) {
                peer.told = Some(self.seq);
            }
        }
        frames
    }

    /// Leaves out presences that are too long for a node: their sessions are there, and look as if they had said none.
    fn shorten(&mut self, node: u32, frames: &mut [OwnedFrame]) {
        let Some((most, told)) = self.takes.get_mut(&node) else { return };
        for far in frames.iter_mut().flat_map(|frame| frame.report.changes.values_mut().flatten()) {
            if far.presence.take_if(|said| said.len() + ALONE_BYTES > *most).is_some() && *told == Told::No {
                *told = Told::Due;
            }
        }
    }

    /// Cuts what has changed since a change, or everything, into frames. Each frame of changes holds for itself.
    fn frames(&self, since: Option<u64>) -> Vec<OwnedFrame> {
        let mut frames = Vec::new();
        let mut report = Report { owner: self.origin, since, seq: self.seq, changes: BTreeMap::new() };
        let mut bytes = 0;
        let (from, mut last) = (since.map_or(0, |since| since + 1), since.unwrap_or_default());
        for (change, jid) in self.by_change.range(from..) {
            let Some((_, far)) = self.values.get(jid) else { continue };
            if since.is_none() && far.is_none() {
                continue;
            }
            let presence = far.as_ref().and_then(|far| far.presence.as_ref()).map_or(0, bytes::Bytes::len);
            let more = FAR_BYTES + jid.as_str().len() + presence;
            if bytes + more > FRAME_BYTES && bytes > 0 {
                let next = Report { since: since.map(|_| last), changes: BTreeMap::new(), ..report };
                let mut full = core::mem::replace(&mut report, next);
                full.seq = if since.is_some() { last } else { self.seq };
                frames.push(OwnedFrame { report: full, more: since.is_none() });
                bytes = 0;
            }
            report.changes.insert(jid.clone(), far.clone());
            (bytes, last) = (bytes + more, *change);
        }
        frames.push(OwnedFrame { report, more: false });
        frames
    }
}
