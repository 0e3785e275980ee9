//! How a link ends: for a while, or for good.

use super::super::bye::Bye;
use super::super::peers::PeerCx;
use super::super::wire::Wire;
use super::Link;
use crate::config::StaticMember;
use crate::exchange::FromPeer;

impl Link {
    /// It is no member any more, or is reached otherwise: takes leave for good.
    pub(in crate::peer) fn leave(&mut self, cx: &mut PeerCx<'_>, reason: Bye) {
        if self.is_up {
            cx.told.push(FromPeer::Down(self.node, reason.words()));
        }
        for wire in &mut self.wires {
            wire.bye(reason);
        }
        self.flush(cx);
    }

    /// Returns whether the member has never said who it is.
    pub(in crate::peer) const fn is_unmet(&self) -> bool {
        self.known.is_none()
    }

    /// Returns whether it is the link to this member, as it is reached now.
    pub(in crate::peer) fn is_to(&self, member: &StaticMember) -> bool {
        *self.route == *member.route && self.kind == member.link
    }

    /// Takes leave.
    pub(in crate::peer) fn stop(&mut self, cx: &mut PeerCx<'_>) {
        for wire in &mut self.wires {
            wire.bye(Bye::Stopping);
        }
        self.flush(cx);
        self.active = None;
        self.is_up = false;
        self.due = None;
    }

    /// Lets the peer hear anew who this node is.
    pub(in crate::peer) fn say_hello_again(&mut self, cx: &mut PeerCx<'_>) {
        self.wires.iter_mut().for_each(Wire::abort);
        self.settle(cx);
    }
}
