//! The files of the project as values, and what a check finds in them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use crate::run;

/// The text files of the project, by path relative to its root.
#[derive(Debug)]
pub struct Repo {
    root: PathBuf,
    texts: BTreeMap<String, String>,
    others: BTreeSet<String>,
}

/// Something that a check objects to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file.
    pub path: String,
    /// The line, counted from one; zero when the whole file is meant.
    pub line: usize,
    /// What is wrong and what to do about it.
    pub what: String,
}

impl Repo {
    /// Reads the project that this task runner was built in: everything git tracks or would add.
    ///
    /// # Errors
    ///
    /// A message when git cannot list the files.
    pub fn open() -> Result<Self, String> {
        let root = root();
        let listed =
            run::output("git", &["ls-files", "--cached", "--others", "--exclude-standard", "-z"], &root)?;
        let mut repo = Self { root, texts: BTreeMap::new(), others: BTreeSet::new() };
        for path in listed.split('\0').filter(|path| !path.is_empty()) {
            // What is tracked and deleted in the work tree is no part of what is checked.
            let Ok(bytes) = std::fs::read(repo.root.join(path)) else { continue };
            match String::from_utf8(bytes) {
                Ok(text) => drop(repo.texts.insert(path.into(), text)),
                Err(_) => drop(repo.others.insert(path.into())),
            }
        }
        Ok(repo)
    }

    /// Makes a project of the given files, for tests of the checks.
    pub fn of(files: &[(&str, &str)]) -> Self {
        let texts = files.iter().map(|(path, text)| ((*path).into(), (*text).into())).collect();
        Self { root: root(), texts, others: BTreeSet::new() }
    }

    /// Returns the directory of the project.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the text of one file.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.texts.get(path).map(String::as_str)
    }

    /// Returns all text files in the order of their paths.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// Returns the Rust files below `folder` (all when empty).
    pub fn rust(&self, folder: &str) -> impl Iterator<Item = (&str, &str)> {
        self.texts().filter(move |(path, _)| has_ending(path, "rs") && path.starts_with(folder))
    }

    /// Tells whether `path` is a file or a folder of the project.
    pub fn has(&self, path: &str) -> bool {
        let folder = format!("{}/", path.trim_end_matches('/'));
        let path = path.trim_end_matches('/');
        self.texts.contains_key(path)
            || self.others.contains(path)
            || self.texts.keys().chain(&self.others).any(|file| file.starts_with(&folder))
    }
}

impl Finding {
    /// Creates a finding at a line, counted from one.
    pub fn at(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self { path: path.into(), line, what: what.into() }
    }

    /// Creates a finding about a whole file.
    pub fn of(path: &str, what: impl Into<String>) -> Self {
        Self::at(path, 0, what)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(out, "{}: {}", self.path, self.what),
            line => write!(out, "{}:{line}: {}", self.path, self.what),
        }
    }
}

/// Tells whether a path ends with `.` and `ending`.
pub fn has_ending(path: &str, ending: &str) -> bool {
    path.rsplit_once('.').is_some_and(|(_, found)| found == ending)
}

/// The directory of the project, as it was when this task runner was built.
fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.ancestors().nth(2).unwrap_or(own).to_path_buf()
}
