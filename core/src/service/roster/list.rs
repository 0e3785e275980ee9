//! The requests of clients: to read the roster, to change an item, to remove one.
//!
//! Implements: RFC 6121, sections 2.1 to 2.6. Complete.

use std::collections::BTreeMap;

use super::item::Wanted;
use super::push::{catch_up, push, whole};
use super::step::{Act, Step};
use super::subscribe::{self, Led, Moved, announce, has_room, plan, write};
use super::version::{Missed, Version};
use crate::directory::SessionId;
use crate::io::OpId;
use crate::jid::BareJid;
use crate::replica::{CellName, Item, Value};
use crate::service::cx::{Cx, Request};
use crate::service::effect::Effect;
use crate::service::ops::Owner;
use crate::service::presence;
use crate::service::service::{At, IqRequest, Service, Set};
use crate::stanza::{Kind, Stanza, StanzaError};
use crate::store::{StoreBatch, StoreError};
use crate::xml::ns;

/// The roster service.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    /// Writes under way, and who waits for them: a session has one at a time.
    waiting: BTreeMap<OpId, Asker>,
}

#[derive(Debug)]
enum Asker {
    Request(Request),
    /// A presence is not answered unless it fails.
    Presence(Stanza),
}

impl Roster {
    /// Takes a presence about subscriptions, or a probe, for an account of this node. Returns whether what it wants is so already.
    pub(crate) fn handle_presence(&mut self, cx: &mut Cx<'_>, stanza: Stanza) -> bool {
        let Kind::Presence(kind) = stanza.kind else { return false };
        let Some(act) = Act::of(kind) else {
            presence::handle_probe(cx, &stanza);
            return false;
        };
        let asker = stanza.detached();
        let led = subscribe::handle(cx, act, stanza);
        match led {
            Ok(Led::Written(op)) => _ = self.waiting.insert(op, Asker::Presence(asker)),
            Ok(Led::Nowhere | Led::Known) => {}
            Err(error) => cx.effects.extend(asker.error(error).map(Effect::Route)),
        }
        led == Ok(Led::Known)
    }

    /// Takes the outcome of a write in. What waited for a success has been released already.
    pub(crate) fn handle_stored(&mut self, cx: &mut Cx<'_>, op: OpId, outcome: Result<(), StoreError>) {
        let (Some(asker), Err(error)) = (self.waiting.remove(&op), outcome) else { return };
        let error = match error {
            StoreError::Full => StanzaError::ResourceConstraint,
            StoreError::Io | StoreError::Damaged => StanzaError::InternalServerError,
        };
        match asker {
            Asker::Request(request) => {
                let reply = request.stanza.error(error);
                cx.answer(&request, reply);
            }
            Asker::Presence(stanza) => cx.effects.extend(stanza.error(error).map(Effect::Route)),
        }
    }

    /// Takes note that a session of the time before this start is here again.
    #[expect(clippy::unused_self, reason = "a service is told, whatever it keeps")]
    pub(crate) fn handle_restored(&mut self, cx: &mut Cx<'_>, id: SessionId) {
        super::push::handle_restored(cx, id);
    }

    /// Answers with the roster. Nothing is said of it that is not durable.
    fn get(&mut self, cx: &mut Cx<'_>, request: &IqRequest<'_>) -> Result<(), StanzaError> {
        if request.payload.children().next().is_some() {
            return Err(StanzaError::BadRequest);
        }
        let owner = request.stanza.from.bare();
        let account = cx.accounts.get(owner.as_str()).ok_or(StanzaError::ItemNotFound)?;
        let version = Version::of(account);
        let known = request.payload.attr("ver").and_then(Version::parse);
        let missed = known.map(|known| known.missed(account, cx.ledger.origin().node));
        let listed = account.contacts().filter(|(_, listing)| listing.is_in_roster()).count();
        let pushes = match &missed {
            Some(Missed::Changes(changes)) => changes.is_empty() || changes.len() < listed,
            Some(Missed::Unknown) | None => false,
        };
        let payload = if pushes { Vec::new() } else { vec![whole(account)] };
        let reply = request.stanza.result(&payload);
        let later = request.later();
        let tell = |cx: &mut Cx<'_>| {
            cx.answer(&later, Some(reply));
            // The client cannot know the answer's version when it was empty: it is the one it named.
            let told = known.filter(|_| pushes).unwrap_or(version);
            cx.effect(Effect::Listed(later.session, Some(told.to_string().into())));
            if pushes {
                catch_up(cx, later.session, &owner, known);
            }
        };
        // Changes from here on are pushed to it, behind the answer.
        cx.effect(Effect::Listed(later.session, None));
        if cx.is_durable(&owner) {
            tell(cx);
        } else {
            let op = cx.persist(Owner::Roster, StoreBatch::new(), tell);
            self.waiting.insert(op, Asker::Request(request.later()));
        }
        Ok(())
    }

    fn set(&mut self, cx: &mut Cx<'_>, request: &IqRequest<'_>) -> Result<(), StanzaError> {
        let owner = request.stanza.from.bare();
        let Wanted { contact, item } = Wanted::parse(request.payload, &owner, &cx.config.limits)?;
        match item {
            Some(item) => self.put(cx, request, &owner, (contact, item)),
            None => self.remove(cx, request, &owner, &contact),
        }
    }

    fn put(
        &mut self,
        cx: &mut Cx<'_>,
        request: &IqRequest<'_>,
        owner: &BareJid,
        (contact, item): (BareJid, Item),
    ) -> Result<(), StanzaError> {
        if !has_room(cx, owner, &contact) {
            return Err(StanzaError::ResourceConstraint);
        }
        let mut batch = StoreBatch::new();
        cx.write(&[owner], CellName::Item(contact.clone()), Value::Item(item), &mut batch);
        let later = request.later();
        let op = cx.persist(Owner::Roster, batch, |cx| {
            cx.promise(&later, later.stanza.result(&[]));
            push(cx, owner, &contact);
        });
        self.waiting.insert(op, Asker::Request(later));
        Ok(())
    }

    /// Removes an item together with both subscriptions (2.5.2), in one write.
    fn remove(
        &mut self,
        cx: &mut Cx<'_>,
        request: &IqRequest<'_>,
        owner: &BareJid,
        contact: &BareJid,
    ) -> Result<(), StanzaError> {
        let account = cx.accounts.get(owner.as_str()).ok_or(StanzaError::ItemNotFound)?;
        if !account.listing(contact).is_some_and(|listing| listing.is_in_roster()) {
            return Err(StanzaError::ItemNotFound);
        }
        let later = request.later();
        let served = cx.config.domain(contact.domain()).is_some() && contact.local().is_some();
        if served && !cx.accounts.is_sure(contact.as_str()) {
            cx.effect(Effect::RouteWith(contact.clone(), later.stanza.clone()));
            cx.answer(&later, None);
            return Ok(());
        }
        let mut batch = StoreBatch::new();
        let mut moves: Vec<Moved> = Vec::new();
        for (act, subscriber, publisher) in
            [(Act::Unsubscribe, owner, contact), (Act::Unsubscribed, contact, owner)]
        {
            let change = plan(cx, act, subscriber.clone(), publisher.clone());
            write(cx, &change, None, &mut batch);
            moves.push(change);
        }
        let item = Item { name: None, groups: Vec::new(), present: false };
        cx.write(&[owner], CellName::Item(contact.clone()), Value::Item(item), &mut batch);
        let op = cx.persist(Owner::Roster, batch, |cx| {
            cx.promise(&later, later.stanza.result(&[]));
            for moved in &moves {
                announce(cx, moved, None);
            }
            push(cx, owner, contact);
            if moves.iter().any(|moved| shows(moved, contact)) {
                push(cx, contact, owner);
            }
        });
        self.waiting.insert(op, Asker::Request(later));
        Ok(())
    }
}

/// Returns whether the roster of `user` shows a change.
pub(super) fn shows(moved: &Moved, user: &BareJid) -> bool {
    let Moved { step, subscriber, publisher, .. } = moved;
    *step != Step::Nothing
        && ((subscriber == user && step.shows_subscriber()) || (publisher == user && step.shows_publisher()))
}

impl Service for Roster {
    const CLAIMS: &'static [(At, &'static str)] = &[(At::OwnAccount, ns::ROSTER), (At::Account, ns::ROSTER)];
    const FEATURES: &'static [&'static str] = &[];

    fn handle_iq(&mut self, cx: &mut Cx<'_>, request: &IqRequest<'_>) -> Result<Option<Stanza>, StanzaError> {
        match (request.at, request.set, request.payload.name()) {
            (At::OwnAccount, Set::Get, "query") => self.get(cx, request)?,
            (At::OwnAccount, Set::Set, "query") => self.set(cx, request)?,
            // The same whether there is such an account or not (2.1.5, 8.1).
            (At::Account, Set::Set, _) => return Err(StanzaError::Forbidden),
            (At::Account | At::Server, _, _) => return Err(StanzaError::ServiceUnavailable),
            (At::OwnAccount, _, _) => return Err(StanzaError::BadRequest),
        }
        Ok(None)
    }
}
