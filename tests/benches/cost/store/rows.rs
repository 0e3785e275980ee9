//! The rows that 1:1 messages make, in realistic sizes and places.

use std::collections::VecDeque;

use bytes::Bytes;
use eyot_core::store::{Key, StoreBatch, Write};

const ACCOUNTS: u64 = 10_000;
const BODY: usize = 400;
const DOMAIN: &[u8] = b"x.example\0";
/// Numbers of tables, which mean something to this measurement only.
const MESSAGE: u8 = 100;
const LOG: u8 = 101;
const LOG_ID: u8 = 102;
const QUEUE: u8 = 103;
const SESSION: u8 = 104;
const VECTOR: u8 = 105;

/// Where the bodies of messages are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bodies {
    /// With the other rows.
    InTheTree,
    /// In files of their own, which are not measured: the row says where.
    Apart,
}

/// An endless supply of messages.
#[derive(Debug)]
pub(super) struct Messages {
    bodies: Bodies,
    made: u64,
    draw: u64,
    /// Queue rows that will be removed.
    queued: VecDeque<Key>,
}

impl Messages {
    pub(super) const fn new(bodies: Bodies) -> Self {
        Self { bodies, made: 0, draw: 1, queued: VecDeque::new() }
    }

    /// Returns the batches of so many messages; with them the queue rows of the group before are removed.
    pub(super) fn next_group(&mut self, count: u64) -> Vec<StoreBatch> {
        let mut acknowledged = std::mem::take(&mut self.queued);
        let mut batches: Vec<StoreBatch> = (0..count)
            .map(|_| {
                let batch = self.next();
                acknowledged.pop_front().into_iter().fold(batch, StoreBatch::delete)
            })
            .collect();
        let rest = acknowledged.into_iter().fold(StoreBatch::new(), StoreBatch::delete);
        batches.extend((!rest.writes.is_empty()).then_some(rest));
        batches
    }

    fn next(&mut self) -> StoreBatch {
        self.made += 1;
        let [from, to] = [self.draw() % ACCOUNTS, self.draw() % ACCOUNTS];
        let dot = |number: u64| [&[7; 12][..], &number.to_be_bytes()].concat();
        let time = (1_700_000_000_000 + self.made * 3).to_be_bytes();
        let body = match self.bodies {
            Bodies::InTheTree => BODY,
            Bodies::Apart => 12,
        };
        let mut batch = StoreBatch::new().put(key(MESSAGE, &[DOMAIN, &dot(2 * self.made)]), self.value(body));
        for (account, number) in [(from, 2 * self.made), (to, 2 * self.made + 1)] {
            let archive = format!("user{account}\0");
            let place = [&time[..], &[0; 4], &time, &[0; 4], &dot(number)].concat();
            let id = [self.draw(), self.draw()].map(u64::to_be_bytes).concat();
            batch = batch
                .put(key(LOG, &[DOMAIN, archive.as_bytes(), &place]), self.value(60))
                .put(key(LOG_ID, &[DOMAIN, archive.as_bytes(), &id]), place);
        }
        let session = [&[9; 8][..], &to.to_be_bytes()].concat();
        let queue = key(QUEUE, &[&session, &self.made.to_be_bytes()]);
        self.queued.push_back(queue.clone());
        batch
            .put(queue, self.value(40))
            .put(key(SESSION, &[&session]), self.value(200))
            .put(key(VECTOR, &[DOMAIN]), self.value(40))
    }

    /// Bytes that no compression shortens.
    fn value(&mut self, len: usize) -> Bytes {
        let words = std::iter::repeat_with(|| self.draw().to_le_bytes());
        words.flatten().take(len).collect::<Vec<u8>>().into()
    }

    fn draw(&mut self) -> u64 {
        self.draw ^= self.draw << 13;
        self.draw ^= self.draw >> 7;
        self.draw ^= self.draw << 17;
        self.draw
    }
}

/// Returns how many rows are written or removed, and the bytes of their keys and values.
pub(super) fn size(batches: &[StoreBatch]) -> (u64, u64) {
    let writes = || batches.iter().flat_map(|batch| &batch.writes);
    let bytes = writes().map(|write| match write {
        Write::Put { key, value } => key.as_bytes().len() + value.len(),
        Write::Delete { key } => key.as_bytes().len(),
        Write::DeleteRange { from, to } => from.as_bytes().len() + to.as_bytes().len(),
    });
    (writes().count() as u64, bytes.sum::<usize>() as u64)
}

fn key(table: u8, parts: &[&[u8]]) -> Key {
    Key::from_bytes([&[table], parts.concat().as_slice()].concat().into())
}
