//! What is told again and again: a template, or a story in other worlds.

use super::told::Told;
use crate::oracle::Signature;
use crate::repro::quietly;
use crate::script::{ParseError, RunOptions, Scenario, is_template, judge};
use crate::swarm::Template;
use crate::world::{Options, Slices};

/// A template or a story.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The file, as it is named on the command line.
    pub name: String,
    text: String,
    template: Option<Template>,
}

impl Subject {
    /// Reads a template or a story; nothing when it waits for a capability.
    ///
    /// # Errors
    ///
    /// [`ParseError`] names the first line that is not understood.
    pub fn read(name: &str, text: &str) -> Result<Option<Self>, ParseError> {
        let template = if is_template(text) { Some(Template::parse(name, text)?) } else { None };
        if template.is_none() && Scenario::parse(name, text)?.pending.is_some() {
            return Ok(None);
        }
        Ok(Some(Self { name: name.into(), text: text.into(), template }))
    }

    /// Returns whether plans are drawn from it.
    pub const fn is_template(&self) -> bool {
        self.template.is_some()
    }

    /// Returns whether it is a template that is told only when it is named.
    pub fn is_pending(&self) -> bool {
        self.template.as_ref().is_some_and(|template| template.pending.is_some())
    }

    /// Returns of how many seeds of a sweep over all templates it gets one.
    pub fn share(&self) -> u64 {
        self.template.as_ref().map_or(1, |template| template.share)
    }

    /// Returns its text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Tells it with a seed. A panic is what came of the seed, like any other failure, and so is a plan that is not
    /// understood.
    pub fn tell(&self, seed: u64) -> Told {
        match quietly(|| self.tell_or_panic(seed)) {
            Ok(Ok(told)) => told,
            Ok(Err(error)) => Told::not_understood(seed, &error),
            Err(caught) => Told::panicked(seed, &caught),
        }
    }

    fn tell_or_panic(&self, seed: u64) -> Result<Told, ParseError> {
        let Some(template) = &self.template else {
            let outcome = judge(&Scenario::parse(&self.name, &self.text)?, options(seed));
            return Ok(Told::of(seed, &outcome, None));
        };
        let plan = template.plan(seed);
        let outcome = judge(&Scenario::parse(&self.name, &plan.text)?, options(seed));
        Ok(Told::of(seed, &outcome, Some(&plan)))
    }

    /// Returns the command that tells it again with a seed.
    pub fn command(&self, seed: u64) -> String {
        let Options { slices, batch, .. } = options(seed).world;
        let cut = if slices == Slices::Random && !self.is_template() { " --slices random" } else { "" };
        let gather = if batch && !self.is_template() { " --batch" } else { "" };
        format!("eyot-sim run {} --seed {seed}{cut}{gather}", self.name)
    }

    /// Returns the scenario that is this seed and nothing else, with what was found in its head.
    pub fn repro(&self, seed: u64, signature: &Signature) -> String {
        let text =
            self.template.as_ref().map_or_else(|| self.text.clone(), |template| template.plan(seed).text);
        let head = text.lines().take_while(|line| line.starts_with('#')).count();
        let mut lines: Vec<String> = text.lines().map(String::from).collect();
        if self.template.is_none() {
            let Options { slices, batch, .. } = options(seed).world;
            let slices = if slices == Slices::Random { "random" } else { "whole" };
            let gather = if batch { "\nbatch" } else { "" };
            lines.insert(head, format!("\nseed {seed}\nslices {slices}{gather}"));
        }
        lines.insert(head, format!("# repro: {signature}\n# found: {} seed {seed}", self.name));
        lines.join("\n") + "\n"
    }
}

/// How a story is told with a seed: half of them in random slices, a third gathered. A plan has its own say.
fn options(seed: u64) -> RunOptions {
    let slices = if seed.is_multiple_of(2) { Slices::Whole } else { Slices::Random };
    let world = Options { seed, slices, batch: seed.is_multiple_of(3), ..Options::default() };
    RunOptions { world, ..RunOptions::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORY: &str = "# A story.\n# RFC 6120\n\naccount alice\nclient alice on a\nalice logs in\n";
    const TEMPLATE: &str = "# A swarm.\n# RFC 6120\nswarm chaos 2s\nswarm ops 5\nswarm do says 1 pings 1\n";

    fn subject(text: &str) -> Subject {
        Subject::read("x.scn", text).unwrap().unwrap()
    }

    #[test]
    fn a_repro_is_the_very_world_it_was_found_in() {
        for text in [STORY, TEMPLATE] {
            for seed in [3, 4] {
                let subject = subject(text);
                let repro = subject.repro(seed, &Signature::new("oracle", "kind"));
                assert!(repro.contains("\n# repro: oracle/kind\n# found: x.scn seed "), "{repro}");
                let told = judge(&Scenario::parse("repro", &repro).unwrap(), RunOptions::default());
                let plan = subject.template.as_ref().map(|template| template.plan(seed));
                let text = plan.as_ref().map_or(text, |plan| &plan.text);
                let first = judge(&Scenario::parse("first", text).unwrap(), options(seed));
                assert_eq!(told.hash, first.hash);
            }
        }
    }

    #[test]
    fn the_command_says_all_that_the_text_does_not() {
        assert_eq!(subject(STORY).command(3), "eyot-sim run x.scn --seed 3 --slices random --batch");
        assert_eq!(subject(TEMPLATE).command(3), "eyot-sim run x.scn --seed 3");
    }

    #[test]
    fn a_story_that_waits_is_not_told() {
        let pending = STORY.replace("RFC 6120\n", "RFC 6120\n# pending: rooms\n");
        assert!(Subject::read("x.scn", &pending).unwrap().is_none());
    }

    #[test]
    fn a_template_that_waits_says_so_and_can_be_told() {
        let waits = subject(&TEMPLATE.replace("RFC 6120\n", "RFC 6120\n# pending: scans\n"));
        assert!(waits.is_pending() && !subject(TEMPLATE).is_pending());
        assert_eq!(waits.tell(1).failure, None);
    }

    #[test]
    fn a_template_is_measured_and_a_story_is_not() {
        let told = subject(TEMPLATE).tell(1);
        assert_eq!((told.failure, told.measures.unwrap().chaos), (None, 2));
        assert!(subject(STORY).tell(1).measures.is_none());
    }
}
