//! What an observer expects who knows every write and what its author had seen: the rules once more, without contexts,
//! vectors or siblings.

use std::collections::{BTreeMap, BTreeSet};

use super::domain::{self, Act, Domain, Slot, USERS, jid};
use super::tally::{Event, Tally};
use crate::jid::BareJid;
use crate::replica::{
    Account, Author, Cap, CellName, Credentials, Dot, Dotted, Hlc, Life, Line, Lives, MessageName, Place,
    Post, Status, Value, Vector,
};

/// Every write that was ever made.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    writes: BTreeMap<Dot, Act>,
    /// Of each write of a cell, the writes of that cell that its author's node had.
    seen: BTreeMap<Dot, BTreeSet<Dot>>,
    slots: BTreeMap<Slot, Vec<Dot>>,
    /// What the disk of its origin has held.
    durable: BTreeSet<Dot>,
}

impl Ledger {
    /// Notes a write of a node that covers `vector`.
    pub(super) fn written(&mut self, act: &Act, vector: &Vector) {
        let dot = act.dot();
        self.names_its_lives(act, vector);
        if let Some(slot) = act.slot() {
            let dots = self.slots.entry(slot).or_default();
            self.seen.insert(dot, dots.iter().copied().filter(|known| vector.covers(*known)).collect());
            dots.push(dot);
        }
        let before = self.writes.insert(dot, act.clone());
        assert_eq!(before, None, "one dot, one payload");
    }

    /// Checks for whose lives a write is that a node makes which covers `vector`.
    fn names_its_lives(&self, act: &Act, vector: &Vector) {
        let Act::Account(of, change) = act else { return };
        let caps = self.caps(vector);
        let (own, own_life) = (Some(change.dot()), self.shown(usize::from(*of), vector, &caps));
        let Lives { first, second } = change.lives;
        match (&change.cell, own_life) {
            (CellName::Status, None) => {
                let begins = change.entry.value != Value::Status(Status::Deleted);
                assert!(
                    first.is_some() && (!begins || first.map(|life| life.uid) == own),
                    "a life of its own"
                );
            }
            _ => assert_eq!(first, own_life, "the life that shows where it was written"),
        }
        let other = publisher(&change.cell).and_then(|jid| {
            let at = usize::from(domain::user(jid));
            self.shown(at, vector, &caps)
        });
        assert_eq!(second, other, "the life of the other end");
    }

    /// Notes that the disk of its origin holds a write.
    pub(super) fn stored(&mut self, dot: Dot) {
        self.durable.insert(dot);
    }

    /// A write is certified as lost: whoever covers it holds nothing of it.
    pub(super) fn lost(&mut self, dot: Dot) {
        self.writes.remove(&dot);
        self.slots.values_mut().for_each(|dots| dots.retain(|known| *known != dot));
    }

    /// Checks what a peer has received.
    pub(super) fn received(&self, act: &Act) {
        let mut known = self.writes.get(&act.dot()).cloned();
        // A stub travels in the place of what was retracted.
        if let (Some(Act::Line(_, Line::Post(known))), Act::Line(_, Line::Post(Post { body: None, .. }))) =
            (&mut known, act)
        {
            known.body = None;
        }
        assert_eq!(known.as_ref(), Some(act), "one dot, one payload");
        assert!(self.durable.contains(&act.dot()), "seen before the disk of its origin held it");
    }

    /// Checks the values that a member holds against what follows from what it covers.
    pub(super) fn check(&self, domain: &Domain, vector: &Vector, tally: &mut Tally) {
        let (caps, accounts) = (self.caps(vector), domain.capped());
        let mut named = BTreeSet::new();
        for slot in self.slots.keys() {
            match slot {
                Slot::Vcard(user) => {
                    let expected = self.maximal(slot, vector, &caps).last().map(|act| match act {
                        Act::Vcard(keyed) => keyed.entry.value,
                        Act::Account(..) | Act::Line(..) | Act::Cap(_) => panic!("a vCard"),
                    });
                    let held = domain.vcards.get(user).and_then(|cell| cell.newest(&domain.caps));
                    assert_eq!(held.map(|entry| entry.value), expected, "{slot:?}");
                }
                Slot::Account(user, name, _) => _ = named.insert((*user, name.clone())),
            }
        }
        let lives: Vec<Option<Life>> = (0..USERS).map(|user| self.shown(user, vector, &caps)).collect();
        for (user, name) in named {
            let user_lives = lives[usize::from(user)];
            let other = publisher(&name).and_then(|publisher| lives[usize::from(domain::user(publisher))]);
            let of = Lives { first: user_lives, second: other };
            let slot = Slot::Account(user, name.clone(), of);
            // What the publisher allows is looked at from there.
            let shown = match &name {
                CellName::Allow { publisher, .. } => lives[usize::from(domain::user(publisher))],
                CellName::Status
                | CellName::Credentials
                | CellName::Item(_)
                | CellName::Want { .. }
                | CellName::Block(_)
                | CellName::Prefs
                | CellName::Mark => user_lives,
            };
            let acts = if shown.is_some() { self.maximal(&slot, vector, &caps) } else { Vec::new() };
            let values: Vec<&Value> = acts.iter().map(|act| value(act)).collect();
            tally.add(Event::Concurrent, usize::from(values.len() > 1));
            agree(&accounts, usize::from(user), &name, &values);
        }
        for (account, shown) in accounts.iter().zip(&lives) {
            assert_eq!(account.life(), *shown, "one life of {}", account.owner());
        }
        edges_agree(&accounts);
        for user in 0..USERS {
            self.log_agrees(domain, user, vector, &caps);
        }
    }

    /// Compares what an archive lists with the covered entries: of each stanza the first, in order, above the greatest floor,
    /// without what was retracted, in whichever of its entries (R16, R21).
    fn log_agrees(&self, domain: &Domain, user: usize, vector: &Vector, caps: &[Cap]) {
        let (mut floor, mut retracted, mut stanzas) = (Hlc::MIN, BTreeSet::new(), BTreeMap::new());
        let lines = self.writes.values().filter_map(|act| match act {
            Act::Line(of, line) if usize::from(*of) == user && vector.covers(line.dot()) => Some(line),
            Act::Line(..) | Act::Account(..) | Act::Vcard(_) | Act::Cap(_) => None,
        });
        let lines: Vec<&Line<u64>> = lines.collect();
        for line in &lines {
            match line {
                Line::Floor { hlc, .. } => floor = floor.max(*hlc),
                Line::Retract { of, .. } => _ = retracted.insert(*of),
                Line::Post(_) => {}
            }
        }
        for line in lines {
            if let Line::Post(post) = line
                && post.hlc >= floor
            {
                let first = stanzas.entry(post.key).or_insert(post);
                if (post.hlc, post.dot) < (first.hlc, first.dot) {
                    *first = post;
                }
            }
        }
        let listed = stanzas.into_values().map(|post| {
            let name = MessageName::Stanza(post.key.expect("all were made from one"));
            let body = post.body.filter(|_| !retracted.contains(&name));
            (held(caps, post.dot, post.hlc), body)
        });
        let expected: BTreeMap<Place, Option<u64>> = listed.collect();
        let list = domain.logs[user].list(&domain.caps);
        let held: BTreeMap<Place, Option<u64>> =
            list.into_iter().map(|(place, post)| (place, post.body)).collect();
        assert_eq!(held, expected, "the archive of {user}");
    }

    /// Returns the covered writes of a cell that no covered one has seen, in order.
    fn maximal(&self, slot: &Slot, vector: &Vector, caps: &[Cap]) -> Vec<&Act> {
        let dots = self.slots.get(slot).into_iter().flatten();
        let covered: Vec<Dot> = dots.copied().filter(|dot| vector.covers(*dot)).collect();
        let unseen = |dot: &&Dot| covered.iter().all(|other| !self.seen[other].contains(*dot));
        let mut maximal: Vec<&Act> = covered.iter().filter(unseen).map(|dot| &self.writes[dot]).collect();
        maximal.sort_by_key(|act| place(caps, act));
        maximal
    }

    /// Returns the life of a user that shows: of those that have begun and not ended the earliest.
    fn shown(&self, user: usize, vector: &Vector, caps: &[Cap]) -> Option<Life> {
        let mut living = Vec::new();
        for slot in self.slots.keys() {
            let Slot::Account(of, CellName::Status, Lives { first: Some(life), .. }) = slot else { continue };
            let acts = self.maximal(slot, vector, caps);
            let ended = acts.iter().any(|act| *value(act) == Value::Status(Status::Deleted));
            if usize::from(*of) == user && !acts.is_empty() && !ended {
                living.push(*life);
            }
        }
        living.into_iter().min_by_key(|life| held(caps, life.uid, life.born))
    }

    fn caps(&self, vector: &Vector) -> Vec<Cap> {
        let caps = self.writes.values().filter_map(|act| match act {
            Act::Cap(cap) => Some(*cap),
            Act::Account(..) | Act::Vcard(_) | Act::Line(..) => None,
        });
        caps.filter(|cap| vector.covers(cap.dot)).collect()
    }
}

/// Both ends of every edge say the same of it.
fn edges_agree(accounts: &[Account]) {
    for (one, her) in accounts.iter().enumerate() {
        for (other, him) in accounts.iter().enumerate().skip(one + 1) {
            if her.life().is_none() || him.life().is_none() {
                continue;
            }
            let (hers, his) = (her.standing(&jid(other)), him.standing(&jid(one)));
            assert_eq!((hers.to, hers.from, hers.pending_out), (his.from, his.to, his.pending_in));
        }
    }
}

fn value(act: &Act) -> &Value {
    match act {
        Act::Account(_, change) => &change.entry.value,
        Act::Vcard(_) | Act::Line(..) | Act::Cap(_) => panic!("of an account"),
    }
}

fn publisher(name: &CellName) -> Option<&BareJid> {
    match name {
        CellName::Want { publisher, .. } | CellName::Allow { publisher, .. } => Some(publisher),
        CellName::Status
        | CellName::Credentials
        | CellName::Prefs
        | CellName::Mark
        | CellName::Item(_)
        | CellName::Block(_) => None,
    }
}

/// Where a write stands.
fn place(caps: &[Cap], act: &Act) -> Place {
    held(caps, act.dot(), act.hlc().expect("a write of a cell"))
}

/// Where a write stands, of all caps the least.
fn held(caps: &[Cap], dot: Dot, hlc: Hlc) -> Place {
    let hold = caps.iter().filter(|cap| cap.of.origin == dot.origin && cap.of.seq >= dot.seq);
    Place::new(hlc, hold.map(|cap| cap.at).min(), dot)
}

/// Compares one cell with the writes of it that no other has seen, in order: the conflict table.
fn agree(accounts: &[Account], user: usize, name: &CellName, values: &[&Value]) {
    let account = &accounts[user];
    let granted = |on: fn(&Value) -> bool| !values.is_empty() && values.iter().all(|value| on(value));
    match name {
        CellName::Status => {
            let said = |status| values.contains(&&Value::Status(status));
            let strictest =
                [Status::Deleted, Status::Disabled, Status::Active].into_iter().find(|status| said(*status));
            // Whether it is gone or was never there makes no difference.
            let held = account.status().filter(|status| *status != Status::Deleted);
            assert_eq!(
                held,
                strictest.filter(|status| *status != Status::Deleted),
                "delete > disable > anything"
            );
        }
        CellName::Credentials => {
            let is_reset =
                |value: &&Value| matches!(value, Value::Credentials(value) if value.by == Author::Admin);
            let expected = values.iter().copied().rfind(is_reset).or(values.last().copied());
            let login = account.credentials();
            let held = login.map(|login| Credentials { record: login.record.clone(), by: login.by });
            if account.life().is_some() {
                assert_eq!(held.map(Value::Credentials).as_ref(), expected, "a reset, else the newest");
            }
        }
        CellName::Item(contact) => {
            let held = account.item(contact).map(Value::Item);
            let removed = |value: &&Value| matches!(value, Value::Item(item) if !item.present);
            let expected = values.last().copied().filter(|value| !removed(value));
            assert_eq!(held.as_ref(), expected, "the last writer");
        }
        CellName::Want { publisher, .. } => {
            let standing = account.standing(publisher);
            let on = granted(|value| matches!(value, Value::Want(want) if want.on));
            assert_eq!(standing.to || standing.pending_out, on, "off beats on");
        }
        CellName::Allow { publisher, .. } => {
            let at = usize::from(domain::user(publisher));
            let standing = accounts[at].standing(&jid(user));
            let on = granted(|value| matches!(value, Value::Allow(true)));
            assert_eq!(standing.from || standing.approved, on, "off beats on");
        }
        CellName::Block(address) => {
            let on = values.iter().any(|value| matches!(value, Value::Block(true)));
            assert_eq!(account.blocks(address), on, "block beats unblock");
        }
        CellName::Prefs | CellName::Mark => panic!("the model writes none"),
    }
}
