//! Tells presence: to the account's own resources, to those who follow it, and to those it was told to directly.
//!
//! Implements: RFC 6121, sections 4.2 to 4.6. Complete for accounts of this node, but for the time of the last
//! unavailable presence in the answer to a probe (4.3.2, rule 3), which is not kept.
//!
//! Both ends of a subscription are accounts of this node, so that no probe is sent: what is known is read. A
//! presence goes only to accounts that have sessions, and whoever is offline costs nothing. Of what a session of any node says,
//! each node tells its own clients.

use std::collections::{BTreeMap, BTreeSet};

use super::cx::Cx;
use super::effect::Effect;
use crate::directory::{Seen, SessionId};
use crate::exchange::Far;
use crate::jid::{BareJid, FullJid, Jid};
use crate::replica::Dot;
use crate::session::{Directed, PresenceChange};
use crate::stanza::{Kind, PresenceType, Stanza};

/// What FNV-1a begins with, and multiplies with.
const FNV: (u64, u64) = (0xcbf2_9ce4_8422_2325, 0x0100_0000_01b3);

/// Tells the account's available resources, the sender included, and those who follow it of a presence; a newly
/// available resource also hears of the others, of those it follows, and of those who ask to follow it.
pub(crate) fn handle_broadcast(cx: &mut Cx<'_>, who: &FullJid, stanza: Stanza, change: PresenceChange) {
    for follower in followers(cx, who) {
        cx.route(stanza.clone().addressed_to(follower.as_jid().clone()));
    }
    cx.route(stanza.addressed_to(who.bare().as_jid().clone()));
    if change == PresenceChange::Initial {
        let others = cx.sight().others_available(who).filter_map(Seen::presence);
        let others: Vec<Stanza> = others.map(|said| said.addressed_to(who.as_jid().clone())).collect();
        for other in others {
            cx.route(other);
        }
        show_all_followed(cx, who);
        ask_again(cx, who);
    }
}

/// Tells a session that is available again of those who went while it was not: what they had said before may have been on its way, and
/// looks to its client as if it had come now (RFC 6121, 4.5.4, has them told to available resources only).
pub(crate) fn show_gone(cx: &mut Cx<'_>, who: &FullJid, missed: BTreeSet<Jid>) {
    for gone in missed {
        if cx.sight().seen(&gone).is_none() && !cx.sight().has_told(&gone, who.as_jid()) {
            let kind = Kind::Presence(PresenceType::Unavailable);
            cx.route(Stanza::make(kind, gone, who.as_jid().clone(), None, &[]));
        }
    }
}

/// What a session was before it became unavailable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Was {
    /// Available: its account's other resources and those who follow it knew.
    Available,
    /// Connected only: those know whom it told directly.
    Connected,
}

/// Tells everybody who knew the session to be available that it no longer is. `stanza` is what the client said
/// at the end, if it said anything.
pub(crate) fn handle_unavailable(
    cx: &mut Cx<'_>,
    who: &FullJid,
    was: Was,
    directed: Directed,
    stanza: Option<&Stanza>,
) {
    let unavailable = |to: Jid| match stanza {
        Some(stanza) => stanza.clone().addressed_to(to),
        None => farewell(who, to),
    };
    let own = who.bare();
    let mut told = Vec::new();
    if was == Was::Available {
        told = followers(cx, who);
        for follower in &told {
            cx.route(unavailable(follower.as_jid().clone()));
        }
        cx.route(unavailable(own.as_jid().clone()));
        told.push(own);
    }
    for to in directed.into_addresses() {
        // An account that has just been told has told its available resources. And whom the session told itself died
        // with it: its address belongs to nobody, or to the one that has replaced it and must hear of nothing before it
        // is bound.
        let known = told.contains(&to.bare()) && (to.resource().is_none() || is_available(cx, &to));
        let itself = stanza.is_none() && to == *who.as_jid();
        if !known && !itself {
            cx.route(unavailable(to));
        }
    }
}

/// A session of another node has ended, and another one has its address: tells those whom it had told its presence directly
/// and who see nothing of the one that is there.
pub(crate) fn take_back(cx: &mut Cx<'_>, who: &FullJid, directed: Directed) {
    let see: Vec<BareJid> = if cx.sight().seen(who.as_jid()).is_some() {
        followers(cx, who).into_iter().chain([who.bare()]).collect()
    } else {
        Vec::new()
    };
    for to in directed.into_addresses() {
        let sees = see.contains(&to.bare()) && (to.resource().is_none() || is_available(cx, &to));
        let here = cx.directory.find(who.as_jid()).and_then(|id| cx.directory.get(id));
        if !sees && !here.is_some_and(|session| session.directed.knows(&to)) {
            cx.route(farewell(who, to));
        }
    }
}

/// Returns whether somebody who is told by a session of another node that it is there or has gone sees another one at its address: that
/// has taken its place, and was told of before. One that has ended has no name; when it is still seen, its node is about to say that.
pub(crate) fn is_replaced(cx: &Cx<'_>, (who, by): (&FullJid, Option<Dot>), to: &Jid) -> bool {
    let here = cx.directory.find(who.as_jid()).and_then(|id| cx.directory.get(id));
    if here.is_some() && to == who.as_jid() {
        return true;
    }
    let is_other = |far: &Far| Some(far.session) != by && far.priority.is_some();
    let there = || cx.elsewhere.seen(who.as_jid()).filter(|(_, far)| is_other(far));
    let is_seen = here.map_or_else(|| there().is_some(), |session| session.presence.is_some());
    let follows = || {
        let account = cx.accounts.get(to.bare_str());
        account.is_some_and(|account| account.standing(&who.bare()).to)
    };
    is_seen
        && (to.resource().is_none() || is_available(cx, to))
        && (to.bare_str() == who.as_jid().bare_str() || follows())
}

/// Sends what the available resources of `publisher` have said last.
pub(crate) fn show(cx: &mut Cx<'_>, publisher: &BareJid, to: &Jid) {
    let said: Vec<Stanza> = cx.sight().available(publisher.as_jid()).filter_map(Seen::presence).collect();
    for said in said {
        cx.effect(Effect::Present(said.addressed_to(to.clone())));
    }
}

/// Tells somebody of the presence of a session, once what allows that is durable. It may have changed since, or the session
/// may have gone, and its farewell would come first.
pub(crate) fn handle_present(cx: &mut Cx<'_>, said: Stanza) {
    let Some(to) = said.to.clone() else { return };
    if cx.sight().has_told(&said.from, &to) {
        cx.route(said);
    } else if let Some(latest) = cx.sight().seen(&said.from).and_then(Seen::presence) {
        cx.route(latest.addressed_to(to));
    }
}

/// Sends a session what the available resources of a contact have said last, if its account follows the contact.
pub(crate) fn show_followed(cx: &mut Cx<'_>, contact: &BareJid, who: &FullJid) {
    let follows = cx
        .accounts
        .get(who.as_jid().bare_str())
        .is_some_and(|account| account.standing(contact).to && !account.blocks(contact.as_jid()));
    if follows && shows(cx, contact, &who.bare()) {
        show(cx, contact, who.as_jid());
    }
}

/// Tells `to` that the available resources of `publisher` are gone: it follows them no more.
pub(crate) fn hide(cx: &mut Cx<'_>, publisher: &BareJid, to: &Jid) {
    let seen = cx.sight().available(publisher.as_jid()).map(|seen| farewell(seen.jid(), to.clone()));
    for farewell in seen.collect::<Vec<_>>() {
        cx.route(farewell);
    }
}

/// Returns the available sessions of an account at this node.
pub(crate) fn available(cx: &Cx<'_>, user: &BareJid) -> Vec<SessionId> {
    let ids = cx.directory.of_account(user.as_jid()).iter().copied();
    ids.filter(|id| cx.directory.get(*id).is_some_and(|session| session.presence.is_some())).collect()
}

/// Gives a session that has become available the subscription requests that its account has not answered.
pub(crate) fn ask_again(cx: &mut Cx<'_>, who: &FullJid) {
    let (Some(id), Some(account)) =
        (cx.directory.find(who.as_jid()), cx.accounts.get(who.as_jid().bare_str()))
    else {
        return;
    };
    let asking = account
        .contacts()
        .filter(|(jid, listing)| listing.standing.pending_in && !account.blocks(jid.as_jid()));
    let requests: Vec<Stanza> =
        asking.filter_map(|(jid, _)| account.request_of(jid)).filter_map(Stanza::parse).collect();
    for request in requests {
        cx.effect(Effect::Give(vec![id], request));
    }
}

/// Answers the probe of a client. Nothing is changed by it, and the answer to somebody who may not know is the same
/// whether there is such an account or not.
pub(crate) fn handle_probe(cx: &mut Cx<'_>, stanza: &Stanza) {
    let Some(to) = &stanza.to else { return };
    let (asker, user) = (&stanza.from, to.bare());
    let follower = asker.bare();
    let may_know = cx.accounts.get(user.as_str()).is_some_and(|account| {
        (user == follower || account.standing(&follower).from) && !account.blocks(asker)
    });
    let directly = cx.sight().has_told(to, asker) && !is_blocked(cx, &user, asker);
    let mere = |kind| {
        let id = stanza.id().filter(|_| kind == PresenceType::Unavailable);
        Stanza::make(Kind::Presence(kind), to.clone(), asker.clone(), id.as_deref(), &[])
    };
    let answer = match (may_know, to.resource()) {
        (true, None) if cx.sight().available(to).next().is_some() => return show(cx, &user, asker),
        (true, Some(_)) if cx.sight().seen(to).is_some() => mere(PresenceType::Available),
        _ if directly => mere(PresenceType::Available),
        (true, _) => mere(PresenceType::Unavailable),
        (false, _) => return refuse_probe(cx, stanza, &user),
    };
    cx.route(answer);
}

/// Tells somebody who probes that there is no subscription, unless they wait for one.
fn refuse_probe(cx: &mut Cx<'_>, stanza: &Stanza, user: &BareJid) {
    let follower = stanza.from.bare();
    let waits = cx.accounts.get(follower.as_str()).is_some_and(|account| account.standing(user).pending_out);
    if let Some(id) = cx.directory.find(&stanza.from).filter(|_| !waits) {
        let kind = Kind::Presence(PresenceType::Unsubscribed);
        let (from, to) = (user.as_jid().clone(), follower.as_jid().clone());
        let answer = Stanza::make(kind, from, to, stanza.id().as_deref(), &[]);
        cx.effect(Effect::Give(vec![id], answer));
    }
}

/// The contacts who follow `who` and have sessions. Both accounts must say so: one of the two may have been made anew.
fn followers(cx: &Cx<'_>, who: &FullJid) -> Vec<BareJid> {
    let me = who.bare();
    let Some(account) = cx.accounts.get(me.as_str()) else { return Vec::new() };
    let contacts = account.contacts().filter(|(_, listing)| listing.standing.from);
    let follows = |jid: &BareJid| {
        cx.directory.has(jid.as_str())
            && !account.blocks(jid.as_jid())
            && cx
                .accounts
                .get(jid.as_str())
                .is_some_and(|other| other.standing(&me).to && !other.blocks(who.as_jid()))
    };
    contacts.map(|(jid, _)| jid).filter(|jid| follows(jid)).cloned().collect()
}

/// Shows a session the contacts whom its account follows and who have sessions.
fn show_all_followed(cx: &mut Cx<'_>, who: &FullJid) {
    let me = who.bare();
    let Some(account) = cx.accounts.get(me.as_str()) else { return };
    let contacts = account.contacts().filter(|(_, listing)| listing.standing.to);
    let seen = contacts.map(|(jid, _)| jid).filter(|jid| !account.blocks(jid.as_jid()));
    let there: Vec<BareJid> = seen.filter(|jid| cx.sight().has(jid.as_str())).cloned().collect();
    for contact in there {
        if cx.directory.has(contact.as_str()) {
            if shows(cx, &contact, &me) {
                show(cx, &contact, who.as_jid());
            }
        } else {
            // Accounts without sessions here may not be in memory.
            cx.effect(Effect::Follow(contact, who.clone()));
        }
    }
}

/// Returns whom a session has been shown, each with a hash of what it has said last: what goes along with the session when that goes to
/// another node.
pub(crate) fn shown_to(cx: &Cx<'_>, who: &FullJid) -> Vec<(String, u64)> {
    let seen = followed(cx, who).into_iter().flat_map(|contact| seen_of(cx, &contact));
    let seen = seen.filter(|(jid, _)| jid != who);
    seen.map(|(jid, hash)| (jid.as_jid().as_str().to_owned(), hash)).collect()
}

/// A session has come from another node, which has `shown` it these: shows it what is seen otherwise here.
pub(crate) fn catch_up(cx: &mut Cx<'_>, who: &FullJid, shown: &[(String, u64)]) {
    let available = cx.directory.find(who.as_jid()).and_then(|id| cx.directory.get(id));
    if available.is_none_or(|session| session.presence.is_none()) {
        return;
    }
    let shown: BTreeMap<FullJid, u64> =
        shown.iter().filter_map(|(jid, hash)| Some((Jid::parse(jid).ok()?.full()?, *hash))).collect();
    for contact in followed(cx, who) {
        let before: BTreeMap<FullJid, u64> = shown
            .iter()
            .filter(|(jid, _)| jid.bare() == contact)
            .map(|(jid, hash)| (jid.clone(), *hash))
            .collect();
        let mut here = seen_of(cx, &contact);
        here.remove(who);
        if here != before {
            cx.effect(Effect::Compare(contact, who.clone(), before));
        }
    }
}

/// Shows a session what is seen otherwise of a contact, whose account is in memory, than what it has been shown.
pub(crate) fn show_changes(
    cx: &mut Cx<'_>,
    contact: &BareJid,
    who: &FullJid,
    before: &BTreeMap<FullJid, u64>,
) {
    let own = who.bare() == *contact;
    let follows = cx
        .accounts
        .get(who.as_jid().bare_str())
        .is_some_and(|account| account.standing(contact).to && !account.blocks(contact.as_jid()));
    let may_see = cx
        .accounts
        .get(contact.as_str())
        .is_some_and(|account| account.standing(&who.bare()).from && !account.blocks(who.as_jid()));
    if !(own || follows && may_see) {
        return;
    }
    let mut here = seen_of(cx, contact);
    here.remove(who);
    for (jid, _) in here.iter().filter(|(jid, hash)| before.get(*jid) != Some(hash)) {
        if let Some(said) = cx.sight().seen(jid.as_jid()).and_then(Seen::presence) {
            cx.route(said.addressed_to(who.as_jid().clone()));
        }
    }
    for gone in before.keys().filter(|jid| !here.contains_key(*jid)) {
        cx.route(farewell(gone, who.as_jid().clone()));
    }
}

/// Returns whose presence a session is shown: of those that its account follows, and its account's own.
fn followed(cx: &Cx<'_>, who: &FullJid) -> Vec<BareJid> {
    let Some(account) = cx.accounts.get(who.as_jid().bare_str()) else { return Vec::new() };
    let contacts = account.contacts().filter(|(_, listing)| listing.standing.to);
    let seen = contacts.map(|(jid, _)| jid).filter(|jid| !account.blocks(jid.as_jid()));
    seen.cloned().chain([who.bare()]).collect()
}

/// Returns the available sessions of an account, each with a hash of what it has said last.
fn seen_of(cx: &Cx<'_>, user: &BareJid) -> BTreeMap<FullJid, u64> {
    let available = cx.sight().available(user.as_jid());
    available.filter_map(|seen| Some((seen.jid().clone(), hash(&seen.presence()?)))).collect()
}

/// Returns what tells one presence from another: FNV-1a. Two with one hash only look as if nothing had changed.
fn hash(said: &Stanza) -> u64 {
    let bytes = said.packet().to_vec();
    bytes.iter().fold(FNV.0, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(FNV.1))
}

/// Whether `user` has sessions and lets `follower` see them.
fn shows(cx: &Cx<'_>, user: &BareJid, follower: &BareJid) -> bool {
    let account = cx.accounts.get(user.as_str()).filter(|_| cx.sight().has(user.as_str()));
    account.is_some_and(|account| account.standing(follower).from && !account.blocks(follower.as_jid()))
}

fn is_available(cx: &Cx<'_>, jid: &Jid) -> bool {
    let session = cx.directory.find(jid).and_then(|id| cx.directory.get(id));
    session.is_some_and(|session| session.presence.is_some())
}

fn is_blocked(cx: &Cx<'_>, user: &BareJid, asker: &Jid) -> bool {
    cx.accounts.get(user.as_str()).is_some_and(|account| account.blocks(asker))
}

/// Says that a session is not available any more.
pub(crate) fn farewell(who: &FullJid, to: Jid) -> Stanza {
    Stanza::make(Kind::Presence(PresenceType::Unavailable), who.as_jid().clone(), to, None, &[])
}
