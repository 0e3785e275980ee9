//! What is synchronised together, by name: synchronisation, links and the node speak of it.

/// A domain, by its place in the configuration of this node. Elsewhere it has another one: on a link its name says which it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DomainIx(pub(crate) u16);

/// What a group holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum GroupKind {
    /// What accounts are, and everything that changes a message that is there.
    Cells,
    /// Messages, which are only added.
    Logs,
}

/// What is held and synchronised together, with dots of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct GroupId {
    /// Whose it is.
    pub(crate) domain: DomainIx,
    /// What it holds.
    pub(crate) kind: GroupKind,
    /// Which part of that. There is one.
    pub(crate) shard: u16,
}

impl GroupKind {
    /// All kinds, in order.
    pub(crate) const ALL: [Self; 2] = [Self::Cells, Self::Logs];

    /// Returns what stands for the kind on a link. A number is given once.
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Cells => 0,
            Self::Logs => 1,
        }
    }

    /// Returns what names the kind in keys.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Cells => "c",
            Self::Logs => "l",
        }
    }
}
