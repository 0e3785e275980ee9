//! The sending system: what is unsent, what is under way, and when more of it may follow.

use std::collections::VecDeque;

use super::congestion::Window;
use super::params::TcpParams;
use super::rtt::Estimate;
use super::timer::{JIFFY, fires_at};
use super::wire::{Ack, Echo, Packet, Wire, WireEventKind};
use crate::engine::{SimSpan, SimTime};
use crate::net::Path;

/// The sending system.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    pub(super) params: TcpParams,
    /// How many written bytes have not been sent.
    pub(super) unsent: usize,
    pub(super) fin: Fin,
    /// What is sent next.
    pub(super) next: u64,
    /// Everything before it is acknowledged.
    pub(super) acked: u64,
    /// The receiver has room up to here.
    pub(super) edge: u64,
    /// What was sent and is not acknowledged, oldest first.
    pub(super) segments: VecDeque<Segment>,
    /// How many of them have arrived behind a gap.
    pub(super) sacked: usize,
    /// How many of them are to be sent again.
    pub(super) lost: usize,
    pub(super) window: Window,
    pub(super) estimate: Estimate,
    pub(super) phase: Phase,
    /// When the time-out was, and what the window was before it, until something is acknowledged.
    pub(super) before_loss: Option<(SimTime, Window)>,
    /// How often the time-out was doubled.
    pub(super) doublings: u32,
    pub(super) timer: Option<Timer>,
    /// Where the stream ended when its tail was probed; nothing when it was not.
    pub(super) probed: Option<u64>,
    /// The first retransmission on time-out, or the first probe of a full receiver, that nothing has answered.
    pub(super) stalled_since: Option<SimTime>,
    /// Of what has arrived, the segment that was sent last, and how long that took.
    pub(super) latest: Option<(Echo, SimSpan)>,
    /// When the receiver was last heard of.
    pub(super) heard: SimTime,
    /// Questions after an idle receiver that it has not answered.
    pub(super) unanswered: u32,
    /// Whether the next retransmission goes whatever the window says.
    pub(super) urgent: bool,
    pub(super) given_up: bool,
    last_sent: SimTime,
    /// Whether only the window held something back.
    blocked: bool,
}

/// How far the end of the stream has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fin {
    Open,
    Wanted,
    Sent,
}

/// What was sent in one piece.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) fin: bool,
    /// When it was sent, the last time.
    pub(super) sent: SimTime,
    pub(super) mark: Mark,
}

/// What is thought of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Underway,
    /// It has arrived behind a gap.
    Sacked,
    /// It is to be sent again.
    Lost,
}

/// What the sender thinks of the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    /// Something was lost. It is over when everything before this is acknowledged.
    Recovery(u64),
    /// Nothing was heard for a time-out. It is over when everything before this is acknowledged.
    Loss(u64),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Timer {
    pub(super) at: SimTime,
    pub(super) kind: TimerKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimerKind {
    /// Nothing was heard for too long.
    Retransmit,
    /// Nothing was heard of the tail: it is sent once more, to learn what is missing.
    Probe,
    /// What was overtaken has had its time.
    Reorder,
    /// The receiver has no room: is that still so?
    Persist,
    /// The connection is idle: is the other side still there?
    Keepalive,
}

/// Where and when a sender sends.
#[derive(Debug)]
pub(super) struct Out<'a> {
    pub(super) now: SimTime,
    pub(super) path: &'a mut Path,
    pub(super) wire: &'a mut Wire,
}

impl Sender {
    pub(super) const fn new(params: TcpParams) -> Self {
        Self {
            params,
            unsent: 0,
            fin: Fin::Open,
            next: 0,
            acked: 0,
            edge: params.window_bytes(),
            segments: VecDeque::new(),
            sacked: 0,
            lost: 0,
            window: Window::new(params.congestion),
            estimate: Estimate::new(&params),
            phase: Phase::Open,
            before_loss: None,
            doublings: 0,
            timer: None,
            probed: None,
            stalled_since: None,
            latest: None,
            heard: SimTime::ZERO,
            unanswered: 0,
            urgent: false,
            given_up: false,
            last_sent: SimTime::ZERO,
            blocked: false,
        }
    }

    /// Returns how many bytes the sender's system holds.
    pub(super) fn held(&self) -> usize {
        let underway = usize::try_from(self.next - self.acked).unwrap_or(usize::MAX);
        self.unsent.saturating_add(underway)
    }

    /// Returns whether something is to be sent that never was.
    pub(super) fn has_more(&self) -> bool {
        self.unsent > 0 || self.fin == Fin::Wanted
    }

    /// Returns whether the next acknowledgement has a consequence: something may be sent, or a clock begins to run.
    pub(super) fn listens(&self) -> bool {
        let missing = self.sacked > 0 || self.lost > 0 || self.phase != Phase::Open;
        self.has_more() || missing || self.params.keepalive.is_some()
    }

    /// Sends what may be sent: first what was lost, then what is new.
    pub(super) fn send(&mut self, out: &mut Out<'_>) {
        if self.lost > 0 {
            self.resend(out);
        }
        self.blocked = false;
        if !self.has_more() {
            return;
        }
        if self.segments.is_empty() {
            self.window.rest(out.now.since(self.last_sent), self.estimate.rto(0));
        }
        let mut sent = false;
        while self.has_more() {
            let bytes = self.unsent.min(self.params.segment_bytes);
            self.blocked = !self.window.allows(self.underway());
            // A segment that has room in part waits for room for all of it.
            if self.blocked || self.next + bytes as u64 > self.edge {
                break;
            }
            self.launch(out, bytes);
            sent = true;
        }
        if sent {
            self.arm(out.now, Rearm::NotLater);
        } else if self.segments.is_empty() && !self.waits_for(TimerKind::Persist) {
            self.heard = out.now;
            self.persist_after(out.now);
        }
    }

    /// Sends `bytes` that were never sent, and the end behind the last of them.
    pub(super) fn launch(&mut self, out: &mut Out<'_>, bytes: usize) {
        self.unsent -= bytes;
        let fin = self.unsent == 0 && self.fin == Fin::Wanted;
        if fin {
            self.fin = Fin::Sent;
        }
        let (from, to) = (self.next, self.next + bytes as u64 + u64::from(fin));
        self.next = to;
        self.last_sent = out.now;
        self.segments.push_back(Segment { from, to, fin, sent: out.now, mark: Mark::Underway });
        out.send(WireEventKind::Sent, (from, to), fin);
    }

    /// Takes an acknowledgement that has come back.
    pub(super) fn acknowledge(&mut self, ack: &Ack) {
        self.heard = ack.at;
        self.unanswered = 0;
        let outstanding = self.segments.len();
        let advances = ack.upto > self.acked;
        let mut news = self.mark_sacked(&ack.blocks);
        if advances {
            self.drop_acked(ack.upto);
            news = true;
        }
        if ack.edge > self.edge {
            self.edge = ack.edge;
            if self.waits_for(TimerKind::Persist) {
                self.timer = None;
                self.calm();
            }
        }
        if !news {
            return;
        }
        if let Some(echo) = ack.echo {
            let took = ack.at.since(echo.sent);
            self.estimate.take(took, self.acked, self.next);
            if self.latest.is_none_or(|(latest, _)| echo >= latest) {
                self.latest = Some((echo, took));
            }
        }
        if advances {
            self.calm();
            self.undo(ack.echo.map_or(ack.at, |echo| echo.sent));
            self.leave_phase();
            if !matches!(self.phase, Phase::Recovery(_)) {
                let acked = outstanding - self.segments.len();
                self.window.grow(acked, outstanding, self.blocked);
            }
            self.arm(ack.at, Rearm::FromHere);
        }
        if self.sacked > 0 {
            self.detect(ack.at);
        }
    }

    /// Sets the timer after something was sent or acknowledged.
    pub(super) fn arm(&mut self, now: SimTime, rearm: Rearm) {
        let Some(head) = self.segments.front() else {
            self.timer = None;
            return;
        };
        let rto = self.estimate.rto(self.doublings);
        if self.phase == Phase::Open {
            let left = match rearm {
                Rearm::FromHere => rto,
                Rearm::NotLater => (head.sent + rto).since(now),
            };
            let probe = self.estimate.probe_after(self.segments.len() == 1);
            let span = if left > SimSpan::ZERO { probe.min(left) } else { probe };
            self.timer = Some(Timer { at: fires_at(now, span), kind: TimerKind::Probe });
        } else if rearm == Rearm::FromHere || self.timer.is_none() {
            self.retransmit_after(now, rto);
        }
    }

    /// Sets the timer of retransmissions, or that of giving up if it is earlier.
    pub(super) fn retransmit_after(&mut self, now: SimTime, span: SimSpan) {
        let left = self.stalled_since.map(|since| (since + self.params.patience()).since(now).max(JIFFY));
        let span = left.map_or(span, |left| span.min(left));
        self.timer = Some(Timer { at: fires_at(now, span), kind: TimerKind::Retransmit });
    }

    /// Sets the timer that asks a full receiver for room.
    pub(super) fn persist_after(&mut self, now: SimTime) {
        let span = self.estimate.rto(self.doublings);
        self.timer = Some(Timer { at: fires_at(now, span), kind: TimerKind::Persist });
    }

    /// Begins to look after a connection that has become idle, if that is wanted.
    pub(super) fn look_after(&mut self, now: SimTime) {
        if let (Some(keepalive), None, Fin::Open) = (self.params.keepalive, self.timer, self.fin) {
            self.heard = self.heard.max(now);
            self.timer = Some(Timer { at: fires_at(now, keepalive.idle), kind: TimerKind::Keepalive });
        }
    }

    fn waits_for(&self, kind: TimerKind) -> bool {
        self.timer.is_some_and(|timer| timer.kind == kind)
    }

    /// Returns how many segments are thought to be under way.
    pub(super) fn underway(&self) -> usize {
        self.segments.len() - self.sacked - self.lost
    }

    fn calm(&mut self) {
        self.doublings = 0;
        self.stalled_since = None;
    }

    fn drop_acked(&mut self, upto: u64) {
        self.acked = upto;
        while let Some(head) = self.segments.front_mut() {
            if head.to > upto {
                // Two segments that were sent again as one.
                head.from = head.from.max(upto);
                break;
            }
            match head.mark {
                Mark::Underway => {}
                Mark::Sacked => self.sacked -= 1,
                Mark::Lost => self.lost -= 1,
            }
            self.segments.pop_front();
        }
        if self.probed.is_some_and(|end| end <= upto) {
            self.probed = None;
        }
    }

    /// Returns whether one of the blocks tells something new.
    fn mark_sacked(&mut self, blocks: &[(u64, u64)]) -> bool {
        let mut news = false;
        for (from, to) in blocks {
            for segment in &mut self.segments {
                if segment.from < *from || segment.to > *to || segment.mark == Mark::Sacked {
                    continue;
                }
                self.lost -= usize::from(segment.mark == Mark::Lost);
                segment.mark = Mark::Sacked;
                self.sacked += 1;
                news = true;
            }
        }
        news
    }

    fn leave_phase(&mut self) {
        match self.phase {
            Phase::Recovery(until) | Phase::Loss(until) if self.acked >= until => self.phase = Phase::Open,
            Phase::Open | Phase::Recovery(_) | Phase::Loss(_) => {}
        }
    }
}

/// From where a timer counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rearm {
    /// Something was acknowledged: the time-out begins here.
    FromHere,
    /// Something was sent: the time-out of the oldest segment goes on.
    NotLater,
}

impl Out<'_> {
    /// Puts a segment on its way.
    pub(super) fn send(&mut self, kind: WireEventKind, (from, to): (u64, u64), fin: bool) {
        let packet = Packet { at: self.now, sent: self.now, from, to, fin };
        let arrives = self.path.carry(self.now, packet.payload());
        self.wire.send(arrives, kind, packet);
    }
}
