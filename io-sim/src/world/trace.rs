//! The chain of hashes of a run, and a part of it in words: for whoever looks for where two runs part.

use core::fmt::Debug;

use eyot_core::io::{Input, Output};

use super::event::{ConnIx, Event};
use super::history::NodeIx;
use super::state::World;
use crate::engine::SimTime;

/// What is kept of the chain: a link before each event from `from` on and before `to` whose number is a multiple of
/// `every`. When that is each, what happens is kept in words as well. The first event is number 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// One link for so many events.
    pub every: u64,
    /// The first event.
    pub from: u64,
    /// The event behind the last one.
    pub to: u64,
}

/// One link: the hash over everything before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The number of the event.
    pub event: u64,
    /// The hash before it, as text.
    pub hash: String,
    /// What comes next: the event, or what a node is given or gives in it. Empty where no words are kept.
    pub what: String,
}

/// Words are cut where they become a page.
const WORDS_MAX: usize = 400;

impl World {
    /// Returns the links that were kept, and the end: behind the last event, with the hash of the whole run.
    pub fn links(&self) -> Vec<Link> {
        let end = Link { event: self.events() + 1, hash: self.hash.to_string(), what: "the end".into() };
        self.kept.iter().cloned().chain([end]).collect()
    }

    /// Keeps the link before an event, if somebody wants it.
    pub(super) fn trace_event(&mut self, at: SimTime, event: Event) {
        let Some(window) = self.options.trace else { return };
        if window.every > 1 {
            if self.events().is_multiple_of(window.every) {
                self.keep_link(window, String::new());
            }
            return;
        }
        let who = self.whose(event).map(|who| format!(" ({who})")).unwrap_or_default();
        self.keep_link(window, format!("{at} {event:?}{who}"));
    }

    /// Keeps the link before an input, if somebody wants words.
    pub(super) fn trace_input(&mut self, node: NodeIx, input: &Input) {
        self.trace_words(node, "is given", input);
    }

    /// Keeps the link before an output, if somebody wants words.
    pub(super) fn trace_output(&mut self, node: NodeIx, output: &Output) {
        self.trace_words(node, "gives", output);
    }

    fn trace_words(&mut self, node: NodeIx, verb: &str, what: &dyn Debug) {
        let Some(window) = self.options.trace.filter(|window| window.every <= 1) else { return };
        let text = format!("{} {} {verb} {what:?}", self.now, self.node_name(node));
        self.keep_link(window, text.chars().take(WORDS_MAX).collect());
    }

    fn keep_link(&mut self, window: Window, what: String) {
        let event = self.events();
        if (window.from..window.to).contains(&event) {
            self.kept.push(Link { event, hash: self.hash.to_string(), what });
        }
    }

    /// Who an event is about.
    fn whose(&self, event: Event) -> Option<String> {
        if let Event::Tick { node } | Event::Answer { node, .. } = event {
            return Some(self.node_name(node).into());
        }
        conn_of(event).and_then(|ix| {
            let conn = self.conns.get(ix.at())?;
            Some(format!("{} on {}", self.near_name(conn.near), self.node_name(conn.node)))
        })
    }
}

/// The connection an event is about.
fn conn_of(event: Event) -> Option<ConnIx> {
    if let Event::Syn { conn, .. }
    | Event::SynArrives { conn, .. }
    | Event::SynAnswer { conn, .. }
    | Event::SynAnswered { conn, .. }
    | Event::Accepted { conn, .. }
    | Event::Wake { conn, .. }
    | Event::Read { conn, .. }
    | Event::Reset { conn, .. }
    | Event::Gone { conn, .. }
    | Event::Drain { conn, .. }
    | Event::Overflow { conn, .. }
    | Event::Linger { conn, .. }
    | Event::Called { conn, .. }
    | Event::GiveUp { conn }
    | Event::Flushed { conn } = event
    {
        Some(conn)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repro::attempt_and_look;
    use crate::script::RunOptions;
    use crate::world::Options;

    const STORY: &str = "# S.\n# R\naccount alice\nclient alice on a\nalice comes online\nalice pings\n";

    fn links(trace: Option<Window>) -> (String, Vec<Link>) {
        let world = Options { trace, ..Options::default() };
        let options = RunOptions { world, ..RunOptions::default() };
        let mut links = Vec::new();
        let trial = attempt_and_look("x", STORY, options, |stage, _| links = stage.world.links()).unwrap();
        (trial.hash().unwrap().to_string(), links)
    }

    #[test]
    fn a_run_that_is_traced_is_the_same_run() {
        let (hash, end) = links(None);
        assert_eq!(end.len(), 1);
        let (traced, all) = links(Some(Window { every: 1, from: 0, to: u64::MAX }));
        assert_eq!((traced.as_str(), all.last()), (hash.as_str(), end.last()));
        assert!(all.iter().any(|link| link.what.contains("(alice on a)")), "{all:?}");
        assert!(all.iter().any(|link| link.what.contains("a gives Send")), "{all:?}");
    }

    #[test]
    fn each_link_is_the_same_however_many_are_kept() {
        let all = links(Some(Window { every: 1, from: 0, to: u64::MAX })).1;
        let few = links(Some(Window { every: 8, from: 9, to: 25 })).1;
        let numbers: Vec<u64> = few.iter().map(|link| link.event).collect();
        assert_eq!(numbers.split_last().unwrap().1, [16, 24]);
        for link in few {
            let same = |told: &&Link| told.event == link.event && told.hash == link.hash;
            assert!(all.iter().any(|told| same(&told)), "{link:?}");
        }
    }
}
