//! Presence, event by event: who surely had to hear of one has heard of it by the time that they are answered.
//!
//! Written from RFC 6121, sections 4.2.2, 4.4.2, 4.5.2, 4.5.3 and 4.6.3. What a reader sends after an event and is answered proves
//! that all the server had to say of that event came before, for a stream keeps order.

use super::login_time::transfer;
use super::model::{Kind, Mark, Run, Session, Stanza, To, Wanted, priority_of, surely_takes};
use super::presence::NAME;
use super::{Judged, Violation};
use crate::engine::SimSpan;

/// How long a node may take to notice the end of a connection whose last bytes are on their way.
const NOTICE: SimSpan = SimSpan::from_secs(60);

/// Something that readers have to hear of.
struct Event<'r> {
    /// What it is called when they do not.
    kind: &'static str,
    /// Of whom they have to hear.
    of: &'r Session,
    /// What they have to hear: available, or not.
    class: &'static str,
    /// What the session had said of itself before it; it is heard of later.
    said: Mark,
    /// It happened between these two, at the server.
    span: (Mark, Mark),
    /// What the session sent from then on has no part in it.
    until: Mark,
}

/// Judges all events of a run.
pub(super) fn judge(run: &Run<'_>, judged: &mut Judged) {
    for session in &run.sessions {
        let said: Vec<(&Stanza, Option<i8>)> = session
            .sent
            .iter()
            .map(|ix| &run.sent[*ix])
            .filter_map(|sent| Some((sent, priority_of(sent)?)))
            .collect();
        let mut before = None;
        for (sent, priority) in &said {
            judge_said(run, session, (sent, *priority, before), judged);
            before = *priority;
        }
        if let Some((last, left)) = end_of(run, session) {
            judge_end(run, session, (said.last(), last, left), judged);
        }
    }
}

/// Returns when a session was surely there for the last time, and when it had surely ended so that its node knew.
fn end_of(run: &Run<'_>, session: &Session) -> Option<(Mark, Mark)> {
    let bound = session.bound?;
    let conn = &run.conns[session.conn];
    let left = session.gone.min(lost_by(run, session).unwrap_or(Mark::FOREVER));
    let died = run.troubles.died(session.node, bound.at, left.at);
    let known = left != Mark::FOREVER && left > bound;
    (known && !died && !conn.is_wild(left.number)).then_some((session.alive.max(bound), left))
}

/// Returns by when a node must have noticed that the client of a session has left without a word: no loss and no fault kept the two
/// apart, or something that was sent since came through.
fn lost_by(run: &Run<'_>, session: &Session) -> Option<Mark> {
    let conn = &run.conns[session.conn];
    if run.evidence.cast.lossy.contains(&session.client) || session.counts {
        return None;
    }
    let due = conn.ended?.at + transfer(run, conn) + NOTICE;
    let touched = run.troubles.last_touch(session.client, session.node, conn.begun, due);
    let calm = touched.is_none_or(|end| end < session.alive.at);
    (calm && due < run.evidence.ended).then(|| run.place(due))
}

/// What a session says of itself: its own account hears of it, and at its beginning it hears of the others.
fn judge_said(
    run: &Run<'_>,
    session: &Session,
    (sent, priority, before): (&Stanza, Option<i8>, Option<i8>),
    judged: &mut Judged,
) {
    let said = sent.mark();
    let Some(handled) = session.handled(said).filter(|_| !run.conns[session.conn].is_wild(sent.record))
    else {
        return;
    };
    let span = (said, handled);
    let (kind, class) = match priority {
        Some(_) => ("unheard", ""),
        None => ("left-unsaid", "unavailable"),
    };
    let event = Event { kind, of: session, class, said, span, until: said };
    // Of one who was not there, only those hear who were told directly.
    if priority.is_some() || before.is_some() {
        judge_account(run, &event, judged);
    }
    if priority.is_none() {
        judge_told(run, &event, judged);
        return;
    }
    if before.is_some() {
        return;
    }
    for other in others(run, session) {
        if surely_takes(run, other, Wanted::Available, span) {
            let event = Event { kind: "unannounced", of: other, class: "", said, span, until: said };
            // Its own presence comes back first, and proves nothing of what comes behind.
            judge_reader(run, &event, (session, session.settled(said.after())), judged);
        }
    }
}

/// A session that was available until its end.
fn judge_end(
    run: &Run<'_>,
    session: &Session,
    (said, last, left): (Option<&(&Stanza, Option<i8>)>, Mark, Mark),
    judged: &mut Judged,
) {
    let (kind, class, span) = ("ended-unsaid", "unavailable", (last, left));
    let event = |said| Event { kind, of: session, class, said, span, until: left };
    // Whoever has the address at another node is seen in its place.
    let covered = run.in_reach_of(session.node, &session.jid).iter().map(|ix| &run.sessions[*ix]);
    let covered = covered.into_iter().any(|one| one.node != session.node && one.maybe_bound(last, left));
    let said = said.filter(|(sent, _)| !covered && session.handled(sent.mark()).is_some());
    if let Some((sent, Some(_))) = said {
        judge_account(run, &event(sent.mark()), judged);
    }
    // What it said last may have come when it was over: only what it told each of them counts.
    judge_told(run, &event(session.asked), judged);
}

/// The other sessions of an account.
fn others<'r>(run: &'r Run<'_>, session: &'r Session) -> impl Iterator<Item = &'r Session> {
    let account = run.of_account(session.node, session.bare()).iter().map(|ix| &run.sessions[*ix]);
    account.filter(|other| other.jid != session.jid)
}

/// The available resources of the account hear of it.
fn judge_account(run: &Run<'_>, event: &Event<'_>, judged: &mut Judged) {
    for reader in others(run, event.of) {
        if surely_takes(run, reader, Wanted::Available, event.span) {
            judge_reader(run, event, (reader, reader.settled(event.span.1)), judged);
        }
    }
}

/// Those hear of it whom the session has told of itself, as it surely has when it was answered later and not refused,
/// and has not taken back.
fn judge_told(run: &Run<'_>, event: &Event<'_>, judged: &mut Judged) {
    let sent = |ix: &usize| (*ix, &run.sent[*ix]);
    let said = |(_, sent): &(usize, &Stanza)| sent.kind == Kind::Presence && sent.mark() < event.until;
    let said: Vec<(usize, &Stanza)> = event.of.sent.iter().map(sent).filter(said).collect();
    for (place, (ix, told)) in said.iter().enumerate() {
        let Some(to) = told.to_jid().filter(|to| told.class.is_empty() && to.bare_str() != event.of.bare())
        else {
            continue;
        };
        let ends =
            |sent: &Stanza| sent.class == "unavailable" && (sent.to == To::Nobody || sent.to == told.to);
        let ended = said[place + 1..].iter().any(|(_, sent)| ends(sent));
        let refused = !run.answers[*ix].is_empty() || event.of.settled(told.mark().after()).is_none();
        if ended || refused {
            continue;
        }
        for reader in run.of_account(event.of.node, to.bare_str()).iter().map(|ix| &run.sessions[*ix]) {
            // Whoever says that it is gone need not be told any more (RFC 6121, 4.6.1).
            let left = reader.sent.iter().map(|ix| &run.sent[*ix]).any(|sent| {
                let handled = reader.handled(sent.mark());
                let late = sent.mark() > told.mark() || handled.is_none_or(|handled| handled > told.mark());
                sent.kind == Kind::Presence && sent.class == "unavailable" && late
            });
            let knew = run.copies[*ix].iter().any(|got| run.got[*got].conn == reader.conn);
            let reached = match to.resource() {
                Some(_) => reader.jid == to.as_str() && reader.surely_bound(event.span.0, event.span.1),
                None => surely_takes(run, reader, Wanted::Available, event.span),
            };
            let blocked = run.blocks.stand_between(event.of.bare(), reader.bare());
            if knew && reached && !left && !blocked {
                let event = Event { said: event.said.max(told.mark()), ..*event };
                judge_reader(run, &event, (reader, reader.settled(event.span.1)), judged);
            }
        }
    }
}

/// Judges whether a reader has heard of it by the time that they are answered.
fn judge_reader(
    run: &Run<'_>,
    event: &Event<'_>,
    (reader, settled): (&Session, Option<Mark>),
    judged: &mut Judged,
) {
    let Some(settled) = settled.filter(|_| !reader.inactive) else { return };
    // What a node had not yet sent to a session that goes on after a kill has been told to nobody, its sender apart.
    if reader.counts && run.troubles.died(reader.node, event.said.at, settled.at) {
        return;
    }
    let got = reader.got.iter().map(|ix| &run.got[*ix]);
    let mut heard = got.filter(|got| {
        got.kind == Kind::Presence
            && got.class == event.class
            && got.from.as_deref() == Some(event.of.jid.as_str())
            && got.mark() > event.said
            && got.mark() <= settled
    });
    judged.add(heard.next().is_none().then(|| tell(run, event, reader, settled)));
}

fn tell(run: &Run<'_>, event: &Event<'_>, reader: &Session, settled: Mark) -> Violation {
    let who = run.client_name(reader.client);
    let what = format!("{who} ({}) has not heard of {}: {}", reader.jid, event.of.jid, event.kind);
    let mut violation = run.violation(NAME, event.kind, settled.at, what);
    violation.who = vec![who.into(), run.client_name(event.of.client).into()];
    violation.records = vec![event.said.number, settled.number];
    violation
}
