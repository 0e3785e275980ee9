//! The one XML front: every byte that claims to be XML passes here.
//!
//! Implements: RFC 6120, sections 4.8, 11 and 13.12 (size of a stanza). Complete.
//!
//! The way of the bytes: `framer` cuts a stream into its header, whole elements and its end, touching each
//! byte once; `check` reads one whole element with quick-xml, adds every check that quick-xml leaves out and
//! notes where things are; [`Element`] answers questions from these notes. A tree ([`Node`]) is made only on
//! request. Nothing else in the workspace uses quick-xml.
//!
//! # Which error comes first
//!
//! The same bytes give the same tokens and the same error, however they are sliced. What the framer can see
//! (comments, processing instructions, document types, text between elements, `<` inside a tag, nesting, size)
//! is reported when its byte is reached. Everything else (UTF-8, characters, names, attributes, references,
//! namespaces, end tags) is reported when the element is complete, in this order: UTF-8, characters, then
//! the first fault in the order of the text; an undeclared prefix counts where its tag ends.
//!
//! # Bounds
//!
//! Besides [`XmlLimits`], which each stream sets: 128 namespace declarations in scope, 256 bytes in one
//! namespace name. They bound what a small element can make of itself when it is resolved or written anew.

pub mod ns;

mod build;
mod chars;
mod check;
mod element;
mod escape;
mod framer;
mod header;
mod index;
mod parser;
mod refs;
mod scope;
mod start;
mod tree;

#[cfg(test)]
mod tests;

pub use element::{Child, Element};
pub use escape::{escape_attr, escape_text, write_attr};
pub use header::Header;
pub use parser::{Parser, Token, XmlError, XmlLimits};
pub use tree::Node;
