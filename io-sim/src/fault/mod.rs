//! Faults as data: what may go wrong, when, and how much of it at once.
//!
//! A [`Fault`] is what a scenario writes behind `fault`; its `Display` is that text. [`Shape`] says which links a
//! partition cuts, [`Trigger`] when a line waits for something to happen, [`Budget`] how many faults may be in
//! force at once. The world brings faults about and undoes them ([`FaultRun`]).

mod budget;
mod clock;
mod id;
mod kind;
mod shape;
mod text;
mod trigger;

pub use budget::{Budget, Scarce};
pub use clock::{ClockFault, Date, Shift};
pub use id::{FaultId, FaultRun};
pub use kind::{DiskFault, Fault, Profile, Way};
pub use shape::{Shape, cuts};
pub use text::span_text;
pub use trigger::{Counted, TRACES, Trigger, trace_name};
