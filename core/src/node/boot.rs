//! The beginning and the end of a node.
//!
//! Nothing is served before the new incarnation is durable (docs/promises.md, P2).

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::{Life, Node};
use crate::archive::IdKey;
use crate::config::ClusterSecret;
use crate::directory::Own;
use crate::exchange::{Condition, ToStream};
use crate::io::{Answer, CommandId, Output};
use crate::ledger::Ledger;
use crate::peer::Peers;
use crate::replica::{Origin, Past};
use crate::service::effect::Effect;
use crate::service::ops::Owner;
use crate::store::{Key, NodeRecord, Row, StoreBatch, StoreError, StoreQuery, Table};
use crate::time::Now;
use crate::timers::Timer;
use crate::trace::Event;

impl Node {
    /// Asks the store what this node knows of itself.
    pub(super) fn begin_boot(&mut self, now: Now) {
        self.with_services(now, |_, cx| {
            cx.load(Owner::Boot, StoreQuery::Get { key: Key::new(Table::Node, &[]) });
        });
    }

    pub(super) fn handle_boot_loaded(&mut self, now: Now, outcome: Result<Vec<Row>, StoreError>) {
        let decoded = outcome.and_then(|rows| match rows.first() {
            Some(row) => NodeRecord::decode(&row.value).map(Some).map_err(StoreError::from),
            None => Ok(None),
        });
        let before = match decoded {
            Ok(before) => before,
            Err(error) => return self.fail_boot(error),
        };
        let random = self.entropy.public_u32();
        let mut record = if let Some(before) = before {
            above(before, None, random)
        } else {
            let decoy_secret = self.entropy.secret_bytes::<32>().to_vec();
            let archive_secret = self.entropy.secret_bytes::<32>().to_vec();
            let (iterations_used, before) = (Vec::new(), Vec::new());
            let node = self.entropy.public_u32();
            let membership = None;
            NodeRecord {
                start: 1,
                random,
                decoy_secret,
                iterations_used,
                node,
                archive_secret,
                before,
                membership,
            }
        };
        if let Err(why) = self.begin_membership(&mut record) {
            self.effects.push_back(Effect::Trace(Event::NotServing { why }));
            self.life = Life::Failing;
            return;
        }
        if let Some(cluster) = self.config.cluster.as_ref().filter(|_| record.membership.is_none()) {
            record.node = cluster.node;
            record.archive_secret = shared(&cluster.secret, b"archive");
            record.decoy_secret = shared(&cluster.secret, b"decoy");
        }
        let iterations = self.config.limits.scram_iterations;
        if !record.iterations_used.contains(&iterations) {
            record.iterations_used.push(iterations);
        }
        self.ledger = Ledger::new(origin(record.node, record.start, record.random), &self.config);
        self.groups.begin(self.ledger.origin());
        if self.config.cluster.is_some() {
            self.own = Own::new(self.ledger.origin());
            self.directory.watch();
            self.accounts.watch();
        }
        let batch = StoreBatch::new().put(Key::new(Table::Node, &[]), record.encode());
        self.life = Life::Writing;
        self.id_key = IdKey::new(&record.archive_secret);
        self.record = Some(record);
        self.with_services(now, |_, cx| {
            cx.persist(Owner::Boot, batch, |_| {});
        });
    }

    pub(super) fn handle_boot_stored(&mut self, now: Now, outcome: Result<(), StoreError>) {
        match outcome {
            Ok(()) => self.begin_restore(now),
            Err(error) => self.fail_boot(error),
        }
    }

    /// Another node knows a later start of this one: the disk has been set back, and nothing that is written under this start would be
    /// taken. Takes one above it, while running; what has been written stays written.
    pub(super) fn rise_above(&mut self, now: Now, met: Origin) {
        let own = self.ledger.origin();
        let due = met.node == own.node && met != own && !own.succeeds(met) && self.rising.is_none();
        let Some(record) = self.record.clone().filter(|_| due && matches!(self.life, Life::Running)) else {
            return;
        };
        let record = above(record, Some(met), self.entropy.public_u32());
        let batch = StoreBatch::new().put(Key::new(Table::Node, &[]), record.encode());
        self.rising = Some(record);
        self.with_services(now, |_, cx| {
            cx.persist(Owner::Rise, batch, |_| {});
        });
    }

    /// The start above is durable, or will be asked for again.
    pub(super) fn handle_risen(&mut self, outcome: Result<(), StoreError>) {
        let Some(record) = self.rising.take().filter(|_| outcome.is_ok()) else { return };
        let origin = origin(record.node, record.start, record.random);
        self.record = Some(record);
        self.ledger.renew(origin);
        self.own = Own::new(origin);
        self.groups.begin(origin);
        let ids: Vec<_> = self.directory.ids().collect();
        for id in ids {
            self.directory.stir(id);
        }
        self.with_peers(Peers::say_hello_again);
    }

    /// Opens the doors: everything of the time before has been read.
    pub(super) fn begin_serving(&mut self) {
        let Some(start) = self.record.as_ref().map(|record| record.start) else { return };
        self.open(start);
        self.life = Life::Running;
        self.timers.arm(Timer::Sweep, self.mono + self.config.limits.archive_sweep);
        self.begin_peers();
    }

    /// Ends a start for which something could not be read or written. More of it may fail by then.
    pub(super) fn fail_boot(&mut self, error: StoreError) {
        if matches!(self.life, Life::Failing | Life::Stopped) {
            return;
        }
        self.life = Life::Failing;
        self.effects.push_back(Effect::Trace(Event::StoreFailed { error }));
    }

    /// Says good-bye to everybody.
    pub(super) fn begin_stop(&mut self, now: Now, id: CommandId) {
        self.life = Life::Stopping(id);
        self.effects.push_back(Effect::Trace(Event::Stopping));
        self.stop_peers();
        self.stop_joining();
        let conns: Vec<_> = self.conns.keys().copied().collect();
        for conn in conns {
            self.tell_stream(now, conn, ToStream::Fail(Condition::SystemShutdown, ""));
        }
    }

    /// While the node stops, sees to it that everything that sessions are is written: they are resumed after the next
    /// start as they are now. Not when the disk fails: then they are resumed as they were.
    pub(super) fn write_last(&mut self) {
        let due = self.directory.is_unsaved() && !self.journal.has_failed();
        if due && matches!(self.life, Life::Stopping(_)) {
            self.journal.urge();
        }
    }

    /// Says that the node has stopped, once nobody is connected and nothing is under way.
    pub(super) fn end_stop(&mut self) {
        if matches!(self.life, Life::Failing) {
            self.life = Life::Stopped;
            self.outputs.push_back(Output::Stopped);
        }
        if let Life::Stopping(id) = self.life
            && self.conns.is_empty()
            && self.peers.is_idle()
            && self.membership.joining.is_none()
            && self.ops.is_idle()
            && self.journal.is_idle()
        {
            self.life = Life::Stopped;
            self.outputs.push_back(Output::Reply { id, answer: Answer::Done });
            self.outputs.push_back(Output::Stopped);
        }
    }
}

/// Returns one of the secrets that all members of a cluster have in common.
fn shared(secret: &ClusterSecret, purpose: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(&secret.0).expect("HMAC takes keys of every length");
    mac.update(purpose);
    mac.finalize().into_bytes().to_vec()
}

/// Returns the incarnation of a start of `node`.
fn origin(node: u32, start: u64, random: u32) -> Origin {
    Origin { node, start: u32::try_from(start).unwrap_or(u32::MAX), random }
}

/// Returns what the node knows of itself from here on, the start before among what it remembers, and one that was `met`.
fn above(record: NodeRecord, met: Option<Origin>, random: u32) -> NodeRecord {
    let before = record.before.iter().map(|(start, random)| origin(record.node, *start, *random));
    let past = Past::new(origin(record.node, record.start, record.random), before);
    let past = past.above(met.unwrap_or(past.origin()), random);
    let before = past.before().map(|origin| (u64::from(origin.start), origin.random)).collect();
    NodeRecord { start: u64::from(past.origin().start), random, before, ..record }
}
