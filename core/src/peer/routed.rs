//! Frames for one addressee.

use bytes::Bytes;

use super::field::{Fields, put_number};
use super::frame::{Lane, Malformed};
use super::moving;
use crate::exchange::{Left, Relay, RelayFault, Routed};
use crate::jid::BareJid;
use crate::replica::Hlc;

const RELAY: u8 = 1;
const RELAY_TO: u8 = 2;
const TAKEN: u8 = 3;
const NOBODY: u8 = 4;
const FULL: u8 = 5;
const LEFT: u8 = 6;
const LEFT_BEHIND: u8 = 7;
const SETTLED: u8 = 32;
const RELAY_BACK: u8 = 33;
/// What a stanza names that was said before it, at most.
const AFTER_MAX: u64 = 128;

/// Returns how urgent it is. Presence goes where all of it goes, so that none overtakes another.
pub(super) fn lane(routed: &Routed) -> Lane {
    match routed {
        Routed::Relay(Relay { stanza, .. }) if stanza.starts_with(b"<presence") => Lane::State,
        // Behind all of them.
        Routed::Settled(_) => Lane::State,
        Routed::Relay(_) | Routed::Taken(_) | Routed::Failed(..) | Routed::Left(_) | Routed::Moving(_) => {
            Lane::Live
        }
    }
}

/// Appends the body of the frame.
pub(super) fn write(routed: &Routed, out: &mut Vec<u8>) {
    let (what, id) = match routed {
        Routed::Relay(Relay { id, about: Some(_), .. }) => (RELAY_BACK, id),
        Routed::Relay(Relay { id, to: None, .. }) => (RELAY, id),
        Routed::Relay(Relay { id, to: Some(_), .. }) => (RELAY_TO, id),
        Routed::Taken(id) => (TAKEN, id),
        Routed::Failed(id, RelayFault::Nobody) => (NOBODY, id),
        Routed::Failed(id, RelayFault::Full) => (FULL, id),
        Routed::Settled(id) => (SETTLED, id),
        Routed::Left(Left { account, after }) => {
            out.push(if after.is_some() { LEFT_BEHIND } else { LEFT });
            out.extend(after.iter().flat_map(|dot| dot.to_bytes()));
            return out.extend_from_slice(account.as_str().as_bytes());
        }
        Routed::Moving(moving) => return moving::write(moving, out),
    };
    out.push(what);
    put_number(out, *id);
    if let Routed::Relay(Relay { to, about, said, by, after, stanza, .. }) = routed {
        match about {
            Some(about) => put_number(out, *about),
            None => out.extend(to.iter().flat_map(|to| to.to_bytes())),
        }
        put_number(out, said.millis.cast_unsigned());
        put_number(out, u64::from(said.count));
        put_number(out, u64::from(by.is_some()));
        out.extend(by.iter().flat_map(|by| by.to_bytes()));
        put_number(out, after.len() as u64);
        out.extend(after.iter().flat_map(|dot| dot.to_bytes()));
        out.extend_from_slice(stanza);
    }
}

/// Reads the body of a frame. Whether a stanza is one is seen later.
pub(super) fn read(body: &[u8]) -> Result<Routed, Malformed> {
    let mut fields = Fields(body);
    let [what] = fields.bytes()?;
    if moving::is_moving(what) {
        return moving::read(what, &mut fields).map(Routed::Moving);
    }
    if matches!(what, LEFT | LEFT_BEHIND) {
        let after = if what == LEFT_BEHIND { Some(fields.dot()?) } else { None };
        let text = core::str::from_utf8(fields.0).map_err(|_| Malformed::Value)?;
        let account = BareJid::parse(text).ok().filter(|account| account.as_str() == text);
        return Ok(Routed::Left(Left { account: account.ok_or(Malformed::Value)?, after }));
    }
    let id = fields.number()?;
    let to = if what == RELAY_TO { Some(fields.dot()?) } else { None };
    let about = if what == RELAY_BACK { Some(fields.number()?) } else { None };
    let routed = match what {
        RELAY | RELAY_TO | RELAY_BACK => {
            let millis = fields.number()?.cast_signed();
            let count = u32::try_from(fields.number()?).map_err(|_| Malformed::Number)?;
            let said = Hlc { millis, count };
            let by = match fields.number()? {
                0 => None,
                1 => Some(fields.dot()?),
                _ => return Err(Malformed::Value),
            };
            let count = fields.number()?;
            if count > AFTER_MAX {
                return Err(Malformed::Value);
            }
            let after = (0..count).map(|_| fields.dot()).collect::<Result<_, _>>()?;
            let stanza = Bytes::copy_from_slice(fields.0);
            return Ok(Routed::Relay(Relay { id, to, about, said, by, after, stanza }));
        }
        TAKEN => Routed::Taken(id),
        NOBODY => Routed::Failed(id, RelayFault::Nobody),
        FULL => Routed::Failed(id, RelayFault::Full),
        SETTLED => Routed::Settled(id),
        _ => return Err(Malformed::Value),
    };
    fields.end()?;
    Ok(routed)
}

#[cfg(test)]
mod tests {
    use arbtest::arbtest;

    use super::*;
    use crate::replica::{Dot, Origin};

    #[test]
    fn what_is_routed_comes_back() {
        let to = Some(Origin { node: 1, start: 2, random: 3 }.dot(4));
        let relay = |to: Option<Dot>, text: &'static str| {
            let after = to.into_iter().chain(to).collect();
            let about = to.is_none().then_some(400);
            let said = Hlc { millis: if to.is_none() { -1 } else { 1_800_000_000_000 }, count: 5 };
            Routed::Relay(Relay { id: 300, to, about, said, by: to, after, stanza: text.into() })
        };
        let left = |after| {
            let account = BareJid::parse("a@x.example").unwrap();
            Routed::Left(Left { account, after })
        };
        for (routed, expected) in [
            (relay(None, "<message/>"), Lane::Live),
            (relay(to, "<iq/>"), Lane::Live),
            (relay(to, "<presence/>"), Lane::State),
            (Routed::Taken(1), Lane::Live),
            (Routed::Failed(2, RelayFault::Nobody), Lane::Live),
            (Routed::Failed(u64::MAX, RelayFault::Full), Lane::Live),
            (Routed::Settled(7), Lane::State),
            (left(None), Lane::Live),
            (left(to), Lane::Live),
        ] {
            let mut out = Vec::new();
            write(&routed, &mut out);
            assert_eq!((read(&out), lane(&routed)), (Ok(routed.clone()), expected));
        }
    }

    #[test]
    fn garbage_is_an_error_or_written_as_it_was() {
        arbtest(|data| {
            let bytes = data.bytes(data.len())?;
            if let Ok(routed) = read(bytes) {
                let mut out = Vec::new();
                write(&routed, &mut out);
                assert_eq!(out, bytes);
            }
            Ok(())
        });
    }
}
