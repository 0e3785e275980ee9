//! Reads a history once, for all oracles.

use std::collections::{BTreeMap, BTreeSet};

use eyot_core::xml::ns;

use super::between::Reaches;
use super::blocks::Blocks;
use super::conn::{Conn, Mark};
use super::matching;
use super::session::Session;
use super::stanza::{Kind, Stanza};
use super::trouble::Troubles;
use crate::client::{Nonza, Sight};
use crate::engine::SimTime;
use crate::oracle::{Check, Evidence, Violation};
use crate::world::{Actor, Record};

/// A run, read.
#[derive(Debug)]
pub struct Run<'a> {
    /// What it was read from.
    pub evidence: &'a Evidence<'a>,
    /// All connections, in the order in which they were asked for.
    pub conns: Vec<Conn>,
    /// All sessions, in the order in which they were asked for.
    pub sessions: Vec<Session>,
    /// All stanzas that sessions sent, in order.
    pub sent: Vec<Stanza>,
    /// All stanzas that clients got, in order.
    pub got: Vec<Stanza>,
    /// For each stanza that was sent, its copies among those got.
    pub copies: Vec<Vec<usize>>,
    /// For each stanza that was sent, its answers among those got.
    pub answers: Vec<Vec<usize>>,
    /// The sessions of each full JID on each node, in the order in which they were asked for.
    by_jid: BTreeMap<(usize, String), Vec<usize>>,
    /// The sessions of each bare JID on each node.
    by_bare: BTreeMap<(usize, String), Vec<usize>>,
    /// In a cluster, the sessions of each full and each bare JID on all nodes.
    anywhere: BTreeMap<String, Vec<usize>>,
    /// The accounts that there may be: those that clients log in to, and those that operators asked for.
    pub accounts: BTreeSet<String>,
    /// Who blocks whom.
    pub blocks: Blocks,
    /// What went wrong.
    pub troubles: Troubles,
    /// Which nodes reached each other.
    pub(super) reaches: Reaches,
    /// The connection each client has, while the history is read.
    current: Vec<Option<usize>>,
}

impl<'a> Run<'a> {
    /// Reads a run.
    pub fn of(evidence: &'a Evidence<'a>) -> Self {
        let mut run = Self {
            evidence,
            conns: Vec::new(),
            sessions: Vec::new(),
            sent: Vec::new(),
            got: Vec::new(),
            copies: Vec::new(),
            answers: Vec::new(),
            by_jid: BTreeMap::new(),
            by_bare: BTreeMap::new(),
            anywhere: BTreeMap::new(),
            accounts: evidence.cast.users.iter().cloned().chain(evidence.added()).collect(),
            blocks: Blocks::default(),
            troubles: Troubles::of(evidence),
            reaches: Reaches::of(evidence),
            current: vec![None; evidence.cast.clients.len()],
        };
        for (number, record) in evidence.history.iter().enumerate() {
            if let Actor::Client(client, sight) = &record.actor {
                run.read(number, record, client.at(), sight);
            }
        }
        run.index_sessions();
        matching::match_all(&mut run);
        run.blocks = Blocks::of(&run);
        run.prove();
        run.find_gaps();
        run.find_ends();
        run
    }

    /// Returns a record.
    pub fn record(&self, number: usize) -> Option<&'a Record> {
        self.evidence.history.get(number)
    }

    /// Returns the name of a client.
    pub fn client_name(&self, client: usize) -> &str {
        self.evidence.cast.clients.get(client).map_or("?", String::as_str)
    }

    /// Returns the node of a client.
    pub fn home(&self, client: usize) -> usize {
        self.evidence.cast.homes.get(client).copied().unwrap_or_default()
    }

    /// Returns the name of a node.
    pub fn node_name(&self, node: usize) -> &str {
        self.evidence.cast.nodes.get(node).map_or("?", String::as_str)
    }

    /// Returns the connection of a stanza.
    pub fn conn(&self, stanza: &Stanza) -> &Conn {
        &self.conns[stanza.conn]
    }

    /// Returns the sessions of a full JID on a node, in the order in which they were asked for.
    pub fn of_jid(&self, node: usize, jid: &str) -> &[usize] {
        self.by_jid.get(&(node, jid.into())).map_or(&[], Vec::as_slice)
    }

    /// Returns the sessions of a bare JID on a node.
    pub fn of_account(&self, node: usize, bare: &str) -> &[usize] {
        self.by_bare.get(&(node, bare.into())).map_or(&[], Vec::as_slice)
    }

    /// Returns the sessions of a full or bare JID whose presence and stanzas may reach clients of a node, in the order in which
    /// they were asked for: those on the node, and on all of its cluster.
    pub fn in_reach_of(&self, node: usize, jid: &str) -> &[usize] {
        if self.evidence.cast.cluster.is_some() {
            return self.anywhere.get(jid).map_or(&[], Vec::as_slice);
        }
        if jid.contains('/') { self.of_jid(node, jid) } else { self.of_account(node, jid) }
    }

    /// Returns the sessions of each full JID.
    pub fn same_address(&self) -> impl Iterator<Item = &[usize]> {
        self.by_jid.values().map(Vec::as_slice)
    }

    /// Returns whether any session of this full JID may have sent what the model cannot read.
    pub fn is_wild(&self, node: usize, jid: &str, until: usize) -> bool {
        self.in_reach_of(node, jid).iter().any(|ix| self.conns[self.sessions[*ix].conn].is_wild(until))
    }

    /// Returns whether a session was surely there at a check, with everything handled that it and others had sent.
    pub fn is_settled_at(&self, session: &Session, check: Mark) -> bool {
        session.alive >= check && session.settled(check) == Some(check)
    }

    /// Returns whether a session had surely ended by a check: not only for its client.
    pub fn is_surely_over(&self, session: &Session, check: Mark) -> bool {
        if session.gone <= check {
            return true;
        }
        let conn = &self.conns[session.conn];
        // One that can be resumed outlives its connection; and who has said that it ends and heard nothing of it may not have
        // been heard. Of a client whose link loses even a reset it is not known.
        !session.counts
            && !self.evidence.cast.lossy.contains(&session.client)
            && conn.ended.is_some_and(|ended| ended < check)
            && !self.troubles.touched(session.client, self.home(session.client), conn.begun, check.at)
    }

    /// Returns the place behind everything that happened until a time.
    pub fn place(&self, at: SimTime) -> Mark {
        Mark { at, number: self.evidence.history.partition_point(|record| record.at <= at) }
    }

    /// Makes a violation.
    pub fn violation(&self, oracle: &str, kind: &str, at: SimTime, what: String) -> Violation {
        Violation {
            at,
            signature: crate::oracle::Signature::new(oracle, kind),
            who: Vec::new(),
            what,
            records: Vec::new(),
        }
    }

    /// Returns the connection that a client has. Whoever connects anew has left the one before.
    fn conn_of(&mut self, client: usize, mark: Mark, sight: &Sight) -> Option<usize> {
        let current = self.current.get_mut(client)?;
        if matches!(sight, Sight::Connecting { .. }) {
            if let Some(left) = *current {
                self.conns[left].ended = Some(mark);
            }
            *current = Some(self.conns.len());
            self.conns.push(Conn::new(client, mark.at));
        }
        *current
    }

    fn read(&mut self, number: usize, record: &Record, client: usize, sight: &Sight) {
        let at = record.at;
        let mark = Mark { at, number };
        let Some(ix) = self.conn_of(client, mark, sight) else { return };
        let conn = &mut self.conns[ix];
        conn.records.push(number);
        match sight {
            Sight::Refused | Sight::Closed(_) => {
                conn.ended = Some(mark);
                self.current[client] = None;
            }
            Sight::Closing => conn.closing = Some(mark),
            Sight::StreamError { condition } => {
                conn.over.get_or_insert(mark);
                conn.error.get_or_insert_with(|| condition.clone());
            }
            Sight::StreamEnd => {
                conn.over.get_or_insert(mark);
                conn.footer = true;
            }
            Sight::Wire { sent: false, .. } => {
                conn.heard.get_or_insert(at);
            }
            Sight::Wire { sent: true, bytes } => {
                // What is written behind STARTTLS is somebody else's.
                if bytes.starts_with(b"<starttls") && !bytes.ends_with(b"'/>") {
                    conn.wild.get_or_insert(number);
                }
            }
            Sight::Bind { resource } => self.read_bind(ix, mark, resource.as_deref()),
            Sight::Bound { jid, .. } => {
                if let Some(session) = conn.session {
                    self.sessions[session].jid.clone_from(jid);
                    self.sessions[session].bound = Some(mark);
                }
            }
            Sight::BindFailed { .. } => {
                if let Some(session) = conn.session.take() {
                    self.sessions[session].gone = mark;
                }
            }
            Sight::Sent(bytes) => self.read_sent(ix, number, at, bytes),
            Sight::Got(element) => {
                conn.heard.get_or_insert(at);
                self.read_got(ix, number, at, element);
            }
            Sight::Nonza(nonza) => self.read_nonza(ix, mark, nonza),
            Sight::Connecting { .. }
            | Sight::Features(_)
            | Sight::StartTls
            | Sight::TlsRefused
            | Sight::Secured
            | Sight::NotOffered(_)
            | Sight::Login { .. }
            | Sight::LoggedIn
            | Sight::LoginFailed { .. }
            | Sight::ServerDistrusted { .. }
            | Sight::Registering { .. }
            | Sight::Registered
            | Sight::RegisterFailed { .. }
            | Sight::Nonsense(_)
            | Sight::NotConnected(_) => {}
        }
    }

    fn read_bind(&mut self, ix: usize, mark: Mark, resource: Option<&str>) {
        let client = self.conns[ix].client;
        let user = self.evidence.cast.users.get(client).map_or("", String::as_str);
        // A resource that the server makes is known when it is told, and nobody can ask for it before.
        let jid = format!("{user}/{}", resource.unwrap_or_default());
        self.conns[ix].session = Some(self.sessions.len());
        self.sessions.push(Session::new(ix, (client, self.home(client)), jid, mark));
    }

    fn read_sent(&mut self, ix: usize, number: usize, at: SimTime, bytes: &bytes::Bytes) {
        // White space between stanzas keeps a connection alive and says nothing (RFC 6120, 4.6.1).
        if bytes.trim_ascii().is_empty() {
            return;
        }
        let bound = self.conns[ix].session.filter(|session| self.sessions[*session].bound.is_some());
        let parsed = Stanza::parse(bytes).and_then(|element| Stanza::new(number, at, ix, &element));
        let (Some(session), Some(mut stanza)) = (bound, parsed) else {
            self.conns[ix].wild.get_or_insert(number);
            if let Some(session) = self.conns[ix].session {
                self.sessions[session].counted = None;
            }
            return;
        };
        if self.conns[ix].is_wild(number) {
            return;
        }
        stanza.session = Some(session);
        self.sessions[session].sent.push(self.sent.len());
        self.sessions[session].counted.iter_mut().for_each(|counted| counted.push(self.sent.len()));
        self.sent.push(stanza);
    }

    fn read_got(&mut self, ix: usize, number: usize, at: SimTime, element: &eyot_core::xml::Element) {
        let session = self.conns[ix].session;
        let Some(mut stanza) = Stanza::new(number, at, ix, element) else { return };
        stanza.session = session;
        if let Some(session) = session {
            self.sessions[session].got.push(self.got.len());
        }
        self.got.push(stanza);
    }

    /// Reads what a client and its server say of acknowledgements. A session goes on over all the connections on which it
    /// is resumed; it is that of the last of them.
    fn read_nonza(&mut self, ix: usize, mark: Mark, nonza: &Nonza) {
        let client = self.conns[ix].client;
        if let Nonza::Resumed { .. } = nonza {
            let known = self.sessions.iter().rposition(|one| one.client == client && one.resumable.is_some());
            if let Some(session) = known {
                let former = self.sessions[session].conn;
                (self.conns[ix].wild, self.conns[ix].begun) =
                    (self.conns[former].wild, self.conns[former].begun);
                self.conns[ix].resumed = true;
                self.conns[ix].session = Some(session);
                self.sessions[session].conn = ix;
                self.sessions[session].resumed = Some(mark);
                self.sessions[session].resumptions.push((former, mark));
            }
        }
        let session = self.conns[ix].session;
        match (nonza, session.map(|session| &mut self.sessions[session])) {
            // A second wish is refused, and changes nothing.
            (Nonza::Enabling { .. }, Some(session)) if !session.counts => {
                let wild = self.conns[ix].wild.is_some();
                (session.counts, session.counted) = (true, (!wild).then(Vec::new));
            }
            (Nonza::Enabling { .. }, Some(_)) => self.conns[ix].closing = Some(mark),
            // In another session it is another stanza: nobody knows what became of the first.
            (Nonza::Again(bytes), Some(_)) if !self.conns[ix].resumed => {
                self.read_sent(ix, mark.number, mark.at, bytes);
                self.note_repeated(client);
            }
            // A kill may undo that it was handled. And where a disk forgot what it had acknowledged, the two count differently from
            // there on, so that each resumption may say too little.
            (Nonza::Again(bytes), Some(session)) => {
                let said = Stanza::parse(bytes).and_then(|said| said.attr("id").map(String::from));
                let (own, home) = (session.sent.clone(), session.node);
                let differs = self.troubles.forgot_in(home, session.asked, mark);
                for ix in own {
                    let sent = &mut self.sent[ix];
                    let undone = differs || self.troubles.died(home, sent.at, mark.at);
                    sent.repeated |= sent.id == said && undone;
                }
            }
            (Nonza::Active(false), Some(session)) => session.inactive = true,
            (Nonza::Enabled { id, .. }, Some(session)) => session.resumable.clone_from(id),
            (Nonza::Acked { h } | Nonza::Resumed { h }, Some(session)) => {
                // What the server says that it has handled, it has handled.
                let last = usize::try_from(*h).ok().and_then(|h| h.checked_sub(1));
                let counted = session.counted.as_ref();
                let sent = last.and_then(|last| counted?.get(last)).map(|ix| self.sent[*ix].mark());
                if let Some(sent) = sent {
                    session.acknowledged(sent, mark);
                }
            }
            (Nonza::ResumeFailed { condition, .. }, _) if condition == "item-not-found" => {
                let known =
                    self.sessions.iter().rposition(|one| one.client == client && one.resumable.is_some());
                if let Some(session) = known {
                    let gone = &mut self.sessions[session].gone;
                    *gone = (*gone).min(mark);
                }
            }
            (_, _) => {}
        }
    }

    /// The last stanza of a client is one that it had sent before.
    fn note_repeated(&mut self, client: usize) {
        let Some((last, before)) = self.sent.split_last_mut() else { return };
        last.repeated = true;
        for sent in before.iter_mut().filter(|sent| sent.id == last.id && sent.kind == last.kind) {
            sent.repeated |= self.conns[sent.conn].client == client;
        }
    }

    fn index_sessions(&mut self) {
        for (ix, session) in self.sessions.iter().enumerate() {
            self.by_jid.entry((session.node, session.jid.clone())).or_default().push(ix);
            self.by_bare.entry((session.node, session.bare().into())).or_default().push(ix);
            if self.evidence.cast.cluster.is_some() {
                for jid in [session.jid.as_str(), session.bare()] {
                    self.anywhere.entry(jid.into()).or_default().push(ix);
                }
            }
        }
    }

    /// Finds out until when each session was surely there.
    fn prove(&mut self) {
        for session in &mut self.sessions {
            if let Some(bound) = session.bound {
                session.answered(session.asked, bound);
            }
        }
        for got in &self.got {
            // What was sent twice proves nothing of what was sent before the first time.
            let once = |ix: usize| Some(&self.sent[ix]).filter(|sent| !sent.repeated);
            let answered = got.answers.and_then(once);
            if let Some((sent, session)) = answered.and_then(|sent| Some((sent, sent.session?))) {
                self.sessions[session].answered(sent.mark(), got.mark());
            }
            if let Some(sent) = got.copy_of.and_then(once) {
                let (Some(sender), Some(reader)) = (sent.session, got.session) else { continue };
                if sender == reader {
                    self.sessions[sender].answered(sent.mark(), got.mark());
                } else if sent.kind != Kind::Presence {
                    self.sessions[sender].seen(sent.mark(), got.mark());
                }
            }
        }
        for ix in 0..self.sessions.len() {
            self.prove_quiet(ix);
            self.sessions[ix].sort();
        }
    }

    /// At a check the world is at rest: whoever no fault has touched, or has been answered since, has everything.
    fn prove_quiet(&mut self, ix: usize) {
        let session = &self.sessions[ix];
        if session.bound.is_none() {
            return;
        }
        let (client, home) = (session.client, self.home(session.client));
        let conn = &self.conns[session.conn];
        let mut proved = Vec::new();
        for check in self.evidence.checks.iter().map(Check::mark) {
            let at = check.at;
            // Of its connections this is the last.
            let stays = session.bound.is_some_and(|bound| bound <= check)
                && session.resumed.is_none_or(|resumed| resumed <= check)
                && conn.stands(check.after().number)
                && !self.troubles.died(home, conn.begun, at);
            let touched = self.troubles.last_touch(client, home, conn.begun, at);
            if stays && touched.is_none_or(|end| end < at && session.alive.at > end) {
                proved.push(check);
            }
        }
        for mark in proved {
            self.sessions[ix].answered(mark, mark);
        }
    }

    /// Finds out from when on each session was surely gone.
    fn find_ends(&mut self) {
        for ix in 0..self.sessions.len() {
            let session = &self.sessions[ix];
            let conn = &self.conns[session.conn];
            let over = conn.over.filter(|_| !session.outlives(conn)).unwrap_or(Mark::FOREVER);
            let mut gone = session.gone.min(over);
            let home = self.home(session.client);
            if self.may_be_undone(session, gone) {
                gone = Mark::FOREVER;
            }
            let death =
                self.troubles.deaths.iter().find(|(mark, node)| *node == home && *mark > session.asked);
            let death = death.filter(|_| !session.counts);
            gone = gone.min(death.map_or(Mark::FOREVER, |(mark, _)| *mark));
            let known = session.bound.unwrap_or(Mark::FOREVER);
            let others = self.of_jid(session.node, &session.jid);
            let successors = others.iter().map(|other| &self.sessions[*other]);
            let next = successors.filter(|other| other.asked > known && !self.may_come_back(session, other));
            let next = next.filter_map(|other| other.bound).min();
            self.sessions[ix].gone = gone.min(next.unwrap_or(Mark::FOREVER));
        }
    }
}

/// Returns whether a request is about the account itself, so that the answer waits for a disk.
pub fn is_about_account(stanza: &Stanza) -> bool {
    stanza.is_request() && stanza.payload().is_some_and(|(_, namespace)| namespace == ns::REGISTER)
}
