//! One whole element as it came over the wire: its bytes and an index, not a tree.

use std::borrow::Cow;

use bytes::Bytes;

use super::Node;

/// A checked element at depth one. Cheap to clone; children are read on demand.
///
/// The bytes are self-contained: prefixes declared outside are written out, and the default namespace
/// outside is `jabber:client`.
#[derive(Clone, Debug)]
pub struct Element {
    raw: Bytes,
}

/// A child of an [`Element`].
#[derive(Clone, Copy, Debug)]
pub struct Child<'a> {
    element: &'a Element,
    index: usize,
}

impl Element {
    /// Parses one whole element outside any stream, under the same checks.
    ///
    /// # Errors
    ///
    /// [`super::XmlError`] as for a stream.
    pub fn parse(bytes: Bytes) -> Result<Self, super::XmlError> {
        unimplemented!("{bytes:?}")
    }

    /// Returns the local name.
    pub fn name(&self) -> &str {
        unimplemented!()
    }

    /// Returns the namespace.
    pub fn ns(&self) -> &str {
        unimplemented!()
    }

    /// Returns the value of the attribute `name` that has no prefix, references resolved.
    pub fn attr(&self, name: &str) -> Option<Cow<'_, str>> {
        unimplemented!("{name}")
    }

    /// Returns `xml:lang`.
    pub fn lang(&self) -> Option<Cow<'_, str>> {
        unimplemented!()
    }

    /// Returns all bytes.
    pub const fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// Returns the bytes after the attributes of the start tag: `/>` or `>...</name>`. Shared, not copied.
    pub fn body(&self) -> Bytes {
        unimplemented!()
    }

    /// Writes the start tag up to, and without, what [`Self::body`] returns: the element's name and its
    /// attributes, with each attribute named in `replaced` given the new value, added or (when `None`) left out.
    pub fn write_head(&self, out: &mut Vec<u8>, replaced: &[(&str, Option<&str>)]) {
        unimplemented!("{out:?} {replaced:?}")
    }

    /// Returns the child elements in order.
    pub fn children(&self) -> impl Iterator<Item = Child<'_>> {
        (0..0).map(move |index| Child { element: self, index })
    }

    /// Returns the first child of that name and namespace.
    pub fn child(&self, name: &str, ns: &str) -> Option<Child<'_>> {
        unimplemented!("{name} {ns}")
    }

    /// Returns the text directly inside, references resolved.
    pub fn text(&self) -> String {
        unimplemented!()
    }

    /// Returns the element as a tree, for handlers that edit or look deep.
    pub fn tree(&self) -> Node {
        unimplemented!()
    }
}

impl Child<'_> {
    /// Returns the local name.
    pub fn name(&self) -> &str {
        unimplemented!("{:?} {}", self.element, self.index)
    }

    /// Returns the namespace.
    pub fn ns(&self) -> &str {
        unimplemented!()
    }

    /// Returns the value of the attribute `name` that has no prefix, references resolved.
    pub fn attr(&self, name: &str) -> Option<Cow<'_, str>> {
        unimplemented!("{name}")
    }

    /// Returns the text directly inside, references resolved.
    pub fn text(&self) -> String {
        unimplemented!()
    }

    /// Returns the child as a tree.
    pub fn tree(&self) -> Node {
        unimplemented!()
    }
}
