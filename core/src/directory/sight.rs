//! The one question that services ask of sessions: those of this node and those of others together.
//!
//! A session of this node hides one of the same address elsewhere, until it is clear which of the two stays.

use super::Elsewhere;
use super::local::{Directory, SessionId};
use crate::exchange::Far;
use crate::jid::{FullJid, Jid};
use crate::replica::Dot;
use crate::session::{Directed, Session};
use crate::stanza::Stanza;

/// The sessions of all nodes, as far as this one knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sight<'a> {
    here: &'a Directory,
    /// Nothing where nobody elsewhere counts.
    elsewhere: Option<&'a Elsewhere>,
}

/// Where the session of a full JID is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Where {
    /// At this node.
    Here(SessionId),
    /// At that node, under this name.
    There(u32, Dot),
    /// There is none.
    Nowhere,
}

/// What the account has online.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Online {
    /// No available resource, or no account at all.
    Nothing,
    /// Available resources, all with a negative priority.
    Negative,
    /// At least one available resource with a priority of zero or more.
    NonNegative,
}

/// A session that is available.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Seen<'a> {
    /// One of this node.
    Near(&'a Session),
    /// One of another node.
    Far(&'a FullJid, &'a Far),
}

impl<'a> Sight<'a> {
    /// Looks at the sessions of this node and of others.
    pub(crate) fn new(here: &'a Directory, elsewhere: &'a Elsewhere) -> Self {
        Self { here, elsewhere: Some(elsewhere).filter(|elsewhere| !elsewhere.is_empty()) }
    }

    /// Looks at the sessions of this node alone.
    pub(crate) const fn here(here: &'a Directory) -> Self {
        Self { here, elsewhere: None }
    }

    /// Returns where the session of a full JID is.
    pub(crate) fn find(&self, full: &Jid) -> Where {
        if let Some(id) = self.here.find(full) {
            return Where::Here(id);
        }
        let far = self.elsewhere.filter(|_| full.resource().is_some()).and_then(|far| far.seen(full));
        far.map_or(Where::Nowhere, |(node, far)| Where::There(node, far.session))
    }

    /// Returns whether `user`, a bare JID, has any session.
    pub(crate) fn has(&self, user: &str) -> bool {
        self.here.has(user) || self.elsewhere.is_some_and(|far| far.has(user))
    }

    /// Returns what an account has online.
    pub(crate) fn online(&self, account: &Jid) -> Online {
        let mut online = Online::Nothing;
        for session in self.sessions(account) {
            if session.takes_bare_messages() {
                return Online::NonNegative;
            }
            if session.presence.is_some() {
                online = Online::Negative;
            }
        }
        if self.elsewhere.is_none() {
            return online;
        }
        self.far(account).map(|(_, _, far)| online_of(far)).fold(online, Online::max)
    }

    /// Returns the available sessions of an account.
    pub(crate) fn available(self, account: &Jid) -> impl Iterator<Item = Seen<'a>> {
        let near = self.sessions(account).filter(|session| session.presence.is_some()).map(Seen::Near);
        let far = self.far(account).filter(|(_, _, far)| far.priority.is_some());
        near.chain(far.map(|(_, jid, far)| Seen::Far(jid, far)))
    }

    /// Returns the available session of a full JID.
    pub(crate) fn seen(self, full: &Jid) -> Option<Seen<'a>> {
        self.available(full).find(|seen| seen.jid().as_jid() == full)
    }

    /// Returns the available sessions of the account of `but`, that one left out.
    pub(crate) fn others_available(self, but: &'a FullJid) -> impl Iterator<Item = Seen<'a>> {
        self.available(but.as_jid()).filter(move |seen| seen.jid() != but)
    }

    /// Returns the other nodes that have sessions of an account of at least that kind, each once.
    pub(crate) fn nodes(&self, account: &Jid, least: Online) -> Vec<u32> {
        if self.elsewhere.is_none() {
            return Vec::new();
        }
        let far = self.far(account).filter(|(_, _, far)| online_of(far) >= least);
        let mut nodes: Vec<u32> = far.map(|(node, ..)| node).collect();
        nodes.sort_unstable();
        nodes.dedup();
        nodes
    }

    /// Returns whether the session at `from` has told `who` its presence directly.
    pub(crate) fn has_told(&self, from: &Jid, who: &Jid) -> bool {
        match self.here.find(from).and_then(|id| self.here.get(id)) {
            Some(session) => session.directed.knows(who),
            None => self.elsewhere.is_some_and(|far| far.has_told(from, who)),
        }
    }

    /// Returns whom a session has told its presence directly: anybody, for one of this node; those of this node, for another one.
    pub(crate) fn directed(&self, seen: Seen<'a>) -> Option<&'a Directed> {
        match seen {
            Seen::Near(session) => Some(&session.directed),
            Seen::Far(jid, _) => self.elsewhere.and_then(|elsewhere| elsewhere.directed(jid)),
        }
    }

    fn sessions(self, account: &Jid) -> impl Iterator<Item = &'a Session> {
        self.here.of_account(account).iter().filter_map(move |id| self.here.get(*id))
    }

    fn far(self, account: &Jid) -> impl Iterator<Item = (u32, &'a FullJid, &'a Far)> {
        let far = self.elsewhere.map(|elsewhere| elsewhere.of_account(account));
        far.into_iter().flatten().filter(move |(_, jid, _)| self.here.find(jid.as_jid()).is_none())
    }
}

impl<'a> Seen<'a> {
    /// Returns its address.
    pub(crate) const fn jid(self) -> &'a FullJid {
        match self {
            Self::Near(session) => &session.jid,
            Self::Far(jid, _) => jid,
        }
    }

    /// Returns the presence that it broadcast last.
    pub(crate) fn presence(self) -> Option<Stanza> {
        match self {
            Self::Near(session) => session.presence.as_ref().map(|presence| presence.stanza.clone()),
            Self::Far(_, far) => far.said(),
        }
    }
}

const fn online_of(far: &Far) -> Online {
    match far.priority {
        None => Online::Nothing,
        Some(priority) if priority < 0 => Online::Negative,
        Some(_) => Online::NonNegative,
    }
}
