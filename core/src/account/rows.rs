//! How the state of an account is stored: one row for each cell, with all its siblings.

use crate::jid::BareJid;
use crate::replica::{Account, CellName};
use crate::store::{Key, Row, StoreError, StoreQuery, Table};

/// Rows of one account that are read at most; an account cannot have more (the roster and the block list are bounded).
const ROWS_MAX: u32 = 65_536;
/// Parts of a key before those of the cell's name.
const OWNER_PARTS: usize = 2;

/// Returns the key of a cell of `owner`.
pub(crate) fn cell_key(owner: &BareJid, cell: &CellName) -> Key {
    let name = cell.to_parts();
    let mut parts = vec![owner.domain(), owner.local().unwrap_or_default()];
    parts.extend(name.iter().map(|part| &**part));
    Key::new(Table::Cell, &parts)
}

/// Returns the query for all cells of `owner`.
pub(crate) fn query(owner: &BareJid) -> StoreQuery {
    let from = Key::new(Table::Cell, &[owner.domain(), owner.local().unwrap_or_default()]);
    let to = from.prefix_end();
    StoreQuery::Range { from, to, limit: ROWS_MAX }
}

/// Returns the account that the rows make; nothing when there is none.
///
/// # Errors
///
/// [`StoreError::Damaged`] when a row cannot be read.
pub(super) fn load(owner: &BareJid, rows: &[Row]) -> Result<Option<Account>, StoreError> {
    let mut account = Account::new(owner.clone());
    for row in rows {
        let parts: Vec<&str> = row.key.parts().skip(OWNER_PARTS).collect();
        let cell = CellName::from_parts(&parts).ok_or(StoreError::Damaged)?;
        account.load(&cell, &row.value).map_err(|_| StoreError::Damaged)?;
    }
    Ok(account.exists().then_some(account))
}
