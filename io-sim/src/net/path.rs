//! One direction of a link: what becomes of a segment.

use super::LinkProfile;
use crate::engine::{Entropy, Key, Purpose, SimSpan, SimTime};

/// Bytes of headers in front of each segment (IPv4 and TCP).
const HEADER_BYTES: u64 = 40;

/// Something that closes a path.
#[derive(Clone, Copy, Debug)]
struct Cause {
    number: u32,
    /// Segments it has swallowed.
    swallowed: u64,
}

/// One direction of a link, shared by all streams that use it.
#[derive(Clone, Debug)]
pub struct Path {
    entropy: Entropy,
    key: Key,
    profile: LinkProfile,
    /// Why nothing gets through; open when empty.
    closed: Vec<Cause>,
    busy_until: SimTime,
    /// Segments offered so far; the counter of the keyed draws.
    offered: u64,
}

impl Path {
    /// The cause of a cut that was made by hand.
    pub const BY_HAND: u32 = 0;
    /// The cause of a host without power at one of the ends.
    pub const DARK: u32 = 1;
    /// Whoever has causes of its own numbers them from here on.
    pub const OTHERS: u32 = 16;

    /// Creates an open path. `key` names it among all paths of the world.
    pub const fn new(entropy: Entropy, key: Key, profile: LinkProfile) -> Self {
        Self { entropy, key, profile, closed: Vec::new(), busy_until: SimTime::ZERO, offered: 0 }
    }

    /// Sends a segment with `bytes` of payload; returns when it arrives, or nothing when it is lost.
    pub fn carry(&mut self, now: SimTime, bytes: usize) -> Option<SimTime> {
        let counter = self.offered;
        self.offered += 1;
        if self.is_closed() {
            for cause in &mut self.closed {
                cause.swallowed += 1;
            }
            return None;
        }
        let start = now.max(self.busy_until);
        self.busy_until = start + self.profile.serialisation(bytes as u64 + HEADER_BYTES);
        let lost = u64::from(self.profile.loss_ppm);
        if lost > 0 && self.entropy.below(Purpose::Loss, self.key, counter, 1_000_000) < lost {
            return None;
        }
        Some(self.busy_until + self.profile.latency + self.jitter(counter))
    }

    /// Returns when the acknowledgement of what arrives at `at` is back, if this is the path it takes;
    /// nothing when it is lost. Acknowledgements take no rate.
    pub fn acknowledge(&self, at: SimTime) -> Option<SimTime> {
        if self.is_closed() { None } else { Some(at + self.profile.latency) }
    }

    /// Closes the path for one cause more. What is on its way at that time is the streams' to lose.
    pub fn close(&mut self, cause: u32) {
        if !self.closed.iter().any(|known| known.number == cause) {
            self.closed.push(Cause { number: cause, swallowed: 0 });
        }
    }

    /// Takes a cause away; the path is open when none is left. Returns how many segments that cause has swallowed.
    pub fn open(&mut self, cause: u32) -> u64 {
        let swallowed = self.swallowed(cause);
        self.closed.retain(|known| known.number != cause);
        swallowed
    }

    /// Returns how many segments a cause has swallowed that still closes the path.
    pub fn swallowed(&self, cause: u32) -> u64 {
        self.closed.iter().find(|known| known.number == cause).map_or(0, |known| known.swallowed)
    }

    /// Returns how many segments were offered so far, swallowed ones too.
    pub const fn offered(&self) -> u64 {
        self.offered
    }

    /// Cuts or heals the path by hand.
    pub fn set_cut(&mut self, cut: bool) {
        if cut {
            self.close(Self::BY_HAND);
        } else {
            self.open(Self::BY_HAND);
        }
    }

    /// Says whether the host at one of its ends is without power.
    pub fn set_dark(&mut self, dark: bool) {
        if dark {
            self.close(Self::DARK);
        } else {
            self.open(Self::DARK);
        }
    }

    /// Returns whether nothing gets through.
    pub const fn is_closed(&self) -> bool {
        !self.closed.is_empty()
    }

    /// Returns the profile of the path.
    pub const fn profile(&self) -> LinkProfile {
        self.profile
    }

    /// Gives the path another profile from the next segment on.
    pub const fn set_profile(&mut self, profile: LinkProfile) {
        self.profile = profile;
    }

    fn jitter(&self, counter: u64) -> SimSpan {
        let most = self.profile.jitter.as_nanos();
        SimSpan::from_nanos(self.entropy.below(Purpose::Jitter, self.key, counter, most.saturating_add(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::builtin;

    #[test]
    fn segments_queue_behind_each_other_at_the_rate() {
        let slow = LinkProfile { jitter: SimSpan::ZERO, ..builtin("slow").unwrap() };
        let mut path = Path::new(Entropy::new(1), Key::of("x"), slow);
        let first = path.carry(SimTime::ZERO, 1_160).unwrap();
        let second = path.carry(SimTime::ZERO, 1_160).unwrap();
        assert_eq!(first, SimTime::ZERO + SimSpan::from_millis(1_500));
        assert_eq!(second.since(first), SimSpan::from_secs(1));
    }

    #[test]
    fn a_cut_path_loses_segments_and_acknowledgements() {
        let mut path = Path::new(Entropy::new(1), Key::of("x"), builtin("lan").unwrap());
        path.set_cut(true);
        assert_eq!(path.carry(SimTime::ZERO, 1), None);
        assert_eq!(path.acknowledge(SimTime::ZERO), None);
        path.set_cut(false);
        assert!(path.carry(SimTime::ZERO, 1).is_some());
    }

    #[test]
    fn each_cause_of_a_closed_path_ends_by_itself_and_knows_what_it_swallowed() {
        let mut path = Path::new(Entropy::new(1), Key::of("x"), builtin("lan").unwrap());
        path.close(16);
        assert_eq!(path.carry(SimTime::ZERO, 1), None);
        path.close(17);
        path.close(17);
        assert_eq!(path.carry(SimTime::ZERO, 1), None);
        assert_eq!(path.open(16), 2);
        assert!(path.is_closed());
        assert_eq!((path.open(17), path.open(17)), (1, 0));
        assert!(path.carry(SimTime::ZERO, 1).is_some());
    }

    #[test]
    fn loss_is_as_often_as_the_profile_says() {
        let lossy = LinkProfile { loss_ppm: 250_000, ..builtin("lan").unwrap() };
        let mut path = Path::new(Entropy::new(1), Key::of("x"), lossy);
        let lost = (0..10_000).filter(|_| path.carry(SimTime::ZERO, 100).is_none()).count();
        assert!((2_300..2_700).contains(&lost), "{lost}");
    }
}
