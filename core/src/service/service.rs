//! The one shape of a service.

use super::cx::{Cx, Request};
use crate::directory::SessionId;
use crate::stanza::{Stanza, StanzaError};
use crate::xml::Node;

/// Which address of this node a request was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// A domain that is served here.
    Server,
    /// The sender's own account.
    OwnAccount,
    /// Another account, which may not exist.
    Account,
}

/// A request that a service answers.
#[derive(Debug)]
pub(crate) struct IqRequest<'a> {
    /// The stanza.
    pub(crate) stanza: &'a Stanza,
    /// Its only child.
    pub(crate) payload: &'a Node,
    /// Which address it was for.
    pub(crate) at: At,
    /// Whether it asks or changes.
    pub(crate) set: Set,
    /// The session that sent it.
    pub(crate) session: SessionId,
}

impl IqRequest<'_> {
    /// Returns whether who asks may see the presence of the account that was asked about: their own, or one that they are
    /// subscribed to. Nobody learns whether another account exists.
    pub(crate) fn may_see_presence(&self, cx: &Cx<'_>) -> bool {
        let Some(to) = &self.stanza.to else { return true };
        let asker = self.stanza.from.bare();
        to.bare_str() == asker.as_str()
            || cx.accounts.get(to.bare_str()).is_some_and(|account| account.standing(&asker).from)
    }

    /// Returns what is needed to answer later.
    pub(crate) fn later(&self) -> Request {
        Request { session: self.session, stanza: self.stanza.clone() }
    }
}

/// Whether a request asks or changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Set {
    /// `get`.
    Get,
    /// `set`.
    Set,
}

/// A service: a machine that answers requests in namespaces of its own.
pub(crate) trait Service {
    /// The namespaces it answers in, and where.
    const CLAIMS: &'static [(At, &'static str)];
    /// What disco#info of the server announces for it (XEP-0030).
    const FEATURES: &'static [&'static str];

    /// Answers a request at once, or keeps what it needs to answer later by returning `Ok(None)`.
    ///
    /// # Errors
    ///
    /// The stanza error that goes back to the sender.
    fn handle_iq(&mut self, cx: &mut Cx<'_>, request: &IqRequest<'_>) -> Result<Option<Stanza>, StanzaError>;
}
