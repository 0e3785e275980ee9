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

/// A checked start tag.
#[derive(Debug)]
pub(super) struct Start<'a> {
    pub(super) name: QName<'a>,
    /// Where the namespace of the name is written.
    pub(super) ns: NsRef,
    pub(super) attrs: SmallVec<[RawAttr<'a>; 8]>,
    /// Whether it uses a declaration from outside that will not go along.
    pub(super) leans_outside: bool,
}

impl<'a> Start<'a> {
    /// Reads and checks the start tag whose name starts at `at` and whose content ends at `end`, in `text`.
    /// Its declarations enter `bindings`; the caller ends their scope.
    pub(super) fn read(
        text: &'a str,
        at: usize,
        end: usize,
        limits: XmlLimits,
        bindings: &mut Bindings<'a>,
    ) -> Result<Self, XmlError> {
        let tag = text.get(..end).unwrap_or_default();
        let rest = tag.as_bytes().get(at..).unwrap_or_default();
        let len = rest.iter().position(|&byte| is(byte, SPACE)).unwrap_or(rest.len());
        let name = QName::parse(tag.get(at..at + len).unwrap_or_default())?;
        let mut attrs = SmallVec::<[RawAttr<'a>; 8]>::new();
        for attr in Attrs::new(tag, at + len) {
            let attr = attr?;
            if attrs.len() >= usize::from(limits.attributes) {
                return Err(XmlError::TooBig("attributes"));
            }
            if attrs.iter().any(|other| other.name.whole == attr.name.whole) {
                return Err(XmlError::NotWellFormed("attribute given twice"));
            }
            attrs.push(attr);
        }
        bindings.enter();
        for attr in &attrs {
            bindings.declare(attr)?;
        }
        let mut start = Self { name, ns: NsRef::Empty, attrs, leans_outside: false };
        start.resolve(bindings)?;
        Ok(start)
    }

    fn resolve(&mut self, bindings: &Bindings<'a>) -> Result<(), XmlError> {
        if self.name.prefix == "xmlns" {
            return Err(XmlError::NotWellFormed("element with the prefix `xmlns`"));
        }
        let found = bindings.resolve(self.name.prefix)?;
        self.ns = found.at;
        self.leans_outside = found.leans_outside;
        let is_prefixed = |attr: &&RawAttr<'_>| !attr.name.prefix.is_empty() && attr.name.prefix != "xmlns";
        for (at, attr) in self.attrs.iter().enumerate().filter(|(_, attr)| is_prefixed(attr)) {
            let found = bindings.resolve(attr.name.prefix)?;
            self.leans_outside |= found.leans_outside;
            for other in self.attrs.iter().take(at).filter(is_prefixed) {
                if other.name.local == attr.name.local && bindings.resolve(other.name.prefix)?.ns == found.ns
                {
                    return Err(XmlError::NotWellFormed("attribute given twice under two prefixes"));
                }
            }
        }
        Ok(())
    }
}
