//! Simulated time: nanoseconds, integers only.

use core::fmt;
use core::ops::Add;

/// A point in simulated time: nanoseconds since the world began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SimTime(u64);

/// A length of simulated time in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SimSpan(u64);

impl SimTime {
    /// The beginning of the world.
    pub const ZERO: Self = Self(0);

    /// Creates the time `nanos` nanoseconds after the beginning.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Returns the nanoseconds since the beginning.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Returns the time since `earlier`; zero when `earlier` is later.
    pub const fn since(self, earlier: Self) -> SimSpan {
        SimSpan(self.0.saturating_sub(earlier.0))
    }
}

impl Add<SimSpan> for SimTime {
    type Output = Self;

    fn add(self, span: SimSpan) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

/// Seconds with three decimals, the form of every transcript line.
impl fmt::Display for SimTime {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0 / 1_000_000;
        write!(out, "{}.{:03}s", millis / 1_000, millis % 1_000)
    }
}

impl SimSpan {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// Creates a span of `nanos` nanoseconds.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Creates a span of `micros` microseconds.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros.saturating_mul(1_000))
    }

    /// Creates a span of `millis` milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// Creates a span of `secs` seconds.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000_000_000))
    }

    /// Returns the length in nanoseconds.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Returns twice the span, at most `max`.
    #[must_use]
    pub const fn doubled(self, max: Self) -> Self {
        let twice = self.0.saturating_mul(2);
        if twice > max.0 { max } else { Self(twice) }
    }

    /// Reads `250us`, `80ms`, `2s` or `5m`; nothing when it is none of these.
    pub fn parse(text: &str) -> Option<Self> {
        let split = text.find(|letter: char| !letter.is_ascii_digit())?;
        let (number, unit) = text.split_at(split);
        let number: u64 = number.parse().ok()?;
        let nanos: u64 = match unit {
            "us" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            _ => return None,
        };
        number.checked_mul(nanos).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_with_their_unit() {
        assert_eq!(SimSpan::parse("250us"), Some(SimSpan::from_micros(250)));
        assert_eq!(SimSpan::parse("80ms"), Some(SimSpan::from_millis(80)));
        assert_eq!(SimSpan::parse("2s"), Some(SimSpan::from_secs(2)));
        assert_eq!(SimSpan::parse("5m"), Some(SimSpan::from_secs(300)));
        for wrong in ["", "5", "s", "1.5s", "-1s", "5h", "99999999999999999999s"] {
            assert_eq!(SimSpan::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_time_shows_milliseconds() {
        assert_eq!(SimTime::from_nanos(1_212_999_999).to_string(), "1.212s");
    }
}
