//! Pages of an archive, and how a client catches up with what it has missed.
//!
//! Implements: XEP-0313 1.1.3, section 4; XEP-0059 1.0, section 2. Client side.

use std::collections::{BTreeMap, BTreeSet};

use eyot_core::xml::{Element, Node, ns};

use super::{condition_of, xmlns};

/// One request for a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Whose archive; the client's own when absent.
    pub of: Option<String>,
    /// Only what went to or came from there.
    pub with: Option<String>,
    /// Only what is not older, as XEP-0082 writes it.
    pub start: Option<String>,
    /// What the page stands behind.
    pub after: Option<String>,
    /// What the page stands before; empty for the end of the archive.
    pub before: Option<String>,
    /// So many at most.
    pub max: Option<u32>,
    /// Whether the newest is to come first.
    pub flipped: bool,
}

/// A message of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archived {
    /// What the archive calls it.
    pub id: String,
    /// What was said, if anything was.
    pub body: Option<String>,
    /// When, as the archive writes it.
    pub stamp: Option<String>,
}

/// What came of one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// What it holds, as it came.
    pub messages: Vec<Archived>,
    /// The id of its oldest message, as the archive says.
    pub first: Option<String>,
    /// The id of its newest message.
    pub last: Option<String>,
    /// Whether there is nothing beyond it.
    pub complete: bool,
    /// Whether nothing can still come in between.
    pub stable: bool,
    /// The condition with which it was refused.
    pub refused: Option<String>,
}

/// How a client goes on from page to page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CatchUp {
    /// The first page.
    pub query: Query,
    /// What the client has been shown already, by the ids of the archive.
    pub known: BTreeSet<String>,
}

/// A request without its answer.
#[derive(Clone, Debug)]
struct Asked {
    query: Query,
    page: Page,
    known: Option<BTreeSet<String>>,
}

/// What a client has read of archives.
#[derive(Clone, Debug, Default)]
pub struct Archive {
    /// The requests that are not answered, by their ids.
    asked: BTreeMap<String, Asked>,
    page: Option<Page>,
    /// The newest end of a page of each archive; of the own one without a name.
    cursors: BTreeMap<Option<String>, String>,
    caught_up: Vec<Archived>,
}

impl CatchUp {
    /// Returns whether it goes from the newest to the oldest.
    const fn goes_back(&self) -> bool {
        self.query.before.is_some()
    }
}

impl Archive {
    /// Returns the last page.
    pub const fn page(&self) -> Option<&Page> {
        self.page.as_ref()
    }

    /// Returns the id behind which a client goes on that has read an archive page by page.
    pub fn cursor(&self, of: Option<&str>) -> Option<&str> {
        self.cursors.get(&of.map(String::from)).map(String::as_str)
    }

    /// Returns what the client was shown when it last caught up and had not known, in the order of the archive.
    pub fn caught_up(&self) -> &[Archived] {
        &self.caught_up
    }

    /// Forgets what it was shown when it last caught up: it does so again.
    pub(super) fn begin(&mut self) {
        self.caught_up.clear();
    }

    /// Returns the payload of a request for a page. With `known` it is one of those with which a client catches up.
    pub(super) fn request(&mut self, id: &str, query: Query, known: Option<BTreeSet<String>>) -> Node {
        let payload = query.payload(id);
        self.asked.insert(id.into(), Asked { query, page: Page::default(), known });
        payload
    }

    /// Takes in a message that came, if it is one of an archive. `own` is the address of the client's account: nobody
    /// else may speak for an archive.
    pub(super) fn take(&mut self, message: &Element, own: &str) {
        let Some(result) = message.child("result", xmlns::MAM).map(|result| result.tree()) else { return };
        let Some(asked) = result.attr("queryid").and_then(|id| self.asked.get_mut(id)) else { return };
        let archive = asked.query.of.as_deref().unwrap_or(own);
        if message.attr("from").is_some_and(|from| *from != *archive) {
            return;
        }
        let Some(id) = result.attr("id") else { return };
        let forwarded = result.child("forwarded", xmlns::FORWARD);
        let inner = forwarded.and_then(|forwarded| forwarded.child("message", ns::CLIENT));
        let delay = forwarded.and_then(|forwarded| forwarded.child("delay", xmlns::DELAY));
        asked.page.messages.push(Archived {
            id: id.into(),
            body: inner.and_then(|message| message.child("body", ns::CLIENT)).map(Node::text),
            stamp: delay.and_then(|delay| delay.attr("stamp")).map(String::from),
        });
    }

    /// Takes an answer in; returns the request for the next page, if the client is catching up and there is one.
    pub(super) fn answer(&mut self, answer: &Element) -> Option<CatchUp> {
        let mut asked = self.asked.remove(&*answer.attr("id")?)?;
        asked.page.refused = condition_of(answer);
        if let Some(fin) = answer.child("fin", xmlns::MAM).map(|fin| fin.tree()) {
            let set = fin.child("set", xmlns::RSM);
            let edge = |name| set.and_then(|set| set.child(name, xmlns::RSM)).map(Node::text);
            asked.page.first = edge("first");
            asked.page.last = edge("last");
            asked.page.complete = matches!(fin.attr("complete"), Some("true" | "1"));
            asked.page.stable = !matches!(fin.attr("stable"), Some("false" | "0"));
        }
        let goes_back = asked.query.before.as_deref().is_some_and(|before| !before.is_empty());
        if let (Some(last), false) = (&asked.page.last, goes_back) {
            self.cursors.insert(asked.query.of.clone(), last.clone());
        }
        let next = asked.next();
        if let Some(known) = &asked.known {
            let fresh = asked.page.messages.iter().filter(|message| !known.contains(&message.id)).cloned();
            if asked.query.before.is_some() {
                self.caught_up.splice(0..0, fresh);
            } else {
                self.caught_up.extend(fresh);
            }
        }
        self.page = Some(asked.page);
        next
    }

    /// The connection is gone, and with it the answers.
    pub(super) fn lose(&mut self) {
        self.asked.clear();
    }
}

impl Asked {
    /// Returns how a client that catches up goes on: to what is older until it meets what it knows, or to what is newer
    /// until there is no more.
    fn next(&self) -> Option<CatchUp> {
        let known = self.known.clone()?;
        let page = &self.page;
        if page.complete || page.refused.is_some() || page.messages.is_empty() {
            return None;
        }
        let next = CatchUp { query: self.query.clone(), known };
        if next.goes_back() {
            let met = page.messages.iter().any(|message| next.known.contains(&message.id));
            let before = page.first.clone().filter(|_| !met)?;
            return Some(CatchUp { query: Query { before: Some(before), ..next.query }, known: next.known });
        }
        let after = page.last.clone()?;
        Some(CatchUp { query: Query { after: Some(after), ..next.query }, known: next.known })
    }
}

impl Query {
    fn payload(&self, id: &str) -> Node {
        let mut query = Node::new("query", xmlns::MAM).with_attr("queryid", id);
        // RSM knows no page between two places: then both go into the form.
        let between = self.after.is_some() && self.before.as_deref().is_some_and(|before| !before.is_empty());
        let (inside, outside) = if between { (true, None) } else { (false, self.before.as_deref()) };
        let fields = [
            ("with", self.with.as_deref()),
            ("start", self.start.as_deref()),
            ("after-id", self.after.as_deref().filter(|_| inside)),
            ("before-id", self.before.as_deref().filter(|_| inside)),
        ];
        if fields.iter().any(|(_, value)| value.is_some()) {
            let mut form = Node::new("x", xmlns::DATA).with_attr("type", "submit");
            form = form.with_child(field("FORM_TYPE", xmlns::MAM).with_attr("type", "hidden"));
            for (name, value) in fields {
                if let Some(value) = value {
                    form = form.with_child(field(name, value));
                }
            }
            query = query.with_child(form);
        }
        let mut set = Node::new("set", xmlns::RSM);
        let max = self.max.map(|max| max.to_string());
        let after = self.after.as_deref().filter(|_| !inside);
        for (name, value) in [("max", max.as_deref()), ("after", after), ("before", outside)] {
            if let Some(value) = value {
                set = set.with_child(Node::new(name, xmlns::RSM).with_text(value));
            }
        }
        if set.children().next().is_some() {
            query = query.with_child(set);
        }
        if self.flipped { query.with_child(Node::new("flip-page", xmlns::MAM)) } else { query }
    }
}

fn field(name: &str, value: &str) -> Node {
    let value = Node::new("value", xmlns::DATA).with_text(value);
    Node::new("field", xmlns::DATA).with_attr("var", name).with_child(value)
}

/// Returns the copy of a message that the server sends to another client of the account, and whether that one had sent
/// it; nothing when it is none, or comes from anybody but the own account (XEP-0280, 11).
pub fn carbon(message: &Element, own: &str) -> Option<(bool, Node)> {
    if message.attr("from").as_deref() != Some(own) {
        return None;
    }
    let copy = message.children().find(|child| child.ns() == xmlns::CARBONS)?;
    let sent = match copy.name() {
        "sent" => true,
        "received" => false,
        _ => return None,
    };
    let copy = copy.tree();
    let inner = copy.child("forwarded", xmlns::FORWARD)?.child("message", ns::CLIENT)?.clone();
    Some((sent, inner))
}
