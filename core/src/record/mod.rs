//! The flight recorder: everything a node was given, from its start, as bytes.
//!
//! A node is a function of its seed, its configuration and its inputs, so a recording of these replays exactly.
//! It therefore holds whatever the inputs hold: messages, passwords, keys.
//!
//! A recording is a magic number, a format version and frames. A frame is the length of its payload (32 bits,
//! big endian), the payload (CBOR), and the first 8 bytes of SHA-256 over the check of the frame before it
//! (zeros at first) and the payload. So a tail that was torn by a crash is recognised, and so is a frame that
//! was lost or moved. The first frame is the header, the last one says why the recording ends.

mod codec;
mod frames;
mod redact;
#[cfg(test)]
mod samples;

pub use frames::{End, Entry, Header, ReadError, RecordReader, RecordWriter, WARNING};
pub use redact::{Redactor, redact};
