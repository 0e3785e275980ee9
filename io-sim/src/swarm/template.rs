//! Templates: files whose `swarm` lines say what is drawn.

use super::family::Family;
use super::plan::Plan;
use super::valid;
use crate::engine::SimSpan;
use crate::script::{ParseError, Scenario, is_template};

/// What a line of a template begins with.
const MARK: &str = "swarm ";
/// What a comment begins with that says why a template is not told with all others.
const PENDING: &str = "pending:";
/// Chaos is cut into acts, and none of them may be empty; in milliseconds.
const CHAOS_MIN: u64 = 1_000;
/// The domain of a template that names none.
const DEFAULT_DOMAIN: &str = "eyot.example";

/// Numbers from `low` to `high`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The least.
    pub low: u64,
    /// The greatest.
    pub high: u64,
}

/// A bound of core that each seed draws.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Knob {
    pub(super) key: String,
    pub(super) range: Range,
    /// Whether it is a time, in milliseconds.
    pub(super) is_time: bool,
}

/// A template: what the plans of all its seeds have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// Its name, for messages.
    pub name: String,
    /// The story in one sentence.
    pub story: String,
    /// What it rests on.
    pub section: String,
    /// What it waits for: until then it is told only when it is named.
    pub pending: Option<String>,
    /// Lines that stand in every plan as they are: `domain`, `limit`, `profile`, `grace`, `hysteresis`, `durability`.
    pub(super) settings: Vec<String>,
    /// The first is the usual one.
    pub(super) domains: Vec<String>,
    pub(super) nodes: Range,
    /// Whether the nodes are one cluster.
    pub(super) members: bool,
    /// What links between nodes become when a fault makes them another one.
    pub(super) mesh: Vec<String>,
    pub(super) users: Range,
    pub(super) clients: Range,
    pub(super) links: Vec<String>,
    /// How long the chaos lasts, in milliseconds.
    pub(super) chaos: Range,
    pub(super) ops: Range,
    /// What is done, with weights.
    pub(super) deeds: Vec<(String, u64)>,
    pub(super) families: Vec<Family>,
    pub(super) knobs: Vec<Knob>,
    pub(super) budgets: Vec<String>,
    /// In one of so many seeds an operator stops every node in order after the heal and starts it again.
    pub(super) restart: Option<u64>,
    /// Of a sweep over all templates it gets one seed of so many: its seeds take longer than others.
    pub share: u64,
}

/// Reads a story as it is told with a seed: a template becomes its plan, any other text stays itself.
///
/// # Errors
///
/// [`ParseError`] names the first line that is not understood, of the template or of the plan.
pub fn tell(name: &str, text: &str, seed: u64) -> Result<Scenario, ParseError> {
    if !is_template(text) {
        return Scenario::parse(name, text);
    }
    let plan = Template::parse(name, text)?.plan(seed);
    Scenario::parse(&format!("{name}, seed {seed}"), &plan.text)
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    ///
    /// [`ParseError`] names the first line that is not understood.
    pub fn parse(name: &str, text: &str) -> Result<Self, ParseError> {
        let fail = |line: usize, what: String| ParseError { name: name.into(), line, what };
        let mut head = text.lines().map_while(|line| line.strip_prefix('#')).map(str::trim);
        let story = head.next().filter(|story| !story.is_empty());
        let section = head.next().filter(|section| !section.is_empty());
        let (Some(story), Some(section)) = (story, section) else {
            return Err(fail(1, "the first two lines tell the story and what it rests on".into()));
        };
        let pending = head.find_map(|line| line.strip_prefix(PENDING)).map(|why| why.trim().into());
        let one = Range { low: 1, high: 1 };
        let mut template = Self {
            name: name.into(),
            story: story.into(),
            section: section.into(),
            pending,
            settings: Vec::new(),
            domains: Vec::new(),
            nodes: one,
            members: false,
            mesh: Vec::new(),
            users: Range { low: 2, high: 4 },
            clients: Range { low: 3, high: 6 },
            links: vec!["home".into()],
            chaos: Range { low: 60_000, high: 120_000 },
            ops: Range { low: 100, high: 300 },
            deeds: Vec::new(),
            families: Vec::new(),
            knobs: Vec::new(),
            budgets: Vec::new(),
            restart: None,
            share: 1,
        };
        for (index, line) in text.lines().enumerate() {
            let line = line.split(" #").next().unwrap_or_default().trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            template.line(line).map_err(|what| fail(index + 1, what))?;
        }
        if template.domains.is_empty() {
            template.domains.push(DEFAULT_DOMAIN.into());
        }
        if template.deeds.is_empty() {
            return Err(fail(1, "a template says what is done: swarm do says 10".into()));
        }
        template.whole().map_err(|what| fail(1, what))?;
        Ok(template)
    }

    /// Makes the plan of a seed: a pure function of both.
    pub fn plan(&self, seed: u64) -> Plan {
        Plan::make(self, seed)
    }

    fn line(&mut self, line: &str) -> Result<(), String> {
        let Some(rest) = line.strip_prefix(MARK) else { return self.setting(line) };
        let mut words = rest.split_whitespace();
        let what = words.next().unwrap_or_default();
        let words: Vec<&str> = words.collect();
        match what {
            "do" => self.deeds(&words),
            "members" if words.is_empty() => {
                self.members = true;
                Ok(())
            }
            "mesh" => {
                self.mesh = several(&words)?.iter().map(|link| String::from(*link)).collect();
                self.mesh.iter().try_for_each(|link| valid::link(&self.settings, link))
            }
            "links" => {
                self.links = several(&words)?.iter().map(|link| String::from(*link)).collect();
                self.links.iter().try_for_each(|link| valid::link(&self.settings, link))
            }
            "faults" => {
                for name in several(&words)? {
                    let family = Family::named(name).ok_or_else(|| format!("there are no faults {name}"))?;
                    self.families.push(family);
                }
                Ok(())
            }
            "limits" => {
                for pair in several(&words)?.chunks(2) {
                    let knob = knob(pair[0], pair.get(1).copied().unwrap_or_default())?;
                    valid::bound(&self.settings, &knob)?;
                    self.knobs.push(knob);
                }
                Ok(())
            }
            "budget" => {
                let budget = several(&words)?.join(" ");
                valid::understood(&self.settings, &format!("budget {budget}"))?;
                self.budgets.push(budget);
                Ok(())
            }
            _ => self.number_line(what, &words),
        }
    }

    /// Reads a line with one number or range.
    fn number_line(&mut self, what: &str, words: &[&str]) -> Result<(), String> {
        let word = words.first().copied();
        match what {
            "nodes" => self.nodes = valid::some(range(word)?)?,
            "users" => self.users = valid::some(range(word)?)?,
            "clients" => self.clients = valid::some(range(word)?)?,
            "ops" => self.ops = range(word)?,
            "chaos" => {
                self.chaos = times(word)?;
                if self.chaos.low < CHAOS_MIN {
                    return Err("chaos lasts 1s at least".into());
                }
            }
            "share" => self.share = valid::some(range(word)?)?.low,
            "restart" => self.restart = Some(valid::some(range(word)?)?.low),
            other => return Err(format!("a swarm has no {other}")),
        }
        valid::names(self.nodes, self.users)?;
        words.get(1).map_or(Ok(()), |left| Err(format!("not understood: {left}")))
    }

    fn deeds(&mut self, words: &[&str]) -> Result<(), String> {
        for pair in several(words)?.chunks(2) {
            let deed = pair[0];
            if !super::deed::KINDS.contains(&deed) {
                return Err(format!("nobody can {deed}; there is {}", super::deed::KINDS.join(", ")));
            }
            self.deeds.push((deed.into(), number(pair.get(1).copied())?));
        }
        if self.deeds.iter().all(|(_, weight)| *weight == 0) {
            return Err("nobody does anything: each weight is 0".into());
        }
        Ok(())
    }

    /// Makes sure that what stands in different lines goes together.
    fn whole(&self) -> Result<(), String> {
        if self.members && self.nodes.low < 2 {
            return Err("a cluster has several members: swarm nodes 3".into());
        }
        if self.deeds.iter().any(|(deed, _)| deed == "roams") && !self.members {
            return Err("nobody roams where the nodes are no cluster: swarm members".into());
        }
        if self.families.contains(&Family::Mesh) && self.mesh.is_empty() {
            return Err("it is not said what links between nodes become: swarm mesh wan-80ms".into());
        }
        Ok(())
    }

    /// Keeps a line for the plans, if it says how things are.
    fn setting(&mut self, line: &str) -> Result<(), String> {
        match line.split_whitespace().next().unwrap_or_default() {
            "domain" => {
                self.domains.push(line.split_whitespace().nth(1).unwrap_or(DEFAULT_DOMAIN).into());
            }
            "limit" | "profile" | "grace" | "hysteresis" | "durability" => {}
            _ => {
                return Err(format!("a template has swarm lines and settings, but no: {line}"));
            }
        }
        valid::understood(&self.settings, line)?;
        self.settings.push(line.into());
        Ok(())
    }
}

/// Returns the words of a list, if there are any.
fn several<'a, 'b>(words: &'a [&'b str]) -> Result<&'a [&'b str], String> {
    if words.is_empty() { Err("something is missing behind it".into()) } else { Ok(words) }
}

fn number(word: Option<&str>) -> Result<u64, String> {
    let word = word.unwrap_or_default();
    word.parse().map_err(|_| format!("a number is expected, not {word:?}"))
}

fn range(word: Option<&str>) -> Result<Range, String> {
    let word = word.unwrap_or_default();
    let (low, high) = word.split_once("..").unwrap_or((word, word));
    ordered(number(Some(low))?, number(Some(high))?, word)
}

/// Reads times as milliseconds.
fn times(word: Option<&str>) -> Result<Range, String> {
    let word = word.unwrap_or_default();
    let (low, high) = word.split_once("..").unwrap_or((word, word));
    let millis = |text: &str| {
        let span = SimSpan::parse(text).ok_or_else(|| format!("a time is expected, not {text:?}"))?;
        Ok::<u64, String>(span.as_nanos() / 1_000_000)
    };
    ordered(millis(low)?, millis(high)?, word)
}

fn ordered(low: u64, high: u64, word: &str) -> Result<Range, String> {
    if low > high || high == 0 {
        return Err(format!("{word} is no range: 2..5"));
    }
    Ok(Range { low, high })
}

fn knob(key: &str, value: &str) -> Result<Knob, String> {
    let (range, is_time) = range(Some(value)).map(|range| (range, false)).or_else(|_| {
        times(Some(value))
            .map(|range| (range, true))
            .map_err(|_| format!("{value:?} is no range of numbers or times"))
    })?;
    Ok(Knob { key: key.into(), range, is_time })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "# A swarm.\n# RFC 6120\n";

    fn error(lines: &str) -> String {
        let text = format!("{HEAD}{lines}\n");
        Template::parse("t.scn", &text).map_or_else(|error| error.to_string(), |_| String::new())
    }

    #[test]
    fn a_template_that_is_not_understood_names_its_line() {
        assert_eq!(error("swarm do says 1\nswarm users 5..2"), "t.scn:4: 5..2 is no range: 2..5");
        assert_eq!(error("swarm do says 1\nswarm faults weather"), "t.scn:4: there are no faults weather");
        assert_eq!(error("swarm do says"), "t.scn:3: a number is expected, not \"\"");
        assert!(error("swarm do sings 3").starts_with("t.scn:3: nobody can sings; there is says"));
        assert_eq!(error("swarm weather 3"), "t.scn:3: a swarm has no weather");
        assert!(error("swarm do says 1\nalice comes online").starts_with("t.scn:4: a template has"));
        assert!(error("swarm users 2").contains("what is done"));
    }

    #[test]
    fn a_line_that_no_plan_could_have_is_refused_before_the_first_seed() {
        for (line, why) in [
            ("swarm links home carrier-pigeon", "link profile carrier-pigeon"),
            ("swarm links", "missing"),
            ("swarm mesh home carrier-pigeon", "link profile carrier-pigeon"),
            ("swarm members 3", "a swarm has no members"),
            ("swarm faults", "missing"),
            ("swarm do", "missing"),
            ("swarm do pings 0 says", "number"),
            ("swarm limits weather 1..2", "no bound weather"),
            ("swarm limits login_time 5..60", "is a time"),
            ("swarm limits stanza_bytes 5s..60s", "is a number"),
            ("swarm limits stanza_bytes", "no range"),
            ("swarm budget weather 1", "no budget weather"),
            ("swarm budget wipe", "how many"),
            ("swarm users 0..3", "one at least"),
            ("swarm users 5..13", "no more than 12 names"),
            ("swarm nodes 6", "no more than 5 names"),
            ("swarm nodes", "number"),
            ("swarm clients 0..3", "one at least"),
            ("swarm restart 0", "no range"),
            ("swarm chaos 0s..5s", "1s at least"),
            ("swarm ops 3 4", "not understood: 4"),
            ("limit weather 1", "no bound weather"),
        ] {
            let said = error(&format!("swarm do says 1\n{line}"));
            assert!(said.starts_with("t.scn:4: ") && said.contains(why), "{line}: {said}");
        }
        assert!(error("swarm do says 1\nswarm members").contains("several members"));
        assert!(error("swarm do says 1\nswarm nodes 3\nswarm faults mesh").contains("links between nodes"));
        assert!(error("swarm do says 0").starts_with("t.scn:3: nobody does anything"));
        assert_eq!(error("profile pigeon latency 1s\nswarm links pigeon\nswarm do says 1"), "");
    }

    #[test]
    fn a_template_may_wait_for_something() {
        let pending = |lines: &str| Template::parse("t.scn", &format!("{HEAD}{lines}")).unwrap().pending;
        assert_eq!(pending("# pending: scans\nswarm do says 1\n").as_deref(), Some("scans"));
        assert_eq!(pending("swarm do says 1\n# pending: scans\n"), None, "it is none of the head");
    }

    #[test]
    fn a_template_is_no_story_and_a_story_no_template() {
        let text = format!("{HEAD}swarm do says 1\n");
        let said = Scenario::parse("t.scn", &text).map_or_else(|error| error.to_string(), |_| String::new());
        assert_eq!(said, "t.scn:3: this is a template: its plan of one seed is a story");
        assert!(is_template(&text) && !is_template("# swarm users\nalice says to bob: swarm users"));
    }

    #[test]
    fn ranges_numbers_and_times_are_read() {
        let text = format!(
            "{HEAD}domain swarm.example registration open\nswarm users 3   # accounts\nswarm chaos 2s..1m\nswarm do says 2 pings 1\n\
            swarm limits login_time 5s..60s send_queue_bytes 4096..8192\n"
        );
        let template = Template::parse("t.scn", &text).unwrap();
        assert_eq!(template.users, Range { low: 3, high: 3 });
        assert_eq!(template.chaos, Range { low: 2_000, high: 60_000 });
        assert_eq!(template.domains, ["swarm.example"]);
        assert_eq!(template.knobs[0].range, Range { low: 5_000, high: 60_000 });
        assert!(template.knobs[0].is_time && !template.knobs[1].is_time);
    }
}
