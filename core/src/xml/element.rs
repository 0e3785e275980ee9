//! One whole element as it came over the wire: its bytes and an index, not a tree.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::check::check;
use super::escape::write_attr;
use super::framer::{Cut, Framer};
use super::index::{Index, NsRef, Tag};
use super::scope::{Bindings, STANZA, Scope};
use super::start::{Attrs, RawAttr};
use super::{Node, XmlError, XmlLimits, build, ns, refs};

/// Bounds for elements that come from no stream: from this server itself, or from its store. They are wider
/// than those of any stream, because an accepted stanza may come back inside another one.
const OUTSIDE_LIMITS: XmlLimits =
    XmlLimits { element_bytes: u32::MAX, depth: super::parser::DEPTH_MAX, attributes: 1024 };

/// A checked element at depth one. Cheap to clone; children are read on demand.
///
/// The bytes are self-contained: prefixes declared outside are written out, and the default namespace
/// outside is `jabber:client`. The name has no prefix (but `xml`, which needs no declaration). An element
/// that came in another form was written anew; all others are the bytes that came, shared with the buffer
/// they came in, which lives as long as the element does.
#[derive(Clone)]
pub struct Element {
    raw: Bytes,
    index: Arc<Index>,
}

/// A child of an [`Element`].
#[derive(Clone, Copy, Debug)]
pub struct Child<'a> {
    element: &'a Element,
    tag: &'a Tag,
}

impl Element {
    /// Parses one whole element outside any stream, under the same checks.
    ///
    /// The default namespace outside is `jabber:client`. Nothing may stand before or behind the element. The
    /// bounds are wide: 4 GiB, 1024 elements deep, 1024 attributes each.
    ///
    /// # Errors
    ///
    /// [`XmlError`] as for a stream.
    pub fn parse(bytes: Bytes) -> Result<Self, XmlError> {
        const CUT: XmlError = XmlError::NotWellFormed("not one whole element");
        let mut framer = Framer::inside();
        if framer.skip_space(&bytes)? != 0 {
            return Err(CUT);
        }
        match framer.scan(&bytes, OUTSIDE_LIMITS)? {
            (used, Some(Cut::Element)) if used == bytes.len() => {
                Self::checked(bytes, &STANZA, OUTSIDE_LIMITS)
            }
            _ => Err(CUT),
        }
    }

    /// Checks one framed element that stands in `scope`; writes it anew when it would mean something else
    /// elsewhere.
    pub(super) fn checked(raw: Bytes, scope: &Scope, limits: XmlLimits) -> Result<Self, XmlError> {
        let checked = check(&raw, scope, limits)?;
        if !checked.leans_outside {
            return Ok(Self { raw, index: checked.index });
        }
        let text = std::str::from_utf8(&raw).map_err(|_| XmlError::Encoding("bytes that are not UTF-8"))?;
        let mut rewritten = Vec::with_capacity(text.len() + text.len() / 4);
        build::tree(text, Bindings::new(scope))?.write(ns::CLIENT, &mut rewritten);
        if rewritten.len() > usize::try_from(limits.element_bytes).unwrap_or(usize::MAX) {
            return Err(XmlError::TooBig("element_bytes"));
        }
        // The declarations that were added must not count against the sender.
        let limits = XmlLimits { attributes: u16::MAX, ..limits };
        let raw = Bytes::from(rewritten);
        let index = check(&raw, &STANZA, limits)?.index;
        Ok(Self { raw, index })
    }

    /// Returns the element with bytes of its own, for those who keep it: otherwise it keeps alive the whole buffer
    /// that it came in.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self { raw: Bytes::copy_from_slice(&self.raw), index: Arc::clone(&self.index) }
    }

    /// Returns the local name.
    pub fn name(&self) -> &str {
        self.index.root.name.text(&self.raw)
    }

    /// Returns the namespace; empty when the element has none.
    pub fn ns(&self) -> &str {
        self.namespace(self.index.root.ns)
    }

    /// Returns the value of the attribute `name` that has no prefix, references resolved.
    pub fn attr(&self, name: &str) -> Option<Cow<'_, str>> {
        let attr = self.index.attrs.iter().find(|attr| attr.name.bytes(&self.raw) == name.as_bytes())?;
        Some(refs::decode_value(attr.value.text(&self.raw)))
    }

    /// Returns `xml:lang`.
    pub fn lang(&self) -> Option<Cow<'_, str>> {
        self.attr("xml:lang")
    }

    /// Returns all bytes.
    pub const fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// Returns the bytes after the attributes of the start tag: `/>` or `>...</name>`. Shared, not copied.
    pub fn body(&self) -> Bytes {
        self.raw.slice(self.index.root.attrs.end()..)
    }

    /// Writes the start tag up to, and without, what [`Self::body`] returns: the element's name and its
    /// attributes, with each attribute named in `replaced` given the new value, added or (when `None`) left out.
    ///
    /// Names are compared as they are written (`xml:lang`); of two entries with one name the first counts.
    pub fn write_head(&self, out: &mut Vec<u8>, replaced: &[(&str, Option<&str>)]) {
        let name_end = self.index.root.name.end();
        out.extend_from_slice(self.raw.get(..name_end).unwrap_or_default());
        for attr in &self.index.attrs {
            let name = attr.name.text(&self.raw);
            match replaced.iter().find(|(other, _)| *other == name) {
                Some((_, Some(value))) => write_attr(name, value, out),
                Some((_, None)) => {}
                None => {
                    out.push(b' ');
                    let with_quote = attr.name.start()..=attr.value.end();
                    out.extend_from_slice(self.raw.get(with_quote).unwrap_or_default());
                }
            }
        }
        for (at, (name, value)) in replaced.iter().enumerate() {
            let Some(value) = value else { continue };
            let is_done = replaced.iter().take(at).any(|(other, _)| other == name)
                || self.index.attrs.iter().any(|attr| attr.name.bytes(&self.raw) == name.as_bytes());
            if !is_done {
                write_attr(name, value, out);
            }
        }
    }

    /// Returns the element without the children that `drop` picks; nothing when it picks none.
    ///
    /// # Panics
    ///
    /// Never: what is left is as well formed as the whole.
    pub fn without(&self, drop: impl Fn(Child<'_>) -> bool) -> Option<Self> {
        let mut dropped =
            self.index.children.iter().filter(|tag| drop(Child { element: self, tag })).peekable();
        // Mostly there is none.
        dropped.peek()?;
        let mut raw = Vec::with_capacity(self.raw.len());
        let mut at = 0;
        for tag in dropped {
            raw.extend_from_slice(self.raw.get(at..tag.whole.start()).unwrap_or_default());
            at = tag.whole.end();
        }
        raw.extend_from_slice(self.raw.get(at..).unwrap_or_default());
        Some(Self::parse(raw.into()).expect("a checked element without some of its children is one"))
    }

    /// Returns the child elements in order.
    pub fn children(&self) -> impl Iterator<Item = Child<'_>> {
        self.index.children.iter().map(|tag| Child { element: self, tag })
    }

    /// Returns the first child of that name and namespace.
    pub fn child(&self, name: &str, ns: &str) -> Option<Child<'_>> {
        self.children().find(|child| child.name() == name && child.ns() == ns)
    }

    /// Returns the text directly inside, references resolved.
    pub fn text(&self) -> String {
        self.text_of(&self.index.root)
    }

    /// Returns the element as a tree, for handlers that edit or look deep.
    pub fn tree(&self) -> Node {
        self.tree_of(&self.index.root, Bindings::new(&STANZA))
    }

    fn namespace(&self, ns: NsRef) -> &str {
        match ns {
            NsRef::Empty => "",
            NsRef::Client => ns::CLIENT,
            NsRef::Xml => ns::XML,
            NsRef::At(span) => span.text(&self.raw),
            NsRef::Decoded(at) => self.index.decoded.get(at as usize).map(AsRef::as_ref).unwrap_or_default(),
        }
    }

    fn attrs_of(&self, tag: &Tag) -> impl Iterator<Item = RawAttr<'_>> {
        Attrs::new(tag.attrs.text(&self.raw), 0).filter_map(Result::ok)
    }

    fn text_of(&self, tag: &Tag) -> String {
        let whole = tag.whole.text(&self.raw);
        let content = whole.as_bytes().get(tag.attrs.end() - tag.whole.start() + 1..).unwrap_or_default();
        let len = memchr::memchr(b'<', content).unwrap_or_default();
        // Text alone is the usual case; behind it stands the end tag.
        match content.get(..len).map(std::str::from_utf8) {
            Some(Ok(text)) if memchr::memrchr(b'<', content) == Some(len) => {
                let mut out = String::with_capacity(text.len());
                refs::push_text(text, &mut out);
                out
            }
            _ => build::direct_text(whole),
        }
    }

    fn bindings_below_root(&self) -> Bindings<'_> {
        let mut bindings = Bindings::new(&STANZA);
        bindings.enter();
        for attr in self.attrs_of(&self.index.root) {
            bindings.declare(&attr).expect("every declaration is checked before it is indexed");
        }
        bindings
    }

    fn tree_of<'a>(&'a self, tag: &Tag, bindings: Bindings<'a>) -> Node {
        build::tree(tag.whole.text(&self.raw), bindings)
            .expect("every element is checked before it is indexed")
    }
}

/// Equal bytes; not every element of equal meaning.
impl PartialEq for Element {
    fn eq(&self, other: &Self) -> bool {
        self.raw == other.raw
    }
}

impl Eq for Element {}

impl fmt::Debug for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Element").field(&String::from_utf8_lossy(&self.raw)).finish()
    }
}

impl<'a> Child<'a> {
    /// Returns the local name.
    pub fn name(&self) -> &'a str {
        self.tag.name.text(&self.element.raw)
    }

    /// Returns the namespace; empty when the element has none.
    pub fn ns(&self) -> &'a str {
        self.element.namespace(self.tag.ns)
    }

    /// Returns the value of the attribute `name` that has no prefix, references resolved.
    pub fn attr(&self, name: &str) -> Option<Cow<'a, str>> {
        let attr = self.element.attrs_of(self.tag).find(|attr| attr.name.whole == name)?;
        Some(refs::decode_value(attr.value))
    }

    /// Returns the text directly inside, references resolved.
    pub fn text(&self) -> String {
        self.element.text_of(self.tag)
    }

    /// Returns the child as a tree.
    pub fn tree(&self) -> Node {
        self.element.tree_of(self.tag, self.element.bindings_below_root())
    }
}
