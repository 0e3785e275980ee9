//! From a failing seed to a kept regression: what failed is run again, made small, explained and kept.
//!
//! A *Repro* is the text of a scenario that fixes how it is run (`seed`, `slices`, `batch`) and says in its head what it
//! shows (`# repro: ORACLE/KIND`) and where that was found (`# found: FILE seed N`).

mod bisect;
mod causes;
mod ddmin;
mod explain;
mod keep;
mod lines;
mod passes;
mod search;
mod shrink;
mod simplify;
mod trial;

pub use bisect::{Difference, first_difference};
pub use explain::{Explanation, explain};
pub use keep::{fix, keep};
pub use lines::{Class, Head, Line, Script};
pub use search::{Judge, Shown};
pub use shrink::{Shrunk, Size, shrink, shrink_with};
pub use trial::{Caught, Trial, attempt, attempt_and_look, differs, finding, quietly, shows};
