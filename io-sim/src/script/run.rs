//! Runs a scenario and says what came of it.

use std::collections::{BTreeMap, BTreeSet};

use eyot_core::trace::Severity;

use super::film::Film;
use super::scenario::{Scenario, Step as Line};
use super::stage::{Stage, Trouble};
use super::verb::{Pace, Part};
use crate::client::Sight;
use crate::engine::{SimTime, TraceHash};
use crate::fault::FaultRun;
use crate::oracle::{Signature, Violation, examine};
use crate::transcript::{Form, Transcript};
use crate::world::{Actor, Options, Recording, Step};

/// How a scenario is run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunOptions {
    /// How its world is run.
    pub world: Options,
    /// How its transcript is written.
    pub form: Form,
}

/// What became of one expectation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Its line, from 1.
    pub line: usize,
    /// Its text.
    pub text: String,
    /// When it was judged.
    pub at: SimTime,
    /// Whether it held.
    pub met: bool,
    /// What was seen where it was looked for.
    pub seen: Vec<String>,
}

/// Whether a scenario waits for a capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting<'a> {
    /// It does not, or it failed in a way that no capability will mend.
    No,
    /// For this one.
    Still(&'a str),
    /// It did, and passes: the mark has to go.
    Over,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What happened, to be read.
    pub transcript: Transcript,
    /// What each client saw, without times.
    pub views: BTreeMap<String, Vec<String>>,
    /// What became of the expectations that were reached.
    pub verdicts: Vec<Verdict>,
    /// The line at which the run ended early, and why.
    pub trouble: Option<(usize, Trouble)>,
    /// What must never happen and did.
    pub complaints: Vec<String>,
    /// What the nodes were given, where that was asked for.
    pub recordings: Vec<Recording>,
    /// What the oracles found.
    pub violations: Vec<Violation>,
    /// How often it showed each of the properties that a fleet of runs must show.
    pub properties: BTreeMap<&'static str, u64>,
    /// The hash over everything that happened.
    pub hash: TraceHash,
    /// When it ended.
    pub ended: SimTime,
    /// When clients that had a stream did what the text told them.
    pub deeds: Vec<SimTime>,
    /// What went wrong, and what it touched.
    pub faults: Vec<FaultRun>,
    /// What is kept for whoever draws the run, where that was asked for.
    pub film: Option<Film>,
}

impl Outcome {
    /// Returns whether everything held that had to.
    pub fn is_good(&self) -> bool {
        self.trouble.is_none()
            && self.complaints.is_empty()
            && self.violations.is_empty()
            && self.verdicts.iter().all(|verdict| verdict.met)
    }

    /// Returns what kind of failure it is, if it is one: the first of what the oracles found, a complaint, or an
    /// expectation. A story that waits for a capability is no failure.
    pub fn signature(&self) -> Option<Signature> {
        let expected = || self.verdicts.iter().find(|verdict| !verdict.met);
        let wrong = match &self.trouble {
            Some((_, Trouble::Wrong(what))) => Some(Signature::new("trouble", what)),
            Some((_, Trouble::Pending(_))) | None => None,
        };
        self.violations
            .first()
            .map(|violation| violation.signature.clone())
            .or_else(|| self.complaints.first().map(|_| Signature::new("complaint", "error")))
            .or(wrong)
            .or_else(|| expected().map(|verdict| Signature::new("expect", &verdict.text)))
    }

    /// Returns whether a scenario that waits for a capability still does: while it needs a verb that cannot be done yet
    /// or something it promises does not hold: oracles judge by the promises, whose capability is lacking. What a node
    /// complains of, and what is wrong with the text, is no waiting.
    pub fn waiting<'a>(&self, scenario: &'a Scenario) -> Waiting<'a> {
        let Some(capability) = &scenario.pending else { return Waiting::No };
        let wrong = matches!(self.trouble, Some((_, Trouble::Wrong(_))));
        if self.is_good() {
            Waiting::Over
        } else if wrong || !self.complaints.is_empty() {
            Waiting::No
        } else {
            Waiting::Still(capability)
        }
    }
}

/// Runs a scenario to its end.
pub fn run(scenario: &Scenario, options: RunOptions) -> Outcome {
    run_and_look(scenario, options, |_, _| {})
}

/// Runs a scenario to its end, and shows the stage and what the oracles found to `look` before the stage is gone.
pub fn run_and_look(
    scenario: &Scenario,
    options: RunOptions,
    look: impl FnOnce(&Stage, &[Violation]),
) -> Outcome {
    let (mut stage, trouble) = play(scenario, options);
    let film = options.world.wire.then(|| Film::of(&mut stage));
    let domain = String::from(stage.domain());
    let outcome = outcome(&stage, trouble);
    look(&stage, &outcome.violations);
    Outcome {
        transcript: Transcript::of(&stage.world, &domain, options.form, &stage.chapters),
        views: Transcript::views(&stage.world, &domain),
        film,
        ..outcome
    }
}

/// Runs a scenario to its end where nobody reads what happened: without transcript and views.
pub fn judge(scenario: &Scenario, options: RunOptions) -> Outcome {
    let (stage, trouble) = play(scenario, options);
    outcome(&stage, trouble)
}

fn outcome(stage: &Stage, trouble: Option<(usize, Trouble)>) -> Outcome {
    let findings = examine(&stage.evidence(), stage.world.traces());
    Outcome {
        transcript: Transcript::default(),
        views: BTreeMap::new(),
        verdicts: stage.verdicts.clone(),
        trouble,
        complaints: complaints(stage),
        violations: findings.violations,
        properties: findings.properties,
        recordings: stage.world.recordings(),
        hash: stage.world.hash(),
        ended: stage.world.now(),
        deeds: stage.deeds.clone(),
        faults: stage.world.faults(),
        film: None,
    }
}

/// Plays a scenario to its end; returns its stage, and the line at which it ended early with the reason.
pub(crate) fn play(scenario: &Scenario, options: RunOptions) -> (Stage, Option<(usize, Trouble)>) {
    let mut runner = Runner {
        stage: Stage::new(scenario.fixed.over(options.world)),
        later: Vec::new(),
        waiting: BTreeSet::new(),
        paused: false,
        begun: false,
    };
    runner.stage.watched = scenario.steps.iter().filter_map(|line| line.act.watched()).collect();
    let mut trouble = None;
    for line in &scenario.steps {
        if let Err(found) = runner.line(line) {
            trouble = Some((line.line, found));
            break;
        }
    }
    if trouble.is_none() {
        trouble =
            runner.settle().err().map(|found| (scenario.steps.last().map_or(0, |last| last.line), found));
    }
    (runner.stage, trouble)
}

struct Runner<'a> {
    stage: Stage,
    /// Lines that an `at` has put off.
    later: Vec<&'a Line>,
    /// Those of them that have had their time and wait for something to happen.
    waiting: BTreeSet<u32>,
    /// Whether time has passed since the last deed.
    paused: bool,
    /// Whether the story has begun.
    begun: bool,
}

impl<'a> Runner<'a> {
    fn line(&mut self, line: &'a Line) -> Result<(), Trouble> {
        let part = line.act.part();
        if part != Part::Setting && !self.begun {
            self.begun = true;
            self.stage.set_up()?;
            self.settle()?;
            self.begin_chapter();
        }
        if matches!(part, Part::Deed | Part::Later(_) | Part::LaterUpon { .. } | Part::Upon { .. })
            && core::mem::take(&mut self.paused)
        {
            self.begin_chapter();
        }
        self.paused |= matches!(part, Part::Time(_) | Part::Expect | Part::Check);
        match part {
            Part::Setting | Part::Deed => line.act.act(&mut self.stage),
            Part::Time(Pace::Settle) => self.settle(),
            Part::Time(Pace::For(span)) => {
                let until = self.stage.world.now() + span;
                self.pass(until)
            }
            Part::Later(at) | Part::LaterUpon { at, .. } => {
                let now = self.stage.world.now();
                if at < now {
                    return Err(Trouble::Wrong(format!("{at} is past: it is {now}")));
                }
                let number = self.put_off(line)?;
                self.stage.world.schedule(at, number);
                Ok(())
            }
            Part::Upon { trigger, breaks } => {
                let number = self.put_off(line)?;
                self.stage.world.watch(trigger, number, breaks);
                Ok(())
            }
            Part::Check => {
                self.settle()?;
                line.act.act(&mut self.stage)
            }
            Part::Expect => {
                self.settle()?;
                line.act.act(&mut self.stage)?;
                if let Some(verdict) = self.stage.verdicts.last_mut() {
                    verdict.line = line.line;
                    verdict.text.clone_from(&line.text);
                }
                Ok(())
            }
        }
    }

    /// Keeps a line for later; returns its number.
    fn put_off(&mut self, line: &'a Line) -> Result<u32, Trouble> {
        let number = u32::try_from(self.later.len()).map_err(|_| String::from("too many lines"))?;
        self.later.push(line);
        Ok(number)
    }

    fn begin_chapter(&mut self) {
        self.stage.block = self.stage.world.history().len();
        self.stage.begun = self.stage.world.now();
        self.stage.chapters.push(self.stage.block);
    }

    fn pass(&mut self, until: SimTime) -> Result<(), Trouble> {
        while self.stage.step(until) != Step::Nothing {
            self.catch_up()?;
        }
        Ok(())
    }

    /// Lets the world go on until nothing is on its way.
    fn settle(&mut self) -> Result<(), Trouble> {
        let limit = self.stage.patience();
        while !self.stage.world.is_quiet() {
            if self.stage.step(limit) == Step::Nothing {
                let why = self.stage.world.restless();
                return Err(Trouble::Wrong(format!("the world does not come to rest: {why}")));
            }
            self.catch_up()?;
        }
        Ok(())
    }

    /// Does the lines that have come due.
    fn catch_up(&mut self) -> Result<(), Trouble> {
        for number in core::mem::take(&mut self.stage.due) {
            let Some(line) = self.later.get(number as usize) else { continue };
            if let Part::LaterUpon { trigger, breaks, .. } = line.act.part()
                && self.waiting.insert(number)
            {
                self.stage.world.watch(trigger, number, breaks);
                continue;
            }
            line.act.act(&mut self.stage)?;
        }
        Ok(())
    }
}

/// Returns what no run may show: a node that reports an error of its own, a server that does not speak XMPP.
fn complaints(stage: &Stage) -> Vec<String> {
    let world = &stage.world;
    let traces = world.traces().iter().filter(|(_, _, event)| event.severity() == Severity::Error);
    let mut found: Vec<String> = traces
        .filter(|_| !stage.disk_broken)
        .map(|(at, node, event)| format!("{at} {} reports {event:?}", world.node_name(*node)))
        .collect();
    found.extend(world.history().iter().filter_map(|record| match &record.actor {
        Actor::Client(client, Sight::Nonsense(what)) => {
            Some(format!("{} {} was sent nonsense: {what}", record.at, world.client_name(*client)))
        }
        Actor::Client(..) | Actor::Node(..) | Actor::World(_) => None,
    }));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn views(body: &str) -> BTreeMap<String, Vec<String>> {
        let text = format!(
            "# A story.\n# RFC 6121\naccount alice\nclient alice on a\nalice comes online\nsettle\n\
            alice says to alice: {body}\n"
        );
        run(&Scenario::parse("story", &text).unwrap(), RunOptions::default()).views
    }

    #[test]
    fn a_view_tells_bodies_apart_that_differ_behind_what_is_shown() {
        assert_eq!(views("{x*100}"), views("{x*100}"));
        assert_ne!(views("{x*100}y"), views("{x*100}z"));
    }
}
