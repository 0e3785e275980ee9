//! Origin: whatever somebody gets was sent by whom it says, unaltered, to an address that may reach them.
//!
//! Written from RFC 6120, sections 8.1.2 and 10, and RFC 6121, section 8.5.

use super::model::{Kind, Mark, Run, Session, Stanza, To, Wanted, maybe_takes, own_probes, was_told};
use super::{Judged, Oracle};
use crate::client::xmlns;
use eyot_core::xml::ns;

const NAME: &str = "origin";

/// The oracle.
pub(super) struct Origin;

impl Oracle for Origin {
    fn name(&self) -> &'static str {
        NAME
    }

    fn judge(&self, run: &Run<'_>) -> Judged {
        let mut judged = Judged::default();
        run.got.iter().for_each(|got| judge(run, got, &mut judged));
        judged
    }
}

fn judge(run: &Run<'_>, got: &Stanza, judged: &mut Judged) {
    // What comes before a session is for the oracle of streams.
    let Some(reader) = got.session.map(|session| &run.sessions[session]) else { return };
    // The server answers a probe for an account of which nobody is there (RFC 6121, 4.3.2).
    let of_account =
        got.class == "unavailable" && got.from.as_deref().is_some_and(|from| !from.contains('/'));
    if of_account && got.kind == Kind::Presence {
        return;
    }
    if got.is_wrapper() || got.is_subscription() || is_push(got, reader) || follows(run, got, reader) {
        return;
    }
    let kind = match got.copy_of.map(|ix| &run.sent[ix]) {
        Some(sent) if may_reach(run, sent, got, reader) => return judged.add(None),
        // What the server says of somebody who has gone may read as what they said themselves at another time.
        _ if got.answers.is_some() || is_of_server(run, got, reader) => return judged.add(None),
        Some(_) if got.kind == Kind::Presence && is_of_another(run, got, reader) => return judged.add(None),
        Some(_) => "misrouted",
        None if is_unknowable(run, got, reader) => return,
        None if got.is_answer() && asked_before(run, got, reader) => return,
        None if got.is_answer() => "unasked-answer",
        None if is_altered(run, got, reader) => "altered",
        None => "invented",
    };
    let who = run.client_name(reader.client);
    let from = got.from.as_deref().unwrap_or("the server");
    let what = format!("{who} got a {:?} {:?} from {from}: {kind}", got.kind, got.id);
    let mut violation = run.violation(NAME, kind, got.at, what);
    violation.who = vec![who.into()];
    violation.records = got.copy_of.map(|ix| run.sent[ix].record).into_iter().chain([got.record]).collect();
    judged.add(Some(violation));
}

/// Returns whether somebody who had the address before asked for it.
fn asked_before(run: &Run<'_>, got: &Stanza, reader: &Session) -> bool {
    let sessions = run.in_reach_of(reader.node, &reader.jid).iter().map(|ix| &run.sessions[*ix]);
    let others = sessions.filter(|session| session.asked != reader.asked);
    let mut sent = others.flat_map(|session| &session.sent).map(|ix| &run.sent[*ix]);
    sent.any(|sent| sent.kind == got.kind && sent.id == got.id && sent.record < got.record)
}

/// Returns whether the server tells the reader of a change of what it keeps for the account.
fn is_push(got: &Stanza, reader: &Session) -> bool {
    let own = got.from.as_deref().is_none_or(|from| from == reader.bare());
    let kept = [ns::ROSTER, xmlns::BLOCKING];
    own && got.class == "set" && got.payload().is_some_and(|(_, namespace)| kept.contains(&namespace))
}

/// Returns whether it is presence of somebody who once allowed the reader's account to have it.
fn follows(run: &Run<'_>, got: &Stanza, reader: &Session) -> bool {
    let Some(from) = got.from.as_deref().filter(|_| got.kind == Kind::Presence) else { return false };
    let bare = from.split_once('/').map_or(from, |(bare, _)| bare);
    let publishers = run.in_reach_of(reader.node, bare).iter();
    let mut said = publishers.flat_map(|ix| &run.sessions[*ix].sent).map(|ix| &run.sent[*ix]);
    said.any(|sent| {
        sent.class == "subscribed" && sent.to_jid().is_some_and(|to| to.bare_str() == reader.bare())
    })
}

/// Returns whether a copy of `sent` may reach the session that got it.
fn may_reach(run: &Run<'_>, sent: &Stanza, got: &Stanza, reader: &Session) -> bool {
    let span = (sent.mark(), got.mark());
    let Some(sender) = sent.session.map(|session| &run.sessions[session]) else { return false };
    match (&sent.to, sent.kind) {
        (To::Nobody, Kind::Presence) => {
            let wants = || maybe_takes(run, reader, Wanted::Available, span) || own_probes(run, got) > 0;
            let own = reader.bare() == sender.bare() && wants();
            own || (sent.class == "unavailable" && was_told(run, &sender.jid, reader, sent.mark()))
        }
        (To::Nobody, Kind::Message) => {
            reader.bare() == sender.bare() && maybe_takes(run, reader, Wanted::NonNegative, span)
        }
        (To::Jid(to), _) if to.as_str() == reader.jid => true,
        // What a session never acknowledged goes to another of its account (XEP-0198, 5).
        (To::Jid(to), Kind::Message) if got.is_delayed() => to.bare_str() == reader.bare(),
        (To::Jid(to), Kind::Presence) => {
            to.as_str() == reader.bare() && maybe_takes(run, reader, Wanted::Available, span)
        }
        (To::Malformed, _) | (To::Nobody | To::Jid(_), Kind::Iq) => false,
        (To::Jid(to), Kind::Message) => {
            let class = sent.class.as_str();
            let for_bare = to.resource().is_none() && matches!(class, "" | "normal" | "chat" | "headline");
            // RFC 6121, 8.5.3.2.1: a chat message for a resource that is gone is as one for the account.
            let gone = to.resource().is_some()
                && class == "chat"
                && may_be_gone(run, (reader.node, to.as_str()), span);
            to.bare_str() == reader.bare()
                && (for_bare || gone)
                && maybe_takes(run, reader, Wanted::NonNegative, span)
        }
    }
}

/// Returns whether a presence is as well a copy of one that was sent earlier: they often read the same.
fn is_of_another(run: &Run<'_>, got: &Stanza, reader: &Session) -> bool {
    let from = got.from.as_deref().unwrap_or_default();
    let sessions = run.in_reach_of(reader.node, from);
    let sent = sessions.iter().flat_map(|ix| &run.sessions[*ix].sent).map(|ix| &run.sent[*ix]);
    sent.into_iter()
        .any(|sent| sent.record < got.record && sent.says_the_same(got) && may_reach(run, sent, got, reader))
}

/// Returns whether nobody may have been bound to the address at some time, as far as the node knew: each node gives its own sessions what is
/// for one that it does not see (`docs/replication.md`, R19), and what it is told late it may have been told before of who is there.
fn may_be_gone(run: &Run<'_>, (node, jid): (usize, &str), (from, until): (Mark, Mark)) -> bool {
    let unsure = run.evidence.cast.cluster.map_or(crate::engine::SimSpan::ZERO, |patience| patience.unsure());
    let is_seen = |session: &Session| {
        let from = if session.node == node { from } else { run.earlier(from, unsure) };
        session.surely_bound(from, until) && run.were_linked((session.node, node), from.at, until.at)
    };
    !run.in_reach_of(node, jid).iter().any(|ix| is_seen(&run.sessions[*ix]))
}

/// Returns whether the server says this by itself: that somebody whom the reader knew to be there has gone.
fn is_of_server(run: &Run<'_>, got: &Stanza, reader: &Session) -> bool {
    let Some(from) = got.from.as_deref() else { return false };
    if got.kind != Kind::Presence || got.class != "unavailable" || got.element.children().next().is_some() {
        return false;
    }
    let sessions = run.in_reach_of(reader.node, from);
    let own = from.split_once('/').is_some_and(|(bare, _)| bare == reader.bare());
    let known = own || was_told(run, from, reader, got.mark());
    known && sessions.iter().any(|ix| run.sessions[*ix].asked <= got.mark())
}

/// Returns whether the model cannot know: sender or reader sent what is no stanza, or it belongs to a negotiation.
fn is_unknowable(run: &Run<'_>, got: &Stanza, reader: &Session) -> bool {
    let negotiation = matches!(got.id.as_deref(), Some("bind" | "form" | "register"));
    let from = got.from.as_deref().unwrap_or_default();
    (got.kind == Kind::Iq && negotiation)
        || run.conn(got).is_wild(got.record)
        || run.is_wild(reader.node, from, got.record)
}

/// Returns whether the sender did send something by that name.
fn is_altered(run: &Run<'_>, got: &Stanza, reader: &Session) -> bool {
    let from = got.from.as_deref().unwrap_or_default();
    let sessions = run.in_reach_of(reader.node, from);
    let sent = sessions.iter().flat_map(|ix| &run.sessions[*ix].sent).map(|ix| &run.sent[*ix]);
    got.id.is_some() && sent.into_iter().any(|sent| sent.kind == got.kind && sent.id == got.id)
}
