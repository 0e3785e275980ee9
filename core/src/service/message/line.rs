//! One message that an account is owed, while it is read and given.

use crate::archive::Entry;
use crate::replica::Place;
use crate::service::cx::Cx;
use crate::session::What;

/// One owed message.
#[derive(Debug)]
pub(super) struct Owed {
    /// Where it stands.
    pub(super) place: Place,
    /// What the archive says of it; nothing when it has let go of it.
    pub(super) entry: Option<Entry>,
}

impl Owed {
    /// Returns whether it stands in the archive.
    pub(super) fn is_stored(&self) -> bool {
        self.entry.as_ref().is_none_or(|entry| entry.id.is_some())
    }

    /// Returns what it is to those who are given it.
    pub(super) fn what(&self, cx: &Cx<'_>) -> What {
        match self.place {
            place if self.is_stored() => What::Stored(place),
            // It came here: what it is named by is its stamp.
            place if place.dot.origin.node == cx.ledger.origin().node => What::Message(place.hlc),
            place => What::Owed(place),
        }
    }
}
