//! What a client asks of an archive.
//!
//! Implements: XEP-0313 1.1.4, sections 4.1 and 4.3; XEP-0059 1.0.0, sections 2.1 to 2.4 and 2.6. A page by index is not
//! given: its place would have to be counted.

use super::form::Form;
use crate::archive::{Direction, Entry, EntryId};
use crate::date_time::parse_stamp;
use crate::jid::{BareJid, Jid};
use crate::limits::Limits;
use crate::stanza::StanzaError;
use crate::xml::{Node, ns};

/// A question to an archive.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Query {
    /// The client's name for it.
    pub(super) name: Option<Box<str>>,
    /// With whom messages were exchanged.
    pub(super) with: Option<Jid>,
    /// The first millisecond.
    pub(super) start: Option<i64>,
    /// The last millisecond.
    pub(super) end: Option<i64>,
    /// Only what comes after these entries.
    pub(super) after: Vec<EntryId>,
    /// Only what comes before these entries.
    pub(super) before: Vec<EntryId>,
    /// Only these entries.
    pub(super) ids: Option<Vec<EntryId>>,
    /// How many results at most.
    pub(super) max: usize,
    /// Which end of what matches: the page is there.
    pub(super) end_of: End,
    /// The page is sent backwards.
    pub(super) flipped: bool,
    /// Nothing is left out, but by pages.
    pub(super) whole: bool,
}

/// An end of what matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The page is the first one.
    First,
    /// The page is the last one.
    Last,
}

impl Query {
    /// Reads a question.
    ///
    /// # Errors
    ///
    /// The stanza error that goes back: for a form that is none, a field or a way of paging that is not known, an address or
    /// a time that is none, an id that no archive has.
    pub(super) fn read(query: &Node, limits: &Limits) -> Result<Self, StanzaError> {
        let form = Form::read(query)?;
        let stamp = |text: Option<String>| match text {
            Some(text) => parse_stamp(&text).map(Some).ok_or(StanzaError::BadRequest),
            None => Ok(None),
        };
        let with = match form.one("with")? {
            Some(text) => Some(Jid::parse(text.trim()).map_err(|_| StanzaError::BadRequest)?),
            None => None,
        };
        let start = stamp(form.one("start")?)?;
        let mut after: Vec<EntryId> = ids(form.one("after-id")?)?;
        let mut before: Vec<EntryId> = ids(form.one("before-id")?)?;
        let wanted = form.all("ids");
        if wanted.len() > limits.archive_names as usize {
            return Err(StanzaError::ResourceConstraint);
        }
        let page = Page::read(query.child("set", ns::RSM))?;
        after.extend(page.after);
        before.extend(page.before);
        let most = limits.archive_page as usize;
        Ok(Self {
            name: query.attr("queryid").map(Into::into),
            with,
            // What is finer than the stamps of results lies between two of them.
            start: start.map(|stamp| if stamp.whole { stamp.millis } else { stamp.millis.saturating_add(1) }),
            end: stamp(form.one("end")?)?.map(|stamp| stamp.millis),
            after,
            before,
            ids: if wanted.is_empty() { None } else { Some(ids(wanted)?) },
            max: page.max.map_or(most, |max| max.min(most)),
            end_of: page.end_of,
            whole: form.is_empty(),
            flipped: query.child("flip-page", ns::MAM).is_some(),
        })
    }

    /// Returns whether an entry in the archive of `owner` is with whom the question says.
    pub(super) fn matches(&self, owner: &BareJid, entry: &Entry) -> bool {
        let Some(with) = &self.with else { return true };
        // With the owner's own address only what they sent to themselves is meant (XEP-0313, 4.1.1).
        if with.as_str() == owner.as_str() {
            return entry.direction == Direction::Own;
        }
        if with.resource().is_some() { entry.with == *with } else { entry.with.bare_str() == with.as_str() }
    }
}

/// What the client says of pages.
struct Page {
    max: Option<usize>,
    end_of: End,
    after: Option<EntryId>,
    before: Option<EntryId>,
}

impl Page {
    fn read(set: Option<&Node>) -> Result<Self, StanzaError> {
        let mut page = Self { max: None, end_of: End::First, after: None, before: None };
        let Some(set) = set else { return Ok(page) };
        if set.child("index", ns::RSM).is_some() {
            return Err(StanzaError::FeatureNotImplemented);
        }
        if let Some(max) = set.child("max", ns::RSM) {
            page.max = Some(max.text().trim().parse().map_err(|_| StanzaError::BadRequest)?);
        }
        page.after = ids(set.child("after", ns::RSM).map(Node::text))?.pop();
        if let Some(before) = set.child("before", ns::RSM) {
            page.end_of = End::Last;
            let text = Some(before.text()).filter(|text| !text.is_empty());
            page.before = ids(text)?.pop();
        }
        Ok(page)
    }
}

/// Reads ids. One that no node gives is one that no archive has.
fn ids(texts: impl IntoIterator<Item = String>) -> Result<Vec<EntryId>, StanzaError> {
    texts.into_iter().map(|text| EntryId::parse(&text).ok_or(StanzaError::ItemNotFound)).collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::asked::{form, set};
    use super::*;
    use crate::xml::Element;

    const ID: &str = "000102030405060708090a0b0c0d0e0f";

    fn parsed(text: String) -> Node {
        Element::parse(Bytes::from(text)).expect("a question").tree()
    }

    fn read(content: &str) -> Result<Query, StanzaError> {
        let text = format!("<query xmlns='urn:xmpp:mam:2' queryid='q'>{content}</query>");
        Query::read(&parsed(text), &Limits::default())
    }

    #[test]
    fn a_question_without_a_word_asks_for_everything() {
        let query = read("").unwrap();
        assert!(query.whole);
        assert_eq!((query.max, query.end_of, query.flipped), (100, End::First, false));
    }

    #[test]
    fn form_and_page_are_read_together() {
        let content = form(&[
            ("start", "1970-01-01T00:00:01.0001Z"),
            ("end", "1970-01-01T00:00:02Z"),
            ("after-id", ID),
        ]);
        let query =
            read(&format!("{content}{}<flip-page/>", set(&format!("<max>7</max><before>{ID}</before>"))))
                .unwrap();
        assert!(!query.whole);
        assert_eq!((query.start, query.end), (Some(1_001), Some(2_000)));
        assert_eq!((query.after.len(), query.before.len()), (1, 1));
        assert_eq!((query.max, query.end_of, query.flipped), (7, End::Last, true));
    }

    #[test]
    fn what_cannot_be_answered_is_refused() {
        use StanzaError::{BadRequest, FeatureNotImplemented, ItemNotFound};
        let bare = |kind: &str, fields: &str| format!("<x xmlns='jabber:x:data' type='{kind}'>{fields}</x>");
        let two = "<field var='FORM_TYPE'><value>urn:xmpp:mam:2</value></field>\
            <field var='with'><value>a@x.example</value><value>b@x.example</value></field>";
        for (content, error) in [
            (bare("form", ""), BadRequest),
            (bare("submit", ""), BadRequest),
            (bare("submit", "<field var='FORM_TYPE'><value>other</value></field>"), BadRequest),
            (bare("submit", two), BadRequest),
            (form(&[("{http://example.com/}free-text-search", "x")]), FeatureNotImplemented),
            (form(&[("include-groupchat", "true")]), FeatureNotImplemented),
            (form(&[("with", "@")]), BadRequest),
            (form(&[("start", "yesterday")]), BadRequest),
            (form(&[("after-id", "28482-98726-73623")]), ItemNotFound),
            (form(&[("ids", "28482-98726-73623")]), ItemNotFound),
            (set("<index>3</index>"), FeatureNotImplemented),
            (set("<max>-1</max>"), BadRequest),
            (set("<max>many</max>"), BadRequest),
            (set("<after/>"), ItemNotFound),
            (set("<before>x</before>"), ItemNotFound),
        ] {
            assert_eq!(read(&content).err(), Some(error), "{content}");
        }
    }
}
