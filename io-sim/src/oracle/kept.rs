//! What a server has answered for is in the archives of those it is about, once and in order (`docs/promises.md`, P1, P3 and P6).
//!
//! Written from XEP-0313, sections 3 and 5, XEP-0198, section 4, and docs/replication.md. A message counts when the server has
//! acknowledged it, or went on answering its sender and did not die before the archive was read.

use std::collections::BTreeMap;

use eyot_core::xml::{Node, ns};

use super::model::{Listed, Listing, Mark, Run, Session, Stanza, To, listings};
use super::{Judged, Oracle, Violation};

const NAME: &str = "kept";

/// The oracle.
pub(super) struct Kept;

impl Oracle for Kept {
    fn name(&self) -> &'static str {
        NAME
    }

    fn judge(&self, run: &Run<'_>) -> Judged {
        let mut judged = Judged::default();
        let by_id = index(run);
        for listing in listings(run) {
            judge(run, &by_id, &listing, &mut judged);
        }
        judged
    }
}

/// Messages that were sent, by sender and id.
type Index<'r> = BTreeMap<(&'r str, &'r str), Vec<usize>>;

fn index<'r>(run: &'r Run<'_>) -> Index<'r> {
    let mut by_id: Index<'_> = BTreeMap::new();
    for (ix, sent) in run.sent.iter().enumerate().filter(|(_, sent)| sent.is_kept()) {
        if let (Some(session), Some(id)) = (sent.session, sent.id.as_deref()) {
            by_id.entry((run.sessions[session].jid.as_str(), id)).or_default().push(ix);
        }
    }
    by_id
}

fn judge(run: &Run<'_>, by_id: &Index<'_>, listing: &Listing, judged: &mut Judged) {
    let reader = &run.sessions[listing.session];
    let mut taken = BTreeMap::new();
    let found: Vec<(Option<usize>, &Listed)> =
        listing.all.iter().map(|listed| (original(run, by_id, listed, &mut taken), listed)).collect();
    let mut first: BTreeMap<usize, &Listed> = BTreeMap::new();
    let mut last: BTreeMap<(usize, String), usize> = BTreeMap::new();
    for (ix, listed) in &found {
        let Some(ix) = *ix else { continue };
        let sent = &run.sent[ix];
        if let Some(other) = first.insert(ix, listed).filter(|other| other.id != listed.id) {
            judged.add(Some(tell(run, listing, sent, ("twice", other.record))));
        }
        let to = sent.to_jid().map_or_else(String::new, |to| to.bare_str().into());
        let Some(session) = sent.session.filter(|_| !sent.repeated) else { continue };
        let before = last.insert((session, to), ix);
        judged.add(
            before
                .filter(|before| *before > ix)
                .map(|_| tell(run, listing, sent, ("overtaken", listed.record))),
        );
    }
    for (ix, sent) in run.sent.iter().enumerate() {
        if is_due(run, (ix, sent), listing, reader) {
            let same = |other: &usize| {
                let other = &run.sent[*other];
                other.repeated && other.id == sent.id && other.from == sent.from
            };
            let found = first.contains_key(&ix) || (sent.repeated && first.keys().any(same));
            judged.add((!found).then(|| tell(run, listing, sent, ("lost", listing.done.number))));
        }
    }
}

/// Returns what a message of an archive is a copy of.
fn original(
    run: &Run<'_>,
    by_id: &Index<'_>,
    listed: &Listed,
    taken: &mut BTreeMap<usize, String>,
) -> Option<usize> {
    let known = by_id.get(&(listed.message.attr("from")?, listed.message.attr("id")?))?;
    let body = |node: &Node| node.child("body", ns::CLIENT).map(Node::text);
    let same = |ix: &&usize| body(&run.sent[**ix].element.tree()) == body(&listed.message);
    let mine = |ix: &usize| taken.get(ix).is_none_or(|id| *id == listed.id);
    let found = known.iter().filter(same).copied().find(mine).or_else(|| known.iter().find(same).copied())?;
    taken.entry(found).or_insert_with(|| listed.id.clone());
    Some(found)
}

/// Returns whether a message must be in the archive of the reader's account, at their node, by the time that it was read.
fn is_due(run: &Run<'_>, (ix, sent): (usize, &Stanza), listing: &Listing, reader: &Session) -> bool {
    let owner = reader.bare();
    let Some(sender) = sent.session.map(|session| &run.sessions[session]).filter(|_| sent.is_kept()) else {
        return false;
    };
    let recipient = match &sent.to {
        To::Jid(to) => to.bare_str(),
        To::Nobody => sender.bare(),
        To::Malformed => return false,
    };
    // What is for one resource and no other comes back when that is gone, and then its sender may be, too.
    let named = sent.to_jid().is_some_and(|to| to.resource().is_some()) && sent.class != "chat";
    let exists = !named && run.accounts.contains(recipient);
    let about = exists && (recipient == owner || sender.bare() == owner);
    let refused = is_answered(run, sent, ix) || sent.id.is_none();
    if !about
        || refused
        || run.blocks.stand_between(sender.bare(), recipient)
        || is_private(run)
        || run.troubles.forgot_in(sender.node, listing.begun.min(sent.mark()), listing.done)
    {
        return false;
    }
    // What another node has stored is in this archive when it is known here; what comes late has its place before what was read already,
    // and who goes on behind that has not read it.
    if sender.node != reader.node {
        let known =
            sender.handled(sent.mark()).and_then(|handled| run.known_at((sender.node, reader.node), handled));
        let disks = [sender.node, reader.node].map(|node| run.troubles.disk(node, sent.at, listing.done.at));
        return known.is_some_and(|known| known <= listing.begun) && disks == [false; 2];
    }
    // What a disk did not take came back as an error, and its sender may have been gone.
    let kept = |acked: Mark| acked <= listing.asked && !run.troubles.disk(sender.node, sent.at, acked.at);
    let promised = sender.acked(sent.mark()).is_some_and(kept);
    let handled = sender.handled(sent.mark()).is_some_and(|handled| handled <= listing.asked);
    let quiet = !run.troubles.died(sender.node, sent.at, listing.done.at)
        && !run.troubles.disk(sender.node, sent.at, listing.done.at);
    promised || (handled && quiet)
}

/// Returns whether its sender was told of it, or of another time that it was sent.
fn is_answered(run: &Run<'_>, sent: &Stanza, ix: usize) -> bool {
    let same = |(_, other): &(usize, &Stanza)| sent.repeated && other.repeated && other.id == sent.id;
    let mut times = run.sent.iter().enumerate().filter(same);
    !run.answers[ix].is_empty() || times.any(|(other, _)| !run.answers[other].is_empty())
}

/// Returns whether anybody chose what is archived, or accounts went: then it is not sure what has to be there.
fn is_private(run: &Run<'_>) -> bool {
    let chose = |sent: &Stanza| {
        sent.payload().is_some_and(|(name, namespace)| name == "prefs" || namespace == ns::REGISTER)
    };
    run.sent.iter().any(chose) || run.evidence.removes_accounts()
}

fn tell(run: &Run<'_>, listing: &Listing, sent: &Stanza, (kind, record): (&str, usize)) -> Violation {
    let who = run.client_name(listing.client);
    let sender = run.client_name(run.conn(sent).client);
    let what = format!("message {:?} of {sender} in the archive that {who} read: {kind}", sent.id);
    let mut violation = run.violation(NAME, kind, listing.done.at, what);
    violation.who = vec![who.into(), sender.into()];
    violation.records = vec![sent.record, record];
    violation
}
