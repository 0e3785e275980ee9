//! What a client sees of one node, for what is too fine for a scenario.

mod accounts;
mod acks;
mod again;
mod archives;
mod behind;
mod blocking;
mod bounds;
mod carbons;
mod converge;
mod crash;
mod csi;
mod expiry;
mod far;
mod gaps;
mod index;
mod kept;
mod late;
mod left_meanwhile;
mod leftover;
mod lengths;
mod levels;
mod marks;
mod marks_kept;
mod membership;
mod mesh;
mod messages;
mod moving;

mod older;
mod owed;
mod partition;
mod passages;
mod peers;
mod relays;
mod repeats;
mod resumption;
mod roster;
mod roster_life;
mod roster_presence;
mod roster_states;
mod scans;
mod small;
mod stanzas;
mod storm;
mod streams;
mod successor;
mod taking;
mod unreadable;

use crate::jid::BareJid;
use crate::node::harness::World;
use crate::replica::{CellName, Value, Want};
use crate::service::ops::Owner;
use crate::store::StoreBatch;

fn jid(text: &str) -> BareJid {
    BareJid::parse(text).unwrap()
}

/// Subscribes one user to another's presence. Both are logged in.
fn subscribe(world: &mut World, subscriber: &str, publisher: &str) {
    let [subscriber, publisher] = [subscriber, publisher].map(|user| jid(&format!("{user}@x.example")));
    let want = CellName::Want { subscriber: subscriber.clone(), publisher: publisher.clone() };
    let allow = CellName::Allow { subscriber: subscriber.clone(), publisher: publisher.clone() };
    world.run(|cx| {
        let mut batch = StoreBatch::new();
        let on = Value::Want(Want { on: true, stanza: None });
        cx.write(&[&subscriber, &publisher], want, on, &mut batch);
        cx.write(&[&publisher, &subscriber], allow, Value::Allow(true), &mut batch);
        cx.persist(Owner::Journal, batch, |_| {});
    });
}
