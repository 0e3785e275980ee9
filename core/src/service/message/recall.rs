//! What was left to sessions of other nodes is owed here, when those are gone and nobody says that they were given it.
//!
//! Rests on the replication rules R17 (the mark says what was given) and R19 (what nobody was given is looked at again).
//!
//! Shown by: scenarios/cluster/offline-killed.scn, core/src/node/tests/marks.rs.

use std::collections::BTreeMap;

use super::accept::Messages;
use super::mark::{is_elsewhere, is_given};
use crate::archive::{self, Direction, Entry};
use crate::io::OpId;
use crate::jid::BareJid;
use crate::replica::{Account, Hlc, Origin, Place, Runs};
use crate::service::cx::Cx;
use crate::service::effect::Why;
use crate::service::ops::Owner;
use crate::store::{Key, Row, StoreError, StoreQuery};
use crate::trace::Event;

/// Entries looked at in one step.
const PAGE: u32 = 256;

/// Accounts for which it is looked up what was left to others.
#[derive(Debug, Default)]
pub(super) struct Recalls(BTreeMap<OpId, Recall>);

#[derive(Debug)]
struct Recall {
    owner: BareJid,
    /// For what is owed already there is no room.
    full: Vec<Place>,
    /// What was left when this began, if all of it is looked up.
    all: Vec<(Origin, Runs)>,
    /// Up to where it is looked up, if not to the end.
    until: Option<Hlc>,
}

impl Messages {
    /// Looks up what was left to others, unless one of them is seen: who is here is given that before anything else that is owed.
    pub(crate) fn recall(&mut self, cx: &mut Cx<'_>, owner: &BareJid, why: Why) {
        let until = match why {
            Why::Gone(until) => Some(until),
            Why::Came(_) | Why::Alone | Why::Told => None,
        };
        let waits = matches!(why, Why::Came(_) | Why::Alone) && is_elsewhere(cx, owner);
        if waits || self.recalls.0.values().any(|recall| recall.owner == *owner) {
            return;
        }
        if let Some(mark) = cx.accounts.get(owner.as_str()).map(Account::mark) {
            cx.archives.change_open(owner, |open| open.settle(&mark));
        }
        let since = cx.archives.open(owner.as_str()).and_then(archive::Open::left_since);
        let Some(since) = since else { return };
        match why {
            Why::Came(id) => self.drains.begin(cx, owner, id),
            Why::Alone | Why::Gone(_) | Why::Told => self.begin_waiting(cx, owner),
        }
        let open = cx.archives.open(owner.as_str()).filter(|_| until.is_none());
        let all = open.map(archive::Open::all_left).unwrap_or_default();
        let (from, _) = archive::log_range(owner, since.max(cx.archives.floor(owner.as_str())));
        self.recalls.read(cx, Recall { owner: owner.clone(), full: Vec::new(), all, until }, from);
    }

    /// Takes entries in, if it was they who were asked for.
    pub(super) fn recall_loaded(
        &mut self,
        cx: &mut Cx<'_>,
        op: OpId,
        outcome: &Result<Vec<Row>, StoreError>,
    ) -> bool {
        let Some(mut recall) = self.recalls.0.remove(&op) else { return false };
        let owner = recall.owner.clone();
        match outcome {
            Ok(rows) => {
                let mut taken = Vec::new();
                for row in rows {
                    let Some(place) = left(cx, &owner, row) else { continue };
                    if self.owe(cx, &owner, place, None) {
                        taken.push(place.dot);
                    } else {
                        recall.full.push(place);
                    }
                }
                // Should the next page fail, these are not owed again.
                cx.archives.change_open(&owner, |open| {
                    for dot in &taken {
                        open.take_up(*dot);
                    }
                    true
                });
                if let Some(last) = rows.last().filter(|_| rows.len() >= PAGE as usize) {
                    self.recalls.read(cx, recall, last.key.next());
                    return true;
                }
                cx.archives.change_open(&owner, |open| {
                    // What has come meanwhile is left still.
                    open.take_up_all(&recall.all);
                    recall.full.iter().for_each(|place| open.leave(*place));
                    true
                });
            }
            // It stays left, and is looked up when somebody comes again.
            Err(error) => cx.trace(Event::StoreFailed { error: *error }),
        }
        self.end_waiting(cx, &owner);
        true
    }
}

impl Recalls {
    fn read(&mut self, cx: &mut Cx<'_>, recall: Recall, from: Key) {
        let (_, end) = archive::log_range(&recall.owner, Hlc::MIN);
        let to = recall.until.map_or(end, |until| archive::log_range(&recall.owner, until).0);
        let op = cx.load(Owner::Message, StoreQuery::Range { from, to, limit: PAGE });
        self.0.insert(op, recall);
    }
}

/// Returns where an entry stands that was left to others and that nobody is known to have been given.
fn left(cx: &mut Cx<'_>, owner: &BareJid, row: &Row) -> Option<Place> {
    let place = archive::place_of(&row.key)?;
    let is_left = cx.archives.open(owner.as_str()).is_some_and(|open| open.is_left(place.dot));
    if !is_left || is_given(cx, owner, place.dot) {
        return None;
    }
    match row.decode::<Entry>() {
        Ok(entry) => (entry.direction != Direction::Out).then_some(place),
        Err(error) => {
            cx.trace(Event::StoreFailed { error });
            None
        }
    }
}
