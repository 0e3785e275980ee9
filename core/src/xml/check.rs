//! The strict reader: one whole element in, its index out.
//!
//! quick-xml finds the tokens and matches end tags with start tags. What it leaves out is done here and in
//! `chars`, `refs`, `start` and `scope`. It never sees an element that the framer has not closed, because
//! it takes a cut one for whole.

use std::sync::Arc;

use quick_xml::errors::{Error, IllFormedError};
use quick_xml::events::Event;
use quick_xml::reader::Reader;

use super::chars::checked_text;
use super::index::{Attr, Index, Span, Tag};
use super::refs;
use super::scope::{Bindings, Scope};
use super::start::Tags;
use super::{XmlError, XmlLimits};

/// A checked element.
#[derive(Debug)]
pub(super) struct Checked {
    /// Where things stand.
    pub(super) index: Arc<Index>,
    /// Whether its bytes mean something else without the stream around them.
    pub(super) leans_outside: bool,
}

/// Checks the whole element `raw`, which stands in `scope`.
pub(super) fn check(raw: &[u8], scope: &Scope, limits: XmlLimits) -> Result<Checked, XmlError> {
    let text = checked_text(raw)?;
    let mut check = Check {
        text,
        tags: Tags::new(text, limits, Bindings::new(scope)),
        depth: 0,
        has_root: false,
        index: Index::new(),
        leans_outside: false,
    };
    let mut reader = Reader::from_str(text);
    loop {
        let from = position(&reader);
        let event = reader.read_event().map_err(|error| explain(&error))?;
        let to = position(&reader);
        match event {
            Event::Start(_) => check.open(from, to, to.saturating_sub(1))?,
            Event::Empty(_) => {
                check.open(from, to, to.saturating_sub(2))?;
                check.close(to);
            }
            Event::End(_) => check.close(to),
            Event::Text(_) => check.character_data(from, to)?,
            Event::GeneralRef(_) => {
                refs::resolve(text.get(from + 1..to.saturating_sub(1)).unwrap_or_default())?;
            }
            Event::CData(_) => {}
            Event::Comment(_) | Event::PI(_) | Event::DocType(_) | Event::Decl(_) => {
                return Err(XmlError::Restricted("markup that is not an element"));
            }
            Event::Eof => return check.finish(),
        }
    }
}

/// Returns where `reader` stands.
pub(super) fn position(reader: &Reader<&[u8]>) -> usize {
    usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX)
}

struct Check<'a> {
    text: &'a str,
    tags: Tags<'a>,
    /// Open elements.
    depth: usize,
    has_root: bool,
    index: Index,
    leans_outside: bool,
}

impl Check<'_> {
    /// Reads the start tag from its `<` to behind its `>`; `end` is where its attributes end.
    fn open(&mut self, from: usize, to: usize, end: usize) -> Result<(), XmlError> {
        let start = self.tags.read(from + 1, end)?;
        self.leans_outside |= start.leans_outside;
        self.depth += 1;
        if self.depth > 2 {
            return Ok(());
        }
        let name_end = from + 1 + start.name.whole.len();
        let tag = Tag {
            whole: Span::new(from, to - from),
            name: Span::new(name_end - start.name.local().len(), start.name.local().len()),
            attrs: Span::new(name_end, end - name_end),
            ns: start.ns,
        };
        if self.depth == 2 {
            self.index.children.push(tag);
            return Ok(());
        }
        if self.has_root {
            return Err(XmlError::NotWellFormed("two elements where one was expected"));
        }
        self.has_root = true;
        self.index.root = tag;
        // `xml` is always bound; any other prefix would have to go along.
        self.leans_outside |= !matches!(start.name.prefix(), "" | "xml");
        self.index.attrs.extend(self.tags.attrs.iter().map(|attr| Attr {
            name: Span::new(attr.name_at, attr.name.whole.len()),
            value: Span::new(attr.value_at, attr.value.len()),
        }));
        Ok(())
    }

    /// Ends the innermost element, behind its last byte.
    fn close(&mut self, to: usize) {
        let tag = match self.depth {
            1 => Some(&mut self.index.root),
            2 => self.index.children.last_mut(),
            _ => None,
        };
        if let Some(tag) = tag {
            tag.whole = Span::new(tag.whole.start(), to - tag.whole.start());
        }
        self.depth = self.depth.saturating_sub(1);
        self.tags.bindings.leave();
    }

    fn character_data(&self, from: usize, to: usize) -> Result<(), XmlError> {
        let text = self.text.as_bytes().get(from..to).unwrap_or_default();
        if memchr::memchr_iter(b'>', text).any(|at| text.get(..at).is_some_and(|it| it.ends_with(b"]]"))) {
            return Err(XmlError::NotWellFormed("`]]>` in text"));
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Checked, XmlError> {
        if !self.has_root || self.depth > 0 || self.index.root.whole != Span::new(0, self.text.len()) {
            return Err(XmlError::NotWellFormed("not one whole element"));
        }
        self.index.decoded = self.tags.bindings.into_decoded();
        Ok(Checked { index: Arc::new(self.index), leans_outside: self.leans_outside })
    }
}

fn explain(error: &Error) -> XmlError {
    match error {
        Error::IllFormed(IllFormedError::MismatchedEndTag { .. } | IllFormedError::UnmatchedEndTag(_)) => {
            XmlError::NotWellFormed("end tag that does not match the start tag")
        }
        Error::IllFormed(IllFormedError::UnclosedReference) => {
            XmlError::NotWellFormed("reference without its `;`")
        }
        Error::IllFormed(_)
        | Error::Io(_)
        | Error::Syntax(_)
        | Error::InvalidAttr(_)
        | Error::Encoding(_)
        | Error::Escape(_)
        | Error::Namespace(_) => XmlError::NotWellFormed("not an element"),
    }
}
