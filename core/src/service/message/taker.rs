//! Who is given what an account was owed.
//!
//! Rests on the replication rule R17: for whom something is follows from what was covered when he came, and not from when it was written.

use crate::directory::SessionId;
use crate::replica::{Cover, Hlc};
use crate::session::What;

/// A session that is given what its account was owed.
#[derive(Debug)]
pub(super) struct Taker {
    /// Which.
    pub(super) id: SessionId,
    /// Nothing that came before is meant for it while somebody else takes that.
    pub(super) since: Option<Since>,
}

/// From where on somebody is meant.
#[derive(Clone, Debug)]
pub(super) struct Since {
    /// What was covered then.
    pub(super) host: Cover,
    /// When that was, for what came here and is in no archive: it may be named later.
    pub(super) stamp: Hlc,
}

impl Taker {
    /// Creates somebody for whom is meant what comes since then; all of it where nothing is said.
    pub(super) const fn new(id: SessionId, since: Option<Since>) -> Self {
        Self { id, since }
    }

    /// Returns whether a message is meant for it.
    pub(super) fn takes(&self, what: What) -> bool {
        let since = self.since.as_ref();
        match what {
            What::Stored(place) | What::Owed(place) => {
                since.is_none_or(|since| !since.host.covers(place.dot))
            }
            What::Message(came) => since.is_none_or(|since| came >= since.stamp),
            What::Page(_) | What::Request | What::Other => false,
        }
    }
}
