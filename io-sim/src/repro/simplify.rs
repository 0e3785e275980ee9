//! Passes that make lines simpler: shorter times, plainer links, rounder numbers.

use super::lines::{Class, Line, Script};
use super::search::Search;
use crate::engine::SimSpan;

/// Times that a person would write, in seconds and below.
const FRIENDLY_MILLIS: [u64; 16] = [
    10, 50, 100, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 30_000, 60_000, 120_000, 300_000, 600_000,
    1_800_000, 3_600_000,
];
/// Nothing is shortened below a second: less is no simpler.
const SECOND: u64 = 1_000;
/// Times of deeds are rounded to the first of these that is possible, in milliseconds.
const GRAINS_MILLIS: [u64; 6] = [10_000, 5_000, 1_000, 500, 100, 10];
/// Words that say how a client is, each with one word behind it.
const PROPERTIES: [&str; 9] =
    ["password", "at", "resource", "over", "with", "binding", "flag", "injecting", "reconnecting"];

/// Shortens what lasts: `wait 75s`, `for 20s`, `every 3s`.
pub(super) fn spans(search: &mut Search<'_>) {
    for index in 0..search.script.lines.len() {
        let words = search.script.lines.get(index).map_or(0, |line| line.words.len());
        for at in 1..words {
            shorten(search, index, at);
        }
    }
}

fn shorten(search: &mut Search<'_>, index: usize, at: usize) {
    let Some(line) = search.script.lines.get(index).cloned() else { return };
    let before = at.checked_sub(1).and_then(|before| line.words.get(before));
    // When a deed is done is for `times`.
    if before.is_some_and(|word| word == "at") || line.class == Class::Client || line.class == Class::Setting
    {
        return;
    }
    let Some(now) = line.words.get(at).and_then(|word| SimSpan::parse(word)) else { return };
    let millis = now.as_nanos().div_ceil(1_000_000);
    let shorter = FRIENDLY_MILLIS.iter().filter(|friendly| (SECOND..millis).contains(*friendly));
    let longer = FRIENDLY_MILLIS.iter().find(|friendly| **friendly >= millis && !is_friendly(now));
    for friendly in shorter.chain(longer) {
        if search.attempt_line(index, line.with(at, &written(SimSpan::from_millis(*friendly)))) {
            return;
        }
    }
}

fn is_friendly(span: SimSpan) -> bool {
    FRIENDLY_MILLIS.iter().any(|millis| SimSpan::from_millis(*millis) == span)
}

/// Writes a span with the greatest unit that keeps it whole.
pub(super) fn written(span: SimSpan) -> String {
    let micros = span.as_nanos() / 1_000;
    if micros >= 120_000_000 && micros.is_multiple_of(60_000_000) {
        format!("{}m", micros / 60_000_000)
    } else if micros.is_multiple_of(1_000_000) {
        format!("{}s", micros / 1_000_000)
    } else if micros.is_multiple_of(1_000) {
        format!("{}ms", micros / 1_000)
    } else {
        format!("{micros}us")
    }
}

/// Brings deeds that are put off closer together, then gives them round times. Their order stays.
pub(super) fn times(search: &mut Search<'_>) {
    round_all(search);
    let mut number = 0;
    while let Some((_, at)) = put_off(&search.script).get(number).copied() {
        let before = number.checked_sub(1).and_then(|before| put_off(&search.script).get(before).copied());
        let from = before.map_or(SimSpan::ZERO, |(_, at)| at);
        close_gap(search, number, from, at);
        round_one(search, number);
        number += 1;
    }
}

/// Lines with an `at`, in the order of their times.
fn put_off(script: &Script) -> Vec<(usize, SimSpan)> {
    let lines = script.lines.iter().enumerate();
    let mut found: Vec<(usize, SimSpan)> =
        lines.filter_map(|(index, line)| Some((index, line.at()?))).collect();
    found.sort_by_key(|(index, at)| (*at, *index));
    found
}

/// Moves the deed `number` and all later ones together towards the one before.
fn close_gap(search: &mut Search<'_>, number: usize, from: SimSpan, at: SimSpan) {
    let gap = at.as_nanos().saturating_sub(from.as_nanos());
    for millis in [0].into_iter().chain(FRIENDLY_MILLIS) {
        let shorter = millis * 1_000_000;
        if shorter >= gap {
            return;
        }
        let mut candidate = search.script.clone();
        for (index, at) in put_off(&search.script).into_iter().skip(number) {
            move_to(&mut candidate, index, SimSpan::from_nanos(at.as_nanos() - (gap - shorter)));
        }
        if search.attempt(candidate) {
            return;
        }
    }
}

fn round_one(search: &mut Search<'_>, number: usize) {
    let all = put_off(&search.script);
    let Some((index, at)) = all.get(number).copied() else { return };
    let least = number.checked_sub(1).and_then(|before| all.get(before)).map_or(0, |(_, at)| at.as_nanos());
    let most = all.get(number + 1).map_or(u64::MAX, |(_, at)| at.as_nanos());
    // A time is not put off by much to become round.
    let grains = GRAINS_MILLIS.map(|millis| millis * 1_000_000).into_iter();
    for grain in grains.filter(|grain| *grain <= at.as_nanos()) {
        if at.as_nanos().is_multiple_of(grain) || is_friendly(at) {
            return;
        }
        let down = at.as_nanos() / grain * grain;
        for rounded in [down, down + grain].into_iter().filter(|rounded| (least..=most).contains(rounded)) {
            let mut candidate = search.script.clone();
            move_to(&mut candidate, index, SimSpan::from_nanos(rounded));
            if search.attempt(candidate) {
                return;
            }
        }
    }
}

/// Rounds all times down at once: often a second is as good as a nanosecond.
fn round_all(search: &mut Search<'_>) {
    for grain in GRAINS_MILLIS.into_iter().skip(2).map(|millis| millis * 1_000_000) {
        let mut candidate = search.script.clone();
        for (index, at) in put_off(&search.script) {
            move_to(&mut candidate, index, SimSpan::from_nanos(at.as_nanos() / grain * grain));
        }
        if search.attempt(candidate) {
            return;
        }
    }
}

fn move_to(script: &mut Script, index: usize, at: SimSpan) {
    if let Some(line) = script.lines.get_mut(index) {
        *line = line.with(1, &written(at));
    }
}

/// Does at once what is put off until the very beginning.
pub(super) fn at_once(search: &mut Search<'_>) {
    let mut index = 0;
    while let Some(line) = search.script.lines.get(index).cloned() {
        if line.at() == Some(SimSpan::ZERO) {
            search.attempt_line(index, Line::parse(&line.without(0, 2).to_string()));
        }
        index += 1;
    }
}

/// Makes one `wait` of two that stand together.
pub(super) fn merge_waits(search: &mut Search<'_>) {
    let mut index = 0;
    while index + 1 < search.script.lines.len() {
        let span = |index: usize| search.script.lines.get(index).and_then(waited);
        if let (Some(one), Some(other)) = (span(index), span(index + 1)) {
            let both = SimSpan::from_nanos(one.as_nanos() + other.as_nanos());
            let mut candidate = search.script.only(|line| line != index);
            if let Some(line) = candidate.lines.get_mut(index) {
                *line = line.with(1, &written(both));
            }
            if search.attempt(candidate) {
                continue;
            }
        }
        index += 1;
    }
}

fn waited(line: &Line) -> Option<SimSpan> {
    (line.words.first()? == "wait").then(|| SimSpan::parse(line.words.get(1)?)).flatten()
}

/// Gives clients and links plain properties: near links, nothing that is usual anyway.
pub(super) fn properties(search: &mut Search<'_>) {
    for index in 0..search.script.lines.len() {
        let Some(line) = search.script.lines.get(index).cloned() else { continue };
        match line.class {
            Class::Client => plain_client(search, index),
            Class::Setting if line.words.first().is_some_and(|word| word == "link") => {
                search.attempt_line(index, line.with(line.words.len() - 1, "lan"));
            }
            Class::Setting
            | Class::Account
            | Class::Fault
            | Class::Repair
            | Class::Deed
            | Class::Time
            | Class::Expect
            | Class::Check => {}
        }
    }
}

fn plain_client(search: &mut Search<'_>, index: usize) {
    let line = |search: &Search<'_>| search.script.lines.get(index).cloned();
    for property in PROPERTIES {
        let Some(line) = line(search) else { return };
        // The first four words are `client NAME on NODE`.
        if let Some(at) = line.words.iter().skip(4).position(|word| word == property) {
            search.attempt_line(index, line.without(at + 4, 2));
        }
    }
    let Some(own) = line(search) else { return };
    let said = own.words.iter().skip(4).position(|word| word == "as").map(|at| at + 4);
    if let Some(at) = said.filter(|at| own.words.get(at + 1).map(String::as_str) == own.subject()) {
        search.attempt_line(index, own.without(at, 2));
    }
    let Some(line) = line(search) else { return };
    if let Some(at) = line.words.iter().skip(4).position(|word| word == "link") {
        search.attempt_line(index, line.with(at + 5, "lan"));
    }
}

/// Makes numbers of limits round, and lets bytes arrive whole and inputs at once.
pub(super) fn settings(search: &mut Search<'_>) {
    let mut whole = search.script.clone();
    whole.lines.retain(|line| line.words.first().is_none_or(|word| word != "batch" && word != "slices"));
    whole.set("slices", "whole");
    order(&mut whole);
    search.attempt(whole);
    for index in 0..search.script.lines.len() {
        let Some(line) = search.script.lines.get(index).cloned() else { continue };
        let limits = line.words.first().is_some_and(|word| word == "limit");
        let number = line.words.get(2).and_then(|word| word.parse::<u64>().ok());
        if let (true, Some(number)) = (limits, number) {
            let grain = 10_u64.saturating_pow(number.checked_ilog10().unwrap_or(0));
            if !number.is_multiple_of(grain) {
                let down = number / grain * grain;
                let _round = search.attempt_line(index, line.with(2, &down.to_string()))
                    || search.attempt_line(index, line.with(2, &(down + grain).to_string()));
            }
        }
    }
}

/// What fixes the run stands first: the seed, then how bytes are cut.
pub(super) fn order(script: &mut Script) {
    for name in ["batch", "slices", "seed"] {
        if let Some(value) = script.setting(name).map(String::from) {
            script.set(name, &value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_written_with_the_unit_that_fits() {
        for text in ["250us", "80ms", "1s", "75s", "2m", "1500ms", "0s"] {
            assert_eq!(written(SimSpan::parse(text).unwrap()), text);
        }
        assert_eq!(written(SimSpan::from_secs(60)), "60s");
    }

    #[test]
    fn what_fixes_the_run_stands_first() {
        let mut script = Script::parse("# S.\n# R\nlimit x 5\nbatch\nslices 3\nseed 7\n");
        order(&mut script);
        let lines: Vec<String> = script.lines.iter().map(Line::to_string).collect();
        assert_eq!(lines, ["seed 7", "slices 3", "batch", "limit x 5"]);
    }
}
