//! Order: what one session sends to another arrives in the order in which it was sent (`docs/promises.md`, P3).

use std::collections::BTreeMap;

use eyot_core::jid::Jid;

use super::model::{Kind, Mark, Run, Session, Stanza, To, Wanted, maybe_takes, surely_takes};
use super::{Judged, Oracle};
use crate::engine::{SimSpan, SimTime};

const NAME: &str = "order";
/// What comes so long after something else was not handed on with it.
const APART: SimSpan = SimSpan::from_millis(500);
/// By then a node has done again what its disk did not take.
const AGAIN: SimSpan = SimSpan::from_secs(2);

/// The oracle.
pub(super) struct Order;

impl Oracle for Order {
    fn name(&self) -> &'static str {
        NAME
    }

    fn judge(&self, run: &Run<'_>) -> Judged {
        let mut judged = Judged::default();
        run.sessions.iter().for_each(|reader| judge(run, reader, &mut judged));
        judged
    }
}

/// Returns whether what looks like this presence may be another one. Presence that is not for somebody is shown again to
/// whoever comes online later, and looks to one's own resources like one that was sent to the account; and who says the
/// same twice cannot be told which time was heard.
fn is_vague(run: &Run<'_>, sender: usize, (sent, got): (&Stanza, &Stanza)) -> bool {
    // A session that had the address before may have said it, and was heard late.
    let Session { node, jid, .. } = &run.sessions[sender];
    let mut said =
        run.in_reach_of(*node, jid).iter().flat_map(|ix| &run.sessions[*ix].sent).map(|ix| &run.sent[*ix]);
    said.any(|other| {
        let another = other.record != sent.record || sent.to == To::Nobody;
        another && other.record < got.record && other.kind == Kind::Presence && other.says_the_same(sent)
    })
}

/// Returns whether what had waited may come of a session that ended after the reader had been given what was sent later: whoever comes
/// while that one still waits for its client is given what is owed first. What one session leaves is handed on at once and in order, so
/// nothing is excused where there was only one that can have left either; and what the reader was given because it was there was left
/// by nobody. Whether it was handed on is told by the time between, or by the client of the session that left it.
fn comes_of_another(run: &Run<'_>, reader: &Session, (sent, got): (&Stanza, &Stanza), last: Last) -> bool {
    let later = &run.sent[last.ix];
    let Some(before) = run.record(last.seen) else { return false };
    let seen = Mark { at: before.at, number: last.seen };
    let apart = got.at > before.at + APART;
    let straight = may_be_for(run, reader, later) && !is_for(run, reader, sent);
    let others = run.in_reach_of(reader.node, reader.bare()).iter().map(|ix| &run.sessions[*ix]);
    let others = others.filter(|one| one.asked != reader.asked && one.maybe_bound(sent.mark(), seen));
    let others: Vec<&Session> = others.collect();
    let had_it = others.iter().any(|one| had_only_the_first(run, one, got, last));
    if !got.is_delayed() || !(apart || straight || had_it) {
        return false;
    }
    // It took both, and nobody else can have had the later one and gone first; nor could the reader's node think that it was gone.
    let together = |one: &Session| run.were_together((reader.node, one.node), sent.at, before.at);
    let alone =
        matches!(&others[..], [one] if together(one) && is_for(run, one, sent) && is_for(run, one, later));
    !alone && others.iter().any(|one| one.counts && one.maybe_bound(sent.mark(), sent.mark()))
}

/// Returns whether a session had been given what came late, and not what was sent later: its client read its stream to the end.
fn had_only_the_first(run: &Run<'_>, one: &Session, late: &Stanza, last: Last) -> bool {
    let had = |ix: usize| one.got.iter().any(|got| run.got[*got].copy_of == Some(ix));
    run.conns[one.conn].over.is_some() && late.copy_of.is_some_and(had) && !had(last.ix)
}

/// Returns whether what was sent later may have come first because it may not be stored: what one session leaves to another does not wait
/// for its turn in memory while the disk of its node does not work (`docs/promises.md`, P1).
fn did_not_wait(run: &Run<'_>, reader: &Session, last: Last) -> bool {
    let later = &run.sent[last.ix];
    let Some(seen) = run.record(last.seen).map(|record| record.at) else { return false };
    let since = SimTime::from_nanos(seen.as_nanos().saturating_sub(AGAIN.as_nanos())).max(later.at);
    !later.is_kept() && run.troubles.disk_fails(reader.node, since, seen)
}

/// Returns whether the server may have given a stanza to the reader at once, not after another session had left it. What is for another
/// resource is for its account where that resource need not have been there (RFC 6121, 8.5.3.2.1).
fn may_be_for(run: &Run<'_>, reader: &Session, sent: &Stanza) -> bool {
    let (now, to) = ((sent.mark(), sent.mark()), sent.to_jid().map(Jid::as_str));
    let bare = sent.to_jid().map(|to| to.bare_str() == reader.bare());
    let there = |jid: &str| {
        let mut named = run.in_reach_of(reader.node, jid).iter().map(|ix| &run.sessions[*ix]);
        named.any(|one| one.surely_bound(now.0, now.1))
    };
    (to == Some(&reader.jid) && reader.maybe_bound(now.0, now.1))
        || (bare == Some(true)
            && maybe_takes(run, reader, Wanted::NonNegative, now)
            && to.is_some_and(|to| to == reader.bare() || !there(to)))
}

/// Returns whether it surely had to.
fn is_for(run: &Run<'_>, reader: &Session, sent: &Stanza) -> bool {
    let (now, to) = ((sent.mark(), sent.mark()), sent.to_jid().map(Jid::as_str));
    (to == Some(&reader.jid) && reader.surely_bound(now.0, now.1))
        || (to == Some(reader.bare()) && surely_takes(run, reader, Wanted::NonNegative, now))
}

/// What a reader got last of a sender.
#[derive(Clone, Copy)]
struct Last {
    /// What was sent.
    ix: usize,
    /// The record of it coming.
    seen: usize,
}

fn judge(run: &Run<'_>, reader: &Session, judged: &mut Judged) {
    // What had waited for somebody comes later than what it was sent with, and in the order of its own.
    let mut last: BTreeMap<(usize, Option<String>), Last> = BTreeMap::new();
    for got in reader.got.iter().map(|ix| &run.got[*ix]).filter(|got| !got.again) {
        let Some(ix) = got.copy_of else { continue };
        let sent = &run.sent[ix];
        let Some(sender) = sent.session.filter(|_| !sent.repeated) else { continue };
        if sent.kind == Kind::Presence && is_vague(run, sender, (sent, got)) {
            continue;
        }
        let to = || sent.to_jid().map_or_else(String::new, |to| to.as_str().into());
        let waited = got.is_delayed().then(to);
        let here = Last { ix, seen: got.record };
        let Some(last) = last.insert((sender, waited), here) else { continue };
        judged.count += 1;
        let Last { ix: later, seen } = last;
        let waits = got.is_delayed() && did_not_wait(run, reader, last);
        if later > ix && !waits && !comes_of_another(run, reader, (sent, got), last) {
            let who = [run.client_name(run.sessions[sender].client), run.client_name(reader.client)];
            let names = (&run.sent[later].id, &sent.id);
            let what = format!(
                "{} got {:?} of {} before {:?}, which was sent first",
                who[1], names.0, who[0], names.1
            );
            let mut violation = run.violation(NAME, "overtaken", got.at, what);
            violation.who = who.map(String::from).to_vec();
            violation.records = vec![sent.record, run.sent[later].record, seen, got.record];
            judged.violations.push(violation);
        }
    }
}
