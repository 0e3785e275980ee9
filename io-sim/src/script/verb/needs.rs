//! Lines that can be done and need more of a server than every version has.

use super::{Act, Part, Stage, Trouble, Watched};
use crate::script::capability;

#[derive(Debug)]
struct Needs {
    capability: &'static str,
    watched: Option<Watched>,
    inner: Box<dyn Act>,
}

/// Marks a line with what it needs.
pub(super) fn needs(capability: &'static str, inner: impl Act + 'static) -> Box<dyn Act> {
    Box::new(Needs { capability, watched: None, inner: Box::new(inner) })
}

/// Marks a line with what it needs, and with what clients must have asked for.
pub(super) fn watching(
    capability: &'static str,
    watched: Watched,
    inner: impl Act + 'static,
) -> Box<dyn Act> {
    Box::new(Needs { capability, watched: Some(watched), inner: Box::new(inner) })
}

impl Act for Needs {
    /// As long as servers lack what it needs, whatever cannot be done is for that reason.
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        let done = self.inner.act(stage);
        match (done, self.capability()) {
            (Err(Trouble::Wrong(_)), Some(capability)) => Err(Trouble::Pending(capability.into())),
            (done, _) => done,
        }
    }

    fn part(&self) -> Part {
        self.inner.part()
    }

    fn texts(&self) -> Vec<&str> {
        self.inner.texts()
    }

    fn capability(&self) -> Option<&'static str> {
        capability::missing(self.capability)
    }

    fn watched(&self) -> Option<Watched> {
        self.watched
    }
}
