//! What of a stanza depends on the moment: times, and the names that a server gives to messages and to states.

/// Attributes that hold such a value, with the elements in which they do.
const ATTRIBUTES: [(&str, &[&str]); 6] = [
    ("stanza-id", &["id"]),
    ("result", &["id"]),
    ("delay", &["stamp"]),
    ("start", &["id", "timestamp"]),
    ("end", &["id", "timestamp"]),
    ("query", &["ver"]),
];
/// Elements whose text is such a value.
const TEXTS: [&str; 5] = ["first", "last", "after", "before", "utc"];

/// Fields of forms whose value is such a value.
const MOMENTS: [&str; 2] = ["var='start'", "var='end'"];

/// Returns a text without what depends on the moment.
pub(super) fn steady(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut within = false;
    while let Some((before, behind)) = rest.split_once('<') {
        out.push_str(before);
        out.push('<');
        let (tag, after) = behind.split_once('>').unwrap_or((behind, ""));
        let name = tag.split([' ', '/']).next().unwrap_or_default();
        let drawn =
            ATTRIBUTES.iter().find(|(element, _)| *element == name).map_or(&[][..], |(_, names)| names);
        out.push_str(&drawn.iter().fold(String::from(tag), |tag, attribute| without(&tag, attribute)));
        out.push('>');
        rest = after;
        let is_moment = TEXTS.contains(&name) || (name == "value" && within);
        within = name == "field" && MOMENTS.iter().any(|var| tag.contains(var));
        if is_moment && !tag.ends_with('/') {
            rest = after.find('<').and_then(|at| after.get(at..)).unwrap_or(after);
        }
    }
    out.push_str(rest);
    out
}

/// Returns a tag without the value of an attribute.
fn without(tag: &str, attribute: &str) -> String {
    for quote in ['\'', '"'] {
        let begin = format!(" {attribute}={quote}");
        if let Some((before, behind)) = tag.split_once(&begin) {
            let rest = behind.split_once(quote).map_or("", |(_, rest)| rest);
            return [before, &begin, &quote.to_string(), rest].concat();
        }
    }
    tag.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_given_names_are_left_out_and_nothing_else() {
        let message = |id: &str, stamp: &str| {
            format!(
                "<message id='m1'><body>first</body><stanza-id id='{id}' by='a@x'/><delay stamp=\"{stamp}\"/>\
                <first>{id}</first><last index='1'>{id}</last></message>"
            )
        };
        assert_eq!(steady(&message("1", "2026")), steady(&message("2", "2027")));
        for kept in ["id='m1'", "<body>first</body>", "by='a@x'", "index='1'"] {
            assert!(steady(&message("1", "2026")).contains(kept), "{kept}");
        }
        let field = |var: &str, value: &str| format!("<field var='{var}'><value>{value}</value></field>");
        assert_eq!(steady(&field("start", "2026")), steady(&field("start", "2027")));
        assert_ne!(steady(&field("with", "bob")), steady(&field("with", "carol")));
        assert_eq!(steady("no tag"), "no tag");
        assert_eq!(steady("<open"), "<open>");
    }
}
