//! How faults write spans.

use crate::engine::SimSpan;

/// The units that a span may be written in, the longest first.
const UNITS: [(&str, u64); 4] =
    [("m", 60_000_000_000), ("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000)];

/// Writes a span as scenarios do, in the longest unit that it is a whole number of. What is shorter than a
/// microsecond cannot be written, and is cut off.
pub fn span_text(span: SimSpan) -> String {
    let nanos = span.as_nanos() / 1_000 * 1_000;
    let found = UNITS.iter().find(|(_, unit)| nanos > 0 && nanos.is_multiple_of(*unit));
    let (name, unit) = found.unwrap_or(&("s", 1_000_000_000));
    format!("{}{name}", nanos / unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_read_back_as_it_was_written() {
        for (text, same) in
            [("250us", "250us"), ("1500ms", "1500ms"), ("8s", "8s"), ("120s", "2m"), ("0s", "0s")]
        {
            let span = SimSpan::parse(text).unwrap();
            assert_eq!(span_text(span), same);
            assert_eq!(SimSpan::parse(same), Some(span));
        }
    }
}
