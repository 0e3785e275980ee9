//! Forms: how a line reads whose verb waits for a capability.
//!
//! A form is written the way `scenarios/VERBS.md` shows it: words that stand for themselves, `this|that`, `PLACES` with
//! a type each, `PLACE...` for one or more, `[optional PLACE]` in any order, and `: TEXT` to the end of the line.

use super::super::{Scope, Words};
use super::place;

/// Who is in front of a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// Nobody, and it says how things are.
    Setting,
    /// Nobody, and it is a deed.
    Deed,
    /// A client.
    Client,
    /// A node, whose operator does it.
    Node,
    /// `expect`.
    Expect,
    /// `expect` and a client.
    ExpectClient,
    /// `expect` and a node.
    ExpectNode,
}

/// What names a form makes known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// None.
    Nothing,
    /// Ways between two nodes or peers.
    Routes,
    /// Security labels, the lowest first.
    Labels,
}

/// How a line reads that waits for a capability.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    /// Who stands in front.
    pub before: Before,
    /// How it reads.
    pub text: &'static str,
    /// What it waits for.
    pub capability: &'static str,
    /// What names its `NAME` places make known.
    pub names: Names,
}

/// A part of a form.
enum Item<'a> {
    One(&'a str),
    Many(&'a str),
    Maybe(Vec<Item<'a>>),
}

impl Form {
    pub(super) const fn new(before: Before, text: &'static str, capability: &'static str) -> Self {
        Self { before, text, capability, names: Names::Nothing }
    }

    pub(super) const fn naming(self, names: Names) -> Self {
        Self { names, ..self }
    }

    /// Returns the words that it begins with.
    pub(super) fn verb(&self) -> &'static str {
        let stands = |c: char| c.is_ascii_uppercase() || c == '[' || c == '|';
        let Some(at) = self.text.find(stands) else { return self.text };
        let before = self.text.get(..at).unwrap_or_default();
        before.rsplit_once(' ').map_or(before, |(verb, _)| verb)
    }

    /// Reads what follows the verb, and returns the names that it makes known.
    pub(super) fn read(&self, mut words: Words<'_>, scope: &Scope) -> Result<Vec<String>, String> {
        let behind = self.text.get(self.verb().len()..).unwrap_or_default();
        let (shape, texts) = match behind.split_once(": ") {
            Some((shape, _)) => {
                let (head, text) = words.colon()?;
                words = head;
                (shape, Some(text))
            }
            None => (behind, None),
        };
        if texts.is_some_and(str::is_empty) {
            return Err("the text behind the colon is missing".into());
        }
        let mut names = Vec::new();
        fit(&items(shape), &mut words, scope, &mut names)?;
        words.end()?;
        Ok(names)
    }
}

fn items(shape: &str) -> Vec<Item<'_>> {
    let mut all = Vec::new();
    let mut group: Option<Vec<Item<'_>>> = None;
    for token in shape.split_whitespace() {
        let opens = token.starts_with('[');
        let closes = token.ends_with(']');
        let bare = token.trim_start_matches('[').trim_end_matches(']');
        let item = bare.strip_suffix("...").map_or(Item::One(bare), Item::Many);
        if opens {
            group = Some(Vec::new());
        }
        match &mut group {
            Some(group) => group.push(item),
            None => all.push(item),
        }
        if closes && let Some(whole) = group.take() {
            all.push(Item::Maybe(whole));
        }
    }
    all
}

fn fit(
    items: &[Item<'_>],
    words: &mut Words<'_>,
    scope: &Scope,
    names: &mut Vec<String>,
) -> Result<(), String> {
    let mut rest = items;
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        match first {
            Item::One(token) => place::take(token, words, scope, names)?,
            Item::Many(token) => {
                place::take(token, words, scope, names)?;
                while !words.is_empty() && !behind.iter().any(|next| begins(next, *words)) {
                    place::take(token, words, scope, names)?;
                }
            }
            Item::Maybe(_) => {
                let also = behind.iter().take_while(|next| matches!(next, Item::Maybe(_))).count();
                let mut left: Vec<&Item<'_>> =
                    items[items.len() - behind.len() - 1..].iter().take(also + 1).collect();
                rest = &behind[also..];
                while let Some(at) = left.iter().position(|option| begins(option, *words)) {
                    if let Item::Maybe(group) = left.remove(at) {
                        fit(group, words, scope, names)?;
                    }
                }
            }
        }
    }
    Ok(())
}

/// Returns whether `item` begins with a word that comes next.
fn begins(item: &Item<'_>, mut words: Words<'_>) -> bool {
    match item {
        Item::One(token) | Item::Many(token) => {
            token.split('|').any(|word| !place::is_place(word) && words.take(word))
        }
        Item::Maybe(group) => group.first().is_some_and(|first| begins(first, words)),
    }
}
