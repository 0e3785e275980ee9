//! What happened, as clients, operators and the world itself can tell it.

use core::fmt;

use eyot_core::config::Level;
use eyot_core::io::{Answer, Boot, Command, CommandId};
use eyot_core::store::StoreBatch;

use crate::client::Sight;
use crate::engine::SimTime;
use crate::fault::{Fault, FaultId, Scarce};

/// A node of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeIx(pub(super) u32);

/// A client of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientIx(pub(super) u32);

/// Who has made a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Near {
    /// A client.
    Client(ClientIx),
    /// Another node.
    Node(NodeIx),
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub struct Record {
    /// When.
    pub at: SimTime,
    /// To whom.
    pub actor: Actor,
}

/// To whom something happened, and what.
#[derive(Clone, Debug)]
pub enum Actor {
    /// A client did or saw something.
    Client(ClientIx, Sight),
    /// Something happened to a node, or between it and its operator.
    Node(NodeIx, NodeSight),
    /// The world changed: a fault, or its end.
    World(WorldSight),
}

/// How the world has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorldSight {
    /// Something was done to it by hand.
    Note(String),
    /// A fault of the plan has begun.
    Begun {
        /// Which.
        id: FaultId,
        /// What.
        fault: Fault,
    },
    /// A fault of the plan has ended.
    Ended {
        /// Which.
        id: FaultId,
        /// What.
        fault: Fault,
    },
    /// A fault of the plan did not begin: the budget does not allow it.
    Refused {
        /// What.
        fault: Fault,
        /// What there is not enough of.
        budget: Scarce,
        /// How much of it is allowed.
        most: u32,
    },
}

/// The words of a transcript.
impl fmt::Display for WorldSight {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Note(what) => out.write_str(what),
            Self::Begun { fault, .. } => write!(out, "fault {fault}"),
            Self::Ended { fault, .. } => write!(out, "over: {fault}"),
            Self::Refused { fault, budget, most } => write!(out, "refused, budget {budget} {most}: {fault}"),
        }
    }
}

/// What can be told of a node from outside.
#[derive(Clone, Debug)]
pub enum NodeSight {
    /// Its process was started.
    Started,
    /// It is ready.
    Ready(Boot),
    /// An operator asked for something.
    Asked(CommandId, Command),
    /// The operator got an answer.
    Answered(CommandId, Answer),
    /// Its disk has made this durable.
    Synced(StoreBatch),
    /// The process was killed.
    Killed,
    /// The machine lost its power.
    PowerOff,
    /// It stopped as it was told.
    Stopped,
    /// It says that it reaches another node.
    Linked(Box<str>),
    /// It says on which of several ways it reaches another node.
    Route(Box<str>, Box<str>),
    /// It says that it does not reach another node any more, and why.
    Unlinked(Box<str>, &'static str),
    /// It says of the level of a domain how many there are to meet it.
    Level(Box<str>, Level, u32),
}

impl NodeIx {
    pub(crate) const fn at(self) -> usize {
        self.0 as usize
    }
}

impl Near {
    /// Returns the client, if one has made the connection.
    pub const fn client(self) -> Option<ClientIx> {
        match self {
            Self::Client(client) => Some(client),
            Self::Node(_) => None,
        }
    }
}

impl ClientIx {
    pub(crate) const fn at(self) -> usize {
        self.0 as usize
    }
}
