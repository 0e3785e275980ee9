//! Scenario files: text, one verb a line, read into acts and run on a world.
//!
//! `scenarios/README.md` has all verbs on one screen. Each verb (or small group) is one file in `verb/`.

mod capability;
mod cluster;
mod film;
mod run;
mod scenario;
mod scope;
mod stage;
mod text;
mod verb;
mod words;

pub use capability::{BUILT, ROADMAP};
pub(crate) use cluster::cluster_of;
pub use film::Film;
#[cfg(test)]
pub(crate) use run::play;
pub use run::{Outcome, RunOptions, Verdict, Waiting, judge, run, run_and_look};
pub use scenario::{Fixed, ParseError, Scenario, Step, is_template};
pub use scope::Scope;
pub use stage::{Stage, Trouble};
#[cfg(test)]
pub(crate) use verb::leading;
pub use verb::{Act, Before, Form, Names, Pace, Part, Watched, forms};
