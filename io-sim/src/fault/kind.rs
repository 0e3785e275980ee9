//! What may go wrong, and the text for it.

use core::fmt;

use super::clock::ClockFault;
use super::shape::Shape;
use super::text::span_text;
use crate::engine::SimSpan;
use crate::net::LinkProfile;

/// Something that goes wrong. Clients, nodes and sites by name, so that a plan can be read, written and cut down
/// without its world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The link of a client loses everything, in one direction or both.
    Cut {
        /// The client.
        client: String,
        /// The direction; both when absent.
        way: Option<Way>,
    },
    /// The link between two nodes loses everything.
    CutNodes {
        /// One node.
        from: String,
        /// The other.
        to: String,
        /// Whether only what the first sends to the second is lost.
        oneway: bool,
    },
    /// Links between nodes lose everything, in a pattern.
    Partition {
        /// The pattern.
        shape: Shape,
        /// Whether only one direction of each link is lost.
        oneway: bool,
    },
    /// Links of clients and between nodes are cut one by one, and healed in another order.
    Swizzle {
        /// How many of a hundred links, drawn for each.
        percent: u8,
    },
    /// The link of a client is cut for so long, whole for so long, and so on.
    Flap {
        /// The client.
        client: String,
        /// How long each.
        every: SimSpan,
    },
    /// The link of a client has another profile.
    Link {
        /// The client.
        client: String,
        /// The profile.
        profile: Profile,
        /// The direction; both when absent.
        way: Option<Way>,
    },
    /// The link between two nodes has another profile.
    LinkNodes {
        /// One node.
        from: String,
        /// The other.
        to: String,
        /// The profile.
        profile: Profile,
    },
    /// Both ends of a client's connection get a reset.
    Reset {
        /// The client.
        client: String,
    },
    /// The connection a client has leads nowhere; another one would not.
    Swallow {
        /// The client.
        client: String,
    },
    /// The machine of a client dies, and its link with it.
    Vanish {
        /// The client.
        client: String,
    },
    /// A client does not read.
    Stall {
        /// The client.
        client: String,
    },
    /// The process of a node dies.
    Kill {
        /// The node.
        node: String,
    },
    /// The machine of a node has no power.
    PowerOff {
        /// The node.
        node: String,
    },
    /// The process of a node stands still; its system goes on.
    Pause {
        /// The node.
        node: String,
    },
    /// The machine of a node has no power, and comes back with an empty disk.
    Wipe {
        /// The node.
        node: String,
    },
    /// Each input of a node is handled so much later.
    Slow {
        /// The node.
        node: String,
        /// How much.
        by: SimSpan,
    },
    /// A clock of a node is wrong.
    Clock {
        /// The node.
        node: String,
        /// What is wrong with it.
        what: ClockFault,
    },
    /// Something is wrong with the disk of a node.
    Disk {
        /// The node.
        node: String,
        /// What is wrong with it.
        what: DiskFault,
    },
    /// All nodes of a site are without power, and all their links dead.
    Site {
        /// The site.
        site: String,
    },
}

/// One direction of the link of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the client to its node.
    Up,
    /// From the node to the client.
    Down,
}

/// A link profile with the name that the scenario has for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The name.
    pub name: String,
    /// The profile.
    pub link: LinkProfile,
}

/// A disk that does not do as it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskFault {
    /// Writes are refused: there is no room.
    Full,
    /// Every operation takes so much longer.
    Slow(SimSpan),
    /// Reads fail.
    ReadError,
    /// Writes fail.
    WriteError,
    /// When the power fails, some first part of what is in flight is written all the same, and half of the batch behind
    /// it. The engine of a node discards half a batch when it starts, so at this level that one is lost.
    Torn,
    /// What is answered as durable is not: it is lost when the power fails before the disk tells the truth again.
    Lying,
}

impl Fault {
    /// Returns whom it touches: names of clients, nodes and sites; nothing when it may touch anybody.
    pub fn subjects(&self) -> Vec<&str> {
        match self {
            Self::Cut { client, .. }
            | Self::Flap { client, .. }
            | Self::Link { client, .. }
            | Self::Reset { client }
            | Self::Swallow { client }
            | Self::Vanish { client }
            | Self::Stall { client } => vec![client],
            Self::Kill { node }
            | Self::PowerOff { node }
            | Self::Pause { node }
            | Self::Wipe { node }
            | Self::Slow { node, .. }
            | Self::Clock { node, .. }
            | Self::Disk { node, .. } => vec![node],
            Self::CutNodes { from, to, .. } | Self::LinkNodes { from, to, .. } => vec![from, to],
            Self::Site { site } => vec![site],
            Self::Partition { .. } | Self::Swizzle { .. } => Vec::new(),
        }
    }

    /// Returns whether it is over as soon as it has begun.
    pub const fn is_instant(&self) -> bool {
        matches!(self, Self::Reset { .. })
    }

    /// Returns whether nodes of the scenario may report errors of their own because of it.
    pub const fn is_reported(&self) -> bool {
        matches!(
            self,
            Self::Disk { what: DiskFault::Full | DiskFault::ReadError | DiskFault::WriteError, .. }
        )
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut { client, way } => write!(out, "cut {client}{}", way_text(*way)),
            Self::CutNodes { from, to, oneway } => write!(out, "cut {from} {to}{}", oneway_text(*oneway)),
            Self::Partition { shape, oneway } => write!(out, "partition {shape}{}", oneway_text(*oneway)),
            Self::Swizzle { percent: 100 } => out.write_str("swizzle"),
            Self::Swizzle { percent } => write!(out, "swizzle {percent}"),
            Self::Flap { client, every } => write!(out, "flap {client} every {}", span_text(*every)),
            Self::Link { client, profile, way } => {
                write!(out, "link {client} {}{}", profile.name, way_text(*way))
            }
            Self::LinkNodes { from, to, profile } => write!(out, "link {from} {to} {}", profile.name),
            Self::Reset { client } => write!(out, "reset {client}"),
            Self::Swallow { client } => write!(out, "swallow {client}"),
            Self::Vanish { client } => write!(out, "vanish {client}"),
            Self::Stall { client } => write!(out, "stall {client}"),
            Self::Kill { node } => write!(out, "kill {node}"),
            Self::PowerOff { node } => write!(out, "poweroff {node}"),
            Self::Pause { node } => write!(out, "pause {node}"),
            Self::Wipe { node } => write!(out, "wipe {node}"),
            Self::Slow { node, by } => write!(out, "slow {node} {}", span_text(*by)),
            Self::Clock { node, what } => write!(out, "clock {node} {what}"),
            Self::Disk { node, what } => write!(out, "disk {node} {what}"),
            Self::Site { site } => write!(out, "site {site}"),
        }
    }
}

impl fmt::Display for DiskFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => out.write_str("full"),
            Self::Slow(span) => write!(out, "slow {}", span_text(*span)),
            Self::ReadError => out.write_str("read-error"),
            Self::WriteError => out.write_str("error"),
            Self::Torn => out.write_str("torn"),
            Self::Lying => out.write_str("lying"),
        }
    }
}

const fn way_text(way: Option<Way>) -> &'static str {
    match way {
        Some(Way::Up) => " up",
        Some(Way::Down) => " down",
        None => "",
    }
}

const fn oneway_text(oneway: bool) -> &'static str {
    if oneway { " oneway" } else { "" }
}
