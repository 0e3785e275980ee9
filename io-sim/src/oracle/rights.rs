//! Rights: sessions that lost theirs end (`docs/promises.md`, P8). Who was told that a password was changed or an account
//! removed can rely on it: nobody who had logged in before is served again, but for the session that asked.

use std::collections::BTreeMap;

use eyot_core::io::{Answer, Command, CommandId};

use super::model::{Mark, Run, Session, Told, Wish};
use super::registrar::{self, Request};
use super::{Judged, Oracle, Violation};
use crate::client::Sight;
use crate::world::{Actor, NodeSight};

const NAME: &str = "rights";

/// The oracle.
pub(super) struct Rights;

impl Oracle for Rights {
    fn name(&self) -> &'static str {
        NAME
    }

    fn judge(&self, run: &Run<'_>) -> Judged {
        let mut judged = Judged::default();
        let logins = logins(run);
        for change in by_operators(run).into_iter().chain(by_sessions(run)) {
            let account = run.in_reach_of(change.node, &change.user).iter().map(|ix| &run.sessions[*ix]);
            let before = account.filter(|session| {
                Some(session.conn) != change.by
                    && logins.get(&session.conn).is_some_and(|login| *login < change.since)
                    && session.maybe_bound(change.since, change.since)
            });
            for session in before {
                // Another node has to know of it first.
                let known = run.known_at((change.node, session.node), change.told.after());
                let answered = known.and_then(|known| session.handled(known));
                judged.add(answered.map(|answered| tell(run, session, &change, answered)));
            }
        }
        judged
    }
}

/// A change after which sessions had to end.
struct Change {
    node: usize,
    user: String,
    /// Whoever had logged in by then did so before it was done.
    since: Mark,
    /// When somebody was told that it was done.
    told: Mark,
    /// The connection of the session that asked for it.
    by: Option<usize>,
}

/// Returns when each connection was told that its login had succeeded.
fn logins(run: &Run<'_>) -> BTreeMap<usize, Mark> {
    let mut found = BTreeMap::new();
    for (ix, conn) in run.conns.iter().enumerate() {
        let logged_in = |number: &&usize| {
            let record = run.record(**number);
            record.is_some_and(|record| matches!(record.actor, Actor::Client(_, Sight::LoggedIn)))
        };
        found.extend(conn.records.iter().find(logged_in).map(|number| (ix, mark(run, *number))));
    }
    found
}

/// An operator is answered at the moment at which it is done.
fn by_operators(run: &Run<'_>) -> Vec<Change> {
    let mut open: BTreeMap<CommandId, String> = BTreeMap::new();
    let mut found = Vec::new();
    for (number, record) in run.evidence.history.iter().enumerate() {
        match &record.actor {
            Actor::Node(_, NodeSight::Asked(id, command)) => match command {
                Command::UserPasswd { user, .. } | Command::UserRemove { user } => {
                    open.insert(*id, user.as_str().into());
                }
                Command::UserAdd { .. }
                | Command::UserList { .. }
                | Command::EnsureAdmin { .. }
                | Command::Shutdown
                | Command::Cluster { .. } => {}
            },
            Actor::Node(node, NodeSight::Answered(id, Answer::Done | Answer::Account { .. })) => {
                let told = mark(run, number);
                let change = |user| Change { node: node.at(), user, since: told, told, by: None };
                found.extend(open.remove(id).map(change));
            }
            Actor::Node(..) | Actor::Client(..) | Actor::World(_) => {}
        }
    }
    found
}

/// A session hears some time after it was done, and it was not done before it asked.
fn by_sessions(run: &Run<'_>) -> Vec<Change> {
    let requests = registrar::requests(run);
    let mut found = Vec::new();
    for (number, request) in &requests {
        let Request::SessionTold { asked, user, told: Told::Done(_) } = request else { continue };
        let wish = requests.get(asked);
        let sent = run.sent.iter().find(|sent| sent.record == *asked);
        let (Some(Request::Session { wish: Wish::Passwd(_) | Wish::Remove, .. }), Some(sent)) = (wish, sent)
        else {
            continue;
        };
        found.push(Change {
            node: run.home(run.conn(sent).client),
            user: user.clone(),
            since: sent.mark(),
            told: mark(run, *number),
            by: Some(sent.conn),
        });
    }
    found
}

fn mark(run: &Run<'_>, number: usize) -> Mark {
    Mark { at: run.record(number).map_or(run.evidence.ended, |record| record.at), number }
}

fn tell(run: &Run<'_>, session: &Session, change: &Change, answered: Mark) -> Violation {
    let who = run.client_name(session.client);
    let what =
        format!("{} of {who} goes on although its account was changed at {}", session.jid, change.told.at);
    let mut violation = run.violation(NAME, "kept-session", answered.at, what);
    violation.who = vec![who.into()];
    violation.records = vec![change.told.number, answered.number];
    violation
}
