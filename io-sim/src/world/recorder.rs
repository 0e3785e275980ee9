//! What a node was given and what it said, kept for a replay.

use bytes::Bytes;
use eyot_core::io::{Input, Output};
use eyot_core::record::{End, Header, RecordWriter};
use eyot_core::time::Now;

use crate::replay::OutputDigest;

/// A recording of one run of a node.
#[derive(Clone, Debug)]
pub struct Recording {
    /// The recording, in the format of `eyot_core::record`.
    pub bytes: Bytes,
    /// The digest over every output of the node: what a replay must give again.
    pub digest: [u8; 32],
}

/// A recording under way.
#[derive(Debug)]
pub(super) struct Recorder {
    writer: RecordWriter,
    bytes: Vec<u8>,
    digest: OutputDigest,
}

impl Recorder {
    pub(super) fn begin(header: &Header) -> Self {
        let (writer, bytes) = RecordWriter::header(header);
        Self { writer, bytes, digest: OutputDigest::default() }
    }

    pub(super) fn input(&mut self, now: Now, input: &Input) {
        self.bytes.append(&mut self.writer.frame(now, input));
    }

    pub(super) fn output(&mut self, output: &Output) {
        self.digest.add(output);
    }

    /// Returns the recording as the death of its process would leave it.
    pub(super) fn so_far(&self) -> Recording {
        Recording { bytes: Bytes::copy_from_slice(&self.bytes), digest: self.digest.finish() }
    }

    /// Ends the recording: the node has stopped.
    pub(super) fn end(mut self) -> Recording {
        self.bytes.append(&mut self.writer.end(End::Stopped));
        Recording { bytes: self.bytes.into(), digest: self.digest.finish() }
    }
}
