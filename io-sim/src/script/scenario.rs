//! A scenario file, read.

use core::fmt;

use super::capability;
use super::scope::Scope;
use super::verb::{self, Act};
use crate::world::{Options, Slices};

/// A scenario.
#[derive(Debug)]
pub struct Scenario {
    /// Its name, for messages.
    pub name: String,
    /// The story in one sentence: the first line.
    pub story: String,
    /// What it rests on: the second line.
    pub section: String,
    /// The capability it waits for, if it does.
    pub pending: Option<String>,
    /// What its text fixes of the way it is run.
    pub fixed: Fixed,
    /// Its lines.
    pub steps: Vec<Step>,
}

/// What the text of a scenario fixes of the way it is run, whatever the command line says: a kept regression is
/// one world, not any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fixed {
    /// The seed.
    pub seed: Option<u64>,
    /// How bytes are cut.
    pub slices: Option<Slices>,
    /// Whether nodes read late.
    pub batch: Option<bool>,
    /// What both ends of a connection ask their systems for, in bytes.
    pub buffers: Option<u32>,
}

impl Fixed {
    /// Returns `options` with what is fixed.
    #[must_use]
    pub fn over(self, options: Options) -> Options {
        Options {
            seed: self.seed.unwrap_or(options.seed),
            slices: self.slices.unwrap_or(options.slices),
            batch: self.batch.unwrap_or(options.batch),
            buffers: self.buffers.or(options.buffers),
            ..options
        }
    }
}

/// One line that does something.
#[derive(Debug)]
pub struct Step {
    /// Its number, from 1.
    pub line: usize,
    /// Its text.
    pub text: String,
    /// What it does.
    pub act: Box<dyn Act>,
}

/// A file that is no scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// The file.
    pub name: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: String,
}

/// What the lines of a template begin with.
const TEMPLATE: &str = "swarm ";

/// Returns whether a text is a template of the swarm, from which stories are drawn, and no story itself.
pub fn is_template(text: &str) -> bool {
    text.lines().any(|line| line.trim_start().starts_with(TEMPLATE))
}

/// The mark of a story that waits for a capability.
const PENDING: &str = "pending:";

impl Scenario {
    /// Reads a scenario.
    ///
    /// # Errors
    ///
    /// [`ParseError`] names the first line that is not understood.
    pub fn parse(name: &str, text: &str) -> Result<Self, ParseError> {
        let fail = |line: usize, what: String| ParseError { name: name.into(), line, what };
        let mut comments = text.lines().map_while(|line| line.strip_prefix('#')).map(str::trim);
        let story = comments.next().unwrap_or_default();
        let section = comments.next().unwrap_or_default();
        if story.is_empty() {
            return Err(fail(1, "the first line tells the story: # One sentence.".into()));
        }
        if section.is_empty() || section.starts_with(PENDING) {
            return Err(fail(2, "the second line names what the story rests on: # RFC 6121, 8.5".into()));
        }
        let pending = comments.find_map(|comment| comment.strip_prefix(PENDING)).map(str::trim);

        let mut scope = Scope::default();
        let mut steps = Vec::new();
        let mut declared = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if is_template(line) {
                return Err(fail(index + 1, "this is a template: its plan of one seed is a story".into()));
            }
            let known = scope.clients.clone();
            let act = verb::parse(line, &mut scope).map_err(|what| fail(index + 1, what))?;
            scope.follow(&*act).map_err(|what| fail(index + 1, what))?;
            declared.extend(scope.clients.difference(&known).map(|name| (name.clone(), index + 1)));
            steps.push(Step { line: index + 1, text: line.into(), act });
        }
        if let Some((idle, line)) = declared.iter().find(|(client, _)| !scope.acting.contains(client)) {
            return Err(fail(*line, format!("{idle} never does anything")));
        }
        if let Some(mark) = pending {
            let needed = steps.iter().filter_map(|step| step.act.capability());
            capability::check_mark(mark, needed).map_err(|what| fail(3, what))?;
        }
        Ok(Self {
            name: name.into(),
            story: story.into(),
            section: section.into(),
            pending: pending.map(String::from),
            fixed: scope.fixed,
            steps,
        })
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}: {}", self.name, self.line, self.what)
    }
}

impl core::error::Error for ParseError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(lines: &str) -> String {
        let text = format!("# A story.\n# RFC 6120\n{lines}\n");
        Scenario::parse("x.scn", &text).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn an_unknown_verb_is_an_error_with_its_line() {
        assert_eq!(error("account alice\nfrobnicate alice"), "x.scn:4: unknown verb: frobnicate alice");
        assert_eq!(error("client alice on a\nalice frobnicates"), "x.scn:4: unknown verb: alice frobnicates");
    }

    #[test]
    fn unknown_names_are_errors() {
        assert_eq!(error("bob logs in"), "x.scn:3: there is no client bob");
        assert_eq!(error("client bob on b"), "x.scn:3: there is no node b");
        assert_eq!(error("client bob on a link warp"), "x.scn:3: there is no link profile warp");
        assert_eq!(error("kill b"), "x.scn:3: there is no node b");
    }

    #[test]
    fn a_brace_names_somebody_who_is_known() {
        let cast = "account alice\nclient alice on a\nclient phone on a as carl\nroom ops\nalice logs in\nphone logs in";
        for known in [
            "{alice}",
            "{alice/x}",
            "{phone}",
            "{carl}",
            "{ops}",
            "{domain}",
            "{zork@b.example}",
            "{b.example}",
        ] {
            assert_eq!(error(&format!("{cast}\nalice sends xml: <a to='{known}'/>")), "", "{known}");
        }
        for line in [
            "alice sends xml: {zork}",
            "alice says to zork: {zork}",
            "at 5s alice says to phone: {zork}",
            "expect alice < message body {zork}",
            "expect alice heard {zork}",
            "alice says in ops: {zork}",
        ] {
            assert_eq!(
                error(&format!("{cast}\n{line}")),
                "x.scn:9: {zork}: nobody above is called so",
                "{line}"
            );
        }
        assert_eq!(error(&format!("{cast}\na user add zork\nalice sends xml: {{zork}}")), "");
        assert_eq!(
            error(&format!("{cast}\nalice registers zork password \"x\"\nalice says to phone: {{zork}}")),
            ""
        );
    }

    #[test]
    fn the_texts_of_a_story_do_not_grow_without_end() {
        let says = |text: &str| {
            error(&format!("client alice on a\nalice says to bob: one\nalice says to bob: {text}"))
        };
        assert_eq!(says("{x*16777216}"), "");
        for long in ["{x*16777217}", "{xy*8388609}", "{noise*16777216}{x*1}", "{x*18446744073709551615}{x*2}"]
        {
            assert_eq!(
                says(long),
                "x.scn:5: the braces of a story become at most 16777216 bytes in all",
                "{long}"
            );
        }
        let line = "alice says to bob: {x*9000000}";
        assert!(error(&format!("client alice on a\n{line}\nat 5s {line}")).starts_with("x.scn:5: "));
    }

    #[test]
    fn what_is_past_cannot_be_done() {
        let story = |lines: &str| error(&format!("client alice on a\nalice logs in\n{lines}"));
        assert_eq!(story("wait 4s\nat 4s alice drops"), "");
        assert_eq!(
            story("wait 4s\nsettle\nwait 1s\nat 4s alice drops"),
            "x.scn:8: 4.000s is past: the lines above take 5.000s at least"
        );
        assert_eq!(story("wait 40000000m\nwait 20000000m"), "x.scn:6: a story takes at most 100 years");
    }

    #[test]
    fn a_client_that_never_acts_is_an_error() {
        assert_eq!(
            error("client alice on a\nclient bob on a\nbob logs in"),
            "x.scn:3: alice never does anything"
        );
        assert_eq!(error("client alice on a\nmitm alice"), "x.scn:3: alice never does anything");
        assert_eq!(error("client alice on a\nat 2s alice logs in"), "");
        assert_eq!(
            error("client alice on a\nalice joins ops as Ann"),
            "x.scn:4: there is no room ops: joins ROOM as NICK [password TEXT] [history none|SIZE] [since BODY]"
        );
        assert_eq!(error("room ops\nclient alice on a\nalice joins ops as Ann"), "");
    }

    #[test]
    fn what_is_left_over_is_an_error() {
        assert_eq!(error("client bob on a\nbob logs in twice"), "x.scn:4: not understood: twice");
    }

    #[test]
    fn the_head_tells_story_and_section() {
        let head = |text: &str| Scenario::parse("x", text);
        assert!(head("account alice\n").is_err());
        assert!(head("# A story.\naccount alice\n").is_err());
        let whole = head("# A story.\n# RFC 6120\n# pending: rooms\naccount alice\n").unwrap();
        assert_eq!(whole.story, "A story.");
        assert_eq!(whole.pending.as_deref(), Some("rooms"));
    }
}
