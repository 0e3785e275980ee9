//! Quantities, taken out of what happened; nothing is taken where nothing of the kind happened.

use crate::recording::Event;

/// From the first event of one kind to the first of another behind it.
pub(crate) fn between(seen: &[Event], from: &str, to: &str) -> Vec<i64> {
    let mut rest = seen.iter().skip_while(|event| event.what != from);
    let Some(start) = rest.next() else { return Vec::new() };
    rest.find(|event| event.what == to).map(|event| event.at - start.at).into_iter().collect()
}

pub(crate) fn all<'a>(seen: &'a [Event], what: &'a str) -> impl Iterator<Item = &'a Event> {
    seen.iter().filter(move |event| event.what == what)
}

pub(crate) fn first(seen: &[Event], what: &str) -> Option<i64> {
    all(seen, what).next().map(|event| event.at)
}

pub(crate) fn cut(seen: &[Event]) -> i64 {
    seen.iter().find(|event| event.what.starts_with("world cut")).map_or(i64::MAX, |event| event.at)
}

pub(crate) fn healed(seen: &[Event]) -> i64 {
    first(seen, "world healed").unwrap_or(i64::MAX)
}

pub(crate) fn connect_duration(seen: &[Event]) -> Vec<i64> {
    between(seen, "client connects", "client connected")
}

/// When the server has read as much as `bytes`.
pub(crate) fn read_at(seen: &[Event], bytes: usize) -> Option<i64> {
    all(seen, "server read").find(|event| event.bytes >= bytes).map(|event| event.at)
}

/// How long the first write took to be read to its end.
pub(crate) fn delivered(seen: &[Event]) -> Vec<i64> {
    let write = all(seen, "client wrote").next();
    write.and_then(|write| Some(read_at(seen, write.bytes)? - write.at)).into_iter().collect()
}

/// How long each write before the cut took.
pub(crate) fn latency_before_cut(seen: &[Event]) -> Vec<i64> {
    let writes = all(seen, "client wrote").filter(|write| write.at < cut(seen));
    writes.filter_map(|write| Some(read_at(seen, write.bytes)? - write.at)).collect()
}

/// When the client sent again, since the first write that was cut.
pub(crate) fn retransmissions(seen: &[Event]) -> Vec<i64> {
    let Some(start) = all(seen, "client wrote").find(|write| write.at > cut(seen)) else { return Vec::new() };
    all(seen, "client resent").map(|event| event.at - start.at).collect()
}

/// How many bytes the server read while the link was cut.
pub(crate) fn read_while_cut(seen: &[Event]) -> Vec<i64> {
    let read_by = |at| all(seen, "server read").filter(|event| event.at < at).map(|event| event.bytes).max();
    let bytes = read_by(healed(seen)).unwrap_or(0) - read_by(cut(seen)).unwrap_or(0);
    vec![i64::try_from(bytes).expect("a recording holds few bytes")]
}

/// How long after the heal the server had the last write before it.
pub(crate) fn caught_up(seen: &[Event]) -> Vec<i64> {
    let healed = healed(seen);
    let last = all(seen, "client wrote").filter(|write| write.at < healed).last();
    last.and_then(|last| Some(read_at(seen, last.bytes)? - healed)).into_iter().collect()
}

/// How many bytes waited for a server that did not read.
pub(crate) fn held(seen: &[Event]) -> Vec<i64> {
    let bytes = all(seen, "server read").next().map(|event| event.bytes);
    bytes.map(|bytes| i64::try_from(bytes).expect("a recording holds few bytes")).into_iter().collect()
}

/// How many bytes the client got rid of before the server read.
pub(crate) fn taken(seen: &[Event]) -> Vec<i64> {
    let reads = first(seen, "server reads").unwrap_or(i64::MAX);
    let bytes = all(seen, "client wrote").filter(|event| event.at < reads).map(|event| event.bytes).max();
    bytes.map(|bytes| i64::try_from(bytes).expect("a recording holds few bytes")).into_iter().collect()
}

/// From the first read to the next bytes, which had to be asked for.
pub(crate) fn recovery(seen: &[Event]) -> Vec<i64> {
    let mut reads = all(seen, "server read");
    let both = reads.next().zip(reads.next());
    both.map(|(first, second)| second.at - first.at).into_iter().collect()
}

pub(crate) fn expiry(seen: &[Event]) -> Vec<i64> {
    between(seen, "client wrote", "client error ETIMEDOUT")
}
