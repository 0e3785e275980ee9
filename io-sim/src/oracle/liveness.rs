//! Liveness, at a check: nodes are ready, operators have their answers, who wants to be online is.

use std::collections::BTreeMap;

use eyot_core::io::{Command, CommandId};

use super::model::Run;
use super::{Check, Judged, Oracle};
use crate::engine::{SimSpan, SimTime};
use crate::world::{Actor, NodeSight};

const NAME: &str = "liveness";
/// How long a node may take to become ready, and to answer an operator.
const DUE: SimSpan = SimSpan::from_secs(30);
/// A client that tries again does so at least every minute, and may then have to wait for a login.
const RECONNECT: SimSpan = SimSpan::from_secs(290);
/// Whoever has lost a session has another one after this time.
const RETURN: SimSpan = SimSpan::from_secs(90);

/// The oracle.
pub(super) struct Liveness;

impl Oracle for Liveness {
    fn name(&self) -> &'static str {
        NAME
    }

    fn judge(&self, run: &Run<'_>) -> Judged {
        let mut judged = Judged::default();
        for check in run.evidence.checks {
            judge_nodes(run, check, &mut judged);
            judge_clients(run, check.at, &mut judged);
        }
        judged
    }
}

/// What is known of a node at a check.
#[derive(Clone, Debug, Default)]
struct NodeSeen {
    starting: Option<SimTime>,
    ready: bool,
    open: BTreeMap<CommandId, SimTime>,
}

fn judge_nodes(run: &Run<'_>, check: &Check, judged: &mut Judged) {
    let Check { at: check, number } = *check;
    let mut nodes: BTreeMap<usize, NodeSeen> = BTreeMap::new();
    for record in run.evidence.history.iter().take(number) {
        let Actor::Node(node, sight) = &record.actor else { continue };
        let seen = nodes.entry(node.at()).or_default();
        match sight {
            NodeSight::Started => *seen = NodeSeen { starting: Some(record.at), ..NodeSeen::default() },
            NodeSight::Ready(_) => (seen.starting, seen.ready) = (None, true),
            NodeSight::Asked(_, Command::Shutdown) => {}
            NodeSight::Asked(id, _) if seen.ready => {
                seen.open.insert(*id, record.at);
            }
            NodeSight::Answered(id, _) => {
                seen.open.remove(id);
            }
            NodeSight::Killed | NodeSight::PowerOff | NodeSight::Stopped => *seen = NodeSeen::default(),
            NodeSight::Asked(..)
            | NodeSight::Synced(_)
            | NodeSight::Linked(_)
            | NodeSight::Route(..)
            | NodeSight::Unlinked(..)
            | NodeSight::Level(..) => {}
        }
    }
    for (node, seen) in nodes {
        let since = |at: SimTime| {
            let begun = run.troubles.last_touch(usize::MAX, node, at, check).unwrap_or(at);
            begun + DUE < check
        };
        let name = run.node_name(node);
        let tell = |kind: &str| {
            let mut violation = run.violation(NAME, kind, check, format!("node {name}: {kind}"));
            violation.who = vec![name.into()];
            violation
        };
        if seen.ready || seen.starting.is_some() {
            judged.add(seen.starting.is_some_and(since).then(|| tell("node-not-ready")));
            judged.add(seen.open.values().any(|at| since(*at)).then(|| tell("operator-unanswered")));
        }
    }
}

fn judge_clients(run: &Run<'_>, check: SimTime, judged: &mut Judged) {
    for client in &run.evidence.cast.persistent {
        let from = SimTime::from_nanos(check.as_nanos().saturating_sub(RECONNECT.as_nanos()));
        let mut conns = run.conns.iter().filter(|conn| conn.client == *client && conn.begun <= check);
        let Some(last) = conns.next_back() else { continue };
        let bound = last.session.and_then(|session| run.sessions[session].bound);
        let online = last.is_open(check) && bound.is_some_and(|bound| bound.at <= check);
        let asked_to_leave = last.closing.is_some() || is_refused(run, last);
        // Whoever has just learnt that its connection was dead all along is on its way.
        let mut broken = run.conns.iter().filter(|conn| conn.client == *client && conn.session.is_some());
        let coming =
            broken.any(|conn| conn.ended.is_some_and(|end| end.at <= check && end.at + RETURN > check));
        if coming || asked_to_leave || run.troubles.touched(*client, run.home(*client), from, check) {
            continue;
        }
        judged.add((!online).then(|| {
            let name = run.client_name(*client);
            let mut violation = run.violation(NAME, "client-offline", check, format!("{name} is not online"));
            violation.who = vec![name.into()];
            violation
        }));
    }
}

/// Returns whether the server does not want the client: it does not try again then, or in vain.
fn is_refused(run: &Run<'_>, conn: &super::model::Conn) -> bool {
    use crate::client::Sight;
    let replaced =
        conn.error.as_deref().is_some_and(|error| matches!(error, "conflict" | "reset" | "not-authorized"));
    let mut sights = conn.records.iter().filter_map(|number| run.record(*number));
    replaced
        || sights.any(|record| {
            matches!(&record.actor, Actor::Client(_, Sight::LoginFailed { .. } | Sight::BindFailed { .. }))
        })
}
