//! What clients ask of their accounts (XEP-0077), read out of what they sent and were told.

use std::collections::BTreeMap;

use eyot_core::jid::{BareJid, Domain};
use eyot_core::xml::{Element, ns};

use super::model::{Run, Told, Wish, is_about_account};
use crate::client::Sight;
use crate::world::Actor;

/// A request about an account, or its answer.
#[derive(Clone, Debug)]
pub(super) enum Request {
    /// Somebody who has not logged in wants an account.
    Newcomer {
        /// The account.
        user: String,
        /// Its password.
        password: Option<Vec<u8>>,
    },
    /// They were told this.
    NewcomerTold(Told),
    /// A session wants its account changed.
    Session {
        /// The account.
        user: String,
        /// What is to become of it.
        wish: Wish,
    },
    /// It was told this.
    SessionTold {
        /// The record with which it asked.
        asked: usize,
        /// The account.
        user: String,
        /// What it was told.
        told: Told,
    },
}

/// Finds all requests and answers, by the number of their record.
pub(super) fn requests(run: &Run<'_>) -> BTreeMap<usize, Request> {
    let mut found = BTreeMap::new();
    for (ix, sent) in run.sent.iter().enumerate().filter(|(_, sent)| is_about_account(sent)) {
        let Some(session) = sent.session.map(|session| &run.sessions[session]) else { continue };
        let Some(wish) = (sent.class == "set").then(|| wish_of(&sent.element)).flatten() else { continue };
        let user = String::from(session.bare());
        found.insert(sent.record, Request::Session { user: user.clone(), wish });
        if let Some(answer) = run.answers[ix].first().map(|got| &run.got[*got]) {
            let told = if answer.class == "result" { Told::Done(None) } else { Told::Nothing };
            found.insert(answer.record, Request::SessionTold { asked: sent.record, user, told });
        }
    }
    for conn in &run.conns {
        let mut domain = None;
        for number in &conn.records {
            let Some(Actor::Client(_, sight)) = run.record(*number).map(|record| &record.actor) else {
                continue;
            };
            if matches!(sight, Sight::Registering { .. }) {
                let user = run.evidence.cast.users.get(conn.client);
                domain = user.and_then(|user| Domain::parse(user.split_once('@')?.1).ok());
            } else if let Sight::Wire { sent: true, bytes } = sight {
                let wanted = domain.take().and_then(|domain| newcomer(bytes, &domain));
                found.extend(wanted.map(|wanted| (*number, wanted)));
            } else if matches!(sight, Sight::Registered) {
                found.insert(*number, Request::NewcomerTold(Told::Done(None)));
            } else if let Sight::RegisterFailed { condition } = sight {
                let told = if condition == "conflict" { Told::Exists } else { Told::Nothing };
                found.insert(*number, Request::NewcomerTold(told));
            }
        }
    }
    found
}

fn newcomer(bytes: &bytes::Bytes, domain: &Domain) -> Option<Request> {
    let element = Element::parse(bytes.clone()).ok()?;
    let (user, password) = credentials(&element)?;
    let user = BareJid::from_local(&user, domain).ok()?;
    Some(Request::Newcomer { user: user.as_str().into(), password: Some(password.into_bytes()) })
}

fn wish_of(element: &Element) -> Option<Wish> {
    let query = element.child("query", ns::REGISTER)?.tree();
    if query.child("remove", ns::REGISTER).is_some() {
        return Some(Wish::Remove);
    }
    let (_, password) = credentials(element)?;
    Some(Wish::Passwd(Some(password.into_bytes())))
}

fn credentials(element: &Element) -> Option<(String, String)> {
    let query = element.child("query", ns::REGISTER)?.tree();
    let text = |name| query.child(name, ns::REGISTER).map(eyot_core::xml::Node::text);
    Some((text("username")?, text("password")?))
}
