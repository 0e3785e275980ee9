//! Link profiles as data.

use crate::engine::SimSpan;

/// What one direction of a link is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkProfile {
    /// The time a segment travels at least, one way.
    pub latency: SimSpan,
    /// What is added at most, drawn uniformly for each segment.
    pub jitter: SimSpan,
    /// Bits in a second; zero means that sending takes no time.
    pub rate: u64,
    /// Segments lost of a million.
    pub loss_ppm: u32,
}

/// The profiles every scenario may name.
const BUILTIN: [(&str, LinkProfile); 5] = [
    ("lan", profile(100, 20, 1_000_000_000)),
    ("home", profile(10_000, 2_000, 50_000_000)),
    ("wan-80ms", profile(40_000, 4_000, 100_000_000)),
    ("satcom", profile(280_000, 20_000, 512_000)),
    ("slow", profile(500_000, 20_000, 9_600)),
];

const fn profile(latency_us: u64, jitter_us: u64, rate: u64) -> LinkProfile {
    LinkProfile {
        latency: SimSpan::from_micros(latency_us),
        jitter: SimSpan::from_micros(jitter_us),
        rate,
        loss_ppm: 0,
    }
}

/// Returns a built-in profile by name.
pub fn builtin(name: &str) -> Option<LinkProfile> {
    BUILTIN.iter().find(|(own, _)| *own == name).map(|(_, profile)| *profile)
}

impl LinkProfile {
    /// Returns how long `bytes` occupy the sender.
    pub fn serialisation(&self, bytes: u64) -> SimSpan {
        if self.rate == 0 {
            return SimSpan::ZERO;
        }
        SimSpan::from_nanos(bytes.saturating_mul(8_000_000_000) / self.rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_link_takes_a_second_for_its_rate() {
        let slow = builtin("slow").unwrap();
        assert_eq!(slow.serialisation(1_200), SimSpan::from_secs(1));
        assert_eq!(builtin("lan").unwrap().serialisation(125), SimSpan::from_micros(1));
        assert_eq!(builtin("no such"), None);
    }
}
