//! Delivery: each message is delivered to whom it must reach, or comes back; never both (`docs/promises.md`, P1).
//!
//! Written from RFC 6121, section 8.5. What may be lost without a word today: what was under way to or from a
//! connection that broke, and what a node had when it died. So only messages count whose sender was answered later on
//! the same connection, and only recipients who were.

use std::collections::BTreeSet;

use eyot_core::jid::Jid;
use eyot_core::xml::ns;

use super::model::{Kind, Mark, Run, Session, Stanza, To, Wanted, maybe_takes, surely_takes};
use super::{Judged, Oracle, Violation};
use crate::client::xmlns;
use crate::engine::{SimSpan, SimTime};

const NAME: &str = "account-for";

/// What had waited for somebody who has just come is told within so long, if the link is good.
const TELLING: SimSpan = SimSpan::from_secs(60);

/// The oracle.
pub(super) struct AccountFor;

impl Oracle for AccountFor {
    fn name(&self) -> &'static str {
        NAME
    }

    fn judge(&self, run: &Run<'_>) -> Judged {
        let messages = run.sent.iter().enumerate().filter(|(_, sent)| sent.kind == Kind::Message);
        let mut judged = Judged::default();
        messages.for_each(|(ix, sent)| judge(run, (ix, sent), &mut judged));
        judged
    }
}

/// Who gets a message.
struct Recipients {
    /// These must.
    must: Vec<usize>,
    /// These may, and nobody else.
    maybe: Vec<usize>,
}

fn judge(run: &Run<'_>, (ix, sent): (usize, &Stanza), judged: &mut Judged) {
    let found = look(run, ix, sent);
    judged.count += usize::from(found != Verdict::Unknown);
    if let Verdict::Wrong(kind, at) = found {
        judged.violations.push(tell(run, sent, kind, at));
    }
}

/// What can be said of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Not enough is known of those it was for.
    Unknown,
    /// It must have reached somebody, or come back, and did.
    Right,
    /// It did not.
    Wrong(&'static str, SimTime),
}

fn look(run: &Run<'_>, ix: usize, sent: &Stanza) -> Verdict {
    let Some(sender) = sent.session.map(|session| &run.sessions[session]) else { return Verdict::Unknown };
    let known = matches!(sent.class.as_str(), "" | "normal" | "chat" | "headline" | "groupchat");
    if !known || sent.repeated {
        return Verdict::Unknown;
    }
    // What a client says in an error is a copy of it, and no answer of the server.
    let errors: Vec<&Stanza> =
        run.answers[ix].iter().map(|got| &run.got[*got]).filter(|got| got.copy_of.is_none()).collect();
    let copies: Vec<&Stanza> = run.copies[ix].iter().map(|got| &run.got[*got]).collect();
    if let [_, second, ..] = errors[..] {
        return Verdict::Wrong("answered-twice", second.at);
    }
    // Whoever acknowledges and does not may have got it: its sender is told that it is not known.
    let bare = |copy: &&Stanza| copy.session.map(|ix| run.sessions[ix].bare());
    let counting = |copy: &&Stanza| {
        let account = bare(copy).map_or(&[][..], |bare| run.in_reach_of(sender.node, bare));
        account.iter().any(|ix| run.sessions[*ix].counts)
    };
    let told = errors.first().map(|error| error.mark());
    let lost = |copy: &&Stanza| told.is_some_and(|told| may_be_lost(run, (sent, sender), copy, told));
    let left = |copy: &&Stanza| told.is_some_and(|told| may_be_left(run, sent, copy, told));
    let sure: Vec<&Stanza> =
        copies.iter().copied().filter(|copy| !counting(copy) && !lost(copy) && !left(copy)).collect();
    if let ([error, ..], [copy, ..]) = (&errors[..], &sure[..]) {
        return Verdict::Wrong("delivered-and-refused", error.at.max(copy.at));
    }
    let Some(handled) = sender.handled(sent.mark()) else { return Verdict::Unknown };
    // A disk that takes nothing is told to the sender, and that somebody is still being told what had waited.
    let waits = told.is_some_and(|until| is_being_told(run, sent, None, until));
    // Who blocks somebody refuses what they say (XEP-0191).
    let peer = sent.to_jid().map_or("", Jid::bare_str);
    let refused = run.blocks.stand_between(sender.bare(), peer);
    let until = told.map_or(handled.at, |told| told.at.max(handled.at));
    if waits || refused || run.troubles.disk(sender.node, sent.at, until) {
        return Verdict::Unknown;
    }
    let recipients = recipients(run, sent, sender, handled);
    let verdict = reached(run, (ix, sent), (sender, handled), &recipients.must);
    if let Verdict::Wrong(_, at) = verdict {
        return Verdict::Wrong(if errors.is_empty() { "lost" } else { "refused" }, at);
    }
    // Whoever may have got it has everything that was sent to them: it went nowhere, and the sender must hear of it.
    let far = recipients.maybe.iter().any(|reader| run.sessions[*reader].node != sender.node);
    let due = if far { answered_by(run, handled) } else { sent.mark() };
    let Some(settled) = sender.settled(due) else { return verdict };
    let heard = recipients.maybe.iter().all(|reader| {
        let reader = &run.sessions[*reader];
        has_all(run, reader, if reader.node == sender.node { handled } else { due })
    });
    // What is kept for somebody who is not there waits in the archive, and that tells (`kept`).
    if sent.class == "headline" || is_kept_for_somebody(run, sent, &recipients) || !heard {
        return verdict;
    }
    if is_being_told(run, sent, None, settled) {
        return verdict;
    }
    let kind = if recipients.maybe.is_empty() { "unanswered" } else { "unaccounted" };
    let due = errors.is_empty() && copies.is_empty();
    if due { Verdict::Wrong(kind, settled.at) } else { Verdict::Right }
}

/// Judges whether a message has reached those whom it must reach by the time that they are answered.
fn reached(
    run: &Run<'_>,
    (ix, sent): (usize, &Stanza),
    (sender, handled): (&Session, Mark),
    must: &[usize],
) -> Verdict {
    let copies: Vec<&Stanza> = run.copies[ix].iter().map(|got| &run.got[*got]).collect();
    let mut verdict = Verdict::Unknown;
    for reader in must {
        let session = &run.sessions[*reader];
        let far = session.node != sender.node;
        let due = if far { answered_by(run, handled) } else { handled };
        let Some(settled) = session.settled(due) else { continue };
        // A node that is slow, or died, may not have come to it.
        let troubled = run.troubles.last_touch(usize::MAX, sender.node, sent.at, settled.at).is_some();
        if (troubled || far) && is_being_told(run, sent, Some(session.node), settled) {
            continue;
        }
        // What a node had not stored when it died is lost, and nobody was told otherwise who was not sent an acknowledgement.
        let promised = !far && sender.acked(sent.mark()).is_some_and(|acked| acked <= settled);
        let died = |node| run.troubles.died(node, sent.at, settled.at);
        if !promised && (died(sender.node) || died(session.node)) {
            continue;
        }
        let read = session.got.iter().map(|ix| &run.got[*ix]).any(|got| is_answer_with(got, sent));
        if !read && !copies.iter().any(|copy| copy.session == Some(*reader)) {
            return Verdict::Wrong("lost", settled.at);
        }
        verdict = Verdict::Right;
    }
    verdict
}

/// Returns whether the node of the sender need not know that a session of another node has got a copy: what says so was lost with the
/// link, and what may not be stored comes back then (`docs/cluster-design.md`, 4).
fn may_be_lost(run: &Run<'_>, (sent, sender): (&Stanza, &Session), copy: &Stanza, told: Mark) -> bool {
    let reader = copy.session.map_or(sender.node, |reader| run.sessions[reader].node);
    !run.were_together((sender.node, reader), sent.at, told.max(copy.mark()).at)
}

/// Returns whether another session of the account may have left it, while the one that has got it may have been gone: what a client was
/// sent that is gone may not have come, and the sender is told that it is not known (`docs/promises.md`, P1).
fn may_be_left(run: &Run<'_>, sent: &Stanza, copy: &Stanza, told: Mark) -> bool {
    let Some(reader) = copy.session else { return false };
    let session = &run.sessions[reader];
    let others = run.of_account(session.node, session.bare()).iter().filter(|ix| **ix != reader);
    // What is for one resource the others have no part in.
    let named = sent.to_jid().filter(|to| to.resource().is_some()).map(Jid::as_str);
    let mut others = others.filter(|ix| named.is_none_or(|named| run.sessions[**ix].jid == named));
    let until = told.max(copy.mark());
    !sent.is_kept()
        && others.any(|ix| run.sessions[*ix].maybe_bound(sent.mark(), told))
        && !session.surely_bound(copy.mark(), until)
}

/// Returns when another node has surely done what it was told to when the node of the sender had handled something, and has said so.
fn answered_by(run: &Run<'_>, handled: Mark) -> Mark {
    run.evidence.cast.cluster.map_or(handled, |patience| run.later(handled, patience.notice))
}

/// Returns whether somebody has just begun to take messages for the account: what had waited for it goes first, and the rest
/// waits.
fn is_being_told(run: &Run<'_>, sent: &Stanza, node: Option<usize>, until: Mark) -> bool {
    let Some(to) = sent.to_jid() else { return false };
    let from = SimTime::from_nanos(sent.at.as_nanos().saturating_sub(TELLING.as_nanos()));
    let account = match node {
        Some(node) => run.of_account(node, to.bare_str()),
        None => run.in_reach_of(run.home(run.conn(sent).client), to.bare_str()),
    };
    let said = account.iter().flat_map(|ix| &run.sessions[*ix].sent);
    let mut said = said.map(|ix| &run.sent[*ix]).filter(|said| said.kind == Kind::Presence);
    said.any(|said| from <= said.at && said.mark() <= until && said.to == To::Nobody)
}

/// Returns whether it may be for an account there is, whose archive keeps it.
fn is_kept_for_somebody(run: &Run<'_>, sent: &Stanza, recipients: &Recipients) -> bool {
    let to = sent.to_jid().map(Jid::bare_str);
    // What is for one resource and no other comes back when that is gone (RFC 6121, 8.5.3.2.1). What came while it was there, and before
    // it was given, waits like everything that it has left.
    let named = sent.to_jid().is_some_and(|to| to.resource().is_some()) && sent.class != "chat";
    !(named && recipients.maybe.is_empty()) && sent.is_kept() && to.is_none_or(|to| run.accounts.contains(to))
}

/// Returns whether a session surely has all that the server sent it until `handled`: it was answered later, or it
/// has seen the end of its stream, which is the last thing it is sent.
fn has_all(run: &Run<'_>, session: &Session, handled: Mark) -> bool {
    session.settled(handled).is_some() || (session.bound.is_some() && run.conns[session.conn].over.is_some())
}

/// Returns when a message may be given to a session of an account, and until when: at another node later, and as the node of the sender
/// knew it, which may be what it was before.
fn span_of(run: &Run<'_>, sender: &Session, reader: &Session, span: (Mark, Mark)) -> (Mark, Mark) {
    match run.evidence.cast.cluster.filter(|_| reader.node != sender.node) {
        None => span,
        Some(patience) => (run.earlier(span.0, patience.unsure()), run.later(span.1, patience.notice)),
    }
}

/// Returns whom the message reaches when the server handles it, at some time between the sending and `handled`; at another node, soon
/// after that.
fn recipients(run: &Run<'_>, sent: &Stanza, sender: &Session, handled: Mark) -> Recipients {
    let span = (sent.mark(), handled);
    let none = Recipients { must: Vec::new(), maybe: Vec::new() };
    let (bare, full) = match &sent.to {
        To::Malformed => return none,
        To::Nobody => (sender.bare(), None),
        To::Jid(to) => (to.bare_str(), to.resource().map(|_| to.as_str())),
    };
    let account = run.in_reach_of(sender.node, bare);
    let pick = |fits: &dyn Fn(&Session, (Mark, Mark)) -> bool| -> Vec<usize> {
        let fits = |session: &Session| fits(session, span_of(run, sender, session, span));
        account.iter().copied().filter(|ix| fits(&run.sessions[*ix])).collect()
    };
    let are_together = |reader: &Session, span: (Mark, Mark)| {
        run.were_together((sender.node, reader.node), span.0.at, span.1.at)
    };
    let is_named = |session: &Session| full == Some(session.jid.as_str());
    let named = pick(&|session, span| is_named(session) && session.maybe_bound(span.0, span.1));
    let sure = pick(&|session, span| {
        is_named(session) && session.surely_bound(span.0, span.1) && are_together(session, span)
    });
    // Of two who have one address at different nodes, one has to go.
    let nodes: BTreeSet<usize> = named.iter().map(|ix| run.sessions[*ix].node).collect();
    let sure = if nodes.len() > 1 { Vec::new() } else { sure };
    let as_bare = match (full, sent.class.as_str()) {
        (_, "groupchat") => false,
        (None, _) | (Some(_), "chat") => true,
        (Some(_), _) => false,
    };
    if sent.is_kept()
        && sure.iter().any(|ix| {
            let session = &run.sessions[*ix];
            !surely_takes(run, session, Wanted::NonNegative, span_of(run, sender, session, span))
        })
    {
        // It may wait in the archive until somebody takes messages for the account again.
        return Recipients { must: Vec::new(), maybe: named };
    }
    if !sure.is_empty() || !as_bare {
        return Recipients { must: sure, maybe: named };
    }
    let must = pick(&|session, span| {
        surely_takes(run, session, Wanted::NonNegative, span) && are_together(session, span)
    });
    let maybe = pick(&|session, span| maybe_takes(run, session, Wanted::NonNegative, span));
    if named.is_empty() {
        return Recipients { must, maybe };
    }
    // Perhaps for the resource, perhaps for the account: it must reach nobody in particular.
    Recipients { must: Vec::new(), maybe: named.into_iter().chain(maybe).collect() }
}

fn tell(run: &Run<'_>, sent: &Stanza, kind: &str, at: SimTime) -> Violation {
    let who = run.client_name(run.conn(sent).client);
    let to = sent.to_jid().map_or("no address", |to| to.as_str());
    let what = format!("message {:?} that {who} sent to {to} at {}: {kind}", sent.id, sent.at);
    let mut violation = run.violation(NAME, kind, at, what);
    violation.who = vec![who.into()];
    violation.records = vec![sent.record];
    violation
}

/// Returns whether somebody was shown a message as one of the archive: it is not given to them again.
fn is_answer_with(got: &Stanza, sent: &Stanza) -> bool {
    let id = |got: &Stanza| {
        let result = got.element.child("result", xmlns::MAM)?.tree();
        let message = result.child("forwarded", xmlns::FORWARD)?.child("message", ns::CLIENT)?.clone();
        message.attr("id").map(String::from)
    };
    sent.id.is_some() && id(got) == sent.id
}
