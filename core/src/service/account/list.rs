//! Reads of the account table for operators.

use crate::io::{Answer, CommandId, Refusal};
use crate::jid::{BareJid, Domain};
use crate::store::{Key, Row, StoreError, StoreQuery, Table};

/// A read under way.
#[derive(Debug)]
pub(super) enum Read {
    /// A page of accounts.
    Page {
        /// The command to answer.
        id: CommandId,
        /// The domain.
        domain: Domain,
        /// How many accounts the page may hold.
        limit: u32,
    },
    /// Whether a domain has any account.
    EnsureAdmin {
        /// The command to answer.
        id: CommandId,
        /// The domain.
        domain: Domain,
    },
}

/// Returns the query for accounts of `domain` after `after`, one more than `limit`.
pub(super) fn query(domain: &Domain, after: Option<&str>, limit: u32) -> StoreQuery {
    let all = Key::new(Table::Account, &[domain.as_str()]);
    let from = match after {
        Some(after) => Key::new(Table::Account, &[domain.as_str(), after]).prefix_end(),
        None => all.clone(),
    };
    StoreQuery::Range { from, to: all.prefix_end(), limit: limit.saturating_add(1) }
}

/// Returns the page that the rows of [`query`] make.
pub(super) fn page(domain: &Domain, limit: u32, rows: Result<Vec<Row>, StoreError>) -> Answer {
    let rows = match rows {
        Ok(rows) => rows,
        Err(error) => return Answer::Refused(Refusal::Store(error)),
    };
    let more = rows.len() > limit as usize;
    let users = rows
        .iter()
        .take(limit as usize)
        .filter_map(|row| row.key.parts().nth(1).and_then(|local| BareJid::from_local(local, domain).ok()))
        .collect();
    Answer::Accounts { users, more }
}
