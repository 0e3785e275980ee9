//! What makes a data directory that of a member of a cluster: its key, and a note of which cluster.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use eyot_core::config::StaticCluster;

use super::data_dir::{DataDirError, Paths, write_private};
use crate::peer_tls::{PeerTls, show_key};
use crate::tls::{TlsError, draw_seed, self_signed};

/// Why a node cannot be a member.
#[derive(Debug)]
pub enum MembershipError {
    /// A file cannot be read or written.
    File(DataDirError),
    /// The node's key or its certificate cannot be used.
    Key {
        /// The certificate.
        path: PathBuf,
        /// What is wrong.
        error: TlsError,
    },
    /// The configuration names another key for this node.
    OtherKey {
        /// The node.
        name: String,
        /// The key that it has.
        key: [u8; 32],
    },
    /// The data directory is that of a member, and the configuration names no cluster.
    Member(PathBuf),
    /// The data directory is that of a node that is alone.
    Alone(PathBuf),
    /// The data directory is that of another member, or of a member of another cluster.
    Other {
        /// The directory.
        dir: PathBuf,
        /// Whose it is: cluster and number.
        noted: String,
        /// Whose it would be.
        wanted: String,
    },
}

/// Loads the key by which other nodes know this one; makes it if there is none.
///
/// # Errors
///
/// [`MembershipError`]. A half-made pair is never used: the key is written first.
pub fn load_key(paths: &Paths) -> Result<PeerTls, MembershipError> {
    let (certificate, key) = (paths.peer_certificate(), paths.peer_key());
    let unusable = |error| MembershipError::Key { path: certificate.clone(), error };
    if !certificate.exists() {
        // The name is for people who look at the certificate; nodes look at the key.
        let made = self_signed(&["node.invalid".into()]).map_err(unusable)?;
        write_private(&key, &made.key).map_err(MembershipError::File)?;
        write_private(&certificate, &made.certificate).map_err(MembershipError::File)?;
    }
    PeerTls::from_pem(&read(&certificate)?, &read(&key)?).map_err(unusable)
}

/// Draws the secret of a cluster, as its file holds it.
///
/// # Errors
///
/// When the system gives no entropy.
pub fn draw_secret() -> io::Result<String> {
    Ok(format!("{}\n", hex(&draw_seed()?)))
}

/// Checks that the data directory is that of the node which the configuration describes, and notes whose it is at the
/// first start. To be called before the store is made.
///
/// # Errors
///
/// [`MembershipError`]; nothing was changed.
pub fn claim(paths: &Paths, cluster: Option<&StaticCluster>) -> Result<(), MembershipError> {
    let wanted = cluster.map(describe);
    let dir = || paths.dir().to_owned();
    match (noted(paths)?, wanted) {
        (None, None) => Ok(()),
        (Some(_), None) => Err(MembershipError::Member(dir())),
        (Some(noted), Some(wanted)) if noted == wanted => Ok(()),
        (Some(noted), Some(wanted)) => Err(MembershipError::Other { dir: dir(), noted, wanted }),
        (None, Some(_)) if paths.store().exists() => Err(MembershipError::Alone(dir())),
        (None, Some(wanted)) => {
            write_private(&paths.cluster(), &format!("{wanted}\n")).map_err(MembershipError::File)
        }
    }
}

/// Checks that the key is the one that the configuration names for this node.
///
/// # Errors
///
/// [`MembershipError::OtherKey`].
pub fn check_key(cluster: &StaticCluster, key: [u8; 32]) -> Result<(), MembershipError> {
    match cluster.own() {
        Some(own) if own.key != key => Err(MembershipError::OtherKey { name: own.name.clone(), key }),
        Some(_) | None => Ok(()),
    }
}

/// Returns whether a data directory is that of a member.
///
/// # Errors
///
/// [`MembershipError::File`].
pub fn is_member(paths: &Paths) -> Result<bool, MembershipError> {
    Ok(noted(paths)?.is_some())
}

fn noted(paths: &Paths) -> Result<Option<String>, MembershipError> {
    let path = paths.cluster();
    match fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text.trim_end().to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(MembershipError::File(DataDirError::Io { path, error })),
    }
}

fn describe(cluster: &StaticCluster) -> String {
    format!("cluster {} number {}", hex(&cluster.id), cluster.node)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn read(path: &Path) -> Result<Vec<u8>, MembershipError> {
    fs::read(path).map_err(|error| MembershipError::File(DataDirError::Io { path: path.to_owned(), error }))
}

impl fmt::Display for MembershipError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => error.fmt(out),
            Self::Key { path, error } => write!(
                out,
                "{error} ({} and the key beside it). Put both back, or remove both and give the members the new key.",
                path.display()
            ),
            Self::OtherKey { name, key } => write!(
                out,
                "the configuration names another key for {name}. This node's is {}: write it as the `key` of that \
                 member, on every node.",
                show_key(key)
            ),
            Self::Member(dir) => write!(
                out,
                "{} is that of a member of a cluster, and the configuration has no [cluster]. Start the node with \
                 the configuration it had: what it writes alone would not reach the others.",
                dir.display()
            ),
            Self::Alone(dir) => write!(
                out,
                "{} is that of a node that has run alone, and what it holds would not reach the others. Use an \
                 empty --data: a node cannot join with what it holds yet.",
                dir.display()
            ),
            Self::Other { dir, noted, wanted } => write!(
                out,
                "{} is that of {noted}, and the configuration says {wanted}. Correct `number` or `secret`, or choose \
                 another --data.",
                dir.display()
            ),
        }
    }
}

impl std::error::Error for MembershipError {}

#[cfg(test)]
mod tests {
    use eyot_core::config::ClusterSecret;

    use super::*;

    #[test]
    fn a_directory_stays_what_it_was_at_its_first_start() {
        let cluster = |node, id| StaticCluster {
            id: [id; 16],
            node,
            members: Vec::new(),
            routes: Vec::new(),
            grace: StaticCluster::GRACE,
            hysteresis: StaticCluster::HYSTERESIS,
            secret: ClusterSecret([0; 32]),
        };
        let temp = tempfile::tempdir().unwrap();
        let paths = Paths::new(temp.path());
        assert!(claim(&paths, None).is_ok());
        fs::write(paths.store(), "rows").unwrap();
        assert!(claim(&paths, None).is_ok());
        assert!(matches!(claim(&paths, Some(&cluster(1, 7))), Err(MembershipError::Alone(_))));
        assert!(!is_member(&paths).unwrap());

        fs::remove_file(paths.store()).unwrap();
        assert!(claim(&paths, Some(&cluster(1, 7))).is_ok());
        fs::write(paths.store(), "rows").unwrap();
        assert!(claim(&paths, Some(&cluster(1, 7))).is_ok() && is_member(&paths).unwrap());
        assert!(matches!(claim(&paths, None), Err(MembershipError::Member(_))));
        for other in [cluster(2, 7), cluster(1, 8)] {
            assert!(matches!(claim(&paths, Some(&other)), Err(MembershipError::Other { .. })));
        }
    }

    #[test]
    fn a_key_is_made_once() {
        let temp = tempfile::tempdir().unwrap();
        let paths = Paths::new(temp.path());
        let first = load_key(&paths).unwrap().key();
        assert_eq!(load_key(&paths).unwrap().key(), first);
        fs::remove_file(paths.peer_certificate()).unwrap();
        assert_ne!(load_key(&paths).unwrap().key(), first);
    }
}
