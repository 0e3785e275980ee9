//! Tells the clients of this node what an entry of another node has changed for them.
//!
//! Rests on the replication rule R12 (merges are quiet): each node tells its own clients, and nobody else. What is compared is what an
//! account shows before and after, never its cells: a write that another one outdoes changes nothing.
//!
//! Shown by: scenarios/cluster.

use bytes::Bytes;

use super::blocking::{self, Audience};
use super::cx::Cx;
use super::effect::Effect;
use super::presence;
use super::roster;
use crate::exchange::Condition;
use crate::jid::{BareJid, Jid};
use crate::replica::{Account, CellName, Item, Life, Standing, Status};
use crate::stanza::{Kind, PresenceType, Stanza};

/// What an account shows of what an entry is about.
#[derive(Debug)]
pub(crate) enum Seen {
    /// Nobody is here who could be told.
    Nothing,
    /// A contact.
    Contact(BareJid, Shown),
    /// Whether an address is blocked, and whom that would hide what from.
    Block(Jid, bool, Audience),
    /// How its owner logs in.
    Login(Login),
}

/// What is known of a contact.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Shown {
    /// What the roster shows; nothing where it shows none.
    item: Option<(Option<Item>, Standing)>,
    standing: Standing,
}

/// How the owner of an account logs in.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Login {
    life: Option<Life>,
    status: Option<Status>,
    record: Option<Bytes>,
}

/// Looks at what `owner` shows of a cell before an entry is applied.
pub(crate) fn look(cx: &Cx<'_>, owner: &BareJid, cell: &CellName) -> Seen {
    if !cx.directory.has(owner.as_str()) {
        return Seen::Nothing;
    }
    match cell {
        CellName::Status | CellName::Credentials => Seen::Login(login(cx, owner)),
        CellName::Block(jid) => {
            let on = blocks(cx, owner, jid);
            Seen::Block(jid.clone(), on, blocking::hidden_by(cx, owner, jid))
        }
        CellName::Item(contact) => Seen::Contact(contact.clone(), shown(cx, owner, contact)),
        CellName::Want { subscriber, publisher } | CellName::Allow { subscriber, publisher } => {
            let contact = if subscriber == owner { publisher } else { subscriber };
            Seen::Contact(contact.clone(), shown(cx, owner, contact))
        }
        CellName::Prefs | CellName::Mark => Seen::Nothing,
    }
}

/// Tells the clients of `owner` what is not as it was before. They may be told when the entry is durable.
pub(crate) fn tell(cx: &mut Cx<'_>, owner: &BareJid, before: Seen) {
    match before {
        Seen::Nothing => {}
        Seen::Contact(contact, before) => tell_contact(cx, owner, &contact, &before),
        Seen::Block(jid, before, audience) => {
            if blocks(cx, owner, &jid) != before {
                blocking::handle_merged(cx, owner, (jid, !before), audience);
            }
        }
        Seen::Login(before) => {
            if let Some(condition) = ending(&before, &login(cx, owner)) {
                cx.effect(Effect::EndSessions { user: owner.clone(), except: None, condition });
            }
        }
    }
}

fn tell_contact(cx: &mut Cx<'_>, owner: &BareJid, contact: &BareJid, before: &Shown) {
    let now = shown(cx, owner, contact);
    if now.item != before.item {
        roster::push(cx, owner, contact);
    }
    let Some(account) = cx.accounts.get(owner.as_str()) else { return };
    let (was, is) = (before.standing, now.standing);
    if !account.blocks(contact.as_jid()) {
        if is.pending_in && !was.pending_in {
            let request = account.request_of(contact).and_then(Stanza::parse);
            let to = presence::available(cx, owner);
            if let Some(request) = request.filter(|_| !to.is_empty()) {
                cx.effect(Effect::Give(to, request));
            }
        }
        if is.to && !was.to {
            let kind = Kind::Presence(PresenceType::Subscribed);
            let accepted = Stanza::make(kind, contact.as_jid().clone(), owner.as_jid().clone(), None, &[]);
            let to = roster::interested(cx, owner, contact);
            if !to.is_empty() {
                cx.effect(Effect::Give(to, accepted));
            }
        }
    }
    if is.to && !was.to {
        for id in presence::available(cx, owner) {
            if let Some(session) = cx.directory.get(id) {
                presence::show_followed(cx, contact, &session.jid.clone());
            }
        }
    } else if was.to && !is.to {
        presence::hide(cx, contact, owner.as_jid());
    }
}

/// Returns why the sessions of an account end, if they do.
fn ending(before: &Login, now: &Login) -> Option<Condition> {
    match (before.status, now.status) {
        (None, _) => None,
        (Some(_), Some(Status::Active)) if before.life != now.life => Some(Condition::Conflict),
        (Some(_), Some(Status::Active)) => (before.record != now.record).then_some(Condition::Reset),
        (was, is) => (was != is).then_some(Condition::NotAuthorized),
    }
}

fn login(cx: &Cx<'_>, owner: &BareJid) -> Login {
    let Some(account) = cx.accounts.known(owner.as_str()) else { return Login::default() };
    let record = account.credentials().map(|login| login.record.clone());
    Login { life: account.life(), status: account.status(), record }
}

fn blocks(cx: &Cx<'_>, owner: &BareJid, jid: &Jid) -> bool {
    cx.accounts.get(owner.as_str()).is_some_and(|account| account.blocked().any(|blocked| blocked == jid))
}

fn shown(cx: &Cx<'_>, owner: &BareJid, contact: &BareJid) -> Shown {
    let listing = cx.accounts.get(owner.as_str()).and_then(|account: &Account| account.listing(contact));
    let Some(listing) = listing else { return Shown::default() };
    let visible = Standing { pending_in: false, ..listing.standing };
    let item = listing.is_in_roster().then(|| (listing.item(), visible));
    Shown { item, standing: listing.standing }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replica::{Dot, Hlc, Origin};

    #[test]
    fn sessions_end_when_the_login_is_another_one() {
        let dot = |seq: u64| -> Dot { Origin { node: 1, start: 1, random: 0 }.dot(seq) };
        let login = |life: u64, status, record: &'static str| Login {
            life: Some(Life { uid: dot(life), born: Hlc::default() }),
            status: Some(status),
            record: Some(Bytes::from_static(record.as_bytes())),
        };
        let active = login(1, Status::Active, "one");
        for (now, why) in [
            (login(1, Status::Active, "one"), None),
            (login(1, Status::Active, "two"), Some(Condition::Reset)),
            (login(2, Status::Active, "two"), Some(Condition::Conflict)),
            (login(1, Status::Disabled, "one"), Some(Condition::NotAuthorized)),
            (Login { status: Some(Status::Deleted), ..Login::default() }, Some(Condition::NotAuthorized)),
        ] {
            assert_eq!(ending(&active, &now), why, "{now:?}");
        }
        assert_eq!(ending(&Login::default(), &active), None, "nobody was there");
    }
}
