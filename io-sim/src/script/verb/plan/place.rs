//! The types of the places in forms.

use super::super::{Scope, Words};
use crate::script::words::span as span_of;

/// The conditions of RFC 6120, 8.3.3.
const CONDITIONS: [&str; 22] = [
    "bad-request",
    "conflict",
    "feature-not-implemented",
    "forbidden",
    "gone",
    "internal-server-error",
    "item-not-found",
    "jid-malformed",
    "not-acceptable",
    "not-allowed",
    "not-authorized",
    "policy-violation",
    "recipient-unavailable",
    "redirect",
    "registration-required",
    "remote-server-not-found",
    "remote-server-timeout",
    "resource-constraint",
    "service-unavailable",
    "subscription-required",
    "undefined-condition",
    "unexpected-request",
];

/// Returns whether `token` stands for something else than itself.
pub(super) fn is_place(token: &str) -> bool {
    token.starts_with(|c: char| c.is_ascii_uppercase())
}

/// Takes what `token` stands for: one of its words, or a value of its type.
///
/// # Errors
///
/// What was expected.
pub(super) fn take(
    token: &str,
    words: &mut Words<'_>,
    scope: &Scope,
    names: &mut Vec<String>,
) -> Result<(), String> {
    for choice in token.split('|') {
        if !is_place(choice) && words.take(choice) {
            return Ok(());
        }
    }
    let Some(place) = token.split('|').find(|choice| is_place(choice)) else {
        return Err(wanted(token, words));
    };
    if words.is_empty() {
        return Err(format!("{token} is missing"));
    }
    match place {
        "SPAN" => words.span("SPAN").map(|_| ()),
        "N" | "BYTES" | "PERCENT" => words.number(place).map(|_| ()),
        _ => {
            let word = words.word(place)?;
            if place == "NAME" {
                names.push(word.into());
            }
            check(place, word, scope)
        }
    }
}

fn wanted(token: &str, words: &Words<'_>) -> String {
    let found = { *words }.next().unwrap_or("nothing");
    format!("{} is expected, not {found}", token.replace('|', " or "))
}

/// Checks a word against the type of its place.
///
/// # Errors
///
/// What was expected.
pub(in super::super) fn check(place: &str, word: &str, scope: &Scope) -> Result<(), String> {
    let known =
        |fits: bool, what: &str| if fits { Ok(()) } else { Err(format!("there is no {what} {word}")) };
    let shaped = |fits: bool, what: &str| if fits { Ok(()) } else { Err(format!("{word} is {what}")) };
    match place {
        "CLIENT" => scope.client(word).map(|_| ()),
        "NODE" => scope.node(word).map(|_| ()),
        "PROFILE" => scope.profile(word).map(|_| ()),
        "ROOM" => known(scope.rooms.contains(word) || word.contains('@'), "room"),
        "ROUTE" => known(scope.routes.contains(word), "route"),
        "LABEL" => known(scope.labels.contains(word), "label"),
        "CONDITION" => known(CONDITIONS.contains(&word), "error condition"),
        "DOMAIN" => shaped(word.contains('.') && !word.contains('@'), "no domain"),
        "LEVEL" => shaped(is_level(word), "no level: local, cluster:N or site:N"),
        "PEER" => shaped(word.contains('.') || scope.is_node(word), "neither a domain nor a node"),
        "SIZE" => shaped(size(word), "no page: a number or a time"),
        "NAME" | "WHO" | "NICK" | "TEXT" | "BODY" | "ID" | "ITEMS" | "SITE" => Ok(()),
        other => Err(format!("the grammar has no place {other}")),
    }
}

fn is_level(word: &str) -> bool {
    word == "local"
        || word
            .strip_prefix("cluster:")
            .or_else(|| word.strip_prefix("site:"))
            .is_some_and(|count| count.parse::<u8>().is_ok_and(|count| count > 0))
}

fn size(word: &str) -> bool {
    word.parse::<u32>().is_ok() || span_of(word).is_some()
}
