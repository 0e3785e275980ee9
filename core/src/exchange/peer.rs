//! What the links to other nodes and the node tell each other.

use crate::replica::Origin;
use crate::time::Span;

/// What a node says of itself first on each connection with another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hello {
    /// The first and the last version of the frames that it speaks.
    pub(crate) versions: (u16, u16),
    /// Its cluster.
    pub(crate) cluster: [u8; 16],
    /// Its incarnation.
    pub(crate) origin: Origin,
    /// Its name, for operators.
    pub(crate) name: Box<str>,
    /// Its site.
    pub(crate) site: Box<str>,
    /// How often it says that it is there.
    pub(crate) heartbeat: Span,
    /// How long it lets the other one be silent at least.
    pub(crate) silent: Span,
    /// Bytes of the largest frame that it takes.
    pub(crate) frame_max: u16,
}

/// What the link to another node tells the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FromPeer {
    /// This member can be reached, and is this incarnation of itself.
    Up(u32, Hello),
    /// It is reached over another connection: what was under way on the one before may be lost.
    Moved(u32),
    /// It cannot be reached.
    Down(u32, &'static str),
    /// A connection was refused, by one of the two sides; of the member that it came from, where that is known.
    Refused(Option<u32>, &'static str),
}
