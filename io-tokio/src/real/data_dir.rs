//! The directory that holds everything a node keeps, and the lock that gives it one owner.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// A data directory that this process owns until the value is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct DataDir {
    paths: Paths,
    created: bool,
    _lock: File,
}

/// What lies where in a data directory.
#[derive(Clone, Debug)]
pub struct Paths {
    dir: PathBuf,
}

/// Why a data directory cannot be used.
#[derive(Debug)]
pub enum DataDirError {
    /// Another process owns it.
    Locked {
        /// The directory.
        dir: PathBuf,
        /// The other process, where it told its number.
        pid: Option<u32>,
    },
    /// There is no such directory, and none was to be created.
    Missing(PathBuf),
    /// The operating system refused something.
    Io {
        /// On which path.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
}

impl Paths {
    /// Names the paths below `dir`.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// Returns the directory itself.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Returns the path of the store.
    pub fn store(&self) -> PathBuf {
        self.dir.join("store")
    }

    /// Returns the path of the log before the store.
    pub fn store_log(&self) -> PathBuf {
        self.dir.join("store-log")
    }

    /// Returns the path of the control socket.
    pub fn control(&self) -> PathBuf {
        self.dir.join("control.sock")
    }

    /// Returns the path of the self-made certificate.
    pub fn certificate(&self) -> PathBuf {
        self.dir.join("cert.pem")
    }

    /// Returns the path of its key.
    pub fn key(&self) -> PathBuf {
        self.dir.join("key.pem")
    }

    /// Returns the path of the certificate that is shown to other nodes.
    pub fn peer_certificate(&self) -> PathBuf {
        self.dir.join("peer-cert.pem")
    }

    /// Returns the path of its key.
    pub fn peer_key(&self) -> PathBuf {
        self.dir.join("peer-key.pem")
    }

    /// Returns the path of the note that says which member of which cluster this is.
    pub fn cluster(&self) -> PathBuf {
        self.dir.join("cluster")
    }

    fn lock(&self) -> PathBuf {
        self.dir.join("lock")
    }

    fn domains(&self) -> PathBuf {
        self.dir.join("domains")
    }

    /// Reads which domains the node served last, so that commands mean the same while it is down.
    ///
    /// # Errors
    ///
    /// [`DataDirError::Io`] when there is such a note and it cannot be read.
    pub fn served_domains(&self) -> Result<Option<Vec<String>>, DataDirError> {
        let path = self.domains();
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text.lines().map(str::to_owned).collect())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(DataDirError::Io { path, error }),
        }
    }
}

impl DataDir {
    /// Creates the directory where it is missing, for its owner only, and takes its lock.
    ///
    /// # Errors
    ///
    /// [`DataDirError`]; nothing in an existing directory was changed.
    pub fn create(paths: Paths) -> Result<Self, DataDirError> {
        let created = !paths.dir.exists();
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&paths.dir);
        made.map_err(|error| DataDirError::Io { path: paths.dir.clone(), error })?;
        Self::open(paths).map(|dir| Self { created, ..dir })
    }

    /// Takes the lock of a directory that exists.
    ///
    /// # Errors
    ///
    /// [`DataDirError`]; nothing in the directory was changed.
    pub fn open(paths: Paths) -> Result<Self, DataDirError> {
        if !paths.dir.is_dir() {
            return Err(DataDirError::Missing(paths.dir));
        }
        let path = paths.lock();
        let fail = |error| DataDirError::Io { path: path.clone(), error };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut lock = options.open(&path).map_err(fail)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // Only for the message; without it the message names no process.
                let read = lock.read_to_string(&mut text);
                let pid = read.ok().and_then(|_| text.trim().parse().ok());
                return Err(DataDirError::Locked { dir: paths.dir, pid });
            }
            Err(TryLockError::Error(error)) => return Err(fail(error)),
        }
        lock.set_len(0).map_err(fail)?;
        writeln!(lock, "{}", std::process::id()).map_err(fail)?;
        Ok(Self { paths, created: false, _lock: lock })
    }

    /// Returns what lies where.
    pub fn paths(&self) -> &Paths {
        &self.paths
    }

    /// Whether this process created the directory.
    pub fn was_created(&self) -> bool {
        self.created
    }

    /// Notes which domains the node serves.
    ///
    /// # Errors
    ///
    /// [`DataDirError::Io`].
    pub fn note_domains(&self, domains: &[String]) -> Result<(), DataDirError> {
        let mut text = domains.join("\n");
        text.push('\n');
        write_private(&self.paths.domains(), &text)
    }
}

/// Writes a file that only its owner may read; a reader sees the old content or the new, never half.
///
/// # Errors
///
/// [`DataDirError::Io`].
pub fn write_private(path: &Path, text: &str) -> Result<(), DataDirError> {
    let new = path.with_extension("new");
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
    };
    write().map_err(|error| DataDirError::Io { path: path.to_owned(), error })
}

impl fmt::Display for DataDirError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked { dir, pid: Some(pid) } => {
                write!(
                    out,
                    "{} is in use by process {pid}. Stop it, or choose another --data.",
                    dir.display()
                )
            }
            Self::Locked { dir, pid: None } => {
                write!(
                    out,
                    "{} is in use by another process. Stop it, or choose another --data.",
                    dir.display()
                )
            }
            Self::Missing(dir) => write!(
                out,
                "{} does not exist: no node has run there yet. Start one with `eyot serve`, or say where its \
                 data is with --data.",
                dir.display()
            ),
            Self::Io { path, error } => write!(out, "{}: {error}", path.display()),
        }
    }
}

impl std::error::Error for DataDirError {}
