//! Presence: at a check everybody knows who of their account is there, and sees nobody who is not.
//!
//! Written from RFC 6121, sections 4.2 to 4.6.

use std::collections::BTreeMap;

use super::model::{Kind, Run, Session, Stanza, Wanted, priority_of, surely_takes};
use super::{Oracle, Violation};
use crate::engine::SimTime;

const NAME: &str = "presence";

/// The oracle.
pub(super) struct Presences;

impl Oracle for Presences {
    fn name(&self) -> &'static str {
        NAME
    }

    fn judge(&self, run: &Run<'_>) -> Vec<Violation> {
        let mut found = Vec::new();
        for check in run.evidence.checks {
            for reader in &run.sessions {
                let knows = run.is_settled_at(reader, check.at)
                    && surely_takes(run, reader, Wanted::Available, (check.at, check.at));
                if knows {
                    found.extend(judge_strangers(run, reader, check.at, check.number));
                    found.extend(judge_others(run, reader, check.at, check.number));
                }
            }
        }
        found
    }
}

/// The last presence that a session has seen of each address since it became available: before, it was told nothing.
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
    let got = got.filter(|got| (since..number).contains(&got.record) && got.kind == Kind::Presence);
    let shown = got.filter(|got| matches!(got.class.as_str(), "" | "unavailable"));
    shown.filter_map(|got| Some((got.from.as_deref()?, got))).collect()
}

/// Whom the reader believes to be there, and is surely not.
fn judge_strangers(run: &Run<'_>, reader: &Session, check: SimTime, number: usize) -> Vec<Violation> {
    let mut found = Vec::new();
    for (jid, seen) in last_seen(run, reader, number) {
        let sessions = run.of_jid(reader.node, jid);
        if sessions.is_empty() || !seen.class.is_empty() {
            continue;
        }
        let gone = sessions.iter().map(|ix| &run.sessions[*ix]).all(|session| {
            session.asked > check
                || run.is_surely_over(session, check)
                || has_left(run, session, reader, check)
        });
        if gone && !run.is_wild(reader.node, jid, number) {
            found.push(tell(run, reader, "ghost", (jid, check), Some(seen)));
        }
    }
    found
}

/// Returns whether a session that goes on has said that it is not available, and nothing else since.
fn has_left(run: &Run<'_>, session: &Session, reader: &Session, check: SimTime) -> bool {
    if !run.is_settled_at(session, check) {
        return false;
    }
    let said = session.sent.iter().rev().map(|ix| &run.sent[*ix]).filter(|sent| sent.kind == Kind::Presence);
    let for_reader = |to: &str| to == reader.jid || to == reader.bare();
    let mut said = said.filter(|sent| {
        sent.at <= check
            && (priority_of(sent).is_some() || sent.to_jid().is_some_and(|to| for_reader(to.as_str())))
    });
    said.next().is_some_and(|last| last.class == "unavailable")
}

/// Who is surely there and not known to the reader as they last said they are.
fn judge_others(run: &Run<'_>, reader: &Session, check: SimTime, number: usize) -> Vec<Violation> {
    let mut found = Vec::new();
    let seen = last_seen(run, reader, number);
    let account = run.of_account(reader.node, reader.bare());
    for session in account.iter().map(|ix| &run.sessions[*ix]) {
        let sure = run.is_settled_at(session, check)
            && surely_takes(run, session, Wanted::Available, (check, check));
        if !sure {
            continue;
        }
        let said = session.sent.iter().rev().map(|ix| &run.sent[*ix]).filter(|sent| sent.record < number);
        let Some(last) = said.clone().find(|sent| priority_of(sent).is_some()) else { continue };
        let directly =
            said.take_while(|sent| sent.record > last.record).any(|sent| sent.kind == Kind::Presence);
        let jid = session.jid.as_str();
        match seen.get(jid) {
            None => found.push(tell(run, reader, "unknown", (jid, check), None)),
            Some(shown) if shown.says_the_same(last) || directly => {}
            Some(shown) => found.push(tell(run, reader, "stale", (jid, check), Some(shown))),
        }
    }
    found
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
