//! Stanza errors: the peer's fault, or the world's, told to the sender of one stanza.

use crate::xml::{Node, ns};

/// A stanza error of RFC 6120, section 8.3.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StanzaError {
    /// The stanza breaks the schema.
    BadRequest,
    /// Something of that name exists already.
    Conflict,
    /// The node does not know this feature.
    FeatureNotImplemented,
    /// The sender has no right to do this.
    Forbidden,
    /// Nothing of that name exists.
    ItemNotFound,
    /// The node made a mistake or its store failed.
    InternalServerError,
    /// An address is none.
    JidMalformed,
    /// The sender has blocked the recipient (XEP-0191).
    Blocked,
    /// The request is understood and refused.
    NotAcceptable,
    /// The policy of the domain forbids it.
    NotAllowed,
    /// The recipient cannot be reached for now.
    RecipientUnavailable,
    /// The domain is not served here and cannot be reached.
    RemoteServerNotFound,
    /// Nobody has answered in time.
    RemoteServerTimeout,
    /// A bound was reached.
    ResourceConstraint,
    /// Nobody answers there.
    ServiceUnavailable,
    /// It is done and stored here, and not yet where the domain wants it: it may be lost with this node.
    StoredBelowLevel,
    /// The request came at the wrong moment.
    UnexpectedRequest,
}

/// What the sender may do about an error (RFC 6120, 8.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorType {
    /// Log in first, or with other credentials.
    Auth,
    /// Do not try again.
    Cancel,
    /// Change the stanza and try again.
    Modify,
    /// Try again later.
    Wait,
}

impl StanzaError {
    /// Returns the name of the condition.
    pub const fn condition(self) -> &'static str {
        match self {
            Self::BadRequest => "bad-request",
            Self::Conflict => "conflict",
            Self::FeatureNotImplemented => "feature-not-implemented",
            Self::Forbidden => "forbidden",
            Self::ItemNotFound => "item-not-found",
            Self::InternalServerError => "internal-server-error",
            Self::JidMalformed => "jid-malformed",
            Self::NotAcceptable | Self::Blocked => "not-acceptable",
            Self::NotAllowed => "not-allowed",
            Self::RecipientUnavailable => "recipient-unavailable",
            Self::RemoteServerNotFound => "remote-server-not-found",
            Self::RemoteServerTimeout => "remote-server-timeout",
            Self::ResourceConstraint => "resource-constraint",
            Self::ServiceUnavailable => "service-unavailable",
            Self::StoredBelowLevel => "undefined-condition",
            Self::UnexpectedRequest => "unexpected-request",
        }
    }

    /// Returns the error type that goes with the condition.
    pub const fn error_type(self) -> ErrorType {
        match self {
            Self::BadRequest | Self::JidMalformed | Self::NotAcceptable => ErrorType::Modify,
            Self::Forbidden => ErrorType::Auth,
            Self::RecipientUnavailable
            | Self::RemoteServerTimeout
            | Self::ResourceConstraint
            | Self::StoredBelowLevel
            | Self::UnexpectedRequest => ErrorType::Wait,
            Self::Blocked
            | Self::Conflict
            | Self::FeatureNotImplemented
            | Self::ItemNotFound
            | Self::InternalServerError
            | Self::NotAllowed
            | Self::RemoteServerNotFound
            | Self::ServiceUnavailable => ErrorType::Cancel,
        }
    }

    /// Writes the `<error/>` element; `by` names the entity that found it.
    pub fn to_node(self, by: &str) -> Node {
        let error = Node::new("error", ns::CLIENT)
            .with_attr("type", self.error_type().name())
            .with_attr("by", by)
            .with_child(Node::new(self.condition(), ns::STANZA_ERRORS));
        match self {
            Self::Blocked => error.with_child(Node::new("blocked", ns::BLOCKING_ERRORS)),
            Self::StoredBelowLevel => error.with_child(Node::new("stored-below-level", ns::LEVEL_ERRORS)),
            Self::BadRequest
            | Self::Conflict
            | Self::FeatureNotImplemented
            | Self::Forbidden
            | Self::ItemNotFound
            | Self::InternalServerError
            | Self::JidMalformed
            | Self::NotAcceptable
            | Self::NotAllowed
            | Self::RecipientUnavailable
            | Self::RemoteServerNotFound
            | Self::RemoteServerTimeout
            | Self::ResourceConstraint
            | Self::ServiceUnavailable
            | Self::UnexpectedRequest => error,
        }
    }
}

impl ErrorType {
    /// Returns the value of the `type` attribute.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Cancel => "cancel",
            Self::Modify => "modify",
            Self::Wait => "wait",
        }
    }
}
