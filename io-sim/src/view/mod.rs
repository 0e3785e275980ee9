//! A run to look at: one page that holds its own picture, and a transcript in colour.
//!
//! [`page()`] draws what a [`Film`](crate::script::Film) holds: who wrote what when, when it was read at the other end, and what
//! went wrong between. [`paint()`] gives a transcript the colours of a terminal. Same run, same bytes.

mod arrow;
mod band;
mod diagram;
mod lanes;
mod legend;
mod life;
mod list;
mod markup;
mod page;
mod paint;
mod plan;
mod scale;
mod stroke;
#[cfg(test)]
mod tests;
mod words;

pub use page::{Shown, page};
pub use paint::{paint, title, verdict};
