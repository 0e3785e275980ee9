//! Delivery: each message is delivered to whom it must reach, or comes back; never both (`docs/promises.md`, P1).
//!
//! Written from RFC 6121, section 8.5. What may be lost without a word today: what was under way to or from a
//! connection that broke, and what a node had when it died. So only messages count whose sender was answered later on
//! the same connection, and only recipients who were.

use super::model::{Kind, Run, Session, Stanza, To, Wanted, maybe_takes, surely_takes};
use super::{Oracle, Violation};
use crate::engine::SimTime;

const NAME: &str = "account-for";

/// The oracle.
pub(super) struct AccountFor;

impl Oracle for AccountFor {
    fn name(&self) -> &'static str {
        NAME
    }

    fn judge(&self, run: &Run<'_>) -> Vec<Violation> {
        let messages = run.sent.iter().enumerate().filter(|(_, sent)| sent.kind == Kind::Message);
        messages.filter_map(|(ix, sent)| judge(run, ix, sent)).collect()
    }
}

/// Who gets a message.
struct Recipients {
    /// These must.
    must: Vec<usize>,
    /// Somebody may.
    maybe: bool,
}

fn judge(run: &Run<'_>, ix: usize, sent: &Stanza) -> Option<Violation> {
    let sender = &run.sessions[sent.session?];
    let known = matches!(sent.class.as_str(), "" | "normal" | "chat" | "headline" | "groupchat");
    if !known {
        return None;
    }
    // What a client says in an error is a copy of it, and no answer of the server.
    let errors: Vec<&Stanza> =
        run.answers[ix].iter().map(|got| &run.got[*got]).filter(|got| got.copy_of.is_none()).collect();
    let copies: Vec<&Stanza> = run.copies[ix].iter().map(|got| &run.got[*got]).collect();
    if let [_, second, ..] = errors[..] {
        return Some(tell(run, sent, "answered-twice", second.at));
    }
    if let ([error, ..], [copy, ..]) = (&errors[..], &copies[..]) {
        return Some(tell(run, sent, "delivered-and-refused", error.at.max(copy.at)));
    }
    let handled = sender.handled(sent.at)?;
    let recipients = recipients(run, sent, sender, handled);
    for reader in &recipients.must {
        let session = &run.sessions[*reader];
        let Some(settled) = session.settled(handled) else { continue };
        if !copies.iter().any(|copy| copy.session == Some(*reader)) {
            let kind = if errors.is_empty() { "lost" } else { "refused" };
            return Some(tell(run, sent, kind, settled));
        }
    }
    let settled = sender.settled(sent.at)?;
    let due = sent.class != "headline" && !recipients.maybe && recipients.must.is_empty();
    (due && errors.is_empty() && copies.is_empty()).then(|| tell(run, sent, "unanswered", settled))
}

/// Returns whom the message reaches when the server handles it, at some time between `sent.at` and `handled`.
fn recipients(run: &Run<'_>, sent: &Stanza, sender: &Session, handled: SimTime) -> Recipients {
    let span = (sent.at, handled);
    let none = Recipients { must: Vec::new(), maybe: false };
    let (bare, full) = match &sent.to {
        To::Malformed => return none,
        To::Nobody => (sender.bare(), None),
        To::Jid(to) => (to.bare_str(), to.resource().map(|_| to.as_str())),
    };
    let account = run.of_account(sender.node, bare);
    let of_full = || account.iter().filter(|ix| full == Some(run.sessions[**ix].jid.as_str()));
    let mut maybe_full = of_full().filter(|ix| run.sessions[**ix].maybe_bound(span.0, span.1)).peekable();
    if full.is_some() && maybe_full.peek().is_some() {
        let sure = of_full().filter(|ix| run.sessions[**ix].surely_bound(span.0, span.1));
        return Recipients { must: sure.copied().collect(), maybe: true };
    }
    let as_bare = match (full, sent.class.as_str()) {
        (_, "groupchat") => false,
        (None, _) | (Some(_), "chat") => true,
        (Some(_), _) => false,
    };
    if !as_bare {
        return none;
    }
    let takes = |ix: &&usize| surely_takes(run, &run.sessions[**ix], Wanted::NonNegative, span);
    let maybe = account.iter().any(|ix| maybe_takes(run, &run.sessions[*ix], Wanted::NonNegative, span));
    Recipients { must: account.iter().filter(takes).copied().collect(), maybe }
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
