//! What an oracle has found.

use core::fmt;

use crate::engine::SimTime;

/// Something that must not be, and was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// When it showed.
    pub at: SimTime,
    /// What kind of thing it is.
    pub signature: Signature,
    /// The clients and nodes it is about.
    pub who: Vec<String>,
    /// What happened, for a person.
    pub what: String,
    /// The records of the history that show it, by number.
    pub records: Vec<usize>,
}

/// What an oracle says of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// How many things it judged: what would have been a violation had it been otherwise.
    pub count: usize,
    /// What it found.
    pub violations: Vec<Violation>,
}

impl Judged {
    /// Takes note of one thing that was judged, and of what was wrong with it.
    pub fn add(&mut self, found: Option<Violation>) {
        self.count += 1;
        self.violations.extend(found);
    }
}

/// What two findings have in common that are the same bug: shrinking keeps it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signature {
    /// The oracle; `panic`, `expect`, `complaint` or `hash` where none was asked.
    pub oracle: String,
    /// What it found, in lower case and hyphens, without names and numbers of the run.
    pub kind: String,
}

impl Signature {
    /// Creates a signature.
    pub fn new(oracle: &str, kind: &str) -> Self {
        Self { oracle: oracle.into(), kind: kind.into() }
    }

    /// Reads `oracle/kind`.
    pub fn parse(text: &str) -> Option<Self> {
        let (oracle, kind) = text.split_once('/')?;
        Some(Self::new(oracle, kind))
    }
}

/// `oracle/kind`.
impl fmt::Display for Signature {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.oracle, self.kind)
    }
}

/// One line: when, what kind, what.
impl fmt::Display for Violation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}: {}", self.at, self.signature, self.what)
    }
}
