//! What sessions are given by name, and what they know of their rosters.

use super::Node;
use crate::directory::{SessionId, Sight};
use crate::jid::Jid;
use crate::router::give;
use crate::service::effect::{Delivery, Effect};
use crate::session::What;
use crate::stanza::Stanza;
use crate::time::Now;
use crate::trace::Event;

impl Node {
    /// Gives a stanza to these sessions, whatever its address says. The bytes are made once.
    pub(super) fn give(&mut self, now: Now, to: &[SessionId], stanza: Stanza) {
        let packet = stanza.packet();
        let delivery = Delivery { stanza, op: None, what: What::Other };
        let mut cx = self.deliver_cx();
        let slow: Vec<SessionId> =
            to.iter().copied().filter(|id| !give(&mut cx, *id, packet.clone(), &delivery)).collect();
        let copies = u32::try_from(to.len() - slow.len()).unwrap_or(u32::MAX);
        self.effects.push_back(Effect::Trace(Event::Routed { kind: delivery.stanza.kind.name(), copies }));
        for id in slow {
            if self.directory.get(id).is_some() {
                self.close_slow_reader(now, id);
            }
        }
    }

    /// Takes note that a session is told of its roster, and up to which version it has been.
    pub(super) fn handle_listed(&mut self, id: SessionId, version: Option<Box<str>>) {
        let Some(session) = self.directory.get_mut(id) else { return };
        session.wishes.roster = true;
        if version.is_some() {
            session.roster = version;
        }
        self.directory.touch(id);
    }

    /// Forgets that sessions have told their presence directly to somebody who has become unavailable (RFC 6121, 4.6.1). Who only
    /// shows itself no more, because a subscription was cancelled or somebody is blocked, is there and still has to hear of their end.
    pub(super) fn forget_directed(&mut self, to: &Jid, gone: &Jid) {
        let told =
            |id: &SessionId| self.directory.get(*id).is_some_and(|session| !session.directed.is_empty());
        let ids: Vec<SessionId> = match to.resource() {
            Some(_) => self.directory.find(to).into_iter().filter(told).collect(),
            None => self.directory.of_account(to).iter().copied().filter(told).collect(),
        };
        if ids.is_empty() || Sight::new(&self.directory, &self.elsewhere).seen(gone).is_some() {
            return;
        }
        for id in ids {
            let Some(session) = self.directory.get_mut(id) else { continue };
            if session.jid.as_jid() != gone && session.directed.untold(gone) {
                self.directory.touch(id);
            }
        }
    }

    /// Makes up for what sessions of the time before this start were not given.
    pub(super) fn catch_up(&mut self, now: Now) {
        let ids: Vec<SessionId> = self.directory.ids().collect();
        for id in ids {
            self.with_services(now, |services, cx| services.roster.handle_restored(cx, id));
        }
    }
}
