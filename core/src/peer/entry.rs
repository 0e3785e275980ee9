//! Entries on a link, and the word that they are safe.

use bytes::Bytes;

use super::field::{Fields, put_number, put_text};
use super::frame::Malformed;
use crate::replica::{Dot, Origin};

/// Bytes of the name of a domain.
const DOMAIN_BYTES_MAX: usize = 1023;

/// What entries belong to, as links name it: a domain is a number at each node and a name between them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupName {
    /// The domain.
    pub domain: Box<str>,
    /// Which kind of group: 0 what accounts are, 1 messages.
    pub kind: u8,
    /// Which part of it.
    pub shard: u16,
}

/// An entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryFrame {
    /// Where it belongs.
    pub group: GroupName,
    /// Its first dot.
    pub dot: Dot,
    /// How many dots it has: one or two.
    pub span: u8,
    /// What kind of entry it is.
    pub kind: u16,
    /// What it says.
    pub bytes: Bytes,
}

/// Entries of one origin that are durable at the sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DurableFrame {
    /// Where they belong.
    pub group: GroupName,
    /// Who has written them.
    pub origin: Origin,
    /// Their numbers, from one up to another one, both included.
    pub ranges: Vec<(u64, u64)>,
}

impl GroupName {
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        put_text(out, &self.domain);
        out.push(self.kind);
        put_number(out, self.shard.into());
    }

    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, Malformed> {
        let domain = fields.text(DOMAIN_BYTES_MAX)?.into();
        let [kind] = fields.bytes()?;
        Ok(Self { domain, kind, shard: fields.number_16()? })
    }
}

impl EntryFrame {
    /// Appends the body of its frame.
    pub fn write(&self, out: &mut Vec<u8>) {
        self.group.write(out);
        out.extend_from_slice(&self.dot.origin.to_bytes());
        put_number(out, self.dot.seq);
        out.push(self.span);
        put_number(out, self.kind.into());
        out.extend_from_slice(&self.bytes);
    }

    /// Reads the body of a frame.
    ///
    /// # Errors
    ///
    /// [`Malformed`] when it is no entry. What the entry says is not looked at.
    pub fn read(body: &Bytes) -> Result<Self, Malformed> {
        let mut fields = Fields(body);
        let group = GroupName::read(&mut fields)?;
        let (origin, seq) = (origin(&mut fields)?, fields.number()?);
        let [span] = fields.bytes()?;
        let kind = fields.number_16()?;
        // Whoever counts on behind the last of its dots has a number for that.
        if seq == 0 || seq.checked_add(span.into()).is_none() || !matches!(span, 1 | 2) {
            return Err(Malformed::Value);
        }
        let bytes = body.slice(body.len() - fields.0.len()..);
        Ok(Self { group, dot: origin.dot(seq), span, kind, bytes })
    }
}

impl DurableFrame {
    /// Appends the body of its frame.
    pub fn write(&self, out: &mut Vec<u8>) {
        self.group.write(out);
        out.extend_from_slice(&self.origin.to_bytes());
        for (from, to) in &self.ranges {
            put_number(out, *from);
            put_number(out, to - from);
        }
    }

    /// Reads the body of a frame.
    ///
    /// # Errors
    ///
    /// [`Malformed`] when it is none.
    pub fn read(body: &[u8]) -> Result<Self, Malformed> {
        let mut fields = Fields(body);
        let (group, origin) = (GroupName::read(&mut fields)?, origin(&mut fields)?);
        let mut ranges = Vec::new();
        while !fields.0.is_empty() {
            let (from, more) = (fields.number()?, fields.number()?);
            ranges.push((from, from.checked_add(more).ok_or(Malformed::Value)?));
        }
        Ok(Self { group, origin, ranges })
    }
}

fn origin(fields: &mut Fields<'_>) -> Result<Origin, Malformed> {
    Ok(Origin { node: fields.word()?, start: fields.word()?, random: fields.word()? })
}

#[cfg(test)]
mod tests {
    use arbitrary::Unstructured;
    use arbtest::arbtest;

    use super::*;

    fn group(data: &mut Unstructured<'_>) -> arbitrary::Result<GroupName> {
        let domain = *data.choose(&["x.example", "", "\u{e9}"])?;
        Ok(GroupName { domain: domain.into(), kind: data.arbitrary()?, shard: data.arbitrary()? })
    }

    fn draw_origin(data: &mut Unstructured<'_>) -> arbitrary::Result<Origin> {
        Ok(Origin { node: data.arbitrary()?, start: data.arbitrary()?, random: data.arbitrary()? })
    }

    #[test]
    fn entries_come_back_and_those_cut_short_are_errors() {
        arbtest(|data| {
            let (group, origin) = (group(data)?, draw_origin(data)?);
            let dot = origin.dot(data.int_in_range(1..=u64::MAX - 1)?);
            let (span, kind) = (data.int_in_range(1..=2)?, data.arbitrary()?);
            let bytes = Bytes::copy_from_slice(data.bytes(data.len().min(20))?);
            let entry = EntryFrame { group, dot, span, kind, bytes };
            let mut out = Vec::new();
            entry.write(&mut out);
            let head = out.len() - entry.bytes.len();
            assert_eq!(EntryFrame::read(&out.clone().into()), Ok(entry));
            for short in 0..head {
                assert_eq!(EntryFrame::read(&out[..short].to_vec().into()), Err(Malformed::Short));
            }
            Ok(())
        });
    }

    #[test]
    fn what_is_durable_comes_back_in_ranges() {
        arbtest(|data| {
            let (group, origin) = (group(data)?, draw_origin(data)?);
            let mut ranges = Vec::new();
            for _ in 0..data.int_in_range(0..=4)? {
                let from = data.int_in_range(0..=u64::MAX - 9)?;
                ranges.push((from, from + data.int_in_range(0..=9)?));
            }
            let durable = DurableFrame { group, origin, ranges };
            let mut out = Vec::new();
            durable.write(&mut out);
            assert_eq!(DurableFrame::read(&out), Ok(durable));
            Ok(())
        });
    }

    #[test]
    fn garbage_is_an_error_or_written_as_it_was() {
        arbtest(|data| {
            let bytes = Bytes::copy_from_slice(data.bytes(data.len())?);
            if let Ok(entry) = EntryFrame::read(&bytes) {
                let mut again = Vec::new();
                entry.write(&mut again);
                assert_eq!(again, bytes);
            }
            if let Ok(durable) = DurableFrame::read(&bytes) {
                let mut again = Vec::new();
                durable.write(&mut again);
                assert_eq!(again, bytes);
            }
            Ok(())
        });
    }

    #[test]
    fn dots_begin_at_one_and_an_entry_has_at_most_two() {
        let group = GroupName { domain: "x.example".into(), kind: 1, shard: 0 };
        let origin = Origin { node: 1, start: 1, random: 1 };
        let few = [(1, 1, true), (1, 2, true), (0, 1, false), (1, 0, false), (1, 3, false)];
        let last = u64::MAX;
        let many = [
            (last, 1, false),
            (last, 2, false),
            (last - 1, 1, true),
            (last - 1, 2, false),
            (last - 2, 2, true),
        ];
        for (seq, span, good) in few.into_iter().chain(many) {
            let entry =
                EntryFrame { group: group.clone(), dot: origin.dot(seq), span, kind: 3, bytes: Bytes::new() };
            let mut out = Vec::new();
            entry.write(&mut out);
            assert_eq!(EntryFrame::read(&out.into()).is_ok(), good, "{seq} {span}");
        }
    }
}
