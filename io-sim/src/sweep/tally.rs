//! Many seeds, counted.

use core::fmt::Write;
use std::collections::BTreeMap;

use super::subject::Subject;
use super::told::{Failure, Measures, Told};
use crate::oracle::property::PROPERTIES;

/// Of a hundred seeds of a template, so many may have too little in them.
const LACKING_MAX: u64 = 10;

/// What many seeds of one template or story came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How often: by what is counted and by its value.
    pub(super) counts: BTreeMap<(String, String), u64>,
    /// The kinds of failure, in the order in which they were found.
    pub found: Vec<Found>,
}

/// A kind of failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The first seed that showed it.
    pub seed: u64,
    /// How many seeds showed it.
    pub times: u64,
    /// The failure of the first.
    pub failure: Failure,
}

impl Tally {
    /// Adds a seed; returns whether it failed in a new way.
    pub fn add(&mut self, told: &Told) -> bool {
        self.count("seeds", "", 1);
        self.count("simulated", "", told.simulated);
        if let Some(measures) = &told.measures {
            self.measure(told, measures);
        }
        told.failure.as_ref().is_some_and(|failure| self.fail(told.seed, failure))
    }

    /// Adds what a plan came to. One in which too little happened adds to its share and to nothing else.
    fn measure(&mut self, told: &Told, measures: &Measures) {
        if let Some(what) = measures.lacks() {
            self.count("lacks", what, 1);
            return;
        }
        self.count("counting", "", 1);
        for property in PROPERTIES {
            let hits = told.properties.get(property.name).copied().unwrap_or_default();
            self.count("property", property.name, hits);
        }
        for (what, value) in [
            ("chaos", measures.chaos),
            ("operations", measures.deeds),
            ("faults", measures.faults),
            ("touching", measures.touching),
        ] {
            self.count(what, &value.to_string(), 1);
        }
        for (family, touched) in &measures.families {
            self.count("family", family, 1);
            self.count("family-touching", family, u64::from(*touched));
        }
    }

    fn fail(&mut self, seed: u64, failure: &Failure) -> bool {
        let known = self.found.iter_mut().find(|found| found.failure.signature == failure.signature);
        if let Some(found) = known {
            found.times += 1;
            return false;
        }
        self.found.push(Found { seed, times: 1, failure: failure.clone() });
        true
    }

    pub(super) fn count(&mut self, what: &str, value: &str, times: u64) {
        *self.counts.entry((what.into(), value.into())).or_default() += times;
    }

    /// Returns how many seeds were told.
    pub fn seeds(&self) -> u64 {
        self.total("seeds")
    }

    /// Returns how many simulated seconds they came to.
    pub fn simulated(&self) -> u64 {
        self.total("simulated")
    }

    /// Returns how many of them failed.
    pub fn failed(&self) -> u64 {
        self.found.iter().map(|found| found.times).sum()
    }

    /// Returns how many of them do not count: too little happened in them.
    pub fn uncounted(&self) -> u64 {
        self.total("lacks")
    }

    /// Returns how many seeds of a template count: enough happened in them.
    pub fn counting(&self) -> u64 {
        self.total("counting")
    }

    /// Returns whether too many seeds of a template have too little in them: such a sweep shows nothing.
    pub fn is_hollow(&self) -> bool {
        let measured = self.counting() + self.uncounted();
        self.uncounted() * 100 > measured * LACKING_MAX
    }

    /// Returns how many properties were hit, and how many there are.
    pub fn properties(&self) -> (usize, usize) {
        let hit = self.of("property").filter(|(_, hits)| *hits > 0).count();
        (hit, self.of("property").count())
    }

    /// Returns how often each property was hit.
    pub fn hits(&self) -> impl Iterator<Item = (&str, u64)> {
        self.of("property")
    }

    /// Returns whether nothing failed and enough happened.
    pub fn is_good(&self) -> bool {
        self.found.is_empty() && !self.is_hollow()
    }

    /// Returns the medians of the seeds that count: seconds of chaos, operations, faults, faults that touched live traffic.
    pub fn medians(&self) -> Option<[u64; 4]> {
        let medians = ["chaos", "operations", "faults", "touching"].map(|what| self.median(what));
        let [Some(chaos), Some(operations), Some(faults), Some(touching)] = medians else { return None };
        Some([chaos, operations, faults, touching])
    }

    /// Says what they came to; the same whoever told them, in whatever order.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn report(&self, out: &mut impl Write, subject: &Subject, from: u64) -> core::fmt::Result {
        writeln!(out, "{}: {} seeds from {from}", subject.name, self.seeds())?;
        self.write_swarm(out)?;
        let hits: Vec<String> = self
            .of("property")
            .filter(|(_, hits)| *hits > 0)
            .map(|(name, hits)| format!("{name} {hits}"))
            .collect();
        for line in hits.chunks(8) {
            writeln!(out, "  properties: {}", line.join(", "))?;
        }
        let unhit: Vec<&str> = self.hits().filter(|(_, hits)| *hits == 0).map(|(name, _)| name).collect();
        if !unhit.is_empty() {
            writeln!(out, "  not hit here: {}", unhit.join(", "))?;
        }
        for found in &self.found {
            let Found { seed, times, failure } = found;
            let command = subject.command(*seed);
            writeln!(out, "  FAILED {}, {times} seeds: {command}\n    {}", failure.signature, failure.what)?;
        }
        let verdict = if self.is_good() { "all well" } else { "FAILED" };
        writeln!(out, "  {} failures of {} kinds: {verdict}", self.failed(), self.found.len())
    }

    fn write_swarm(&self, out: &mut impl Write) -> core::fmt::Result {
        let measured = self.counting() + self.uncounted();
        if measured == 0 {
            return Ok(());
        }
        let lacking: Vec<String> = self
            .of("lacks")
            .map(|(what, times)| format!(", {what} {}", tenths_of_percent(times, measured)))
            .collect();
        let share = tenths_of_percent(self.uncounted(), measured);
        writeln!(
            out,
            "  {} seeds count, too little happened in {share}{}",
            self.counting(),
            lacking.concat()
        )?;
        if self.is_hollow() {
            writeln!(out, "  SHOWS NOTHING: too little may happen in {LACKING_MAX} % of the seeds")?;
        }
        let Some([chaos, operations, faults, touching]) = self.medians() else { return Ok(()) };
        writeln!(
            out,
            "  medians: {chaos} s of chaos, {operations} operations, {faults} faults, {touching} of them touched live traffic"
        )?;
        let share = |times: u64| tenths_of_percent(times, self.counting());
        let touching: BTreeMap<&str, u64> = self.of("family-touching").collect();
        let families: Vec<String> = self
            .of("family")
            .map(|(name, times)| {
                let touched = touching.get(name).copied().unwrap_or_default();
                format!("{name} {} ({})", share(times), share(touched))
            })
            .collect();
        writeln!(out, "  seeds with faults (that touched something): {}", families.join(", "))
    }

    /// Returns the values of what is counted, with how often.
    fn of(&self, what: &str) -> impl Iterator<Item = (&str, u64)> {
        let own = self.counts.iter().filter(move |((name, _), _)| name == what);
        own.map(|((_, value), times)| (value.as_str(), *times))
    }

    fn total(&self, what: &str) -> u64 {
        self.of(what).map(|(_, times)| times).sum()
    }

    fn median(&self, what: &str) -> Option<u64> {
        let mut values: Vec<(u64, u64)> =
            self.of(what).filter_map(|(value, times)| Some((value.parse().ok()?, times))).collect();
        values.sort_unstable();
        let middle = values.iter().map(|(_, times)| times).sum::<u64>() / 2;
        let mut before = 0;
        values.into_iter().find_map(|(value, times)| {
            before += times;
            (before > middle).then_some(value)
        })
    }
}

/// Writes a share with one decimal.
fn tenths_of_percent(part: u64, whole: u64) -> String {
    let tenths = part * 1_000 / whole.max(1);
    format!("{}.{} %", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::Signature;

    /// A seed in which enough happened, unless it is the first.
    fn told(seed: u64) -> Told {
        let measures = Measures {
            chaos: 60 + seed,
            deeds: 100 * seed,
            faults: 9,
            touching: 4,
            families: [("cut", true), ("kill", seed > 2)].into(),
            reunions: None,
        };
        Told { seed, simulated: 300, measures: Some(measures), ..Told::default() }
    }

    fn failing(seed: u64, kind: &str) -> Told {
        let failure = Failure { signature: Signature::new("oracle", kind), what: "it was".into() };
        Told { failure: Some(failure), ..told(seed) }
    }

    fn report(tally: &Tally) -> String {
        let subject = Subject::read("t.scn", "# A.\n# B\nswarm do says 1\n").unwrap().unwrap();
        let mut report = String::new();
        tally.report(&mut report, &subject, 0).unwrap();
        report
    }

    #[test]
    fn medians_and_what_does_not_count_are_reported() {
        let mut tally = Tally::default();
        for seed in 0..10 {
            tally.add(&told(seed));
        }
        assert_eq!(tally.medians(), Some([65, 500, 9, 4]), "without the one that does not count");
        assert_eq!(
            (tally.seeds(), tally.counting(), tally.uncounted(), tally.simulated()),
            (10, 9, 1, 3_000)
        );
        assert!(tally.is_good());
        let report = report(&tally);
        assert!(
            report.contains("9 seeds count, too little happened in 10.0 %, operations 10.0 %\n"),
            "{report}"
        );
        assert!(report.contains("cut 100.0 % (100.0 %), kill 100.0 % (77.7 %)\n"), "{report}");
        assert!(report.ends_with("0 failures of 0 kinds: all well\n"), "{report}");
    }

    #[test]
    fn a_sweep_in_which_too_little_happens_fails_and_says_so() {
        let mut tally = Tally::default();
        for seed in [0, 0, 1, 2, 3, 4, 5, 6, 7, 8] {
            tally.add(&told(seed));
        }
        assert!(tally.is_hollow() && !tally.is_good());
        let report = report(&tally);
        assert!(report.contains("too little happened in 20.0 %"), "{report}");
        assert!(report.contains("  SHOWS NOTHING: ") && report.ends_with("of 0 kinds: FAILED\n"), "{report}");
    }

    #[test]
    fn what_does_not_count_hits_no_property() {
        let mut tally = Tally::default();
        tally.add(&Told { properties: [("disk-full", 1)].into(), ..told(0) });
        assert_eq!(tally.properties(), (0, 0));
        tally.add(&Told { properties: [("disk-full", 1)].into(), ..told(1) });
        assert_eq!(tally.properties(), (1, PROPERTIES.len()));
    }

    #[test]
    fn failures_of_one_kind_are_one_finding_with_the_first_seed() {
        let mut tally = Tally::default();
        let news: Vec<bool> = [(1, "a"), (2, "b"), (3, "a")]
            .into_iter()
            .map(|(seed, kind)| tally.add(&failing(seed, kind)))
            .collect();
        assert_eq!(news, [true, true, false]);
        assert_eq!((tally.failed(), tally.found[0].seed, tally.found[0].times), (3, 1, 2));
        assert!(!tally.is_good());
    }

    #[test]
    fn a_template_need_not_show_every_property_and_says_which_it_does_not() {
        let mut tally = Tally::default();
        let all = PROPERTIES.iter().map(|property| (property.name, 1));
        tally.add(&Told { properties: all.filter(|(name, _)| *name != "disk-full").collect(), ..told(1) });
        assert!(tally.is_good());
        assert_eq!(tally.properties(), (PROPERTIES.len() - 1, PROPERTIES.len()));
        assert!(report(&tally).contains("  not hit here: disk-full\n"));
    }
}
