//! Lines that wait for something to happen.

use eyot_core::trace::Event as Trace;

use super::event::Event;
use super::history::{ClientIx, NodeIx};
use super::state::World;
use crate::engine::Key;
use crate::fault::{Counted, Trigger, trace_name};

/// A line that waits.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    what: Trigger,
    /// How often it has yet to happen.
    left: u64,
    /// The number of the line.
    line: u32,
    /// Whether the line brings a fault about.
    breaks: bool,
}

impl World {
    /// Puts a line of the scenario into the queue as soon as something has happened, counted from here on. One that
    /// `breaks` something waits until [`Self::heal_all`] at the most.
    pub fn watch(&mut self, what: Trigger, line: u32, breaks: bool) {
        let (Trigger::Got { count, .. } | Trigger::Traces { count, .. } | Trigger::Syncs { count, .. }) =
            what;
        self.faults.watches.push(Watch { what, left: count, line, breaks });
    }

    /// Forgets lines that wait to break something.
    pub(super) fn disarm(&mut self) {
        self.faults.watches.retain(|watch| !watch.breaks);
    }

    pub(super) fn watch_stanza(&mut self, client: ClientIx, element: &str) {
        let name = self.people[client.at()].name.clone();
        let counts = |what: &Counted| what.element().is_none_or(|only| only == element);
        self.fire(
            |what| matches!(what, Trigger::Got { client, what, .. } if *client == name && counts(what)),
        );
    }

    pub(super) fn watch_trace(&mut self, node: NodeIx, said: &Trace) {
        let (name, said) = (self.hosts[node.at()].name.clone(), trace_name(said));
        self.fire(
            |what| matches!(what, Trigger::Traces { node, event, .. } if *node == name && event == said),
        );
    }

    pub(super) fn watch_sync(&mut self, node: NodeIx) {
        let name = self.hosts[node.at()].name.clone();
        self.fire(|what| matches!(what, Trigger::Syncs { node, .. } if *node == name));
    }

    fn fire(&mut self, happened: impl Fn(&Trigger) -> bool) {
        for watch in self.faults.watches.iter_mut().filter(|watch| happened(&watch.what)) {
            watch.left = watch.left.saturating_sub(1);
        }
        let due: Vec<u32> =
            self.faults.watches.iter().filter(|watch| watch.left == 0).map(|watch| watch.line).collect();
        self.faults.watches.retain(|watch| watch.left > 0);
        for number in due {
            self.push(self.now, Key::of("script"), Event::Script { number });
        }
    }
}
