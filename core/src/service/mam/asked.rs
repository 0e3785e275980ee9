//! What a client writes into a question, for the tests of this crate.

/// Writes a submitted form with these fields, each with one value.
pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    let fields: Vec<String> = [("FORM_TYPE", "urn:xmpp:mam:2")]
        .iter()
        .chain(fields)
        .map(|(var, value)| format!("<field var='{var}'><value>{value}</value></field>"))
        .collect();
    format!("<x xmlns='jabber:x:data' type='submit'>{}</x>", fields.concat())
}

/// Writes which part of the results is asked for (XEP-0059).
pub(crate) fn set(content: &str) -> String {
    format!("<set xmlns='http://jabber.org/protocol/rsm'>{content}</set>")
}
