//! What stands in the cells of an account, and which of concurrent writes counts.
//!
//! Rests on the conflict table of docs/replication.md.

use bytes::Bytes;
use minicbor::{Decode, Encode};

use super::CellName;
use crate::jid::Jid;
use crate::replica::{Caps, Cell, Entry, Mark, Want, codec};

/// What was written to a cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Of [`CellName::Status`].
    Status(Status),
    /// Of [`CellName::Credentials`].
    Credentials(Credentials),
    /// Of [`CellName::Item`].
    Item(Item),
    /// Of [`CellName::Want`].
    Want(Want),
    /// Of [`CellName::Allow`].
    Allow(bool),
    /// Of [`CellName::Block`].
    Block(bool),
    /// Of [`CellName::Prefs`].
    Prefs(Prefs),
    /// Of [`CellName::Mark`].
    Mark(Mark),
}

/// Whether an account may be used. Of concurrent writes the greatest counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Status {
    /// It may.
    #[n(0)]
    Active,
    /// An operator has closed it for a time.
    #[n(1)]
    Disabled,
    /// It is gone.
    #[n(2)]
    Deleted,
}

/// Who wrote something. Of concurrent writes the greatest author's counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Author {
    /// The owner of the account.
    #[n(0)]
    User,
    /// An administrator.
    #[n(1)]
    Admin,
}

/// What the owner of an account proves the password with. A cell of its own beside the status, so that closing and opening an
/// account does not bring back a password that was changed meanwhile elsewhere.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct Credentials {
    /// The encoded account record.
    #[n(0)]
    #[cbor(with = "codec::octets")]
    pub record: Bytes,
    /// Who has set the password.
    #[n(1)]
    pub by: Author,
}

/// What the roster says of a contact apart from the subscription (RFC 6121, 2.1.2).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Item {
    /// The name that the owner gave.
    #[n(0)]
    pub name: Option<Box<str>>,
    /// The groups that the owner put it into.
    #[n(1)]
    pub groups: Vec<Box<str>>,
    /// Whether it is in the roster; a removal is a write, too.
    #[n(2)]
    pub present: bool,
}

/// What is archived (XEP-0313, section 7).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Prefs {
    /// What holds for everybody who is on no list.
    #[n(0)]
    pub default: Archiving,
    /// Whose messages always are.
    #[n(1)]
    #[cbor(with = "codec::addresses")]
    pub always: Vec<Jid>,
    /// Whose messages never are.
    #[n(2)]
    #[cbor(with = "codec::addresses")]
    pub never: Vec<Jid>,
}

/// The default of the preferences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Archiving {
    /// Everything.
    #[n(0)]
    Always,
    /// Nothing.
    #[n(1)]
    Never,
    /// What is exchanged with contacts.
    #[n(2)]
    Roster,
}

impl Value {
    /// Returns whether this is what stands in such a cell.
    pub(super) const fn is_of(&self, cell: &CellName) -> bool {
        matches!(
            (self, cell),
            (Self::Status(_), CellName::Status)
                | (Self::Credentials(_), CellName::Credentials)
                | (Self::Item(_), CellName::Item(_))
                | (Self::Want(_), CellName::Want { .. })
                | (Self::Allow(_), CellName::Allow { .. })
                | (Self::Block(_), CellName::Block(_))
                | (Self::Prefs(_), CellName::Prefs)
                | (Self::Mark(_), CellName::Mark)
        )
    }
}

impl Cell<Status> {
    /// Returns the status that counts: delete beats disable beats anything else. Nothing where there is no account.
    pub fn strictest(&self) -> Option<Status> {
        self.siblings().iter().map(|entry| entry.value).max()
    }
}

impl Cell<Credentials> {
    /// Returns the credentials that count: an administrator's reset beats the user's own change, else the newest.
    pub fn current(&self, caps: &Caps) -> Option<&Credentials> {
        let rank = |entry: &&Entry<Credentials>| (entry.value.by, caps.place(entry.hlc, entry.dot));
        let best = self.siblings().iter().max_by_key(rank);
        best.map(|entry| &entry.value)
    }
}

impl core::fmt::Debug for Credentials {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.debug_struct("Credentials").field("by", &self.by).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replica::{Cap, Hlc, Origin, Replica as _};

    /// A cell with concurrent writes, each later than the one before.
    fn cell<V: Clone>(values: &[V]) -> Cell<V> {
        let mut cell = Cell::new();
        for (node, value) in (1..).zip(values) {
            let dot = Origin { node, start: 1, random: 0 }.dot(1);
            let hlc = Hlc { millis: i64::from(node), count: 0 };
            cell.apply(Cell::new().write(dot, hlc, value.clone()));
        }
        cell
    }

    #[test]
    fn delete_beats_disable_beats_anything_else() {
        use Status::{Active, Deleted, Disabled};
        assert_eq!(cell(&[Deleted, Disabled, Active]).strictest(), Some(Deleted));
        assert_eq!(cell(&[Disabled, Active]).strictest(), Some(Disabled));
        assert_eq!(cell(&[Active, Active]).strictest(), Some(Active));
        assert_eq!(Cell::<Status>::new().strictest(), None);
    }

    #[test]
    fn an_administrators_reset_beats_the_users_change_else_the_newest_counts() {
        let by = |by, record: &'static str| Credentials { record: record.into(), by };
        let current =
            |values: &[Credentials]| cell(values).current(&Caps::new()).map(|value| value.record.clone());
        let (reset, own, later) =
            (by(Author::Admin, "reset"), by(Author::User, "own"), by(Author::User, "later"));
        assert_eq!(current(&[reset.clone(), own.clone(), later.clone()]), Some("reset".into()));
        assert_eq!(current(&[own, later]), Some("later".into()));
        assert_eq!(current(&[reset, by(Author::Admin, "again")]), Some("again".into()));
    }

    #[test]
    fn a_password_of_a_node_that_is_a_year_ahead_does_not_count_as_the_newest_once_it_is_capped() {
        let own = |record: &'static str| Credentials { record: record.into(), by: Author::User };
        let cell = cell(&[own("sane"), own("ahead")]);
        let counts = |caps: &Caps| cell.current(caps).map(|value| value.record.clone());
        assert_eq!(counts(&Caps::new()), Some("ahead".into()));
        let [dot, of] = [1, 2].map(|node| Origin { node, start: 1, random: 0 }.dot(1));
        let mut caps = Caps::new();
        caps.apply(&Cap { dot, of, at: Hlc::default() });
        assert_eq!(counts(&caps), Some("sane".into()));
    }

    #[test]
    fn debug_output_holds_no_key() {
        let secret = Credentials { record: "secret".into(), by: Author::User };
        assert!(!format!("{secret:?}").contains("secret"));
    }
}
