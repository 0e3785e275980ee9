//! Times and spans in words.

use crate::engine::{SimSpan, SimTime};

/// Returns a time with microseconds: `1.212345 s`.
pub(super) fn time(at: SimTime) -> String {
    let micros = at.as_nanos() / 1_000;
    format!("{}.{:06} s", micros / 1_000_000, micros % 1_000_000)
}

/// Returns a span with two or three digits that count: `340 µs`, `21.4 ms`, `1.25 s`, `2 min 5 s`.
pub(super) fn span(span: SimSpan) -> String {
    let micros = span.as_nanos() / 1_000;
    match micros {
        0..1_000 => format!("{micros} \u{b5}s"),
        1_000..100_000 => tenths(micros / 100, "ms"),
        100_000..1_000_000 => format!("{} ms", micros / 1_000),
        1_000_000..60_000_000 => hundredths(micros / 10_000, "s"),
        _ => {
            let seconds = micros / 1_000_000;
            match (seconds / 3_600, seconds / 60 % 60, seconds % 60) {
                (0, minutes, 0) => format!("{minutes} min"),
                (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
                (hours, minutes, _) => format!("{hours} h {minutes} min"),
            }
        }
    }
}

/// Returns how many bytes: `812 bytes`, `60 012 bytes`.
pub(super) fn bytes(count: usize) -> String {
    let digits = count.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out.push_str(if count == 1 { " byte" } else { " bytes" });
    out
}

/// Returns a number with its word: `1 client`, `2 clients`.
pub(super) fn count(number: usize, word: &str) -> String {
    format!("{number} {word}{}", if number == 1 { "" } else { "s" })
}

fn tenths(number: u64, unit: &str) -> String {
    match number % 10 {
        0 => format!("{} {unit}", number / 10),
        rest => format!("{}.{rest} {unit}", number / 10),
    }
}

fn hundredths(number: u64, unit: &str) -> String {
    if number.is_multiple_of(10) {
        tenths(number / 10, unit)
    } else {
        format!("{}.{:02} {unit}", number / 100, number % 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_the_unit_that_fits() {
        for (micros, words) in [
            (340, "340 \u{b5}s"),
            (21_449, "21.4 ms"),
            (40_000, "40 ms"),
            (214_900, "214 ms"),
            (1_250_000, "1.25 s"),
            (4_000_000, "4 s"),
            (125_000_000, "2 min 5 s"),
            (1_200_000_000, "20 min"),
            (7_260_000_000, "2 h 1 min"),
        ] {
            assert_eq!(span(SimSpan::from_micros(micros)), words);
        }
    }

    #[test]
    fn times_are_exact_to_the_microsecond_and_thousands_are_set_apart() {
        assert_eq!(time(SimTime::from_nanos(1_212_345_999)), "1.212345 s");
        assert_eq!(bytes(60_012), "60\u{202f}012 bytes");
        assert_eq!(bytes(1), "1 byte");
    }
}
