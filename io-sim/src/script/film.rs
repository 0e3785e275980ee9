//! What is kept of a run for whoever draws it.

use super::stage::Stage;
use crate::oracle::Cast;
use crate::world::{Record, Wired};

/// Everything that was seen of a run, and what passed on its connections.
#[derive(Clone, Debug)]
pub struct Film {
    /// The domain that addresses without one belong to.
    pub domain: String,
    /// Who took part.
    pub cast: Cast,
    /// Everything that happened, oldest first.
    pub history: Vec<Record>,
    /// The record with which the story begins; what comes before is setting up.
    pub begun: usize,
    /// What passed on the connections.
    pub wired: Vec<Wired>,
}

impl Film {
    /// Takes what is to be kept from a stage on which the story has ended.
    pub(super) fn of(stage: &mut Stage) -> Self {
        Self {
            domain: stage.domain().into(),
            cast: stage.cast.clone(),
            history: stage.world.history().to_vec(),
            begun: stage.chapters.first().copied().unwrap_or_default(),
            wired: stage.world.take_wired(),
        }
    }
}
