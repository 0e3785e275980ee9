//! Frames about sessions: what a node says of its own, and what it has heard of the other one's.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::field::{Fields, put_bytes, put_number, put_text};
use super::frame::Malformed;
use crate::exchange::{Far, OwnedFrame, OwnedSince};
use crate::jid::FullJid;
use crate::replica::{Hlc, Origin, Report};

/// Bytes of the longest full JID: three parts, and what stands between them.
const JID_BYTES_MAX: usize = 3 * 1_023 + 2;

/// Bytes of changes that are made one frame at most.
const FOLDED_MAX: usize = 32 * 1024;

const MORE: u8 = 1;
const WHOLE: u8 = 1 << 1;

const HERE: u8 = 1;
const ATTACHED: u8 = 1 << 1;
const AVAILABLE: u8 = 1 << 2;
const SAID: u8 = 1 << 3;

/// Appends the body of the frame.
pub(super) fn write(frame: &OwnedFrame, out: &mut Vec<u8>) {
    let OwnedFrame { report: Report { owner, seq, since, changes }, more } = frame;
    let flag = |on, bit| if on { bit } else { 0 };
    out.push(flag(*more, MORE) | flag(since.is_none(), WHOLE));
    out.extend_from_slice(&owner.to_bytes());
    put_number(out, since.unwrap_or_default());
    put_number(out, *seq);
    put_number(out, changes.len() as u64);
    for (jid, far) in changes {
        put_text(out, jid.as_str());
        let Some(Far { session, bound, attached, priority, presence }) = far else {
            out.push(0);
            continue;
        };
        let said = flag(presence.is_some(), SAID);
        out.push(HERE | flag(*attached, ATTACHED) | flag(priority.is_some(), AVAILABLE) | said);
        out.extend_from_slice(&session.to_bytes());
        out.extend_from_slice(&bound.millis.to_be_bytes());
        put_number(out, bound.count.into());
        out.extend(priority.iter().map(|priority| priority.to_be_bytes()[0]));
        if let Some(presence) = presence {
            put_bytes(out, presence);
        }
    }
}

/// Makes one of two frames that follow each other, of which neither is a whole report: of each session only the last is left. Nothing
/// where that would be long.
pub(super) fn fold(first: &[u8], then: &OwnedFrame) -> Option<Vec<u8>> {
    let mut both = read(first).ok()?.report;
    let reaches = then.report.since.is_some_and(|since| both.since.is_some() && since <= both.seq);
    if then.more || !reaches || both.owner != then.report.owner {
        return None;
    }
    both.seq = both.seq.max(then.report.seq);
    both.changes.extend(then.report.changes.iter().map(|(jid, far)| (jid.clone(), far.clone())));
    let mut body = Vec::new();
    write(&OwnedFrame { report: both, more: false }, &mut body);
    (body.len() <= FOLDED_MAX).then_some(body)
}

/// Reads the body of a frame.
pub(super) fn read(body: &[u8]) -> Result<OwnedFrame, Malformed> {
    let mut fields = Fields(body);
    let [flags] = fields.bytes()?;
    if flags & !(MORE | WHOLE) != 0 {
        return Err(Malformed::Value);
    }
    let (owner, since, seq) = (fields.origin()?, fields.number()?, fields.number()?);
    let since = (flags & WHOLE == 0).then_some(since);
    let mut changes = BTreeMap::new();
    for _ in 0..fields.number()? {
        let jid = FullJid::parse(fields.text(JID_BYTES_MAX)?).map_err(|_| Malformed::Value)?;
        changes.insert(jid, read_far(&mut fields)?);
    }
    fields.end()?;
    Ok(OwnedFrame { report: Report { owner, seq, since, changes }, more: flags & MORE != 0 })
}

fn read_far(fields: &mut Fields<'_>) -> Result<Option<Far>, Malformed> {
    let [flags] = fields.bytes()?;
    if flags == 0 {
        return Ok(None);
    }
    if flags & HERE == 0 || flags & !(HERE | ATTACHED | AVAILABLE | SAID) != 0 {
        return Err(Malformed::Value);
    }
    let session = fields.dot()?;
    let millis = i64::from_be_bytes(fields.bytes()?);
    let count = u32::try_from(fields.number()?).map_err(|_| Malformed::Number)?;
    let priority = if flags & AVAILABLE == 0 { None } else { Some(i8::from_be_bytes(fields.bytes()?)) };
    let presence = if flags & SAID == 0 { None } else { Some(Bytes::copy_from_slice(fields.piece()?)) };
    let (bound, attached) = (Hlc { millis, count }, flags & ATTACHED != 0);
    Ok(Some(Far { session, bound, attached, priority, presence }))
}

/// Appends the body of the frame.
pub(super) fn write_since(since: OwnedSince, out: &mut Vec<u8>) {
    if let OwnedSince(Some((origin, seq))) = since {
        out.extend_from_slice(&origin.to_bytes());
        put_number(out, seq);
    }
}

/// Reads the body of a frame.
pub(super) fn read_since(body: &[u8]) -> Result<OwnedSince, Malformed> {
    if body.is_empty() {
        return Ok(OwnedSince(None));
    }
    let mut fields = Fields(body);
    let heard: (Origin, u64) = (fields.origin()?, fields.number()?);
    fields.end()?;
    Ok(OwnedSince(Some(heard)))
}

#[cfg(test)]
mod tests {
    use arbitrary::Unstructured;
    use arbtest::arbtest;

    use super::*;

    fn origin(data: &mut Unstructured<'_>) -> arbitrary::Result<Origin> {
        Ok(Origin { node: data.arbitrary()?, start: data.arbitrary()?, random: data.arbitrary()? })
    }

    fn address(number: u8) -> FullJid {
        FullJid::parse(&format!("u{number}@x.example/r")).unwrap()
    }

    fn draw(data: &mut Unstructured<'_>) -> arbitrary::Result<OwnedFrame> {
        let (owner, since, seq) = (origin(data)?, data.arbitrary()?, data.arbitrary()?);
        let mut changes = BTreeMap::new();
        for _ in 0..data.int_in_range(0..=4)? {
            let jid = address(data.int_in_range(0..=9)?);
            let far = if data.arbitrary()? {
                let presence = if data.arbitrary()? { Some(data.bytes(data.len().min(9))?) } else { None };
                Some(Far {
                    session: origin(data)?.dot(data.arbitrary()?),
                    bound: Hlc { millis: data.arbitrary()?, count: data.arbitrary()? },
                    attached: data.arbitrary()?,
                    priority: data.arbitrary()?,
                    presence: presence.map(Bytes::copy_from_slice),
                })
            } else {
                None
            };
            changes.insert(jid, far);
        }
        Ok(OwnedFrame { report: Report { owner, seq, since, changes }, more: data.arbitrary()? })
    }

    #[test]
    fn what_is_said_of_sessions_comes_back_and_must_be_whole() {
        arbtest(|data| {
            let frame = draw(data)?;
            let mut out = Vec::new();
            write(&frame, &mut out);
            assert_eq!(read(&out), Ok(frame));
            for short in 0..out.len() {
                assert!(read(&out[..short]).is_err());
            }
            out.push(0);
            assert_eq!(read(&out), Err(Malformed::Long));
            let since =
                OwnedSince(if data.arbitrary()? { Some((origin(data)?, data.arbitrary()?)) } else { None });
            let mut out = Vec::new();
            write_since(since, &mut out);
            assert_eq!(read_since(&out), Ok(since));
            Ok(())
        });
    }

    #[test]
    fn garbage_is_an_error_or_comes_back_when_it_is_written() {
        arbtest(|data| {
            let bytes = data.bytes(data.len())?;
            if let Ok(frame) = read(bytes) {
                let mut out = Vec::new();
                write(&frame, &mut out);
                assert_eq!(read(&out), Ok(frame));
            }
            if let Ok(since) = read_since(bytes) {
                let mut out = Vec::new();
                write_since(since, &mut out);
                assert_eq!(out, bytes);
            }
            Ok(())
        });
    }
}
