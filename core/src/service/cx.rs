//! The context a service works in: what it may know, and the only way out.

use std::collections::VecDeque;

use super::effect::Effect;
use super::ops::{Ops, Owner};
use crate::config::Config;
use crate::directory::Directory;
use crate::entropy::Entropy;
use crate::exchange::ToStream;
use crate::io::{Answer, CommandId, ConnId, KeyDerivation, OpId};
use crate::stanza::Stanza;
use crate::store::{StoreBatch, StoreQuery};
use crate::time::Now;
use crate::trace::Event;

/// What a service may do. It only collects: nothing happens before the service returns.
#[derive(Debug)]
pub(crate) struct Cx<'a> {
    /// Both clocks, as of the input being handled.
    pub(crate) now: Now,
    /// The configuration.
    pub(crate) config: &'a Config,
    /// Who is online.
    pub(crate) directory: &'a Directory,
    /// The generators.
    pub(crate) entropy: &'a mut Entropy,
    /// What is under way.
    pub(crate) ops: &'a mut Ops,
    /// What has been asked for, in order.
    pub(crate) effects: &'a mut VecDeque<Effect>,
}

impl Cx<'_> {
    /// Delivers a stanza.
    pub(crate) fn route(&mut self, stanza: Stanza) {
        self.effects.push_back(Effect::Route(stanza));
    }

    /// Tells a stream something.
    pub(crate) fn tell_stream(&mut self, conn: ConnId, what: ToStream) {
        self.effects.push_back(Effect::ToStream(conn, what));
    }

    /// Answers an operator.
    pub(crate) fn reply(&mut self, id: CommandId, answer: Answer) {
        self.effects.push_back(Effect::Reply(id, answer));
    }

    /// Tells the observers.
    pub(crate) fn trace(&mut self, event: Event) {
        self.effects.push_back(Effect::Trace(event));
    }

    /// Asks for anything else.
    pub(crate) fn effect(&mut self, effect: Effect) {
        self.effects.push_back(effect);
    }

    /// Writes `batch`; what `after` asks for happens when it is durable, and not at all when the write fails:
    /// then the owner hears of it. `after` runs at once; no closure is kept.
    pub(crate) fn persist(&mut self, owner: Owner, batch: StoreBatch, after: impl FnOnce(&mut Self)) -> OpId {
        let op = self.ops.begin(owner);
        self.effects.push_back(Effect::Store(op, batch));
        let before = self.effects.len();
        after(self);
        self.ops.hold(op, self.effects.drain(before..));
        op
    }

    /// Reads; the owner gets the rows.
    pub(crate) fn load(&mut self, owner: Owner, query: StoreQuery) -> OpId {
        let op = self.ops.begin(owner);
        self.effects.push_back(Effect::Load(op, query));
        op
    }

    /// Runs PBKDF2 outside; the owner gets the salted password.
    pub(crate) fn derive(&mut self, owner: Owner, request: KeyDerivation) -> OpId {
        let op = self.ops.begin_derivation(owner);
        self.effects.push_back(Effect::Derive(op, request));
        op
    }
}
