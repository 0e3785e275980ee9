//! What the oracles had to look at: one that never had anything to judge has proved nothing.

use eyot_core::io::Answer;

use super::list::Counts;
use crate::client::Sight;
use crate::engine::SimSpan;
use crate::oracle::model::{Kind, Run, Wanted, surely_takes};
use crate::world::{Actor, NodeSight};

/// Counts what each oracle had to look at.
pub(super) fn count(run: &Run<'_>, counts: &mut Counts) {
    counts.add("stream", run.conns.iter().filter(|conn| conn.heard.is_some()).count());
    counts.add("origin", run.got.iter().filter(|got| got.copy_of.is_some()).count());
    let once = run.got.iter().filter(|got| got.copy_of.is_some() && got.kind != Kind::Presence);
    counts.add("once", once.count());
    counts.add("session", run.sessions.iter().filter(|session| session.bound.is_some()).count());
    for session in &run.sessions {
        let copies = session.got.iter().filter_map(|got| run.got[*got].copy_of).map(|ix| &run.sent[ix]);
        let mut senders: Vec<_> =
            copies.filter(|sent| sent.kind != Kind::Presence).map(|sent| sent.session).collect();
        let all = senders.len();
        senders.sort_unstable();
        senders.dedup();
        counts.add("order", all - senders.len());
    }
    for sent in &run.sent {
        let Some(session) = sent.session.map(|session| &run.sessions[session]) else { continue };
        let settled = session.settled_record(sent.record).is_some();
        counts.see("account-for", settled && sent.kind == Kind::Message);
        counts.see("iq", settled && sent.is_request());
    }
    for check in run.evidence.checks {
        counts.add("liveness", 1);
        let asked = run.sessions.iter().filter(|session| {
            run.is_settled_at(session, check.at)
                && surely_takes(run, session, Wanted::Available, (check.at, check.at))
        });
        counts.add("presence", asked.count());
        let last = check.number.checked_sub(1).and_then(|last| run.record(last));
        let idle = last.map_or(0, |last| check.at.since(last.at).as_nanos() / 1_000_000_000);
        counts.add("idle", usize::try_from(idle).unwrap_or(usize::MAX));
    }
    let login = SimSpan::from_micros(run.evidence.cast.limits.login_time.as_micros());
    let bounded = run.conns.iter().filter(|conn| {
        let stranger = conn.session.is_none() && conn.heard.is_some_and(|at| at + login < run.evidence.ended);
        stranger || conn.closing.is_some()
    });
    counts.add("login-time", bounded.count());
    count_answers(run, counts);
}

fn count_answers(run: &Run<'_>, counts: &mut Counts) {
    for record in run.evidence.history {
        match &record.actor {
            Actor::Node(_, NodeSight::Answered(_, answer)) => {
                counts.add("accounts", 1);
                counts.see("durable", matches!(answer, Answer::Done | Answer::Account { .. }));
            }
            Actor::Client(_, Sight::Registered) => {
                counts.add("accounts", 1);
                counts.add("durable", 1);
            }
            Actor::Client(_, Sight::LoggedIn | Sight::LoginFailed { .. }) => counts.add("accounts", 1),
            Actor::Node(..) | Actor::Client(..) | Actor::World(_) => {}
        }
    }
}
