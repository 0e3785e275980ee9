//! Bounds in time: who does not log in is asked to leave when the time is over and not before, and an end comes to an
//! end (`core/src/limits.rs`, `login_time` and `close_time`). A timer that is lost shows here.

use super::model::{Conn, Run};
use super::{Judged, Oracle, Violation};
use crate::client::Sight;
use crate::engine::{SimSpan, SimTime};
use crate::world::Actor;

const NAME: &str = "login-time";
/// What the network may add: a link that comes and goes loses retransmissions, too. A timer that is lost never fires.
const SLACK: SimSpan = SimSpan::from_secs(60);
/// Bytes in a second that the slowest link of any story carries, retransmissions counted.
const SLOWEST: u64 = 200;
/// How long what was said before an end may take to be written.
const DRAIN: SimSpan = SimSpan::from_secs(30);

/// The oracle.
pub(super) struct LoginTime;

impl Oracle for LoginTime {
    fn name(&self) -> &'static str {
        NAME
    }

    fn judge(&self, run: &Run<'_>) -> Judged {
        let mut judged = Judged::default();
        run.conns.iter().for_each(|conn| judge(run, conn, &mut judged));
        judged
    }
}

fn judge(run: &Run<'_>, conn: &Conn, judged: &mut Judged) {
    let limits = &run.evidence.cast.limits;
    let login = SimSpan::from_micros(limits.login_time.as_micros());
    let close = SimSpan::from_micros(limits.close_time.as_micros());
    let timed_out = conn.over.filter(|_| conn.error.as_deref() == Some("connection-timeout"));
    if let Some(over) = timed_out.filter(|over| is_calm(run, conn, over.at)) {
        judged.add((over.at < conn.begun + login).then(|| tell(run, conn, "early", over.at)));
    }
    // Whoever asked for a session may have one, whether or not they were told.
    let stranger = conn.session.is_none().then_some(conn.heard).flatten();
    let due = stranger.map(|heard| heard + login + SLACK).filter(|_| conn.wild.is_none());
    if let Some(due) = due.filter(|due| is_known(run, conn, *due)) {
        let late = conn.over.is_none_or(|over| over.at > due) && conn.is_open(due);
        judged.add(late.then(|| tell(run, conn, "overdue", due)));
    }
    let closing = conn.closing.map(|mark| mark.at + transfer(run, conn) + DRAIN + close + SLACK);
    if let Some(due) = closing.filter(|due| is_known(run, conn, *due)) {
        judged.add(conn.is_open(due).then(|| tell(run, conn, "close-overdue", due)));
    }
}

/// What a client has sent before its end may take so long on the slowest link.
pub(super) fn transfer(run: &Run<'_>, conn: &Conn) -> SimSpan {
    let sights = conn.records.iter().filter_map(|number| run.record(*number));
    let bytes = sights.map(|record| match &record.actor {
        Actor::Client(_, Sight::Sent(bytes) | Sight::Wire { sent: true, bytes }) => bytes.len() as u64,
        Actor::Client(..) | Actor::Node(..) | Actor::World(_) => 0,
    });
    SimSpan::from_millis(bytes.sum::<u64>() * 1_000 / SLOWEST)
}

/// Returns whether it is known what became of a connection that was due to be gone, and no fault explains that.
fn is_known(run: &Run<'_>, conn: &Conn, due: SimTime) -> bool {
    run.evidence.ended > due && is_calm(run, conn, due)
}

fn is_calm(run: &Run<'_>, conn: &Conn, until: SimTime) -> bool {
    !run.troubles.touched(conn.client, run.home(conn.client), conn.begun, until)
}

fn tell(run: &Run<'_>, conn: &Conn, kind: &str, at: SimTime) -> Violation {
    let who = run.client_name(conn.client);
    let mut violation = run.violation(
        NAME,
        kind,
        at,
        format!("the connection that {who} asked for at {}: {kind}", conn.begun),
    );
    violation.who = vec![who.into()];
    violation.records = conn.records.first().copied().into_iter().collect();
    violation
}
