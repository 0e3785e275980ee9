//! Blocking: what somebody says who is blocked reaches no session of the account that blocks them, neither itself nor as a copy
//! for one's other clients; and what the account says does not reach them.
//!
//! Written from XEP-0191, section 3.3: once the server has said that it is done, it "MUST NOT deliver any XML stanzas from the JID
//! to the user", and "MUST NOT route" what the user sends to the JID. A carbon (XEP-0280) of what came from a blocked JID brings the
//! stanza inside of it to the user. Neither says anything of a copy of what one has sent oneself and was refused: that is not judged.
//! Nor is presence, of which two often read the same.

use std::collections::BTreeMap;

use eyot_core::xml::{Node, ns};

use super::model::{Kind, Mark, Run, Session, Stanza};
use super::{Judged, Oracle, Violation};
use crate::client::xmlns;

const NAME: &str = "blocked";

/// The oracle.
pub(super) struct Blocked;

impl Oracle for Blocked {
    fn name(&self) -> &'static str {
        NAME
    }

    fn judge(&self, run: &Run<'_>) -> Judged {
        let count = run.sent.iter().filter(|sent| is_refused(run, sent)).count();
        let mut judged = Judged { count, violations: Vec::new() };
        let by_id = index(run);
        for got in &run.got {
            let Some(reader) = got.session.map(|session| &run.sessions[session]) else { continue };
            let (kind, sent): (_, Vec<&Stanza>) = match (got.copy_of, copied(got)) {
                (Some(ix), _) => ("delivered", vec![&run.sent[ix]]),
                (None, Some(key)) => {
                    let known = by_id.get(&key).map_or(&[][..], Vec::as_slice);
                    ("copied", known.iter().map(|ix| &run.sent[*ix]).collect())
                }
                (None, None) => continue,
            };
            let wrong = !sent.is_empty() && sent.iter().all(|sent| is_kept_from(run, sent, (reader, got)));
            judged.violations.extend(wrong.then(|| tell(run, (reader, got), sent[0], kind)));
        }
        judged
    }
}

/// Messages by sender and id.
type Index = BTreeMap<(String, String), Vec<usize>>;

fn index(run: &Run<'_>) -> Index {
    let mut by_id = Index::new();
    for (ix, sent) in run.sent.iter().enumerate().filter(|(_, sent)| sent.kind == Kind::Message) {
        if let (Some(session), Some(id)) = (sent.session, sent.id.clone()) {
            by_id.entry((run.sessions[session].jid.clone(), id)).or_default().push(ix);
        }
    }
    by_id
}

/// Returns sender and id of the message that somebody got a copy of, because another client of theirs did.
fn copied(got: &Stanza) -> Option<(String, String)> {
    let copy = got.element.child("received", xmlns::CARBONS)?.tree();
    let inner: &Node = copy.child("forwarded", xmlns::FORWARD)?.child("message", ns::CLIENT)?;
    Some((inner.attr("from")?.into(), inner.attr("id")?.into()))
}

/// Returns whether it surely went no further, whoever took it: its sender or whom it is for blocks the other.
fn is_refused(run: &Run<'_>, sent: &Stanza) -> bool {
    let (Some(sender), Some(to)) = (sent.session.map(|ix| &run.sessions[ix]), sent.to_jid()) else {
        return false;
    };
    let node = sender.node;
    let held =
        |account: &str, who: &str| run.blocks.hold(run, (account, node), who, (sent.mark(), sent.mark()));
    sent.kind != Kind::Presence
        && to.bare_str() != sender.bare()
        && (held(to.bare_str(), &sender.jid) || held(sender.bare(), to.as_str()))
}

/// Returns whether, from before it was sent until it came, the account of `reader` surely blocked the sender, or that of the sender the
/// address that it was sent to.
fn is_kept_from(run: &Run<'_>, sent: &Stanza, (reader, got): (&Session, &Stanza)) -> bool {
    let Some(sender) = sent.session.map(|ix| &run.sessions[ix]) else { return false };
    let (from, until): (Mark, Mark) = (sent.mark(), got.mark());
    let held = |own: &Session, who: &str| run.blocks.hold(run, (own.bare(), own.node), who, (from, until));
    sent.kind != Kind::Presence
        && !sent.repeated
        && sender.bare() != reader.bare()
        && run.troubles.forgot(reader.node).is_none_or(|at| at > got.at)
        && (held(reader, &sender.jid) || sent.to_jid().is_some_and(|to| held(sender, to.as_str())))
}

fn tell(run: &Run<'_>, (reader, got): (&Session, &Stanza), sent: &Stanza, kind: &str) -> Violation {
    let who = run.client_name(reader.client);
    let sender = run.client_name(run.conn(sent).client);
    let what = format!("{who} got {:?} of {sender}, and one of them blocks the other: {kind}", sent.id);
    let mut violation = run.violation(NAME, kind, got.at, what);
    violation.who = vec![who.into(), sender.into()];
    violation.records = vec![sent.record, got.record];
    violation
}
