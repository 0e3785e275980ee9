//! All cells of one account, and what they say together.
//!
//! Rests on the replication rules R4 (removals), R6 (siblings) and R10 (subscriptions).
//!
//! Implements: XEP-0191 v1.3, section 6. Complete.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::contact::Kept;
use super::few::Few;
use super::life::Cells;
use super::{Author, Credentials, Item, Life, Met, Prefs, Status};
use crate::jid::{BareJid, Jid};
use crate::replica::{Caps, Cell, Context, Dot, Hlc, Mark, Standing};

/// Rows of an account that are about nobody else: status, credentials, preferences, mark.
const OWN_ROWS: usize = 4;
/// Rows about one contact at most: what the owner wrote, and both directions of the edge.
const CONTACT_ROWS: usize = 5;

/// The replicated state of one account. An account that nobody has written has no status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub(super) owner: BareJid,
    /// What was written in each life; first what an earlier format has not named one for.
    pub(super) lives: Few<Option<Life>, Cells>,
    /// What is known of the accounts at the other ends of its edges.
    pub(super) met: BTreeMap<BareJid, Met>,
    /// What decides between concurrent writes beside their stamps.
    pub(super) caps: Caps,
    /// What the first writer of a cell has seen of it: everything that everybody has.
    pub(super) floor: Context,
}

/// A contact as the roster shows it.
#[derive(Clone, Copy, Debug)]
pub struct Listing<'a> {
    /// What the edges say.
    pub standing: Standing,
    kept: &'a Kept,
    caps: &'a Caps,
}

/// How the owner of an account logs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Login<'a> {
    /// Whether the account may be used.
    pub status: Status,
    /// The encoded account record.
    pub record: &'a Bytes,
    /// Who has set the password.
    pub by: Author,
}

impl Account {
    /// Creates the state that nobody has written.
    pub fn new(owner: BareJid) -> Self {
        let (lives, met, floor) = (Few::new(), BTreeMap::new(), Context::default());
        Self { owner, lives, met, caps: Caps::new(), floor }
    }

    /// Returns whose account it is.
    pub const fn owner(&self) -> &BareJid {
        &self.owner
    }

    /// Returns the life that the name stands for; nothing where there is no account. Of two that were created at once the
    /// earlier counts, and the other waits for an operator.
    pub fn life(&self) -> Option<Life> {
        self.showing().and_then(|(life, _)| life)
    }

    /// Returns whether nobody has written anything.
    pub fn is_unwritten(&self) -> bool {
        self.lives.is_empty()
    }

    /// Returns the lives that have begun and not ended.
    pub fn living(&self) -> impl Iterator<Item = Option<Life>> {
        self.lives.iter().filter(|(_, cells)| cells.is_living()).map(|(life, _)| *life)
    }

    /// Returns whose cells are shown.
    fn showing(&self) -> Option<(Option<Life>, &Cells)> {
        let living = self.lives.iter().filter(|(_, cells)| cells.is_living());
        let first = living.min_by_key(|(life, _)| life.map(|life| self.caps.place(life.born, life.uid)));
        first.map(|(life, cells)| (*life, cells))
    }

    /// Returns what is shown.
    pub(super) fn shown(&self) -> Option<&Cells> {
        self.showing().map(|(_, cells)| cells)
    }

    /// Returns whether the account may be used; nothing where there was never one.
    pub fn status(&self) -> Option<Status> {
        let over = || self.lives.values().any(Cells::is_over).then_some(Status::Deleted);
        self.shown().and_then(|cells| cells.status.strictest()).or_else(over)
    }

    /// Returns how the owner logs in; nothing where there is no such account.
    pub fn credentials(&self) -> Option<Login<'_>> {
        let cells = self.shown()?;
        let Credentials { record, by } = cells.credentials.current(&self.caps)?;
        Some(Login { status: cells.status.strictest()?, record, by: *by })
    }

    /// Returns what the owner wrote of a contact, unless it was removed.
    pub fn item(&self, contact: &BareJid) -> Option<Item> {
        self.shown()?.contacts.get(contact)?.item(&self.caps)
    }

    /// Returns everybody of whom anything is known, in the order of their addresses. Not all of them are in the roster.
    pub fn contacts(&self) -> impl Iterator<Item = (&BareJid, Listing<'_>)> {
        let contacts = self.shown().into_iter().flat_map(|cells| &cells.contacts);
        contacts.map(|(jid, kept)| (jid, Listing::of(kept, &self.caps)))
    }

    /// Returns a contact of whom anything is known.
    pub fn listing(&self, contact: &BareJid) -> Option<Listing<'_>> {
        Some(Listing::of(self.shown()?.contacts.get(contact)?, &self.caps))
    }

    /// Returns what the edges say of a contact.
    pub fn standing(&self, contact: &BareJid) -> Standing {
        let known = self.shown().and_then(|cells| cells.contacts.get(contact));
        known.map(Kept::standing).unwrap_or_default()
    }

    /// Returns the last write of what the roster shows of a contact, a removal included. What the roster does not show
    /// does not count: a request of the contact's, or that the contact may follow one day.
    pub fn changed(&self, contact: &BareJid) -> Option<(Hlc, Dot)> {
        self.shown()?.contacts.get(contact)?.changed()
    }

    /// Returns when the account was created: it tells one life of an account from the next.
    pub fn since(&self) -> Option<Hlc> {
        self.life().map(|life| life.born)
    }

    /// Returns of how many contacts anything is known, those that were removed included.
    pub fn known(&self) -> usize {
        self.shown().map_or(0, |cells| cells.contacts.len())
    }

    /// Returns how many rows the account has at most, one for each cell: those of lives that are over are kept as well.
    pub fn rows(&self) -> usize {
        let (contacts, blocks) = if self.lives.keys().count() > 1 {
            let contacts: BTreeSet<&BareJid> =
                self.lives.values().flat_map(|cells| cells.contacts.keys()).collect();
            let blocks: BTreeSet<&Jid> = self.lives.values().flat_map(|cells| cells.blocks.keys()).collect();
            (contacts.len(), blocks.len())
        } else {
            self.lives.values().next().map_or((0, 0), |cells| (cells.contacts.len(), cells.blocks.len()))
        };
        OWN_ROWS + CONTACT_ROWS * contacts + blocks
    }

    /// Returns the subscription request of a contact that was not answered.
    pub fn request_of(&self, contact: &BareJid) -> Option<Bytes> {
        self.shown()?.contacts.get(contact)?.request(&self.caps, self.met.get(contact))
    }

    /// Returns whether `jid` is blocked, by itself or by what it is part of.
    pub fn blocks(&self, jid: &Jid) -> bool {
        let Some(cells) = self.shown().filter(|cells| !cells.blocks.is_empty()) else { return false };
        let whole = |text: &str| cells.blocks.get(text).is_some_and(Cell::is_guarded);
        whole(jid.as_str()) || whole(jid.bare_str()) || whole(jid.domain())
    }

    /// Returns the block list, in the order of the addresses.
    pub fn blocked(&self) -> impl Iterator<Item = &Jid> {
        let blocks = self.shown().into_iter().flat_map(|cells| &cells.blocks);
        blocks.filter(|(_, cell)| cell.is_guarded()).map(|(jid, _)| jid)
    }

    /// Returns the addresses that were ever on the block list.
    pub fn ever_blocked(&self) -> impl Iterator<Item = &Jid> {
        self.shown().into_iter().flat_map(|cells| cells.blocks.keys())
    }

    /// Returns the preferences, if the owner has set any.
    pub fn prefs(&self) -> Option<&Prefs> {
        self.shown()?.prefs.newest(&self.caps).map(|entry| &entry.value)
    }

    /// Returns what its sessions were given.
    pub fn mark(&self) -> Mark {
        self.shown().map(|cells| cells.mark.joined()).unwrap_or_default()
    }

    /// Returns whether a message of its log was given to somebody who has acknowledged it.
    pub fn has_given(&self, dot: Dot) -> bool {
        self.shown().is_some_and(|cells| cells.mark.has_given(dot))
    }

    /// Takes over what the domain's nodes agree on: the caps, and what all of them have committed. An account of a node that has no
    /// peers needs neither.
    pub fn heed(&mut self, caps: &Caps, floor: &Context) {
        self.floor.clone_from(floor);
        if self.caps != *caps {
            self.caps.clone_from(caps);
            for (jid, kept) in self.lives.values_mut().flat_map(|cells| &mut cells.contacts) {
                kept.refresh(self.met.get(jid), caps);
            }
        }
    }

    /// Takes over what is known of the account at the other end of an edge: what was written for another life of it does not
    /// count.
    pub fn meet(&mut self, contact: &BareJid, met: Met) {
        for cells in self.lives.values_mut() {
            if let Some(kept) = cells.contacts.get_mut(contact) {
                kept.refresh(Some(&met), &self.caps);
            }
        }
        self.met.insert(contact.clone(), met);
    }

    /// Forgets the lives that are over. Only where no other node may still write for them.
    pub fn bury(&mut self) {
        self.lives.retain(|_, cells| !cells.is_over());
    }
}

impl<'a> Listing<'a> {
    const fn of(kept: &'a Kept, caps: &'a Caps) -> Self {
        Self { standing: kept.standing(), kept, caps }
    }

    /// Returns what the owner wrote, unless it was removed.
    pub fn item(&self) -> Option<Item> {
        self.kept.item(self.caps)
    }

    /// Returns whether the contact is in the roster, and not only somebody who asks, was removed, or may follow one day.
    pub fn is_in_roster(&self) -> bool {
        let Standing { to, from, pending_out, pending_in: _, approved: _ } = self.standing;
        to || from || pending_out || self.item().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{bare, edge, jid, want};
    use super::*;
    use crate::replica::{CellName, Dots, Origin, Replica as _, Value};

    /// An account with these writes, each by another node that has seen nothing.
    fn concurrent(writes: Vec<(CellName, Value)>) -> Account {
        let mut empty = Account::default();
        empty.begin();
        let mut account = empty.clone();
        for (node, (cell, value)) in (1..).zip(writes) {
            let dot = Origin { node, start: 1, random: 0 }.dot(1);
            let hlc = Hlc { millis: i64::from(node), count: 0 };
            account.apply(&empty.write(cell, dot, hlc, value));
        }
        account
    }

    #[test]
    fn a_concurrent_unsubscription_and_a_concurrent_block_win() {
        let [wanted, allowed] = edge("alice@a.example", "bob@a.example");
        let blocked = CellName::Block(jid("eve@a.example"));
        let account = concurrent(vec![
            (wanted.clone(), want(false)),
            (wanted, want(true)),
            (allowed, Value::Allow(true)),
            (blocked.clone(), Value::Block(true)),
            (blocked, Value::Block(false)),
        ]);
        let standing = account.standing(&bare("bob@a.example"));
        assert!(!standing.to && !standing.pending_out);
        assert!(account.blocks(&jid("eve@a.example/x")));
    }

    #[test]
    fn an_item_is_that_of_the_last_writer() {
        let item = |name: &str, present| {
            let item = Item { name: Some(name.into()), groups: Vec::new(), present };
            (CellName::Item(bare("bob@a.example")), Value::Item(item))
        };
        let account = concurrent(vec![item("one", true), item("other", true)]);
        let name = account.item(&bare("bob@a.example")).and_then(|item| item.name);
        assert_eq!(name.as_deref(), Some("other"));
        let removed = concurrent(vec![item("one", true), item("", false)]);
        assert_eq!(removed.item(&bare("bob@a.example")), None);
        assert!(removed.contacts().all(|(_, listing)| !listing.is_in_roster()));
    }

    #[test]
    fn closing_and_opening_an_account_brings_no_old_password_back() {
        let secret = |record: &'static str| {
            let value = Credentials { record: record.into(), by: Author::User };
            (CellName::Credentials, Value::Credentials(value))
        };
        let status = |status| (CellName::Status, Value::Status(status));
        let mut here = concurrent(vec![status(Status::Active)]);
        let mut dots = [7, 8].map(|node| Dots::new(Origin { node, start: 1, random: 0 }));
        let mut write = |account: &mut Account, at: usize, (cell, value)| {
            let change = account.write(cell, dots[at].take(), Hlc { millis: 9, count: 0 }, value);
            account.apply(&change);
        };
        write(&mut here, 0, secret("old"));
        let mut there = here.clone();
        write(&mut here, 0, secret("new"));
        write(&mut there, 1, status(Status::Disabled));
        here.merge(&there);
        assert_eq!(here.credentials().map(|login| login.status), Some(Status::Disabled));
        write(&mut here, 0, status(Status::Active));
        let login = here.credentials().unwrap();
        assert_eq!((login.status, &login.record[..]), (Status::Active, &b"new"[..]));
    }

    #[test]
    fn a_request_stands_at_both_ends_until_it_is_answered() {
        let (alice, bob) = (bare("alice@a.example"), bare("bob@a.example"));
        let [wanted, allowed] = edge("bob@a.example", "alice@a.example");
        let mut dots = Dots::new(Origin { node: 1, start: 1, random: 0 });
        let mut ends = [Account::new(alice.clone()), Account::new(bob.clone())];
        ends.iter_mut().for_each(Account::begin);
        let mut write = |ends: &mut [Account; 2], author: usize, cell, value| {
            let change = ends[author].write_between(
                Some(&ends[1 - author]),
                cell,
                (dots.take(), Hlc::default()),
                value,
            );
            for end in ends {
                end.apply(&change);
            }
        };
        write(&mut ends, 1, wanted, want(true));
        assert!(ends[0].request_of(&bob).is_some() && ends[1].request_of(&alice).is_none());
        assert!(ends[0].standing(&bob).pending_in && ends[1].standing(&alice).pending_out);
        assert!(ends[0].contacts().all(|(_, listing)| !listing.is_in_roster()));
        write(&mut ends, 0, allowed, Value::Allow(true));
        assert!(ends[0].request_of(&bob).is_none());
        assert!(ends[0].standing(&bob).from && ends[1].standing(&alice).to);
    }

    #[test]
    fn a_block_matches_the_address_and_what_lies_under_it() {
        for (blocked, address, matches) in [
            ("bob@a.example/x", "bob@a.example/x", true),
            ("bob@a.example/x", "bob@a.example/y", false),
            ("bob@a.example/x", "bob@a.example", false),
            ("bob@a.example", "bob@a.example", true),
            ("bob@a.example", "bob@a.example/x", true),
            ("bob@a.example", "rob@a.example", false),
            ("a.example/x", "a.example/x", true),
            ("a.example/x", "a.example", false),
            ("a.example/x", "bob@a.example/x", false),
            ("a.example", "a.example", true),
            ("a.example", "a.example/x", true),
            ("a.example", "bob@a.example", true),
            ("a.example", "bob@a.example/x", true),
            ("a.example", "bob@b.a.example", false),
        ] {
            let account = concurrent(vec![(CellName::Block(jid(blocked)), Value::Block(true))]);
            assert_eq!(account.blocks(&jid(address)), matches, "{blocked} and {address}");
            assert_eq!(account.blocked().map(Jid::as_str).collect::<Vec<_>>(), [blocked]);
        }
    }
}
