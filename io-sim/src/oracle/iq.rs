//! Requests: each is answered once, by whom it was for.
//!
//! Written from RFC 6120, sections 8.2.3 and 10, and RFC 6121, section 8.5.

use eyot_core::config::{Durability, Level, Short};

use super::model::{Mark, Run, Session, Stanza, is_about_account};
use super::{Check, Judged, Oracle, Patience, Violation};
use crate::engine::{SimSpan, SimTime};

const NAME: &str = "iq";
/// How long a change of an account may take on a disk that is only slow.
const DISK: SimSpan = SimSpan::from_secs(30);

/// How much later a change may be answered than it is held.
const AFTER: SimSpan = SimSpan::from_secs(5);

/// The oracle.
pub(super) struct Iqs;

impl Oracle for Iqs {
    fn name(&self) -> &'static str {
        NAME
    }

    fn judge(&self, run: &Run<'_>) -> Judged {
        let requests = run.sent.iter().enumerate().filter(|(_, sent)| sent.is_request() && sent.id.is_some());
        let mut judged = Judged::default();
        requests.for_each(|(ix, sent)| judge(run, (ix, sent), &mut judged));
        judged
    }
}

fn judge(run: &Run<'_>, (ix, sent): (usize, &Stanza), judged: &mut Judged) {
    let due = sent.session.and_then(|session| due(run, sent, &run.sessions[session]));
    match (&run.answers[ix][..], due) {
        ([_, second, ..], _) => {
            let again = &run.got[*second];
            let twice = (!asks_again(run, sent, again)).then(|| tell(run, sent, "answered-twice", again.at));
            judged.add(twice);
        }
        ([_], Some(_)) => judged.add(None),
        ([], Some(due)) => judged.add(Some(tell(run, sent, "unanswered", due.at))),
        ([_] | [], None) => {}
    }
}

/// Returns whether its client asked again when it resumed its session: the disk of its node had forgotten what it had acknowledged
/// of that session, and the two counted differently from there on.
fn asks_again(run: &Run<'_>, sent: &Stanza, second: &Stanza) -> bool {
    let sender = sent.session.map(|session| &run.sessions[session]);
    let resumed = sender.filter(|one| one.resumed.is_some_and(|resumed| sent.mark() < resumed));
    resumed.is_some_and(|one| sent.repeated && run.troubles.forgot_in(one.node, one.asked, second.mark()))
}

/// Returns when the answer must have come, as far as that can be known.
fn due(run: &Run<'_>, sent: &Stanza, sender: &Session) -> Option<Mark> {
    if is_about_account(sent) {
        let mut checks = run.evidence.checks.iter().map(Check::mark);
        return checks.find(|check| sent.at + DISK <= check.at && run.is_settled_at(sender, *check));
    }
    let handled = sender.handled(sent.mark())?;
    let full = sent.to_jid().filter(|to| to.resource().is_some());
    let asked = full.map_or(&[][..], |to| run.in_reach_of(sender.node, to.as_str()));
    if let Some(patience) = run.evidence.cast.cluster
        && asked.iter().any(|ix| run.sessions[*ix].node != sender.node)
        && !asked.iter().any(|ix| may_have_it(&run.sessions[*ix], sender, (sent.mark(), handled)))
    {
        return due_over_nodes(run, sent, sender, patience);
    }
    let mut asked =
        asked.iter().map(|ix| &run.sessions[*ix]).filter(|one| one.maybe_bound(sent.mark(), handled));
    match (asked.next(), asked.next()) {
        // The server answers, a change when it is as safe as the domain wants it, or was held for long enough.
        (None, _) if sent.class == "set" && run.evidence.cast.durability.level != Level::Local => {
            let waits = match run.evidence.cast.durability.short {
                Short::Hold { time } => time,
                Short::Degrade => Durability::HOLD,
            };
            let due = run.place(handled.at + SimSpan::from_micros(waits.as_micros()) + AFTER);
            let settled = sender.settled(due)?;
            (!run.troubles.died(sender.node, sent.at, settled.at)).then_some(settled)
        }
        (None, _) => sender.settled(sent.mark()),
        // A client answers, if it lives long enough.
        (Some(other), None) if run.blocks.stand_between(sender.bare(), other.bare()) => None,
        (Some(other), None) if other.surely_bound(sent.mark(), handled) => {
            let got = other.settled(handled)?;
            sender.settled(other.handled(got)?)
        }
        (Some(_), _) => None,
    }
}

/// Returns whether a session of the sender's own node may have been given a request: nobody then waits for another node's answer.
fn may_have_it(one: &Session, sender: &Session, (sent, handled): (Mark, Mark)) -> bool {
    one.node == sender.node && one.maybe_bound(sent, handled)
}

/// Returns when the answer to a request must have come that may be for a client of another node: the asker's own node answers when
/// nobody else does in time, whatever becomes of the other one and the link.
fn due_over_nodes(run: &Run<'_>, sent: &Stanza, sender: &Session, patience: Patience) -> Option<Mark> {
    let handled = sender.handled(sent.mark())?;
    let due = run.place(handled.at + patience.answer + DISK);
    let settled = sender.settled(due)?;
    (!run.troubles.died(sender.node, sent.at, settled.at)).then_some(settled)
}

fn tell(run: &Run<'_>, sent: &Stanza, kind: &str, at: SimTime) -> Violation {
    let who = run.client_name(run.conn(sent).client);
    let to = sent.to_jid().map_or("its account", |to| to.as_str());
    let what = format!("request {:?} that {who} sent to {to} at {}: {kind}", sent.id, sent.at);
    let mut violation = run.violation(NAME, kind, at, what);
    violation.who = vec![who.into()];
    violation.records = vec![sent.record];
    violation
}
