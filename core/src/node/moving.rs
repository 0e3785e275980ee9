//! Sessions that go from one node to another, because their clients have (XEP-0198, section 5).
//!
//! A client that wants to resume at B a session that A has: B *claims* it, A *gives* it, B *installs* it.
//!
//! ```text
//!      B (seek.rs)                         A (give.rs)                          B (install.rs)
//!  0   <resume/>: a seek     ── Claim ──►  as for a client of its own: leaves
//!                                          the old stream, finishes its stanza,
//!                                          waits until all of it is durable
//!  1                                       one flush: the session's rows go,
//!                                          a row of Table::Moved comes
//!  2                                       durable: ── Shipped ──►              in memory, without a stream
//!  3                                                                            one flush: the session's rows come,
//!                                                                               a row of Table::Moved comes
//!  4                                       its row goes  ◄── Installed ──       durable: <resumed/>
//!  5                                       durable: ── Known ──►                its row goes
//! ```
//!
//! Who may answer a client that resumes is decided by what is on the two disks: A while the session has rows there, B as soon as it has
//! rows there, and nobody in between (1 to 3). A crash or a cut
//!
//! - before 1 is durable: A has the session, after a start as well; the claim is made again when the link is back, or the client's 8 s are over.
//! - between 1 and 3: A's row holds the whole session, so it ships it again, at once when B is back, and every 10 s. B installs it whether or
//!   not its client still waits. A start of B that knows nothing of it takes it like the one before.
//! - between 3 and 4: B has rows and answers its client; A ships it again, and B, which finds its row, says `Installed` again. B says so by
//!   itself when A is back.
//! - between 4 and 5: A has no row, and says `Known` to any `Installed`. B's row is in nobody's way until then.
//!
//! A flush that fails is followed by another one with the same: what has begun goes on. Each passage has a name of its own, the session's
//! and how often it has gone, so a session may come back before all are told of the last time.
//!
//! Nobody sees it go: until B's own word of the session has come, A sees it at B, and says that it is here, waiting for its client; others
//! keep whichever was bound later, which is B's. What still comes to A for it is sent on to B, and what comes to B before it waits there.
//!
//! Adopting a session whose owner is gone (R23; slice S11) has its place in `seek.rs`, where no owner is found in time.
//!
//! Implements: XEP-0198 1.6.3, section 5, over nodes. Complete but for nodes that are gone for good. Rests on the replication rules R17 (delivery
//! vectors), R18 (relayed frames) and R23 (consent of the owner).
//!
//! Shown by: scenarios/cluster/resume.scn, core/src/node/tests/moving.rs,
//! core/src/node/tests/passages.rs.

mod give;
mod install;
mod seek;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use minicbor::{Decode, Encode};

use self::seek::Seek;
use super::Node;
use crate::directory::SessionId;
use crate::exchange::{Far, Moving, Passage, Relay, Resume, Routed, Shipment, ToPeer};
use crate::io::{ConnId, OpId};
use crate::jid::{BareJid, FullJid};
use crate::replica::Dot;
use crate::service::effect::Effect;
use crate::service::ops::Owner;
use crate::session::Arrival;
use crate::store::{Key, Row, StoreBatch, StoreError, StoreQuery, Table, encode};
use crate::time::{Instant, Now, Span};
use crate::timers::Timer;

/// Sessions that this node has given and that are not known to be installed. Beyond: no more are given.
const GIVES_MAX: usize = 1_024;
/// Bytes of them. Beyond: no more are given, but for one that is alone.
const GIVES_BYTES_MAX: usize = 64 << 20;
/// How often a session is shipped that is not said to be installed.
const SHIP_EVERY: Span = Span::from_secs(10);
/// How long a session that has gone is said to wait here, when the node that has it has told of it: others may hear of that later.
const LINGER: Span = Span::from_secs(10);
/// How long it is known where a session went.
const LATELY: Span = Span::from_secs(60);
/// Sessions of which that is known. Beyond: the one that went first is forgotten.
const LATELY_MAX: usize = 4_096;
/// Relayed stanzas that wait for sessions to come. Beyond: they come back.
const WAITING_MAX: usize = 1_024;
/// Rows of passages that are read at a start: as many as nobody has.
const ROWS_MAX: u32 = 1_000_000;
/// Characters of the part of an id that nobody can guess, and of the one before it that names a node.
const SECRET_LEN: usize = 26;
const NODE_LEN: usize = 8;

/// All that goes and comes.
#[derive(Debug, Default)]
pub(super) struct Moves {
    /// Clients that wait for sessions of other nodes, by the number of the claim.
    seeks: BTreeMap<u64, Seek>,
    /// Clients of which it is looked up first whether their sessions have ended here.
    seekers: BTreeMap<ConnId, Resume>,
    /// The number of the last claim.
    last: u64,
    /// Sessions that this node has given and that are not known to be installed.
    gives: BTreeMap<Passage, Give>,
    /// Sessions that this node was given, until the one that gave them knows.
    took: BTreeMap<Passage, Took>,
    /// Where sessions have gone that were here a while ago.
    lately: BTreeMap<Dot, Lately>,
    /// Sessions that are not given to their clients yet.
    arriving: BTreeSet<SessionId>,
    /// Stanzas of other nodes for sessions that are about to come.
    waiting: Vec<(u32, Relay)>,
    /// What is being written, and what is done then.
    writes: BTreeMap<OpId, (StoreBatch, Step)>,
}

/// What is done when a write is durable.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The session is shipped.
    Gave(Passage),
    /// The session goes on here.
    Took(Passage, SessionId),
    /// This node hears that the passage is over.
    Known(Passage, u32),
    /// Nothing.
    Over,
}

/// A session that was given.
#[derive(Debug)]
struct Give {
    to: u32,
    user: BareJid,
    id: Box<str>,
    bytes: Bytes,
    /// Its row is on the disk.
    durable: bool,
    /// It is shipped again then.
    next: Instant,
}

/// A session that this node was given.
#[derive(Debug)]
struct Took {
    from: u32,
    user: BareJid,
    durable: bool,
}

/// Where a session has gone.
#[derive(Debug)]
struct Lately {
    jid: FullJid,
    id: Box<str>,
    to: u32,
    /// As what others are told that it is here, still.
    shown: Option<Far>,
    /// Until when they are told that, once the node that has it has told so.
    lingers: Option<Instant>,
    /// It is forgotten then.
    until: Instant,
}

/// What is stored of a passage.
#[derive(Debug, Encode, Decode)]
enum MovedRecord {
    /// The session was given to a node, and this is all of it.
    #[n(0)]
    Gave(
        #[n(0)] u32,
        #[n(1)]
        #[cbor(with = "minicbor::bytes")]
        Vec<u8>,
    ),
    /// The session has come from a node.
    #[n(1)]
    Took(#[n(0)] u32),
}

/// Returns whether a text may be the id of a session of this node, or of another one.
pub(super) fn is_id(id: &str) -> bool {
    (id.len() == SECRET_LEN || id.len() == NODE_LEN + SECRET_LEN)
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Returns the node that gave a session its id; nothing where it was alone then.
fn node_of(id: &str) -> Option<u32> {
    id.get(..NODE_LEN)
        .filter(|_| id.len() == NODE_LEN + SECRET_LEN)
        .and_then(|node| u32::from_str_radix(node, 16).ok())
}

impl Node {
    /// Draws the id of a session that can be resumed: it names this node, so that others know whom to ask.
    pub(super) fn draw_resumption_id(&mut self) -> String {
        let secret = self.entropy.secret_id();
        if self.config.cluster.is_none() {
            return secret;
        }
        format!("{:08x}{secret}", self.ledger.origin().node)
    }

    /// Tells another node something of a session.
    pub(super) fn tell_moving(&mut self, node: u32, moving: Moving) {
        self.effects.push_back(Effect::Tell(node, ToPeer::Routed(Routed::Moving(moving))));
    }

    /// Takes in what another node says of a session.
    pub(super) fn handle_moving(&mut self, now: Now, node: u32, moving: Moving) {
        match moving {
            Moving::Claim(claim) => self.handle_claim(now, node, &claim),
            Moving::Kept(number, kept) => self.hear_kept(now, (node, number), kept),
            Moving::Shipped(shipment) => self.install(now, node, shipment),
            Moving::Installed(passage) => self.end_giving(now, node, passage),
            Moving::Known(passage) => self.end_taking(now, node, passage),
        }
    }

    /// Asks for the rows of passages that are not over.
    pub(super) fn read_moved(&mut self, now: Now) -> Option<OpId> {
        let (from, to) = (Key::new(Table::Moved, &[]), Key::new(Table::Moved, &[]).table_end());
        let mut op = None;
        self.with_services(now, |_, cx| {
            op = Some(cx.load(Owner::Restore, StoreQuery::Range { from, to, limit: ROWS_MAX }));
        });
        op
    }

    /// Takes them in.
    pub(super) fn load_moved(&mut self, rows: &[Row]) -> Result<(), StoreError> {
        for row in rows {
            let (user, passage) = passage_of(&row.key).ok_or(StoreError::Damaged)?;
            match row.decode()? {
                MovedRecord::Took(from) => {
                    self.moves.took.insert(passage, Took { from, user, durable: true });
                }
                MovedRecord::Gave(to, bytes) => {
                    let shipped = Arrival::read(&bytes).and_then(|arrival| arrival.unpack(0));
                    let (session, _) = shipped.ok_or(StoreError::Damaged)?;
                    let id = session.acks.as_ref().and_then(|acks| acks.id.clone()).unwrap_or_default();
                    let far = super::elsewhere::far_of(&session);
                    self.note_lately(session.name, (session.jid, to), (id.clone(), far));
                    let (bytes, next) = (bytes.into(), self.mono);
                    self.moves.gives.insert(passage, Give { to, user, id, bytes, durable: true, next });
                }
            }
        }
        Ok(())
    }

    /// Remembers where a session has gone, and lets nobody see it go.
    fn note_lately(&mut self, session: Dot, (jid, to): (FullJid, u32), (id, far): (Box<str>, Far)) {
        if self.moves.lately.len() >= LATELY_MAX {
            let first =
                self.moves.lately.iter().min_by_key(|(_, lately)| lately.until).map(|(name, _)| *name);
            if let Some(name) = first {
                self.forget_lately(name);
            }
        }
        self.elsewhere.expect(jid.clone(), to, far.clone());
        self.directory.stir_address(&jid);
        let until = self.mono + LATELY;
        let lately = Lately { jid, id, to, shown: Some(far), lingers: None, until };
        self.moves.lately.insert(session, lately);
    }

    fn forget_lately(&mut self, session: Dot) {
        self.hide_lately(session);
        self.moves.lately.remove(&session);
    }

    /// Says no longer that a session is here that has gone.
    fn hide_lately(&mut self, session: Dot) {
        let Some(lately) = self.moves.lately.get_mut(&session) else { return };
        if lately.shown.take().is_some() {
            let jid = lately.jid.clone();
            self.directory.stir_address(&jid);
            let change = self.elsewhere.forget_expected(&jid);
            self.effects.extend(change.map(|change| Effect::Seen(Box::new(change))));
        }
    }

    /// Returns what other nodes are told of an address at which no session of this node is: one that has just gone may be there.
    pub(super) fn shown_lately(&self, jid: &FullJid) -> Option<Far> {
        let mut here = self.moves.lately.values().filter(|lately| lately.jid == *jid);
        here.find_map(|lately| lately.shown.clone())
    }

    /// Another node has said something of an address: a session that has gone there is seen there from now on, or has gone for good.
    pub(super) fn hear_lately(&mut self, jid: &FullJid) {
        let at = self.mono + LINGER;
        let there = self.elsewhere.seen(jid.as_jid()).map(|(node, far)| (node, far.session));
        let known = self.moves.lately.iter().filter(|(_, lately)| lately.jid == *jid);
        let names: Vec<(Dot, u32)> = known.map(|(name, lately)| (*name, lately.to)).collect();
        for (name, to) in names {
            if there != Some((to, name)) {
                self.hide_lately(name);
            } else if let Some(lately) = self.moves.lately.get_mut(&name) {
                lately.lingers.get_or_insert(at);
            }
        }
        self.arm_moves();
    }

    /// Another node can be reached, over this connection or another one: what was under way may be lost.
    pub(super) fn move_up(&mut self, now: Now, node: u32) {
        let gives = self.moves.gives.iter_mut().filter(|(_, give)| give.to == node);
        gives.for_each(|(_, give)| give.next = now.mono);
        let took = self.moves.took.iter().filter(|(_, took)| took.from == node && took.durable);
        let installed: Vec<Passage> = took.map(|(passage, _)| *passage).collect();
        for passage in installed {
            self.tell_moving(node, Moving::Installed(passage));
        }
        self.ship_due(now);
        self.ask_again(now, node);
        self.arm_moves();
    }

    /// Another node cannot be reached.
    pub(super) fn move_down(&mut self, now: Now, node: u32) {
        self.ask_again(now, node);
        self.arm_moves();
    }

    /// Time has passed.
    pub(super) fn tick_moves(&mut self, now: Now) {
        self.ship_due(now);
        self.tick_seeks(now);
        let lately = &self.moves.lately;
        let over: Vec<Dot> =
            lately.iter().filter(|(_, lately)| lately.until <= now.mono).map(|(name, _)| *name).collect();
        for name in over {
            self.forget_lately(name);
        }
        let is_due = |lately: &Lately| lately.lingers.is_some_and(|lingers| lingers <= now.mono);
        let lingered: Vec<Dot> =
            self.moves.lately.iter().filter(|(_, lately)| is_due(lately)).map(|(name, _)| *name).collect();
        for name in lingered {
            self.hide_lately(name);
            if let Some(lately) = self.moves.lately.get_mut(&name) {
                lately.lingers = None;
            }
        }
        self.look_at_arrivals(now);
        self.arm_moves();
    }

    /// Sees to it that nothing waits for ever.
    pub(super) fn arm_moves(&mut self) {
        let Moves { seeks, gives, lately, arriving, .. } = &*self.moves;
        let linked = |give: &&Give| give.durable && self.elsewhere.is_linked(give.to);
        let arriving = arriving.iter().filter_map(|id| self.directory.get(*id)?.arriving.as_ref());
        let arriving = arriving.filter(|arriving| arriving.durable);
        let due = gives.values().filter(linked).map(|give| give.next);
        let due = due.chain(
            lately.values().map(|lately| lately.lingers.map_or(lately.until, |at| at.min(lately.until))),
        );
        let due = due.chain(arriving.map(|arriving| arriving.until)).chain(seeks.values().map(Seek::due));
        let due = due.min();
        self.timers.set(Timer::Move, due);
    }

    /// Writes something of a passage, whatever becomes of the disk.
    fn write_moved(&mut self, now: Now, batch: StoreBatch, step: Step) {
        let mut op = None;
        let written = batch.clone();
        self.with_services(now, |_, cx| op = Some(cx.persist(Owner::Move, written, |_| {})));
        self.moves.writes.extend(op.map(|op| (op, (batch, step))));
    }

    /// A write has been answered. One that failed goes with the next flush: what has begun goes on.
    pub(super) fn handle_moved_stored(&mut self, now: Now, op: OpId, outcome: Result<(), StoreError>) {
        let Some((batch, step)) = self.moves.writes.remove(&op) else { return };
        if outcome.is_err() {
            let (mut again, written) = (None, batch.clone());
            self.with_services(now, |_, cx| again = Some(cx.persist_again(Owner::Move, written)));
            self.moves.writes.extend(again.map(|op| (op, (batch, step))));
            return;
        }
        match step {
            Step::Gave(passage) => {
                if let Some(give) = self.moves.gives.get_mut(&passage) {
                    (give.durable, give.next) = (true, now.mono);
                }
                self.ship_due(now);
            }
            Step::Took(passage, id) => self.end_installing(now, passage, id),
            Step::Known(passage, node) => self.tell_moving(node, Moving::Known(passage)),
            Step::Over => {}
        }
        self.arm_moves();
    }

    /// Ships what is due.
    fn ship_due(&mut self, now: Now) {
        for (passage, give) in &mut self.moves.gives {
            if give.durable && give.next <= now.mono && self.elsewhere.is_linked(give.to) {
                give.next = now.mono + SHIP_EVERY;
                let shipment = Shipment { passage: *passage, bytes: give.bytes.clone() };
                let routed = Routed::Moving(Moving::Shipped(shipment));
                self.effects.push_back(Effect::Tell(give.to, ToPeer::Routed(routed)));
            }
        }
    }

    /// The session that was given is on the disk of the node that has it.
    fn end_giving(&mut self, now: Now, node: u32, passage: Passage) {
        if self.moves.gives.get(&passage).is_some_and(|give| give.to != node || !give.durable) {
            return;
        }
        // That one was told so before, or this disk was lost: nothing here says otherwise.
        let Some(give) = self.moves.gives.remove(&passage) else {
            return self.tell_moving(node, Moving::Known(passage));
        };
        let batch = StoreBatch::new().delete(key(&give.user, passage));
        self.write_moved(now, batch, Step::Known(passage, node));
        if let Some(lately) = self.moves.lately.get_mut(&passage.session) {
            lately.until = now.mono + LATELY;
        }
    }

    /// The node that gave a session knows that it is here.
    fn end_taking(&mut self, now: Now, node: u32, passage: Passage) {
        let known = |took: &Took| took.from == node && took.durable;
        if !self.moves.took.get(&passage).is_some_and(known) {
            return;
        }
        if let Some(took) = self.moves.took.remove(&passage) {
            let batch = StoreBatch::new().delete(key(&took.user, passage));
            self.write_moved(now, batch, Step::Over);
        }
    }
}

/// Returns the key of what is stored of a passage.
fn key(user: &BareJid, Passage { session, epoch }: Passage) -> Key {
    let mut tail = [0; 24];
    tail[..20].copy_from_slice(&session.to_bytes());
    tail[20..].copy_from_slice(&epoch.to_be_bytes());
    Key::with_tail(Table::Moved, &[user.domain(), user.local().unwrap_or_default()], &tail)
}

/// Reads which passage a row is about, and whose.
fn passage_of(key: &Key) -> Option<(BareJid, Passage)> {
    let mut parts = key.parts();
    let (domain, local) = (parts.next()?, parts.next()?);
    let user = BareJid::parse(&format!("{local}@{domain}")).ok()?;
    let (session, epoch) = key.tail(2)?.split_at_checked(20)?;
    let epoch = u32::from_be_bytes(epoch.try_into().ok()?);
    Some((user, Passage { session: Dot::from_bytes(session)?, epoch }))
}

/// Returns what is stored of a session that is given.
fn gave(to: u32, bytes: &Bytes) -> Bytes {
    encode(&MovedRecord::Gave(to, bytes.to_vec()))
}

/// Returns what is stored of a session that has come.
fn took(from: u32) -> Bytes {
    encode(&MovedRecord::Took(from))
}
