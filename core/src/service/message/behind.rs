//! What is here and a session that has come from another node was not given there: it is owed to that session.
//!
//! Rests on the replication rule R17: the new owner gives exactly what it has and the delivery vector of the session does not cover.
//!
//! Shown by: scenarios/cluster/resume.scn, core/src/node/tests/moving.rs.

use std::collections::BTreeMap;

use super::accept::Messages;
use crate::directory::SessionId;
use crate::io::OpId;
use crate::jid::BareJid;
use crate::replica::{Dot, Vector};
use crate::service::cx::Cx;
use crate::service::effect::Effect;
use crate::service::ops::Owner;
use crate::session::Session;
use crate::store::{Row, StoreError};
use crate::sync::{is_full, received};
use crate::trace::Event;

/// Sessions for which it is looked up.
#[derive(Debug, Default)]
pub(super) struct Behind {
    by: BTreeMap<OpId, Look>,
    /// What could not be read, and is read again.
    failed: Vec<Look>,
}

#[derive(Debug)]
struct Look {
    id: SessionId,
    owner: BareJid,
    /// What the node had from which it has come.
    held: Vector,
    /// What is to be looked at, the last run first.
    runs: Vec<(Dot, u64)>,
}

impl Messages {
    /// A session has come from a node that had `held` on its disk. What comes for its account meanwhile waits.
    pub(crate) fn look_behind(&mut self, cx: &mut Cx<'_>, id: SessionId, held: Vector) {
        let session = cx.directory.get(id).filter(|session| session.takes_bare_messages());
        let Some(owner) = session.map(|session| session.jid.bare()) else { return };
        let runs = cx.groups.beside(owner.domain(), &held);
        if !runs.is_empty() {
            self.drains.begin(cx, &owner, id);
            self.look_on(cx, Look { id, owner, held, runs });
        }
    }

    /// Reads again what could not be read.
    pub(super) fn look_again(&mut self, cx: &mut Cx<'_>) {
        for look in core::mem::take(&mut self.behind.failed) {
            self.look_on(cx, look);
        }
    }

    fn look_on(&mut self, cx: &mut Cx<'_>, look: Look) {
        let query = look.runs.last().and_then(|run| cx.groups.beside_query(look.owner.domain(), *run));
        match query {
            Some(query) => {
                let op = cx.load(Owner::Message, query);
                self.behind.by.insert(op, look);
            }
            None => cx.effect(Effect::Left(look.owner)),
        }
    }

    /// Takes rows of the index in, if it was they who were asked for.
    pub(super) fn behind_loaded(
        &mut self,
        cx: &mut Cx<'_>,
        op: OpId,
        outcome: &Result<Vec<Row>, StoreError>,
    ) -> bool {
        let Some(mut look) = self.behind.by.remove(&op) else { return false };
        let rows = match outcome {
            Ok(rows) => rows.as_slice(),
            Err(error) => {
                cx.trace(Event::StoreFailed { error: *error });
                self.behind.failed.push(look);
                return true;
            }
        };
        let mut last = None;
        for (dot, place) in rows.iter().filter_map(|row| received(row, &look.owner)) {
            last = Some(dot);
            let lacks = |session: &Session| !session.delivery.was_given(dot_of(place, dot));
            let is_due = cx.directory.get(look.id).is_some_and(lacks);
            let due = place.filter(|place| is_due && !look.held.covers(place.dot));
            let Some(place) = due.filter(|place| self.owe(cx, &look.owner, *place, None)) else { continue };
            // It is left to nobody any more: this one was meant.
            cx.archives.change_open(&look.owner, |open| {
                open.take_up(place.dot);
                true
            });
        }
        let run = look.runs.pop();
        if let Some((_, until)) = run.filter(|_| is_full(rows))
            && let Some(last) = last.filter(|last| last.seq < until)
        {
            look.runs.push((last.origin.dot(last.seq + 1), until));
        }
        self.look_on(cx, look);
        true
    }
}

fn dot_of(place: Option<crate::replica::Place>, dot: Dot) -> Dot {
    place.map_or(dot, |place| place.dot)
}
