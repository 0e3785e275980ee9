//! What a sender does about losses: it learns of them from what overtakes them (RACK), from a probe of the tail (TLP),
//! or from silence.
//!
//! A time-out is undone when the first news behind it answer what was sent before it (Eifel). What a
//! probe of the tail reveals by being acknowledged does not cut the window.

use super::sender::{Fin, Mark, Out, Phase, Rearm, Sender, Timer, TimerKind};
use super::timer::{JIFFY, fires_at};
use super::wire::WireEventKind;
use crate::engine::{SimSpan, SimTime};

/// So many segments behind a gap leave no doubt that it is one.
const OVERTAKEN_BY: usize = 3;

impl Sender {
    /// The timer has fired.
    pub(super) fn fire(&mut self, out: &mut Out<'_>) {
        let Some(timer) = self.timer.take() else { return };
        match timer.kind {
            TimerKind::Retransmit => self.time_out(out),
            TimerKind::Probe => self.probe_tail(out),
            TimerKind::Reorder => {
                self.detect(out.now);
                if self.timer.is_none() {
                    self.retransmit_after(out.now, self.estimate.rto(self.doublings));
                }
            }
            TimerKind::Persist => self.ask_for_room(out),
            TimerKind::Keepalive => self.ask_after(out),
        }
    }

    /// Finds what was overtaken for so long that it must be lost.
    pub(super) fn detect(&mut self, now: SimTime) {
        let Some((latest, took)) = self.latest else { return };
        let sure = self.sacked >= OVERTAKEN_BY || self.phase != Phase::Open;
        let slack = if sure { SimSpan::ZERO } else { self.estimate.reordering() };
        let mut first_due: Option<SimTime> = None;
        let mut found = 0;
        for segment in &mut self.segments {
            let overtaken = (segment.sent, segment.to) < (latest.sent, latest.to);
            if segment.mark != Mark::Underway || !overtaken {
                continue;
            }
            let due = segment.sent + took + slack;
            if due <= now {
                segment.mark = Mark::Lost;
                found += 1;
            } else {
                first_due = Some(first_due.map_or(due, |first| first.min(due)));
            }
        }
        self.lost += found;
        if found > 0 && self.phase == Phase::Open {
            self.phase = Phase::Recovery(self.next);
            self.window.cut();
            self.urgent = true;
        }
        if let Some(due) = first_due {
            self.timer = Some(Timer { at: fires_at(now, due.since(now)), kind: TimerKind::Reorder });
        }
    }

    /// Sends again what was lost, as far as the window allows.
    pub(super) fn resend(&mut self, out: &mut Out<'_>) {
        let mut sent = false;
        while self.lost > 0 && (core::mem::take(&mut self.urgent) || self.window.allows(self.underway())) {
            let Some(index) = self.segments.iter().position(|segment| segment.mark == Mark::Lost) else {
                break;
            };
            self.join(index);
            self.send_again(out, index);
            sent = true;
        }
        if sent {
            self.retransmit_after(out.now, self.estimate.rto(self.doublings));
        }
    }

    /// Small segments that were lost one behind the other go again as one.
    fn join(&mut self, index: usize) {
        let most = self.params.segment_bytes as u64;
        while let (Some(first), Some(second)) =
            (self.segments.get(index).copied(), self.segments.get(index + 1).copied())
            && second.mark == Mark::Lost
            && second.to - u64::from(second.fin) - first.from <= most
        {
            if let Some(joined) = self.segments.get_mut(index) {
                (joined.to, joined.fin) = (second.to, second.fin);
            }
            self.segments.remove(index + 1);
            self.lost -= 1;
        }
    }

    fn send_again(&mut self, out: &mut Out<'_>, index: usize) {
        let Some(segment) = self.segments.get_mut(index) else { return };
        self.lost -= usize::from(segment.mark == Mark::Lost);
        // A probe may repeat what has arrived behind a gap: that is known still.
        if segment.mark != Mark::Sacked {
            segment.mark = Mark::Underway;
        }
        segment.sent = out.now;
        let (from, to, fin) = (segment.from, segment.to, segment.fin);
        out.send(WireEventKind::Resent, (from, to), fin);
    }

    /// Nothing was heard: everything under way is taken for lost, and the first of it goes again.
    fn time_out(&mut self, out: &mut Out<'_>) {
        if self.stalled_since.is_some_and(|since| out.now.since(since) >= self.params.patience()) {
            self.given_up = true;
            return;
        }
        if !matches!(self.phase, Phase::Loss(_)) {
            self.before_loss = Some((out.now, self.window));
            self.window.collapse();
        }
        self.phase = Phase::Loss(self.next);
        for segment in &mut self.segments {
            if segment.mark == Mark::Underway {
                segment.mark = Mark::Lost;
                self.lost += 1;
            }
        }
        self.stalled_since.get_or_insert(out.now);
        self.doublings += 1;
        self.resend(out);
    }

    /// Something was acknowledged that was sent at `sent`. If that was before the time-out, nothing was lost then, only
    /// late, and everything is as it was.
    pub(super) fn undo(&mut self, sent: SimTime) {
        let Some((timed_out, window)) = self.before_loss.take() else { return };
        if !matches!(self.phase, Phase::Loss(_)) || sent >= timed_out {
            return;
        }
        self.window = window;
        self.phase = Phase::Open;
        self.lost = 0;
        for segment in self.segments.iter_mut().filter(|segment| segment.mark == Mark::Lost) {
            segment.mark = Mark::Underway;
        }
    }

    /// Sends one segment more than the window allows: a new one, or the last one again.
    fn probe_tail(&mut self, out: &mut Out<'_>) {
        let rto = self.estimate.rto(self.doublings);
        if self.probed.is_some() {
            let left = self.segments.front().map(|head| (head.sent + rto).since(out.now));
            self.retransmit_after(out.now, left.unwrap_or(rto).max(JIFFY));
            return;
        }
        let bytes = self.unsent.min(self.params.segment_bytes);
        if self.has_more() && self.next + bytes as u64 <= self.edge {
            self.launch(out, bytes);
        } else if let Some(last) = self.segments.len().checked_sub(1) {
            self.send_again(out, last);
        }
        self.probed = Some(self.next);
        self.retransmit_after(out.now, rto);
    }

    /// Sends what a full receiver has room for, or a question without data.
    fn ask_for_room(&mut self, out: &mut Out<'_>) {
        let since = *self.stalled_since.get_or_insert(out.now);
        let unanswered = out.now.since(self.heard) >= self.params.patience();
        let stuck = self.params.user_timeout.is_some_and(|most| out.now.since(since) >= most);
        if unanswered || stuck {
            self.given_up = true;
            return;
        }
        let room = usize::try_from(self.edge.saturating_sub(self.next)).unwrap_or(usize::MAX);
        let bytes = room.min(self.unsent).min(self.params.segment_bytes);
        if bytes > 0 || self.fin == Fin::Wanted && self.unsent == 0 {
            self.launch(out, bytes);
            self.arm(out.now, Rearm::NotLater);
            return;
        }
        out.send(WireEventKind::Resent, (self.next, self.next), false);
        self.doublings += 1;
        self.persist_after(out.now);
    }

    /// Asks after a receiver of which nothing was heard for long, with a segment that it has already.
    fn ask_after(&mut self, out: &mut Out<'_>) {
        let Some(keepalive) = self.params.keepalive else { return };
        let quiet_until = self.heard + keepalive.idle;
        let span = if out.now < quiet_until {
            quiet_until.since(out.now)
        } else if self.unanswered == keepalive.count {
            self.given_up = true;
            return;
        } else {
            self.unanswered += 1;
            out.send(WireEventKind::Resent, (self.next, self.next), false);
            keepalive.every
        };
        self.timer = Some(Timer { at: fires_at(out.now, span), kind: TimerKind::Keepalive });
    }
}
