//! The round trip as Linux estimates it, and the time-out that follows from it (`tcp_rtt_estimator`).

use super::params::TcpParams;
use crate::engine::SimSpan;

/// The estimate of a sender. All times are nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Estimate {
    rto_initial: u64,
    rto_min: u64,
    rto_max: u64,
    /// The smoothed round trip; zero before the first sample.
    smoothed: u64,
    /// Four times the smoothed deviation.
    deviation: u64,
    /// The greatest of them in this round trip.
    deviation_max: u64,
    /// What is added to the round trip.
    variation: u64,
    /// The sequence number whose acknowledgement ends this round trip.
    round_ends: u64,
    /// The shortest round trip that was seen.
    shortest: u64,
}

impl Estimate {
    pub(super) const fn new(params: &TcpParams) -> Self {
        Self {
            rto_initial: params.rto_initial.as_nanos(),
            rto_min: params.rto_min.as_nanos(),
            rto_max: params.rto_max.as_nanos(),
            smoothed: 0,
            deviation: 0,
            deviation_max: 0,
            variation: 0,
            round_ends: 0,
            shortest: u64::MAX,
        }
    }

    /// Takes a sample that came when everything before `acked` was acknowledged and everything before `next` sent.
    pub(super) fn take(&mut self, sample: SimSpan, acked: u64, next: u64) {
        let sample = sample.as_nanos().max(1);
        self.shortest = self.shortest.min(sample);
        if self.smoothed == 0 {
            self.smoothed = sample;
            self.deviation = 2 * sample;
            self.variation = self.deviation.max(self.rto_min);
            self.deviation_max = self.variation;
            self.round_ends = next;
            return;
        }
        let error = sample.abs_diff(self.smoothed);
        let quarter = self.deviation / 4;
        let shrinks = sample < self.smoothed;
        self.smoothed = if shrinks { self.smoothed - error / 8 } else { self.smoothed + error / 8 };
        if error < quarter {
            self.deviation -= quarter - error;
        } else {
            // A round trip that suddenly shrinks says little of how late the next may be.
            self.deviation += if shrinks { (error - quarter) / 8 } else { error - quarter };
        }
        if self.deviation > self.deviation_max {
            self.deviation_max = self.deviation;
            self.variation = self.variation.max(self.deviation_max);
        }
        if acked > self.round_ends {
            if self.deviation_max < self.variation {
                self.variation -= (self.variation - self.deviation_max) / 4;
            }
            self.round_ends = next;
            self.deviation_max = self.rto_min;
        }
    }

    /// Returns the time-out after so many doublings.
    pub(super) fn rto(&self, doublings: u32) -> SimSpan {
        let base = if self.smoothed == 0 { self.rto_initial } else { self.smoothed + self.variation };
        // In whole jiffies, as the kernel holds it.
        let jiffy = super::timer::JIFFY.as_nanos();
        let whole = base.div_ceil(jiffy) * jiffy;
        SimSpan::from_nanos(whole.saturating_mul(1 << doublings.min(32)).min(self.rto_max))
    }

    /// Returns after how long without an acknowledgement the tail is taken for lost and probed.
    pub(super) fn probe_after(&self, alone: bool) -> SimSpan {
        if self.smoothed == 0 {
            return SimSpan::from_nanos(self.rto_initial);
        }
        // Whoever got a lone segment may take its time to acknowledge it.
        let slack = if alone { self.rto_min } else { 2 * super::timer::JIFFY.as_nanos() };
        SimSpan::from_nanos(2 * self.smoothed + slack)
    }

    /// Returns how long a segment may be overtaken before it is taken for lost.
    pub(super) fn reordering(&self) -> SimSpan {
        let shortest = if self.shortest == u64::MAX { 0 } else { self.shortest };
        SimSpan::from_nanos((shortest / 4).min(self.smoothed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(millis: u64) -> SimSpan {
        SimSpan::from_millis(millis)
    }

    #[test]
    fn the_time_out_is_the_round_trip_and_at_least_200_ms_more() {
        let mut estimate = Estimate::new(&TcpParams::LINUX);
        assert_eq!(estimate.rto(0), millis(1_000));
        estimate.take(millis(40), 0, 1);
        assert_eq!(estimate.rto(0), millis(240));
        assert_eq!(estimate.rto(3), millis(8 * 240));
        assert_eq!(estimate.rto(60), SimSpan::from_secs(120));
        assert_eq!((estimate.probe_after(true), estimate.probe_after(false)), (millis(280), millis(88)));
    }

    #[test]
    fn a_round_trip_that_varies_lengthens_the_time_out_and_a_steady_one_shortens_it_again() {
        let mut estimate = Estimate::new(&TcpParams::LINUX);
        estimate.take(millis(100), 0, 1);
        estimate.take(millis(500), 1, 2);
        assert!(estimate.rto(0) >= millis(600), "{:?}", estimate.rto(0));
        for round in 2..60 {
            estimate.take(millis(100), round, round + 1);
        }
        assert!(estimate.rto(0) <= millis(312), "{:?}", estimate.rto(0));
    }
}
