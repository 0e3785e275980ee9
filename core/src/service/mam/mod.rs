//! Questions to archives, their preferences, and the removal of what they may not keep.

mod answer;
#[cfg(test)]
pub(crate) mod asked;
mod form;
mod prefs;
mod query;
mod run;
mod sweep;

pub(crate) use run::Mam;
pub(crate) use sweep::Sweep;
