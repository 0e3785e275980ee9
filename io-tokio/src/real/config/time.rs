//! A length of time as people write it: `60s`, `500ms`, `5min`, `1h`.

use std::fmt;

use eyot_core::time::Span;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A length of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time(pub Span);

/// Units, the largest first, in microseconds.
const UNITS: [(&str, u64); 4] = [("h", 3_600_000_000), ("min", 60_000_000), ("s", 1_000_000), ("ms", 1_000)];

impl Time {
    fn parse(text: &str) -> Option<Self> {
        let digits = text.find(|c: char| !c.is_ascii_digit())?;
        let (number, unit) = text.split_at_checked(digits)?;
        let (_, micros) = UNITS.iter().find(|(name, _)| *name == unit.trim_start())?;
        let micros = number.parse::<u64>().ok()?.checked_mul(*micros)?;
        Some(Self(Span::from_micros(micros)))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.as_micros();
        let fits = |(_, unit): &&(&str, u64)| micros >= *unit && micros.is_multiple_of(*unit);
        match UNITS.iter().find(fits) {
            Some((name, unit)) => write!(out, "{}{name}", micros / unit),
            None => write!(out, "{}ms", micros / 1_000),
        }
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Time;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a length of time, such as \"500ms\", \"60s\", \"5min\" or \"1h\"")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Time, E> {
                let wrong = || E::invalid_value(serde::de::Unexpected::Str(text), &self);
                Time::parse(text).ok_or_else(wrong)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_number_and_a_unit() {
        let micros = |text| Time::parse(text).map(|time| time.0.as_micros());
        assert_eq!(micros("500ms"), Some(500_000));
        assert_eq!(micros("60s"), Some(60_000_000));
        assert_eq!(micros("2 min"), Some(120_000_000));
        assert_eq!(micros("1h"), Some(3_600_000_000));
        for wrong in
            ["", "60", "s", "-1s", "1.5s", "60 parsecs", "99999999999999999999s", "9999999999999999h"]
        {
            assert_eq!(micros(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_time_is_written_in_the_largest_unit_that_fits() {
        for text in ["500ms", "90s", "2min", "1h", "0ms"] {
            assert_eq!(Time::parse(text).unwrap().to_string(), text);
        }
    }
}
