//! Joining: asks those that a token names, one after the other, whether this node may be a member.

use std::collections::VecDeque;

use bytes::Bytes;

use super::bye::Bye;
use super::frame::{Kind, Lane};
use super::peers::PeerCx;
use super::profile::Profile;
use super::wire::{By, Wire};
use crate::config::LinkKind;
use crate::io::{CloseCause, CloseHow, ConnId, Dial, NoCluster, OpId, Output, TlsInfo};
use crate::time::{Instant, Span};

/// Asking one node takes so many times as long as a call at most: TLS, the question and a write of the other one are some round trips.
const ASKING_CALLS: u64 = 6;

/// What comes of asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A node can be asked: what both ends know of the TLS session. [`Joiner::ask`] follows.
    Ready([u8; 32]),
    /// It has answered.
    Said(Bytes),
    /// Nobody lets this node in: why.
    Refused(NoCluster),
}

/// This node, on its way to be a member.
#[derive(Debug)]
pub(crate) struct Joiner {
    /// Whom to ask next.
    seeds: VecDeque<(Box<str>, LinkKind)>,
    call: Option<OpId>,
    conn: Option<ConnId>,
    wire: Option<Wire>,
    /// What is so far known to stand against it.
    why: NoCluster,
    /// When whoever is asked has taken too long.
    late: Instant,
}

impl Joiner {
    /// Begins to ask.
    pub(crate) fn begin(cx: &mut PeerCx<'_>, seeds: impl IntoIterator<Item = (Box<str>, LinkKind)>) -> Self {
        let mut joiner = Self {
            seeds: seeds.into_iter().collect(),
            call: None,
            conn: None,
            wire: None,
            why: NoCluster::Unreachable,
            late: cx.now,
        };
        _ = joiner.call_next(cx);
        joiner
    }

    /// Returns when whoever is asked has taken too long.
    pub(crate) const fn late(&self) -> Instant {
        self.late
    }

    /// Returns whether a call or a connection is this one's.
    pub(crate) fn has_call(&self, op: OpId) -> bool {
        self.call == Some(op)
    }

    /// Returns whether a connection is this one's.
    pub(crate) fn has(&self, conn: ConnId) -> bool {
        self.conn == Some(conn)
    }

    fn call_next(&mut self, cx: &mut PeerCx<'_>) -> Option<Asked> {
        let Some((route, link)) = self.seeds.pop_front() else { return Some(Asked::Refused(self.why)) };
        let give_up = Profile::of(link).dial_give_up;
        let op = (cx.number)();
        self.late = cx.now + Span::from_micros(give_up.as_micros().saturating_mul(ASKING_CALLS));
        self.call = Some(op);
        cx.outputs.push_back(Output::Connect { op, route, how: Dial { link, give_up } });
        None
    }

    /// A call was answered.
    pub(crate) fn handle_connected(
        &mut self,
        cx: &mut PeerCx<'_>,
        outcome: Result<ConnId, CloseCause>,
    ) -> Option<Asked> {
        self.call = None;
        let Ok(conn) = outcome else { return self.call_next(cx) };
        self.conn = Some(conn);
        self.wire = Some(Wire::new(cx, conn, By::Us, &Profile::of(LinkKind::Lan)));
        None
    }

    /// TLS is done.
    pub(crate) fn handle_secured(&mut self, cx: &mut PeerCx<'_>, tls: &TlsInfo) -> Option<Asked> {
        match (&mut self.wire, tls.exporter) {
            (Some(wire), Some(exporter)) => {
                wire.secured = true;
                Some(Asked::Ready(exporter))
            }
            (_, _) => self.give_up(cx, NoCluster::Untrusted),
        }
    }

    /// Says what this node wants.
    pub(crate) fn ask(&mut self, cx: &mut PeerCx<'_>, request: Vec<u8>) {
        if let Some(wire) = &mut self.wire {
            wire.push(cx.now, (Lane::State, Kind::Join, request));
            wire.flush(cx);
        }
    }

    /// Takes bytes in.
    pub(crate) fn handle_bytes(&mut self, cx: &mut PeerCx<'_>, bytes: &Bytes) -> Option<Asked> {
        let wire = self.wire.as_mut()?;
        wire.reader.feed(bytes);
        loop {
            let Ok(said) = wire.next_said() else { return self.give_up(cx, NoCluster::Untrusted) };
            let (kind, body) = said?;
            match Kind::from_number(kind) {
                Some(Kind::Admitted) => return Some(Asked::Said(body)),
                Some(Kind::Bye) => {
                    let why = match Bye::read(&body) {
                        Ok(Some(Bye::NotJoined(why))) => why,
                        Ok(Some(Bye::OtherCluster)) => NoCluster::OtherCluster,
                        Ok(Some(Bye::NotMember)) => NoCluster::UnknownToken,
                        Ok(Some(Bye::Stopping)) => NoCluster::Unreachable,
                        Ok(_) | Err(_) => NoCluster::Untrusted,
                    };
                    return self.give_up(cx, why);
                }
                Some(_) | None => {}
            }
        }
    }

    /// Whoever is asked has taken too long.
    pub(crate) fn handle_late(&mut self, cx: &mut PeerCx<'_>) -> Option<Asked> {
        if self.late > cx.now || self.conn.is_none() {
            None
        } else {
            self.give_up(cx, NoCluster::Unreachable)
        }
    }

    /// Takes it that whoever was asked is not to be believed, or says no. The next one is asked when the connection is gone.
    pub(crate) fn give_up(&mut self, cx: &mut PeerCx<'_>, why: NoCluster) -> Option<Asked> {
        // What a node says counts for more than that another one cannot be reached.
        if why != NoCluster::Unreachable {
            self.why = why;
        }
        if let Some(mut wire) = self.wire.take() {
            wire.abort();
            wire.flush(cx);
        }
        None
    }

    /// The connection is gone.
    pub(crate) fn handle_closed(&mut self, cx: &mut PeerCx<'_>) -> Option<Asked> {
        (self.conn, self.wire) = (None, None);
        self.call_next(cx)
    }

    /// This node has what it wanted: takes leave.
    pub(crate) fn end(&mut self, cx: &mut PeerCx<'_>) {
        self.seeds.clear();
        if let Some(mut wire) = self.wire.take() {
            wire.close = Some(CloseHow::Graceful);
            wire.flush(cx);
        }
    }

    /// Returns whether no call and no connection is left.
    pub(crate) const fn is_idle(&self) -> bool {
        self.call.is_none() && self.conn.is_none()
    }
}
