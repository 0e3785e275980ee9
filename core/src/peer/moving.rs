//! Frames about sessions that go on at another node: a part of what has one addressee.

use bytes::Bytes;

use super::field::{Fields, put_number, put_text};
use super::frame::Malformed;
use crate::exchange::{Claim, Kept, Moving, Passage, Shipment};
use crate::jid::BareJid;
use crate::replica::Hlc;

/// Numbers among what is routed. Each is given once.
const CLAIM: u8 = 16;
const UNKNOWN: u8 = 17;
const ENDED: u8 = 18;
const GIVEN: u8 = 19;
const TOO_HIGH: u8 = 20;
const NEWER: u8 = 21;
const FULL: u8 = 22;
const SHIPPED: u8 = 23;
const INSTALLED: u8 = 24;
const KNOWN: u8 = 25;
/// Bytes of an address, and of the id of a session, at most.
const TEXT_MAX: usize = 3_072;

/// Returns whether what is routed under a number is about sessions that move.
pub(super) const fn is_moving(what: u8) -> bool {
    matches!(what, CLAIM..=KNOWN)
}

/// Appends the body of the frame.
pub(super) fn write(moving: &Moving, out: &mut Vec<u8>) {
    match moving {
        Moving::Claim(Claim { number, at, user, id, h }) => {
            out.push(CLAIM);
            put_number(out, *number);
            out.extend(at.millis.to_be_bytes());
            out.extend(at.count.to_be_bytes());
            out.extend(h.to_be_bytes());
            put_text(out, user.as_str());
            put_text(out, id);
        }
        Moving::Kept(number, kept) => {
            let (what, value) = match kept {
                Kept::Unknown(None) => (UNKNOWN, None),
                Kept::Unknown(Some(h)) => (ENDED, Some(*h)),
                Kept::Given(node) => (GIVEN, Some(*node)),
                Kept::TooHigh(sent) => (TOO_HIGH, Some(*sent)),
                Kept::Newer => (NEWER, None),
                Kept::Full => (FULL, None),
            };
            out.push(what);
            put_number(out, *number);
            out.extend(value.iter().flat_map(|value| value.to_be_bytes()));
        }
        Moving::Shipped(Shipment { passage, bytes }) => {
            write_passage(SHIPPED, *passage, out);
            out.extend_from_slice(bytes);
        }
        Moving::Installed(passage) => write_passage(INSTALLED, *passage, out),
        Moving::Known(passage) => write_passage(KNOWN, *passage, out),
    }
}

fn write_passage(what: u8, Passage { session, epoch }: Passage, out: &mut Vec<u8>) {
    out.push(what);
    out.extend(session.to_bytes());
    out.extend(epoch.to_be_bytes());
}

/// Reads what stands behind one of these numbers. Whether a session is one is seen later.
pub(super) fn read(what: u8, fields: &mut Fields<'_>) -> Result<Moving, Malformed> {
    if what == CLAIM {
        return read_claim(fields);
    }
    if matches!(what, SHIPPED..=KNOWN) {
        let passage = Passage { session: fields.dot()?, epoch: fields.word()? };
        if what == SHIPPED {
            let bytes = Bytes::copy_from_slice(core::mem::take(&mut fields.0));
            return Ok(Moving::Shipped(Shipment { passage, bytes }));
        }
        fields.end()?;
        let is_known = what == KNOWN;
        return Ok(if is_known { Moving::Known(passage) } else { Moving::Installed(passage) });
    }
    let number = fields.number()?;
    let kept = match what {
        UNKNOWN => Kept::Unknown(None),
        ENDED => Kept::Unknown(Some(fields.word()?)),
        GIVEN => Kept::Given(fields.word()?),
        TOO_HIGH => Kept::TooHigh(fields.word()?),
        NEWER => Kept::Newer,
        FULL => Kept::Full,
        _ => return Err(Malformed::Value),
    };
    fields.end()?;
    Ok(Moving::Kept(number, kept))
}

fn read_claim(fields: &mut Fields<'_>) -> Result<Moving, Malformed> {
    let number = fields.number()?;
    let at = Hlc { millis: i64::from_be_bytes(fields.bytes()?), count: fields.word()? };
    let (h, text, id) = (fields.word()?, fields.text(TEXT_MAX)?, fields.text(TEXT_MAX)?.into());
    fields.end()?;
    let user = BareJid::parse(text).ok().filter(|user| user.as_str() == text).ok_or(Malformed::Value)?;
    Ok(Moving::Claim(Claim { number, at, user, id, h }))
}

#[cfg(test)]
mod tests {
    use super::super::routed;
    use super::*;
    use crate::exchange::Routed;
    use crate::replica::Origin;

    #[test]
    fn what_is_said_of_a_session_that_moves_comes_back() {
        let passage = Passage { session: Origin { node: 1, start: 2, random: 3 }.dot(4), epoch: 5 };
        let user = BareJid::parse("a@x.example").unwrap();
        let at = Hlc { millis: -7, count: 1 };
        for moving in [
            Moving::Claim(Claim { number: 300, at, user, id: "abc".into(), h: u32::MAX }),
            Moving::Kept(1, Kept::Unknown(None)),
            Moving::Kept(1, Kept::Unknown(Some(2))),
            Moving::Kept(1, Kept::Given(2)),
            Moving::Kept(300, Kept::TooHigh(2)),
            Moving::Kept(1, Kept::Newer),
            Moving::Kept(1, Kept::Full),
            Moving::Shipped(Shipment { passage, bytes: Bytes::from_static(b"x") }),
            Moving::Installed(passage),
            Moving::Known(passage),
        ] {
            let (routed, mut out) = (Routed::Moving(moving), Vec::new());
            routed::write(&routed, &mut out);
            assert_eq!(routed::read(&out), Ok(routed));
        }
    }
}
