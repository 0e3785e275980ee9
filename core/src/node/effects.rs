//! Carries out what was asked for, until nothing is left.

use super::Node;
use crate::io::{ConnId, Output};
use crate::router::{Place, deliver, place};
use crate::service::effect::Effect;
use crate::service::service::At;
use crate::stanza::{Kind, Stanza, StanzaError};
use crate::time::Now;
use crate::trace::Event;

impl Node {
    /// Carries out effects in order; those that they cause come last. A stream goes on with its next token only
    /// when everything that the token before it caused has been done.
    ///
    /// It ends: a stanza causes at most an answer, an answer causes none (RFC 6120, 8.3.1), and the effects of
    /// ending a session are bounded by those who knew it.
    pub(super) fn settle(&mut self, now: Now) {
        loop {
            if let Some(effect) = self.effects.pop_front() {
                self.carry_out(now, effect);
            } else if let Some(conn) = self.unfinished.pop_front() {
                self.continue_stream(now, conn);
            } else {
                break;
            }
        }
        self.end_stop();
    }

    fn carry_out(&mut self, now: Now, effect: Effect) {
        match effect {
            Effect::Route(stanza) => self.route(now, &stanza),
            Effect::ToStream(conn, value) => self.tell_stream(now, conn, value),
            Effect::EndSessions { user, except, condition } => {
                self.end_sessions(now, &user, except, condition);
            }
            Effect::Store(op, batch) => self.outputs.push_back(Output::Store { op, batch }),
            Effect::Load(op, query) => self.outputs.push_back(Output::Load { op, query }),
            Effect::Derive(op, request) => self.outputs.push_back(Output::Derive { op, request }),
            Effect::Reply(id, answer) => self.outputs.push_back(Output::Reply { id, answer }),
            Effect::Trace(event) => self.outputs.push_back(Output::Trace(event)),
        }
    }

    fn route(&mut self, now: Now, stanza: &Stanza) {
        match place(&self.config, stanza) {
            Place::Server => self.serve(now, stanza, At::Server),
            Place::OwnAccount if matches!(stanza.kind, Kind::Iq(_)) => {
                self.serve(now, stanza, At::OwnAccount);
            }
            Place::OwnAccount | Place::Account => self.deliver(now, stanza),
            Place::Elsewhere => self.bounce(stanza, StanzaError::RemoteServerNotFound),
        }
    }

    /// Gives a request to the services; the server itself takes no messages.
    fn serve(&mut self, now: Now, stanza: &Stanza, at: At) {
        match stanza.kind {
            Kind::Iq(_) => {
                let Some(conn) = self.connection_of(stanza) else { return };
                self.with_services(now, |services, cx| services.handle_iq(cx, stanza, at, conn));
            }
            Kind::Message(_) => self.bounce(stanza, StanzaError::ServiceUnavailable),
            Kind::Presence(_) => {}
        }
    }

    fn deliver(&mut self, now: Now, stanza: &Stanza) {
        let limit = self.config.limits.send_queue_bytes;
        let delivery = deliver(&mut self.directory, limit, stanza, &mut self.outputs);
        self.effects
            .push_back(Effect::Trace(Event::Routed { kind: stanza.kind.name(), copies: delivery.copies }));
        if let Some(error) = delivery.error {
            self.bounce(stanza, error);
        }
        for conn in delivery.overflowed {
            self.close_slow_reader(now, conn);
        }
    }

    fn bounce(&mut self, stanza: &Stanza, error: StanzaError) {
        self.effects.extend(stanza.error(error).map(Effect::Route));
    }

    fn connection_of(&self, stanza: &Stanza) -> Option<ConnId> {
        self.directory.find(&stanza.from).and_then(|id| self.directory.get(id)).map(|session| session.conn)
    }
}
