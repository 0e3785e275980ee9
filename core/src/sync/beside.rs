//! Which messages are here that another node did not have: for a session that has come from there.
//!
//! Rests on the replication rule R17.

use super::group::{Groups, key};
use super::index::{Found, indexed};
use crate::exchange::GroupKind;
use crate::jid::BareJid;
use crate::replica::{Dot, Hlc, Place, Vector};
use crate::store::{Row, StoreQuery};

/// Rows of the index that are read at once.
const PAGE: u32 = 256;

impl Groups {
    /// Returns the messages of a domain that are here and that `held` does not cover, or more: the first of each run, and the last.
    pub(crate) fn beside(&self, domain: &str, held: &Vector) -> Vec<(Dot, u64)> {
        let memory = self.logs(domain);
        let run = |memory: &Vector, origin| {
            let (first, last) = (held.prefix(origin) + 1, memory.last(origin));
            (first <= last).then(|| (origin.dot(first), last))
        };
        memory
            .into_iter()
            .flat_map(|memory| memory.origins().filter_map(|origin| run(memory, origin)))
            .collect()
    }

    /// Returns what reads the first rows of the index of such a run; nothing where the domain is not served.
    pub(crate) fn beside_query(&self, domain: &str, (first, last): (Dot, u64)) -> Option<StoreQuery> {
        let group = self.group(domain, GroupKind::Logs)?;
        let key = |dot| key(&self.domains, group, dot);
        Some(StoreQuery::Range { from: key(first), to: key(first.origin.dot(last)).next(), limit: PAGE })
    }
}

/// Returns which entry a row of the index is about, whether more rows may follow, and where the message stands in the log of `owner`, if it
/// has come for that account and stands there.
pub(crate) fn received(row: &Row, owner: &BareJid) -> Option<(Dot, Option<Place>)> {
    let (.., dot) = indexed(&row.key)?;
    let Ok(Found::Letter(head)) = row.decode() else { return Some((dot, None)) };
    let is_for = head.parties.recipient.as_ref().is_some_and(|party| party.account == *owner);
    let own = if head.parties.sender.is_some() { dot.origin.dot(dot.seq + 1) } else { dot };
    let hlc: Hlc = head.hlc;
    let place = Some(Place::new(hlc, None, own)).filter(|_| is_for && !head.parties.owed);
    Some((dot, place))
}

/// Returns whether a read has as many rows as it may have: more may follow.
pub(crate) const fn is_full(rows: &[Row]) -> bool {
    rows.len() >= PAGE as usize
}
