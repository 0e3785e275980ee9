//! Passes that leave lines out.

use super::ddmin::ddmin;
use super::lines::{Class, Line, Script};
use super::search::Search;
use crate::engine::SimTime;

/// Settings that make a text one run and not any.
const FIXING: [&str; 3] = ["seed", "slices", "batch"];

/// Leaves out what comes after the failure: deeds that are put off beyond it, then as much of the end as possible.
pub(super) fn tail(search: &mut Search<'_>) {
    if let Some(shown) = search.shown.at {
        let script = search.script.clone();
        let in_time = |line: &Line| line.at().is_none_or(|at| SimTime::ZERO + at <= shown);
        search.attempt(script.only(|index| script.lines.get(index).is_some_and(in_time)));
    }
    let mut cut = search.script.lines.len() / 2;
    while cut > 0 {
        let kept = search.script.lines.len().saturating_sub(cut);
        let shorter = search.script.only(|index| index < kept);
        if !search.attempt(shorter) {
            cut /= 2;
        }
        cut = cut.min(search.script.lines.len());
    }
}

/// Leaves out as many lines of these classes as possible.
pub(super) fn of(search: &mut Search<'_>, classes: &[Class]) {
    of_those(search, &|line| classes.contains(&line.class));
}

/// Leaves out accounts that no client logs in to: without one a login fails, which is another story.
pub(super) fn accounts(search: &mut Search<'_>) {
    let clients = search.script.lines.iter().filter(|line| line.class == Class::Client);
    let users: Vec<String> = clients.filter_map(|line| line.user().map(String::from)).collect();
    of_those(search, &|line| {
        line.class == Class::Account && !users.iter().any(|user| line.subject() == Some(user))
    });
}

/// Leaves out as many settings as possible, but for what fixes the run.
pub(super) fn settings(search: &mut Search<'_>) {
    let fixes = |line: &Line| line.words.first().is_some_and(|word| FIXING.contains(&word.as_str()));
    of_those(search, &|line| line.class == Class::Setting && !fixes(line));
}

fn of_those(search: &mut Search<'_>, which: &dyn Fn(&Line) -> bool) {
    let script = search.script.clone();
    let among: Vec<usize> =
        (0..script.lines.len()).filter(|index| script.lines.get(*index).is_some_and(which)).collect();
    ddmin(among.len(), |kept| {
        let candidate = script.only(|index| {
            among.binary_search(&index).map_or(true, |number| kept.binary_search(&number).is_ok())
        });
        search.attempt(candidate)
    });
}

/// Leaves out clients: with their account and all lines that speak of them, or only with what they do.
pub(super) fn clients(search: &mut Search<'_>) {
    without_names(search, Class::Client, &|line, name| line.names(name));
    without_names(search, Class::Client, &|line, name| line.needs(name));
}

fn without_names(search: &mut Search<'_>, class: Class, goes: &dyn Fn(&Line, &str) -> bool) {
    let script = search.script.clone();
    let names = script.declared(class);
    ddmin(names.len(), |kept| {
        let gone: Vec<&String> = names
            .iter()
            .enumerate()
            .filter(|(index, _)| !kept.contains(index))
            .map(|(_, name)| name)
            .collect();
        let candidate = script.only(|index| {
            script.lines.get(index).is_some_and(|line| !gone.iter().any(|name| goes(line, name)))
        });
        search.attempt(candidate)
    });
}

/// Leaves out nodes, from the last on: with all lines that speak of them, or with their clients moved to another.
pub(super) fn nodes(search: &mut Search<'_>) {
    let listed = search.script.lines.iter().find(|line| is_list(line));
    let names: Vec<String> =
        listed.map_or_else(Vec::new, |line| line.rest().iter().skip(1).cloned().collect());
    for name in names.iter().rev() {
        let Some(other) = names.iter().find(|other| *other != name) else { continue };
        let alone = without_node(&search.script, name);
        if !search.attempt(alone) {
            let moved = move_clients(&search.script, name, other);
            search.attempt(without_node(&moved, name));
        }
    }
}

fn is_list(line: &Line) -> bool {
    line.class == Class::Setting && line.words.first().is_some_and(|word| word == "nodes")
}

/// A `nodes` or `site` line loses the name; any other line that speaks of the node goes.
fn without_node(script: &Script, name: &str) -> Script {
    let mut candidate = script.clone();
    for line in &mut candidate.lines {
        let site = line.words.first().is_some_and(|word| word == "site");
        if is_list(line) || (site && line.words.len() > 3) {
            while let Some(index) = line.words.iter().skip(1).position(|word| word == name) {
                *line = line.without(index + 1, 1);
            }
        }
    }
    let kept = candidate.clone();
    candidate
        .only(|index| kept.lines.get(index).is_some_and(|line| !line.words.iter().any(|word| word == name)))
}

fn move_clients(script: &Script, from: &str, to: &str) -> Script {
    let mut candidate = script.clone();
    for line in candidate.lines.iter_mut().filter(|line| line.class == Class::Client) {
        let on = line.words.iter().position(|word| word == "on").map(|index| index + 1);
        if let Some(index) = on.filter(|index| line.words.get(*index).is_some_and(|word| word == from)) {
            *line = line.with(index, to);
        }
    }
    candidate
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_leaves_its_lists_and_its_clients_find_another() {
        let script = Script::parse(
            "# S.\n# R\nnodes a b c\nsite hq a b c\nlink a c lan\naccount bob\nclient bob on c\nbob logs in\nkill c\n",
        );
        let lines = |script: &Script| script.lines.iter().map(Line::to_string).collect::<Vec<_>>();
        assert_eq!(lines(&without_node(&script, "c")), ["nodes a b", "site hq a b", "account bob"]);
        let moved = without_node(&move_clients(&script, "c", "a"), "c");
        assert_eq!(
            lines(&moved),
            ["nodes a b", "site hq a b", "account bob", "client bob on a", "bob logs in"]
        );
    }
}
