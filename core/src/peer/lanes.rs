//! Lanes: what waits to be sent goes by urgency and in parts, and parts that come are put together again.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::frame::{Frame, Kind, Lane, Malformed};
use super::hello::PART_MIN;
use crate::time::{Instant, Span};

/// Bytes of a frame before its body, its length left out.
const HEAD_BYTES: usize = 2;
/// What goes before a commit that was pushed behind it, although that goes on another lane.
const AHEAD: [Lane; 2] = [Lane::Live, Lane::State];
/// Frames of others between two of state that has waited: it has a fourth.
const STATE_SHARE: usize = 3;
/// Frames of others between two of bulk that has waited: it has a tenth.
const BULK_SHARE: usize = 9;

/// What waits to be sent on one connection, lane by lane.
#[derive(Debug)]
pub(super) struct Lanes {
    waiting: [Waiting; Lane::ALL.len()],
    /// Bytes of the longest thing that the other side takes.
    pub(super) part_max: usize,
    /// Something was longer, and was left out.
    pub(super) has_dropped: bool,
}

/// What waits on one lane.
#[derive(Debug)]
struct Waiting {
    items: VecDeque<Item>,
    /// Bytes of them.
    bytes: usize,
    /// How many have ever waited, and how many of those have gone as a whole.
    pushed: u64,
    gone: u64,
    /// Bytes of other lanes that went while something waited here.
    skipped: usize,
    /// How many of them wait for nothing else.
    hasty: usize,
}

/// Something that waits.
#[derive(Debug)]
struct Item {
    kind: Kind,
    body: Bytes,
    since: Instant,
    /// Some of it has gone.
    has_begun: bool,
    /// It says that everything has been said that had waited by then, of how much is live and how much is state.
    behind: Option<[u64; 2]>,
}

/// What has come of something that was cut into parts; at most one of each lane.
#[derive(Debug)]
pub(super) struct Parts {
    begun: [Option<(u8, BytesMut)>; Lane::ALL.len()],
    /// Bytes that one of them may have.
    max: usize,
}

impl Waiting {
    const fn new() -> Self {
        Self { items: VecDeque::new(), bytes: 0, pushed: 0, gone: 0, skipped: 0, hasty: 0 }
    }
}

impl Lanes {
    /// Creates lanes on which nothing waits, to somebody who takes what everybody takes.
    pub(super) const fn new() -> Self {
        let waiting = [const { Waiting::new() }; Lane::ALL.len()];
        Self { waiting, part_max: PART_MIN as usize, has_dropped: false }
    }

    /// Lets something wait from `now` on, if the other side takes anything so long: else it would end the connection, and be said
    /// again on the next. Returns whether it waits.
    pub(super) fn push(&mut self, now: Instant, lane: Lane, (kind, body): (Kind, Vec<u8>)) -> bool {
        if body.len() > self.part_max {
            self.has_dropped = true;
            return false;
        }
        // A commit is urgent to nobody, and covers what may be.
        let behind = (kind == Kind::Commit).then(|| AHEAD.map(|lane| self.on(lane).pushed));
        let waiting = self.on_mut(lane);
        waiting.bytes += body.len();
        waiting.pushed += 1;
        waiting.hasty += usize::from(is_hasty(lane, kind));
        waiting.items.push_back(Item { kind, body: body.into(), since: now, has_begun: false, behind });
        true
    }

    /// Puts something in the place of what waits last on a lane, if that is of this kind and has not begun to go: `fold` makes one of
    /// both. Returns whether it did.
    pub(super) fn fold_last(
        &mut self,
        lane: Lane,
        kind: Kind,
        fold: impl FnOnce(&Bytes) -> Option<Vec<u8>>,
    ) -> bool {
        let part_max = self.part_max;
        let waiting = self.on_mut(lane);
        let last = waiting.items.back_mut().filter(|last| last.kind == kind && !last.has_begun);
        let Some((last, body)) = last.and_then(|last| fold(&last.body).map(|body| (last, body))) else {
            return false;
        };
        if body.len() > part_max {
            return false;
        }
        waiting.bytes = waiting.bytes - last.body.len() + body.len();
        last.body = body.into();
        true
    }

    /// Returns how many bytes wait on a lane.
    pub(super) fn bytes(&self, lane: Lane) -> usize {
        self.on(lane).bytes
    }

    /// Returns whether something waits that goes at once.
    pub(super) fn is_urgent(&self) -> bool {
        !self.on(Lane::Liveness).items.is_empty()
    }

    /// Returns from when on what waits goes, if that of it which nobody waits for at once waits for so long; nothing when nothing waits.
    pub(super) fn ripe(&self, coalesce: Span) -> Option<Instant> {
        let waiting = self.waiting.iter().filter_map(|waiting| Some((waiting, waiting.items.front()?)));
        waiting
            .map(|(waiting, first)| if waiting.hasty > 0 { first.since } else { first.since + coalesce })
            .min()
    }

    /// Takes the next frame of at most `frame_max` bytes: of the most urgent lane, unless a less urgent one has waited and not had its
    /// share.
    pub(super) fn next_frame(&mut self, now: Instant, frame_max: u16) -> Option<Frame> {
        let room = usize::from(frame_max).saturating_sub(HEAD_BYTES).max(1);
        let lane = self.next_lane(now, room)?;
        let waiting = self.on_mut(lane);
        let item = waiting.items.front_mut()?;
        let more = item.body.len() > room;
        let (kind, body) = (item.kind, item.body.split_to(item.body.len().min(room)));
        item.has_begun = true;
        waiting.bytes -= body.len();
        waiting.skipped = 0;
        if !more {
            waiting.items.pop_front();
            waiting.gone += 1;
            waiting.hasty -= usize::from(is_hasty(lane, kind));
        }
        if lane != Lane::Liveness {
            let others = Lane::ALL.into_iter().zip(&mut self.waiting).filter(|(other, _)| *other != lane);
            for (_, other) in others.filter(|(_, other)| !other.items.is_empty()) {
                other.skipped = other.skipped.saturating_add(body.len());
            }
        }
        Some(Frame { lane, more, kind: kind.number(), body })
    }

    fn next_lane(&self, now: Instant, room: usize) -> Option<Lane> {
        let head = |lane: &Lane| self.on(*lane).items.front().filter(|item| self.may_go(item));
        let has_waited = |lane: &Lane| head(lane).is_some_and(|item| now > item.since);
        let is_due = |lane: &Lane, share: usize| has_waited(lane) && self.on(*lane).skipped >= room * share;
        if self.is_urgent() {
            Some(Lane::Liveness)
        } else if is_due(&Lane::Bulk, BULK_SHARE) {
            Some(Lane::Bulk)
        } else if is_due(&Lane::State, STATE_SHARE) {
            Some(Lane::State)
        } else {
            Lane::ALL.into_iter().find(|lane| head(lane).is_some())
        }
    }

    fn may_go(&self, item: &Item) -> bool {
        let mut behind = AHEAD.into_iter().zip(item.behind.into_iter().flatten());
        behind.all(|(lane, pushed)| self.on(lane).gone >= pushed)
    }

    const fn on(&self, lane: Lane) -> &Waiting {
        let [liveness, live, state, bulk] = &self.waiting;
        match lane {
            Lane::Liveness => liveness,
            Lane::Live => live,
            Lane::State => state,
            Lane::Bulk => bulk,
        }
    }

    const fn on_mut(&mut self, lane: Lane) -> &mut Waiting {
        let [liveness, live, state, bulk] = &mut self.waiting;
        match lane {
            Lane::Liveness => liveness,
            Lane::Live => live,
            Lane::State => state,
            Lane::Bulk => bulk,
        }
    }
}

/// Returns whether something goes at once, with what else waits. What says how far the other side is, and how things stand, does not.
const fn is_hasty(lane: Lane, kind: Kind) -> bool {
    match kind {
        Kind::Hello
        | Kind::Bye
        | Kind::Beat
        | Kind::Entry
        | Kind::Mark
        | Kind::Got
        | Kind::Join
        | Kind::Admitted => true,
        Kind::Routed => matches!(lane, Lane::Live),
        Kind::Durable
        | Kind::Owned
        | Kind::OwnedSince
        | Kind::Have
        | Kind::Commit
        | Kind::Granted
        | Kind::RollSum
        | Kind::Roll => false,
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

    fn all(lanes: &mut Lanes, max: u16) -> Vec<u8> {
        let mut out = Vec::new();
        while let Some(frame) = lanes.next_frame(Instant::default(), max) {
            frame.write(&mut out);
        }
        out
    }

    fn push(lanes: &mut Lanes, lane: Lane, body: Vec<u8>) -> bool {
        lanes.push(Instant::default(), lane, (Kind::Beat, body))
    }

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
                push(&mut lanes, lane, body);
            }
            let mut parts = Parts::new(200);
            let frames = frames(&all(&mut lanes, max), max);
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
            assert!(
                all(&mut lanes, max).is_empty() && lanes.ripe(Span::default()).is_none(),
                "everything is gone"
            );
            Ok(())
        });
    }

    #[test]
    fn less_urgent_lanes_have_a_share_once_they_have_waited() {
        let mut lanes = Lanes::new();
        for lane in [Lane::Live, Lane::State, Lane::Bulk] {
            push(&mut lanes, lane, vec![7; 38 * 100]);
        }
        let late = Instant::from_micros(1);
        let sent: Vec<_> = (0..40).filter_map(|_| Some(lanes.next_frame(late, 40)?.lane)).collect();
        let of = |lane| sent.iter().filter(|sent| **sent == lane).count();
        assert_eq!([Lane::Live, Lane::State, Lane::Bulk].map(of), [27, 9, 4], "{sent:?}");
        push(&mut lanes, Lane::Liveness, vec![7; 1]);
        assert_eq!(lanes.next_frame(late, 40).map(|frame| frame.lane), Some(Lane::Liveness));
    }

    #[test]
    fn what_nobody_waits_for_at_once_waits_for_more_of_it_and_goes_with_what_is_urgent() {
        let (mut lanes, at, wait) = (Lanes::new(), Instant::from_micros, Span::from_millis(1));
        assert_eq!(lanes.ripe(wait), None);
        lanes.push(at(100), Lane::State, (Kind::Owned, vec![7]));
        lanes.push(at(200), Lane::Live, (Kind::Durable, vec![7]));
        assert_eq!(lanes.ripe(wait), Some(at(1_100)));
        lanes.push(at(300), Lane::Live, (Kind::Entry, vec![7]));
        assert_eq!(lanes.ripe(wait), Some(at(200)));
        assert_eq!(lanes.next_frame(at(300), 40).map(|frame| frame.kind), Some(Kind::Durable.number()));
        assert_eq!(lanes.next_frame(at(300), 40).map(|frame| frame.kind), Some(Kind::Entry.number()));
        assert_eq!(lanes.ripe(wait), Some(at(1_100)));
    }

    #[test]
    fn a_commit_waits_for_what_was_said_before_it_and_for_nothing_else() {
        let (mut lanes, late) = (Lanes::new(), Instant::from_micros(1));
        push(&mut lanes, Lane::Live, vec![7; 38 * 20]);
        push(&mut lanes, Lane::State, vec![7; 38 * 2]);
        lanes.push(Instant::default(), Lane::Bulk, (Kind::Commit, vec![7; 10]));
        push(&mut lanes, Lane::Live, vec![7; 38 * 20]);
        let sent: Vec<_> = (0..43).filter_map(|_| Some(lanes.next_frame(late, 40)?.lane)).collect();
        assert_eq!(sent.iter().position(|lane| *lane == Lane::Bulk), Some(22), "{sent:?}");
    }

    #[test]
    fn what_the_other_side_does_not_take_is_left_out() {
        let mut lanes = Lanes::new();
        lanes.part_max = 100;
        push(&mut lanes, Lane::Live, vec![7; 101]);
        assert!(lanes.has_dropped && all(&mut lanes, 50).is_empty());
        lanes.has_dropped = false;
        push(&mut lanes, Lane::Live, vec![7; 100]);
        let mut parts = Parts::new(100);
        let whole =
            frames(&all(&mut lanes, 50), 50).into_iter().filter_map(|frame| parts.take(frame).unwrap());
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
