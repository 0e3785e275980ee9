//! Questions to archives, their preferences, and the removal of what they may not keep.

mod answer;
mod form;
mod prefs;
mod query;
mod run;
mod sweep;

pub(crate) use run::Mam;
pub(crate) use sweep::Sweep;
