//! One peer's link: bytes to values, as `stream` is for clients. It knows frames and time, and nothing of what is in them.
//!
//! Reading order: [`frame`](Frame) (what is cut out of the bytes), `hello`, [`beat`](Beat) and `bye` (what a link says for itself),
//! `owned` and `routed` (what nodes tell each other),
//! `lanes` (what goes first, and in which parts), `profile` (what a way is like), `detect` (who is there), `link` (the
//! machine of one peer), `peers` (all of them, and who is not known yet).

mod beat;
mod bye;
mod detect;
mod field;
mod frame;
mod hello;
mod lanes;
mod link;
mod owned;
mod peers;
mod profile;
mod routed;
#[cfg(test)]
mod tests;
mod wire;

pub use beat::Beat;
pub use frame::{FRAME_MAX, Frame, FrameReader, Kind, Lane, Malformed};
pub(crate) use peers::{PeerCx, Peers};
pub use profile::Profile;
