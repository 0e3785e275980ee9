//! Lanes: what waits to be sent goes by urgency and in parts, and parts that come are put together again.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::frame::{Frame, Kind, Lane, Malformed};
use super::hello::PART_MIN;

/// Bytes of a frame before its body, its length left out.
const HEAD_BYTES: usize = 2;

/// What waits to be sent on one connection, lane by lane.
#[derive(Debug)]
pub(super) struct Lanes {
    waiting: [VecDeque<(Kind, Bytes)>; Lane::ALL.len()],
    /// Bytes of the longest thing that the other side takes.
    pub(super) part_max: usize,
    /// Something was longer, and was left out.
    pub(super) has_dropped: bool,
}

/// What has come of something that was cut into parts; at most one of each lane.
#[derive(Debug)]
pub(super) struct Parts {
    begun: [Option<(u8, BytesMut)>; Lane::ALL.len()],
    /// Bytes that one of them may have.
    max: usize,
}

impl Lanes {
    /// Creates lanes on which nothing waits, to somebody who takes what everybody takes.
    pub(super) const fn new() -> Self {
        let waiting = [const { VecDeque::new() }; Lane::ALL.len()];
        Self { waiting, part_max: PART_MIN as usize, has_dropped: false }
    }

    /// Lets something wait, if the other side takes anything so long: else it would end the connection, and be said again on the
    /// next. Returns whether it waits.
    pub(super) fn push(&mut self, lane: Lane, kind: Kind, body: Vec<u8>) -> bool {
        if body.len() > self.part_max {
            self.has_dropped = true;
            return false;
        }
        if let Some(waiting) = self.waiting.get_mut(lane as usize) {
            waiting.push_back((kind, body.into()));
        }
        true
    }

    /// Takes everything, in frames of at most `frame_max` bytes, the most urgent first.
    pub(super) fn take(&mut self, frame_max: u16) -> Bytes {
        let room = usize::from(frame_max).saturating_sub(HEAD_BYTES).max(1);
        let mut out = Vec::new();
        for (lane, waiting) in Lane::ALL.into_iter().zip(&mut self.waiting) {
            for (kind, mut body) in waiting.drain(..) {
                while body.len() > room {
                    let part = body.split_to(room);
                    Frame { lane, more: true, kind: kind.number(), body: part }.write(&mut out);
                }
                Frame { lane, more: false, kind: kind.number(), body }.write(&mut out);
            }
        }
        out.into()
    }
}

impl Parts {
    /// Creates the place for parts of what has at most `max` bytes as a whole.
    pub(super) const fn new(max: usize) -> Self {
        Self { begun: [const { None }; Lane::ALL.len()], max }
    }

    /// Takes a frame in. Returns its kind and the whole body, once that is there.
    ///
    /// # Errors
    ///
    /// [`Malformed`] when it does not go on with what was begun, or the whole is too long.
    pub(super) fn take(&mut self, frame: Frame) -> Result<Option<(u8, Bytes)>, Malformed> {
        let Frame { lane, more, kind, body } = frame;
        let begun = self.begun.get_mut(lane as usize).ok_or(Malformed::Head)?;
        if begun.is_none() && !more {
            return Ok(Some((kind, body)));
        }
        let (known, mut whole) = begun.take().unwrap_or_else(|| (kind, BytesMut::new()));
        if known != kind {
            return Err(Malformed::Order);
        }
        if whole.len() + body.len() > self.max {
            return Err(Malformed::Length);
        }
        whole.extend_from_slice(&body);
        if more {
            *begun = Some((kind, whole));
            return Ok(None);
        }
        Ok(Some((kind, whole.freeze())))
    }
}

#[cfg(test)]
mod tests {
    use arbtest::arbtest;

    use super::super::frame::FrameReader;
    use super::*;

    fn frames(bytes: &[u8], max: u16) -> Vec<Frame> {
        let mut reader = FrameReader::new(max);
        reader.feed(bytes);
        core::iter::from_fn(|| reader.next_frame().expect("these are frames")).collect()
    }

    #[test]
    fn what_is_cut_into_parts_comes_back_whole() {
        arbtest(|data| {
            let max = data.int_in_range(3..=40)?;
            let mut lanes = Lanes::new();
            let mut said = Vec::new();
            for _ in 0..data.int_in_range(1..=6)? {
                let lane = *data.choose(&Lane::ALL)?;
                let length = data.int_in_range(0..=200)?;
                let body = data.bytes(length.min(data.len()))?.to_vec();
                said.push((lane, body.clone()));
                lanes.push(lane, Kind::Beat, body);
            }
            let mut parts = Parts::new(200);
            let frames = frames(&lanes.take(max), max);
            assert!(frames.is_sorted_by_key(|frame| frame.lane), "the most urgent goes first");
            let mut heard = Vec::new();
            for frame in frames {
                let lane = frame.lane;
                if let Some((kind, body)) = parts.take(frame).expect("they go on") {
                    assert_eq!(Kind::from_number(kind), Some(Kind::Beat));
                    heard.push((lane, body.to_vec()));
                }
            }
            said.sort_by_key(|(lane, _)| *lane);
            assert_eq!(heard, said);
            assert!(lanes.take(max).is_empty(), "everything is gone");
            Ok(())
        });
    }

    #[test]
    fn what_the_other_side_does_not_take_is_left_out() {
        let mut lanes = Lanes::new();
        lanes.part_max = 100;
        lanes.push(Lane::Live, Kind::Beat, vec![7; 101]);
        assert!(lanes.has_dropped && lanes.take(50).is_empty());
        lanes.has_dropped = false;
        lanes.push(Lane::Live, Kind::Beat, vec![7; 100]);
        let mut parts = Parts::new(100);
        let whole = frames(&lanes.take(50), 50).into_iter().filter_map(|frame| parts.take(frame).unwrap());
        assert_eq!(whole.map(|(_, body)| body.len()).collect::<Vec<_>>(), [100]);
        assert!(!lanes.has_dropped);
    }

    #[test]
    fn parts_have_a_bound_and_belong_together() {
        let part = |kind, more, length| Frame { lane: Lane::Live, more, kind, body: vec![7; length].into() };
        let mut parts = Parts::new(10);
        assert_eq!(parts.take(part(9, true, 6)), Ok(None));
        let other = Frame { lane: Lane::State, ..part(9, false, 6) };
        assert_eq!(parts.take(other).map(|whole| whole.is_some()), Ok(true), "each lane has its own");
        assert_eq!(parts.take(part(8, false, 1)), Err(Malformed::Order));
        assert_eq!(parts.take(part(9, true, 6)), Ok(None));
        assert_eq!(parts.take(part(9, false, 5)), Err(Malformed::Length));
        assert_eq!(parts.take(part(9, true, 6)), Ok(None));
        assert_eq!(parts.take(part(9, false, 4)), Ok(Some((9, vec![7; 10].into()))));
        let alone = part(9, false, 50);
        assert_eq!(parts.take(alone.clone()), Ok(Some((9, alone.body))), "a frame has its own bound");
    }
}
