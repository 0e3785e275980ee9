//! Acknowledgements: what a server says that it has handled never goes back and never exceeds what it was sent; a session that
//! may be resumed is; nobody who counts right is accused (`docs/promises.md`, P1).
//!
//! Written from XEP-0198, sections 4 and 5, and docs/replication.md.

use std::collections::BTreeMap;

use super::model::{Mark, Run, Session};
use super::{Judged, Oracle, Violation};
use crate::client::{Nonza, Sight};
use crate::engine::{SimSpan, SimTime};
use crate::world::{Actor, Record};

const NAME: &str = "acks";
/// A client that resumes so long before the time is over must be let in, however slow its link is.
const MARGIN: SimSpan = SimSpan::from_secs(60);
/// Sessions that hold fewer bytes than this may end because too much waits for them.
const ROOM: u32 = 1024 * 1024;

/// The oracle.
pub(super) struct Acknowledgements;

impl Oracle for Acknowledgements {
    fn name(&self) -> &'static str {
        NAME
    }

    fn judge(&self, run: &Run<'_>) -> Judged {
        let mut judged = Judged::default();
        let mut watches: BTreeMap<usize, Watch> = BTreeMap::new();
        for (number, record) in run.evidence.history.iter().enumerate() {
            let Actor::Client(client, sight) = &record.actor else { continue };
            let watch = watches.entry(client.at()).or_default();
            let mark = Mark { at: record.at, number };
            watch.read(run, (client.at(), mark), sight, &mut judged);
        }
        for check in run.evidence.checks {
            for session in &run.sessions {
                judge_answered(run, session, check.mark(), &mut judged);
            }
        }
        judged
    }
}

/// What a client knows of its acknowledgements.
#[derive(Debug, Default)]
struct Watch {
    /// Its last session that counts.
    session: Option<usize>,
    /// The last count that it was told.
    told: u32,
    /// How long the session waits for it, once it has lost its connection.
    max: Option<SimSpan>,
    /// When it lost its connection.
    lost: Option<SimTime>,
    /// Stanzas that it got since it was told that they count.
    got: u32,
    /// Its stream has been ended on purpose, or for what it did.
    closing: bool,
    /// It has asked to count in this session.
    enabling: bool,
    /// It has said what is not so.
    lied: bool,
}

impl Watch {
    fn read(&mut self, run: &Run<'_>, (client, mark): (usize, Mark), sight: &Sight, judged: &mut Judged) {
        if let Sight::Connecting { .. } = sight {
            self.closing = false;
        } else if let Sight::Bound { .. } = sight {
            // Nothing counts before it is enabled.
            *self = Self { closing: self.closing, ..Self::default() };
        } else if let Sight::Got(_) = sight {
            self.got = self.got.saturating_add(1);
        } else if let Sight::Nonza(Nonza::Resuming { h }) = sight {
            self.lied |= *h > self.got;
        } else if let Sight::Closed(_) = sight {
            self.lost.get_or_insert(mark.at);
        } else if let Sight::Nonza(Nonza::Enabled { max, .. }) = sight {
            let session = run.sessions.iter().rposition(|one| one.client == client && one.asked < mark);
            // One that sent something before it knew that it was there may count otherwise.
            let session = session.filter(|ix| run.sessions[*ix].counted.is_some());
            let max = max.map(|secs| SimSpan::from_secs(secs.into()));
            let max = max.filter(|_| !self.closing);
            *self = Self { session, max, enabling: true, closing: self.closing, ..Self::default() };
        } else if let Sight::Nonza(Nonza::Enabling { .. }) = sight {
            if core::mem::replace(&mut self.enabling, true) {
                // The server ends the stream of whoever asks twice.
                (self.max, self.closing) = (None, true);
            }
        } else if let Sight::Nonza(Nonza::Acked { h } | Nonza::Resumed { h }) = sight {
            self.judge_count(run, mark, *h, judged);
            self.lost = None;
        } else if let Sight::Nonza(Nonza::ResumeFailed { h, .. }) = sight {
            let early = self.session.and_then(|session| self.is_early(run, session, mark));
            judged.add(early.map(|kind| tell(run, client, kind, mark)));
            if let Some(h) = h {
                self.judge_count(run, mark, *h, judged);
            }
            *self = Self::default();
        } else if matches!(sight, Sight::Closing | Sight::Nonza(Nonza::FormerError { .. })) {
            // It was ended on purpose, by either side.
            (self.max, self.closing) = (None, true);
        } else if let Sight::Nonza(Nonza::Says { .. }) = sight {
            self.lied = true;
        } else if let Sight::StreamError { condition } = sight
            && condition == "undefined-condition"
        {
            let honest = self.session.map(|session| &run.sessions[session]).is_some_and(|session| {
                !self.lied && !run.troubles.forgot_in(session.node, session.asked, mark)
            });
            judged.add(honest.then(|| tell(run, client, "accused", mark)));
        }
    }

    fn judge_count(&mut self, run: &Run<'_>, mark: Mark, h: u32, judged: &mut Judged) {
        let Some(session) = self.session.map(|ix| &run.sessions[ix]) else { return };
        let Some(counted) = &session.counted else { return };
        let sent = counted.iter().filter(|ix| run.sent[**ix].record < mark.number).count();
        if run.troubles.forgot_in(session.node, session.asked, mark) {
            return;
        }
        let kind = if h < self.told { Some("went-back") } else { (h as usize > sent).then_some("too-many") };
        judged.add(kind.map(|kind| tell(run, session.client, kind, mark)));
        self.told = h;
    }

    /// Returns what is wrong with a refusal: the time was not over, nothing had replaced the session, and its node had forgotten
    /// nothing.
    fn is_early(&self, run: &Run<'_>, session: usize, mark: Mark) -> Option<&'static str> {
        let session = &run.sessions[session];
        // Its node may have noticed earlier than the client: when it was killed itself.
        let death =
            run.troubles.deaths.iter().find(|(at, node)| *node == session.node && *at > session.asked);
        let lost = self.lost?.min(death.map_or(mark.at, |(at, _)| at.at));
        let due = lost + self.max.filter(|max| *max > MARGIN)?;
        let in_time = SimTime::from_nanos(mark.at.as_nanos() + MARGIN.as_nanos()) < due;
        let others = run.in_reach_of(session.node, &session.jid).iter().map(|ix| &run.sessions[*ix]);
        // At another node somebody who has the address and a stream stays, whoever was bound later.
        let replaced = others.into_iter().any(|other| {
            // Whose link is slower may have been bound later although it asked earlier.
            let left = run.conns[other.conn].ended.is_some_and(|left| left.at + MARGIN < session.asked.at);
            let later = other.asked < mark && other.bound.map_or(!left, |bound| bound > session.asked);
            let later = later && !core::ptr::eq(other, session);
            later || (other.node != session.node && other.maybe_bound(session.asked, mark))
        });
        let excused = replaced
            || session.gone < mark
            || run.evidence.cast.limits.unacked_bytes < ROOM
            || run.evidence.changes_accounts()
            || run.troubles.forgot_in(session.node, session.asked, mark)
            || run.troubles.disk(session.node, session.asked.at, mark.at);
        (in_time && !excused).then_some("not-resumed")
    }
}

/// A client that is there at a check and has asked has its answer.
fn judge_answered(run: &Run<'_>, session: &Session, check: Mark, judged: &mut Judged) {
    if session.counted.is_none() || !run.is_settled_at(session, check) {
        return;
    }
    let conn = &run.conns[session.conn];
    let said = |record: &&Record, fits: fn(&Nonza) -> bool| matches!(&record.actor, Actor::Client(_, Sight::Nonza(nonza)) if fits(nonza));
    let records = conn.records.iter().take_while(|number| **number <= check.number);
    let records: Vec<&Record> = records.filter_map(|number| run.record(*number)).collect();
    let asked = records.iter().rposition(|record| said(record, |nonza| matches!(nonza, Nonza::Asks)));
    let Some(asked) = asked else { return };
    let answered =
        records[asked..].iter().any(|record| said(record, |nonza| matches!(nonza, Nonza::Acked { .. })));
    judged.add((!answered).then(|| tell(run, session.client, "unanswered", check)));
}

fn tell(run: &Run<'_>, client: usize, kind: &str, mark: Mark) -> Violation {
    let who = run.client_name(client);
    let mut violation = run.violation(NAME, kind, mark.at, format!("acknowledgements of {who}: {kind}"));
    violation.who = vec![who.into()];
    violation.records = vec![mark.number];
    violation
}
