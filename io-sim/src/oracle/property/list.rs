//! The properties by name, and how often a run shows each.

use std::collections::BTreeMap;

use eyot_core::trace::Event;

use super::{reachable, sometimes};
use crate::engine::SimTime;
use crate::oracle::model::Run;
use crate::world::NodeIx;

/// What is asked of a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PropertyKind {
    /// It holds in every run: an oracle of that name watches it. Counted is what it judged.
    Always,
    /// It happens in some run of each fleet, as clients and operators see it.
    Sometimes,
    /// A node says so in some run of each fleet.
    Reachable,
}

/// Something that a fleet of runs must show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Property {
    /// Its name: lower case, hyphens, stable.
    pub name: &'static str,
    /// What is asked of it.
    pub kind: PropertyKind,
    /// What it is, for a person.
    pub what: &'static str,
}

const fn always(name: &'static str, what: &'static str) -> Property {
    Property { name, kind: PropertyKind::Always, what }
}

const fn sometimes(name: &'static str, what: &'static str) -> Property {
    Property { name, kind: PropertyKind::Sometimes, what }
}

const fn reachable(name: &'static str, what: &'static str) -> Property {
    Property { name, kind: PropertyKind::Reachable, what }
}

/// All properties.
pub const PROPERTIES: &[Property] = &[
    always("stream", "connections on which nothing was said that makes no sense"),
    always("origin", "stanzas that came from whom they said, as they were sent"),
    always("once", "messages and requests that came once"),
    always("order", "pairs of stanzas that came in the order in which they were sent"),
    always(
        "account-for",
        "messages of which it is sure whom they had to reach, or that they had to come back",
    ),
    always("iq", "requests of which it is sure that an answer was due"),
    always("acks", "counts of acknowledgements, resumptions that were due, and answers to who had asked"),
    always("kept", "messages that had to be in an archive that somebody read to its end, and their order"),
    always("blocked", "messages and requests between two of whom one surely blocks the other"),
    always("session", "sessions whose address was theirs alone"),
    always("presence", "times that somebody had to know who came, was there or left"),
    always("rights", "sessions that ended because their account was changed"),
    always("bounds", "connections on which something waited for a client that did not read"),
    always("boot", "starts of nodes that were new and on disk before anybody was served"),
    always("accounts", "answers to operators and newcomers that fit what others were told"),
    always("durable", "promises that a disk had kept"),
    always("liveness", "nodes and clients that had to be there at a check"),
    always("login-time", "connections that had to end by a time, or not before it"),
    always("idle", "seconds before a check in which nobody did anything"),
    sometimes("displaced", "a session ended because another wanted its address"),
    sometimes("account-changed-under-session", "a session ended because its account was changed"),
    sometimes("login-timeout", "a connection ended because nobody logged in on it"),
    sometimes("send-queue-full", "a session ended because its client did not read"),
    sometimes("oversized", "a stream ended because a stanza was too large"),
    sometimes("shutdown-told", "a stream ended because the node was told to stop"),
    sometimes("message-returned", "a message came back to its sender"),
    sometimes("to-several", "a message went to several sessions"),
    sometimes("negative-priority", "a session with a negative priority did not get what others got"),
    sometimes("after-reconnect", "a client was bound again after it had lost a connection"),
    sometimes("lost-lawfully", "a message got lost with a connection"),
    sometimes("bursts", "stanzas sent at different times came at once: one waited behind another"),
    sometimes("request-died", "a request was not answered because its addressee had gone"),
    sometimes("ghost-removed", "the server told that somebody had gone without a word"),
    sometimes("directed-ended", "somebody who had been told directly heard that it was over"),
    sometimes("settled-after-fault", "a session that a fault had touched was answered again"),
    sometimes("login-refused", "a login was refused"),
    sometimes("registered", "a newcomer got an account"),
    sometimes("disk-full", "a change was refused because the disk was full"),
    sometimes("power-in-flight", "the power failed while a change was under way"),
    sometimes("kill-in-flight", "a process was killed while a change was under way"),
    sometimes("crash-kept", "a change that nobody was told of had survived a crash"),
    sometimes("crash-lost", "a change that nobody was told of had not survived a crash"),
    sometimes("restarted", "a node came back"),
    sometimes("sessions-at-crash", "a node died with sessions"),
    reachable("node-started", "a node is ready"),
    reachable("node-limit-send-queue-bytes", "a session was ended because too much waited for its client"),
    reachable(
        "node-limit-unauthenticated-per-peer",
        "a connection was cut: its network had too many without a session",
    ),
    reachable("node-stream-error", "a node found a stream at fault"),
    reachable("node-login-failed", "a login failed"),
    reachable("node-bound", "a session began"),
    reachable("node-unbound", "a session ended"),
    reachable("node-closed", "a connection is gone"),
    reachable("node-account-added", "an account was added"),
    reachable("node-account-password", "a password was changed"),
    reachable("node-account-removed", "an account was removed"),
    reachable("node-store-failed", "the store failed"),
    reachable("node-stopping", "a node is stopping"),
];

/// Bounds of which nodes tell, and that no property asks for: each with the reason why no fleet can show it yet.
pub const UNREACHED: &[(&str, &str)] = &[
    ("connections", "a plan has some ten clients, and `swarm limits` does not draw this bound"),
    (
        "unacked_bytes",
        "who resumes is sent too little to fill it, and `swarm limits` does not draw this bound",
    ),
];

/// Returns how often a run shows each property that no oracle counts; nought is left out.
pub(in crate::oracle) fn of_run(
    run: &Run<'_>,
    traces: &[(SimTime, NodeIx, Event)],
) -> BTreeMap<&'static str, u64> {
    let mut counts = Counts::default();
    sometimes::count(run, &mut counts);
    reachable::count(traces, &mut counts);
    counts.0
}

/// How often each property was shown.
#[derive(Debug, Default)]
pub(super) struct Counts(BTreeMap<&'static str, u64>);

impl Counts {
    /// Counts something that was seen so often.
    pub(super) fn add(&mut self, name: &'static str, count: usize) {
        debug_assert!(PROPERTIES.iter().any(|property| property.name == name), "{name} is in the list");
        if count > 0 {
            *self.0.entry(name).or_default() += count as u64;
        }
    }

    /// Counts something if it was seen.
    pub(super) fn see(&mut self, name: &'static str, seen: bool) {
        self.add(name, usize::from(seen));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::script::{RunOptions, Scenario, run};

    #[test]
    fn every_property_has_a_name_of_its_own() {
        let names: BTreeSet<&str> = PROPERTIES.iter().map(|property| property.name).collect();
        assert_eq!(names.len(), PROPERTIES.len());
    }

    #[test]
    fn a_story_shows_what_happens_in_it_and_nothing_else() {
        let shown = |text: &str| {
            let scenario = Scenario::parse("story", text).unwrap();
            run(&scenario, RunOptions::default()).properties
        };
        let conflict = shown(include_str!("../../../../scenarios/session/bind-conflict.scn"));
        assert_eq!(conflict.get("displaced"), Some(&1));
        assert_eq!(conflict.get("login-timeout"), None);
        let priorities = shown(include_str!("../../../../scenarios/session/two-resources.scn"));
        assert_eq!(priorities.get("negative-priority"), Some(&1));
        assert_eq!(priorities.get("to-several"), Some(&1));
        assert_eq!(priorities.get("displaced"), None);
        let timeout = shown(include_str!("../../../../scenarios/stream/login-timeout.scn"));
        assert_eq!(timeout.get("login-timeout"), Some(&2));
        let slow = shown(include_str!("../../../../scenarios/net/slow-reader.scn"));
        assert_eq!(slow.get("send-queue-full"), Some(&1));
        let full = shown(include_str!("../../../../scenarios/node/full-disk.scn"));
        assert_eq!(full.get("disk-full"), Some(&1));
        let killed = shown(include_str!("../../../../scenarios/node/kill-in-flight.scn"));
        assert_eq!(killed.get("kill-in-flight"), Some(&1));
    }
}
