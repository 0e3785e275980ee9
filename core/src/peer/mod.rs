//! One peer's link: bytes to values, as `stream` is for clients. It knows frames and time, and nothing of what is in them.
//!
//! Reading order: [`frame`](Frame) (what is cut out of the bytes), `hello`, [`beat`](Beat) and `bye` (what a link says for itself),
//! `entry` (what was written, and that it is safe), `held` (what nodes hold), `owned` and `routed` (what nodes tell each other of sessions and for them),
//! `lanes` (what goes first, and in which parts), `queue` (what is to be told), `profile` (what a way is like), `detect` (who is there), `link` (the
//! machine of one peer), `peers` (all of them, and who is not known yet); `words` makes frames of what is said.

mod beat;
mod bye;
mod detect;
mod entry;
mod field;
mod frame;
mod graph;
mod held;
mod hello;
mod lanes;
mod link;
mod over;
mod owned;
mod passed;
mod peers;
mod profile;
mod queue;
mod routed;
mod routes;
#[cfg(test)]
mod tests;
mod wire;
mod words;

pub use beat::Beat;
pub use entry::{DurableFrame, EntryFrame, GroupName};
pub use frame::{FRAME_MAX, Frame, FrameReader, Kind, Lane, Malformed};
pub(crate) use peers::{Around, PeerCx, Peers};
pub use profile::Profile;
