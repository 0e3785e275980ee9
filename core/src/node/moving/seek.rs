//! Where a client has come to that wants to go on with a session of another node.

use std::collections::BTreeMap;

use super::{Moves, is_id, node_of};
use crate::exchange::{Claim, Condition, Kept, Moving, Resume, ToStream};
use crate::io::ConnId;
use crate::jid::BareJid;
use crate::node::Node;
use crate::node::tombstones::Asker;
use crate::replica::Hlc;
use crate::stanza::StanzaError;
use crate::time::{Instant, Now, Span};
use crate::timers::Timer;

/// How long a client waits while the node cannot be reached that may have its session.
const SEEK_MAX: Span = Span::from_secs(8);
/// How long it waits while that node is there, and takes its time: its disk, or the level of its domain.
const PATIENCE: Span = Span::from_secs(60);
/// How soon it is asked again for a session that is on its way between others.
const AGAIN: Span = Span::from_millis(500);

/// A client that waits for its session.
#[derive(Debug)]
pub(super) struct Seek {
    conn: ConnId,
    resume: Resume,
    at: Hlc,
    since: Instant,
    /// Who has been asked; with true: and has said that it does not have it.
    asked: BTreeMap<u32, bool>,
    /// Who has it, as far as is known.
    first: Option<u32>,
    /// Those who do not have it are asked again then: it is on its way.
    again: Option<Instant>,
    /// It is looked at then.
    due: Instant,
}

impl Seek {
    /// Returns when something has to be done.
    pub(super) fn due(&self) -> Instant {
        self.again.map_or(self.due, |again| again.min(self.due))
    }
}

impl Moves {
    /// A client has been answered.
    pub(in crate::node) fn forget_seeker(&mut self, conn: ConnId) {
        self.seekers.remove(&conn);
    }
}

impl Node {
    /// Looks for the session that a client wants to resume and that is not here: it may have ended here, or be at another node.
    pub(in crate::node) fn seek(&mut self, now: Now, conn: ConnId, resume: Resume) {
        let elsewhere = self.groups.is_shared() && is_id(&resume.id);
        let asker = if elsewhere { Asker::Seeker(conn) } else { Asker::Conn(conn) };
        self.search_tombstone(now, asker, (&resume.user, &resume.id));
        if elsewhere {
            self.moves.seekers.insert(conn, resume);
        }
    }

    /// Asks the other nodes for it.
    pub(in crate::node) fn seek_elsewhere(&mut self, now: Now, conn: ConnId) {
        let Some(resume) = self.moves.seekers.remove(&conn).filter(|_| self.may_bind(conn)) else { return };
        let same = |seek: &&Seek| seek.resume.id == resume.id && seek.resume.user == resume.user;
        let former: Vec<ConnId> = self.moves.seeks.values().filter(same).map(|seek| seek.conn).collect();
        self.moves.seeks.retain(|_, seek| !former.contains(&seek.conn));
        for former in former {
            let fail = ToStream::Fail(Condition::Conflict, "resumed on another connection");
            self.tell_stream(now, former, fail);
        }
        // Others have to answer, and there is an end to that, too.
        self.timers.disarm(Timer::Login(conn));
        let (at, own) = (self.ledger.stamp(now.wall), self.ledger.origin().node);
        let first = node_of(&resume.id).filter(|node| *node != own);
        let (since, asked) = (now.mono, BTreeMap::new());
        self.moves.last += 1;
        let due = since + SEEK_MAX;
        let seek = Seek { conn, resume, at, since, asked, first, again: None, due };
        self.moves.seeks.insert(self.moves.last, seek);
        self.ask_for(now, self.moves.last);
        self.arm_moves();
    }

    /// Returns whether a session of an account is about to come.
    pub(in crate::node) fn awaits(&self, user: &BareJid) -> bool {
        let seekers = self.moves.seekers.values().chain(self.moves.seeks.values().map(|seek| &seek.resume));
        seekers.into_iter().any(|resume| resume.user == *user)
    }

    /// Asks for a session: who gave it its id, or is said to have it, and if that one does not have it, all others.
    fn ask_for(&mut self, now: Now, number: u64) {
        let members = self.members();
        let Some(seek) = self.moves.seeks.get_mut(&number) else { return };
        let (elsewhere, asked) = (&self.elsewhere, &mut seek.asked);
        let first = seek.first.filter(|first| asked.get(first) != Some(&true) && elsewhere.is_linked(*first));
        let due: Vec<u32> = match first {
            Some(first) => vec![first],
            None => members.iter().copied().filter(|node| elsewhere.is_linked(*node)).collect(),
        };
        let claim = Claim {
            number,
            at: seek.at,
            user: seek.resume.user.clone(),
            id: seek.resume.id.clone(),
            h: seek.resume.h,
        };
        let due: Vec<u32> = due.into_iter().filter(|node| !asked.contains_key(node)).collect();
        asked.extend(due.iter().map(|node| (*node, false)));
        let over = seek.again.is_none() && members.iter().all(|node| asked.get(node) == Some(&true));
        for node in due {
            self.tell_moving(node, Moving::Claim(claim.clone()));
        }
        if over {
            self.end_seek(now, number, None);
        }
    }

    fn members(&self) -> Vec<u32> {
        let own = self.ledger.origin().node;
        let members = self.config.cluster.iter().flat_map(|cluster| &cluster.members);
        members.map(|member| member.node).filter(|node| *node != own).collect()
    }

    /// A node has said why it does not give a session.
    pub(super) fn hear_kept(&mut self, now: Now, (node, number): (u32, u64), kept: Kept) {
        let own = self.ledger.origin().node;
        let Some(seek) = self.moves.seeks.get_mut(&number) else { return };
        let conn = seek.conn;
        match kept {
            Kept::Unknown(Some(h)) => return self.end_seek(now, number, Some(h)),
            Kept::Unknown(None) => _ = seek.asked.insert(node, true),
            Kept::Given(to) => {
                // It may not have come there; what was given to this node is on its way.
                seek.asked.insert(node, true);
                seek.asked.remove(&to);
                seek.first = Some(to).filter(|to| *to != own);
                seek.again = Some(now.mono + AGAIN);
            }
            Kept::TooHigh(sent) => {
                let h = seek.resume.h;
                self.drop_seek(number);
                return self.tell_stream(now, conn, ToStream::TooHigh { h, sent });
            }
            Kept::Newer => {
                self.drop_seek(number);
                let fail = ToStream::Fail(Condition::Conflict, "resumed on a newer connection");
                return self.tell_stream(now, conn, fail);
            }
            Kept::Full => {
                self.drop_seek(number);
                self.arm_login(now, conn);
                return self.refuse(now, Asker::Conn(conn), StanzaError::ResourceConstraint, None);
            }
        }
        self.ask_for(now, number);
        self.arm_moves();
    }

    /// Nobody has the session, or nobody has said so in time; how many stanzas had been handled when it ended, if somebody knows. An
    /// owner that is gone for good would be asked for by its holders here (S11).
    fn end_seek(&mut self, now: Now, number: u64, h: Option<u32>) {
        let Some(Seek { conn, resume, .. }) = self.drop_seek(number) else { return };
        if !self.may_bind(conn) {
            return;
        }
        self.arm_login(now, conn);
        match h {
            Some(_) => self.refuse(now, Asker::Conn(conn), StanzaError::ItemNotFound, h),
            None => self.search_tombstone(now, Asker::Conn(conn), (&resume.user, &resume.id)),
        }
    }

    fn arm_login(&mut self, now: Now, conn: ConnId) {
        if self.may_bind(conn) {
            self.timers.arm(Timer::Login(conn), now.mono + self.config.limits.login_time);
        }
    }

    fn drop_seek(&mut self, number: u64) -> Option<Seek> {
        let seek = self.moves.seeks.remove(&number)?;
        self.release_relays();
        Some(seek)
    }

    /// Takes who waits for a session that has come, if anybody does still.
    pub(super) fn take_seeker(&mut self, user: &BareJid, id: &str) -> Option<(ConnId, Resume)> {
        let mut seeks = self.moves.seeks.iter();
        let number = seeks.find(|(_, seek)| *seek.resume.id == *id && seek.resume.user == *user);
        let seek = self.moves.seeks.remove(&number.map(|(number, _)| *number)?)?;
        self.may_bind(seek.conn).then_some((seek.conn, seek.resume))
    }

    /// What a node was asked is lost: it is asked again if it is there, and others are if it is not.
    pub(super) fn ask_again(&mut self, now: Now, node: u32) {
        for seek in self.moves.seeks.values_mut() {
            seek.asked.remove(&node);
            seek.due = seek.since + SEEK_MAX;
        }
        for number in self.moves.seeks.keys().copied().collect::<Vec<_>>() {
            self.ask_for(now, number);
        }
    }

    /// Time has passed: who has waited for long enough is refused, and others are asked again.
    pub(super) fn tick_seeks(&mut self, now: Now) {
        for number in self.moves.seeks.keys().copied().collect::<Vec<_>>() {
            let Some(seek) = self.moves.seeks.get_mut(&number) else { continue };
            let conn = seek.conn;
            let waits = seek.asked.iter().any(|(node, no)| !no && self.elsewhere.is_linked(*node));
            let latest = seek.since + if waits { PATIENCE } else { SEEK_MAX };
            seek.due = latest;
            if latest <= now.mono || !self.may_bind(conn) {
                self.end_seek(now, number, None);
            } else if let Some(seek) = self.moves.seeks.get_mut(&number)
                && seek.again.is_some_and(|again| again <= now.mono)
            {
                seek.again = Some(now.mono + AGAIN);
                seek.asked.retain(|_, no| !*no);
                self.ask_for(now, number);
            }
        }
    }
}
