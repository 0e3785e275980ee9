//! Finds where two runs of one text part, without looking at all of either.

use crate::world::{Link, Window};

/// Where two runs part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The number of the event.
    pub event: u64,
    /// The last thing that both did, in words.
    pub before: Option<String>,
    /// What one does next; nothing when its run has ended.
    pub one: Option<String>,
    /// What the other does next.
    pub other: Option<String>,
}

/// Links of the first two passes: one for so many events.
const COARSE: u64 = 1 << 12;
const FINE: u64 = 1 << 6;

/// Finds the first thing that two runs do differently. Each side is asked for parts of its chain of hashes, and runs anew
/// for each; nothing when the difference does not show in those runs.
///
/// # Errors
///
/// Those of a side that cannot run.
pub fn first_difference<E>(
    mut one: impl FnMut(Window) -> Result<Vec<Link>, E>,
    mut other: impl FnMut(Window) -> Result<Vec<Link>, E>,
) -> Result<Option<Difference>, E> {
    let mut ask = |window| Ok((one(window)?, other(window)?));
    let (mut from, mut to) = (0, u64::MAX);
    for every in [COARSE, FINE] {
        let (left, right) = ask(Window { every, from, to })?;
        // Runs that never part at the same place are looked at from the beginning, below.
        let Some(at) = parting(&left, &right) else { break };
        from = at.checked_sub(1).and_then(|before| left.get(before)).map_or(from, |link| link.event);
        let ends = [&left, &right].map(|links| links.get(at).map_or(u64::MAX, |link| link.event));
        to = ends[0].max(ends[1]).saturating_add(1);
    }
    let (left, right) = ask(Window { every: 1, from, to })?;
    let found = parting(&left, &right);
    if let Some(at) = found.filter(|at| *at > 0 || from == 0) {
        return Ok(Some(difference(&left, &right, at)));
    }
    // The place moves from run to run: both sides once more, from the beginning to the end.
    let (left, right) = ask(Window { every: 1, from: 0, to: u64::MAX })?;
    Ok(parting(&left, &right).map(|at| difference(&left, &right, at)))
}

/// The first place where two chains differ.
fn parting(left: &[Link], right: &[Link]) -> Option<usize> {
    (0..left.len().max(right.len())).find(|at| left.get(*at) != right.get(*at))
}

fn difference(left: &[Link], right: &[Link], at: usize) -> Difference {
    let words = |links: &[Link]| links.get(at).map(|link| link.what.clone());
    let event = left.get(at).or_else(|| right.get(at)).map_or(0, |link| link.event);
    let before = at.checked_sub(1).and_then(|before| left.get(before)).map(|link| link.what.clone());
    Difference { event, before, one: words(left), other: words(right) }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::hash::{BuildHasher as _, RandomState};

    use super::*;
    use crate::engine::TraceHash;

    /// The chain of a run of so many events, of which event `odd` adds `word` to the hash.
    fn run(events: u64, odd: u64, word: u64, window: Window) -> Vec<Link> {
        let mut hash = TraceHash::new();
        let mut links = Vec::new();
        for event in 1..=events {
            let wanted = event.is_multiple_of(window.every) && (window.from..window.to).contains(&event);
            if wanted {
                let what = if window.every == 1 { format!("event {event}") } else { String::new() };
                links.push(Link { event, hash: hash.to_string(), what });
            }
            hash.word(if event == odd { word } else { event });
        }
        links.push(Link { event: events + 1, hash: hash.to_string(), what: "the end".into() });
        links
    }

    /// Where two runs part, and how many links were asked for.
    fn found(events: u64, odd: u64, words: [u64; 2]) -> (Option<Difference>, usize) {
        let asked = core::cell::Cell::new(0);
        let side = |word: u64| {
            let asked = &asked;
            move |window| {
                let links = run(events, odd, word, window);
                asked.set(asked.get() + links.len());
                Ok::<_, Infallible>(links)
            }
        };
        let Ok(difference) = first_difference(side(words[0]), side(words[1]));
        (difference, asked.get())
    }

    #[test]
    fn the_first_event_that_differs_is_found_without_looking_at_all() {
        for odd in [1, 63, 64, 65, 4_095, 4_096, 12_345, 99_999, 100_000] {
            let (difference, asked) = found(100_000, odd, [1_000_000, 2_000_000]);
            let difference = difference.unwrap();
            // What an event did shows in the hash before the next one.
            assert_eq!(difference.before, Some(format!("event {odd}")), "{difference:?}");
            assert_eq!(difference.event, odd + 1);
            assert!(asked < 600, "{asked} links for {odd}");
        }
    }

    #[test]
    fn equal_runs_have_no_difference() {
        assert_eq!(found(10_000, 77, [5, 5]).0, None);
    }

    #[test]
    fn a_run_that_ends_early_parts_at_its_end() {
        let side = |events| move |window| Ok::<_, Infallible>(run(events, 0, 0, window));
        let Ok(found) = first_difference(side(500), side(700));
        let found = found.unwrap();
        assert_eq!(
            (found.event, found.one.as_deref(), found.other.as_deref()),
            (501, Some("the end"), Some("event 501"))
        );
    }

    #[test]
    fn what_is_drawn_from_the_system_is_found_although_no_two_runs_are_the_same() {
        // As an unordered map would do it: another word in each run.
        let side = || |window| Ok::<_, Infallible>(run(10_000, 777, RandomState::new().hash_one(1), window));
        let Ok(found) = first_difference(side(), side());
        assert_eq!(found.unwrap().before.as_deref(), Some("event 777"));
    }

    #[test]
    fn a_place_that_moves_from_run_to_run_is_found_all_the_same() {
        // The hash differs from event 9000 on in the first passes, and from event 10 on afterwards.
        let runs = core::cell::Cell::new(0_u64);
        let side = |window| {
            runs.set(runs.get() + 1);
            let odd = if runs.get() > 4 { 10 } else { 9_000 };
            Ok::<_, Infallible>(run(10_000, odd, 100_000 + runs.get(), window))
        };
        let Ok(found) = first_difference(side, side);
        assert_eq!(found.unwrap().before.as_deref(), Some("event 10"));
    }
}
