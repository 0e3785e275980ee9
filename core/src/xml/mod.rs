//! The one XML front: every byte that claims to be XML passes here.
//!
//! Implements: RFC 6120, sections 4.7, 4.8, 11 and 13.12. Complete.

pub mod ns;

mod element;
mod escape;
mod parser;
mod tree;

pub use element::{Child, Element};
pub use escape::{escape_attr, escape_text};
pub use parser::{Header, Parser, Token, XmlError, XmlLimits};
pub use tree::Node;
