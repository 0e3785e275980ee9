//! How the state of an account is stored: one row for each cell, with all its siblings.

use crate::jid::BareJid;
use crate::replica::{Account, CellName, Status};
use crate::store::{Key, Row, StoreBatch, StoreError, StoreQuery, Table};

/// Rows of one account that are read at most: an account that has more is as good as damaged.
const ROWS_MAX: u32 = 131_072;
/// Rows from which on nothing is added. Those of former lives of the name count, as long as they are kept; what other nodes add at the
/// same time has room beyond.
const ROWS_ADDED_MAX: usize = 98_304;
/// Rows that an address takes at most.
const ADDRESS_ROWS: usize = 5;
/// Parts of a key before those of the cell's name.
const OWNER_PARTS: usize = 2;

/// Returns the key of a cell of `owner`.
pub(crate) fn cell_key(owner: &BareJid, cell: &CellName) -> Key {
    let name = cell.to_key(owner);
    let mut parts = vec![owner.domain(), owner.local().unwrap_or_default()];
    parts.extend(name.iter().map(|part| &**part));
    Key::new(Table::Cell, &parts)
}

/// Returns the query for the cells that say whether and how `owner` logs in.
pub(crate) fn login_query(owner: &BareJid) -> StoreQuery {
    StoreQuery::Many {
        keys: vec![cell_key(owner, &CellName::Status), cell_key(owner, &CellName::Credentials)],
    }
}

/// Returns the query for all cells of `owner`.
pub(crate) fn query(owner: &BareJid) -> StoreQuery {
    let from = Key::new(Table::Cell, &[owner.domain(), owner.local().unwrap_or_default()]);
    let to = from.prefix_end();
    StoreQuery::Range { from, to, limit: ROWS_MAX }
}

/// Returns whether so many addresses that nothing is known of can be added to an account.
pub(crate) fn has_room(account: &Account, added: usize) -> bool {
    fits(account.rows(), added)
}

const fn fits(rows: usize, added: usize) -> bool {
    rows.saturating_add(added.saturating_mul(ADDRESS_ROWS)) <= ROWS_ADDED_MAX
}

/// Returns whether there is such an account.
pub(crate) fn exists(account: &Account) -> bool {
    account.credentials().is_some_and(|login| login.status != Status::Deleted)
}

/// Adds the removal of `owner` from the list of accounts, and of what only this node has of it.
pub(crate) fn unlist(owner: &BareJid, batch: &mut StoreBatch) {
    let from = Key::new(Table::Tombstone, &[owner.domain(), owner.local().unwrap_or_default()]);
    let to = from.prefix_end();
    batch.add_delete_range(from, to);
    batch.add_delete(account_key(owner));
}

/// Adds the removal of all cells of `owner` but the one that says that the account is gone. Only where no other node may still
/// write for it: else they stay, as those of a life that is over.
pub(crate) fn remove(owner: &BareJid, batch: &mut StoreBatch) {
    let parts = [owner.domain(), owner.local().unwrap_or_default()];
    let large = Key::new(Table::Large, &parts);
    let end = large.prefix_end();
    batch.add_delete_range(large, end);
    let cells = Key::new(Table::Cell, &parts);
    let status = cell_key(owner, &CellName::Status);
    batch.add_delete_range(cells.clone(), status.clone());
    batch.add_delete_range(status.next(), cells.prefix_end());
}

/// Returns what [`remove`] leaves of an account.
pub(crate) fn remains(account: &Account) -> Account {
    let mut left = Account::new(account.owner().clone());
    if let Some(row) = account.row(&CellName::Status) {
        left.load(&CellName::Status, &row).expect("a row that was just written");
    }
    left
}

/// Returns the key of `owner` in the list of accounts.
pub(crate) fn account_key(owner: &BareJid) -> Key {
    Key::new(Table::Account, &[owner.domain(), owner.local().unwrap_or_default()])
}

/// Returns what the rows say of `owner`, who may not exist.
///
/// # Errors
///
/// [`StoreError::Damaged`] when a row cannot be read.
pub(crate) fn read(owner: &BareJid, rows: &[Row]) -> Result<Account, StoreError> {
    let named = |row: &Row| {
        let parts: Vec<&str> = row.key.parts().skip(OWNER_PARTS).collect();
        CellName::parse(owner, &parts).ok_or(StoreError::Damaged)
    };
    let cells = rows.iter().map(named).collect::<Result<Vec<_>, _>>()?;
    let rows = cells.into_iter().zip(rows.iter().map(|row| &*row.value));
    Account::read(owner.clone(), rows).map_err(|_| StoreError::Damaged)
}

/// Returns the account that the rows make.
///
/// # Errors
///
/// [`StoreError::Damaged`] when a row cannot be read, or when there may be more.
pub(super) fn load(owner: &BareJid, rows: &[Row]) -> Result<Account, StoreError> {
    if rows.len() >= ROWS_MAX as usize {
        return Err(StoreError::Damaged);
    }
    read(owner, rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_that_can_be_added_to_can_be_read_with_room_to_spare() {
        assert!(fits(3, 1) && fits(ROWS_ADDED_MAX - ADDRESS_ROWS, 1) && !fits(ROWS_ADDED_MAX, 1));
        assert!(fits(3 + 10_000 * 6, 1), "as many contacts and blocked addresses as there may be");
        assert!(ROWS_ADDED_MAX + ROWS_ADDED_MAX / 4 < ROWS_MAX as usize);
    }
}
