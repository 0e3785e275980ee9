//! Sessions: one for each full JID, of the account that logged in; who is displaced is told so.
//!
//! Written from RFC 6120, sections 7.6, 7.7 and 4.9.3.3.

use std::collections::BTreeMap;

use eyot_core::jid::{BareJid, FullJid};

use super::model::{Mark, Run, Session};
use super::{Check, Judged, Oracle, Violation};
use crate::engine::SimTime;

const NAME: &str = "session";

/// The oracle.
pub(super) struct Sessions;

impl Oracle for Sessions {
    fn name(&self) -> &'static str {
        NAME
    }

    fn judge(&self, run: &Run<'_>) -> Judged {
        let addresses = run.sessions.iter().filter_map(|session| judge_address(run, session));
        let shared = run.same_address().flat_map(|same| judge_shared(run, same));
        let over_nodes = judge_over_nodes(run);
        let bound = run.sessions.iter().filter(|session| session.bound.is_some()).count();
        Judged { count: bound, violations: addresses.chain(shared).chain(over_nodes).collect() }
    }
}

fn judge_address(run: &Run<'_>, session: &Session) -> Option<Violation> {
    let bound = session.bound?;
    let user = run.evidence.cast.users.get(session.client).map(|user| BareJid::parse(user));
    let right = match (FullJid::parse(&session.jid), user) {
        (Ok(jid), Some(Ok(user))) => jid.bare() == user,
        (Ok(_) | Err(_), _) => false,
    };
    (!right).then(|| tell(run, session, "wrong-address", bound.at))
}

fn judge_shared(run: &Run<'_>, same: &[usize]) -> Vec<Violation> {
    let mut found = Vec::new();
    let sessions: Vec<&Session> = same.iter().map(|ix| &run.sessions[*ix]).collect();
    for (ix, one) in sessions.iter().enumerate() {
        let Some(bound) = one.bound else { continue };
        for other in &sessions[ix + 1..] {
            let Some(later) = other.bound else { continue };
            let undone = run.came_back(one, other) || run.came_back(other, one);
            if bound.max(later) < one.alive.min(other.alive) && !undone {
                found.push(tell(run, one, "two-owners", one.alive.min(other.alive).at));
            }
            if other.asked > bound {
                found.extend(judge_displaced(run, one, other.asked, later));
            }
        }
    }
    found
}

/// Two sessions of one address at different nodes: when the nodes have been together again for long enough, one of them is left
/// (`docs/replication.md`, 5).
fn judge_over_nodes(run: &Run<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    let Some(patience) = run.evidence.cast.cluster else { return found };
    for check in run.evidence.checks.iter().map(Check::mark) {
        let since = run.earlier(check, patience.unsure());
        let stays =
            |one: &&Session| one.bound.is_some_and(|bound| bound < since) && run.is_settled_at(one, check);
        let mut owners: BTreeMap<&str, &Session> = BTreeMap::new();
        for session in run.sessions.iter().filter(stays) {
            let Some(other) = owners.insert(&session.jid, session) else { continue };
            let nodes = (other.node, session.node);
            if nodes.0 != nodes.1 && run.were_linked(nodes, since.at, check.at) {
                found.push(tell(run, other, "two-nodes", check.at));
            }
        }
    }
    found
}

/// Judges what a session was told that another replaced at some time between `asked` and `bound`.
fn judge_displaced(run: &Run<'_>, older: &Session, asked: Mark, bound: Mark) -> Option<Violation> {
    let conn = &run.conns[older.conn];
    let went = |at: Option<Mark>| at.is_some_and(|mark| mark <= asked);
    if went(conn.ended) || went(conn.over) || went(conn.closing) || older.gone < asked {
        return None;
    }
    if conn.footer && conn.error.is_none() && conn.closing.is_none() {
        return Some(tell(run, older, "displaced-unsaid", conn.over.unwrap_or(bound).at));
    }
    let still = run.evidence.checks.iter().find(|check| {
        let home = run.home(older.client);
        check.mark() > bound
            && conn.stands(check.number)
            && !run.troubles.touched(older.client, home, conn.begun, check.at)
    });
    still.map(|check| tell(run, older, "displaced-unheard", check.at))
}

fn tell(run: &Run<'_>, session: &Session, kind: &str, at: SimTime) -> Violation {
    let who = run.client_name(session.client);
    let mut violation = run.violation(NAME, kind, at, format!("{} of {who}: {kind}", session.jid));
    violation.who = vec![who.into()];
    violation.records = run.conns[session.conn].records.first().copied().into_iter().collect();
    violation
}
