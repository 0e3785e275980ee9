//! One connection with a peer: frames in, frames out.

use bytes::Bytes;

use super::bye::Bye;
use super::detect::Pulse;
use super::frame::{FrameReader, Kind, Lane, Malformed};
use super::lanes::{Lanes, Parts};
use super::peers::PeerCx;
use crate::exchange::Hello;
use crate::io::{CloseHow, ConnId, Output};
use crate::replica::Origin;
use crate::time::Instant;

/// A connection.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) conn: ConnId,
    pub(super) by: By,
    /// TLS is done, so that something can be said.
    pub(super) secured: bool,
    /// What the peer has said of itself.
    pub(super) hello: Option<Hello>,
    /// It has said that it takes this node's Hello.
    pub(super) welcome: bool,
    /// A heartbeat has gone out on it.
    pub(super) has_beaten: bool,
    /// When it was made.
    pub(super) since: Instant,
    /// When something came last.
    pub(super) heard: Instant,
    pub(super) pulse: Pulse,
    pub(super) reader: FrameReader,
    parts: Parts,
    pub(super) lanes: Lanes,
    /// Bytes of the largest frame that is sent.
    pub(super) frame_max: u16,
    /// It is to be closed, once what waits is handed over.
    pub(super) close: Option<CloseHow>,
}

/// Who has made a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// This node.
    Us,
    /// The other one.
    Them,
}

impl Wire {
    pub(super) fn new(cx: &PeerCx<'_>, conn: ConnId, by: By, frame_max: u16) -> Self {
        Self {
            conn,
            by,
            secured: false,
            hello: None,
            welcome: false,
            has_beaten: false,
            since: cx.now,
            heard: cx.now,
            pulse: Pulse::default(),
            reader: FrameReader::new(frame_max),
            parts: Parts::new(cx.around.part_max as usize),
            lanes: Lanes::new(),
            frame_max,
            close: None,
        }
    }

    /// Bounds what it takes in parts.
    pub(super) fn bound(&mut self, bytes: usize) {
        self.parts = Parts::new(bytes);
    }

    /// Returns whether both sides have taken the other's Hello.
    pub(super) const fn serves(&self) -> bool {
        self.hello.is_some() && self.welcome && self.close.is_none()
    }

    /// Returns what was said next, if it is whole: its kind and its body.
    pub(super) fn next_said(&mut self) -> Result<Option<(u8, Bytes)>, Malformed> {
        while let Some(frame) = self.reader.next_frame()? {
            if let Some(said) = self.parts.take(frame)? {
                return Ok(Some(said));
            }
        }
        Ok(None)
    }

    /// Takes leave; the connection is closed behind that.
    pub(super) fn bye(&mut self, reason: Bye) {
        let mut body = Vec::new();
        reason.write(&mut body);
        self.leave(body);
    }

    /// Takes leave of a node of which `known` is the latest start; one that is older hears which that is.
    pub(super) fn refuse(&mut self, reason: Bye, known: Option<Origin>) {
        let Some(known) = known.filter(|_| reason == Bye::OldIncarnation) else { return self.bye(reason) };
        let mut body = Vec::new();
        Bye::write_known(known, &mut body);
        self.leave(body);
    }

    fn leave(&mut self, body: Vec<u8>) {
        if self.close.is_some() {
            return;
        }
        self.close = Some(if self.secured { CloseHow::Graceful } else { CloseHow::Abort });
        self.lanes.push(Lane::Liveness, Kind::Bye, body);
    }

    /// Closes the connection without a word.
    pub(super) fn abort(&mut self) {
        self.close = Some(CloseHow::Abort);
    }

    /// Hands everything over that waits. Returns whether the connection goes on.
    pub(super) fn flush(&mut self, cx: &mut PeerCx<'_>) -> bool {
        let conn = self.conn;
        if self.secured && self.close != Some(CloseHow::Abort) {
            let head = self.lanes.take(self.frame_max);
            if !head.is_empty() {
                cx.outputs.push_back(Output::Send { conn, head, body: Bytes::new() });
            }
        }
        if let Some(how) = self.close {
            cx.outputs.push_back(Output::Close { conn, how });
        }
        self.close.is_none()
    }
}
