//! What clients are told of a roster.
//!
//! Implements: RFC 6121, sections 2.1.2, 2.1.6 and 2.6.3. Complete. Answers to pushes mean nothing and are dropped.

use super::version::{Missed, Version};
use crate::directory::SessionId;
use crate::jid::BareJid;
use crate::replica::{Account, Listing};
use crate::service::cx::Cx;
use crate::service::effect::Effect;
use crate::service::presence;
use crate::stanza::{IqType, Kind, Stanza};
use crate::xml::{Node, ns};

/// Tells the interested resources of `owner` what the roster says of `contact`.
pub(crate) fn push(cx: &mut Cx<'_>, owner: &BareJid, contact: &BareJid) {
    let Some(account) = cx.accounts.get(owner.as_str()) else { return };
    let version = Version::of(account);
    let ids = cx.directory.of_account(owner.as_jid()).iter().copied();
    let ids = ids.filter(|id| cx.directory.get(*id).is_some_and(|session| session.wishes.roster)).collect();
    push_to(cx, ids, owner, (contact, version));
}

/// Tells a session what has changed in the roster since `known`; all of it when that cannot be told.
pub(super) fn catch_up(cx: &mut Cx<'_>, id: SessionId, owner: &BareJid, known: Option<Version>) {
    let Some(account) = cx.accounts.get(owner.as_str()) else { return };
    let here = cx.ledger.origin().node;
    let missed = match known.map(|known| known.missed(account, here)) {
        Some(Missed::Changes(changes)) => changes,
        Some(Missed::Unknown) | None => {
            let version = Version::of(account);
            let everybody = account.contacts().filter(|(jid, _)| account.changed(jid).is_some());
            everybody.map(|(jid, _)| (version, jid.clone())).collect()
        }
    };
    for (version, contact) in missed {
        push_to(cx, vec![id], owner, (&contact, version));
    }
}

/// Makes up for what a session was not given before its node was killed: changes of the roster that were durable
/// while the push was not, the presence that came with them, and requests.
pub(super) fn handle_restored(cx: &mut Cx<'_>, id: SessionId) {
    let Some(session) = cx.directory.get(id) else { return };
    let (who, available) = (session.jid.clone(), session.presence.is_some());
    let owner = who.bare();
    let Some(account) = cx.accounts.get(owner.as_str()) else { return };
    let known = session.roster.as_deref().and_then(Version::parse);
    if session.wishes.roster && session.roster.is_some() && known != Some(Version::of(account)) {
        let missed = known.map(|known| known.missed(account, cx.ledger.origin().node));
        catch_up(cx, id, &owner, known);
        if let Some(Missed::Changes(changes)) = missed.filter(|_| available) {
            for (_, contact) in changes {
                presence::show_followed(cx, &contact, &who);
            }
        }
    }
    if available {
        presence::ask_again(cx, &who);
    }
}

fn push_to(
    cx: &mut Cx<'_>,
    sessions: Vec<SessionId>,
    owner: &BareJid,
    (contact, version): (&BareJid, Version),
) {
    let Some(account) = cx.accounts.get(owner.as_str()) else { return };
    let listing = account.listing(contact);
    let version = version.to_string();
    let query =
        Node::new("query", ns::ROSTER).with_attr("ver", &version).with_child(changed_item(contact, listing));
    let id = cx.entropy.public_id();
    let from = owner.as_jid();
    let stanza = Stanza::make(Kind::Iq(IqType::Set), from.clone(), from.clone(), Some(&id), &[query]);
    for id in sessions {
        let Some(session) = cx.directory.get(id) else { continue };
        let to = session.jid.as_jid().clone();
        cx.effect(Effect::Give(vec![id], stanza.clone().addressed_to(to)));
        cx.effect(Effect::Listed(id, Some(version.as_str().into())));
    }
}

/// Writes a whole roster.
pub(super) fn whole(account: &Account) -> Node {
    let query = Node::new("query", ns::ROSTER).with_attr("ver", &Version::of(account).to_string());
    let listed = account.contacts().filter(|(_, listing)| listing.is_in_roster());
    listed.fold(query, |query, (jid, listing)| query.with_child(item(jid, listing)))
}

fn changed_item(contact: &BareJid, listing: Option<Listing<'_>>) -> Node {
    match listing.filter(Listing::is_in_roster) {
        Some(listing) => item(contact, listing),
        None => Node::new("item", ns::ROSTER)
            .with_attr("jid", contact.as_str())
            .with_attr("subscription", "remove"),
    }
}

fn item(jid: &BareJid, listing: Listing<'_>) -> Node {
    let (item, standing) = (listing.item(), listing.standing);
    let mut node = Node::new("item", ns::ROSTER)
        .with_attr("jid", jid.as_str())
        .with_attr("subscription", standing.subscription());
    if let Some(name) = item.as_ref().and_then(|item| item.name.as_deref()) {
        node = node.with_attr("name", name);
    }
    if standing.pending_out {
        node = node.with_attr("ask", "subscribe");
    }
    if standing.approved {
        node = node.with_attr("approved", "true");
    }
    let groups = item.as_ref().map(|item| item.groups.as_slice()).unwrap_or_default();
    groups.iter().fold(node, |node, group| node.with_child(Node::new("group", ns::ROSTER).with_text(group)))
}
