//! Who is no member and wants to be one: says so in its first frame, and waits for the answer.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::bye::Bye;
use super::frame::{FRAME_MAX, Kind, Lane};
use super::peers::PeerCx;
use super::wire::{By, Wire};
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
    /// It has said what it wants.
    asked: bool,
}

impl Guests {
    /// Somebody has shown a certificate that is no member's, and may say what it wants.
    pub(super) fn begin(&mut self, cx: &PeerCx<'_>, conn: ConnId, (key, exporter): ([u8; 32], [u8; 32])) {
        let mut wire = Wire::new(cx, conn, By::Them, FRAME_MAX);
        wire.secured = true;
        wire.bound(REQUEST_BYTES_MAX);
        wire.lanes.part_max = cx.around.part_max as usize;
        self.by.insert(conn, Waiting { wire, key, exporter, asked: false });
    }

    /// Takes bytes in. Returns whether it turned out to be nobody who wants to join.
    pub(super) fn handle_bytes(&mut self, cx: &mut PeerCx<'_>, conn: ConnId, bytes: &Bytes) -> bool {
        let Some(Waiting { wire, key, exporter, asked }) = self.by.get_mut(&conn) else { return false };
        wire.reader.feed(bytes);
        let said = wire.next_said();
        let join = |kind| Kind::from_number(kind) == Some(Kind::Join);
        match said {
            Ok(None) => return false,
            Ok(Some((kind, said))) if join(kind) && !*asked => {
                *asked = true;
                let guest = Guest { conn, key: *key, exporter: *exporter, said };
                cx.told.push(FromPeer::Guest(Box::new(guest)));
                return false;
            }
            Ok(Some(_)) | Err(_) => self.answer(cx, conn, Err(Bye::NotMember)),
        }
        true
    }

    /// Answers somebody: with what a member is told, or with why it is none.
    pub(super) fn answer(&mut self, cx: &mut PeerCx<'_>, conn: ConnId, answer: Result<Vec<u8>, Bye>) {
        let Some(Waiting { mut wire, .. }) = self.by.remove(&conn) else { return };
        match answer {
            Ok(body) => {
                wire.lanes.push(Lane::State, Kind::Admitted, body);
                wire.close = Some(CloseHow::Graceful);
            }
            Err(reason) => wire.bye(reason),
        }
        wire.flush(cx);
    }

    /// A connection is gone.
    pub(super) fn handle_closed(&mut self, conn: ConnId) {
        self.by.remove(&conn);
    }
}
