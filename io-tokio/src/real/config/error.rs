//! Configuration errors: file, line, key, what is wrong, what to do.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A configuration that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The file, or `flags`.
    pub file: String,
    /// The line, counted from one, where the fault has one.
    pub line: Option<usize>,
    /// The key with its section, where there is one: `limits.stanza_bytes`.
    pub key: Option<String>,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

/// The text an error refers to.
pub(super) struct Source<'a> {
    pub(super) path: Option<&'a Path>,
    pub(super) text: &'a str,
}

impl ConfigError {
    pub(super) fn unreadable(path: &Path, error: &io::Error) -> Self {
        Self {
            file: path.display().to_string(),
            line: None,
            key: None,
            problem: format!("cannot be read: {error}"),
            remedy: "Give the path of a readable file to --config.".into(),
        }
    }

    /// An error in a flag.
    pub(super) fn flag(name: &str, problem: String, remedy: &str) -> Self {
        Self { file: "flags".into(), line: None, key: Some(name.into()), problem, remedy: remedy.into() }
    }
}

impl Source<'_> {
    /// An error that the reader of the file found.
    pub(super) fn syntax(&self, error: &toml::de::Error) -> ConfigError {
        let at = error.span().map_or(0, |span| span.start);
        let message = error.message();
        let remedy = if message.starts_with("unknown field") {
            "Remove or correct the key. docs/eyot.example.toml lists all."
        } else {
            "docs/eyot.example.toml shows every key with its default."
        };
        ConfigError {
            file: self.file(),
            line: error.span().map(|span| self.line_of(span.start)),
            key: self.key_at(at),
            problem: message.trim_end().replace('\n', "; "),
            remedy: remedy.into(),
        }
    }

    /// An error that a check found in the value of `key`.
    pub(super) fn value(&self, key: &str, problem: String, remedy: String) -> ConfigError {
        let span = self.keys().into_iter().find(|(path, _)| path == key).map(|(_, span)| span);
        ConfigError {
            file: self.file(),
            line: span.map(|span| self.line_of(span.start)),
            key: Some(key.into()),
            problem,
            remedy,
        }
    }

    /// The key of `keys` that the operator wrote, the first if none: where an error of several is told.
    pub(super) fn written<'k>(&self, keys: [&'k str; 2]) -> &'k str {
        let known = self.keys();
        let first = keys[0];
        keys.into_iter().find(|key| known.iter().any(|(path, _)| path == key)).unwrap_or(first)
    }

    fn file(&self) -> String {
        self.path.map_or_else(|| "defaults".into(), |path| path.display().to_string())
    }

    fn line_of(&self, at: usize) -> usize {
        1 + self.text.bytes().take(at).filter(|byte| *byte == b'\n').count()
    }

    /// The innermost key around `at`.
    fn key_at(&self, at: usize) -> Option<String> {
        let around = self.keys().into_iter().filter(|(_, span)| span.contains(&at));
        around.min_by_key(|(_, span)| span.len()).map(|(path, _)| path)
    }

    /// All keys, each with the span from its name to the end of its value. None when the text is no TOML.
    fn keys(&self) -> Vec<(String, Range<usize>)> {
        let mut keys = Vec::new();
        if let Ok(table) = DeTable::parse(self.text) {
            collect(table.get_ref(), "", &mut keys);
        }
        keys
    }
}

fn collect(table: &DeTable<'_>, prefix: &str, keys: &mut Vec<(String, Range<usize>)>) {
    for (key, value) in table {
        let path = format!("{prefix}{}", key.get_ref());
        keys.push((path.clone(), key.span().start..value.span().end.max(key.span().end)));
        collect_value(value, &path, keys);
    }
}

fn collect_value(value: &Spanned<DeValue<'_>>, path: &str, keys: &mut Vec<(String, Range<usize>)>) {
    if let DeValue::Table(table) = value.get_ref() {
        collect(table, &format!("{path}."), keys);
    }
    if let DeValue::Array(array) = value.get_ref() {
        for (index, value) in array.iter().enumerate() {
            let path = format!("{path}[{index}]");
            keys.push((path.clone(), value.span()));
            collect_value(value, &path, keys);
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(out, ":{line}")?;
        }
        if let Some(key) = &self.key {
            write!(out, ": {key}")?;
        }
        write!(out, ": {}. {}", self.problem.trim_end_matches('.'), self.remedy)
    }
}

impl std::error::Error for ConfigError {}
