//! The connection that a client has left for a new one: the server has a last word on it.

use bytes::Bytes;
use eyot_core::xml::{Parser, Token, ns};

use super::Nonza;

/// What is read of a connection that was left.
#[derive(Debug)]
pub(super) struct Former {
    parser: Parser,
}

impl Former {
    /// Creates one out of what has read the connection so far.
    pub(super) const fn new(parser: Parser) -> Self {
        Self { parser }
    }

    /// Reads on. Stanzas count no more: the server sends again what the client had not counted when it resumed.
    pub(super) fn read(&mut self, bytes: Bytes) -> Vec<Nonza> {
        let mut found = Vec::new();
        self.parser.push(bytes);
        while let Ok(Some(token)) = self.parser.next_token() {
            let Token::Element(element) = token else { continue };
            if (element.name(), element.ns()) == ("error", ns::STREAM) {
                let mut conditions = element.children().filter(|child| child.ns() == ns::STREAM_ERRORS);
                let condition = conditions.find(|child| child.name() != "text");
                let condition = condition.map_or_else(String::new, |found| found.name().into());
                found.push(Nonza::FormerError { condition });
            }
        }
        found
    }
}
