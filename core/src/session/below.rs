//! What a session has done that is stored here and, as far as is known, not yet where its domain wants it.
//!
//! Rests on the replication rule R22: none of it counts as safe before it is there, or before its client was told that it is not.

use std::collections::VecDeque;

use bytes::Bytes;
use minicbor::{Decode, Encode};

use crate::io::OpId;
use crate::stanza::Stanza;

/// Bytes that one of them takes beside its stanza, about.
const OVERHEAD: u32 = 96;

/// What waits, in order.
#[derive(Debug, Default)]
pub(crate) struct Below {
    notes: VecDeque<Note>,
    bytes: u32,
}

/// One thing that waits.
#[derive(Debug)]
pub(crate) struct Note {
    /// The flush with which it is stored here.
    pub(crate) flush: u64,
    /// Which of its client's stanzas it is; zero where the client does not count.
    pub(crate) ordinal: u64,
    /// The write without which there is nothing to wait for.
    pub(crate) op: Option<OpId>,
    /// What it is about.
    pub(crate) about: About,
}

/// What something that waits is about.
#[derive(Debug)]
pub(crate) enum About {
    /// The client's own stanza, emptied.
    Sent(Stanza),
    /// The result of the client's request, which it has not been given.
    Answer(Stanza),
}

/// What is stored of something that waits.
#[derive(Debug, Encode, Decode)]
pub(super) struct NoteRecord {
    #[n(0)]
    ordinal: u64,
    #[n(1)]
    is_answer: bool,
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    stanza: Vec<u8>,
}

impl Below {
    /// Adds something, behind the rest.
    pub(crate) fn push(&mut self, mut note: Note) {
        note.flush = self.notes.back().map_or(note.flush, |last| last.flush.max(note.flush));
        self.bytes += note.bytes();
        self.notes.push_back(note);
    }

    /// Returns the flush for which the first waits.
    pub(crate) fn first(&self) -> Option<u64> {
        self.notes.front().map(|note| note.flush)
    }

    /// Returns the bytes of what waits.
    pub(crate) const fn bytes(&self) -> u32 {
        self.bytes
    }

    /// Returns how many of its client's stanzas stand before all that wait; nothing when none of those waits.
    pub(crate) fn before(&self) -> Option<u64> {
        self.notes.iter().find(|note| note.ordinal > 0).map(|note| note.ordinal - 1)
    }

    /// Takes out what waits for flushes below `end`.
    pub(crate) fn take(&mut self, end: u64) -> Vec<Note> {
        let behind = self.notes.partition_point(|note| note.flush < end);
        let taken: Vec<Note> = self.notes.drain(..behind).collect();
        self.bytes -= taken.iter().map(Note::bytes).sum::<u32>();
        taken
    }

    /// Forgets what depends on a write that failed.
    pub(crate) fn fail(&mut self, failed: &[OpId]) {
        self.notes.retain(|note| note.op.is_none_or(|op| !failed.contains(&op)));
        self.bytes = self.notes.iter().map(Note::bytes).sum();
    }

    /// Lets all of it wait for flush `flush`, which stands for everything that was stored before.
    pub(crate) fn wait_for(&mut self, flush: u64) {
        self.notes.iter_mut().for_each(|note| note.flush = flush);
    }

    /// Returns what is stored of it.
    pub(super) fn records(&self) -> Vec<NoteRecord> {
        self.notes.iter().map(Note::record).collect()
    }

    /// Takes in what was stored; nothing where that cannot be read.
    pub(super) fn load(records: Vec<NoteRecord>) -> Option<Self> {
        let mut below = Self::default();
        for NoteRecord { ordinal, is_answer, stanza } in records {
            let stanza = Stanza::parse(Bytes::from(stanza))?;
            let about = if is_answer { About::Answer(stanza) } else { About::Sent(stanza) };
            below.push(Note { flush: 0, ordinal, op: None, about });
        }
        Some(below)
    }
}

impl Note {
    fn stanza(&self) -> &Stanza {
        match &self.about {
            About::Sent(stanza) | About::Answer(stanza) => stanza,
        }
    }

    fn bytes(&self) -> u32 {
        u32::try_from(self.stanza().packet().len()).unwrap_or(u32::MAX).saturating_add(OVERHEAD)
    }

    fn record(&self) -> NoteRecord {
        let is_answer = matches!(self.about, About::Answer(_));
        NoteRecord { ordinal: self.ordinal, is_answer, stanza: self.stanza().packet().to_vec() }
    }
}
