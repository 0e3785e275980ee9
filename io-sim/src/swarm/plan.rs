//! A plan: the text of one seed of a template.

use core::ops::Range;
use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::acts::{Acts, LOOK};
use super::cast::{Cast, Person};
use super::dice::Dice;
use super::family::Family;
use super::fault::Strike;
use super::template::{Knob, Template};
use super::{deed, fault};
use crate::engine::{Purpose, SimSpan, SimTime};

/// Everybody comes online within so many milliseconds of the first second.
const WARM_UP: u64 = 5_000;
/// A login of a client nobody said anything else about takes no longer than this by default, in milliseconds.
const LOGIN_TIME: u64 = 60_000;
/// What a node that cannot start needs to give up, in milliseconds.
const HEAL_AGAIN: u64 = 10_000;
/// Who wants to be back is back within so many milliseconds after the heal.
const RETURN: u64 = 8_000;
/// An operator who stops a node in order does it so many seconds after the heal, and starts it again so much later: until
/// then everybody is back, the node has told them, and has waited for those who do not answer.
const STOP: u64 = 40_000;
const START: u64 = 60_000;
/// So long after a node came back with an empty disk, or after a heal, an operator makes the accounts again that are gone.
const RESTORE: u64 = 2_000;
/// What is said at one node is known at the others so many milliseconds later.
const COMES: u64 = 30_000;

/// What a template and a seed come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// The scenario, which fixes the seed.
    pub text: String,
    /// From when to when there is chaos, act by act.
    pub acts: Vec<Range<SimTime>>,
    /// The families of faults that are on.
    pub families: Vec<Family>,
    /// How many nodes there are.
    pub nodes: usize,
}

/// A plan in the making.
#[derive(Clone, Debug)]
pub(super) struct Draft<'a> {
    pub(super) template: &'a Template,
    pub(super) seed: u64,
    pub(super) cast: Cast,
    pub(super) acts: Acts,
}

impl Plan {
    /// Makes the plan of a seed.
    pub(super) fn make(template: &Template, seed: u64) -> Self {
        let shape = Dice::new(seed, Purpose::SwarmShape, "plan", 0);
        let knobs: Vec<(&Knob, u64)> = template
            .knobs
            .iter()
            .map(|knob| (knob, shape.scaled(&knob.key, knob.range.low, knob.range.high)))
            .collect();
        let login_time = knobs.iter().find(|(knob, _)| knob.key == "login_time").map(|(_, value)| *value);
        let cast = Cast::draw(template, seed, login_time.unwrap_or(LOGIN_TIME));
        let begin = 1_000 + WARM_UP + 2 * cast.login_millis;
        let total = shape.between("chaos", template.chaos.low, template.chaos.high);
        let draft = Draft { template, seed, cast, acts: Acts::draw(shape, begin, total) };
        let families = fault::families(&draft);

        let mut text = format!("# {}\n# {}\n\n", template.story, template.section);
        draft.settings(&mut text, shape, &knobs);
        let strikes = fault::strikes(&draft, &families);
        let core = draft.chaos(&mut text, shape, &strikes);
        let told = draft.looks(&mut text);
        draft.probes(&mut text, &core, told);
        let time = |millis| SimTime::ZERO + SimSpan::from_millis(millis);
        let acts = draft.acts.all().iter().map(|act| time(act.start)..time(act.end)).collect();
        Self { seed, text, acts, families, nodes: draft.cast.nodes.len() }
    }
}

impl Draft<'_> {
    fn settings(&self, text: &mut String, shape: Dice, knobs: &[(&Knob, u64)]) {
        let mut line = |line: String| {
            text.push_str(&line);
            text.push('\n');
        };
        line(format!("seed {}", self.seed));
        let slices = match shape.below("slices", 4) {
            0 | 1 => "whole".into(),
            2 => "random".into(),
            _ => shape.scaled("slice", 1, 512).to_string(),
        };
        line(format!("slices {slices}"));
        // What Linux gives in half of the seeds, else anything from two segments on.
        if shape.below("buffers", 2) == 0 {
            line(format!("buffers {}", 1 << shape.between("buffer size", 12, 18)));
        }
        if shape.one_in("batch", 3) {
            line("batch".into());
        }
        for budget in &self.template.budgets {
            line(format!("budget {budget}"));
        }
        for setting in &self.template.settings {
            line(setting.clone());
        }
        for (knob, value) in knobs {
            let unit = if knob.is_time { "ms" } else { "" };
            line(format!("limit {} {value}{unit}", knob.key));
        }
        if self.cast.nodes.len() > 1 {
            line(format!("nodes {}", self.cast.nodes.join(" ")));
        }
        if self.template.members {
            line("members".into());
        }
        for user in &self.cast.users {
            line(format!("account {user} password \"{}\"", password(user)));
        }
        for person in &self.cast.people {
            line(person.line.clone());
        }
    }

    /// Writes everything that has its time: warm-up, chaos and heals; returns those who must be online afterwards.
    fn chaos(&self, text: &mut String, shape: Dice, strikes: &[Strike]) -> Vec<&Person> {
        let end = self.acts.end();
        let mut lines = Vec::new();
        for (number, person) in (0..).zip(&self.cast.people) {
            let dice = Dice::new(self.seed, Purpose::SwarmCast, "warm-up", number);
            lines.push((1_000 + dice.below("when", WARM_UP), person.appears()));
            if self.does("resumption") && person.manner.has_session() && !dice.one_in("plain", 3) {
                let max = dice.scaled("max", 20, 900);
                let enables = format!("{} enables resumption max {max}s", person.name);
                lines.push((self.acts.all().first().map_or(0, |act| act.start), enables));
            }
        }
        for number in 0..shape.between("ops", self.template.ops.low, self.template.ops.high) {
            // Who is on the way when an act ends stays away.
            let within = |(at, _): &(u64, String)| self.acts.number(*at).is_some();
            lines.extend(deed::lines(self, number).into_iter().filter(within));
        }
        lines.extend(strikes.iter().map(|strike| match &strike.upon {
            None => (strike.at, strike.line.clone()),
            // From the begin of its act on, by the clock: a look before it may take longer than planned.
            Some(upon) => {
                let act = self.acts.number(strike.at).and_then(|number| self.acts.all().get(number));
                (act.map_or(strike.at, |act| act.start), format!("when {upon} {}", strike.line))
            }
        }));
        let (core, frozen) = self.divide(shape);
        for act in self.acts.all() {
            // Twice: a node that started while its disk still failed has given up by then, and starts once more.
            for (at, which) in [(act.end, "frozen"), (act.end + HEAL_AGAIN, "frozen-again")] {
                lines.push((at, "heal all".into()));
                let names = frozen.iter().map(|person| &person.name).filter(|_| act.end == end);
                lines.extend(names.map(|name| (at, format!("fault cut {name} as {which}-{name}"))));
            }
        }
        self.restore(&mut lines, strikes);
        let emptied = strikes.iter().any(|strike| strike.emptied.is_some());
        let first = end + if emptied { HEAL_AGAIN + 2 * RESTORE } else { 0 };
        for (number, person) in (0..).zip(&core) {
            let dice = Dice::new(self.seed, Purpose::SwarmCast, "return", number);
            let at = first + dice.scaled("when", 100, RETURN);
            if strikes.iter().any(|strike| strike.stranded.as_ref() == Some(&person.name)) {
                // Its connection leads nowhere and its system has no reason to find out: the person does.
                lines.push((at, format!("{} drops", person.name)));
            }
            lines.push((at, person.appears()));
        }
        if self.restarts() {
            for node in &self.cast.nodes {
                lines.push((end + STOP, format!("stop {node}")));
                lines.push((end + STOP + START, format!("start {node}")));
            }
        }
        lines.sort_by_key(|(at, _)| *at);
        text.push('\n');
        for (at, line) in lines {
            writeln!(text, "at {at}ms {line}").expect("a string takes everything");
        }
        core
    }

    /// Lets an operator make the accounts again that are gone with a disk: whenever its node runs again.
    fn restore(&self, lines: &mut Vec<(u64, String)>, strikes: &[Strike]) {
        let mut due = BTreeSet::new();
        for emptied in strikes.iter().filter_map(|strike| strike.emptied) {
            due.extend(self.acts.number(emptied).map(|_| emptied + RESTORE));
            let ends = self.acts.all().iter().map(|act| act.end);
            due.extend(ends.flat_map(|end| [end + RESTORE, end + HEAL_AGAIN + RESTORE]));
        }
        for at in due {
            let Some(node) = self.cast.nodes.first() else { continue };
            let again = |user: &String| format!("{node} user add {user} password \"{}\"", password(user));
            lines.extend(self.cast.lasting().map(|user| (at, again(user))));
        }
    }

    /// Writes looks after each act but the last; returns when the last line was written, in milliseconds.
    fn looks(&self, text: &mut String) -> u64 {
        let mut told = 0;
        let mut wait = |text: &mut String, until: u64| {
            writeln!(text, "wait {}ms", until - told).expect("a string takes everything");
            told = until;
        };
        text.push('\n');
        let last = self.acts.all().len() - 1;
        for act in self.acts.all().iter().take(last) {
            wait(text, act.end + LOOK);
            text.push_str("check\n");
        }
        told
    }

    /// Returns whether deeds of this kind are drawn.
    fn does(&self, deed: &str) -> bool {
        self.template.deeds.iter().any(|(kind, weight)| kind == deed && *weight > 0)
    }

    /// Returns whether nodes are stopped in order after the heal.
    fn restarts(&self) -> bool {
        let shape = Dice::new(self.seed, Purpose::SwarmShape, "restart", 0);
        self.template.restart.is_some_and(|seeds| shape.one_in("restart", seeds))
    }

    /// Divides those who last into those who must be online at the end, and those whose links stay broken: in one seed
    /// of four the heal is for a core only.
    fn divide(&self, shape: Dice) -> (Vec<&Person>, Vec<&Person>) {
        let mut core = self.cast.core();
        let some = shape.one_in("core only", 4);
        let mut frozen = Vec::new();
        core.retain(|person| {
            let stays = !some || person.is_first || !shape.one_in(&person.name, 2);
            if !stays {
                frozen.push(*person);
            }
            stays
        });
        (core, frozen)
    }

    /// Writes what must work when everything is well again.
    fn probes(&self, text: &mut String, core: &[&Person], told: u64) {
        let mut line = |line: String| {
            text.push_str(&line);
            text.push('\n');
        };
        let restart = if self.restarts() { STOP + START } else { 0 };
        line(format!("wait {}ms", self.acts.end() + LOOK + restart - told));
        line("settle".into());
        for person in core {
            line(format!("expect {} online", person.name));
        }
        for person in core {
            line(format!("{} is available", person.name));
        }
        line("settle".into());
        for (number, person) in core.iter().enumerate() {
            line(format!("{} pings", person.name));
            for other in core.iter().filter(|other| other.name != person.name) {
                line(format!(
                    "{} says to {}: probe {number} for {}",
                    person.name,
                    other.address(),
                    other.name
                ));
            }
        }
        if self.does("catches") {
            line("settle".into());
            if self.template.members {
                // What came late is before what was read already: everybody begins anew.
                line(format!("wait {COMES}ms"));
                line("check".into());
                for person in core {
                    line(format!("{} pages", person.name));
                }
                line("settle".into());
            }
            for person in core {
                line(format!("{} catches up by cursor", person.name));
            }
        }
        // Idle nodes do nothing: that needs some time in which nobody does anything.
        line("settle".into());
        line("wait 30s".into());
        line("check".into());
    }
}

/// Returns the password of an account.
fn password(user: &str) -> String {
    format!("secret of {user}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Scenario;
    use crate::swarm::tell;

    const HEAD: &str = "# A swarm.\n# RFC 6120\nswarm users 2..5\nswarm clients 3..8\nswarm chaos 5s..9s\n";
    const TEMPLATE: &str = "swarm ops 20..40\n\
        swarm do says 40 comes 10 closes 5 drops 5 pings 10 presence 10 asks 5 operator 5 registers 2 xml 3\n\
        swarm limits send_queue_bytes 4096..262144\n";

    fn plan(more: &str, seed: u64) -> Plan {
        Template::parse("t", &format!("{HEAD}{TEMPLATE}{more}")).unwrap().plan(seed)
    }

    #[test]
    fn every_plan_is_a_story_that_fixes_its_seed() {
        for seed in 0..200 {
            let story = Scenario::parse("plan", &plan("", seed).text).unwrap();
            assert_eq!(story.fixed.seed, Some(seed));
            assert!(story.fixed.slices.is_some() && story.fixed.batch.is_some());
        }
    }

    #[test]
    fn a_seed_is_one_plan_and_another_seed_another() {
        assert_eq!(plan("", 3), plan("", 3));
        assert_ne!(plan("", 3).text, plan("", 4).text);
    }

    #[test]
    fn a_bound_more_in_the_template_moves_no_other_draw() {
        let more = plan("swarm limits stanza_bytes 10000..262144\n", 5).text;
        let added: Vec<&str> = more.lines().filter(|line| !line.starts_with("limit stanza_bytes")).collect();
        let plain = plan("", 5).text;
        assert_eq!(added, plain.lines().collect::<Vec<_>>());
        assert_ne!(more, plain);
    }

    #[test]
    fn bodies_are_unique_and_nothing_is_done_behind_the_chaos_but_to_return() {
        for seed in 0..20 {
            let plan = plan("", seed);
            let bodies: Vec<&str> = plan.text.lines().filter(|line| line.contains(" says ")).collect();
            let told: BTreeSet<&str> =
                bodies.iter().filter_map(|line| line.split_once(": ").map(|(_, body)| body)).collect();
            assert_eq!(told.len(), bodies.len());
            let end = plan.acts.last().unwrap().end.as_nanos() / 1_000_000;
            let behind = plan.text.lines();
            let deeds =
                behind.filter(|line| line.starts_with(&format!("at {end}ms")) && line.contains("says"));
            assert_eq!(deeds.count(), 0);
        }
    }

    #[test]
    fn every_fault_has_a_name() {
        let mut faults = 0;
        for seed in 0..60 {
            let plan = plan("swarm faults cut reset kill swizzle wipe\n", seed);
            assert!(Scenario::parse("plan", &plan.text).is_ok(), "no two are the same");
            for line in plan.text.lines().filter(|line| line.contains(" fault ")) {
                assert!(line.rsplit_once(" as ").is_some_and(|(_, name)| name.starts_with('f')), "{line}");
                faults += 1;
            }
        }
        assert!(faults > 300, "{faults}");
    }

    #[test]
    fn faults_that_wait_stand_in_an_act_and_looks_stand_between_acts() {
        let (mut waiting, mut looks) = (0, 0);
        for seed in 0..60 {
            let plan = plan("swarm faults cut reset kill swizzle\n", seed);
            for (at, line) in plan.text.lines().filter_map(|line| line.strip_prefix("at ")?.split_once(' ')) {
                if line.starts_with("when ") {
                    let at = SimTime::ZERO + SimSpan::parse(at).unwrap();
                    assert!(plan.acts.iter().any(|act| act.start == at), "{line} at {at:?}");
                    waiting += 1;
                }
            }
            let timeless: Vec<&str> =
                plan.text.lines().skip_while(|line| !line.starts_with("wait ")).collect();
            assert_eq!(timeless.iter().filter(|line| **line == "check").count(), plan.acts.len());
            let mut now = SimTime::ZERO;
            for line in timeless {
                if let Some(span) = line.strip_prefix("wait ").and_then(SimSpan::parse) {
                    now = now + span;
                } else if line == "check" {
                    assert!(!plan.acts.iter().any(|act| act.contains(&now)));
                    looks += 1;
                }
            }
        }
        assert!(waiting > 40 && looks > 90, "{waiting}, {looks}");
    }

    #[test]
    fn accounts_that_went_with_a_disk_are_made_again_before_anybody_returns() {
        let mut emptied = 0;
        for seed in 0..60 {
            let text = plan("swarm faults wipe\n", seed).text;
            let lines: Vec<&str> = text.lines().collect();
            let Some(last) = lines.iter().rposition(|line| line.ends_with("heal all")) else { continue };
            let again = lines.iter().rposition(|line| line.contains(" a user add alice password"));
            let heard = text.contains("fault wipe a for");
            assert_eq!(again.is_some(), heard, "{text}");
            let online = lines.iter().rposition(|line| line.ends_with(" comes online"));
            assert!(!heard || (again > Some(last) && online > again), "{text}");
            emptied += usize::from(heard);
        }
        assert!((4..25).contains(&emptied), "{emptied} of 60, and a fifth is due");
    }

    #[test]
    fn a_template_is_told_as_the_plan_of_the_seed() {
        let text = format!("{HEAD}{TEMPLATE}");
        assert_eq!(tell("t", &text, 9).unwrap().name, "t, seed 9");
        assert_eq!(tell("t", &text, 9).unwrap().fixed.seed, Some(9));
        assert!(tell("t", "# A story.\n# RFC 6120\naccount alice\n", 9).unwrap().fixed.seed.is_none());
    }
}
