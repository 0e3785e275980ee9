//! One direction of a link: what becomes of a segment.

use super::LinkProfile;
use crate::engine::{Entropy, Key, Purpose, SimSpan, SimTime};

/// Bytes of headers in front of each segment (IPv4 and TCP).
const HEADER_BYTES: u64 = 40;

/// One direction of a link, shared by all streams that use it.
#[derive(Clone, Debug)]
pub struct Path {
    entropy: Entropy,
    key: Key,
    profile: LinkProfile,
    cut: bool,
    dark: bool,
    busy_until: SimTime,
    /// Segments offered so far; the counter of the keyed draws.
    offered: u64,
}

impl Path {
    /// Creates an open path. `key` names it among all paths of the world.
    pub const fn new(entropy: Entropy, key: Key, profile: LinkProfile) -> Self {
        Self { entropy, key, profile, cut: false, dark: false, busy_until: SimTime::ZERO, offered: 0 }
    }

    /// Sends a segment with `bytes` of payload; returns when it arrives, or nothing when it is lost.
    pub fn carry(&mut self, now: SimTime, bytes: usize) -> Option<SimTime> {
        let counter = self.offered;
        self.offered += 1;
        if self.is_closed() {
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

    /// Cuts or heals the path. What is on its way when the path is cut is the streams' to lose.
    pub const fn set_cut(&mut self, cut: bool) {
        self.cut = cut;
    }

    /// Says whether the host at one of its ends is without power.
    pub const fn set_dark(&mut self, dark: bool) {
        self.dark = dark;
    }

    /// Returns whether nothing gets through.
    pub const fn is_closed(&self) -> bool {
        self.cut || self.dark
    }

    /// Returns what the path is like.
    pub const fn profile(&self) -> &LinkProfile {
        &self.profile
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
    fn loss_is_as_often_as_the_profile_says() {
        let lossy = LinkProfile { loss_ppm: 250_000, ..builtin("lan").unwrap() };
        let mut path = Path::new(Entropy::new(1), Key::of("x"), lossy);
        let lost = (0..10_000).filter(|_| path.carry(SimTime::ZERO, 100).is_none()).count();
        assert!((2_300..2_700).contains(&lost), "{lost}");
    }
}
