//! The certificate of a node: the operator's files, or one of our own making.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::data_dir::{DataDirError, Paths, write_private};
use crate::tls::{Tls, TlsError, fingerprint, self_signed};

/// Where a certificate and its key lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain, server's own certificate first, PEM.
    pub certificate: PathBuf,
    /// The private key, PEM.
    pub key: PathBuf,
}

/// A loaded certificate.
#[derive(Debug)]
pub struct Loaded {
    /// What the listeners use.
    pub tls: Tls,
    /// Where it came from.
    pub files: TlsFiles,
    /// Its SHA-256 fingerprint.
    pub fingerprint: String,
    /// Whether it was made by us, now or earlier: clients have to be told to trust it.
    pub self_made: bool,
}

/// Why there is no certificate.
#[derive(Debug)]
pub enum CertificateError {
    /// A file cannot be read or written.
    File(DataDirError),
    /// What is in it cannot be used.
    Content {
        /// Which files.
        files: TlsFiles,
        /// What is wrong.
        error: TlsError,
    },
}

/// Loads the operator's files, or those of the data directory, which are made for `domains` at the first start.
///
/// # Errors
///
/// [`CertificateError`]. A half-made pair is never used: the key is written first.
pub fn load(files: Option<&TlsFiles>, paths: &Paths, domains: &[String]) -> Result<Loaded, CertificateError> {
    let own = TlsFiles { certificate: paths.certificate(), key: paths.key() };
    if files.is_none() && !own.certificate.exists() {
        make(&own, domains)?;
    }
    let self_made = files.is_none();
    let files = files.cloned().unwrap_or(own);
    let chain = read(&files.certificate)?;
    let key = read(&files.key)?;
    let content = |error| CertificateError::Content { files: files.clone(), error };
    let tls = Tls::from_pem(&chain, &key).map_err(content)?;
    let fingerprint = fingerprint(&chain).map_err(content)?;
    Ok(Loaded { tls, files, fingerprint, self_made })
}

fn make(files: &TlsFiles, domains: &[String]) -> Result<(), CertificateError> {
    let made =
        self_signed(domains).map_err(|error| CertificateError::Content { files: files.clone(), error })?;
    write_private(&files.key, &made.key).map_err(CertificateError::File)?;
    write_private(&files.certificate, &made.certificate).map_err(CertificateError::File)
}

fn read(path: &Path) -> Result<Vec<u8>, CertificateError> {
    fs::read(path)
        .map_err(|error: io::Error| CertificateError::File(DataDirError::Io { path: path.to_owned(), error }))
}

impl std::fmt::Display for CertificateError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(error) => error.fmt(out),
            Self::Content { files, error } => write!(
                out,
                "{error} ({} and {}). Both are PEM; the server's own certificate stands first.",
                files.certificate.display(),
                files.key.display()
            ),
        }
    }
}

impl std::error::Error for CertificateError {}
