//! The flight recorder's file: private, new, and bounded.
//!
//! What is written is `eyot_core::record`'s. Each turn of the node ends in one write, so a kill loses at most
//! the turn it struck; a torn end is recognised by the reader.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use eyot_core::io::Input;
use eyot_core::record::{End, Header, RecordWriter};
use eyot_core::time::Now;

use super::node::StartError;
use crate::driver::Recorder;

/// Bytes kept free for the last frame, which says why the recording ends.
const END_BYTES: u64 = 64;

/// What to record into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordSettings {
    /// The file; it must not exist.
    pub path: PathBuf,
    /// Bytes at which the recording ends.
    pub limit_bytes: u64,
}

/// A recording under way, or one that has ended.
#[derive(Debug)]
pub struct FileRecorder(Option<Open>);

#[derive(Debug)]
struct Open {
    file: File,
    writer: RecordWriter,
    /// Bytes that may still be written, without the last frame.
    left: u64,
}

impl FileRecorder {
    /// Creates the file, for its owner only, and writes the header.
    ///
    /// # Errors
    ///
    /// [`StartError::Record`]: the file exists, cannot be written, or the bound is too small for the header.
    pub fn create(settings: &RecordSettings, header: &Header) -> Result<Self, StartError> {
        let create = || {
            let (writer, bytes) = RecordWriter::header(header);
            let needed = bytes.len() as u64 + END_BYTES;
            let left = settings.limit_bytes.checked_sub(needed).ok_or_else(|| {
                io::Error::new(io::ErrorKind::InvalidInput, format!("it needs at least {needed} bytes"))
            })?;
            let mut file =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(&settings.path)?;
            file.write_all(&bytes)?;
            Ok(Self(Some(Open { file, writer, left })))
        };
        create().map_err(|error| StartError::Record { path: settings.path.clone(), error })
    }

    fn finish(&mut self, end: End) {
        let Some(Open { mut file, writer, .. }) = self.0.take() else { return };
        if let Err(error) = file.write_all(&writer.end(end)).and_then(|()| file.sync_all()) {
            tracing::error!(%error, "the end of the recording is not written");
        }
    }
}

impl Recorder for FileRecorder {
    fn record(&mut self, now: Now, input: &Input) {
        let Some(open) = &mut self.0 else { return };
        // Each frame continues the check of the one before: one that is not written must not have been.
        let mut writer = open.writer.clone();
        let frame = writer.frame(now, input);
        if let Some(left) = open.left.checked_sub(frame.len() as u64) {
            open.writer = writer;
            open.left = left;
            // At once: the input worth most is the one that a node did not survive.
            if let Err(error) = open.file.write_all(&frame) {
                tracing::error!(%error, "the recording ends here");
                self.0 = None;
            }
        } else {
            tracing::info!("the recording has reached its bound and ends");
            self.finish(End::SizeBound);
        }
    }

    fn stop(mut self: Box<Self>) {
        self.finish(End::Stopped);
    }
}
