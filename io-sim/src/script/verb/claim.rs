//! Expectations about one client.

use core::fmt::Debug;

use super::{Act, Part, Stage, Trouble};
use crate::client::Sight;
use crate::engine::SimSpan;
use crate::world::{Actor, ClientIx, Record};

/// Something that must hold of a client.
pub(super) trait Claim: Debug {
    /// Returns whether it holds, and what was seen instead.
    ///
    /// # Errors
    ///
    /// [`Trouble`] when the line names what there is not.
    fn holds(&self, stage: &Stage, client: ClientIx) -> Result<(bool, Vec<String>), Trouble>;

    /// Returns the texts in which it fills in what is open.
    fn texts(&self) -> Vec<&str> {
        Vec::new()
    }
}

/// The line of a claim.
#[derive(Debug)]
pub(super) struct Claims<C> {
    /// The client.
    pub(super) who: String,
    /// What must hold of it.
    pub(super) claim: C,
}

impl<C: Claim> Act for Claims<C> {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        let client = stage.client(&self.who)?;
        let (met, seen) = self.claim.holds(stage, client)?;
        stage.judge(met, seen);
        Ok(())
    }

    fn part(&self) -> Part {
        Part::Expect
    }

    fn texts(&self) -> Vec<&str> {
        self.claim.texts()
    }
}

/// Returns what a client did and saw in some records.
pub(super) fn of_client(
    records: &[Record],
    client: ClientIx,
) -> impl DoubleEndedIterator<Item = (&Record, &Sight)> {
    records.iter().filter_map(move |record| match &record.actor {
        Actor::Client(ix, sight) if *ix == client => Some((record, sight)),
        Actor::Client(..) | Actor::Node(..) | Actor::World(_) => None,
    })
}

/// Returns what a client did and saw in the chapter, and how long after its first deed.
pub(super) fn in_chapter(
    stage: &Stage,
    client: ClientIx,
) -> impl DoubleEndedIterator<Item = (SimSpan, &Sight)> {
    of_client(stage.records(), client).map(|(record, sight)| (record.at.since(stage.begun), sight))
}
