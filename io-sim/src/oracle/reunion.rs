//! Reunion: what is stored at one node of a cluster and is for a session at another one reaches it by the time that everything due has been
//! done, however long the two were kept apart, and what nobody was there for reaches whoever comes, wherever that is (`docs/promises.md`, P1
//! and P5).
//!
//! Written from docs/replication.md, R15 and R17, and RFC 6121, section 8.5.

use eyot_core::xml::ns;

use super::model::{Mark, Run, Session, Stanza, To, Wanted, maybe_takes, surely_takes};
use super::{Check, Judged, Oracle, Patience, Violation};
use crate::client::xmlns;

const NAME: &str = "reunion";

/// The oracle.
pub(super) struct Reunion;

impl Oracle for Reunion {
    fn name(&self) -> &'static str {
        NAME
    }

    fn judge(&self, run: &Run<'_>) -> Judged {
        let mut judged = Judged::default();
        let Some(patience) = run.evidence.cast.cluster else { return judged };
        let kept = run.sent.iter().enumerate().filter(|(_, sent)| sent.is_kept() && !sent.repeated);
        for (ix, sent) in kept {
            let Some(sender) = sent.session.map(|session| &run.sessions[session]) else { continue };
            let Some(check) = due(run, (ix, sent), sender, patience) else { continue };
            for reader in readers(run, sent, sender) {
                let there = surely_takes(run, reader, Wanted::NonNegative, (sent.mark(), check))
                    && run.is_settled_at(reader, check);
                let since = run.earlier(check, patience.unsure()).at;
                let healed = run.were_linked((sender.node, reader.node), since, check.at);
                if there && healed && !run.blocks.stand_between(sender.bare(), reader.bare()) {
                    let came = has_come(run, ix, reader);
                    judged.add((!came).then(|| tell(run, "never-came", (sent, sender), (reader, check))));
                }
            }
            if let Some(reader) = comer(run, (ix, sent), (sender, check), patience) {
                let came = has_come(run, ix, reader);
                judged.add((!came).then(|| tell(run, "never-given", (sent, sender), (reader, check))));
            }
        }
        judged
    }
}

/// Returns the check by which a message must have come; nothing where the node of the sender need not have taken it.
fn due(run: &Run<'_>, (ix, sent): (usize, &Stanza), sender: &Session, patience: Patience) -> Option<Mark> {
    let acked = sender.acked(sent.mark());
    let taken = acked.or_else(|| sender.handled(sent.mark()))?;
    let mut checks = run.evidence.checks.iter().map(Check::mark);
    let check = checks.find(|check| check.at >= taken.at + patience.notice)?;
    let died = acked.is_none() && run.troubles.died(sender.node, sent.at, check.at);
    // What its disk did not take came back.
    // So did what is for a resource that its sender's node did not see, and whether who had gone would have heard that is not known.
    let named = sent.to_jid().is_some_and(|to| to.resource().is_some()) && sent.class != "chat";
    if named && sender.settled(taken).is_none_or(|heard| heard > check) {
        return None;
    }
    let sure = !died && run.answers[ix].is_empty() && !run.troubles.disk(sender.node, sent.at, taken.at);
    (sure && !run.troubles.forgot_in(sender.node, sent.mark(), check)).then_some(check)
}

/// Returns the sessions at other nodes that a message is for: the one that it names, or all of the account.
fn readers<'r>(run: &'r Run<'_>, sent: &'r Stanza, sender: &'r Session) -> impl Iterator<Item = &'r Session> {
    let to = match &sent.to {
        To::Jid(to) => to.as_str(),
        To::Nobody => sender.bare(),
        To::Malformed => "",
    };
    let all = run.in_reach_of(sender.node, to).iter().map(|ix| &run.sessions[*ix]);
    all.filter(|session| session.node != sender.node)
}

/// Returns the session that has to be given a message for which nobody was there: the only one of its account, at any node, that may have
/// been there for it since it was said.
fn comer<'r>(
    run: &'r Run<'_>,
    (ix, sent): (usize, &'r Stanza),
    (sender, check): (&'r Session, Mark),
    patience: Patience,
) -> Option<&'r Session> {
    let To::Jid(to) = &sent.to else { return None };
    let account = run.in_reach_of(sender.node, to.bare_str()).iter().map(|ix| &run.sessions[*ix]);
    let span = (sent.mark(), check);
    let mut may = account.filter(|session| {
        maybe_takes(run, session, Wanted::NonNegative, span)
            || (session.jid.as_str() == to.as_str() && session.maybe_bound(span.0, span.1))
    });
    let only = may.next().filter(|_| may.next().is_none())?;
    let since = run.earlier(check, patience.unsure());
    let there =
        surely_takes(run, only, Wanted::NonNegative, (since, check)) && run.is_settled_at(only, check);
    let healed = run.were_linked((sender.node, only.node), since.at, check.at);
    let free = !run.blocks.stand_between(sender.bare(), only.bare()) && run.answers[ix].is_empty();
    let sure = !run.troubles.forgot_in(only.node, sent.mark(), check);
    (there && healed && free && sure).then_some(only)
}

/// Returns whether a session has a copy of a message, or has read it in the archive before it could be given one.
fn has_come(run: &Run<'_>, ix: usize, reader: &Session) -> bool {
    let copied = |got: &usize| run.got[*got].copy_of == Some(ix) || shows(&run.got[*got], &run.sent[ix]);
    reader.got.iter().any(copied)
}

/// Returns whether a page of an archive shows a message.
fn shows(got: &Stanza, sent: &Stanza) -> bool {
    let id = || {
        let result = got.element.child("result", xmlns::MAM)?.tree();
        let message = result.child("forwarded", xmlns::FORWARD)?.child("message", ns::CLIENT)?.clone();
        message.attr("id").map(String::from)
    };
    sent.id.is_some() && id() == sent.id
}

fn tell(
    run: &Run<'_>,
    kind: &str,
    (sent, sender): (&Stanza, &Session),
    (reader, check): (&Session, Mark),
) -> Violation {
    let who = [run.client_name(sender.client), run.client_name(reader.client)];
    let what = format!("message {:?} of {} at {} has not come to {}", sent.id, who[0], sent.at, who[1]);
    let mut violation = run.violation(NAME, kind, check.at, what);
    violation.who = who.map(String::from).to_vec();
    violation.records = vec![sent.record];
    violation
}
