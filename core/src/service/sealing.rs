//! What entries say that are looked up for other nodes: the rows where it stands, and what travels made of them.
//!
//! Rests on the replication rules R3 (live entries only): what is not in its rows any more was overwritten.

use crate::account::cell_key;
use crate::archive::{Message, message_key};
use crate::config::Config;
use crate::exchange::{GroupId, Haste, Sealed};
use crate::jid::BareJid;
use crate::replica::{self, Account, CellName, Change, Dot};
use crate::service::large;
use crate::stanza::Packet;
use crate::store::{Key, Row, StoreError};
use crate::sync::{Blob, Ends, Entry, Found, LargeChange, LargeRecord, Letter, LetterHead, Picked, haste_of};

/// Returns the keys of the rows that say what an entry of a group says.
pub(crate) fn keys(config: &Config, group: GroupId, picked: &Picked) -> Vec<Key> {
    match &picked.found {
        Found::Letter(_) => {
            let domain = config.domains.get(usize::from(group.domain.0));
            domain.map(|domain| message_key(domain.name.as_str(), picked.dot)).into_iter().collect()
        }
        Found::Cell { owner, cell } => {
            ends(owner, cell).into_iter().map(|end| cell_key(&end, cell)).collect()
        }
        Found::Large { owner, kind, name } => vec![large::key(owner, kind, name)],
        Found::Void | Found::Unknown { .. } => Vec::new(),
    }
}

/// Makes of an entry what travels, and says how urgent it is; nothing when it was overwritten. `row` finds the rows that were read.
///
/// # Errors
///
/// [`StoreError::Damaged`] when a row is none.
pub(crate) fn seal<'a>(
    picked: Picked,
    row: &dyn Fn(&Key) -> Option<&'a Row>,
    key: &[Key],
) -> Result<Option<(Haste, Sealed)>, StoreError> {
    let Picked { dot, found, wanted } = picked;
    let rows: Vec<Option<&Row>> = key.iter().map(row).collect();
    let (haste, entry) = match found {
        Found::Letter(head) => {
            let Some(row) = rows.first().copied().flatten() else { return Ok(None) };
            let LetterHead { hlc, key, past, parties, behind, ids } = head;
            let Packet { head, body } = Message::packet(row)?;
            (Haste::Live, Entry::Letter(Letter { hlc, key, past, parties, head, body, behind, ids }))
        }
        Found::Cell { owner, cell } => {
            let Some((change, ends)) = change(dot, &cell, &rows)? else { return Ok(None) };
            let haste = haste_of(&change.entry.value);
            (haste, Entry::Change { owner, change, ends })
        }
        Found::Large { owner, kind, name } => {
            let Some(row) = rows.first().copied().flatten() else { return Ok(None) };
            let entries: Vec<replica::Entry<LargeRecord>> = row.decode()?;
            let Some(entry) = entries.into_iter().find(|entry| entry.dot == dot) else { return Ok(None) };
            let (life, value) = (entry.value.life, Blob(entry.value.value.clone().into()));
            (Haste::State, Entry::Large(LargeChange { owner, life, kind, name, entry: entry.with(value) }))
        }
        Found::Void => (Haste::State, Entry::Void),
        Found::Unknown { span, kind, bytes } => {
            return Ok(Some((Haste::Bulk, Sealed { dot, span, kind, bytes: bytes.into() })));
        }
    };
    let span = entry.span();
    Ok(Some((if wanted { haste } else { Haste::Bulk }, entry.seal(dot, span))))
}

/// Returns the accounts in whose rows a cell may stand.
fn ends(owner: &BareJid, cell: &CellName) -> Vec<BareJid> {
    match cell {
        CellName::Want { subscriber, publisher } | CellName::Allow { subscriber, publisher } => {
            vec![subscriber.clone(), publisher.clone()]
        }
        CellName::Status
        | CellName::Credentials
        | CellName::Item(_)
        | CellName::Block(_)
        | CellName::Prefs
        | CellName::Mark => vec![owner.clone()],
    }
}

/// Finds a write in the rows of its cell, and says in whose rows it stands.
fn change(dot: Dot, cell: &CellName, rows: &[Option<&Row>]) -> Result<Option<(Change, Ends)>, StoreError> {
    let find = |row: Option<&Row>| {
        let Some(row) = row else { return Ok(None) };
        let changes = Account::changes(cell, &row.value).map_err(|_| StoreError::Damaged)?;
        Ok(changes.into_iter().find(|change| change.entry.dot == dot))
    };
    let found = rows.iter().copied().map(find).collect::<Result<Vec<_>, StoreError>>()?;
    Ok(match <[Option<Change>; 2]>::try_from(found) {
        Ok([Some(change), Some(_)]) => Some((change, Ends::Both)),
        Ok([Some(change), None]) => Some((change, Ends::Subscriber)),
        Ok([None, Some(change)]) => Some((change, Ends::Publisher)),
        Ok([None, None]) => None,
        Err(one) => one.into_iter().flatten().next().map(|change| (change, Ends::Both)),
    })
}
