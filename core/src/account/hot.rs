//! The table of accounts in use.
//!
//! An account with a session is always here. Who needs another one parks what it wants to do and goes on when the
//! account has been read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::rows;
use crate::io::OpId;
use crate::jid::BareJid;
use crate::map::{Hand, Map, keyed};
use crate::replica::{Account, Change, Replica as _};
use crate::service::effect::Parked;
use crate::store::{Row, StoreError};

/// Accounts in use, by bare JID.
#[derive(Debug)]
pub(crate) struct Accounts {
    hot: Map<Arc<str>, Hot>,
    loads: BTreeMap<OpId, BareJid>,
    /// Accounts that stay here, and how many want that.
    pins: BTreeMap<Box<str>, u32>,
    /// What is left of accounts that are gone is kept: other nodes may still write for them.
    keeps: bool,
    /// Where the search for somebody to forget goes on.
    hand: Hand,
    /// Accounts that may follow others than before; nothing where nobody asks.
    stirred: Option<BTreeSet<Arc<str>>>,
}

#[derive(Debug)]
struct Hot {
    state: State,
    /// Used since the hand last passed.
    used: bool,
    /// The flush with its last change: before that has begun, the store does not know it.
    gate: u64,
    /// The flush with a change before that one.
    before: u64,
    /// What has changed while it is being read, and with which flush: what is read may not hold it.
    late: Vec<(u64, Late)>,
    /// So many reads of it are under way.
    reads: u32,
    /// A flush with a change of it has failed, and it has not been read since.
    doubtful: bool,
    /// What waits while it is being read.
    parked: Vec<Parked>,
}

impl Hot {
    /// Takes note that it changes with flush `gate`.
    const fn dated(&mut self, gate: u64) {
        if self.gate != gate {
            self.before = self.gate;
            self.gate = gate;
        }
    }
}

#[derive(Clone, Debug)]
enum Late {
    Change(Box<Change>),
    Whole(Box<Account>),
}

impl Late {
    /// Returns what an account that was read is after this.
    fn on(self, mut account: Account) -> Account {
        match self {
            Self::Whole(account) => *account,
            Self::Change(change) => {
                account.apply(&change);
                account
            }
        }
    }
}

#[derive(Debug)]
enum State {
    Reading,
    Nobody,
    Known(Box<Account>),
}

/// What was read, and what waited for it.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// Whose rows they are.
    pub(crate) user: BareJid,
    /// What goes on.
    pub(crate) parked: Vec<Parked>,
    /// It could not be read: what waited is refused.
    pub(crate) error: Option<StoreError>,
    /// It was here before, and has to be read again: what it holds may not all be stored.
    pub(crate) again: bool,
}

impl Accounts {
    /// Creates an empty table whose hasher is keyed with `key`. `keeps`: what is left of accounts that are gone is needed.
    pub(crate) fn new(key: u64, keeps: bool) -> Self {
        let (loads, pins, hand) = (BTreeMap::new(), BTreeMap::new(), Hand::default());
        Self { hot: keyed(key), loads, pins, keeps, hand, stirred: None }
    }

    /// There are, or may be, other nodes from here on.
    pub(crate) const fn share(&mut self) {
        self.keeps = true;
    }

    /// Takes note from here on of accounts that may follow others than before.
    pub(crate) fn watch(&mut self) {
        self.stirred.get_or_insert_default();
    }

    /// Takes note that an account may follow others than before.
    pub(crate) fn stir(&mut self, user: &str) {
        if let Some(stirred) = &mut self.stirred {
            stirred.insert(user.into());
        }
    }

    /// Takes the accounts that may follow others than before.
    pub(crate) fn take_stirred(&mut self) -> BTreeSet<Arc<str>> {
        self.stirred.as_mut().map(core::mem::take).unwrap_or_default()
    }

    /// Returns whether `user` is here, or known not to exist, and counts that as a use.
    pub(crate) fn is_here(&mut self, user: &str) -> bool {
        let Some(hot) = self.hot.get_mut(user) else { return false };
        hot.used = true;
        match &hot.state {
            State::Reading => false,
            State::Nobody | State::Known(_) => true,
        }
    }

    /// Returns the state of an account that is known to be here; nothing when it is not.
    pub(crate) fn get(&self, user: &str) -> Option<&Account> {
        match &self.hot.get(user)?.state {
            State::Known(account) => {
                Some(account).filter(|account| rows::exists(account)).map(|account| &**account)
            }
            State::Reading | State::Nobody => None,
        }
    }

    /// Returns what is known of an account that is here, whether there is such an account or not.
    pub(crate) fn known(&self, user: &str) -> Option<&Account> {
        match &self.hot.get(user)?.state {
            State::Known(account) => Some(account),
            State::Reading | State::Nobody => None,
        }
    }

    /// Applies a change of another node to an account that is here, whether there is such an account or not; `gate` is the flush that
    /// will hold it.
    pub(crate) fn apply_taken(&mut self, user: &BareJid, change: &Change, gate: u64) {
        if let Some(hot) = self.hot.get_mut(user.as_str())
            && matches!(hot.state, State::Nobody)
        {
            hot.state = State::Known(Box::new(Account::new(user.clone())));
        }
        self.apply(user.as_str(), change, gate);
    }

    /// Keeps an account here from the time on that it is read, until [`Accounts::unpin`]: somebody has a copy of it and will write that.
    pub(crate) fn pin(&mut self, user: &str) {
        *self.pins.entry(user.into()).or_default() += 1;
    }

    /// Undoes one [`Accounts::pin`].
    pub(crate) fn unpin(&mut self, user: &str) {
        if let Some(count) = self.pins.get_mut(user) {
            *count -= 1;
            if *count == 0 {
                self.pins.remove(user);
            }
        }
    }

    /// Applies a change to an account that is here or on its way; `gate` is the flush that will hold it.
    pub(crate) fn apply(&mut self, user: &str, change: &Change, gate: u64) {
        self.stir(user);
        let read = self.is_reading(user);
        let Some(hot) = self.hot.get_mut(user) else { return };
        hot.dated(gate);
        if read {
            hot.late.push((gate, Late::Change(Box::new(change.clone()))));
        }
        if let State::Known(account) = &mut hot.state {
            account.apply(change);
        }
    }

    /// Replaces an account that is here; `gate` is the flush that will hold what it has become.
    pub(crate) fn replace(&mut self, account: Account, gate: u64) {
        self.stir(account.owner().as_str());
        let read = self.is_reading(account.owner().as_str());
        let Some(hot) = self.hot.get_mut(account.owner().as_str()) else { return };
        hot.dated(gate);
        let account = Box::new(account);
        if read {
            hot.late.push((gate, Late::Whole(account.clone())));
        }
        hot.state = State::Known(account);
    }

    /// Returns the flush with the last change of an account.
    pub(crate) fn gate(&self, user: &str) -> u64 {
        self.hot.get(user).map_or(0, |hot| hot.gate)
    }

    /// Lets something wait for `user`, which is not here or is being read again: what waits for one that is here waits for ever. Returns
    /// whether the account has to be asked for: nobody else waits for it.
    pub(crate) fn park(&mut self, user: &BareJid, parked: Parked) -> bool {
        if let Some(hot) = self.hot.get_mut(user.as_str()) {
            hot.parked.push(parked);
            return false;
        }
        let hot = Hot {
            state: State::Reading,
            used: true,
            gate: 0,
            before: 0,
            late: Vec::new(),
            reads: 0,
            doubtful: false,
            parked: vec![parked],
        };
        self.hot.insert(user.as_str().into(), hot);
        true
    }

    /// Takes note that `op` reads `user`.
    pub(crate) fn reading(&mut self, op: OpId, user: BareJid) {
        if let Some(hot) = self.hot.get_mut(user.as_str()) {
            hot.reads += 1;
        }
        self.loads.insert(op, user);
    }

    /// Takes the rows of an account in.
    pub(crate) fn handle_loaded(
        &mut self,
        op: OpId,
        outcome: Result<Vec<Row>, StoreError>,
    ) -> Option<Loaded> {
        let user = self.loads.remove(&op)?;
        self.stir(user.as_str());
        let keeps = self.keeps;
        let state = outcome.and_then(|rows| rows::load(&user, &rows));
        let hot = self.hot.get_mut(user.as_str())?;
        hot.reads = hot.reads.saturating_sub(1);
        let again = hot.reads > 0;
        if let (Err(error), State::Nobody | State::Known(_)) = (&state, &hot.state) {
            // What can wait for another read, waits again.
            let parked = core::mem::take(&mut hot.parked);
            hot.doubtful = true;
            return Some(Loaded { user, parked, error: Some(*error), again: true });
        }
        let parked = core::mem::take(&mut hot.parked);
        hot.doubtful &= again;
        // What is read by another one that is under way may not hold it either.
        let late = if again { hot.late.clone() } else { core::mem::take(&mut hot.late) };
        let error = match state {
            Ok(account) => {
                let account = late.into_iter().fold(account, |account, (_, late)| late.on(account));
                let kept = rows::exists(&account) || (keeps && !account.is_unwritten());
                hot.state = if kept { State::Known(Box::new(account)) } else { State::Nobody };
                None
            }
            Err(error) => {
                // What has changed meanwhile is kept for the other answer.
                if !again {
                    self.hot.swap_remove(user.as_str());
                }
                Some(error)
            }
        };
        Some(Loaded { user, parked, error, again: false })
    }

    /// Returns whether an account is being read, or has to be read again: it may hold what was never written.
    pub(crate) fn is_doubtful(&self, user: &str) -> bool {
        self.hot.get(user).is_some_and(|hot| hot.reads > 0 || hot.doubtful)
    }

    /// Returns whether what is here of an account may never have been written.
    pub(crate) fn is_former(&self, user: &str) -> bool {
        self.known(user).is_some() && self.is_doubtful(user)
    }

    /// Returns whether an account is here as it is on the disk, or will be, and counts that as a use.
    pub(crate) fn is_sure(&mut self, user: &str) -> bool {
        self.is_here(user) && !self.is_doubtful(user)
    }

    fn is_reading(&self, user: &str) -> bool {
        self.hot.get(user).is_some_and(|hot| hot.reads > 0)
    }

    /// Returns whether an account that is here is being read again.
    pub(crate) fn is_reading_again(&self) -> bool {
        let known = |hot: &Hot| matches!(hot.state, State::Known(_) | State::Nobody);
        self.loads.values().any(|user| self.hot.get(user.as_str()).is_some_and(known))
    }

    /// Forgets that there is no account `user`: there will be.
    pub(crate) fn forget_nobody(&mut self, user: &str) {
        let Some(hot) = self.hot.get_mut(user).filter(|hot| matches!(hot.state, State::Nobody)) else {
            return;
        };
        // What waits for it is told when it has been read again.
        if hot.reads > 0 || hot.doubtful {
            hot.state = State::Reading;
        } else {
            self.hot.swap_remove(user);
        }
    }

    /// Returns the accounts with changes of flush `gate`, which failed: they have to be read again.
    pub(crate) fn changed_with(&mut self, gate: u64) -> Vec<BareJid> {
        for hot in self.hot.values_mut() {
            hot.late.retain(|(with, _)| *with != gate);
        }
        let changed = self.hot.iter_mut().filter(|(_, hot)| hot.gate == gate || hot.before == gate);
        let changed = changed.filter_map(|(user, hot)| {
            hot.doubtful = true;
            BareJid::parse(user).ok()
        });
        changed.collect()
    }

    /// Forgets accounts that nobody has used lately while there are more than `max`, looking at a few of them.
    /// `pinned` holds for those that must stay; changes of flushes up to `begun` are in the store.
    pub(crate) fn evict(&mut self, max: usize, begun: u64, pinned: impl Fn(&str) -> bool) {
        let pins = &self.pins;
        self.hand.evict(&mut self.hot, max, |user, hot| {
            let waits = !hot.parked.is_empty() || pins.contains_key(&**user);
            let busy = hot.reads > 0
                || hot.doubtful
                || matches!(hot.state, State::Reading)
                || hot.gate > begun
                || waits;
            busy || core::mem::take(&mut hot.used) || pinned(user)
        });
    }
}
