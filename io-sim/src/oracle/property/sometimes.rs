//! What has to happen now and then, as clients and operators see it.

use std::collections::BTreeSet;

use eyot_core::io::{Answer, Command, CommandId, Refusal};
use eyot_core::store::StoreError;

use super::list::Counts;
use crate::client::Sight;
use crate::engine::SimSpan;
use crate::oracle::model::{Kind, Run, Stanza, Wanted, maybe_takes};
use crate::world::{Actor, NodeSight};

/// Stanzas that were sent so far apart and come at once have waited for each other.
const APART: SimSpan = SimSpan::from_millis(100);

/// Counts what happened.
pub(super) fn count(run: &Run<'_>, counts: &mut Counts) {
    count_ends(run, counts);
    for (ix, sent) in run.sent.iter().enumerate() {
        match sent.kind {
            Kind::Message => count_message(run, ix, sent, counts),
            Kind::Iq => count_request(run, ix, sent, counts),
            Kind::Presence => {}
        }
    }
    for got in &run.got {
        let gone = got.kind == Kind::Presence && got.class == "unavailable";
        let reader = got.session.map(|session| &run.sessions[session]);
        let own = reader
            .is_some_and(|reader| got.from.as_deref().is_some_and(|from| from.starts_with(reader.bare())));
        counts.see("ghost-removed", gone && got.copy_of.is_none());
        counts.see("directed-ended", gone && !own);
    }
    count_bursts(run, counts);
    count_sessions(run, counts);
    count_clients(run, counts);
    Operators::default().count(run, counts);
}

fn count_ends(run: &Run<'_>, counts: &mut Counts) {
    for conn in &run.conns {
        match conn.error.as_deref() {
            Some("conflict") => counts.add("displaced", 1),
            Some("reset" | "not-authorized") if conn.session.is_some() => {
                counts.add("account-changed-under-session", 1);
            }
            Some("connection-timeout") => counts.add("login-timeout", 1),
            Some("resource-constraint") => counts.add("send-queue-full", 1),
            Some("policy-violation") => counts.see("oversized", sent_too_much(run, conn)),
            Some("system-shutdown") => counts.add("shutdown-told", 1),
            Some(_) | None => {}
        }
    }
}

fn sent_too_much(run: &Run<'_>, conn: &crate::oracle::model::Conn) -> bool {
    let limits = &run.evidence.cast.limits;
    let bound =
        if conn.session.is_some() { limits.stanza_bytes } else { limits.element_bytes_unauthenticated };
    conn.records.iter().filter_map(|number| run.record(*number)).any(|record| match &record.actor {
        Actor::Client(_, Sight::Sent(bytes)) => bytes.len() > bound as usize,
        Actor::Client(..) | Actor::Node(..) | Actor::World(_) => false,
    })
}

fn count_message(run: &Run<'_>, ix: usize, sent: &Stanza, counts: &mut Counts) {
    let copies = &run.copies[ix];
    counts.see("message-returned", !run.answers[ix].is_empty());
    counts.see("to-several", copies.len() > 1);
    let ended = run.conn(sent).ended.is_some() || run.conn(sent).over.is_some();
    counts.see("lost-lawfully", copies.is_empty() && run.answers[ix].is_empty() && ended);
    let Some(last) = copies.iter().map(|copy| run.got[*copy].mark()).max() else { return };
    let Some(to) = sent.to_jid().filter(|to| to.resource().is_none()) else { return };
    let home = run.home(run.conn(sent).client);
    let account = run.of_account(home, to.bare_str());
    let span = (sent.mark(), last);
    let passed_over = account.iter().map(|other| (*other, &run.sessions[*other])).any(|(other, session)| {
        maybe_takes(run, session, Wanted::Available, span)
            && !maybe_takes(run, session, Wanted::NonNegative, span)
            && !copies.iter().any(|copy| run.got[*copy].session == Some(other))
    });
    counts.see("negative-priority", passed_over);
}

fn count_request(run: &Run<'_>, ix: usize, sent: &Stanza, counts: &mut Counts) {
    let Some(to) = sent.to_jid().filter(|_| sent.is_request() && run.answers[ix].is_empty()) else { return };
    let asked = run.of_jid(run.home(run.conn(sent).client), to.as_str());
    let died = asked.iter().map(|other| &run.sessions[*other]).any(|other| {
        let conn = &run.conns[other.conn];
        other.bound.is_some_and(|bound| bound <= sent.mark())
            && conn.ended.is_some_and(|end| end.at >= sent.at)
    });
    counts.see("request-died", died);
}

fn count_bursts(run: &Run<'_>, counts: &mut Counts) {
    for session in &run.sessions {
        for pair in session.got.windows(2) {
            let (one, other) = (&run.got[pair[0]], &run.got[pair[1]]);
            let (Some(first), Some(second)) = (one.copy_of, other.copy_of) else { continue };
            let apart = run.sent[first].at + APART <= run.sent[second].at;
            counts.see("bursts", one.at == other.at && one.kind == Kind::Message && apart);
        }
    }
}

fn count_sessions(run: &Run<'_>, counts: &mut Counts) {
    for session in run.sessions.iter().filter(|session| session.bound.is_some()) {
        let conn = &run.conns[session.conn];
        let home = run.home(session.client);
        let touch = run.troubles.last_touch(session.client, home, conn.begun, session.alive.at);
        counts.see("settled-after-fault", touch.is_some_and(|end| session.alive.at > end));
        let before = run.conns.iter().take(session.conn).rev().find(|other| other.client == session.client);
        let lost =
            before.is_some_and(|conn| conn.session.is_some() && !conn.footer && conn.closing.is_none());
        counts.see("after-reconnect", lost);
    }
    for (death, node) in &run.troubles.deaths {
        let there = run.sessions.iter().any(|session| {
            run.home(session.client) == *node
                && session.bound.is_some_and(|at| at < *death)
                && session.gone == *death
        });
        counts.see("sessions-at-crash", there);
    }
}

fn count_clients(run: &Run<'_>, counts: &mut Counts) {
    for record in run.evidence.history {
        match &record.actor {
            Actor::Client(_, Sight::LoginFailed { .. }) => counts.add("login-refused", 1),
            Actor::Client(_, Sight::Registered) => counts.add("registered", 1),
            Actor::Client(..) | Actor::Node(..) | Actor::World(_) => {}
        }
    }
}

/// What operators have open, and what they do not know.
#[derive(Debug, Default)]
struct Operators {
    open: Vec<(CommandId, Command)>,
    /// Accounts that were being added when a node died.
    doubtful: BTreeSet<String>,
    started: BTreeSet<usize>,
}

impl Operators {
    fn count(mut self, run: &Run<'_>, counts: &mut Counts) {
        for record in run.evidence.history {
            let Actor::Node(node, sight) = &record.actor else { continue };
            match sight {
                NodeSight::Asked(id, command) => self.open.push((*id, command.clone())),
                NodeSight::Answered(id, answer) => self.answered(*id, answer, counts),
                NodeSight::Killed => self.died("kill-in-flight", counts),
                NodeSight::PowerOff => self.died("power-in-flight", counts),
                NodeSight::Ready(_) => counts.see("restarted", !self.started.insert(node.at())),
                NodeSight::Started
                | NodeSight::Synced(_)
                | NodeSight::Stopped
                | NodeSight::Linked(_)
                | NodeSight::Route(..)
                | NodeSight::Unlinked(..)
                | NodeSight::Level(..) => {}
            }
        }
    }

    fn died(&mut self, name: &'static str, counts: &mut Counts) {
        for (_, command) in core::mem::take(&mut self.open) {
            let changes = matches!(
                command,
                Command::UserAdd { .. } | Command::UserPasswd { .. } | Command::UserRemove { .. }
            );
            counts.see(name, changes);
            if let Command::UserAdd { user, .. } = command {
                self.doubtful.insert(user.as_str().into());
            }
        }
    }

    fn answered(&mut self, id: CommandId, answer: &Answer, counts: &mut Counts) {
        let at = self.open.iter().position(|(open, _)| *open == id);
        let Some((_, command)) = at.map(|at| self.open.remove(at)) else { return };
        counts.see("disk-full", *answer == Answer::Refused(Refusal::Store(StoreError::Full)));
        match (&command, answer) {
            (Command::UserAdd { user, .. }, Answer::Account { .. }) => {
                counts.see("crash-lost", self.doubtful.remove(user.as_str()));
            }
            (Command::UserAdd { user, .. }, Answer::Refused(Refusal::Exists)) => {
                counts.see("crash-kept", self.doubtful.remove(user.as_str()));
            }
            (Command::UserList { .. }, Answer::Accounts { users, more: false }) => {
                for user in core::mem::take(&mut self.doubtful) {
                    let kept = users.iter().any(|listed| listed.as_str() == user);
                    counts.add(if kept { "crash-kept" } else { "crash-lost" }, 1);
                }
            }
            _ => {}
        }
    }
}
