//! Where things stand in the bytes of one element.

use bytes::Bytes;
use smallvec::SmallVec;

/// A piece of the bytes. Elements are no longer than 32 bits can count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// The `len` bytes from `start` on.
    pub(super) fn new(start: usize, len: usize) -> Self {
        let narrow = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Self { start: narrow(start), end: narrow(start.saturating_add(len)) }
    }

    /// The first byte.
    pub(super) const fn start(self) -> usize {
        self.start as usize
    }

    /// Behind the last byte.
    pub(super) const fn end(self) -> usize {
        self.end as usize
    }

    /// Returns the piece of `raw`.
    pub(super) fn bytes(self, raw: &Bytes) -> &[u8] {
        raw.get(self.start()..self.end()).expect("spans are made from the bytes they are used on")
    }

    /// Returns the piece of `raw` as text.
    pub(super) fn text(self, raw: &Bytes) -> &str {
        std::str::from_utf8(self.bytes(raw)).expect("spans are made from text that was checked as UTF-8")
    }
}

/// Where a namespace name is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NsRef {
    /// Nowhere: no namespace.
    Empty,
    /// Nowhere: `jabber:client`, from outside.
    Client,
    /// Nowhere: that of the prefix `xml`.
    Xml,
    /// In the bytes.
    At(Span),
    /// In the index, because the bytes have references.
    Decoded(u32),
}

/// The root or one of its children.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tag {
    /// From `<` to behind the last `>`.
    pub(super) whole: Span,
    /// The local name.
    pub(super) name: Span,
    /// From behind the name to the `>` or `/>` of the start tag.
    pub(super) attrs: Span,
    pub(super) ns: NsRef,
}

/// An attribute of the root.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attr {
    /// With its prefix.
    pub(super) name: Span,
    pub(super) value: Span,
}

/// What is known of the bytes of one element.
#[derive(Debug)]
pub(super) struct Index {
    pub(super) root: Tag,
    pub(super) attrs: SmallVec<[Attr; 8]>,
    pub(super) children: SmallVec<[Tag; 4]>,
    /// Namespace names that are written with references.
    pub(super) decoded: Vec<Box<str>>,
}

impl Index {
    /// Creates an index that points nowhere.
    pub(super) fn new() -> Self {
        let nowhere = Span::new(0, 0);
        let root = Tag { whole: nowhere, name: nowhere, attrs: nowhere, ns: NsRef::Empty };
        Self { root, attrs: SmallVec::new(), children: SmallVec::new(), decoded: Vec::new() }
    }
}
