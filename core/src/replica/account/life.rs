//! The lives of an account: what was written for one of them is never seen in another.
//!
//! Rests on the replication rules R4 (removals), R9 (identity of names) and R10 (subscriptions).

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

use super::contact::Kept;
use super::{CellName, Change, Credentials, Prefs, Status, Value};
use crate::jid::{BareJid, Jid};
use crate::replica::{Caps, Cell, Dot, Hlc, Mark, Vector};

/// Names one life of an account: the write that created it. An account that is removed and made again has another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(array)]
pub struct Life {
    /// The name of that write.
    #[n(0)]
    pub uid: Dot,
    /// Its stamp: of two accounts that were created at once under one name, the earlier is the account.
    #[n(1)]
    pub born: Hlc,
}

/// Whose lives a write is for. Nobody's, where the author's node knew of no account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(array)]
pub struct Lives {
    /// That of the account; of an edge, that of the subscriber.
    #[n(0)]
    pub first: Option<Life>,
    /// Of an edge, that of the publisher.
    #[n(1)]
    pub second: Option<Life>,
}

impl Lives {
    /// Returns what began them. A write waits for it: lost with a disk, it has to be certified (R5), else nobody knows whether the
    /// lives have ended, and the write is kept for ever.
    pub fn begun(self) -> impl Iterator<Item = Dot> {
        [self.first, self.second].into_iter().flatten().map(|life| life.uid)
    }
}

/// What is known of the account at the other end of an edge, which stands elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Met {
    /// The life that its name stands for.
    pub current: Option<Life>,
    /// All that have begun and not ended; more than one when it was created twice.
    pub living: Vec<Life>,
}

/// The cells of one life.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cells {
    pub(super) status: Cell<Status>,
    pub(super) credentials: Cell<Credentials>,
    pub(super) prefs: Cell<Prefs>,
    pub(super) mark: Cell<Mark>,
    pub(super) contacts: BTreeMap<BareJid, Kept>,
    pub(super) blocks: BTreeMap<Jid, Cell<bool>>,
}

impl Cells {
    /// Returns whether the life has begun and not ended.
    pub(super) fn is_living(&self) -> bool {
        self.status.strictest().is_some_and(|status| status != Status::Deleted)
    }

    /// Returns whether it has ended.
    pub(super) fn is_over(&self) -> bool {
        self.status.strictest() == Some(Status::Deleted)
    }

    /// Drops the removals that everybody has.
    pub(super) fn collect(&mut self, floor: &Vector, met: &BTreeMap<BareJid, Met>, caps: &Caps) {
        self.contacts.retain(|jid, kept| {
            let met = met.get(jid);
            kept.change((met, caps), |contact| contact.collect(floor, met));
            !kept.is_empty()
        });
        self.blocks.retain(|_, cell| {
            cell.collect(floor, |on| !on);
            !cell.is_empty()
        });
    }

    /// Drops the entries for which `gone` holds.
    pub(super) fn forget(&mut self, gone: &dyn Fn(Dot) -> bool, met: &BTreeMap<BareJid, Met>, caps: &Caps) {
        self.status.forget(gone);
        self.credentials.forget(gone);
        self.prefs.forget(gone);
        self.mark.forget(gone);
        self.contacts.retain(|jid, kept| {
            kept.change((met.get(jid), caps), |contact| contact.forget(gone));
            !kept.is_empty()
        });
        self.blocks.retain(|_, cell| {
            cell.forget(gone);
            !cell.is_empty()
        });
    }

    /// Adds all live writes of life `own` of `owner`.
    pub(super) fn deltas(&self, owner: &BareJid, own: Option<Life>, all: &mut Vec<Change>) {
        let lives = Lives { first: own, second: None };
        each(all, (&CellName::Status, lives), &self.status, Value::Status);
        each(all, (&CellName::Credentials, lives), &self.credentials, Value::Credentials);
        each(all, (&CellName::Prefs, lives), &self.prefs, Value::Prefs);
        each(all, (&CellName::Mark, lives), &self.mark, Value::Mark);
        for (jid, cell) in &self.blocks {
            each(all, (&CellName::Block(jid.clone()), lives), cell, Value::Block);
        }
        for (jid, kept) in &self.contacts {
            let contact = kept.open();
            each(all, (&CellName::Item(jid.clone()), lives), &contact.item, Value::Item);
            for (life, ends) in contact.edges.iter() {
                let towards = Lives { first: own, second: *life };
                let back = Lives { first: *life, second: own };
                for (edge, lives, (subscriber, publisher)) in
                    [(&ends.towards, towards, (owner, jid)), (&ends.back, back, (jid, owner))]
                {
                    let (subscriber, publisher) = (subscriber.clone(), publisher.clone());
                    let want =
                        CellName::Want { subscriber: subscriber.clone(), publisher: publisher.clone() };
                    each(all, (&want, lives), &edge.want, Value::Want);
                    let allow = CellName::Allow { subscriber, publisher };
                    each(all, (&allow, lives), &edge.allow, Value::Allow);
                }
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        let alone = self.status.is_empty() && self.credentials.is_empty() && self.prefs.is_empty();
        alone && self.mark.is_empty() && self.contacts.is_empty() && self.blocks.is_empty()
    }
}

/// Adds the live writes of a cell.
pub(super) fn each<V: Clone>(
    all: &mut Vec<Change>,
    (name, lives): (&CellName, Lives),
    cell: &Cell<V>,
    value: fn(V) -> Value,
) {
    all.extend(cell.siblings().iter().map(|entry| {
        let entry = entry.with(value(entry.value.clone()));
        Change { cell: name.clone(), lives, entry }
    }));
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::replica::{Account, Author, Closing, Dots, Group, Item, Origin, Replica as _, Want};

    fn bare(name: &str) -> BareJid {
        BareJid::parse(&format!("{name}@a.example")).unwrap()
    }

    fn status(status: Status) -> (CellName, Value) {
        (CellName::Status, Value::Status(status))
    }

    fn password(record: &'static str) -> (CellName, Value) {
        let value = Credentials { record: Bytes::from_static(record.as_bytes()), by: Author::User };
        (CellName::Credentials, Value::Credentials(value))
    }

    fn block(name: &str) -> (CellName, Value) {
        (CellName::Block(bare(name).as_jid().clone()), Value::Block(true))
    }

    fn item(name: &str) -> (CellName, Value) {
        let value = Item { name: None, groups: Vec::new(), present: true };
        (CellName::Item(bare(name)), Value::Item(value))
    }

    /// One node.
    struct Node(Dots, i64);

    impl Node {
        fn new(node: u32, millis: i64) -> Self {
            Self(Dots::new(Origin { node, start: 1, random: 0 }), millis)
        }

        fn write(&mut self, account: &mut Account, (cell, value): (CellName, Value)) -> Change {
            self.1 += 1;
            let change = account.write(cell, self.0.take(), Hlc { millis: self.1, count: 0 }, value);
            account.apply(&change);
            change
        }
    }

    #[test]
    fn what_was_written_for_one_life_never_reaches_the_next() {
        let mut here = Account::new(bare("alice"));
        let (mut one, mut other) = (Node::new(1, 0), Node::new(2, 0));
        for write in [status(Status::Active), password("old"), block("bob"), item("bob")] {
            one.write(&mut here, write);
        }
        let mut there = here.clone();
        // The link is cut: here somebody else gets the name, there the old one goes on.
        for write in [status(Status::Deleted), status(Status::Active), password("new")] {
            one.write(&mut here, write);
        }
        for write in [password("later"), block("carol"), item("carol"), status(Status::Disabled)] {
            other.write(&mut there, write);
        }
        here.merge(&there);
        there.merge(&here);
        assert_eq!(here, there);
        let login = here.credentials().unwrap();
        assert_eq!((login.status, &login.record[..]), (Status::Active, &b"new"[..]));
        assert_eq!((here.blocked().count(), here.contacts().count(), here.known()), (0, 0, 0));
        assert!(!here.blocks(bare("bob").as_jid()) && !here.blocks(bare("carol").as_jid()));
        assert_eq!(here.rows(), 4 + 2 * 5 + 2, "and all of it is stored");
        // What comes without its context finds nothing to hide either.
        one.write(&mut here, item("dave"));
        one.write(&mut here, item("carol"));
        assert_eq!(here.rows(), 4 + 3 * 5 + 2, "in the row that is there");
        one.write(
            &mut here,
            (
                CellName::Item(bare("carol")),
                Value::Item(Item { name: None, groups: Vec::new(), present: false }),
            ),
        );
        here.merge(&there);
        let shown = here.contacts().filter(|(_, listing)| listing.is_in_roster());
        assert_eq!(shown.map(|(jid, _)| jid.clone()).collect::<Vec<_>>(), [bare("dave")]);
    }

    #[test]
    fn of_two_that_were_created_at_once_the_earlier_is_the_account_and_the_other_waits() {
        let (mut here, mut there) = (Account::new(bare("alice")), Account::new(bare("alice")));
        let (mut one, mut other) = (Node::new(1, 50), Node::new(2, 10));
        for write in [status(Status::Active), password("one"), item("bob")] {
            one.write(&mut here, write);
        }
        for write in [status(Status::Active), password("other")] {
            other.write(&mut there, write);
        }
        let rival = here.life().unwrap();
        here.merge(&there);
        assert_eq!(here.life(), there.life());
        assert_eq!(&here.credentials().unwrap().record[..], b"other");
        assert_eq!((here.contacts().count(), here.living().count()), (0, 2), "they do not merge");
        // The operator removes the account: nothing of the other was lost.
        one.write(&mut here, status(Status::Deleted));
        assert_eq!(here.life(), Some(rival));
        assert_eq!((&here.credentials().unwrap().record[..], here.contacts().count()), (&b"one"[..], 1));
        one.write(&mut here, status(Status::Deleted));
        assert_eq!((here.credentials(), here.status()), (None, Some(Status::Deleted)));
    }

    #[test]
    fn what_was_allowed_to_one_life_is_not_allowed_to_the_next() {
        let (alice, bob) = (bare("alice"), bare("bob"));
        let (mut hers, mut his) = (Account::new(alice.clone()), Account::new(bob.clone()));
        let mut node = Node::new(1, 0);
        node.write(&mut hers, status(Status::Active));
        node.write(&mut his, status(Status::Active));
        // Bob allows Alice to see him while she is removed elsewhere.
        let allow = CellName::Allow { subscriber: alice.clone(), publisher: bob.clone() };
        let hlc = Hlc { millis: 9, count: 0 };
        let allowed = his.write_between(Some(&hers), allow, (node.0.take(), hlc), Value::Allow(true));
        node.write(&mut hers, status(Status::Deleted));
        node.write(&mut hers, status(Status::Active));
        his.apply(&allowed);
        hers.apply(&allowed);
        assert!(his.standing(&alice).approved, "he does not know yet");
        his.meet(&alice, Met { current: hers.life(), living: hers.living().flatten().collect() });
        assert!(!his.standing(&alice).approved);
        assert_eq!(his.seen(&allowed.cell, Lives { first: hers.life(), second: his.life() }).len(), 0);
        let want = CellName::Want { subscriber: alice.clone(), publisher: bob.clone() };
        let on = Value::Want(Want { on: true, stanza: None });
        let wanted = hers.write_between(Some(&his), want, (node.0.take(), hlc), on);
        for account in [&mut hers, &mut his] {
            account.apply(&wanted);
        }
        assert!(hers.standing(&bob).pending_out && !hers.standing(&bob).to);
        assert!(his.standing(&alice).pending_in && !his.standing(&alice).from);
        // Once everybody has it, it goes.
        let mut floor = Vector::new();
        (1..=node.0.last()).for_each(|seq| _ = floor.count(node.0.origin().dot(seq)));
        let before = his.deltas().len();
        his.collect(&floor);
        assert_eq!(his.deltas().len(), before - 1);
    }

    #[test]
    fn what_is_of_a_life_whose_beginning_has_not_come_to_everybody_stays() {
        // The removal has overtaken the beginning: dropped, it would let the account begin where the beginning comes last.
        let (mut hers, mut his) = (Account::new(bare("alice")), Account::new(bare("bob")));
        let (mut one, mut other) = (Node::new(1, 0), Node::new(2, 0));
        one.write(&mut hers, status(Status::Active));
        other.write(&mut his, status(Status::Active));
        let allow = CellName::Allow { subscriber: bare("alice"), publisher: bare("bob") };
        let named = (other.0.take(), Hlc { millis: 5, count: 0 });
        let allowed = his.write_between(Some(&hers), allow, named, Value::Allow(true));
        his.apply(&allowed);
        let removed = other.write(&mut hers, status(Status::Deleted));
        let mut floor = Vector::new();
        (1..=other.0.last()).for_each(|seq| _ = floor.count(other.0.origin().dot(seq)));
        hers.collect(&floor);
        his.meet(&bare("alice"), Met::default());
        his.collect(&floor);
        assert!(hers.deltas().contains(&removed) && his.deltas().contains(&allowed));
    }

    #[test]
    fn what_is_of_a_life_whose_beginning_was_lost_goes_when_the_loss_is_certified() {
        // History 7,845 of the model: what Alice wants and whom she blocks has come to everybody, the beginning of her account to nobody
        // who has kept a disk.
        let (mut hers, mut his) = (Account::new(bare("alice")), Account::new(bare("bob")));
        let (mut gone, mut node) = (Node::new(1, 0), Node::new(2, 0));
        for account in [&mut hers, &mut his] {
            gone.write(account, status(Status::Active));
        }
        let cell = CellName::Want { subscriber: bare("alice"), publisher: bare("bob") };
        let on = Value::Want(Want { on: true, stanza: None });
        let named = (node.0.take(), Hlc { millis: 5, count: 0 });
        let wanted = hers.write_between(Some(&his), cell, named, on);
        let blocked = node.write(&mut hers, block("bob"));
        let mut all = Group::<Account>::default();
        for change in [&wanted, &blocked] {
            all.apply(change);
        }
        let learn = |all: &mut Group<Account>| {
            let others = [all.vector().clone()];
            all.hear(others.iter());
            all.state().deltas().len()
        };
        assert_eq!((learn(&mut all), all.state().life()), (2, None), "the beginning may still come");
        let lives = [wanted.lives, blocked.lives];
        let closing =
            Closing::of(gone.0.origin(), &[&all.vector().clone()], lives.into_iter().flat_map(Lives::begun));
        assert_eq!(closing.lost, [1, 2].map(|seq| gone.0.origin().dot(seq)));
        closing.lost.into_iter().for_each(|dot| all.cover(dot));
        assert_eq!(learn(&mut all), 0);
    }

    #[test]
    fn a_life_that_is_over_is_dropped_whole_and_only_when_everybody_has_all_of_it() {
        let (mut here, mut node) = (Account::new(bare("alice")), Node::new(1, 0));
        let mut changes = Vec::new();
        for write in [status(Status::Active), block("bob"), status(Status::Deleted), status(Status::Active)] {
            changes.push(node.write(&mut here, write));
        }
        let life = here.life();
        let mut floor = Vector::new();
        for (change, left) in changes.iter().zip([3, 3, 1, 1]) {
            floor.count(change.entry.dot);
            let mut collected = here.clone();
            collected.collect(&floor);
            assert_eq!((collected.deltas().len(), collected.life()), (left, life), "{floor:?}");
        }
        here.collect(&floor);
        // It comes once more, from an old disk: nobody sees it, and it goes again.
        here.apply(&changes[1]);
        assert!(here.blocked().next().is_none() && here.is_removal(&changes[1]));
        here.collect(&floor);
        assert_eq!(here.deltas().len(), 1);
    }
}
