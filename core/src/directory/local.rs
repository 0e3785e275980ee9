//! The sessions of this node.

use std::sync::Arc;

use slotmap::{SlotMap, new_key_type};
use smallvec::SmallVec;

use crate::jid::{FullJid, Jid};
use crate::map::{Map, keyed};
use crate::session::Session;

new_key_type! {
    /// A session of this node. A handle of an ended session finds nothing.
    pub(crate) struct SessionId;
}

/// Sessions that are gone while the disk has not taken that. Beyond: nobody can log in until it has (`resource-constraint`).
pub(crate) const UNENDED_MAX: usize = 16_384;

/// All sessions of this node.
#[derive(Debug)]
pub(crate) struct Directory {
    sessions: SlotMap<SessionId, Session>,
    /// By bare JID, in the order of binding.
    accounts: Map<Arc<str>, SmallVec<[SessionId; 2]>>,
    /// By the id under which they are resumed (XEP-0198).
    resumable: Map<Box<str>, SessionId>,
    /// Sessions whose rows differ from what is stored.
    dirty: Vec<SessionId>,
    /// Sessions that are gone and whose rows are not: number and address.
    gone: Vec<(FullJid, u64)>,
    /// So many more are in the flush that is under way.
    ending: usize,
    /// Addresses of which there may be something else to tell other nodes; nothing where there are none.
    stirred: Option<Vec<FullJid>>,
}

impl Directory {
    /// Creates an empty directory whose hasher is keyed with `key`.
    pub(crate) fn new(key: u64) -> Self {
        Self {
            sessions: SlotMap::with_key(),
            accounts: keyed(key),
            resumable: keyed(key),
            dirty: Vec::new(),
            gone: Vec::new(),
            ending: 0,
            stirred: None,
        }
    }

    /// Takes note from here on of what other nodes have to be told.
    pub(crate) fn watch(&mut self) {
        self.stirred.get_or_insert_default();
    }

    /// Adds a session. Its address must be free.
    pub(crate) fn add(&mut self, session: Session) -> SessionId {
        debug_assert!(self.find(session.jid.as_jid()).is_none(), "one session per full JID");
        self.restore(session)
    }

    /// Adds a session that was stored. One that had its address before it may not have been laid to rest.
    pub(crate) fn restore(&mut self, session: Session) -> SessionId {
        let bare = Arc::from(session.jid.bare().as_str());
        self.stirred.iter_mut().for_each(|stirred| stirred.push(session.jid.clone()));
        let id = self.sessions.insert(session);
        self.accounts.entry(bare).or_default().push(id);
        id
    }

    /// Removes a session and returns it.
    pub(crate) fn remove(&mut self, id: SessionId) -> Option<Session> {
        let session = self.sessions.remove(id)?;
        self.stirred.iter_mut().for_each(|stirred| stirred.push(session.jid.clone()));
        if let Some(resumed) = session.acks.as_ref().and_then(|acks| acks.id.as_deref()) {
            self.resumable.swap_remove(resumed);
        }
        if session.stored {
            self.gone.push((session.jid.clone(), session.number));
        }
        let bare = session.jid.bare();
        if let Some(ids) = self.accounts.get_mut(bare.as_str()) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.accounts.swap_remove(bare.as_str());
            }
        }
        Some(session)
    }

    /// Returns a session.
    pub(crate) fn get(&self, id: SessionId) -> Option<&Session> {
        self.sessions.get(id)
    }

    /// Returns a session to change it.
    pub(crate) fn get_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        self.sessions.get_mut(id)
    }

    /// Returns the sessions of the account that `jid` belongs to, in the order of binding.
    pub(crate) fn of_account(&self, jid: &Jid) -> &[SessionId] {
        self.accounts.get(jid.bare_str()).map_or(&[], SmallVec::as_slice)
    }

    /// Returns the session of a full JID.
    pub(crate) fn find(&self, jid: &Jid) -> Option<SessionId> {
        let resource = jid.resource()?;
        self.of_account(jid)
            .iter()
            .copied()
            .find(|id| self.get(*id).is_some_and(|session| session.jid.resource() == resource))
    }

    /// Takes note that other nodes have to be told something else of a session.
    pub(crate) fn stir(&mut self, id: SessionId) {
        if let (Some(stirred), Some(session)) = (&mut self.stirred, self.sessions.get(id)) {
            stirred.push(session.jid.clone());
        }
    }

    /// Takes note that other nodes have to be told something else of an address.
    pub(crate) fn stir_address(&mut self, jid: &FullJid) {
        self.stirred.iter_mut().for_each(|stirred| stirred.push(jid.clone()));
    }

    /// Returns the addresses of which there may be something else to tell.
    pub(crate) fn stirred(&self) -> impl Iterator<Item = &FullJid> {
        self.stirred.iter().flatten()
    }

    /// Takes the addresses of which there may be something else to tell.
    pub(crate) fn take_stirred(&mut self) -> Vec<FullJid> {
        self.stirred.as_mut().map(core::mem::take).unwrap_or_default()
    }

    /// Takes note that a session's row has to be written.
    pub(crate) fn touch(&mut self, id: SessionId) {
        if let Some(session) = self.sessions.get_mut(id)
            && !core::mem::replace(&mut session.dirty, true)
        {
            self.dirty.push(id);
        }
    }

    /// Takes the sessions whose rows have to be written.
    pub(crate) fn take_dirty(&mut self) -> Vec<SessionId> {
        core::mem::take(&mut self.dirty)
    }

    /// Takes the sessions whose rows have to be removed.
    pub(crate) fn take_gone(&mut self) -> Vec<(FullJid, u64)> {
        self.ending = self.gone.len();
        core::mem::take(&mut self.gone)
    }

    /// Takes note that the rows that were taken last are removed.
    pub(crate) const fn end_gone(&mut self) {
        self.ending = 0;
    }

    /// Takes note that rows which should have been removed may still be there.
    pub(crate) fn keep_gone(&mut self, mut gone: Vec<(FullJid, u64)>) {
        gone.append(&mut self.gone);
        self.gone = gone;
        self.ending = 0;
    }

    /// Returns whether as many sessions have gone as may wait for the disk to take that.
    pub(crate) const fn is_clogged(&self) -> bool {
        self.gone.len() + self.ending >= UNENDED_MAX
    }

    /// Returns whether an account has sessions, or had some whose rows are not removed: what they never got has to be found a
    /// place in the same flush.
    pub(crate) fn needs(&self, user: &str) -> bool {
        self.has(user) || self.gone.iter().any(|(jid, _)| jid.as_jid().bare_str() == user)
    }

    /// Returns whether what is stored of sessions differs from what they are.
    pub(crate) fn is_unsaved(&self) -> bool {
        !self.dirty.is_empty() || !self.gone.is_empty()
    }

    /// Makes a session known under the id with which it is resumed.
    pub(crate) fn name(&mut self, resumed: &str, id: SessionId) {
        self.resumable.insert(resumed.into(), id);
    }

    /// Nobody resumes a session with `resumed`.
    pub(crate) fn unname(&mut self, resumed: &str) {
        self.resumable.swap_remove(resumed);
    }

    /// Returns the session that is resumed with `resumed`.
    pub(crate) fn resumable(&self, resumed: &str) -> Option<SessionId> {
        self.resumable.get(resumed).copied()
    }

    /// Returns whether `user`, a bare JID, has any session.
    pub(crate) fn has(&self, user: &str) -> bool {
        self.accounts.contains_key(user)
    }

    /// Returns all sessions.
    pub(crate) fn ids(&self) -> impl Iterator<Item = SessionId> {
        self.sessions.keys()
    }

    /// Returns how many sessions there are.
    pub(crate) fn len(&self) -> usize {
        self.sessions.len()
    }
}
