//! Who is no member and wants to be one: says so in its first frame, and waits for the answer.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::bye::Bye;
use super::frame::{Kind, Lane};
use super::peers::PeerCx;
use super::profile::Profile;
use super::wire::{By, Wire};
use crate::config::LinkKind;
use crate::exchange::{FromPeer, Guest};
use crate::io::{CloseHow, ConnId};

/// Bytes of what somebody says who wants to be a member: names, an address, a domain or some.
const REQUEST_BYTES_MAX: usize = 16 * 1024;

/// Those who may still become members. They count among the connections without a member's certificate, which are bounded.
#[derive(Debug, Default)]
pub(super) struct Guests {
    by: BTreeMap<ConnId, Waiting>,
}

#[derive(Debug)]
struct Waiting {
    wire: Wire,
    key: [u8; 32],
    exporter: [u8; 32],
    /// Everything that has come: its first frame says who takes it.
    heard: Vec<u8>,
    /// It has said what it wants.
    asked: bool,
}

/// What somebody turns out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Is {
    /// That is not known, or waits for an answer.
    Guest,
    /// It does not ask to be a member: what it has said.
    Other(Bytes),
}

impl Guests {
    /// Somebody has shown a certificate that is no member's, or one of a member that may not know that it is one, and may say what it
    /// wants.
    pub(super) fn begin(&mut self, cx: &PeerCx<'_>, conn: ConnId, (key, exporter): ([u8; 32], [u8; 32])) {
        let mut wire = Wire::new(cx, conn, By::Them, &Profile::of(LinkKind::Lan));
        wire.secured = true;
        wire.bound(REQUEST_BYTES_MAX);
        wire.lanes.part_max = cx.around.part_max as usize;
        self.by.insert(conn, Waiting { wire, key, exporter, heard: Vec::new(), asked: false });
    }

    /// Takes bytes in.
    pub(super) fn handle_bytes(&mut self, cx: &mut PeerCx<'_>, conn: ConnId, bytes: &Bytes) -> Is {
        let Some(Waiting { wire, key, exporter, heard, asked }) = self.by.get_mut(&conn) else {
            return Is::Guest;
        };
        heard.extend_from_slice(bytes);
        wire.reader.feed(bytes);
        let said = wire.next_said();
        let join = |kind| Kind::from_number(kind) == Some(Kind::Join);
        match said {
            Ok(None) if heard.len() <= REQUEST_BYTES_MAX * 2 => Is::Guest,
            Ok(Some((kind, said))) if join(kind) && !*asked => {
                *asked = true;
                let guest = Guest { conn, key: *key, exporter: *exporter, said };
                cx.told.push(FromPeer::Guest(Box::new(guest)));
                Is::Guest
            }
            Ok(_) | Err(_) => {
                let heard = core::mem::take(heard).into();
                Is::Other(heard)
            }
        }
    }

    /// Answers somebody: with what a member is told, or with why it is none.
    pub(super) fn answer(&mut self, cx: &mut PeerCx<'_>, conn: ConnId, answer: Result<Vec<u8>, Bye>) {
        let Some(Waiting { mut wire, .. }) = self.by.remove(&conn) else { return };
        match answer {
            Ok(body) => {
                wire.push(cx.now, (Lane::State, Kind::Admitted, body));
                // Nothing but a reason goes once it is to be closed.
                wire.flush(cx);
                wire.close = Some(CloseHow::Graceful);
            }
            Err(reason) => wire.bye(reason),
        }
        wire.flush(cx);
    }

    /// Returns which key somebody has shown.
    pub(super) fn key(&self, conn: ConnId) -> Option<[u8; 32]> {
        self.by.get(&conn).map(|waiting| waiting.key)
    }

    /// A connection is a member's, or gone.
    pub(super) fn handle_closed(&mut self, conn: ConnId) {
        self.by.remove(&conn);
    }
}
