//! One connection of a client.

use super::session::FOREVER;
use crate::engine::SimTime;

/// When something happened, and the number of its record: two things of one instant have an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// When.
    pub at: SimTime,
    /// The record.
    pub number: usize,
}

impl Mark {
    /// Later than anything.
    pub const FOREVER: Self = Self { at: FOREVER, number: usize::MAX };

    /// Returns the place right behind it.
    #[must_use]
    pub const fn after(self) -> Self {
        Self { at: self.at, number: self.number.saturating_add(1) }
    }
}

/// A connection, from the moment its client asks for one.
#[derive(Clone, Debug)]
pub struct Conn {
    /// Its client, by number.
    pub client: usize,
    /// When it was asked for.
    pub begun: SimTime,
    /// What its client did and saw on it, by number of record.
    pub records: Vec<usize>,
    /// When its client knew that it was gone.
    pub ended: Option<Mark>,
    /// When the first bytes of the server came.
    pub heard: Option<SimTime>,
    /// When its client ended the stream.
    pub closing: Option<Mark>,
    /// When the server was seen to have ended the stream, with an error or without.
    pub over: Option<Mark>,
    /// The condition with which the server ended the stream.
    pub error: Option<String>,
    /// Whether the server was seen to end the stream in order.
    pub footer: bool,
    /// Whether its session is that of an earlier connection.
    pub resumed: bool,
    /// Its session, if one was asked for.
    pub session: Option<usize>,
    /// The first record with text of which the model does not know what it is; what follows may be anything.
    pub wild: Option<usize>,
}

impl Conn {
    /// Creates a connection that is asked for.
    pub(super) const fn new(client: usize, begun: SimTime) -> Self {
        Self {
            client,
            begun,
            records: Vec::new(),
            ended: None,
            heard: None,
            closing: None,
            over: None,
            error: None,
            footer: false,
            resumed: false,
            session: None,
            wild: None,
        }
    }

    /// Returns whether its client believed at `at` that it was there.
    pub fn is_open(&self, at: SimTime) -> bool {
        self.begun <= at && self.ended.is_none_or(|ended| ended.at > at)
    }

    /// Returns whether nobody had ended the stream or the connection before the record `number`.
    pub fn stands(&self, number: usize) -> bool {
        let ends = [self.ended, self.closing, self.over];
        ends.into_iter().flatten().all(|end| end.number >= number)
    }

    /// Returns whether what the client sent with the record `number` may have been something else.
    pub fn is_wild(&self, number: usize) -> bool {
        self.wild.is_some_and(|wild| wild <= number)
    }
}
