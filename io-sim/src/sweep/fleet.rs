//! All templates of a sweep: what they show together.

use core::fmt::Write;
use std::collections::BTreeMap;

use super::tally::Tally;

/// A property is judged when so many seeds that count were told of each template.
const SEEDS_TO_JUDGE: u64 = 500;

/// The properties of a sweep over all templates. Some only one of them can show: there are operators in one, acknowledgements in
/// another. So what is asked is that each property is hit by one of them at least.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fleet {
    hits: BTreeMap<String, u64>,
    /// Of the template with the fewest seeds that count, how many those are.
    fewest: Option<u64>,
}

/// What is to be said of the properties of a sweep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judged {
    /// Each was hit.
    All,
    /// Too few seeds were told to say that these are never hit.
    TooEarly(Vec<String>),
    /// These were never hit.
    Unhit(Vec<String>),
}

impl Fleet {
    /// Adds what a template came to that gets one seed of `share`.
    pub fn add(&mut self, tally: &Tally, share: u64) {
        let counting = tally.counting().saturating_mul(share);
        self.fewest = Some(self.fewest.map_or(counting, |fewest| fewest.min(counting)));
        for (name, hits) in tally.hits() {
            *self.hits.entry(name.into()).or_default() += hits;
        }
    }

    /// Judges the properties.
    pub fn judged(&self) -> Judged {
        let unhit: Vec<String> =
            self.hits.iter().filter(|(_, hits)| **hits == 0).map(|(name, _)| name.clone()).collect();
        if self.fewest.unwrap_or_default() < SEEDS_TO_JUDGE {
            Judged::TooEarly(unhit)
        } else if unhit.is_empty() {
            Judged::All
        } else {
            Judged::Unhit(unhit)
        }
    }

    /// Returns whether every property that can be judged was hit.
    pub fn is_good(&self) -> bool {
        !matches!(self.judged(), Judged::Unhit(_))
    }

    /// Says what they came to.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn report(&self, out: &mut impl Write) -> core::fmt::Result {
        let all = self.hits.len();
        match self.judged() {
            Judged::All => writeln!(out, "all templates: {all} of {all} properties hit"),
            Judged::TooEarly(names) if names.is_empty() => {
                writeln!(out, "all templates: {all} of {all} properties hit, of few seeds")
            }
            Judged::TooEarly(names) => {
                writeln!(out, "all templates: not judged, too few seeds: {}", names.join(", "))
            }
            Judged::Unhit(names) => {
                writeln!(out, "all templates: NEVER HIT, so FAILED: {}", names.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::property::PROPERTIES;
    use crate::sweep::{Measures, Told};

    /// A tally of so many seeds that show everything but one property.
    fn without(name: &str, seeds: u64) -> Tally {
        let measures = Measures { chaos: 60, deeds: 100, faults: 9, touching: 4, ..Measures::default() };
        let shown = PROPERTIES.iter().map(|property| (property.name, 1));
        let properties = shown.filter(|(shown, _)| *shown != name).collect();
        let told = Told { measures: Some(measures), properties, ..Told::default() };
        let mut tally = Tally::default();
        for seed in 0..seeds {
            tally.add(&Told { seed, ..told.clone() });
        }
        tally
    }

    fn fleet(tallies: &[Tally]) -> Fleet {
        let mut fleet = Fleet::default();
        for tally in tallies {
            fleet.add(tally, 1);
        }
        fleet
    }

    #[test]
    fn what_one_template_cannot_show_another_may() {
        let both = fleet(&[without("disk-full", 500), without("acks", 500)]);
        assert_eq!(both.judged(), Judged::All);
        let neither = fleet(&[without("acks", 500), without("acks", 600)]);
        assert_eq!(neither.judged(), Judged::Unhit(vec!["acks".into()]));
        assert!(both.is_good() && !neither.is_good());
    }

    #[test]
    fn nothing_is_judged_before_each_template_has_enough_seeds() {
        let few = fleet(&[without("acks", 499), without("acks", 5_000)]);
        assert_eq!(few.judged(), Judged::TooEarly(vec!["acks".into()]));
        assert!(few.is_good());
        let mut report = String::new();
        few.report(&mut report).unwrap();
        assert_eq!(report, "all templates: not judged, too few seeds: acks\n");
    }
}
