//! `docs/xeps.md`: which specifications are implemented, read off the first lines of the files.
//!
//! A page says it like this, several joined by `; `, the last sentence being the state of them all. A XEP is
//! named with the version that was read.
//!
//! ```text
//! Implements: XEP-0199 2.0.1, section 4; RFC 6120, sections 4.7 and 4.8. Complete.
//!
//! Shown by: scenarios/ping, core/src/node/tests/small.rs.
//! ```
//!
//! The second paragraph names the stories and tests that show it, files or folders; a file without it is shown by its own tests.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::repo::{Finding, Repo};

/// Where the table is written.
pub const PATH: &str = "docs/xeps.md";

/// The titles of the specifications that occur.
const TITLES: &[(&str, &str)] = &[
    ("RFC 5802", "SCRAM"),
    ("RFC 5929", "Channel bindings for TLS"),
    ("RFC 6120", "XMPP: Core"),
    ("RFC 6121", "XMPP: Instant messaging and presence"),
    ("RFC 7590", "Use of TLS in XMPP"),
    ("RFC 7622", "XMPP: Address format"),
    ("RFC 7677", "SCRAM-SHA-256"),
    ("RFC 8264", "PRECIS framework"),
    ("RFC 8265", "PRECIS: usernames and passwords"),
    ("RFC 8446", "TLS 1.3"),
    ("RFC 9266", "Channel bindings for TLS 1.3"),
    ("RFC 4616", "SASL PLAIN"),
    ("RFC 5890", "IDNA 2008: definitions"),
    ("RFC 5891", "IDNA 2008"),
    ("RFC 5892", "IDNA 2008: code points"),
    ("RFC 5893", "IDNA 2008: right-to-left scripts"),
    ("XEP-0004", "Data Forms"),
    ("XEP-0012", "Last Activity"),
    ("XEP-0030", "Service Discovery"),
    ("XEP-0049", "Private XML Storage"),
    ("XEP-0054", "vcard-temp"),
    ("XEP-0059", "Result Set Management"),
    ("XEP-0077", "In-Band Registration"),
    ("XEP-0082", "Date and Time Profiles"),
    ("XEP-0092", "Software Version"),
    ("XEP-0115", "Entity Capabilities"),
    ("XEP-0160", "Handling Offline Messages"),
    ("XEP-0178", "SASL EXTERNAL with certificates"),
    ("XEP-0191", "Blocking Command"),
    ("XEP-0198", "Stream Management"),
    ("XEP-0199", "XMPP Ping"),
    ("XEP-0202", "Entity Time"),
    ("XEP-0203", "Delayed Delivery"),
    ("XEP-0280", "Message Carbons"),
    ("XEP-0297", "Stanza Forwarding"),
    ("XEP-0313", "Message Archive Management"),
    ("XEP-0334", "Message Processing Hints"),
    ("XEP-0352", "Client State Indication"),
    ("XEP-0359", "Unique and Stable Stanza IDs"),
    ("XEP-0368", "SRV records for XMPP over TLS"),
    ("XEP-0440", "SASL Channel-Binding Type Capability"),
    ("XEP-0441", "Message Archive Management Preferences"),
];

/// One line of the table: what a file says of one specification.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Claim {
    spec: String,
    version: String,
    sections: String,
    state: String,
    path: String,
    /// Stories and tests, as paths.
    shown: Vec<String>,
}

/// Finds pages that cannot be read, and a table that is not current.
pub fn check(repo: &Repo) -> Vec<Finding> {
    let (table, mut findings) = render(repo);
    if repo.text(PATH) != Some(&table) {
        findings.push(Finding::of(PATH, "is not what the sources say: run `cargo xtask xeps`"));
    }
    findings
}

/// Makes the table, and the findings about pages that cannot be read.
pub fn render(repo: &Repo) -> (String, Vec<Finding>) {
    let mut claims = Vec::new();
    let mut findings = Vec::new();
    // The simulated client of io-sim speaks for nobody but itself.
    let sources = ["core/src/", "io-tokio/src/"];
    for (path, text) in sources.iter().flat_map(|folder| repo.rust(folder)) {
        let mut shown = Vec::new();
        for (line, paragraph) in paragraphs(text, "Shown by: ") {
            let paths = paragraph.trim_end_matches('.').split(", ").map(String::from);
            let (here, gone): (Vec<String>, Vec<String>) = paths.partition(|shown| repo.has(shown));
            shown.extend(here);
            findings.extend(gone.iter().map(|gone| Finding::at(path, line, format!("there is no {gone}"))));
        }
        for (line, paragraph) in paragraphs(text, "Implements: ") {
            match read(&paragraph, (path, &shown)) {
                Ok(found) => claims.extend(found),
                Err(what) => findings.push(Finding::at(path, line, what)),
            }
        }
    }
    claims.sort();
    (write(&claims), findings)
}

/// The paragraphs of a file's page that begin with the words, joined to one line each.
fn paragraphs(text: &str, words: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut inside = false;
    for (index, line) in text.lines().enumerate() {
        let Some(line) = line.strip_prefix("//!") else { break };
        let line = line.trim();
        if let Some(first) = line.strip_prefix(words) {
            found.push((index + 1, first.into()));
            inside = true;
        } else if line.is_empty() {
            inside = false;
        } else if let Some((_, paragraph)) = found.last_mut().filter(|_| inside) {
            paragraph.push(' ');
            paragraph.push_str(line);
        }
    }
    found
}

fn read(paragraph: &str, file: (&str, &[String])) -> Result<Vec<Claim>, String> {
    let (list, state) =
        paragraph.split_once(". ").ok_or("says no state: end with `Complete.` or with what is missing")?;
    let state = state.trim_end_matches('.');
    list.split("; ").map(|item| claim(item, state, file)).collect()
}

fn claim(item: &str, state: &str, (path, shown): (&str, &[String])) -> Result<Claim, String> {
    let (head, sections) = item.split_once(", ").unwrap_or((item, ""));
    let (spec, version) = if head.starts_with("XEP-") {
        head.split_once(' ').ok_or_else(|| format!("`{head}`: say the version that was read"))?
    } else {
        (head, "")
    };
    if !TITLES.iter().any(|(known, _)| *known == spec) {
        return Err(format!("`{spec}` has no title in tests/xtask/src/xeps.rs"));
    }
    let sections = sections.trim_start_matches("sections ").trim_start_matches("section ");
    Ok(Claim {
        spec: spec.into(),
        version: version.into(),
        sections: sections.into(),
        state: state.into(),
        path: path.into(),
        shown: shown.into(),
    })
}

fn write(claims: &[Claim]) -> String {
    let mut out = String::from(
        "# Specifications\n\nMade by `cargo xtask xeps` from the first lines of the files; a test compares. \
         A version is the one that was read. What no story is named for is shown by the tests of its file.\n",
    );
    for (title, prefix) in [("Extensions", "XEP-"), ("Foundations", "RFC ")] {
        let mut specs: BTreeMap<&str, Vec<&Claim>> = BTreeMap::new();
        for claim in claims.iter().filter(|claim| claim.spec.starts_with(prefix)) {
            specs.entry(&claim.spec).or_default().push(claim);
        }
        write_table(&mut out, title, &specs);
    }
    out
}

fn write_table(out: &mut String, title: &str, specs: &BTreeMap<&str, Vec<&Claim>>) {
    let mut rows = format!(
        "\n## {title}\n\n| Number | Title | Version | Sections | State | File | Shown by |\n|---|---|---|---|---|---|---|\n"
    );
    for (spec, claims) in specs {
        let name = TITLES.iter().find(|(known, _)| known == spec).map_or("", |(_, title)| *title);
        for (index, claim) in claims.iter().enumerate() {
            let (spec, name) = if index == 0 { (*spec, name) } else { ("", "") };
            let Claim { version, sections, state, path, shown, .. } = claim;
            let shown: Vec<String> = shown.iter().map(|shown| format!("[{shown}](../{shown})")).collect();
            let shown = shown.join(", ");
            let written = writeln!(
                rows,
                "| {spec} | {name} | {version} | {sections} | {state} | [{path}](../{path}) | {shown} |"
            );
            written.expect("writing to a String cannot fail");
        }
    }
    out.push_str(&rows);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_becomes_rows() {
        let page = "//! Pings.\n//!\n//! Implements: XEP-0199 2.0.1, section 4;\n//! RFC 6120, sections 4.7 and 4.8. Complete.\n//!\n//! Shown by: scenarios/ping,\n//! core/src/a.rs.\n//!\n//! More. Text.\n";
        let files = [("core/src/ping.rs", page), ("core/src/a.rs", ""), ("scenarios/ping/all.scn", "")];
        let (table, findings) = render(&Repo::of(&files));
        assert_eq!(findings, []);
        assert!(
            table.contains(
                "| XEP-0199 | XMPP Ping | 2.0.1 | 4 | Complete | [core/src/ping.rs](../core/src/ping.rs) | \
                 [scenarios/ping](../scenarios/ping), [core/src/a.rs](../core/src/a.rs) |"
            ),
            "{table}"
        );
        assert!(table.contains("| RFC 6120 | XMPP: Core |  | 4.7 and 4.8 | Complete |"), "{table}");
    }

    #[test]
    fn pages_that_leave_something_out_are_found() {
        for bad in
            ["XEP-0199, section 4. Complete.", "XEP-0199 2.0.1, section 4", "XEP-9999 1.0, all. Complete."]
        {
            let page = format!("//! Implements: {bad}\n");
            assert_eq!(render(&Repo::of(&[("core/src/a.rs", &page)])).1.len(), 1, "{bad}");
        }
    }

    #[test]
    fn a_story_that_is_not_there_is_found() {
        let page =
            "//! Implements: XEP-0199 2.0.1, section 4. Complete.\n//!\n//! Shown by: scenarios/gone.scn.\n";
        let (_, findings) = render(&Repo::of(&[("core/src/a.rs", page)]));
        assert_eq!(findings, [Finding::at("core/src/a.rs", 3, "there is no scenarios/gone.scn")]);
    }

    #[test]
    fn a_table_that_is_not_current_is_found() {
        let page = "//! Implements: XEP-0199 2.0.1, section 4. Complete.\n";
        let current = render(&Repo::of(&[("core/src/a.rs", page)])).0;
        assert_eq!(check(&Repo::of(&[("core/src/a.rs", page), (PATH, &current)])), []);
        assert_eq!(check(&Repo::of(&[("core/src/a.rs", ""), (PATH, &current)])).len(), 1);
    }
}
