//! What passes between client and server that is no stanza, and what comes of it.

use bytes::Bytes;

/// Acknowledgements, resumption, and whether anybody looks (XEP-0198, XEP-0352).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nonza {
    /// It asks for acknowledgements.
    Enabling {
        /// Whether it wants to be able to resume.
        resume: bool,
    },
    /// The server acknowledges from here on.
    Enabled {
        /// What the server calls the session, where it can be resumed.
        id: Option<String>,
        /// How long the server keeps it, in seconds.
        max: Option<u32>,
    },
    /// The server refused to acknowledge.
    NotEnabled {
        /// The condition.
        condition: String,
    },
    /// It asks how much the server has handled.
    Asks,
    /// The server asks how much it has handled.
    Asked,
    /// It says how much it has handled, because the server asked.
    Answers {
        /// How many stanzas.
        h: u32,
    },
    /// It says how much it has handled, because it was told to.
    Says {
        /// How many stanzas.
        h: u32,
    },
    /// The server says how much it has handled.
    Acked {
        /// How many stanzas.
        h: u32,
    },
    /// It asks for the session of an earlier connection.
    Resuming {
        /// How many stanzas it says that it has handled.
        h: u32,
    },
    /// It has the session of an earlier connection.
    Resumed {
        /// How many stanzas the server has handled.
        h: u32,
    },
    /// The server refused to resume.
    ResumeFailed {
        /// The condition.
        condition: String,
        /// How many stanzas the server has handled, where it says so.
        h: Option<u32>,
    },
    /// It sends a stanza again that the server has not handled.
    Again(Bytes),
    /// It says whether anybody looks at it.
    Active(bool),
    /// The server ended the stream of the connection that the client has left.
    FormerError {
        /// The condition.
        condition: String,
    },
    /// The connection that the client has left is gone.
    FormerEnded,
}

impl Nonza {
    /// Returns whether the server said it on the connection that the client has.
    pub const fn is_said_by_server(&self) -> bool {
        match self {
            Self::Enabled { .. }
            | Self::NotEnabled { .. }
            | Self::Asked
            | Self::Acked { .. }
            | Self::Resumed { .. }
            | Self::ResumeFailed { .. } => true,
            Self::Enabling { .. }
            | Self::Asks
            | Self::Answers { .. }
            | Self::Says { .. }
            | Self::Resuming { .. }
            | Self::Again(_)
            | Self::Active(_)
            | Self::FormerError { .. }
            | Self::FormerEnded => false,
        }
    }

    /// Returns whether it is about the connection that the client has left.
    pub const fn is_of_former(&self) -> bool {
        matches!(self, Self::FormerError { .. } | Self::FormerEnded)
    }

    /// Returns whether it passes without anybody having told the client to do anything.
    pub const fn is_routine(&self) -> bool {
        matches!(self, Self::Asked | Self::Answers { .. })
    }
}
