//! What a client asks for and keeps: contacts, blocked addresses, pages of archives.
//!
//! Implements: RFC 6121, section 2.1.6; XEP-0191 1.3, section 3; XEP-0280 1.0.1, sections 4 and 5. Client side.

use std::collections::BTreeSet;

use eyot_core::xml::{Element, Node, ns};

use super::archive::{Archive, CatchUp, Query};
use super::compose::Payload;
use super::machine::{Client, Cx};
use super::op::Op;
use super::roster::Roster;
use super::xmlns;

/// Something to be asked for whose answer is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// The contacts.
    Roster,
    /// The blocked addresses.
    Blocklist,
    /// Copies of what one's other clients send and get, or none.
    Carbons(bool),
    /// A page of an archive.
    Page(Query),
    /// Page after page.
    CatchUp(CatchUp),
}

/// What a client has been told about its account.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// The contacts.
    pub roster: Roster,
    /// What it has read of archives.
    pub archive: Archive,
    /// The blocked addresses, if it was ever told.
    pub blocked: Option<BTreeSet<String>>,
    /// The requests for them that are not answered.
    blocked_asked: BTreeSet<String>,
    /// Whether it wants copies.
    carbons: bool,
}

impl Kept {
    pub(super) fn lose(&mut self) {
        self.roster.lose();
        self.archive.lose();
        self.blocked_asked.clear();
    }
}

impl Client {
    /// Returns what the client has been told about its account.
    pub const fn kept(&self) -> &Kept {
        &self.kept
    }

    /// Asks for something.
    pub(super) fn ask(&mut self, cx: &mut Cx<'_>, what: Ask) {
        let id = self.make_id();
        let (kind, to, payload) = match what {
            Ask::Roster => {
                let has_versions = self.offers("ver");
                ("get", None, self.kept.roster.request(&id, has_versions))
            }
            Ask::Blocklist => {
                self.kept.blocked_asked.insert(id.clone());
                ("get", None, Node::new("blocklist", xmlns::BLOCKING))
            }
            Ask::Carbons(on) => {
                self.kept.carbons = on;
                ("set", None, Node::new(if on { "enable" } else { "disable" }, xmlns::CARBONS))
            }
            Ask::Page(query) => ("set", query.of.clone(), self.kept.archive.request(&id, query, None)),
            Ask::CatchUp(CatchUp { query, known }) => {
                self.kept.archive.begin();
                ("set", query.of.clone(), self.kept.archive.request(&id, query, Some(known)))
            }
        };
        self.send_request(cx, (kind, to, id), payload);
    }

    fn send_request(
        &mut self,
        cx: &mut Cx<'_>,
        (kind, to, id): (&str, Option<String>, String),
        payload: Node,
    ) {
        let bytes = super::compose::iq(kind, to.as_deref(), &id, Some(&Payload::Tree(payload)));
        self.send_stanza(cx, bytes);
    }

    /// Asks again for what the client has had in a session before.
    pub(super) fn ask_again(&mut self, cx: &mut Cx<'_>) {
        if self.kept.roster.is_known() {
            self.ask(cx, Ask::Roster);
        }
        if self.kept.blocked.is_some() {
            self.ask(cx, Ask::Blocklist);
        }
        if self.kept.carbons {
            self.ask(cx, Ask::Carbons(true));
        }
    }

    /// Takes in the answer to a request.
    pub(super) fn take_answer(&mut self, cx: &mut Cx<'_>, answer: &Element) {
        if self.kept.roster.answer(answer) {
            return;
        }
        if answer.attr("id").is_some_and(|id| self.kept.blocked_asked.remove(&*id)) {
            if let Some(list) = answer.child("blocklist", xmlns::BLOCKING) {
                self.kept.blocked = Some(jids(&list.tree()).collect());
            }
        } else if let Some(CatchUp { query, known }) = self.kept.archive.answer(answer) {
            let (id, to) = (self.make_id(), query.of.clone());
            let payload = self.kept.archive.request(&id, query, Some(known));
            self.send_request(cx, ("set", to, id), payload);
        }
    }

    /// Takes in a push of the own server; returns whether it was one. Nobody else may tell a client whom it knows.
    pub(super) fn take_push(&mut self, push: &Element) -> bool {
        let from = push.attr("from");
        if push.attr("type").as_deref() != Some("set") || from.is_some_and(|from| *from != *self.own()) {
            return false;
        }
        if let Some(query) = push.child("query", ns::ROSTER) {
            self.kept.roster.take(&query.tree());
            return true;
        }
        let Some(change) = push.children().find(|child| child.ns() == xmlns::BLOCKING) else { return false };
        let blocked = self.kept.blocked.get_or_insert_default();
        let named: Vec<String> = jids(&change.tree()).collect();
        match change.name() {
            "block" => blocked.extend(named),
            "unblock" if named.is_empty() => blocked.clear(),
            "unblock" => blocked.retain(|jid| !named.contains(jid)),
            _ => return false,
        }
        true
    }

    /// Returns the address of the account that the client is logged in to.
    pub(super) fn own(&self) -> &str {
        self.jid().and_then(|jid| jid.split('/').next()).unwrap_or_default()
    }

    /// A client that has come back and could not resume begins anew, the way it was.
    pub(super) fn settle_in(&mut self, cx: &mut Cx<'_>, presence: Option<super::Presence>) {
        self.enable_again(cx);
        self.ask_again(cx);
        if let Some(presence) = presence {
            self.send_op(cx, Op::Presence(presence));
        }
        self.send_rest(cx);
    }
}

fn jids(list: &Node) -> impl Iterator<Item = String> {
    list.children().filter_map(|item| item.attr("jid").map(String::from))
}
