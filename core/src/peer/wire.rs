//! One connection with a peer: frames in, frames out.

use bytes::Bytes;

use super::bye::Bye;
use super::detect::Pulse;
use super::field::{Fields, put_number};
use super::frame::{Frame, FrameReader, Kind, Lane, Malformed};
use super::lanes::{Lanes, Parts};
use super::pace::Pace;
use super::peers::PeerCx;
use super::profile::Profile;
use crate::exchange::Hello;
use crate::io::{CloseHow, ConnId, Output};
use crate::replica::Origin;
use crate::time::{Instant, Span};

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
    pub(super) pace: Pace,
    /// How long what nobody waits for at once waits for more of it.
    coalesce: Span,
    /// The last mark of the other side that came, and was not answered.
    pub(super) marked: Option<u64>,
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
    pub(super) fn new(cx: &PeerCx<'_>, conn: ConnId, by: By, profile: &Profile) -> Self {
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
            reader: FrameReader::new(profile.frame_max),
            parts: Parts::new(cx.around.part_max as usize),
            lanes: Lanes::new(),
            pace: Pace::new(profile, cx.now),
            coalesce: profile.coalesce,
            marked: None,
            frame_max: profile.frame_max,
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

    /// Everything before a mark has come, says the other side.
    pub(super) fn hear_got(&mut self, now: Instant, body: &[u8]) -> Result<(), Malformed> {
        if self.pace.hear(now, read_number(body)?) { Ok(()) } else { Err(Malformed::Value) }
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
        self.push(self.heard, (Lane::Liveness, Kind::Bye, body));
    }

    /// Closes the connection without a word.
    pub(super) fn abort(&mut self) {
        self.close = Some(CloseHow::Abort);
    }

    /// Lets something wait for its turn. Returns whether the other side takes anything so long.
    pub(super) fn push(&mut self, now: Instant, (lane, kind, body): (Lane, Kind, Vec<u8>)) -> bool {
        self.lanes.push(now, lane, (kind, body))
    }

    /// Returns when more can be handed over of what waits; nothing where that depends on the other side.
    pub(super) fn next_turn(&self, now: Instant) -> Option<Instant> {
        let speaks = self.secured && self.close.is_none();
        let ripe = self.lanes.ripe(self.coalesce).filter(|_| speaks)?;
        if ripe > now { Some(ripe) } else { self.pace.next() }
    }

    /// Hands over as much as the way takes; of what is to be closed nothing but the reason.
    pub(super) fn flush(&mut self, cx: &mut PeerCx<'_>) -> Flushed {
        let conn = self.conn;
        let mut handed = false;
        if self.secured && self.close != Some(CloseHow::Abort) {
            let head = self.take(cx.now);
            handed = !head.is_empty();
            if handed {
                cx.outputs.push_back(Output::Send { conn, head, body: Bytes::new() });
            }
        }
        if let Some(how) = self.close {
            cx.outputs.push_back(Output::Close { conn, how });
            return Flushed::Over;
        }
        if handed { Flushed::Some } else { Flushed::None }
    }

    fn take(&mut self, now: Instant) -> Bytes {
        let mut out = Vec::new();
        if let Some(mark) = self.marked.take() {
            self.push(now, (Lane::Liveness, Kind::Got, number(mark)));
        }
        let is_ripe = self.close.is_none() && self.lanes.ripe(self.coalesce).is_some_and(|ripe| ripe <= now);
        while self.lanes.is_urgent() || (is_ripe && self.pace.may_send(now)) {
            let Some(frame) = self.lanes.next_frame(now, self.frame_max) else { break };
            let before = out.len();
            frame.write(&mut out);
            self.pace.send(now, out.len() - before);
            if let Some(mark) = self.pace.next_mark(now) {
                // Nothing on that lane comes in parts, so it may stand between those of others.
                let body = number(mark).into();
                Frame { lane: Lane::Liveness, more: false, kind: Kind::Mark.number(), body }.write(&mut out);
            }
        }
        self.pace.close_batch(out.len());
        out.into()
    }
}

/// What became of what waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flushed {
    /// Nothing was handed over.
    None,
    /// Something was.
    Some,
    /// The connection is closed.
    Over,
}

/// Reads the number of a mark.
pub(super) fn read_number(body: &[u8]) -> Result<u64, Malformed> {
    let mut fields = Fields(body);
    let number = fields.number()?;
    fields.end()?;
    Ok(number)
}

fn number(mark: u64) -> Vec<u8> {
    let mut body = Vec::new();
    put_number(&mut body, mark);
    body
}
