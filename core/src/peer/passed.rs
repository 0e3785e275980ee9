//! Frames that a node passes on for others: what two nodes say to each other over third ones.
//!
//! The sender names the path, so none goes in a circle. What is passed on is numbered: who misses one gives the connection up.

use bytes::Bytes;

use super::field::{Fields, put_number};
use super::frame::Malformed;

/// Nodes on a path: as many as a cluster may have.
const HOPS_MAX: u64 = 64;

const BY_CALLER: u8 = 1;
const END: u8 = 1 << 1;

/// A piece of a connection that goes over third nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Passed {
    /// Who sends it.
    pub(super) from: u32,
    /// Where it goes from here, the node that it is for last; who gets it stands first.
    pub(super) hops: Vec<u32>,
    /// Whether the sender has made the connection.
    pub(super) by_caller: bool,
    /// The number of the connection, among those that its caller has made.
    pub(super) id: u64,
    /// The number of the piece, from zero on.
    pub(super) seq: u64,
    /// Nothing follows.
    pub(super) end: bool,
    /// What is said.
    pub(super) bytes: Bytes,
}

/// Appends the body of the frame.
pub(super) fn write(passed: &Passed, out: &mut Vec<u8>) {
    let Passed { from, hops, by_caller, id, seq, end, bytes } = passed;
    out.push(if *by_caller { BY_CALLER } else { 0 } | if *end { END } else { 0 });
    put_number(out, (*from).into());
    put_number(out, hops.len() as u64);
    for hop in hops {
        put_number(out, (*hop).into());
    }
    put_number(out, *id);
    put_number(out, *seq);
    out.extend_from_slice(bytes);
}

/// Reads the body of a frame.
pub(super) fn read(body: &Bytes) -> Result<Passed, Malformed> {
    let mut fields = Fields(body);
    let [flags] = fields.bytes()?;
    let node = |number: u64| u32::try_from(number).map_err(|_| Malformed::Number);
    let (from, count) = (node(fields.number()?)?, fields.number()?);
    if flags & !(BY_CALLER | END) != 0 || count == 0 || count > HOPS_MAX {
        return Err(Malformed::Value);
    }
    let hops = (0..count).map(|_| node(fields.number()?)).collect::<Result<_, _>>()?;
    let (id, seq) = (fields.number()?, fields.number()?);
    let bytes = body.slice_ref(fields.0);
    Ok(Passed { from, hops, by_caller: flags & BY_CALLER != 0, id, seq, end: flags & END != 0, bytes })
}

#[cfg(test)]
mod tests {
    use arbtest::arbtest;

    use super::*;

    #[test]
    fn what_is_passed_on_comes_back_and_garbage_is_an_error() {
        arbtest(|data| {
            let mut hops = vec![data.arbitrary()?];
            for _ in 0..data.int_in_range(0..=4)? {
                hops.push(data.arbitrary()?);
            }
            let (from, by_caller, end) = (data.arbitrary()?, data.arbitrary()?, data.arbitrary()?);
            let (id, seq) = (data.arbitrary()?, data.arbitrary()?);
            let bytes = Bytes::copy_from_slice(data.bytes(data.len().min(9))?);
            let passed = Passed { from, hops, by_caller, id, seq, end, bytes };
            let mut out = Vec::new();
            write(&passed, &mut out);
            assert_eq!(read(&out.into()), Ok(passed));
            let bytes = Bytes::copy_from_slice(data.bytes(data.len())?);
            if let Ok(passed) = read(&bytes) {
                let mut again = Vec::new();
                write(&passed, &mut again);
                assert_eq!(again, bytes);
            }
            Ok(())
        });
    }
}
