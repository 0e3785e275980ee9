//! Escaping, for everything that is written.

/// Appends `text` as character data.
pub fn escape_text(text: &str, out: &mut Vec<u8>) {
    unimplemented!("{text} {out:?}")
}

/// Appends `value` as the content of an attribute in single quotes.
pub fn escape_attr(value: &str, out: &mut Vec<u8>) {
    unimplemented!("{value} {out:?}")
}
