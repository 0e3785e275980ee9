//! Many seeds: what each comes to, and what all of them come to together.
//!
//! Reading order: [`Subject`] (a template or a story, told with a seed), [`Told`] (what came of it), [`Tally`] (all of them,
//! counted), [`Fleet`] (the templates of a sweep together), [`State`] (a tally that can be put aside), [`record()`] (the page that keeps
//! the figures).

mod fleet;
mod page;
mod state;
mod subject;
mod tally;
mod told;

pub use fleet::{Fleet, Judged};
pub use page::{Row, record};
pub use state::{Stamp, State};
pub use subject::Subject;
pub use tally::{Found, Tally};
pub use told::{Failure, Measures, Told};
