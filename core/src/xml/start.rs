//! Start tags: names, attributes and what they declare.

use memchr::memchr;
use smallvec::SmallVec;

use super::chars::{QName, SPACE, is, skip_space};
use super::index::NsRef;
use super::refs;
use super::scope::Bindings;
use super::{XmlError, XmlLimits};

/// An attribute as it is written; offsets count from the start of the text it was read from.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawAttr<'a> {
    pub(super) name: QName<'a>,
    /// With references.
    pub(super) value: &'a str,
    /// Where the name starts.
    pub(super) name_at: usize,
    /// Where the value starts, behind its quote.
    pub(super) value_at: usize,
    /// Whether `value` means itself, without references and white space to decode.
    pub(super) plain: bool,
}

/// Reads attributes one by one, checking each, up to the end of `text`.
#[derive(Debug)]
pub(super) struct Attrs<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Attrs<'a> {
    /// Reads the attributes that stand in `text` from `at` on.
    pub(super) const fn new(text: &'a str, at: usize) -> Self {
        Self { text, at }
    }

    fn read(&mut self) -> Result<Option<RawAttr<'a>>, XmlError> {
        let bytes = self.text.as_bytes();
        let name_at = skip_space(bytes, self.at);
        if name_at == bytes.len() {
            return Ok(None);
        }
        if name_at == self.at {
            return Err(XmlError::NotWellFormed("no white space before an attribute"));
        }
        let rest = bytes.get(name_at..).unwrap_or_default();
        let len = rest.iter().position(|&byte| byte == b'=' || is(byte, SPACE)).unwrap_or(rest.len());
        let name_end = name_at + len;
        let name = QName::parse(self.text.get(name_at..name_end).unwrap_or_default())?;
        let equals = skip_space(bytes, name_end);
        if bytes.get(equals) != Some(&b'=') {
            return Err(XmlError::NotWellFormed("attribute without a value"));
        }
        let open = skip_space(bytes, equals + 1);
        let Some(&quote @ (b'\'' | b'"')) = bytes.get(open) else {
            return Err(XmlError::NotWellFormed("attribute value without quotes"));
        };
        let value_at = open + 1;
        let value = memchr(quote, bytes.get(value_at..).unwrap_or_default())
            .and_then(|len| self.text.get(value_at..value_at + len))
            .ok_or(XmlError::NotWellFormed("attribute value without its end"))?;
        let plain = !value.bytes().any(refs::needs_decoding);
        if !plain {
            refs::check_value(value)?;
        }
        self.at = value_at + value.len() + 1;
        Ok(Some(RawAttr { name, value, name_at, value_at, plain }))
    }
}

impl<'a> Iterator for Attrs<'a> {
    type Item = Result<RawAttr<'a>, XmlError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

/// Reads the start tags of one text, with the declarations in scope.
#[derive(Debug)]
pub(super) struct Tags<'a> {
    text: &'a str,
    limits: XmlLimits,
    /// The declarations in scope behind the tag that was read last.
    pub(super) bindings: Bindings<'a>,
    /// The attributes of the tag that was read last.
    pub(super) attrs: SmallVec<[RawAttr<'a>; 8]>,
}

/// A checked start tag.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start<'a> {
    pub(super) name: QName<'a>,
    /// Where the namespace of the name is written.
    pub(super) ns: NsRef,
    /// Whether it uses a declaration from outside that will not go along.
    pub(super) leans_outside: bool,
}

impl<'a> Tags<'a> {
    /// Creates the reader of `text`, which stands under `bindings`.
    pub(super) fn new(text: &'a str, limits: XmlLimits, bindings: Bindings<'a>) -> Self {
        Self { text, limits, bindings, attrs: SmallVec::new() }
    }

    /// Reads and checks the start tag whose name starts at `at` and whose attributes end at `end`. Its
    /// declarations come into scope; the caller ends that.
    pub(super) fn read(&mut self, at: usize, end: usize) -> Result<Start<'a>, XmlError> {
        let tag = self.text.get(..end).unwrap_or_default();
        let rest = tag.as_bytes().get(at..).unwrap_or_default();
        let len = rest.iter().position(|&byte| is(byte, SPACE)).unwrap_or(rest.len());
        let name = QName::parse(tag.get(at..at + len).unwrap_or_default())?;
        self.attrs.clear();
        for attr in Attrs::new(tag, at + len) {
            let attr = attr?;
            if self.attrs.len() >= usize::from(self.limits.attributes) {
                return Err(XmlError::TooBig("attributes"));
            }
            if self.attrs.iter().any(|other| other.name.is_same(attr.name)) {
                return Err(XmlError::NotWellFormed("attribute given twice"));
            }
            self.attrs.push(attr);
        }
        self.bindings.enter();
        for attr in &self.attrs {
            self.bindings.declare(attr)?;
        }
        self.resolve(name)
    }

    fn resolve(&self, name: QName<'a>) -> Result<Start<'a>, XmlError> {
        if name.has_prefix() && name.prefix() == "xmlns" {
            return Err(XmlError::NotWellFormed("element with the prefix `xmlns`"));
        }
        let found = self.bindings.resolve(name.prefix())?;
        let mut start = Start { name, ns: found.at, leans_outside: found.leans_outside };
        // Each prefix is looked up once: a tag may have many attributes, and a prefix many to stand behind.
        let mut seen = SmallVec::<[(&str, &str); 4]>::new();
        for attr in self.attrs.iter().filter(|attr| attr.name.is_foreign_attr()) {
            let found = self.bindings.resolve(attr.name.prefix())?;
            start.leans_outside |= found.leans_outside;
            let expanded = (attr.name.local(), found.ns);
            if seen.contains(&expanded) {
                return Err(XmlError::NotWellFormed("attribute given twice under two prefixes"));
            }
            seen.push(expanded);
        }
        Ok(start)
    }
}
