//! What is under way outside the node, and who waits for it.

use std::collections::BTreeMap;

use super::effect::Effect;
use crate::io::{ConnId, OpId};

/// Operations that will be answered by an input.
#[derive(Debug, Default)]
pub(crate) struct Ops {
    last: u64,
    waiting: BTreeMap<OpId, Waiting>,
    derivations: u32,
}

/// One operation.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// Who asked.
    pub(crate) owner: Owner,
    /// What happens once the write is durable; empty for reads and derivations.
    pub(crate) held: Vec<Effect>,
    derivation: bool,
}

/// Who asked for an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The node itself, while it starts.
    Boot,
    /// The login on a connection.
    Stream(ConnId),
    /// The account service.
    Account,
}

impl Ops {
    /// Numbers a new operation of `owner`.
    pub(crate) fn begin(&mut self, owner: Owner) -> OpId {
        self.insert(owner, false)
    }

    /// Numbers a new key derivation of `owner`.
    pub(crate) fn begin_derivation(&mut self, owner: Owner) -> OpId {
        self.derivations = self.derivations.saturating_add(1);
        self.insert(owner, true)
    }

    /// Puts effects beside an operation, to be released when it is durable.
    pub(crate) fn hold(&mut self, op: OpId, effects: impl Iterator<Item = Effect>) {
        if let Some(waiting) = self.waiting.get_mut(&op) {
            waiting.held.extend(effects);
        }
    }

    /// Ends an operation and returns what waited for it; nothing for an unknown number.
    pub(crate) fn end(&mut self, op: OpId) -> Option<Waiting> {
        let waiting = self.waiting.remove(&op)?;
        if waiting.derivation {
            self.derivations = self.derivations.saturating_sub(1);
        }
        Some(waiting)
    }

    /// Returns how many key derivations are under way.
    pub(crate) const fn derivations(&self) -> u32 {
        self.derivations
    }

    /// Returns whether nothing is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    fn insert(&mut self, owner: Owner, derivation: bool) -> OpId {
        self.last = self.last.saturating_add(1);
        let op = OpId(self.last);
        self.waiting.insert(op, Waiting { owner, held: Vec::new(), derivation });
        op
    }
}
