//! The contacts of an account, as its server tells them.
//!
//! Implements: RFC 6121, sections 2.1 to 2.6. Client side.

use std::collections::{BTreeMap, BTreeSet};

use eyot_core::xml::{Element, Node, ns};

/// One contact.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contact {
    /// What the account calls it.
    pub name: Option<String>,
    /// Where the account has put it.
    pub groups: BTreeSet<String>,
    /// `none`, `to`, `from` or `both`.
    pub subscription: String,
    /// Whether the account has asked to see its presence, and waits.
    pub asks: bool,
    /// Whether the account lets it see its presence as soon as it asks.
    pub approved: bool,
}

/// What a client knows of its account's contacts. It is kept from connection to connection.
#[derive(Clone, Debug, Default)]
pub struct Roster {
    /// The requests that are not answered.
    asked: BTreeSet<String>,
    is_known: bool,
    version: Option<String>,
    contacts: BTreeMap<String, Contact>,
}

impl Roster {
    /// Returns the contacts by their addresses.
    pub const fn contacts(&self) -> &BTreeMap<String, Contact> {
        &self.contacts
    }

    /// Returns whether the server has ever told it.
    pub const fn is_known(&self) -> bool {
        self.is_known
    }

    /// Returns the payload of a request. The version that is known goes with it where the server has versions.
    pub(super) fn request(&mut self, id: &str, has_versions: bool) -> Node {
        self.asked.insert(id.into());
        let query = Node::new("query", ns::ROSTER);
        if has_versions { query.with_attr("ver", self.version.as_deref().unwrap_or_default()) } else { query }
    }

    /// Takes an answer in; returns whether it was one to a request of this client.
    pub(super) fn answer(&mut self, answer: &Element) -> bool {
        if !answer.attr("id").is_some_and(|id| self.asked.remove(&*id)) {
            return false;
        }
        if answer.attr("type").as_deref() == Some("result") {
            self.is_known = true;
            // Without a roster in it the answer says that the known one is right.
            if let Some(query) = answer.child("query", ns::ROSTER) {
                self.contacts.clear();
                self.take(&query.tree());
            }
        }
        true
    }

    /// Takes in what the server tells unasked.
    pub(super) fn take(&mut self, query: &Node) {
        if let Some(version) = query.attr("ver") {
            self.version = Some(version.into());
        }
        for item in query.children().filter(|item| item.name() == "item") {
            let Some(jid) = item.attr("jid") else { continue };
            let subscription = item.attr("subscription").unwrap_or("none");
            if subscription == "remove" {
                self.contacts.remove(jid);
                continue;
            }
            let groups = item.children().filter(|child| child.name() == "group").map(Node::text).collect();
            let contact = Contact {
                name: item.attr("name").map(String::from),
                groups,
                subscription: subscription.into(),
                asks: item.attr("ask") == Some("subscribe"),
                approved: matches!(item.attr("approved"), Some("true" | "1")),
            };
            self.contacts.insert(jid.into(), contact);
        }
    }

    /// The connection is gone, and with it the answers.
    pub(super) fn lose(&mut self) {
        self.asked.clear();
    }
}
