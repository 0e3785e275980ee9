//! How the cells of an account are stored: all live writes of one cell in one row, those of all its lives, behind a byte for
//! the format.

use bytes::Bytes;
use minicbor::decode::Error;
use minicbor::encode::Write;
use minicbor::{Decode, Decoder, Encode, Encoder};

use super::{CellName, Change, Lives, Value};
use crate::replica::Entry;

/// The format of the rows.
const ROW_V1: u8 = 1;
/// The format in which a write names whose lives it is of.
const ROW_V2: u8 = 2;

/// A row could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowError {
    /// The first byte names a later format.
    Format(u8),
    /// The bytes are no row of this cell.
    Damaged,
}

/// Encodes all live writes of a cell; nothing when nobody has written it.
pub(super) fn write(changes: &[Change]) -> Option<Bytes> {
    if changes.is_empty() {
        return None;
    }
    let mut out = Encoder::new(vec![ROW_V2]);
    let written = out.array(changes.len() as u64).and_then(|out| {
        changes.iter().try_for_each(|change| {
            change.lives.encode(out, &mut ()).and_then(|()| change.entry_to(out, &mut ()))
        })
    });
    written.expect("writing to a Vec cannot fail");
    Some(out.into_writer().into())
}

/// Reads the live writes of a cell.
pub(super) fn read(cell: &CellName, row: &[u8]) -> Result<Vec<Change>, RowError> {
    let (named, rest) = match row.split_first() {
        Some((&ROW_V1, rest)) => (false, rest),
        Some((&ROW_V2, rest)) => (true, rest),
        Some((format, _)) => return Err(RowError::Format(*format)),
        None => return Err(RowError::Damaged),
    };
    let mut input = Decoder::new(rest);
    let count = input.array().ok().flatten().ok_or(RowError::Damaged)?;
    let mut read = || {
        let lives = if named { Lives::decode(&mut input, &mut ()) } else { Ok(Lives::default()) };
        let lives = lives.map_err(|_| RowError::Damaged)?;
        let entry = value_of(cell, &mut input, &mut ()).map_err(|_| RowError::Damaged)?;
        Ok(Change { cell: cell.clone(), lives, entry })
    };
    let changes = (0..count).map(|_| read()).collect::<Result<_, _>>()?;
    if input.position() == rest.len() { Ok(changes) } else { Err(RowError::Damaged) }
}

impl<C> Encode<C> for Change {
    fn encode<W: Write>(
        &self,
        out: &mut Encoder<W>,
        cx: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        out.array(3)?.encode_with(&self.cell, cx)?.encode_with(self.lives, cx)?;
        self.entry_to(out, cx)
    }
}

impl Change {
    fn entry_to<C, W: Write>(
        &self,
        out: &mut Encoder<W>,
        cx: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        let entry = &self.entry;
        match &entry.value {
            Value::Status(value) => entry.with(*value).encode(out, cx),
            Value::Credentials(value) => entry.with(value.clone()).encode(out, cx),
            Value::Item(value) => entry.with(value.clone()).encode(out, cx),
            Value::Want(value) => entry.with(value.clone()).encode(out, cx),
            Value::Allow(value) | Value::Block(value) => entry.with(*value).encode(out, cx),
            Value::Prefs(value) => entry.with(value.clone()).encode(out, cx),
            Value::Mark(value) => entry.with(value.clone()).encode(out, cx),
        }
    }
}

/// The name of the cell decides what value is read: no change holds the value of another cell.
impl<'b, C> Decode<'b, C> for Change {
    fn decode(input: &mut Decoder<'b>, cx: &mut C) -> Result<Self, Error> {
        if input.array()? != Some(3) {
            return Err(Error::message("a change is a name, lives and an entry"));
        }
        let cell = CellName::decode(input, cx)?;
        let lives = Lives::decode(input, cx)?;
        let entry = value_of(&cell, input, cx)?;
        Ok(Self { cell, lives, entry })
    }
}

/// Reads a write of this cell.
fn value_of<C>(cell: &CellName, input: &mut Decoder<'_>, cx: &mut C) -> Result<Entry<Value>, Error> {
    match cell {
        CellName::Status => entry(input, cx, Value::Status),
        CellName::Credentials => entry(input, cx, Value::Credentials),
        CellName::Item(_) => entry(input, cx, Value::Item),
        CellName::Want { .. } => entry(input, cx, Value::Want),
        CellName::Allow { .. } => entry(input, cx, Value::Allow),
        CellName::Block(_) => entry(input, cx, Value::Block),
        CellName::Prefs => entry(input, cx, Value::Prefs),
        CellName::Mark => entry(input, cx, Value::Mark),
    }
}

fn entry<'b, C, V: Decode<'b, C>>(
    input: &mut Decoder<'b>,
    cx: &mut C,
    value: impl FnOnce(V) -> Value,
) -> Result<Entry<Value>, Error> {
    let Entry { dot, hlc, context, value: read } = Entry::<V>::decode(input, cx)?;
    Ok(Entry { dot, hlc, context, value: value(read) })
}
