//! Which prefix means which namespace.
//!
//! Rests on Namespaces in XML 1.0 (W3C), sections 2 to 6.

use std::borrow::Cow;
use std::sync::Arc;

use smallvec::SmallVec;

use super::index::{NsRef, Span};
use super::refs::decode_value;
use super::start::RawAttr;
use super::{XmlError, ns};

/// Namespace declarations in scope at one place. What is looked up is looked up in all of them.
const BINDINGS_MAX: usize = 128;
/// Bytes of one namespace name: an element of few bytes that uses it grows by as many when written alone.
const NAMESPACE_BYTES_MAX: usize = 256;
/// The namespace that the prefix `xmlns` is bound to.
const XMLNS: &str = "http://www.w3.org/2000/xmlns/";

/// What is declared outside of an element: by the stream header, for as long as the stream lives.
#[derive(Debug)]
pub(super) struct Scope {
    /// The default namespace; empty when none.
    default_ns: Cow<'static, str>,
    prefixes: Vec<(Cow<'static, str>, Cow<'static, str>)>,
}

/// Outside of everything: no declarations. A stream header stands here.
pub(super) static NOWHERE: Scope = Scope { default_ns: Cow::Borrowed(""), prefixes: Vec::new() };
/// Where every [`super::Element`] stands: the default namespace is `jabber:client`, nothing else is declared.
pub(super) static STANZA: Scope = Scope { default_ns: Cow::Borrowed(ns::CLIENT), prefixes: Vec::new() };

impl Scope {
    fn resolve(&self, prefix: &str) -> Option<&str> {
        if prefix.is_empty() {
            return Some(&self.default_ns);
        }
        self.prefixes.iter().find(|(own, _)| own == prefix).map(|(_, ns)| ns.as_ref())
    }
}

/// The declarations in scope while one element is read.
#[derive(Debug)]
pub(super) struct Bindings<'a> {
    outer: &'a Scope,
    /// Whether the default namespace outside is `jabber:client`.
    outer_is_stanza: bool,
    own: SmallVec<[Binding<'a>; 4]>,
    /// The element that is being read; the outermost has 1.
    level: u16,
    /// Decoded namespace names, for [`NsRef::Decoded`].
    decoded: Vec<Box<str>>,
}

#[derive(Debug)]
struct Binding<'a> {
    prefix: &'a str,
    ns: Cow<'a, str>,
    at: NsRef,
    level: u16,
    /// `ns` for the nodes of a tree, once one has asked.
    shared: Option<Arc<str>>,
}

/// What a prefix means.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found<'b> {
    /// The namespace; empty when none.
    pub(super) ns: &'b str,
    /// Where it is written.
    pub(super) at: NsRef,
    /// Whether the meaning comes from outside and is another in [`STANZA`].
    pub(super) leans_outside: bool,
}

impl<'a> Bindings<'a> {
    /// Creates the declarations of an element that stands in `outer`.
    pub(super) fn new(outer: &'a Scope) -> Self {
        let outer_is_stanza = outer.default_ns == ns::CLIENT;
        Self { outer, outer_is_stanza, own: SmallVec::new(), level: 0, decoded: Vec::new() }
    }

    /// Starts the scope of an element.
    pub(super) const fn enter(&mut self) {
        // The framer bounds the nesting far below this.
        self.level = self.level.saturating_add(1);
    }

    /// Ends the scope of the innermost element.
    pub(super) fn leave(&mut self) {
        while self.own.last().is_some_and(|binding| binding.level == self.level) {
            self.own.pop();
        }
        self.level = self.level.saturating_sub(1);
    }

    /// Adds what `attr` declares, if it declares anything.
    pub(super) fn declare(&mut self, attr: &RawAttr<'a>) -> Result<(), XmlError> {
        let Some(prefix) = attr.name.declares() else { return Ok(()) };
        let ns = if attr.plain { Cow::Borrowed(attr.value) } else { decode_value(attr.value) };
        check_declaration(prefix, &ns)?;
        if self.own.len() >= BINDINGS_MAX {
            return Err(XmlError::TooBig("namespace declarations"));
        }
        let at = if ns.is_empty() {
            NsRef::Empty
        } else if attr.plain {
            NsRef::At(Span::new(attr.value_at, attr.value.len()))
        } else {
            // There are fewer declarations than bytes in an element.
            let at = u32::try_from(self.decoded.len()).unwrap_or(u32::MAX);
            self.decoded.push(ns.as_ref().into());
            NsRef::Decoded(at)
        };
        self.own.push(Binding { prefix, ns, at, level: self.level, shared: None });
        Ok(())
    }

    /// Returns the namespace of `prefix`; the empty one is the default namespace, which attributes do not use.
    ///
    /// # Errors
    ///
    /// [`XmlError::Prefix`] when nothing declares it.
    pub(super) fn resolve(&self, prefix: &str) -> Result<Found<'_>, XmlError> {
        let own = if prefix.is_empty() {
            self.own.iter().rev().find(|binding| binding.prefix.is_empty())
        } else {
            self.own.iter().rev().find(|binding| binding.prefix == prefix)
        };
        if let Some(binding) = own {
            return Ok(Found { ns: &binding.ns, at: binding.at, leans_outside: false });
        }
        if prefix == "xml" {
            return Ok(Found { ns: ns::XML, at: NsRef::Xml, leans_outside: false });
        }
        let ns = self.outer.resolve(prefix).ok_or(XmlError::Prefix("prefix that nothing declares"))?;
        let inherited = prefix.is_empty() && self.outer_is_stanza;
        Ok(Found { ns, at: if inherited { NsRef::Client } else { NsRef::Empty }, leans_outside: !inherited })
    }

    /// Returns the namespace of `prefix` for a tree; all nodes below one declaration share its text.
    ///
    /// # Errors
    ///
    /// As [`Self::resolve`].
    pub(super) fn shared(&mut self, prefix: &str) -> Result<Arc<str>, XmlError> {
        if let Some(binding) = self.own.iter_mut().rev().find(|binding| binding.prefix == prefix) {
            let ns = binding.shared.get_or_insert_with(|| Arc::from(binding.ns.as_ref()));
            return Ok(Arc::clone(ns));
        }
        self.resolve(prefix).map(|found| Arc::from(found.ns))
    }

    /// Returns the decoded namespace names that [`NsRef::Decoded`] counts.
    pub(super) fn into_decoded(self) -> Vec<Box<str>> {
        self.decoded
    }

    /// Returns the declarations as the scope of other elements.
    pub(super) fn to_scope(&self) -> Scope {
        let mut scope = Scope { default_ns: Cow::Borrowed(""), prefixes: Vec::new() };
        for binding in &self.own {
            if binding.prefix.is_empty() {
                scope.default_ns = kept(&binding.ns);
            } else {
                scope.prefixes.push((kept(binding.prefix), kept(&binding.ns)));
            }
        }
        scope.prefixes.shrink_to_fit();
        scope
    }
}

/// Owns a text; those of ordinary streams without an allocation, because every stream keeps them.
fn kept(text: &str) -> Cow<'static, str> {
    [ns::CLIENT, ns::STREAM, "stream"]
        .into_iter()
        .find(|known| *known == text)
        .map_or_else(|| Cow::Owned(text.to_owned()), Cow::Borrowed)
}

/// Namespaces in XML 1.0, section 3, constraints `Reserved Prefixes and Namespace Names` and
/// `No Prefix Undeclaring`.
fn check_declaration(prefix: &str, ns: &str) -> Result<(), XmlError> {
    if ns.len() > NAMESPACE_BYTES_MAX {
        return Err(XmlError::TooBig("namespace name"));
    }
    if prefix == "xmlns" || ns == XMLNS {
        return Err(XmlError::NotWellFormed("declaration of the prefix `xmlns` or its namespace"));
    }
    if (prefix == "xml") != (ns == ns::XML) {
        return Err(XmlError::NotWellFormed("prefix `xml` or its namespace bound anew"));
    }
    if ns.is_empty() && !prefix.is_empty() {
        return Err(XmlError::NotWellFormed("prefix bound to no namespace"));
    }
    Ok(())
}
