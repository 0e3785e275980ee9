//! `eyot-sim replay` and `eyot-sim redact`: recordings.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use eyot_core::record::{End, redact};
use eyot_io_sim::replay::replay;

use crate::Outcome;
use crate::files::write_secretly;

/// Gives a recording to a new node and prints the digest of what that answers.
#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// What `run --record` or `eyot serve --record` wrote.
    file: PathBuf,
}

/// Copies a recording with the text of bodies and subjects replaced by filler of equal length.
///
/// Passwords and keys stay in it, or it would not replay.
#[derive(Debug, Args)]
pub(crate) struct Redact {
    /// The recording.
    from: PathBuf,
    /// The copy; it must not exist.
    to: PathBuf,
}

impl Replay {
    pub(crate) fn perform(&self, out: &mut impl Write) -> Outcome {
        let name = self.file.display();
        match std::fs::read(&self.file) {
            Ok(bytes) => replay_recording(&self.file, bytes, out),
            Err(error) => {
                writeln!(out, "{name}: {error}")?;
                Ok(2)
            }
        }
    }
}

fn replay_recording(path: &Path, bytes: Vec<u8>, out: &mut impl Write) -> Outcome {
    let name = path.display();
    match replay(bytes.into(), |_| {}) {
        Ok(found) => {
            let end = match (found.end, found.torn_at) {
                (Some(End::Stopped), _) => "the node stopped".into(),
                (Some(End::SizeBound), _) => "the recording reached its bound".into(),
                (None, Some(offset)) => format!("torn at byte {offset}"),
                (None, None) => "the process died".into(),
            };
            writeln!(out, "{name}: {} inputs, {} outputs, then {end}", found.inputs, found.outputs)?;
            writeln!(out, "digest {}", hex(&found.digest))?;
            Ok(0)
        }
        Err(error) => {
            writeln!(out, "{name}: {error}")?;
            Ok(2)
        }
    }
}

impl Redact {
    pub(crate) fn perform(&self, out: &mut impl Write) -> Outcome {
        match self.copy() {
            Ok(bytes) => {
                writeln!(out, "{}: {bytes} bytes, without bodies", self.to.display())?;
                Ok(0)
            }
            Err(what) => {
                writeln!(out, "{what}")?;
                Ok(2)
            }
        }
    }

    fn copy(&self) -> Result<usize, String> {
        let bytes = std::fs::read(&self.from).map_err(|error| format!("{}: {error}", self.from.display()))?;
        let redacted = redact(bytes.into()).map_err(|error| format!("{}: {error:?}", self.from.display()))?;
        write_secretly(&self.to, &redacted).map_err(|error| format!("{}: {error}", self.to.display()))?;
        Ok(redacted.len())
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
