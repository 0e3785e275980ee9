//! A scenario as a list of lines that can be left out, moved and changed.

use core::fmt;

use crate::engine::SimSpan;
use crate::oracle::Signature;

/// What a line is to somebody who wants to do without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// How things are: `domain`, `limit`, `slices`.
    Setting,
    /// An account that is there from the beginning.
    Account,
    /// Somebody who will connect.
    Client,
    /// Something that goes wrong.
    Fault,
    /// Its end: `heal`, `start`, a disk that is well again.
    Repair,
    /// What a client or an operator does.
    Deed,
    /// `wait` and `settle`.
    Time,
    /// `expect`.
    Expect,
    /// `check`.
    Check,
}

/// One line, as words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What it is.
    pub class: Class,
    /// Its words up to the tail; what stands in quotes is one word, with its quotes.
    pub words: Vec<String>,
    /// Text that is taken as it is: what stands behind a colon or the word `body`, with both. Empty in most lines.
    tail: String,
    /// Where the line begins that an `at` or a `when` puts off.
    inner: usize,
}

/// The first lines of a file: comments that say what it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The story in one sentence.
    pub story: String,
    /// What it rests on.
    pub section: String,
    /// The capability it waits for.
    pub pending: Option<String>,
    /// What it shows.
    pub repro: Option<Signature>,
    /// Where it was found.
    pub found: Option<String>,
}

/// A scenario, taken apart. Comments below the head and blank lines are not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// Its head.
    pub head: Head,
    /// Its lines.
    pub lines: Vec<Line>,
}

/// First words of lines, and what these are. A line that begins otherwise is what a client or an operator does.
const LEADING: [(&str, Class); 37] = [
    ("domain", Class::Setting),
    ("limit", Class::Setting),
    ("resume", Class::Setting),
    ("contacts", Class::Setting),
    ("nodes", Class::Setting),
    ("members", Class::Setting),
    ("seats", Class::Setting),
    ("grace", Class::Setting),
    ("hysteresis", Class::Setting),
    ("durability", Class::Setting),
    ("site", Class::Setting),
    ("profile", Class::Setting),
    ("link", Class::Setting),
    ("room", Class::Setting),
    ("seed", Class::Setting),
    ("slices", Class::Setting),
    ("buffers", Class::Setting),
    ("batch", Class::Setting),
    ("budget", Class::Setting),
    ("account", Class::Account),
    ("client", Class::Client),
    ("fault", Class::Fault),
    ("cut", Class::Fault),
    ("reset", Class::Fault),
    ("swallow", Class::Fault),
    ("vanish", Class::Fault),
    ("mitm", Class::Fault),
    ("disk", Class::Fault),
    ("kill", Class::Fault),
    ("poweroff", Class::Fault),
    ("stop", Class::Fault),
    ("restart", Class::Fault),
    ("heal", Class::Repair),
    ("start", Class::Repair),
    ("wait", Class::Time),
    ("settle", Class::Time),
    ("check", Class::Check),
];

impl Line {
    /// Reads a line that is neither blank nor a comment.
    pub fn parse(text: &str) -> Self {
        let words = split(text.trim());
        let inner = inner(&words);
        let rest = words.get(inner..).unwrap_or_default();
        let first = rest.first().map_or("", String::as_str);
        let known = LEADING.iter().find(|(word, _)| *word == first).map(|(_, class)| *class);
        let class = match known {
            Some(Class::Fault) if first == "disk" && rest.last().is_some_and(|word| word == "ok") => {
                Class::Repair
            }
            Some(class) => class,
            None if first == "expect" => Class::Expect,
            None => Class::Deed,
        };
        let (head, tail) = if class == Class::Deed {
            behind(text.trim(), ": ")
        } else if class == Class::Expect {
            behind(text.trim(), " body ")
        } else {
            (text.trim(), String::new())
        };
        Self { class, words: split(head), tail, inner }
    }

    /// Returns the words of what is done, without when.
    pub fn rest(&self) -> &[String] {
        self.words.get(self.inner..).unwrap_or_default()
    }

    /// Returns when it is done, if an `at` says so.
    pub fn at(&self) -> Option<SimSpan> {
        (self.words.first()? == "at").then(|| SimSpan::parse(self.words.get(1)?)).flatten()
    }

    /// Returns the line with another word at `index`.
    #[must_use]
    pub fn with(&self, index: usize, word: &str) -> Self {
        let mut line = self.clone();
        if let Some(old) = line.words.get_mut(index) {
            *old = word.into();
        }
        line
    }

    /// Returns the line without `count` words from `index` on.
    #[must_use]
    pub fn without(&self, index: usize, count: usize) -> Self {
        let mut line = self.clone();
        let end = (index + count).min(line.words.len());
        line.words.drain(index.min(end)..end);
        line
    }

    /// Returns the name that an account, a client or a deed begins with.
    pub fn subject(&self) -> Option<&str> {
        let at = match self.class {
            Class::Account | Class::Client => 1,
            Class::Deed => 0,
            Class::Setting | Class::Fault | Class::Repair | Class::Time | Class::Expect | Class::Check => {
                return None;
            }
        };
        self.rest().get(at).map(String::as_str)
    }

    /// Returns the account that a client logs in to.
    pub fn user(&self) -> Option<&str> {
        let stated = self.words.iter().position(|word| word == "as").and_then(|at| self.words.get(at + 1));
        let name = self.subject().filter(|_| self.class == Class::Client)?;
        Some(stated.map_or(name, String::as_str))
    }

    /// Returns whether the line speaks of `name`: as a word, as the name in an address, or in braces.
    pub fn names(&self, name: &str) -> bool {
        self.words.iter().any(|word| is_about(word, name))
            || self.tail.contains(&format!("{{{name}}}"))
            || self.tail.contains(&format!("{{{name}/"))
    }

    /// Returns whether the line means nothing when there is no client `name`.
    pub fn needs(&self, name: &str) -> bool {
        let trigger = self.words.get(..self.inner).unwrap_or_default();
        if trigger.iter().any(|word| word == name) {
            return true;
        }
        match self.class {
            Class::Client | Class::Deed => self.subject() == Some(name),
            Class::Fault | Class::Repair | Class::Expect => self.rest().iter().any(|word| word == name),
            Class::Setting | Class::Account | Class::Time | Class::Check => false,
        }
    }
}

impl Script {
    /// Takes a scenario apart. Whether its lines are understood is for [`Scenario::parse`](crate::script::Scenario::parse).
    pub fn parse(text: &str) -> Self {
        let mut head = Head::default();
        let comments = text.lines().map_while(|line| line.strip_prefix('#')).map(str::trim);
        for (index, comment) in comments.enumerate() {
            match (index, comment.split_once(':')) {
                (0, _) => head.story = comment.into(),
                (1, _) => head.section = comment.into(),
                (_, Some(("pending", what))) => head.pending = Some(what.trim().into()),
                (_, Some(("repro", what))) => head.repro = Signature::parse(what.trim()),
                (_, Some(("found", what))) => head.found = Some(what.trim().into()),
                (_, Some(_) | None) => {}
            }
        }
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self { head, lines: lines.map(Line::parse).collect() }
    }

    /// Returns how many lines are of a class.
    pub fn count(&self, class: Class) -> usize {
        self.lines.iter().filter(|line| line.class == class).count()
    }

    /// Returns the value of a setting, if there is one.
    pub fn setting(&self, name: &str) -> Option<&str> {
        let line =
            self.lines.iter().rev().find(|line| line.words.first().is_some_and(|word| word == name))?;
        Some(line.words.get(1).map_or("", String::as_str))
    }

    /// Gives a setting another value; it stands above everything else.
    pub fn set(&mut self, name: &str, value: &str) {
        self.lines.retain(|line| line.words.first().is_none_or(|word| word != name));
        self.lines.insert(0, Line::parse(&format!("{name} {value}")));
    }

    /// Returns the names that lines of a class give.
    pub fn declared(&self, class: Class) -> Vec<String> {
        let of_class = self.lines.iter().filter(|line| line.class == class);
        of_class.filter_map(Line::subject).map(String::from).collect()
    }

    /// Returns the script with the lines that `keep` keeps, without the clients that do nothing in it and the lines that
    /// mean nothing without these.
    #[must_use]
    pub fn only(&self, mut keep: impl FnMut(usize) -> bool) -> Self {
        let mut lines = self.lines.clone();
        let mut index = 0;
        lines.retain(|_| {
            index += 1;
            keep(index - 1)
        });
        let has = |name: &str, class: Class| {
            lines.iter().any(|line| line.class == class && line.subject() == Some(name))
        };
        let mut idle = self.declared(Class::Client);
        idle.retain(|name| !has(name, Class::Client) || !has(name, Class::Deed));
        lines.retain(|line| !idle.iter().any(|name| line.needs(name)));
        Self { head: self.head.clone(), lines }
    }
}

/// The words of a text; quotes hold words together and stay.
fn split(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let (mut inside, mut quoted) = (false, false);
    for letter in text.chars() {
        if letter.is_whitespace() && !quoted {
            inside = false;
            continue;
        }
        // As the grammar has it: a quote holds words together where a word begins.
        if letter == '"' && (quoted || !inside) {
            quoted = !quoted;
        }
        match words.last_mut() {
            Some(word) if inside => word.push(letter),
            Some(_) | None => words.push(letter.into()),
        }
        inside = true;
    }
    words
}

/// Where the line begins that stands behind `at SPAN`, `when NAME got N WHAT`, `when NAME traces WORD [N]`,
/// `when NAME syncs N`.
fn inner(words: &[String]) -> usize {
    let word = |index: usize| words.get(index).map_or("", String::as_str);
    let mut at = 0;
    loop {
        at += match (word(at), word(at + 2)) {
            ("at", _) => 2,
            ("when", "got") => 5,
            ("when", "traces") if word(at + 4).parse::<u64>().is_ok() => 5,
            ("when", "traces" | "syncs") => 4,
            (_, _) => return at,
        };
    }
}

/// What stands before `mark`, and the rest with the mark. A text that ends with the mark's colon has an empty rest.
fn behind<'a>(text: &'a str, mark: &str) -> (&'a str, String) {
    match text.split_once(mark) {
        Some((head, tail)) => (head, format!("{mark}{tail}")),
        None if text.ends_with(':') && mark == ": " => (text.trim_end_matches(':'), String::from(":")),
        None => (text, String::new()),
    }
}

/// Whether a word is a name, an address of it, or holds it in braces.
fn is_about(word: &str, name: &str) -> bool {
    let bare = word.split('/').next().unwrap_or_default();
    let local = bare.split('@').next().unwrap_or_default();
    word == name || bare == name || local == name || word.contains(&format!("{{{name}}}"))
}

impl fmt::Display for Line {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}{}", self.words.join(" "), self.tail)
    }
}

/// The text of a scenario: the head, how things are, and, below a blank line, what happens.
impl fmt::Display for Script {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "# {}\n# {}", self.head.story, self.head.section)?;
        if let Some(pending) = &self.head.pending {
            writeln!(out, "# pending: {pending}")?;
        }
        if let Some(repro) = &self.head.repro {
            writeln!(out, "# repro: {repro}")?;
        }
        if let Some(found) = &self.head.found {
            writeln!(out, "# found: {found}")?;
        }
        let mut setting = false;
        for line in &self.lines {
            let sets = matches!(line.class, Class::Setting | Class::Account | Class::Client);
            if sets != setting {
                writeln!(out)?;
                setting = sets;
            }
            writeln!(out, "{line}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(text: &str) -> Class {
        Line::parse(text).class
    }

    #[test]
    fn a_line_is_told_by_its_verb_whenever_it_is_done() {
        for (text, wanted) in [
            ("limit stanza_bytes 10000", Class::Setting),
            ("client alice on a", Class::Client),
            ("alice says to bob: cut bob", Class::Deed),
            ("at 5s alice says to bob: hi", Class::Deed),
            ("at 5s fault cut bob for 8s", Class::Fault),
            ("when alice got 3 messages fault kill a", Class::Fault),
            ("when alice got 1 presence fault kill a", Class::Fault),
            ("when a traces stored 2 kill a", Class::Fault),
            ("when a traces stored kill a", Class::Fault),
            ("when a syncs 2 heal all", Class::Repair),
            ("disk a ok", Class::Repair),
            ("disk a full", Class::Fault),
            ("a user add bob", Class::Deed),
            ("wait 2s", Class::Time),
            ("check", Class::Check),
            ("expect nothing bob", Class::Expect),
        ] {
            assert_eq!(class(text), wanted, "{text}");
        }
    }

    #[test]
    fn each_verb_that_begins_a_line_is_known() {
        for verb in crate::script::leading() {
            let prefix = ["at", "when"].contains(&verb);
            assert!(prefix || class(verb) != Class::Deed, "{verb}: what is it to a shrinker?");
        }
    }

    #[test]
    fn a_line_is_written_as_it_was_read() {
        for text in [
            "at 5s alice says to bob: two  spaces, \"quotes\" and: colons",
            "alice is available status \"out for  lunch\" priority 3",
            "expect bob < message body a  b",
            "alice says to bob:",
            "alice is available status \"a: b  c\"",
            "client alice on a password \"a b\"",
        ] {
            assert_eq!(Line::parse(text).to_string(), text);
        }
    }

    #[test]
    fn what_is_said_names_nobody_but_those_in_braces() {
        let line = Line::parse("alice says to bob/desk: carol and {dave}");
        for (name, named) in [("alice", true), ("bob", true), ("carol", false), ("dave", true)] {
            assert_eq!(line.names(name), named, "{name}");
        }
    }

    #[test]
    fn a_client_that_does_nothing_goes_with_what_needs_it() {
        let script = Script::parse(
            "# S.\n# R\naccount bob\nclient alice on a\nclient bob on a\nalice logs in\nbob logs in\n\
            alice says to bob: hi\nfault cut bob\nexpect nothing bob\n",
        );
        let left = script.only(|index| index != 4);
        let lines: Vec<String> = left.lines.iter().map(Line::to_string).collect();
        assert_eq!(lines, ["account bob", "client alice on a", "alice logs in", "alice says to bob: hi"]);
    }

    #[test]
    fn a_script_is_read_from_its_own_text() {
        let text = "# S.\n# R\n# repro: fifo/swapped\n# found: swarm.scn seed 7\n\nseed 7\nclient alice on a\n\n\
            alice logs in\ncheck\n";
        let script = Script::parse(text);
        assert_eq!(script.to_string(), text);
        assert_eq!(script.head.repro, Some(Signature::new("fifo", "swapped")));
        assert_eq!(script.setting("seed"), Some("7"));
    }
}
