//! The words of one line.

use crate::engine::SimSpan;

/// The longest span that a file may name: 100 years of 366 days. Times that are added up stay in their range with it.
pub(super) const SPAN_MAX: SimSpan = SimSpan::from_secs(100 * 366 * 86_400);

/// Reads a span; nothing when it is none or longer than [`SPAN_MAX`].
pub(super) fn span(word: &str) -> Option<SimSpan> {
    SimSpan::parse(word).filter(|span| *span <= SPAN_MAX)
}

/// The rest of a line, taken word by word.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words<'a> {
    rest: &'a str,
}

impl<'a> Words<'a> {
    /// Creates the words of `line`.
    pub(super) fn new(line: &'a str) -> Self {
        Self { rest: line.trim() }
    }

    /// Takes a word; quotes hold words together.
    pub(super) fn next(&mut self) -> Option<&'a str> {
        if self.rest.is_empty() {
            return None;
        }
        let (word, rest) = match self.rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => self.rest.split_once(char::is_whitespace).unwrap_or((self.rest, "")),
        };
        self.rest = rest.trim_start();
        Some(word)
    }

    /// Takes a word that must be there.
    ///
    /// # Errors
    ///
    /// What is missing.
    pub(super) fn word(&mut self, what: &str) -> Result<&'a str, String> {
        self.next().ok_or_else(|| format!("{what} is missing"))
    }

    /// Takes `expected` if it comes next: one word, or several with single spaces.
    pub(super) fn take(&mut self, expected: &str) -> bool {
        let mut ahead = *self;
        for word in expected.split(' ') {
            if ahead.rest.starts_with('"') || ahead.next() != Some(word) {
                return false;
            }
        }
        *self = ahead;
        true
    }

    /// Takes everything.
    pub(super) const fn rest(&mut self) -> &'a str {
        let rest = self.rest;
        self.rest = "";
        rest
    }

    /// Takes what stands before the first `: ` (or a colon at the end) as words, and what stands behind as text.
    ///
    /// # Errors
    ///
    /// When there is no colon.
    pub(super) fn colon(&mut self) -> Result<(Self, &'a str), String> {
        let rest = self.rest();
        let split = rest.split_once(": ").or_else(|| rest.strip_suffix(':').map(|head| (head, "")));
        let (head, text) = split.ok_or("a colon and a space are missing before the text")?;
        Ok((Self::new(head), text.trim()))
    }

    /// Takes a number.
    ///
    /// # Errors
    ///
    /// What was expected.
    pub(super) fn number(&mut self, what: &str) -> Result<u64, String> {
        let word = self.word(what)?;
        word.parse().map_err(|_| format!("{what} is a number, not {word}"))
    }

    /// Takes a span like `250us`, `80ms`, `2s`, `5m`.
    ///
    /// # Errors
    ///
    /// What was expected.
    pub(super) fn span(&mut self, what: &str) -> Result<SimSpan, String> {
        let word = self.word(what)?;
        span(word).ok_or_else(|| {
            format!("{what} is a time like 250us, 80ms, 2s or 5m, of at most 100 years, not {word}")
        })
    }

    /// Returns whether nothing is left.
    pub(super) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Checks that nothing is left.
    ///
    /// # Errors
    ///
    /// What is left.
    pub(super) fn end(&self) -> Result<(), String> {
        if self.rest.is_empty() { Ok(()) } else { Err(format!("not understood: {}", self.rest)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_bounded() {
        assert_eq!(Words::new("52704000m").span("it"), Ok(SPAN_MAX));
        for wrong in ["52704001m", "3162240001s", "99999999999999s", "5"] {
            assert!(Words::new(wrong).span("it").is_err(), "{wrong}");
        }
    }

    #[test]
    fn quotes_hold_words_together() {
        let mut words = Words::new("  account bob password \"two words\"  ");
        assert!(words.take("account"));
        assert_eq!(words.next(), Some("bob"));
        assert!(!words.take("pass"));
        assert!(words.take("password"));
        assert_eq!(words.next(), Some("two words"));
        assert!(words.end().is_ok());
    }

    #[test]
    fn text_stands_behind_the_first_colon() {
        let (mut head, text) = Words::new("to bob: one: two").colon().unwrap();
        assert_eq!((head.next(), head.next(), text), (Some("to"), Some("bob"), "one: two"));
        assert!(Words::new("to bob").colon().is_err());
        assert_eq!(Words::new("to bob:").colon().unwrap().1, "");
    }

    #[test]
    fn several_words_are_taken_together_or_not_at_all() {
        let mut words = Words::new("logs out now");
        assert!(!words.take("logs in"));
        assert!(words.take("logs out"));
        assert_eq!(words.rest(), "now");
    }
}
