//! One run of a text, whatever it comes to: a panic is a finding like any other.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook};
use std::sync::Once;

use crate::engine::{SimTime, TraceHash};
use crate::oracle::{Signature, Violation};
use crate::script::{Outcome, ParseError, RunOptions, Scenario, Stage, Waiting, run_and_look};

/// So often a text is run again before its runs count as all the same. What depends on an unordered map of two things
/// shows in every second run.
const AGAIN: usize = 16;

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Trial {
    /// What kind of failure it is, if it is one.
    pub signature: Option<Signature>,
    /// When it showed, where that is known.
    pub at: Option<SimTime>,
    /// Everything else; nothing when the run ended in a panic.
    pub outcome: Option<Outcome>,
    /// What the panic said, with its place.
    pub panic: Option<String>,
}

/// A panic that was caught.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caught {
    /// The file, without what depends on the machine.
    pub file: String,
    /// The line.
    pub line: u32,
    /// What it said.
    pub what: String,
}

thread_local! {
    /// What this thread has caught, while it is catching.
    static CATCHING: RefCell<Option<Caught>> = const { RefCell::new(None) };
}

/// The signature of a text whose runs are not all the same.
pub fn differs() -> Signature {
    Signature::new("hash", "differs")
}

impl Trial {
    /// Returns the hash of the run; nothing after a panic.
    pub fn hash(&self) -> Option<TraceHash> {
        self.outcome.as_ref().map(|outcome| outcome.hash)
    }
}

/// Runs a text once.
///
/// # Errors
///
/// [`ParseError`] when it is no scenario.
pub fn attempt(name: &str, text: &str, options: RunOptions) -> Result<Trial, ParseError> {
    attempt_and_look(name, text, options, |_, _| {})
}

/// Runs a text once, and shows the stage and what the oracles found to `look` at the end; not after a panic.
///
/// # Errors
///
/// [`ParseError`] when it is no scenario.
pub fn attempt_and_look(
    name: &str,
    text: &str,
    options: RunOptions,
    look: impl FnOnce(&Stage, &[Violation]),
) -> Result<Trial, ParseError> {
    let scenario = Scenario::parse(name, text)?;
    Ok(match quietly(|| run_and_look(&scenario, options, look)) {
        Ok(outcome) => {
            let waits = matches!(outcome.waiting(&scenario), Waiting::Still(_));
            let signature = if waits { None } else { outcome.signature() };
            let at = outcome.violations.first().map(|violation| violation.at);
            Trial { signature, at, outcome: Some(outcome), panic: None }
        }
        Err(caught) => Trial {
            signature: Some(Signature::new("panic", &caught.file)),
            at: None,
            outcome: None,
            panic: Some(format!("{}:{}: {}", caught.file, caught.line, caught.what)),
        },
    })
}

/// Runs a text until it is clear whether it shows `wanted`: once, or some times where two runs must differ.
///
/// # Errors
///
/// [`ParseError`] when it is no scenario.
pub fn shows(name: &str, text: &str, wanted: &Signature) -> Result<Option<Trial>, ParseError> {
    let options = RunOptions::default();
    let mut trial = attempt(name, text, options)?;
    let shown = if *wanted == differs() {
        let mut runs = 0;
        let mut differ = false;
        while runs < AGAIN && !differ {
            runs += 1;
            differ = attempt(name, text, options)?.hash() != trial.hash();
        }
        trial.signature = Some(differs());
        differ
    } else {
        trial.signature.as_ref() == Some(wanted)
    };
    Ok(shown.then_some(trial))
}

/// Returns what a text shows: what one run finds, or that two runs differ.
///
/// # Errors
///
/// [`ParseError`] when it is no scenario.
pub fn finding(name: &str, text: &str) -> Result<Trial, ParseError> {
    let trial = attempt(name, text, RunOptions::default())?;
    if trial.signature.is_some() {
        return Ok(trial);
    }
    Ok(shows(name, text, &differs())?.unwrap_or(trial))
}

/// Runs something; a panic in it is returned and nothing of it printed. Other threads panic as ever.
///
/// # Errors
///
/// [`Caught`] when it has panicked.
pub fn quietly<R>(run: impl FnOnce() -> R) -> Result<R, Caught> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| {
            if !note(info) {
                before(info);
            }
        }));
    });
    CATCHING.set(Some(Caught::default()));
    // What the closure leaves behind in a panic is the world of that run, which nobody sees again.
    let result = catch_unwind(AssertUnwindSafe(run));
    let caught = CATCHING.take().unwrap_or_default();
    result.map_err(|_| caught)
}

/// Keeps a panic, if this thread is catching.
fn note(info: &PanicHookInfo<'_>) -> bool {
    let (file, line) = info.location().map_or(("unknown", 0), |at| (at.file(), at.line()));
    let payload = info.payload();
    let text = payload.downcast_ref::<&str>().copied();
    let what = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("a panic");
    let caught = Caught { file: in_project(file), line, what: what.into() };
    CATCHING.with_borrow_mut(|catching| {
        let catches = catching.is_some();
        if catches {
            *catching = Some(caught);
        }
        catches
    })
}

/// A source file without what depends on the machine: packages of others lie at absolute paths.
fn in_project(file: &str) -> String {
    let file = file.replace('\\', "/");
    if !file.starts_with('/') && !file.contains(':') {
        return file;
    }
    let parts: Vec<&str> = file.split('/').collect();
    let package =
        parts.iter().rposition(|part| *part == "src").map_or(parts.len() - 1, |at| at.saturating_sub(1));
    parts.get(package..).unwrap_or_default().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_finding_with_its_file() {
        let caught = quietly(|| panic!("as planned")).unwrap_err();
        assert_eq!((caught.file.as_str(), caught.what.as_str()), ("io-sim/src/repro/trial.rs", "as planned"));
        assert_eq!(quietly(|| 5), Ok(5));
    }

    #[test]
    fn a_file_of_another_package_is_named_without_the_machine() {
        assert_eq!(in_project("/somewhere/registry/bytes-1.0/src/lib.rs"), "bytes-1.0/src/lib.rs");
        assert_eq!(in_project("core/src/node.rs"), "core/src/node.rs");
    }

    #[test]
    fn what_waits_for_a_capability_shows_nothing() {
        let text = |head: &str, line: &str| {
            format!("# S.\n# R\n{head}account alice\nclient alice on a\nalice logs in\n{line}\n")
        };
        let signature = |text: &str| finding("x", text).unwrap().signature;
        assert_eq!(signature(&text("", "expect alice online")), None);
        let found = signature(&text("", "expect alice offline")).unwrap();
        assert_eq!(found.to_string(), "expect/expect alice offline");
        assert_eq!(signature(&text("# pending: rooms\n", "expect alice offline")), None);
    }
}
