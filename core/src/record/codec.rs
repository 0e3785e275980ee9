//! Inputs and configuration as CBOR: one table says both how a type is written and how it is read.
//!
//! The numbers are part of the format: a variant keeps its number, a new one gets a new number, and any other
//! change is a new `FORMAT`. The tables name every field, so the compiler refuses one that was forgotten.

use core::fmt::Debug;

use bytes::Bytes;
use minicbor::data::Type;

use super::frames::End;
use crate::config::{
    ClusterSecret, Config, DomainConfig, Durability, Level, LinkKind, Registration, Seat, Short, ShowVersion,
    StaticCluster, StaticMember, StaticRoute,
};
use crate::io::{
    CloseCause, ClusterCommand, Command, CommandId, ConnId, ConnKind, Input, OpId, PeerAddr, PeerCertificate,
    Secret, TlsInfo,
};
use crate::jid::{BareJid, Domain};
use crate::limits::Limits;
use crate::store::{Key, Row, StoreError};
use crate::time::{Instant, Now, Span, UnixTime};

/// The bytes are not what this format writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Damaged;

/// Where values are written to.
pub(super) type Out = minicbor::Encoder<Vec<u8>>;

/// Where values are read from.
pub(super) type In<'b> = minicbor::Decoder<'b>;

/// A value that a recording can hold.
pub(super) trait Wire: Sized {
    /// Appends the value.
    fn write(&self, out: &mut Out);

    /// Reads what [`Wire::write`] wrote.
    fn read(from: &mut In<'_>) -> Result<Self, Damaged>;
}

/// Writes a value on its own.
pub(super) fn encode(value: &impl Wire) -> Vec<u8> {
    let mut out = Out::new(Vec::new());
    value.write(&mut out);
    out.into_writer()
}

/// Reads a value that stands on its own; nothing may follow it.
pub(super) fn decode<T: Wire>(bytes: &[u8]) -> Result<T, Damaged> {
    decode_by(bytes, T::read)
}

/// As [`decode`], with `read` for the value.
pub(super) fn decode_by<T>(
    bytes: &[u8],
    read: impl FnOnce(&mut In<'_>) -> Result<T, Damaged>,
) -> Result<T, Damaged> {
    let mut from = In::new(bytes);
    let value = read(&mut from)?;
    if from.position() == bytes.len() { Ok(value) } else { Err(Damaged) }
}

impl From<minicbor::decode::Error> for Damaged {
    fn from(_: minicbor::decode::Error) -> Self {
        Self
    }
}

/// Reads the head of an array of `length` elements.
pub(super) fn expect_array(from: &mut In<'_>, length: u64) -> Result<(), Damaged> {
    if from.array()? == Some(length) { Ok(()) } else { Err(Damaged) }
}

/// `written(out.x())`: writing to memory cannot fail.
pub(super) fn written<T, E: Debug>(outcome: Result<T, E>) {
    outcome.expect("writing to a Vec cannot fail");
}

/// Counts names.
macro_rules! count {
    ($($name:ident),*) => {{
        const NAMES: &[&str] = &[$(stringify!($name)),*];
        NAMES.len() as u64
    }};
}

/// A structure: an array of its fields in the order of the table.
macro_rules! wire_struct {
    ($type:ident { $($field:ident),* $(,)? }) => {
        impl Wire for $type {
            fn write(&self, out: &mut Out) {
                let Self { $($field),* } = self;
                written(out.array(count!($($field),*)));
                $($field.write(out);)*
            }

            fn read(from: &mut In<'_>) -> Result<Self, Damaged> {
                expect_array(from, count!($($field),*))?;
                Ok(Self { $($field: Wire::read(from)?),* })
            }
        }

        #[cfg(test)]
        impl super::samples::Sample for $type {
            fn draw(rng: &mut super::samples::Rng) -> Self {
                Self { $($field: super::samples::Sample::draw(rng)),* }
            }
        }
    };
}

/// An enumeration: an array of the number of the variant and its fields.
macro_rules! wire_enum {
    ($type:ident { $($number:literal => $variant:ident $({ $($field:ident),* })?),* $(,)? }) => {
        impl Wire for $type {
            fn write(&self, out: &mut Out) {
                match self {
                    $(Self::$variant $({ $($field),* })? => {
                        written(out.array(1 + count!($($($field),*)?)));
                        written(out.u8($number));
                        $($($field.write(out);)*)?
                    })*
                }
            }

            fn read(from: &mut In<'_>) -> Result<Self, Damaged> {
                let length = from.array()?.ok_or(Damaged)?;
                match (from.u8()?, length.checked_sub(1).ok_or(Damaged)?) {
                    $(($number, length) if length == count!($($($field),*)?) => {
                        Ok(Self::$variant $({ $($field: Wire::read(from)?),* })?)
                    })*
                    _ => Err(Damaged),
                }
            }
        }

        #[cfg(test)]
        impl super::samples::Sample for $type {
            fn draw(rng: &mut super::samples::Rng) -> Self {
                let numbers = [$($number),*];
                match numbers[rng.below(numbers.len())] {
                    $($number => Self::$variant $({ $($field: super::samples::Sample::draw(rng)),* })?,)*
                    _ => unreachable!("the numbers are those of the table"),
                }
            }
        }
    };
}

/// A value that is another one under a name: how to take it out, how to put it in.
macro_rules! wire_as {
    ($($type:ty as $inner:ty: $out:expr, $in:expr;)*) => {$(
        impl Wire for $type {
            fn write(&self, out: &mut Out) {
                let inner: fn(&Self) -> $inner = $out;
                inner(self).write(out);
            }

            fn read(from: &mut In<'_>) -> Result<Self, Damaged> {
                let outer: fn($inner) -> Option<Self> = $in;
                outer(Wire::read(from)?).ok_or(Damaged)
            }
        }
    )*};
}

wire_enum!(Input {
    0 => Opened { conn, kind, peer },
    1 => Secured { conn, tls },
    2 => Received { conn, bytes },
    3 => Flushed { conn, bytes },
    4 => Ended { conn },
    5 => Closed { conn, cause },
    6 => Stored { op, outcome },
    7 => Loaded { op, outcome },
    8 => Derived { op, salted_password },
    9 => Command { id, command },
    10 => Tick,
    11 => Connected { op, outcome },
});

wire_enum!(Command {
    0 => UserAdd { user, password },
    1 => UserPasswd { user, password },
    2 => UserRemove { user },
    3 => UserList { domain, after },
    4 => EnsureAdmin { domain },
    5 => Shutdown,
    22 => Cluster { ask },
});

wire_enum!(ClusterCommand {
    0 => Init,
    1 => Token { life, site },
    2 => Join { token },
    3 => Status,
    4 => Forget { name, force },
});

wire_enum!(ConnKind { 0 => ClientStartTls, 1 => ClientDirectTls, 2 => Peer });
wire_enum!(LinkKind { 0 => Lan, 1 => Wan, 2 => Satcom, 3 => Hf });
wire_enum!(CloseCause { 0 => Closed, 1 => Reset, 2 => Tls, 3 => TimedOut });
wire_enum!(StoreError { 0 => Full, 1 => Io, 2 => Damaged });
wire_enum!(Level { 0 => Local, 1 => Cluster { nodes }, 2 => Site { sites } });
wire_enum!(Short { 0 => Hold { time }, 1 => Degrade });
wire_enum!(Registration { 0 => Closed, 1 => Open });
wire_enum!(ShowVersion { 0 => Yes, 1 => No });
wire_enum!(End { 0 => Stopped, 1 => SizeBound });

wire_struct!(TlsInfo { exporter, server_end_point, peer });
wire_struct!(PeerCertificate { key });
wire_struct!(Row { key, value });
wire_struct!(Now { mono, wall });
wire_struct!(Config { node, domains, show_version, location, cluster, seat, limits });
wire_struct!(Seat { key, site, route, link, grace, hysteresis });
wire_struct!(StaticCluster { id, node, members, routes, grace, hysteresis, secret });
wire_struct!(StaticMember { node, name, site, key, route, link, rate });
wire_struct!(StaticRoute { node, name, address, link, rate, priority, proven });
wire_struct!(DomainConfig { name, registration, durability });
wire_struct!(Durability { level, short });
wire_struct!(Limits {
    element_bytes_unauthenticated,
    elements_unauthenticated,
    stanza_bytes,
    sasl_attempts,
    login_time,
    send_queue_bytes,
    sessions_per_account,
    unauthenticated_per_peer,
    connections,
    directed_presence,
    roster_items,
    contacts_known,
    roster_groups,
    roster_name_bytes,
    requests,
    request_bytes,
    close_time,
    scram_iterations,
    derivations,
    undurable_bytes,
    unacked_bytes,
    session_below_level_bytes,
    below_level_bytes,
    resume_time,
    tombstone_time,
    tombstones,
    flush_again,
    hot_accounts,
    blocked_addresses,
    held_stanzas,
    held_bytes,
    private_bytes,
    private_elements,
    vcard_bytes,
    archive_time,
    archive_bytes,
    archive_page,
    archive_page_bytes,
    archive_names,
    archive_step,
    archive_sweep,
    owed_messages,
    repeat_time,
    repeats,
    accounts_page,
    registrations_per_peer,
});

wire_as! {
    ClusterSecret as [u8; 32]: |secret| secret.0, |secret| Some(Self(secret));
    ConnId as u64: |id| id.0, |id| Some(Self(id));
    OpId as u64: |id| id.0, |id| Some(Self(id));
    CommandId as u64: |id| id.0, |id| Some(Self(id));
    PeerAddr as [u8; 16]: |peer| peer.0, |peer| Some(Self(peer));
    Secret as Bytes: |secret| secret.0.clone(), |bytes| Some(Self(bytes));
    Key as Bytes: |key| Bytes::copy_from_slice(key.as_bytes()), |bytes| Some(Self::from_bytes(bytes));
    Instant as u64: |instant| instant.as_micros(), |micros| Some(Self::from_micros(micros));
    Span as u64: |span| span.as_micros(), |micros| Some(Self::from_micros(micros));
    UnixTime as i64: |time| time.as_millis(), |millis| Some(Self::from_millis(millis));
    Domain as String: |domain| domain.to_string(), |text| Self::parse(&text).ok();
    BareJid as String: |jid| jid.to_string(), |text| Self::parse(&text).ok();
    Box<str> as String: |text| text.to_string(), |text| Some(text.into());
}

impl Wire for bool {
    fn write(&self, out: &mut Out) {
        written(out.bool(*self));
    }

    fn read(from: &mut In<'_>) -> Result<Self, Damaged> {
        Ok(from.bool()?)
    }
}

impl Wire for u32 {
    fn write(&self, out: &mut Out) {
        written(out.u32(*self));
    }

    fn read(from: &mut In<'_>) -> Result<Self, Damaged> {
        Ok(from.u32()?)
    }
}

impl Wire for u64 {
    fn write(&self, out: &mut Out) {
        written(out.u64(*self));
    }

    fn read(from: &mut In<'_>) -> Result<Self, Damaged> {
        Ok(from.u64()?)
    }
}

impl Wire for i64 {
    fn write(&self, out: &mut Out) {
        written(out.i64(*self));
    }

    fn read(from: &mut In<'_>) -> Result<Self, Damaged> {
        Ok(from.i64()?)
    }
}

impl Wire for String {
    fn write(&self, out: &mut Out) {
        written(out.str(self));
    }

    fn read(from: &mut In<'_>) -> Result<Self, Damaged> {
        Ok(from.str()?.to_owned())
    }
}

impl Wire for Bytes {
    fn write(&self, out: &mut Out) {
        written(out.bytes(self));
    }

    fn read(from: &mut In<'_>) -> Result<Self, Damaged> {
        Ok(Self::copy_from_slice(from.bytes()?))
    }
}

impl<const N: usize> Wire for [u8; N] {
    fn write(&self, out: &mut Out) {
        written(out.bytes(self));
    }

    fn read(from: &mut In<'_>) -> Result<Self, Damaged> {
        from.bytes()?.try_into().map_err(|_| Damaged)
    }
}

/// Nothing, as the value of a success.
impl Wire for () {
    fn write(&self, out: &mut Out) {
        written(out.null());
    }

    fn read(from: &mut In<'_>) -> Result<Self, Damaged> {
        Ok(from.null()?)
    }
}

/// `null` or the value; the value itself is never `null`.
impl<T: Wire> Wire for Option<T> {
    fn write(&self, out: &mut Out) {
        match self {
            Some(value) => value.write(out),
            None => written(out.null()),
        }
    }

    fn read(from: &mut In<'_>) -> Result<Self, Damaged> {
        if from.datatype()? == Type::Null {
            from.null()?;
            return Ok(None);
        }
        T::read(from).map(Some)
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn write(&self, out: &mut Out) {
        written(out.array(self.len() as u64));
        for value in self {
            value.write(out);
        }
    }

    fn read(from: &mut In<'_>) -> Result<Self, Damaged> {
        // Collecting reserves nothing for lengths that nobody has checked.
        (0..from.array()?.ok_or(Damaged)?).map(|_| T::read(from)).collect()
    }
}

impl<T: Wire, E: Wire> Wire for Result<T, E> {
    fn write(&self, out: &mut Out) {
        written(out.array(2));
        written(out.bool(self.is_ok()));
        match self {
            Ok(value) => value.write(out),
            Err(error) => error.write(out),
        }
    }

    fn read(from: &mut In<'_>) -> Result<Self, Damaged> {
        expect_array(from, 2)?;
        if from.bool()? { T::read(from).map(Ok) } else { E::read(from).map(Err) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{Rng, Sample as _};
    use super::*;

    #[test]
    fn every_input_comes_back() {
        let mut rng = Rng::new(1);
        let mut kinds = [0; 12];
        for _ in 0..5_000 {
            let input = Input::draw(&mut rng);
            let bytes = encode(&input);
            kinds[usize::from(bytes[1])] += 1;
            assert_eq!(decode::<Input>(&bytes).as_ref(), Ok(&input));
        }
        assert!(kinds.iter().all(|count| *count > 0), "{kinds:?}");
    }

    #[test]
    fn every_configuration_comes_back() {
        let mut rng = Rng::new(2);
        for _ in 0..500 {
            let config = Config::draw(&mut rng);
            assert_eq!(decode::<Config>(&encode(&config)), Ok(config));
        }
    }

    #[test]
    fn extremes_come_back() {
        for wall in [i64::MIN, -1, 0, i64::MAX] {
            let now = Now { mono: Instant::from_micros(u64::MAX), wall: UnixTime::from_millis(wall) };
            assert_eq!(decode(&encode(&now)), Ok(now));
        }
        let absent = Input::Command {
            id: CommandId(0),
            command: Command::UserList { domain: "".into(), after: None },
        };
        let empty = Input::Command {
            id: CommandId(0),
            command: Command::UserList { domain: "".into(), after: Some("".into()) },
        };
        assert_ne!(encode(&absent), encode(&empty));
        assert_eq!(decode(&encode(&absent)), Ok(absent));
        assert_eq!(decode(&encode(&empty)), Ok(empty));
    }

    /// What a changed byte makes is another value or an error, never a panic or a huge allocation.
    #[test]
    fn damage_never_panics() {
        let mut rng = Rng::new(3);
        for _ in 0..5_000 {
            let mut bytes = encode(&Input::draw(&mut rng));
            for _ in 0..=rng.below(3) {
                let at = rng.below(bytes.len());
                bytes[at] = u8::try_from(rng.below(256)).expect("below 256");
            }
            bytes.truncate(1 + rng.below(bytes.len()));
            if let Ok(input) = decode::<Input>(&bytes) {
                assert_eq!(decode(&encode(&input)), Ok(input));
            }
        }
        assert_eq!(decode::<Input>(&[]), Err(Damaged));
        assert_eq!(decode::<Input>(&[0x81, 0x0c]), Err(Damaged), "no such variant");
        assert_eq!(decode::<Input>(&[0x82, 0x0a, 0x00]), Err(Damaged), "one field too many");
        assert_eq!(decode::<Input>(&[0x81, 0x0a, 0x00]), Err(Damaged), "something behind");
        assert_eq!(decode::<Input>(&[0x81, 0x0a]), Ok(Input::Tick));
        assert_eq!(decode::<Vec<u64>>(&[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), Err(Damaged));
    }
}
