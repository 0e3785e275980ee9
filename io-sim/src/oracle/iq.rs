//! Requests: each is answered once, by whom it was for.
//!
//! Written from RFC 6120, sections 8.2.3 and 10, and RFC 6121, section 8.5.

use super::model::{Run, Session, Stanza, is_about_account};
use super::{Oracle, Violation};
use crate::engine::{SimSpan, SimTime};

const NAME: &str = "iq";
/// How long a change of an account may take on a disk that is only slow.
const DISK: SimSpan = SimSpan::from_secs(30);

/// The oracle.
pub(super) struct Iqs;

impl Oracle for Iqs {
    fn name(&self) -> &'static str {
        NAME
    }

    fn judge(&self, run: &Run<'_>) -> Vec<Violation> {
        let requests = run.sent.iter().enumerate().filter(|(_, sent)| sent.is_request() && sent.id.is_some());
        requests.filter_map(|(ix, sent)| judge(run, ix, sent)).collect()
    }
}

fn judge(run: &Run<'_>, ix: usize, sent: &Stanza) -> Option<Violation> {
    let answers = &run.answers[ix];
    if let [_, second, ..] = answers[..] {
        return Some(tell(run, sent, "answered-twice", run.got[second].at));
    }
    if !answers.is_empty() {
        return None;
    }
    let due = due(run, sent, &run.sessions[sent.session?])?;
    Some(tell(run, sent, "unanswered", due))
}

/// Returns when the answer must have come, as far as that can be known.
fn due(run: &Run<'_>, sent: &Stanza, sender: &Session) -> Option<SimTime> {
    if is_about_account(sent) {
        let mut checks = run.evidence.checks.iter().map(|check| check.at);
        return checks.find(|at| sent.at + DISK <= *at && run.is_settled_at(sender, *at));
    }
    let handled = sender.handled_record(sent.record)?;
    let full = sent.to_jid().filter(|to| to.resource().is_some());
    let asked = full.map_or(&[][..], |to| run.of_jid(sender.node, to.as_str()));
    let mut asked = asked.iter().map(|ix| &run.sessions[*ix]).filter(|one| one.maybe_bound(sent.at, handled));
    match (asked.next(), asked.next()) {
        // The server answers.
        (None, _) => sender.settled_record(sent.record),
        // A client answers, if it lives long enough.
        (Some(other), None) if other.surely_bound(sent.at, handled) => {
            let got = other.settled(handled)?;
            sender.settled(other.handled(got)?)
        }
        (Some(_), _) => None,
    }
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
