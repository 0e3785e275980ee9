//! What clients have read of their archives, page by page, as far as that is all of it.

use std::collections::BTreeMap;

use eyot_core::xml::{Node, ns};

use super::conn::Mark;
use super::run::Run;
use super::stanza::{Kind, Stanza};
use crate::client::xmlns;

/// A message of an archive.
#[derive(Clone, Debug)]
pub struct Listed {
    /// What the archive calls it.
    pub id: String,
    /// The message as it was sent.
    pub message: Node,
    /// The record with which it came.
    pub record: usize,
}

/// An archive from its beginning to its end, as a client has read it.
#[derive(Clone, Debug)]
pub struct Listing {
    /// The client, by number.
    pub client: usize,
    /// The session with which it read the last page.
    pub session: usize,
    /// When it asked for the first page of what it has.
    pub begun: Mark,
    /// When it asked for the last page: what was in the archive by then is on the pages.
    pub asked: Mark,
    /// When it had the last page.
    pub done: Mark,
    /// All that was on the pages, in their order.
    pub all: Vec<Listed>,
}

/// How far a client is with its archive.
#[derive(Debug, Default)]
struct Reader {
    all: Vec<Listed>,
    /// When it asked for the first page of all that.
    begun: Option<Mark>,
    /// The end of the last page.
    cursor: Option<String>,
    /// The pages asked for that continue what it has, by the id of the request.
    asked: BTreeMap<String, (Mark, usize)>,
    page: Vec<Listed>,
}

/// Returns all listings of a run, each with what the client had read before. A client that goes on behind the end of what it
/// has read misses nothing.
pub fn listings(run: &Run<'_>) -> Vec<Listing> {
    let mut readers: BTreeMap<usize, Reader> = BTreeMap::new();
    let mut found = Vec::new();
    let mut stanzas: Vec<(bool, &Stanza)> =
        run.sent.iter().map(|sent| (true, sent)).chain(run.got.iter().map(|got| (false, got))).collect();
    stanzas.sort_by_key(|(_, stanza)| stanza.record);
    for (sent, stanza) in stanzas {
        let Some(session) = stanza.session else { continue };
        let client = run.sessions[session].client;
        let reader = readers.entry(client).or_default();
        if sent {
            reader.asks(stanza, session);
        } else {
            found.extend(reader.gets(stanza, client));
        }
    }
    found
}

impl Reader {
    fn asks(&mut self, sent: &Stanza, session: usize) {
        if sent.kind != Kind::Iq || sent.class != "set" || sent.to_jid().is_some() {
            return;
        }
        let Some(query) = sent.element.child("query", xmlns::MAM).map(|query| query.tree()) else { return };
        let rsm = query.child("set", xmlns::RSM);
        let after = rsm.and_then(|rsm| rsm.child("after", xmlns::RSM)).map(Node::text);
        let before = rsm.is_some_and(|rsm| rsm.child("before", xmlns::RSM).is_some());
        let plain = !before && query.child("x", xmlns::DATA).is_none();
        if plain && self.asked.is_empty() && (after.is_none() || after == self.cursor) {
            if after.is_none() {
                self.all.clear();
                self.begun = Some(sent.mark());
            }
            self.page.clear();
            self.asked.insert(sent.id.clone().unwrap_or_default(), (sent.mark(), session));
        }
    }

    fn gets(&mut self, got: &Stanza, client: usize) -> Option<Listing> {
        if got.kind == Kind::Message {
            let result = got.element.child("result", xmlns::MAM)?.tree();
            let asked = result.attr("queryid").is_some_and(|id| self.asked.contains_key(id));
            let inner = result.child("forwarded", xmlns::FORWARD)?.child("message", ns::CLIENT)?.clone();
            let listed = Listed { id: result.attr("id")?.into(), message: inner, record: got.record };
            self.page.extend(asked.then_some(listed));
            return None;
        }
        if !got.is_answer() {
            return None;
        }
        let (asked, session) = self.asked.remove(got.id.as_deref()?)?;
        let fin = got.element.child("fin", xmlns::MAM)?.tree();
        let last = fin.child("set", xmlns::RSM).and_then(|set| set.child("last", xmlns::RSM)).map(Node::text);
        self.all.append(&mut self.page);
        self.cursor = last.or(self.cursor.take());
        let complete = matches!(fin.attr("complete"), Some("true" | "1"));
        let begun = self.begun.unwrap_or(asked);
        complete.then(|| Listing { client, session, begun, asked, done: got.mark(), all: self.all.clone() })
    }
}
