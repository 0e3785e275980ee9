//! Makes a failing scenario as small as it gets.

use super::lines::{Class, Script};
use super::search::{Judge, Search, Shown};
use super::trial::shows;
use super::{passes, simplify};
use crate::oracle::Signature;

/// How much there is in a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Faults; what ends them is not counted.
    pub faults: usize,
    /// What clients and operators do.
    pub operations: usize,
    /// Clients.
    pub clients: usize,
    /// All lines below the head.
    pub lines: usize,
}

/// What shrinking came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shrunk {
    /// The smallest text found.
    pub text: String,
    /// How big the text was.
    pub before: Size,
    /// How big it is.
    pub after: Size,
    /// How many texts were run.
    pub runs: usize,
    /// Whether the runs were used up before nothing more could be left out.
    pub exhausted: bool,
    /// Whether the text, read anew at the end, fails as the first one did.
    pub verified: bool,
}

impl Size {
    /// Measures a script.
    pub fn of(script: &Script) -> Self {
        Self {
            faults: script.count(Class::Fault),
            operations: script.count(Class::Deed),
            clients: script.count(Class::Client),
            lines: script.lines.len(),
        }
    }
}

/// Makes `text` as small as it gets while it shows `wanted`, with at most `budget` runs. Nothing when it does not show
/// it to begin with.
pub fn shrink(name: &str, text: &str, wanted: &Signature, budget: usize) -> Option<Shrunk> {
    let mut script = Script::parse(text);
    script.head.repro = Some(wanted.clone());
    shrink_with(script, budget, &mut |text| {
        let trial = shows(name, text, wanted).ok().flatten()?;
        Some(Shown { at: trial.at })
    })
}

/// Makes `script` as small as it gets while `judge` says that it fails as wanted, with at most `budget` runs.
/// Nothing when it does not to begin with.
pub fn shrink_with<'a>(script: Script, budget: usize, judge: &'a mut Judge<'a>) -> Option<Shrunk> {
    let before = Size::of(&script);
    let text = script.to_string();
    let mut search = Search::new(script, budget, judge);
    search.shown = search.run(&text)?;
    loop {
        let best = search.script.clone();
        leave_out(&mut search);
        make_simpler(&mut search);
        if search.script == best || search.is_exhausted() {
            break;
        }
    }
    let exhausted = search.is_exhausted();
    let text = search.script.to_string();
    let verified = search.run_again(&text);
    Some(Shrunk { before, after: Size::of(&search.script), runs: search.runs, exhausted, verified, text })
}

fn leave_out(search: &mut Search<'_>) {
    passes::tail(search);
    passes::of(search, &[Class::Fault, Class::Repair]);
    passes::of(search, &[Class::Deed]);
    passes::clients(search);
    passes::accounts(search);
    passes::nodes(search);
    passes::settings(search);
    passes::of(search, &[Class::Time, Class::Expect, Class::Check]);
}

fn make_simpler(search: &mut Search<'_>) {
    simplify::settings(search);
    simplify::properties(search);
    simplify::merge_waits(search);
    simplify::times(search);
    simplify::at_once(search);
    simplify::spans(search);
}

#[cfg(test)]
mod tests {
    use core::fmt::Write as _;

    use super::*;

    /// A plan of five faults and two hundred messages between four clients.
    fn plan() -> String {
        let mut text =
            String::from("# Many talk.\n# RFC 6121\nseed 7\nslices random\nlimit stanza_bytes 12345\n");
        for name in ["alice", "bob", "carol", "dave"] {
            writeln!(text, "account {name}").unwrap();
        }
        for name in ["alice", "bob", "carol", "dave"] {
            writeln!(text, "client {name} on a resource r link satcom").unwrap();
        }
        for name in ["alice", "bob", "carol", "dave"] {
            writeln!(text, "{name} comes online").unwrap();
        }
        for (number, name) in ["alice", "bob", "carol", "dave", "bob"].iter().enumerate() {
            writeln!(text, "at {}137ms cut {name}", number + 11).unwrap();
        }
        for number in 0..200 {
            let (from, to) = if number % 2 == 0 { ("alice", "bob") } else { ("carol", "dave") };
            writeln!(text, "at {}ms {from} says to {to}: m{number}", 11_000 + 25 * number).unwrap();
        }
        text + "wait 75s\nheal alice\nheal bob\nheal carol\nheal dave\nwait 123456ms\ncheck\n"
    }

    /// Shrinks the plan while all of these parts of lines are there; what is left below the head.
    fn shrunk(needed: &[&str]) -> (Vec<String>, Shrunk) {
        let mut judge = |text: &str| needed.iter().all(|part| text.contains(part)).then(Shown::default);
        let found = shrink_with(Script::parse(&plan()), 2_000, &mut judge).unwrap();
        let lines = Script::parse(&found.text).lines.iter().map(ToString::to_string).collect();
        (lines, found)
    }

    #[test]
    fn one_fault_and_one_operation_of_two_hundred_are_found() {
        let (lines, found) = shrunk(&["cut carol", "carol says to dave: m17\n"]);
        assert_eq!(
            lines,
            [
                "seed 7",
                "slices whole",
                "account carol",
                "client carol on a link lan",
                "cut carol",
                "carol says to dave: m17"
            ]
        );
        assert_eq!((found.before.faults, found.before.operations, found.before.clients), (5, 204, 4));
        assert_eq!((found.after.faults, found.after.operations, found.after.clients), (1, 1, 1));
        assert!(found.verified && !found.exhausted);
        assert!(found.runs < 200, "{}", found.runs);
    }

    #[test]
    fn what_is_needed_of_settings_and_time_stays() {
        let (lines, _) =
            shrunk(&["limit stanza_bytes", "slices random", "link satcom", "wait ", "check", "account dave"]);
        for line in ["limit stanza_bytes 10000", "slices random", "account dave", "wait 1s", "check"] {
            assert!(lines.iter().any(|found| found == line), "{line}: {lines:?}");
        }
        assert_eq!(lines.iter().filter(|line| line.starts_with("client ")).count(), 1, "{lines:?}");
    }

    #[test]
    fn what_lasts_is_shortened_and_what_was_put_off_is_brought_forward_in_its_order() {
        let text = "# S.\n# R\nseed 1\nslices whole\naccount bob\nclient bob on a\nbob comes online\n\
            at 12345ms fault cut bob for 20s\nat 17s fault flap bob every 7s for 41s\nat 23s bob pings\nwait 3m\ncheck\n";
        let mut judge = |text: &str| {
            let parts = ["fault cut bob for ", "fault flap bob every ", "bob pings", "wait "];
            let long =
                !text.contains("for 1s") && !text.contains("at 0s bob") && !text.contains("bob for 10ms");
            (long && parts.iter().all(|part| text.contains(part))).then(Shown::default)
        };
        let found = shrink_with(Script::parse(text), 2_000, &mut judge).unwrap();
        let lines: Vec<String> = Script::parse(&found.text).lines.iter().map(ToString::to_string).collect();
        assert_eq!(
            lines.get(4..).unwrap_or_default(),
            ["fault cut bob for 2s", "fault flap bob every 1s for 2s", "at 10ms bob pings", "wait 1s",]
        );
    }

    #[test]
    fn a_budget_ends_the_search_with_what_it_has() {
        let mut judge = |text: &str| text.contains("m17\n").then(Shown::default);
        let found = shrink_with(Script::parse(&plan()), 10, &mut judge).unwrap();
        assert!(found.exhausted && found.verified && found.text.contains("m17\n"));
        // One more to verify.
        assert_eq!(found.runs, 11);
    }

    #[test]
    fn a_text_that_does_not_fail_is_not_shrunk() {
        assert_eq!(shrink("x", &plan(), &Signature::new("expect", "nothing"), 10), None);
    }

    #[test]
    fn a_real_failure_is_left_with_what_it_takes() {
        let text = "# Bob misses one.\n# RFC 6121\nseed 3\naccount alice\naccount bob\naccount carol\nclient alice on a\n\
            client bob on a\nclient carol on a\nalice comes online\nbob comes online\ncarol comes online\nsettle\n\
            carol says to alice: hi\nexpect alice < message\nalice says to bob: one\nwait 9s\ncut bob\n\
            alice says to bob: two\nwait 12s\nexpect bob < message body two\n";
        let wanted = super::super::trial::finding("x", text).unwrap().signature.unwrap();
        let found = shrink("x", text, &wanted, 2_000).unwrap();
        let kept = Script::parse(&found.text);
        assert_eq!(kept.head.repro, Some(wanted));
        assert!(found.verified && found.after.clients == 1, "{}", found.text);
        assert!(!found.text.contains("carol") && found.after.lines < 8, "{}", found.text);
    }
}
