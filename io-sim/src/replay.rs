//! Replays a recording: the same inputs to the same core give the same outputs, byte for byte.

use bytes::Bytes;
use core::fmt;

use eyot_core::io::{Answer, Output};
use eyot_core::node::Node;
use eyot_core::record::{End, Entry, ReadError, RecordReader};
use eyot_core::store::{Key as Name, StoreQuery, Write};
use eyot_core::time::Instant;
use eyot_core::trace::Event;
use sha2::{Digest as _, Sha256};

/// A digest over every output of a node, in order, secrets included.
#[derive(Clone, Default)]
pub struct OutputDigest {
    hash: Sha256,
    outputs: u64,
}

/// What came of a replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    /// How many inputs there were.
    pub inputs: u64,
    /// How many outputs the node gave, [`Output::Wait`] included.
    pub outputs: u64,
    /// The digest over them.
    pub digest: [u8; 32],
    /// Why the recording ends; nothing when the death of its process cut it.
    pub end: Option<End>,
    /// Where a torn tail begins, if there is one. Everything before was replayed.
    pub torn_at: Option<usize>,
}

/// Why a recording cannot be replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplayError {
    /// It cannot be read.
    Unreadable(ReadError),
    /// Another version wrote it: this one need not give the same outputs.
    Version(String),
}

/// Feeds a recording to a new node and shows every output to `watch`.
///
/// # Errors
///
/// [`ReplayError`] when the recording cannot be read or is of another version. A torn tail is no error.
pub fn replay(recording: Bytes, mut watch: impl FnMut(&Output)) -> Result<Replay, ReplayError> {
    let mut reader = RecordReader::new(recording).map_err(ReplayError::Unreadable)?;
    if !reader.is_of_this_version() {
        return Err(ReplayError::Version(reader.version().into()));
    }
    let header = reader.header().clone();
    let mut node = Node::new(header.config, header.seed, header.start);
    let mut digest = OutputDigest::default();
    let mut inputs = 0;
    let mut drain = |node: &mut Node| loop {
        let output = node.poll_output();
        digest.add(&output);
        watch(&output);
        if matches!(output, Output::Wait { .. } | Output::Stopped) {
            return;
        }
    };
    drain(&mut node);
    let (end, torn_at) = loop {
        match reader.next_entry() {
            Ok(Some(Entry::Input { now, input })) => {
                inputs += 1;
                node.handle_input(now, input);
                drain(&mut node);
            }
            Ok(Some(Entry::End(end))) => break (Some(end), None),
            Ok(None) => break (None, None),
            Err(ReadError::Torn { offset }) => break (None, Some(offset)),
            Err(error) => return Err(ReplayError::Unreadable(error)),
        }
    };
    Ok(Replay { inputs, outputs: digest.outputs, digest: digest.finish(), end, torn_at })
}

/// Hands every part of an output to `add`, secrets included: a number for its kind, and its fields.
pub(crate) fn each_part(output: &Output, add: &mut dyn FnMut(u8, &[&[u8]])) {
    match output {
        Output::Send { conn, head, body } => add(1, &[&conn.0.to_be_bytes(), head, body]),
        Output::Connect { op, route, how } => {
            add(22, &[&op.0.to_be_bytes(), route.as_bytes(), format!("{how:?}").as_bytes()]);
        }
        Output::StartTls { conn } => add(2, &[&conn.0.to_be_bytes()]),
        Output::Close { conn, how } => {
            add(3, &[&conn.0.to_be_bytes(), format!("{how:?}").as_bytes()]);
        }
        Output::Hold { conn } => add(20, &[&conn.0.to_be_bytes()]),
        Output::Release { conn } => add(21, &[&conn.0.to_be_bytes()]),
        Output::Store { op, batch } => {
            add(4, &[&op.0.to_be_bytes(), &batch.writes.len().to_be_bytes()]);
            for write in &batch.writes {
                match write {
                    Write::Put { key, value } => add(5, &[key.as_bytes(), value]),
                    Write::Delete { key } => add(6, &[key.as_bytes()]),
                    Write::DeleteRange { from, to } => add(16, &[from.as_bytes(), to.as_bytes()]),
                }
            }
        }
        Output::Load { op, query } => match query {
            StoreQuery::Get { key } => add(7, &[&op.0.to_be_bytes(), key.as_bytes()]),
            StoreQuery::Many { keys } => {
                add(17, &[&op.0.to_be_bytes(), &keys.len().to_be_bytes()]);
                for key in keys {
                    add(18, &[key.as_bytes()]);
                }
            }
            StoreQuery::Range { from, to, limit } => {
                add(8, &range(&op.0.to_be_bytes(), from, to, &limit.to_be_bytes()));
            }
            StoreQuery::Back { from, to, limit } => {
                add(19, &range(&op.0.to_be_bytes(), from, to, &limit.to_be_bytes()));
            }
        },
        Output::Derive { op, request } => {
            let hash = format!("{:?} {}", request.hash, request.iterations);
            add(9, &[&op.0.to_be_bytes(), hash.as_bytes(), &request.password.0, &request.salt]);
        }
        Output::Reply { id, answer } => {
            let drawn = match answer {
                Answer::Account { drawn: Some(secret), .. } | Answer::Token(secret) => secret.0.clone(),
                Answer::Account { drawn: None, .. }
                | Answer::Done
                | Answer::Accounts { .. }
                | Answer::Cluster(_)
                | Answer::Refused(_) => Bytes::new(),
            };
            add(10, &[&id.0.to_be_bytes(), format!("{answer:?}").as_bytes(), &drawn]);
        }
        Output::Ready { boot } => add(11, &[&boot.start.to_be_bytes()]),
        // What comes with every stanza is written by hand: formatting would cost more than the hash of it.
        Output::Trace(Event::Routed { kind, copies }) => {
            add(15, &[kind.as_bytes(), &copies.to_be_bytes()]);
        }
        Output::Trace(event) => add(12, &[format!("{event:?}").as_bytes()]),
        Output::Stopped => add(13, &[]),
        Output::Wait { until, reason } => {
            let micros = until.map_or(0, Instant::as_micros);
            add(14, &[&[until.is_some().into()], &micros.to_be_bytes(), reason.as_bytes()]);
        }
    }
}

/// Returns the parts of a query for a range.
fn range<'a>(op: &'a [u8; 8], from: &'a Name, to: &'a Name, limit: &'a [u8; 4]) -> [&'a [u8]; 4] {
    [op, from.as_bytes(), to.as_bytes(), limit]
}

impl OutputDigest {
    /// Adds one output.
    pub fn add(&mut self, output: &Output) {
        self.outputs += 1;
        each_part(output, &mut |kind, parts| self.fields(kind, parts));
    }

    /// Returns how many outputs were added.
    pub const fn outputs(&self) -> u64 {
        self.outputs
    }

    /// Returns the digest.
    pub fn finish(&self) -> [u8; 32] {
        self.hash.clone().finalize().into()
    }

    fn fields(&mut self, kind: u8, parts: &[&[u8]]) {
        self.hash.update([kind]);
        for part in parts {
            self.hash.update((part.len() as u64).to_be_bytes());
            self.hash.update(part);
        }
    }
}

impl fmt::Debug for OutputDigest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("OutputDigest").field("outputs", &self.outputs).finish_non_exhaustive()
    }
}

impl fmt::Display for ReplayError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(ReadError::NoRecording) => out.write_str("this is no recording"),
            Self::Unreadable(ReadError::Format(format)) => write!(out, "its format {format} is unknown here"),
            Self::Unreadable(error) => write!(out, "it cannot be read: {error:?}"),
            Self::Version(version) => {
                write!(out, "version {version} wrote it; only the same version is sure to replay it")
            }
        }
    }
}

impl core::error::Error for ReplayError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::{RunOptions, Scenario, run};
    use crate::world::Options;

    const STORY: &str = "# A story.\n# docs/promises.md#p9\naccount alice\nclient alice on a\nalice comes online\nsettle\n\
        alice says to alice: hello\nexpect alice < message body hello\nstop a\nexpect a down\n";

    fn recorded() -> (Bytes, [u8; 32]) {
        let scenario = Scenario::parse("story", STORY).unwrap();
        let world = Options { record: true, ..Options::default() };
        let outcome = run(&scenario, RunOptions { world, ..RunOptions::default() });
        assert!(outcome.is_good(), "{:?}", outcome.verdicts);
        let recording = outcome.recordings.into_iter().next().unwrap();
        (recording.bytes, recording.digest)
    }

    #[test]
    fn a_replay_gives_the_same_outputs() {
        let (bytes, digest) = recorded();
        let replayed = replay(bytes, |_| {}).unwrap();
        assert_eq!(replayed.digest, digest);
        assert_eq!(replayed.end, Some(End::Stopped));
        assert!(replayed.inputs > 20, "{replayed:?}");
    }

    #[test]
    fn a_torn_tail_is_left_out_and_told() {
        let (bytes, digest) = recorded();
        let torn = replay(bytes.slice(..bytes.len() - 40), |_| {}).unwrap();
        assert!(torn.torn_at.is_some());
        assert_ne!(torn.digest, digest);
    }

    #[test]
    fn what_is_no_recording_is_refused() {
        let error = replay(Bytes::from_static(b"# A story."), |_| {}).unwrap_err();
        assert_eq!(error.to_string(), "this is no recording");
    }
}
