//! Presence: at a check everybody knows who of their account is there, and sees nobody who is not; and whoever comes or
//! goes in between is told of in time.
//!
//! Written from RFC 6121, sections 4.2 to 4.6.

use std::collections::BTreeMap;

use super::model::{Kind, Mark, Run, Session, Stanza, Wanted, priority_of, surely_takes};
use super::{Check, Judged, Oracle, Patience, Violation, presence_events};
use crate::engine::SimTime;

pub(super) const NAME: &str = "presence";

/// The oracle.
pub(super) struct Presences;

impl Oracle for Presences {
    fn name(&self) -> &'static str {
        NAME
    }

    fn judge(&self, run: &Run<'_>) -> Judged {
        let mut judged = Judged::default();
        for check in run.evidence.checks.iter().map(Check::mark) {
            for reader in &run.sessions {
                let knows = run.is_settled_at(reader, check)
                    && surely_takes(run, reader, Wanted::Available, (check, check));
                if knows && !reader.inactive {
                    judge_strangers(run, reader, check, &mut judged);
                    judge_others(run, reader, check, &mut judged);
                }
            }
        }
        presence_events::judge(run, &mut judged);
        judged
    }
}

/// The last presence that a session has seen of each address since it became available: before, it was told nothing. What comes ahead of
/// its own presence was sent before the server knew.
fn last_seen<'r>(run: &'r Run<'_>, reader: &Session, number: usize) -> BTreeMap<&'r str, &'r Stanza> {
    let said = reader.sent.iter().map(|ix| &run.sent[*ix]).take_while(|sent| sent.record < number);
    let mut since = 0;
    let mut available = false;
    for (record, priority) in said.filter_map(|sent| Some((sent.record, priority_of(sent)?))) {
        if priority.is_some() && !available {
            since = record;
        }
        available = priority.is_some();
    }
    let got = reader.got.iter().map(|ix| &run.got[*ix]);
    let is_own = |got: &&Stanza| {
        got.kind == Kind::Presence && got.class.is_empty() && got.from.as_deref() == Some(&reader.jid)
    };
    let own =
        got.clone().filter(is_own).map(|got| got.record).find(|record| (since..number).contains(record));
    let since = own.unwrap_or(since);
    let got = got.filter(|got| (since..number).contains(&got.record) && got.kind == Kind::Presence);
    let shown = got.filter(|got| matches!(got.class.as_str(), "" | "unavailable"));
    shown.filter_map(|got| Some((got.from.as_deref()?, got))).collect()
}

/// Whom the reader believes to be there, and is surely not.
fn judge_strangers(run: &Run<'_>, reader: &Session, check: Mark, judged: &mut Judged) {
    for (jid, seen) in last_seen(run, reader, check.after().number) {
        let sessions = run.in_reach_of(reader.node, jid);
        let blocked = jid.split('/').next().is_some_and(|bare| run.blocks.stand_between(reader.bare(), bare));
        if sessions.is_empty() || blocked {
            continue;
        }
        let gone = sessions.iter().map(|ix| &run.sessions[*ix]).all(|session| {
            let known = known_by(run, reader, session, check);
            session.asked > check
                || known.is_some_and(|known| run.is_surely_over(session, known))
                || (session.node == reader.node && has_left(run, session, reader, check))
        });
        if gone && seen.class.is_empty() && !run.is_wild(reader.node, jid, check.number) {
            judged.violations.push(tell(run, reader, "ghost", (jid, check.at), Some(seen)));
        }
        judged.count += usize::from(gone);
    }
}

/// Returns up to when what happened to a session has reached the node of a reader by a check: at once where it is the same one. What
/// happened at another node is known there when the link is up, and when it is not, the session is hidden for that.
fn known_by(run: &Run<'_>, reader: &Session, session: &Session, check: Mark) -> Option<Mark> {
    if session.node == reader.node {
        return Some(check);
    }
    let Patience { grace, notice, .. } = run.evidence.cast.cluster?;
    let at = check.at.as_nanos().checked_sub(grace.as_nanos())?.checked_sub(notice.as_nanos())?;
    Some(run.place(SimTime::from_nanos(at)))
}

/// Returns whether a session that goes on has said that it is not available, and nothing else since.
fn has_left(run: &Run<'_>, session: &Session, reader: &Session, check: Mark) -> bool {
    if !run.is_settled_at(session, check) {
        return false;
    }
    let said = session.sent.iter().rev().map(|ix| &run.sent[*ix]).filter(|sent| sent.kind == Kind::Presence);
    let for_reader = |to: &str| to == reader.jid || to == reader.bare();
    let mut said = said.filter(|sent| {
        sent.mark() <= check
            && (priority_of(sent).is_some() || sent.to_jid().is_some_and(|to| for_reader(to.as_str())))
    });
    said.next().is_some_and(|last| last.class == "unavailable")
}

/// Who is surely there and not known to the reader as they last said they are.
fn judge_others(run: &Run<'_>, reader: &Session, check: Mark, judged: &mut Judged) {
    let seen = last_seen(run, reader, check.after().number);
    let account = run.in_reach_of(reader.node, reader.bare());
    for session in account.iter().map(|ix| &run.sessions[*ix]) {
        let sure = run.is_settled_at(session, check)
            && surely_takes(run, session, Wanted::Available, (check, check));
        if !sure {
            continue;
        }
        let said =
            session.sent.iter().rev().map(|ix| &run.sent[*ix]).filter(|sent| sent.record <= check.number);
        let Some(last) = said.clone().find(|sent| priority_of(sent).is_some()) else { continue };
        if !has_come(run, reader, (session, last), check) {
            continue;
        }
        // Other nodes are told of net changes: who says the same again is not told of again (`docs/cluster-design.md`, 4).
        let same = |sent: &Stanza| {
            session.node != reader.node && (priority_of(sent).is_none() || sent.says_the_same(last))
        };
        let directly = said
            .take_while(|sent| sent.record > last.record || same(sent))
            .any(|sent| sent.kind == Kind::Presence && priority_of(sent).is_none());
        let jid = session.jid.as_str();
        let tell = |kind, shown| tell(run, reader, kind, (jid, check.at), shown);
        judged.add(match seen.get(jid) {
            None => Some(tell("unknown", None)),
            Some(shown) if shown.says_the_same(last) || directly => None,
            Some(shown) => Some(tell("stale", Some(*shown))),
        });
    }
}

/// Returns whether what a session has said is known at the node of a reader by a check: the two have been in reach of each other for so
/// long that nothing is hidden any more. Two of one address are for the oracle of sessions.
fn has_come(run: &Run<'_>, reader: &Session, (session, said): (&Session, &Stanza), check: Mark) -> bool {
    if session.node == reader.node {
        return true;
    }
    let Some(patience) = run.evidence.cast.cluster else { return false };
    let since = run.earlier(check, patience.unsure());
    let others = run.in_reach_of(reader.node, &session.jid).iter().map(|ix| &run.sessions[*ix]);
    let alone = others
        .filter(|other| other.node != session.node)
        .all(|other| other.gone <= since || other.asked > check);
    alone && said.at <= since.at && run.were_linked((session.node, reader.node), since.at, check.at)
}

fn tell(
    run: &Run<'_>,
    reader: &Session,
    kind: &str,
    of: (&str, SimTime),
    seen: Option<&Stanza>,
) -> Violation {
    let who = run.client_name(reader.client);
    let (jid, check) = of;
    let mut violation =
        run.violation(NAME, kind, check, format!("{who} ({}) sees {jid}: {kind}", reader.jid));
    violation.who = vec![who.into()];
    violation.records = seen.map(|seen| seen.record).into_iter().collect();
    violation
}
