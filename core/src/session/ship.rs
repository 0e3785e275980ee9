//! A session as it goes to another node: what is stored of it, what its client has not acknowledged, and what the other node cannot know.
//!
//! Rests on the replication rules R17 (the delivery vector goes with the session) and R18 (open requests).

use std::collections::VecDeque;

use bytes::Bytes;
use minicbor::{Decode, Encode};

use super::Session;
use super::save::{SessionRecord, SlotRecord, record, revive};
use crate::jid::BareJid;
use crate::replica::{Dot, Vector};
use crate::store::{decode, encode};

/// What goes along with a session.
#[derive(Debug, Default, Encode, Decode)]
pub(crate) struct Cargo {
    /// Which messages of its domain its node had on its disk: what another one has beside those it has not been given.
    #[n(0)]
    pub(crate) held: Vector,
    /// What its client has asked others and nobody has answered.
    #[n(1)]
    pub(crate) open: Vec<OpenRecord>,
    /// Whose presence it has been shown, and a hash of that.
    #[n(2)]
    pub(crate) shown: Vec<(String, u64)>,
}

/// A request of its client that nobody has answered.
#[derive(Debug, Encode, Decode)]
pub(crate) struct OpenRecord {
    /// The request, emptied.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub(crate) stanza: Vec<u8>,
    /// Which node was asked.
    #[n(1)]
    pub(crate) node: u32,
    /// How many microseconds the answer may still take.
    #[n(2)]
    pub(crate) left: u64,
}

/// A session that has come from another node.
#[derive(Debug, Encode, Decode)]
pub(crate) struct Arrival {
    #[n(0)]
    owner: String,
    #[n(1)]
    record: SessionRecord,
    #[n(2)]
    slots: Vec<SlotRecord>,
    #[n(3)]
    heard: Vec<Dot>,
    /// What has come along.
    #[n(4)]
    pub(crate) cargo: Cargo,
}

impl Session {
    /// Returns the session as it goes to another node. Nothing of it may wait for a write.
    pub(crate) fn ship(&self, cargo: Cargo) -> Bytes {
        let slots = self.outbox.from(0).map(|(_, slot)| SlotRecord::of(slot)).collect();
        let owner = self.jid.bare().as_str().to_owned();
        encode(&Arrival { owner, record: record(self), slots, heard: self.heard().collect(), cargo })
    }
}

impl Arrival {
    /// Reads what another node has shipped, or this one wanted to; nothing when it is no session.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        decode(bytes).ok()
    }

    /// Returns whose session it is.
    pub(crate) fn owner(&self) -> Option<BareJid> {
        BareJid::parse(&self.owner).ok()
    }

    /// Returns the session, which has no connection, under this number, and what has come along. Nothing when it is none that can be
    /// resumed.
    pub(crate) fn unpack(self, number: u64) -> Option<(Session, Cargo)> {
        let owner = self.owner()?;
        let mut session = revive(self.record, &owner, number)?;
        session.acks.as_ref().filter(|acks| acks.id.is_some())?;
        let slots: VecDeque<_> = self.slots.into_iter().map(SlotRecord::slot).collect();
        let base = session.outbox.base();
        session.outbox.restore(base, slots);
        (session.saved_from, session.saved_to) = (base, base);
        session.hear_again(self.heard);
        Some((session, self.cargo))
    }
}
