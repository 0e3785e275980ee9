//! What the operator wants: the configuration file, overridden by flags, checked before anything is touched.

mod check;
pub mod cluster;
mod error;
pub mod file;
pub mod time;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use eyot_core::config::Config;
use eyot_core::io::ConnKind;

pub use error::ConfigError;

use super::certificate::TlsFiles;
use super::log::LogSettings;
use super::record::RecordSettings;

/// Everything `eyot serve` needs to know, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What the core needs to know.
    pub node: Config,
    /// The data directory.
    pub data: PathBuf,
    /// Where to listen.
    pub listen: Vec<Listen>,
    /// The operator's certificate; one is made when absent.
    pub tls: Option<TlsFiles>,
    /// What is logged.
    pub log: LogSettings,
    /// What is recorded, if anything.
    pub record: Option<RecordSettings>,
}

/// One listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Where.
    pub addr: SocketAddr,
    /// What for.
    pub kind: ConnKind,
    /// What to do when the address cannot be had.
    pub need: Need,
}

/// How much a listener is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Somebody asked for it: without it the node does not start.
    Required,
    /// It is there by default: IPv6 is missing on some machines.
    IfPossible,
}

/// What flags say; absent or empty where they say nothing.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--domain`, each time it stands there.
    pub domains: Vec<String>,
    /// `--data`.
    pub data: Option<PathBuf>,
    /// `--listen`; an empty list means none at all.
    pub starttls: Option<Vec<SocketAddr>>,
    /// `--listen-tls`; an empty list means none at all.
    pub direct_tls: Option<Vec<SocketAddr>>,
    /// `--log`.
    pub log: Option<String>,
    /// `--record` and `--record-limit`.
    pub record: Option<RecordSettings>,
}

/// Reads the file, if there is one, and lets the flags override it.
///
/// # Errors
///
/// [`ConfigError`] names file, line, key, what is wrong and what to do.
pub fn load(path: Option<&Path>, overrides: Overrides) -> Result<Settings, ConfigError> {
    let text = match path {
        Some(path) => std::fs::read_to_string(path).map_err(|error| ConfigError::unreadable(path, &error))?,
        None => String::new(),
    };
    parse(path, &text, overrides)
}

/// Does what [`load`] does with the text of a file.
///
/// # Errors
///
/// [`ConfigError`].
pub fn parse(path: Option<&Path>, text: &str, overrides: Overrides) -> Result<Settings, ConfigError> {
    let source = error::Source { path, text };
    let file = file::parse(&source)?;
    check::check(&source, file, overrides)
}
