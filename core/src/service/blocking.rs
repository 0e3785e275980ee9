//! Addresses that an account does not want to hear of: the list, and what it does to stanzas.
//!
//! Implements: XEP-0191 1.3, sections 3 to 5. Complete without privacy lists.
//!
//! Shown by: scenarios/blocking, core/src/node/tests/blocking.rs.
//!
//! Blocking is polite: subscriptions stay as they are. Matching is the state's own
//! ([`Account::blocks`]).

use std::collections::{BTreeMap, BTreeSet};

use super::cx::{Cx, Request};
use super::effect::Effect;
use super::ops::Owner;
use super::service::{At, IqRequest, Service, Set};
use crate::account::{self, Accounts};
use crate::io::OpId;
use crate::jid::{BareJid, Jid};
use crate::limits::Limits;
use crate::replica::{Account, CellName, Value};
use crate::session::Directed;
use crate::stanza::{IqType, Kind, PresenceType, Stanza, StanzaError};
use crate::store::{StoreBatch, StoreError};
use crate::xml::{Node, ns};

/// What the block lists of both ends say to a stanza.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// Nothing.
    Free,
    /// It goes no further, and its sender is told, if anybody may be.
    Refused(StanzaError),
    /// It goes no further.
    Dropped,
}

/// Looks a stanza up in the block lists of its sender and of its recipient. Accounts that are not in memory have no
/// session: they have said nothing, and nothing reaches them.
///
/// Free is what goes from one resource of an account to another (section 4), and what the node says for itself.
pub(crate) fn judge(accounts: &Accounts, stanza: &Stanza) -> Judgement {
    let Some(to) = &stanza.to else { return Judgement::Free };
    let from = &stanza.from;
    if to.bare_str() == from.bare_str() || stanza.is_of_node() {
        return Judgement::Free;
    }
    if accounts.get(from.bare_str()).is_some_and(|sender| sender.blocks(to)) {
        // What a client has addressed itself comes back; its presence for everybody passes this address over.
        let told = stanza.was_addressed();
        return if told { Judgement::Refused(StanzaError::Blocked) } else { Judgement::Dropped };
    }
    if accounts.get(to.bare_str()).is_some_and(|recipient| recipient.blocks(from)) {
        return match stanza.kind {
            // Both ends of a subscription stay what they are to each other: the roster knows that nobody is told.
            Kind::Presence(kind) if kind.is_about_subscriptions() => Judgement::Free,
            Kind::Presence(_) => Judgement::Dropped,
            Kind::Message(_) | Kind::Iq(_) => Judgement::Refused(StanzaError::ServiceUnavailable),
        };
    }
    Judgement::Free
}

/// Returns whether what has waited for an account is from somebody whom it has blocked meanwhile: that does not reach it (section 5).
/// What is from one of its own resources does (section 4).
pub(crate) fn shuts_out(accounts: &Accounts, owner: &BareJid, from: &Jid) -> bool {
    from.bare_str() != owner.as_str()
        && accounts.get(owner.as_str()).is_some_and(|account| account.blocks(from))
}

/// The blocking service: what waits for the disk.
#[derive(Debug, Default)]
pub(crate) struct Blocking {
    writing: BTreeMap<OpId, Request>,
}

/// What a request does to the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Block,
    Unblock,
}

impl Service for Blocking {
    const CLAIMS: &'static [(At, &'static str)] = &[(At::OwnAccount, ns::BLOCKING)];
    const FEATURES: &'static [&'static str] = &[ns::BLOCKING];

    fn handle_iq(&mut self, cx: &mut Cx<'_>, request: &IqRequest<'_>) -> Result<Option<Stanza>, StanzaError> {
        match (request.set, request.payload.name()) {
            (Set::Get, "blocklist") => {
                let account = own(cx, request)?;
                let list = list("blocklist", account.blocked());
                cx.wish(request.session, |wishes| wishes.blocklist = true);
                Ok(Some(request.stanza.result(&[list])))
            }
            (Set::Set, "block") => {
                let items = items(request.payload)?;
                if items.is_empty() {
                    return Err(StanzaError::BadRequest);
                }
                self.change(cx, request, Act::Block, &items)
            }
            (Set::Set, "unblock") => {
                let items = items(request.payload)?;
                self.change(cx, request, Act::Unblock, &items)
            }
            (Set::Get | Set::Set, _) => Err(StanzaError::BadRequest),
        }
    }
}

impl Blocking {
    /// Takes the end of a write in: what it has brought is under way already, or its asker hears that it failed.
    pub(crate) fn handle_stored(&mut self, cx: &mut Cx<'_>, op: OpId, outcome: Result<(), StoreError>) {
        let Some(request) = self.writing.remove(&op) else { return };
        if outcome.is_err() {
            let error = request.stanza.error(StanzaError::InternalServerError);
            cx.answer(&request, error);
        }
    }

    /// Changes the list; whoever asked, and the other sessions that know the list, hear of it when it is durable. The change
    /// counts at once.
    fn change(
        &mut self,
        cx: &mut Cx<'_>,
        request: &IqRequest<'_>,
        act: Act,
        items: &BTreeSet<Jid>,
    ) -> Result<Option<Stanza>, StanzaError> {
        let account = own(cx, request)?;
        let owner = account.owner().clone();
        let before: BTreeSet<Jid> = account.blocked().cloned().collect();
        let changed: Vec<Jid> = match act {
            Act::Block => items.difference(&before).cloned().collect(),
            Act::Unblock if items.is_empty() => before.iter().cloned().collect(),
            Act::Unblock => items.intersection(&before).cloned().collect(),
        };
        // What makes it needless may not be durable, nor become so: then all of it is written.
        let is_durable = cx.is_durable(&owner);
        let is_named = |jid: &&Jid| items.is_empty() || items.contains(*jid);
        let written: Vec<Jid> = match act {
            Act::Block | Act::Unblock if is_durable => changed.clone(),
            Act::Block => items.iter().cloned().collect(),
            // What was never blocked gets no cell, and takes no room.
            Act::Unblock => account.ever_blocked().filter(is_named).cloned().collect(),
        };
        if act == Act::Block && !has_room(account, &changed, &cx.config.limits) {
            return Err(StanzaError::ResourceConstraint);
        }
        if written.is_empty() && is_durable {
            push(cx, &owner, act, items);
            let later = request.later();
            cx.promise(&later, later.stanza.result(&[]));
            return Ok(None);
        }
        let seen_before = audience(cx, &owner, act, &changed);
        let mut batch = StoreBatch::new();
        for jid in &written {
            let value = Value::Block(act == Act::Block);
            cx.write(&[&owner], CellName::Block(jid.clone()), value, &mut batch);
        }
        let later = request.later();
        let op = cx.persist(Owner::Blocking, batch, |cx| {
            cx.promise(&later, later.stanza.result(&[]));
            push(cx, &owner, act, items);
            tell(cx, &owner, act, seen_before);
        });
        self.writing.insert(op, later);
        Ok(None)
    }
}

/// What a change of a list would tell whom.
#[derive(Debug)]
pub(crate) struct Audience(Vec<(Stanza, BTreeSet<Jid>)>);

/// Returns who sees something of `owner` that would be gone if `jid` were blocked.
pub(crate) fn hidden_by(cx: &Cx<'_>, owner: &BareJid, jid: &Jid) -> Audience {
    Audience(audience(cx, owner, Act::Block, core::slice::from_ref(jid)))
}

/// Tells the sessions of `owner`, and those who see them, that another node has blocked an address, or not so any more.
pub(crate) fn handle_merged(cx: &mut Cx<'_>, owner: &BareJid, (jid, on): (Jid, bool), before: Audience) {
    let act = if on { Act::Block } else { Act::Unblock };
    push(cx, owner, act, &BTreeSet::from([jid.clone()]));
    let audience = if on { before.0 } else { audience(cx, owner, act, &[jid]) };
    tell(cx, owner, act, audience);
}

/// Returns the state of the account that asks.
fn own<'a>(cx: &'a Cx<'_>, request: &IqRequest<'_>) -> Result<&'a Account, StanzaError> {
    cx.accounts.get(request.stanza.from.bare_str()).ok_or(StanzaError::InternalServerError)
}

/// Returns whether these addresses can be added to the list. What was removed is remembered and takes room, too.
fn has_room(account: &Account, added: &[Jid], limits: &Limits) -> bool {
    let known: BTreeSet<&Jid> = account.ever_blocked().chain(added).collect();
    account.blocked().count() + added.len() <= limits.blocked_addresses as usize
        && known.len() <= limits.contacts_known as usize
        && account::has_room(account, added.len())
}

/// Reads the addresses of a request.
fn items(payload: &Node) -> Result<BTreeSet<Jid>, StanzaError> {
    payload
        .children()
        .map(|item| match item.attr("jid") {
            Some(jid) if item.name() == "item" && item.ns() == ns::BLOCKING => {
                Jid::parse(jid).map_err(|_| StanzaError::JidMalformed)
            }
            Some(_) | None => Err(StanzaError::BadRequest),
        })
        .collect()
}

fn list<'a>(name: &str, items: impl Iterator<Item = &'a Jid>) -> Node {
    items.fold(Node::new(name, ns::BLOCKING), |list, jid| {
        list.with_child(Node::new("item", ns::BLOCKING).with_attr("jid", jid.as_str()))
    })
}

/// Tells the sessions that have asked for the list what was done to it.
fn push(cx: &mut Cx<'_>, owner: &BareJid, act: Act, items: &BTreeSet<Jid>) {
    let name = match act {
        Act::Block => "block",
        Act::Unblock => "unblock",
    };
    let own = owner.as_jid();
    let sessions = cx.directory.of_account(own).iter().filter_map(|id| cx.directory.get(*id));
    let interested: Vec<Jid> = sessions
        .filter(|session| session.wishes.blocklist)
        .map(|session| session.jid.as_jid().clone())
        .collect();
    for to in interested {
        let id = cx.entropy.public_id();
        let payload = [list(name, items.iter())];
        cx.route(Stanza::make(Kind::Iq(IqType::Set), own.clone(), to, Some(&id), &payload));
    }
}

/// Whom each available session tells its presence among those that `changed` is about: contacts with a subscription, and, when it
/// goes, those that it has told directly. What it shows to its contacts is not for these (RFC 6121, 4.6.3).
fn audience(cx: &Cx<'_>, owner: &BareJid, act: Act, changed: &[Jid]) -> Vec<(Stanza, BTreeSet<Jid>)> {
    let Some(account) = cx.accounts.get(owner.as_str()) else { return Vec::new() };
    let mut contacts = BTreeSet::new();
    for (contact, listing) in account.contacts().filter(|(contact, _)| *contact != owner) {
        let from = listing.standing.from;
        contacts.extend(changed.iter().filter(|_| from).filter_map(|item| reached(item, contact.as_jid())));
    }
    let sight = cx.sight();
    let mut audience = Vec::new();
    for seen in sight.available(owner.as_jid()) {
        let Some(presence) = seen.presence() else { continue };
        let told = sight.directed(seen).filter(|_| act == Act::Block);
        let direct = told.into_iter().flat_map(Directed::addresses);
        let direct = direct.filter(|to| to.bare_str() != owner.as_str());
        let direct = direct.flat_map(|to| changed.iter().filter_map(|item| reached(item, to)));
        audience.push((presence, contacts.iter().cloned().chain(direct).collect()));
    }
    audience
}

/// Returns who of those at `who` the item is about, if anybody: all of them, or one resource.
fn reached(item: &Jid, who: &Jid) -> Option<Jid> {
    if item == who || item.as_str() == who.bare_str() || item.as_str() == who.domain() {
        return Some(who.clone());
    }
    (item.bare_str() == who.as_str()).then(|| item.clone())
}

/// Says that the account is gone to those who were blocked, or that it is there to those who no longer are.
fn tell(cx: &mut Cx<'_>, owner: &BareJid, act: Act, audience: Vec<(Stanza, BTreeSet<Jid>)>) {
    for (presence, contacts) in audience {
        for contact in contacts {
            match act {
                Act::Block => {
                    let kind = Kind::Presence(PresenceType::Unavailable);
                    let from = presence.from.clone();
                    cx.effect(Effect::Pass(Stanza::make(kind, from, contact, None, &[])));
                }
                Act::Unblock => {
                    let blocked =
                        cx.accounts.get(owner.as_str()).is_some_and(|account| account.blocks(&contact));
                    if !blocked {
                        cx.effect(Effect::Present(presence.clone().addressed_to(contact)));
                    }
                }
            }
        }
    }
}
