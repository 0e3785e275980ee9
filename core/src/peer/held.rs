//! Frames about what nodes hold: what one has, and that everything has been said which it lacked.

use super::entry::GroupName;
use super::field::{Fields, put_number};
use super::frame::Malformed;
use crate::exchange::{Commit, Granted, Have};
use crate::replica::Vector;

const MISSED: u8 = 1;
const LAST: u8 = 1;
const JOINED: u8 = 1;

/// Appends the body of the frame.
pub(super) fn write_have(group: &GroupName, have: &Have, out: &mut Vec<u8>) {
    group.write(out);
    put_number(out, have.number);
    out.push(if have.missed { MISSED } else { 0 });
    write_vector(&have.vector, out);
}

/// Reads the body of a frame.
pub(super) fn read_have(body: &[u8]) -> Result<(GroupName, Have), Malformed> {
    let mut fields = Fields(body);
    let (group, number) = (GroupName::read(&mut fields)?, fields.number()?);
    let missed = flag(&mut fields, MISSED)?;
    Ok((group, Have { number, missed, vector: read_vector(&mut fields)? }))
}

/// Appends the body of the frame.
pub(super) fn write_commit(group: &GroupName, commit: &Commit, out: &mut Vec<u8>) {
    group.write(out);
    put_number(out, commit.number);
    put_number(out, commit.step);
    out.push(if commit.last { LAST } else { 0 });
    write_vector(&commit.vector, out);
}

/// Reads the body of a frame.
pub(super) fn read_commit(body: &[u8]) -> Result<(GroupName, Commit), Malformed> {
    let mut fields = Fields(body);
    let (group, number, step) = (GroupName::read(&mut fields)?, fields.number()?, fields.number()?);
    let last = flag(&mut fields, LAST)?;
    Ok((group, Commit { number, step, last, vector: read_vector(&mut fields)? }))
}

/// Appends the body of the frame.
pub(super) fn write_granted(group: &GroupName, granted: Granted, out: &mut Vec<u8>) {
    group.write(out);
    put_number(out, granted.step);
    out.push(if granted.joined { JOINED } else { 0 });
}

/// Reads the body of a frame.
pub(super) fn read_granted(body: &[u8]) -> Result<(GroupName, Granted), Malformed> {
    let mut fields = Fields(body);
    let (group, step) = (GroupName::read(&mut fields)?, fields.number()?);
    let joined = flag(&mut fields, JOINED)?;
    fields.end()?;
    Ok((group, Granted { step, joined }))
}

fn flag(fields: &mut Fields<'_>, bit: u8) -> Result<bool, Malformed> {
    let [flags] = fields.bytes()?;
    if flags & !bit == 0 { Ok(flags & bit != 0) } else { Err(Malformed::Value) }
}

/// Appends a vector: of each origin the number up to which everything is held, and how far apart those lie that are held beyond.
fn write_vector(vector: &Vector, out: &mut Vec<u8>) {
    for origin in vector.origins() {
        out.extend_from_slice(&origin.to_bytes());
        let mut last = vector.prefix(origin);
        put_number(out, last);
        let beyond = || vector.beyond().filter(|dot| dot.origin == origin);
        put_number(out, beyond().count() as u64);
        for dot in beyond() {
            put_number(out, dot.seq - last);
            last = dot.seq;
        }
    }
}

/// Reads a vector, up to the end of the body.
fn read_vector(fields: &mut Fields<'_>) -> Result<Vector, Malformed> {
    let mut vector = Vector::new();
    while !fields.0.is_empty() {
        let (origin, prefix) = (fields.origin()?, fields.number()?);
        let (mut singles, mut last) = (Vec::new(), prefix);
        for _ in 0..fields.number()? {
            last = last.checked_add(fields.number()?).ok_or(Malformed::Value)?;
            singles.push(last);
        }
        if last == u64::MAX {
            return Err(Malformed::Value);
        }
        vector.take(origin, prefix, &singles);
    }
    Ok(vector)
}

#[cfg(test)]
mod tests {
    use arbitrary::Unstructured;
    use arbtest::arbtest;

    use super::*;
    use crate::replica::Origin;

    fn draw(data: &mut Unstructured<'_>) -> arbitrary::Result<Vector> {
        let mut vector = Vector::new();
        for node in 0..data.int_in_range(0..=3)? {
            let origin = Origin { node, start: data.arbitrary()?, random: data.arbitrary()? };
            let mut seqs: Vec<u64> = Vec::new();
            for _ in 0..data.int_in_range(0..=4)? {
                seqs.push(data.int_in_range(1..=u64::MAX - 1)?);
            }
            vector.take(origin, data.int_in_range(0..=u64::MAX - 1)?, &seqs);
        }
        Ok(vector)
    }

    #[test]
    fn what_is_held_comes_back_and_garbage_is_an_error() {
        arbtest(|data| {
            let group = GroupName { domain: "x.example".into(), kind: data.arbitrary()?, shard: 0 };
            let (number, missed, vector) = (data.arbitrary()?, data.arbitrary()?, draw(data)?);
            let have = Have { number, missed, vector: vector.clone() };
            let commit = Commit { number, step: data.arbitrary()?, last: missed, vector };
            let granted = Granted { step: number, joined: missed };
            let mut out = Vec::new();
            write_have(&group, &have, &mut out);
            assert_eq!(read_have(&out), Ok((group.clone(), have)));
            let mut out = Vec::new();
            write_commit(&group, &commit, &mut out);
            assert_eq!(read_commit(&out), Ok((group.clone(), commit)));
            let mut out = Vec::new();
            write_granted(&group, granted, &mut out);
            assert_eq!(read_granted(&out), Ok((group, granted)));
            for short in 0..out.len() {
                assert!(read_granted(&out[..short]).is_err());
            }
            let bytes = data.bytes(data.len())?;
            for vector in
                [read_have(bytes).map(|read| read.1.vector), read_commit(bytes).map(|read| read.1.vector)]
            {
                assert!(vector.is_err() || vector.is_ok_and(|vector| vector.includes(&Vector::new())));
            }
            Ok(())
        });
    }
}
