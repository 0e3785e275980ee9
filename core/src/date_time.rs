//! Points in time as texts.
//!
//! Implements: XEP-0082 1.1.1, section 3.2 (`DateTime`). Complete.

/// A point in time that somebody wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Milliseconds since 1970; what is finer is cut off.
    pub millis: i64,
    /// Nothing was cut off.
    pub whole: bool,
}

const DAY_MS: i64 = 86_400_000;

/// Writes milliseconds since 1970 in UTC.
pub fn format_stamp(millis: i64) -> String {
    format!("{}.{:03}Z", up_to_second(millis), millis.rem_euclid(1_000))
}

/// Writes milliseconds since 1970 in UTC, to the second; what is finer is cut off.
pub fn format_second(millis: i64) -> String {
    up_to_second(millis) + "Z"
}

/// Writes the day of milliseconds since 1970 in UTC.
pub fn format_day(millis: i64) -> String {
    let (year, month, date) = civil(millis.div_euclid(DAY_MS));
    format!("{year:04}-{month:02}-{date:02}")
}

fn up_to_second(millis: i64) -> String {
    let seconds = millis.rem_euclid(DAY_MS) / 1_000;
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{}T{hour:02}:{minute:02}:{second:02}", format_day(millis))
}

/// Reads a `DateTime`; nothing when it is none.
pub fn parse_stamp(text: &str) -> Option<Stamp> {
    let (date, time) = text.trim().split_once('T')?;
    let (sign, date) = date.strip_prefix('-').map_or((1, date), |date| (-1, date));
    let mut parts = date.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || year.len() < 4 || year.len() > 6 {
        return None;
    }
    let (year, month, day) = (sign * digits(year)?, two(month)?, two(day)?);
    if !(1..=12).contains(&month) || !(1..=days_in(year, month)).contains(&day) {
        return None;
    }
    let zone_at = time.find(['Z', '+', '-'])?;
    let (time, zone) = time.split_at(zone_at);
    let offset = offset_minutes(zone)?;
    let (clock, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut parts = clock.split(':');
    let (hour, minute, second) = (two(parts.next()?)?, two(parts.next()?)?, two(parts.next()?)?);
    // A leap second counts as the last one of its minute.
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (kept, cut) = fraction.split_at(fraction.len().min(3));
    let scale = [100, 10, 1][kept.len() - 1];
    let seconds = hour * 3_600 + (minute - offset) * 60 + second.min(59);
    let millis = days(year, month, day) * DAY_MS + seconds * 1_000 + digits(kept)? * scale;
    Some(Stamp { millis, whole: cut.bytes().all(|byte| byte == b'0') })
}

fn offset_minutes(zone: &str) -> Option<i64> {
    if zone == "Z" {
        return Some(0);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let (hours, minutes) = (two(hours)?, two(minutes)?);
    (hours <= 14 && minutes <= 59).then_some(sign * (hours * 60 + minutes))
}

fn digits(text: &str) -> Option<i64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn two(text: &str) -> Option<i64> {
    digits(text).filter(|_| text.len() == 2)
}

fn days_in(year: i64, month: i64) -> i64 {
    let next = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    days(next.0, next.1, 1) - days(year, month, 1)
}

/// Returns the days from 1970-01-01 to a date of the Gregorian calendar. A year begins with March here, so that its
/// last day is the one that is not always there.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Returns year, month and day of a day since 1970-01-01.
fn civil(day: i64) -> (i64, i64, i64) {
    let shifted = day + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let date = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, date)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for millis in [0, -1, 1, 951_782_400_000, 1_709_164_800_123, 1_278_803_305_000, -62_135_596_800_000] {
            let text = format_stamp(millis);
            assert_eq!(parse_stamp(&text), Some(Stamp { millis, whole: true }), "{text}");
        }
        assert_eq!(format_stamp(1_278_803_305_000), "2010-07-10T23:08:25.000Z");
        assert_eq!(format_stamp(1_709_164_800_123), "2024-02-29T00:00:00.123Z");
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (secs, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_166_554_715, "2006-12-19T18:58:35Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(format_second(secs * 1_000 + 999), text);
            assert_eq!(text.split('T').next(), Some(&*format_day(secs * 1_000 + 999)));
        }
    }

    #[test]
    fn texts_mean_what_the_profile_says() {
        for (text, expected) in [
            ("1969-07-21T02:56:15Z", Some((-14_159_025_000, true))),
            ("1969-07-20T21:56:15-05:00", Some((-14_159_025_000, true))),
            ("1970-01-01T01:00:00+01:00", Some((0, true))),
            ("1970-01-01T00:00:00.5Z", Some((500, true))),
            ("1970-01-01T00:00:00.0005Z", Some((0, false))),
            ("1970-01-01T00:00:00.123456Z", Some((123, false))),
            ("2016-12-31T23:59:60Z", Some((1_483_228_799_000, true))),
            ("2023-02-29T00:00:00Z", None),
            ("2023-13-01T00:00:00Z", None),
            ("2023-01-01T24:00:00Z", None),
            ("2023-01-01T00:00:00", None),
            ("2023-01-01", None),
            ("2023-01-01T00:00Z", None),
            ("2023-01-01T00:00:00.Z", None),
            ("+023-01-01T00:00:00Z", None),
            ("2023-01-01T00:00:00+1:00", None),
            ("yesterday", None),
            ("", None),
        ] {
            let read = parse_stamp(text).map(|stamp| (stamp.millis, stamp.whole));
            assert_eq!(read, expected, "{text}");
        }
    }
}
