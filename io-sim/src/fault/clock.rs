//! What may be wrong with the clocks of a machine.

use core::fmt;

/// A clock that is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockFault {
    /// The wall clock jumps.
    Step(Shift),
    /// Both clocks run so many millionths too fast, or too slow when negative.
    Drift(i32),
    /// The wall clock stands; the monotonic clock runs.
    Freeze,
    /// The wall clock is set to the beginning of a day, and runs on from there.
    Set(Date),
}

/// How far a clock jumps, in milliseconds; back when negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shift(i64);

/// A day of the Gregorian calendar, by its number since 1970-01-01 (UTC).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date(i64);

/// The units of a jump in milliseconds, the longest first.
const UNITS: [(&str, i64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
/// Clocks run at least at a tenth of their speed and at most at twice.
const DRIFT: core::ops::RangeInclusive<i32> = -900_000..=1_000_000;
/// A jump is at most a thousand years.
const SHIFT_MAX: i64 = 1_000 * 365 * 86_400_000;
/// The years that a clock may be set to.
const YEARS: core::ops::RangeInclusive<i64> = 1..=9_999;

impl ClockFault {
    /// Creates a drift by `ppm` millionths; nothing when no clock is so wrong.
    pub fn drift(ppm: i32) -> Option<Self> {
        DRIFT.contains(&ppm).then_some(Self::Drift(ppm))
    }
}

impl Shift {
    /// Reads `+365d`, `-1h`, `+250ms`; nothing when it is none of these.
    pub fn parse(text: &str) -> Option<Self> {
        let (sign, rest) = match (text.strip_prefix('+'), text.strip_prefix('-')) {
            (Some(rest), _) => (1, rest),
            (None, Some(rest)) => (-1, rest),
            (None, None) => return None,
        };
        let (number, unit) = rest.split_at_checked(rest.find(|letter: char| !letter.is_ascii_digit())?)?;
        let (_, millis) = UNITS.iter().find(|(name, _)| *name == unit)?;
        let millis = number.parse::<i64>().ok()?.checked_mul(*millis)?;
        (millis <= SHIFT_MAX).then_some(Self(sign * millis))
    }

    /// Returns the jump in milliseconds.
    pub const fn as_millis(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Shift {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = UNITS.iter().find(|(_, unit)| self.0 != 0 && self.0 % unit == 0);
        let (name, unit) = found.unwrap_or(&("ms", 1));
        write!(out, "{}{}{name}", if self.0 < 0 { '-' } else { '+' }, (self.0 / unit).abs())
    }
}

impl Date {
    /// Reads `1970-01-01`; nothing when it is no day, or in no year of four digits.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-').map(|part| part.parse::<i64>().ok());
        let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
        if !YEARS.contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return None;
        }
        let date = Self::of(year, month, day);
        (date.to_string() == text).then_some(date)
    }

    /// Returns the day so many days behind 1970-01-01.
    pub const fn of_day(day: i64) -> Self {
        Self(day)
    }

    /// Returns the milliseconds from 1970 to its beginning.
    pub const fn as_millis(self) -> i64 {
        self.0 * 86_400_000
    }

    /// The number of a day: years begin in March, so that the leap day is the last of its year.
    const fn of(year: i64, month: i64, day: i64) -> Self {
        let year = if month <= 2 { year - 1 } else { year };
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        Self(
            year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year
                - 719_468,
        )
    }
}

impl fmt::Display for Date {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = self.0 + 719_468;
        let era = days.div_euclid(146_097);
        let day = days.rem_euclid(146_097);
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
        write!(out, "{:04}-{month:02}-{day:02}", era * 400 + year + i64::from(month <= 2))
    }
}

impl fmt::Display for ClockFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Step(shift) => write!(out, "step {shift}"),
            Self::Drift(ppm) => write!(out, "drift {ppm}"),
            Self::Freeze => out.write_str("freeze"),
            Self::Set(date) => write!(out, "set {date}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_as_the_calendar_does() {
        for (text, days) in
            [("1970-01-01", 0), ("2000-02-29", 11_016), ("2026-01-01", 20_454), ("1969-12-31", -1)]
                .into_iter()
                .chain([("0001-01-01", -719_162), ("9999-12-31", 2_932_896)])
        {
            let date = Date::parse(text).unwrap();
            assert_eq!((date.as_millis(), date.to_string().as_str()), (days * 86_400_000, text));
        }
        for wrong in ["2025-02-29", "2025-13-01", "2025-1-1", "2025-01", "today", "2025-01-01-01"] {
            assert_eq!(Date::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn no_clock_is_set_to_a_day_that_cannot_be_counted() {
        for wrong in [
            "0000-12-31",
            "10000-01-01",
            "99999999999-01-01",
            "9223372036854775807-01-01",
            "2025-9223372036854775807-01",
            "2025-01-9223372036854775807",
        ] {
            assert_eq!(Date::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_jump_has_a_sign_and_a_unit() {
        for (text, millis) in [("+365d", 31_536_000_000), ("-1h", -3_600_000), ("+250ms", 250)] {
            let shift = Shift::parse(text).unwrap();
            assert_eq!((shift.as_millis(), shift.to_string().as_str()), (millis, text));
        }
        for wrong in ["1h", "+", "+1", "+h", "-1y", "+99999999999999d"] {
            assert_eq!(Shift::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn no_clock_stands_or_runs_backwards() {
        assert_eq!(ClockFault::drift(-900_001), None);
        assert_eq!(ClockFault::drift(500), Some(ClockFault::Drift(500)));
    }
}
