//! A sweep that was put aside, as text.

use core::fmt::Write as _;

use super::tally::{Found, Tally};
use super::told::Failure;
use crate::oracle::Signature;

/// The first line.
const HEAD: &str = "eyot sweep 2";

/// What the figures of a sweep depend on. They are continued only where all of it is the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The program: what it was built of, and how.
    pub program: String,
    /// The text of the template or story.
    pub text: String,
    /// The first seed.
    pub from: u64,
}

/// Where a sweep stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// What it has come to.
    pub tally: Tally,
    /// Time that cores have spent on it, in milliseconds.
    pub core_millis: u64,
    /// Time that it took, in milliseconds.
    pub wall_millis: u64,
}

impl Stamp {
    fn line(&self) -> String {
        // The text may be long: its hash will do (FNV-1a).
        let text = self.text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        format!("of program {} text {text:016x} from {}", self.program, self.from)
    }
}

impl State {
    /// Writes it down.
    pub fn write(&self, stamp: &Stamp) -> String {
        let time = format!("time {} {}", self.core_millis, self.wall_millis);
        let mut out = [HEAD, &stamp.line(), &time, ""].join("\n");
        for ((what, value), times) in &self.tally.counts {
            writeln!(out, "count {times} {what} {value}").expect("a string takes everything");
        }
        for Found { seed, times, failure } in &self.tally.found {
            let signature = failure.signature.to_string().replace(' ', "\u{a0}");
            let what = failure.what.replace('\n', " ");
            writeln!(out, "found {seed} {times} {signature} {what}").expect("a string takes everything");
        }
        out.push_str("end\n");
        out
    }

    /// Reads what [`State::write`] wrote; nothing when it is of another sweep, or not whole.
    pub fn read(text: &str, stamp: &Stamp) -> Option<Self> {
        let mut lines = text.lines();
        if lines.next() != Some(HEAD) || lines.next() != Some(&stamp.line()) || !text.ends_with("\nend\n") {
            return None;
        }
        let mut state = Self::default();
        for line in lines {
            let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
            match kind {
                "time" => {
                    let (core, wall) = rest.split_once(' ')?;
                    (state.core_millis, state.wall_millis) = (core.parse().ok()?, wall.parse().ok()?);
                }
                "count" => {
                    let mut words = rest.splitn(3, ' ');
                    let times = words.next()?.parse().ok()?;
                    state.tally.count(words.next()?, words.next()?, times);
                }
                "found" => {
                    let mut words = rest.splitn(4, ' ');
                    let (seed, times) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
                    let signature = Signature::parse(&words.next()?.replace('\u{a0}', " "))?;
                    let failure = Failure { signature, what: words.next()?.into() };
                    state.tally.found.push(Found { seed, times, failure });
                }
                "end" => {}
                _ => return None,
            }
        }
        Some(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repro::Caught;
    use crate::sweep::{Measures, Told};

    fn stamp(program: &str) -> Stamp {
        Stamp { program: program.into(), text: "# A swarm.".into(), from: 1 }
    }

    #[test]
    fn what_was_put_aside_is_taken_up_again() {
        let mut state = State { core_millis: 20, wall_millis: 10, ..State::default() };
        let measures = Measures {
            chaos: 60,
            deeds: 100,
            touching: 3,
            families: [("cut", true)].into(),
            ..Measures::default()
        };
        state.tally.add(&Told {
            measures: Some(measures),
            properties: [("iq", 3)].into(),
            ..Told::default()
        });
        let failure =
            Failure { signature: Signature::new("expect", "expect alice online"), what: "line 7: no".into() };
        state.tally.add(&Told { seed: 2, failure: Some(failure), ..Told::default() });
        let caught = Caught { file: "core/src/node.rs".into(), line: 3, what: "no".into() };
        state.tally.add(&Told::panicked(3, &caught));
        let text = state.write(&stamp("c"));
        assert_eq!(State::read(&text, &stamp("c")), Some(state));
    }

    #[test]
    fn what_belongs_to_another_program_or_was_torn_is_not_taken_up() {
        let text = State::default().write(&stamp("c"));
        assert!(State::read(&text, &stamp("c")).is_some());
        assert_eq!(State::read(&text, &stamp("d")), None);
        assert_eq!(State::read(text.trim_end_matches("end\n"), &stamp("c")), None);
    }
}
