//! What a member holds: accounts, vCards, archives, caps; one group with one vector.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use bytes::Bytes;
use minicbor::{Decode, Encode};

use crate::jid::{BareJid, Jid};
use crate::replica::{
    Account, Applied, Author, Cap, Caps, CellName, Change, Context, Credentials, Dot, Dotted, Hlc, Item,
    Keyed, Line, Lives, Log, Met, Replica, Set, Status, Value, Vector, Want,
};

/// How many accounts there are.
pub(super) const USERS: usize = 3;

/// One write.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(super) enum Act {
    /// Of the account of this user; an edge of both.
    #[n(0)]
    Account(#[n(0)] u8, #[n(1)] Change),
    /// Of a vCard.
    #[n(1)]
    Vcard(#[n(0)] Keyed<u8, u8>),
    /// Of an archive.
    #[n(2)]
    Line(#[n(0)] u8, #[n(1)] Line<u64>),
    /// Of the clocks.
    #[n(3)]
    Cap(#[n(0)] Cap),
}

/// Everything that a member holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Domain {
    pub(super) accounts: Vec<Account>,
    pub(super) vcards: Set<u8, u8>,
    pub(super) logs: Vec<Log<u64>>,
    pub(super) caps: Caps,
}

/// The cell that a write is of, as far as conflicts go.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Slot {
    /// Of one account; of an edge the subscriber's.
    Account(u8, CellName, Lives),
    Vcard(u8),
}

/// The users.
static JIDS: LazyLock<[BareJid; USERS]> = LazyLock::new(|| {
    ["alice@a.example", "bob@a.example", "carol@a.example"]
        .map(|text| BareJid::parse(text).expect("an address"))
});

/// Returns the address of a user.
pub(super) fn jid(user: usize) -> BareJid {
    JIDS[user].clone()
}

/// Returns whose address it is.
pub(super) fn user(jid: &BareJid) -> u8 {
    let at = JIDS.iter().position(|one| one == jid).expect("one of them");
    u8::try_from(at).expect("few users")
}

impl Act {
    /// Returns the cell, if it is of one.
    pub(super) fn slot(&self) -> Option<Slot> {
        match self {
            Self::Account(writer, change) => {
                let of = subscriber(&change.cell).map_or(*writer, user);
                Some(Slot::Account(of, change.cell.clone(), change.lives))
            }
            Self::Vcard(keyed) => Some(Slot::Vcard(keyed.key)),
            Self::Line(..) | Self::Cap(_) => None,
        }
    }

    /// Returns what it waits for: what began the lives that it names.
    pub(super) fn named(&self) -> Vec<Dot> {
        match self {
            Self::Account(_, change) => change.lives.begun().collect(),
            Self::Vcard(_) | Self::Line(..) | Self::Cap(_) => Vec::new(),
        }
    }

    /// Returns the stamp, where a clock gave one that counts.
    pub(super) fn hlc(&self) -> Option<Hlc> {
        match self {
            Self::Account(_, change) => Some(change.entry.hlc),
            Self::Vcard(keyed) => Some(keyed.entry.hlc),
            Self::Line(_, Line::Post(post)) => Some(post.hlc),
            Self::Line(_, Line::Retract { .. } | Line::Floor { .. }) | Self::Cap(_) => None,
        }
    }
}

fn subscriber(cell: &CellName) -> Option<&BareJid> {
    match cell {
        CellName::Want { subscriber, .. } | CellName::Allow { subscriber, .. } => Some(subscriber),
        CellName::Status
        | CellName::Credentials
        | CellName::Prefs
        | CellName::Mark
        | CellName::Item(_)
        | CellName::Block(_) => None,
    }
}

/// Returns the name and the value of a cell, chosen by numbers: which cell, which other user, which value.
pub(super) fn cell(me: usize, which: u64, other: usize, value: u64) -> (CellName, Value) {
    let (mine, theirs) = (jid(me), jid(other));
    let on = value.is_multiple_of(2);
    match which % 8 {
        0 => {
            let all = [Status::Active, Status::Disabled, Status::Deleted];
            (CellName::Status, Value::Status(all[usize::try_from(value % 3).expect("three")]))
        }
        1 => {
            let by = if value.is_multiple_of(3) { Author::Admin } else { Author::User };
            let record = Bytes::copy_from_slice(&value.to_be_bytes());
            (CellName::Credentials, Value::Credentials(Credentials { record, by }))
        }
        2 => {
            let item = Item { name: Some(value.to_string().into()), groups: Vec::new(), present: on };
            (CellName::Item(theirs), Value::Item(item))
        }
        3 => {
            let request = Bytes::copy_from_slice(&value.to_be_bytes());
            let want = Want { on, stanza: on.then_some(request) };
            (CellName::Want { subscriber: mine, publisher: theirs }, Value::Want(want))
        }
        4 | 5 => (CellName::Allow { subscriber: theirs, publisher: mine }, Value::Allow(on)),
        _ => (CellName::Block(Jid::from(theirs)), Value::Block(on)),
    }
}

impl Domain {
    /// Makes a write of a cell.
    pub(super) fn write(
        &self,
        me: usize,
        (dot, hlc): (Dot, Hlc),
        (cell, value): (CellName, Value),
        floor: &Context,
    ) -> Act {
        let accounts = self.capped();
        let mut account = accounts[me].clone();
        account.heed(&self.caps, floor);
        let exists = account.life().is_some() || cell == CellName::Status;
        let new = (CellName::Status, Value::Status(Status::Active));
        let (cell, value) = if exists { (cell, value) } else { new };
        let of = subscriber(&cell).map_or_else(|| user(account.owner()), user);
        let mut others = accounts.iter().filter(|other| other.owner() != account.owner());
        let other = others.find(|other| cell.is_of(other.owner()));
        Act::Account(of, account.write_between(other, cell, (dot, hlc), value))
    }

    /// Returns the accounts with the caps that decide in them.
    pub(super) fn capped(&self) -> Vec<Account> {
        let mut accounts = self.accounts.clone();
        for account in &mut accounts {
            account.heed(&self.caps, &Context::default());
        }
        introduce(&mut accounts);
        accounts
    }
}

/// Lets all accounts know which lives the others have.
fn introduce(accounts: &mut [Account]) {
    let known: Vec<(BareJid, Met)> = accounts
        .iter()
        .map(|account| {
            let met = Met { current: account.life(), living: account.living().flatten().collect() };
            (account.owner().clone(), met)
        })
        .collect();
    for account in accounts {
        let owner = account.owner().clone();
        for (contact, met) in known.iter().filter(|(contact, _)| *contact != owner) {
            account.meet(contact, met.clone());
        }
    }
}

impl Default for Domain {
    fn default() -> Self {
        Self {
            accounts: (0..USERS).map(|at| Account::new(jid(at))).collect(),
            vcards: Set::new(),
            logs: (0..USERS).map(|_| Log::new()).collect(),
            caps: Caps::new(),
        }
    }
}

impl Replica for Domain {
    type Delta = Act;

    fn apply(&mut self, act: &Act) -> Applied {
        match act {
            Act::Account(user, change) => {
                let ends = self.accounts.iter_mut().enumerate();
                let edge = subscriber(&change.cell).is_some();
                let of = |at: usize, account: &Account| {
                    if edge { change.cell.is_of(account.owner()) } else { at == usize::from(*user) }
                };
                let mine = ends.filter(|(at, account)| of(*at, account));
                mine.map(|(_, account)| account.apply(change)).last().expect("somebody's")
            }
            Act::Vcard(keyed) => self.vcards.apply(keyed),
            Act::Line(user, line) => self.logs[usize::from(*user)].apply(line),
            Act::Cap(cap) => self.caps.apply(cap),
        }
    }

    fn deltas(&self) -> Vec<Act> {
        let mut all: BTreeMap<Dot, Act> = BTreeMap::new();
        for (at, account) in (0..).zip(&self.accounts) {
            let changes = account.deltas().into_iter();
            // The two ends of an edge name one write.
            for change in changes {
                let at = subscriber(&change.cell).map_or(at, user);
                all.insert(change.dot(), Act::Account(at, change));
            }
        }
        all.extend(self.vcards.deltas().into_iter().map(|keyed| (keyed.dot(), Act::Vcard(keyed))));
        for (at, log) in (0..).zip(&self.logs) {
            all.extend(log.deltas().into_iter().map(|line| (line.dot(), Act::Line(at, line))));
        }
        all.extend(self.caps.deltas().into_iter().map(|cap| (cap.dot, Act::Cap(cap))));
        // A stub says nothing of the retraction that made it one: whoever has it has to have that, too.
        let is_retraction = |act: &Act| matches!(act, Act::Line(_, Line::Retract { .. }));
        let (mut first, rest): (Vec<Act>, Vec<Act>) = all.into_values().partition(is_retraction);
        first.extend(rest);
        first
    }

    fn is_removal(&self, act: &Act) -> bool {
        let Act::Account(at, change) = act else { return false };
        let edge = subscriber(&change.cell).is_some();
        let mut ends = self.accounts.iter().enumerate().filter(|(user, account)| {
            if edge { change.cell.is_of(account.owner()) } else { *user == usize::from(*at) }
        });
        ends.any(|(_, account)| account.is_removal(change))
    }

    fn collect(&mut self, floor: &Vector) {
        introduce(&mut self.accounts);
        for account in &mut self.accounts {
            account.collect(floor);
        }
    }

    fn forget(&mut self, gone: &dyn Fn(Dot) -> bool) {
        self.vcards.forget(gone);
        for account in &mut self.accounts {
            account.forget(gone);
        }
    }
}

impl Dotted for Act {
    fn dot(&self) -> Dot {
        match self {
            Self::Account(_, change) => change.dot(),
            Self::Vcard(keyed) => keyed.dot(),
            Self::Line(_, line) => line.dot(),
            Self::Cap(cap) => cap.dot,
        }
    }
}
