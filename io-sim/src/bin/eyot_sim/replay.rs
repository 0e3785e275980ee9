//! `eyot-sim replay` and `eyot-sim redact`: recordings, and failures that were written down.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use eyot_core::record::{End, redact};
use eyot_io_sim::oracle::Signature;
use eyot_io_sim::replay::replay;
use eyot_io_sim::repro::{Script, finding, shows};

use crate::Outcome;
use crate::explain::explain;
use crate::files::write_secretly;

/// Replays a recording on a new node, or runs a Repro again.
///
/// Of a recording it prints the digest of what the node answers. Of a Repro (its head says `# repro: ...`) it says whether
/// the same signature shows again: then it ends with 1, and with 0 when it does not show any more.
#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// What `run --record` or `eyot serve --record` wrote; or a Repro, as `shrink` writes it.
    file: PathBuf,
    /// Tells what led to the failure of a Repro.
    #[arg(long)]
    explain: bool,
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
            Ok(bytes) => match repro(&bytes) {
                Some((text, wanted)) => self.replay_repro(&text, &wanted, out),
                None => replay_recording(&self.file, bytes, out),
            },
            Err(error) => {
                writeln!(out, "{name}: {error}")?;
                Ok(2)
            }
        }
    }
}

impl Replay {
    fn replay_repro(&self, text: &str, wanted: &Signature, out: &mut impl Write) -> Outcome {
        let name = self.file.display().to_string();
        match shows(&name, text, wanted) {
            Ok(Some(trial)) => {
                writeln!(out, "{name}: shows {wanted} again")?;
                let found = trial.outcome.iter().flat_map(|outcome| &outcome.violations);
                for violation in found.filter(|violation| violation.signature == *wanted) {
                    writeln!(out, "{name}: {violation}")?;
                }
                if let Some(panic) = &trial.panic {
                    writeln!(out, "{name}: panic at {panic}")?;
                }
                if self.explain {
                    explain(&name, text, out)?;
                }
                Ok(1)
            }
            Ok(None) => {
                let other = finding(&name, text).ok().and_then(|trial| trial.signature);
                let other = other.map_or(String::new(), |other| format!(", but {other}"));
                writeln!(out, "{name}: does not show {wanted} any more{other}")?;
                Ok(u8::from(!other.is_empty()))
            }
            Err(error) => {
                writeln!(out, "{error}")?;
                Ok(2)
            }
        }
    }
}

/// Reads a file as a Repro, if it is one.
fn repro(bytes: &[u8]) -> Option<(String, Signature)> {
    let text = core::str::from_utf8(bytes).ok()?;
    Some((text.into(), Script::parse(text).head.repro?))
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
