//! Who is at the other end of a connection: what both sides say of themselves, and why one takes leave.

use bytes::Bytes;

use super::super::beat::Beat;
use super::super::bye::Bye;
use super::super::frame::{Kind, Lane, Malformed};
use super::super::peers::PeerCx;
use super::super::wire::Wire;
use super::super::{hello, words};
use super::Link;
use crate::exchange::{FromPeer, Hello};
use crate::io::CloseHow;
use crate::replica::Origin;
use crate::time::Span;

/// After a refusal the next call waits for so many times the usual time.
const REFUSED_WAIT: u64 = 10;

impl Link {
    pub(super) fn handle_said(
        &mut self,
        cx: &mut PeerCx<'_>,
        wire: &mut Wire,
        kind: u8,
        body: &Bytes,
    ) -> Result<(), Malformed> {
        match (Kind::from_number(kind), &wire.hello) {
            (Some(Kind::Hello), None) => {
                let hello = hello::read(body)?;
                self.greet(cx, wire, hello);
            }
            (Some(Kind::Bye), _) => {
                let (reason, known) = (Bye::read(body)?, Bye::read_known(body));
                cx.told.extend(known.map(FromPeer::Outdated));
                self.handle_bye(cx, wire, reason);
            }
            (Some(Kind::Beat), Some(_)) => {
                let serves = self.active.is_none_or(|active| active == wire.conn);
                self.detect.handle(cx.now, (&mut wire.pulse, serves), &Beat::read(body)?)?;
                wire.welcome = true;
                self.refused = None;
            }
            (Some(kind @ (Kind::Entry | Kind::Durable)), Some(_)) => {
                words::hear(cx, (self.node, &mut self.queue), kind, body)?;
            }
            (
                Some(
                    kind @ (Kind::Owned
                    | Kind::OwnedSince
                    | Kind::Routed
                    | Kind::Have
                    | Kind::Commit
                    | Kind::Granted
                    | Kind::Links
                    | Kind::Passed),
                ),
                Some(_),
            ) if wire.welcome => words::hear(cx, (self.node, &mut self.queue), kind, body)?,
            (
                Some(
                    Kind::Hello
                    | Kind::Beat
                    | Kind::Entry
                    | Kind::Durable
                    | Kind::Owned
                    | Kind::OwnedSince
                    | Kind::Routed
                    | Kind::Have
                    | Kind::Commit
                    | Kind::Granted
                    | Kind::Links
                    | Kind::Passed,
                ),
                _,
            )
            | (None, None) => return Err(Malformed::Order),
            // A later version has more kinds.
            (None, Some(_)) => {}
        }
        Ok(())
    }

    /// The peer says who it is.
    fn greet(&mut self, cx: &mut PeerCx<'_>, wire: &mut Wire, said: Hello) {
        let origin = said.origin;
        let outdated = |known: Origin| known != origin && !origin.succeeds(known);
        let common = (said.versions.0.max(hello::VERSIONS.0), said.versions.1.min(hello::VERSIONS.1));
        let wrong = if said.cluster != cx.around.cluster.id {
            Some(Bye::OtherCluster)
        } else if common.0 > common.1 {
            Some(Bye::NoVersion)
        } else if origin.node != self.node {
            Some(Bye::OtherKey)
        } else {
            self.known.is_some_and(outdated).then_some(Bye::OldIncarnation)
        };
        if let Some(reason) = wrong {
            return self.refuse(cx, wire, reason);
        }
        if self.known != Some(origin) {
            if self.is_up {
                self.fail(cx, "it has started anew");
            }
            self.wires.iter_mut().filter(|other| other.hello.is_some()).for_each(Wire::abort);
            self.known = Some(origin);
        }
        wire.frame_max = wire.frame_max.min(said.frame_max);
        wire.lanes.part_max = said.part_max as usize;
        let heartbeat = self.profile.heartbeat.max(said.heartbeat);
        self.detect.agree(heartbeat, self.profile.silent.max(said.silent));
        // Before they agreed it may have been much later.
        self.next_beat = self.next_beat.min(cx.now + heartbeat);
        wire.hello = Some(said);
    }

    fn handle_bye(&mut self, cx: &mut PeerCx<'_>, wire: &mut Wire, reason: Option<Bye>) {
        wire.close = Some(CloseHow::Graceful);
        match reason {
            Some(Bye::Superseded) => {}
            Some(Bye::Stopping) => {
                if self.is_up && self.active == Some(wire.conn) {
                    self.fail(cx, Bye::Stopping.words());
                }
            }
            Some(
                reason @ (Bye::OtherCluster
                | Bye::NoVersion
                | Bye::NotMember
                | Bye::OtherKey
                | Bye::OldIncarnation
                | Bye::Malformed
                | Bye::NoHello),
            ) => self.be_refused(cx, reason.words_of_us()),
            None => self.be_refused(cx, "for a reason that only later versions know"),
        }
    }

    pub(super) fn say_hello(&self, cx: &PeerCx<'_>, wire: &mut Wire) {
        let Some(own) = cx.around.cluster.own() else { return };
        let said = Hello {
            versions: hello::VERSIONS,
            cluster: cx.around.cluster.id,
            origin: cx.around.origin,
            name: own.name.as_str().into(),
            site: own.site.as_str().into(),
            heartbeat: self.profile.heartbeat,
            silent: self.profile.silent,
            frame_max: self.profile.frame_max,
            part_max: cx.around.part_max,
            route: self.name.clone(),
        };
        let mut body = Vec::new();
        hello::write(&said, &mut body);
        wire.secured = true;
        wire.lanes.push(Lane::State, Kind::Hello, body);
    }

    /// Refuses a connection.
    pub(super) fn refuse(&mut self, cx: &mut PeerCx<'_>, wire: &mut Wire, reason: Bye) {
        wire.secured = true;
        wire.refuse(reason, self.known);
        self.be_refused(cx, reason.words());
    }

    /// Calling again soon would not help.
    pub(super) fn be_refused(&mut self, cx: &mut PeerCx<'_>, why: &'static str) {
        self.standing.has_failed = true;
        let wait = self.profile.dial_every.as_micros().saturating_mul(REFUSED_WAIT);
        self.next_call = self.next_call.max(cx.now + Span::from_micros(wait));
        if self.refused.replace(why) != Some(why) {
            cx.told.push(FromPeer::Refused(Some(self.node), why));
        }
    }

    /// The peer cannot be reached.
    pub(super) fn fail(&mut self, cx: &mut PeerCx<'_>, why: &'static str) {
        (self.is_up, self.standing.has_failed) = (false, true);
        self.wires.iter_mut().filter(|wire| wire.hello.is_some()).for_each(Wire::abort);
        cx.told.push(FromPeer::Down(self.node, why));
    }
}
