//! What is under way outside the node, and who waits for it.

use std::collections::BTreeMap;

use super::effect::Effect;
use crate::io::{ConnId, OpId};

/// Operations that will be answered by an input.
#[derive(Debug, Default)]
pub(crate) struct Ops {
    last: u64,
    waiting: BTreeMap<OpId, Waiting>,
    /// Derivations for logins, and whose they are. Those of the account service are bounded by its changes.
    logins: BTreeMap<OpId, ConnId>,
}

/// One operation.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// Who asked.
    pub(crate) owner: Owner,
    /// What happens once the write is durable; empty for reads and derivations.
    pub(crate) held: Vec<Effect>,
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
    /// The blocking service.
    Blocking,
    /// What is read only when it is asked for.
    Large,
    /// The roster service.
    Roster,
    /// The journal: one flush of everything written.
    Journal,
    /// The table of accounts in use.
    Hot,
    /// What is read at the start.
    Restore,
    /// The table of archives in use.
    Archive,
    /// The messages, and those that nobody has been given.
    Message,
    /// Questions to archives.
    Mam,
    /// What removes old messages.
    Sweep,
    /// What is left of sessions that ended.
    Tombstones,
    /// Sessions that go from one node to another.
    Move,
    /// The node itself, when it becomes another incarnation.
    Rise,
    /// What the node is in its cluster.
    Membership,
    /// What other nodes have written.
    Sync,
    /// What of that is for something that is damaged.
    Kept,
}

impl Ops {
    /// Numbers an operation that nothing waits for.
    pub(crate) fn number(&mut self) -> OpId {
        self.last = self.last.saturating_add(1);
        OpId(self.last)
    }

    /// Numbers a new operation of `owner`.
    pub(crate) fn begin(&mut self, owner: Owner) -> OpId {
        let op = self.number();
        self.waiting.insert(op, Waiting { owner, held: Vec::new() });
        op
    }

    /// Numbers a new key derivation of `owner`.
    pub(crate) fn begin_derivation(&mut self, owner: Owner) -> OpId {
        let op = self.begin(owner);
        if let Owner::Stream(conn) = owner {
            self.logins.insert(op, conn);
        }
        op
    }

    /// Puts effects beside an operation, to be released when it is durable.
    pub(crate) fn hold(&mut self, op: OpId, effects: impl Iterator<Item = Effect>) {
        if let Some(waiting) = self.waiting.get_mut(&op) {
            waiting.held.extend(effects);
        }
    }

    /// Returns whether an operation has not been answered.
    pub(crate) fn is_under_way(&self, op: OpId) -> bool {
        self.waiting.contains_key(&op)
    }

    /// Ends an operation and returns what waited for it; nothing for an unknown number.
    pub(crate) fn end(&mut self, op: OpId) -> Option<Waiting> {
        self.logins.remove(&op);
        self.waiting.remove(&op)
    }

    /// Returns how many key derivations for logins are under way, and how many of them are for connections that
    /// `own` picks.
    pub(crate) fn login_derivations(&self, own: impl Fn(ConnId) -> bool) -> (u32, u32) {
        self.logins.values().fold((0, 0), |(all, picked), conn| (all + 1, picked + u32::from(own(*conn))))
    }

    /// Returns whether nothing is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }
}
