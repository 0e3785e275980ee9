//! The three kinds of stanza and their types.

/// Kind and type of a stanza.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A message.
    Message(MessageType),
    /// A presence.
    Presence(PresenceType),
    /// A request or its answer.
    Iq(IqType),
}

/// The type of a message (RFC 6121, 5.2.2). An unknown type is a normal message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageType {
    /// `normal`, or no type.
    Normal,
    /// `chat`.
    Chat,
    /// `groupchat`.
    Groupchat,
    /// `headline`.
    Headline,
    /// `error`.
    Error,
}

/// The type of a presence (RFC 6121, 4.7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PresenceType {
    /// No type.
    Available,
    /// `unavailable`.
    Unavailable,
    /// `subscribe`.
    Subscribe,
    /// `subscribed`.
    Subscribed,
    /// `unsubscribe`.
    Unsubscribe,
    /// `unsubscribed`.
    Unsubscribed,
    /// `probe`.
    Probe,
    /// `error`.
    Error,
}

/// The type of an IQ (RFC 6120, 8.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IqType {
    /// `get`.
    Get,
    /// `set`.
    Set,
    /// `result`.
    Result,
    /// `error`.
    Error,
}

impl Kind {
    /// Reads element name and `type`; nothing when they name no stanza.
    pub fn parse(name: &str, stanza_type: Option<&str>) -> Option<Self> {
        match name {
            "message" => Some(Self::Message(MessageType::parse(stanza_type))),
            "presence" => PresenceType::parse(stanza_type).map(Self::Presence),
            "iq" => IqType::parse(stanza_type?).map(Self::Iq),
            _ => None,
        }
    }

    /// Returns the element name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Message(_) => "message",
            Self::Presence(_) => "presence",
            Self::Iq(_) => "iq",
        }
    }

    /// Returns the kind of an error that answers this kind.
    #[must_use]
    pub const fn error(self) -> Self {
        match self {
            Self::Message(_) => Self::Message(MessageType::Error),
            Self::Presence(_) => Self::Presence(PresenceType::Error),
            Self::Iq(_) => Self::Iq(IqType::Error),
        }
    }

    /// Returns the kind of an error that answers an element of this name and unreadable type.
    pub fn error_of(name: &str) -> Option<Self> {
        match name {
            "message" => Some(Self::Message(MessageType::Error)),
            "presence" => Some(Self::Presence(PresenceType::Error)),
            "iq" => Some(Self::Iq(IqType::Error)),
            _ => None,
        }
    }

    /// Returns whether it is a request, which has to be answered (RFC 6120, 8.2.3).
    pub const fn is_request(self) -> bool {
        matches!(self, Self::Iq(IqType::Get | IqType::Set))
    }

    /// Returns whether an error may be sent in answer (RFC 6120, 8.3.1: never to an error).
    pub const fn may_be_answered(self) -> bool {
        match self {
            Self::Message(kind) => !matches!(kind, MessageType::Error),
            Self::Presence(kind) => !matches!(kind, PresenceType::Error),
            Self::Iq(kind) => matches!(kind, IqType::Get | IqType::Set),
        }
    }
}

impl MessageType {
    fn parse(stanza_type: Option<&str>) -> Self {
        match stanza_type {
            Some("chat") => Self::Chat,
            Some("groupchat") => Self::Groupchat,
            Some("headline") => Self::Headline,
            Some("error") => Self::Error,
            Some(_) | None => Self::Normal,
        }
    }
}

impl PresenceType {
    /// Returns whether it is handled by the server of the account it is for, and never simply delivered.
    pub const fn is_about_subscriptions(self) -> bool {
        match self {
            Self::Subscribe | Self::Subscribed | Self::Unsubscribe | Self::Unsubscribed | Self::Probe => true,
            Self::Available | Self::Unavailable | Self::Error => false,
        }
    }

    fn parse(stanza_type: Option<&str>) -> Option<Self> {
        match stanza_type {
            None => Some(Self::Available),
            Some("unavailable") => Some(Self::Unavailable),
            Some("subscribe") => Some(Self::Subscribe),
            Some("subscribed") => Some(Self::Subscribed),
            Some("unsubscribe") => Some(Self::Unsubscribe),
            Some("unsubscribed") => Some(Self::Unsubscribed),
            Some("probe") => Some(Self::Probe),
            Some("error") => Some(Self::Error),
            Some(_) => None,
        }
    }
}

impl IqType {
    fn parse(stanza_type: &str) -> Option<Self> {
        match stanza_type {
            "get" => Some(Self::Get),
            "set" => Some(Self::Set),
            "result" => Some(Self::Result),
            "error" => Some(Self::Error),
            _ => None,
        }
    }
}
