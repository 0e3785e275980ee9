//! Carries out what was asked for, until nothing is left.

use std::collections::VecDeque;

use super::Node;
use super::levels::Found;
use crate::directory::SessionId;
use crate::io::Output;
use crate::jid::{BareJid, FullJid};
use crate::router::{DeliverCx, Place, Scope, copy_sent, give, note_given, place};
use crate::service::blocking::{Judgement, judge};
use crate::service::effect::{Delivery, Effect, Given, Sent};
use crate::service::message::{Heard, Sender};
use crate::service::presence;
use crate::service::service::At;
use crate::session::{Slot, What, Wishes};
use crate::stanza::{IqType, Kind, MessageType, Stanza, StanzaError};
use crate::time::Now;
use crate::xml::ns;

impl Node {
    /// Carries out effects in order; those that they cause come last. A stream goes on with its next token only
    /// when everything that the token before it caused has been done.
    ///
    /// It ends: a stanza causes at most an answer, an answer causes none (RFC 6120, 8.3.1), and the effects of
    /// ending a session are bounded by those who knew it.
    pub(super) fn settle(&mut self, now: Now) {
        loop {
            self.carry_out_all(now);
            if self.mark_next(now) {
                continue;
            }
            if let Some(conn) = self.unfinished.pop_front() {
                if self.is_behind(conn) {
                    self.hold_reading(conn);
                } else {
                    self.continue_stream(now, conn);
                }
            } else {
                break;
            }
        }
        self.tell_peers();
        self.carry_out_all(now);
        while self.mark_next(now) {
            self.carry_out_all(now);
        }
        self.publish();
        self.arm_marks(now);
        self.scan(now);
        self.write_last();
        self.begin_flush();
        self.end_stop();
    }

    /// Carries out what has been asked for, and what that causes.
    pub(super) fn carry_out_all(&mut self, now: Now) {
        while let Some(effect) = self.effects.pop_front() {
            self.carry_out(now, effect);
        }
    }

    fn carry_out(&mut self, now: Now, effect: Effect) {
        match effect {
            Effect::Route(stanza) => self.route(now, stanza, Watch::Guarded),
            Effect::Promise(stanza) => self.promise(now, stanza),
            Effect::Pass(stanza) => self.route(now, stanza, Watch::Unguarded),
            Effect::Copy(sent) => self.copy(now, &sent),
            Effect::Wish(id, change) => self.wish(id, change),
            Effect::RouteWith(user, stanza) => self.route_with(now, &user, stanza),
            Effect::Present(stanza) => {
                self.with_services(now, |_, cx| presence::handle_present(cx, stanza));
            }
            Effect::Give(to, stanza) => self.give(now, &to, stanza),
            Effect::Listed(id, version) => self.handle_listed(id, version),
            Effect::Deliver(delivery) => self.deliver(now, &delivery),
            Effect::Hand(id, who, delivery) => self.hand(now, (id, &who), &delivery),
            Effect::Rely(id, owner, place) => self.rely(now, id, &owner, place),
            Effect::Owed(id) => self.begin_owed(now, id),
            Effect::Given(deed) => self.handle_given(now, deed),
            Effect::Sweep(user) => self.sweep_archive(now, user),
            Effect::Emptied(user, floor) => self.empty_archive(&user, floor),
            Effect::Entries(from, group, entries) => self.handle_entries(now, (from, group), entries),
            Effect::Take(group, dot) => self.take_entry(now, (group, dot)),
            Effect::Play(user) => self.play(now, user),
            Effect::Bind(conn, bind) => self.handle_bind(now, conn, bind),
            Effect::Restored(id) => self.restore_slots(now, id),
            Effect::Resume(conn, resume) => self.handle_resume(now, conn, resume),
            Effect::Install(from, shipment) => self.install(now, from, shipment),
            Effect::GoOn(id) => self.go_on_with(now, id),
            Effect::Undelivered(jid, slots) => self.hand_on(now, jid, slots),
            Effect::Said(id, word) => {
                if let Some(session) = self.directory.get_mut(id) {
                    session.said.get_or_insert_default().note(*word);
                }
                self.directory.touch(id);
            }
            Effect::Leaving(owner) => {
                self.with_services(now, |services, cx| services.messages.begin_waiting(cx, &owner));
            }
            Effect::Left(owner) => {
                self.with_services(now, |services, cx| services.messages.end_waiting(cx, &owner));
                if self.groups.is_shared() {
                    self.effects.push_back(Effect::Given(Given::Mark(owner)));
                }
            }
            Effect::Acknowledge(id) => self.acknowledge(now, id),
            Effect::Finish(id) => self.finish(id),
            Effect::ToStream(conn, value) => self.tell_stream(now, conn, value),
            Effect::EndSessions { user, except, condition } => {
                self.end_sessions(now, &user, except, condition);
            }
            Effect::Load(op, query) => self.load(op, query),
            Effect::Derive(op, request) => self.outputs.push_back(Output::Derive { op, request }),
            Effect::FromPeer(said) => self.handle_peer(now, said),
            Effect::Tell(node, what) => self.tell_peer(node, &what),
            Effect::Relayed(node, relay) => self.end_relay(now, node, relay),
            Effect::GiveBack(delivery, error) => {
                self.with_services(now, |services, cx| services.relays.give_back(cx, &delivery, error));
            }
            Effect::Unrelayed(delivery, error) => self.keep(now, &delivery, Some(error)),
            Effect::Seen(change) => self.show_change(now, *change),
            Effect::Show(jid) => self.show_waiting(now, &jid),
            Effect::Compare(contact, who, before) => self.compare(now, contact, who, before),
            Effect::Follow(contact, who) => self.show_followed(now, contact, who),
            Effect::Reply(id, answer) => self.outputs.push_back(Output::Reply { id, answer }),
            Effect::Trace(event) => self.outputs.push_back(Output::Trace(event)),
        }
    }

    /// Has a stanza done by whom it is for, as soon as the account that it is for is in memory.
    pub(super) fn route(&mut self, now: Now, stanza: Stanza, watch: Watch) {
        let place = place(&self.config, &stanza);
        if let Some(user) = self.unread_for(&stanza, place) {
            return self.park_stanza(now, &user, &stanza, watch);
        }
        match if watch == Watch::Guarded { judge(&self.accounts, &stanza) } else { Judgement::Free } {
            Judgement::Free => {}
            Judgement::Refused(error) => return self.bounce(&stanza, error),
            Judgement::Dropped => return,
        }
        if matches!((place, stanza.kind), (Place::OwnAccount | Place::Account, Kind::Message(_)))
            && let Some(owner) = self.unread_archive(&stanza)
        {
            let session = self.sender_of(&stanza);
            self.park_archive(now, &owner, Effect::Route(stanza.detached()), session);
            return;
        }
        match (place, stanza.kind) {
            (Place::Server, _) => self.serve(now, &stanza, At::Server),
            (Place::Elsewhere, _) => self.bounce(&stanza, StanzaError::RemoteServerNotFound),
            (Place::OwnAccount, Kind::Iq(_)) => self.serve(now, &stanza, At::OwnAccount),
            (Place::Account, Kind::Iq(IqType::Get | IqType::Set)) if is_bare(&stanza) => {
                self.serve(now, &stanza, At::Account);
            }
            (Place::OwnAccount | Place::Account, Kind::Message(_)) => {
                let sender = self.sender_of(&stanza);
                let noting = self.begin_noting(sender, &stanza);
                let mut heard = Heard::Done;
                self.with_services(now, |services, cx| {
                    let sender = Sender { session: sender, relayed: services.relays.before(&stanza) };
                    heard = services.messages.handle_message(cx, stanza, sender);
                });
                let found = match heard {
                    Heard::Again(Some(op)) => Found::Writing(op),
                    Heard::Again(None) => Found::Written,
                    Heard::Done | Heard::Waits => Found::Nothing,
                };
                self.end_noting(noting, found);
                let waits = sender.filter(|_| heard == Heard::Waits);
                if let Some(session) = waits.and_then(|id| self.directory.get_mut(id)) {
                    session.inbound.holds += 1;
                }
            }
            (Place::OwnAccount | Place::Account, Kind::Presence(kind)) if kind.is_about_subscriptions() => {
                let noting = self.begin_noting(self.sender_of(&stanza), &stanza);
                let mut known = false;
                self.with_services(now, |services, cx| {
                    known = services.roster.handle_presence(cx, stanza);
                });
                self.end_noting(noting, if known { Found::Written } else { Found::Nothing });
            }
            (Place::OwnAccount | Place::Account, Kind::Iq(_) | Kind::Presence(_)) => {
                let what = if stanza.kind.is_request() { What::Request } else { What::Other };
                self.deliver(now, &Delivery { stanza, op: None, what });
            }
        }
    }

    /// Routes a stanza as soon as `user` is in memory.
    fn route_with(&mut self, now: Now, user: &BareJid, stanza: Stanza) {
        if self.is_sure_of(user.as_str()) {
            self.route(now, stanza, Watch::Guarded);
        } else {
            self.park_stanza(now, user, &stanza, Watch::Guarded);
        }
    }

    fn park_stanza(&mut self, now: Now, user: &BareJid, stanza: &Stanza, watch: Watch) {
        let session = self.sender_of(stanza);
        let stanza = stanza.detached();
        let effect = match watch {
            Watch::Guarded => Effect::Route(stanza),
            Watch::Unguarded => Effect::Pass(stanza),
        };
        self.park(now, user, effect, session);
    }

    /// Gives a request to the services; the server itself takes no messages.
    fn serve(&mut self, now: Now, stanza: &Stanza, at: At) {
        match stanza.kind {
            Kind::Iq(_) => {
                let Some(session) = self.directory.find(&stanza.from) else { return };
                let mut later = false;
                self.with_services(now, |services, cx| {
                    later = services.handle_iq(cx, stanza, at, session);
                });
                if later
                    && let Some(session) = self.directory.get_mut(session)
                    && session.inbound.open
                {
                    session.inbound.holds += 1;
                }
            }
            Kind::Message(_) => self.bounce(stanza, StanzaError::ServiceUnavailable),
            Kind::Presence(_) => {}
        }
    }

    pub(super) fn deliver(&mut self, now: Now, delivery: &Delivery) {
        let stanza = &delivery.stanza;
        if self.services.messages.holds(&self.directory, stanza) {
            note_given(&mut self.deliver_cx(), delivery, &[]);
            return self.keep(now, delivery, None);
        }
        match (self.deliver_to(now, delivery, Scope::Everywhere), stanza.kind) {
            (Some(error), Kind::Message(_)) => self.keep(now, delivery, Some(error)),
            (Some(error), Kind::Iq(_) | Kind::Presence(_)) => self.bounce(stanza, error),
            (None, _) => {}
        }
    }

    /// Takes a message that nobody could be given, or that has to wait. One that is stored for that reason alone is stored only now.
    fn keep(&mut self, now: Now, delivery: &Delivery, error: Option<StanzaError>) {
        let noting = self.begin_keeping(delivery);
        self.with_services(now, |services, cx| match error {
            Some(error) => services.messages.handle_nobody(cx, delivery, error),
            None => services.messages.handle_held(cx, delivery),
        });
        self.end_keeping(noting);
    }

    /// Gives copies of a message to the other sessions of its sender.
    fn copy(&mut self, now: Now, sent: &Sent) {
        for id in copy_sent(&mut self.deliver_cx(), sent) {
            self.close_slow_reader(now, id);
        }
    }

    fn wish(&mut self, id: SessionId, change: fn(&mut Wishes)) {
        let Some(session) = self.directory.get_mut(id) else { return };
        let before = session.wishes;
        change(&mut session.wishes);
        if session.wishes != before {
            self.directory.touch(id);
        }
    }

    /// Gives a stanza to one session. One that has no room for it ends. For what was for one that is gone, others are found.
    fn hand(&mut self, now: Now, (id, who): (SessionId, &FullJid), delivery: &Delivery) {
        if let Some(session) = self.directory.get_mut(id) {
            match delivery.what {
                // Two that end at once may have the same to hand on.
                What::Stored(place) if session.delivery.was_given(place.dot) => return,
                What::Stored(place) if session.paged.contains(&place.dot) => {
                    return self.rely(now, id, &who.bare(), place);
                }
                What::Message(_) | What::Owed(_) if session.has_heard(delivery.what) => return,
                What::Stored(place) => session.delivery.give_later(place.dot),
                What::Message(_) | What::Owed(_) => session.hear(delivery.what),
                What::Page(place) => session.page(place.dot, self.config.limits.owed_messages),
                What::Request | What::Other => {}
            }
        }
        if give(&mut self.deliver_cx(), id, delivery.stanza.packet(), delivery) {
            return;
        }
        self.close_slow_reader(now, id);
        let slot = Slot { packet: delivery.stanza.packet(), gate: 0, op: delivery.op, what: delivery.what };
        self.give_up(who, VecDeque::from([slot]));
    }

    /// Lets a page of the archive that a session was given stand for the message at `place`. When the session is gone meanwhile,
    /// the message is owed.
    fn rely(&mut self, now: Now, id: SessionId, owner: &BareJid, place: crate::replica::Place) {
        if let Some(session) = self.directory.get_mut(id) {
            session.rely(place);
            self.directory.touch(id);
        } else {
            self.with_services(now, |services, cx| _ = services.messages.owe(cx, owner, place, None));
        }
    }

    pub(super) fn deliver_cx(&mut self) -> DeliverCx<'_> {
        DeliverCx {
            directory: &mut self.directory,
            elsewhere: &self.elsewhere,
            accounts: &self.accounts,
            journal: &mut self.journal,
            limits: &self.config.limits,
            outputs: &mut self.outputs,
        }
    }

    fn bounce(&mut self, stanza: &Stanza, error: StanzaError) {
        self.effects.extend(stanza.error(error).map(Effect::Route));
    }

    /// Returns the session that sent a stanza and waits until it is handled; nothing for stanzas of this node.
    pub(super) fn sender_of(&self, stanza: &Stanza) -> Option<SessionId> {
        let id = self.directory.find(&stanza.from)?;
        self.directory.get(id).filter(|session| session.inbound.open).map(|_| id)
    }
}

/// Whether block lists are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Watch {
    Guarded,
    Unguarded,
}

/// Returns whether nothing can be decided about a stanza before the state of the account is known.
pub(super) const fn needs_account(kind: Kind, place: Place) -> bool {
    match (place, kind) {
        (Place::Server | Place::Elsewhere, _) => false,
        (Place::OwnAccount | Place::Account, Kind::Message(kind)) => !matches!(kind, MessageType::Error),
        (Place::OwnAccount | Place::Account, Kind::Iq(kind)) => matches!(kind, IqType::Get | IqType::Set),
        (Place::OwnAccount | Place::Account, Kind::Presence(kind)) => kind.is_about_subscriptions(),
    }
}

/// Returns whether a stanza of a client changes cells of an account, or asks for them.
pub(super) fn is_about_state(stanza: &Stanza, place: Place) -> bool {
    match (stanza.kind, place) {
        (Kind::Presence(kind), _) => kind.is_about_subscriptions(),
        (Kind::Iq(IqType::Get | IqType::Set), Place::Server | Place::OwnAccount) => {
            stanza.children().any(|child| match child.ns() {
                ns::ROSTER | ns::BLOCKING | ns::REGISTER => true,
                namespace => namespace == ns::MAM && child.name() == "prefs",
            })
        }
        (Kind::Iq(_) | Kind::Message(_), _) => false,
    }
}

fn is_bare(stanza: &Stanza) -> bool {
    stanza.to.as_ref().is_some_and(|to| to.resource().is_none())
}
