//! A whole node under any sequence of inputs that keeps the driver's side of the contract.
//!
//! The node has to keep its own side: see `world.rs`. Peers say anything; the store fails now and then; answers come in
//! any order that the contract allows.

mod action;
mod world;

use std::collections::BTreeSet;

use arbitrary::{Arbitrary as _, Unstructured};

use action::Action;
use world::World;

/// Actions of one run.
const ACTIONS_MAX: usize = 200;

/// Runs a node under the actions that the bytes mean.
pub fn bytes(data: &[u8]) {
    run(&mut Unstructured::new(data));
}

/// Runs a node under arbitrary actions until the bytes do not suffice for one more, then ends it in order. Returns
/// the names of what happened.
///
/// # Panics
///
/// When the node breaks the contract.
pub fn run(data: &mut Unstructured<'_>) -> BTreeSet<&'static str> {
    let mut world = World::new(data.arbitrary().unwrap_or_default());
    for _ in 0..ACTIONS_MAX {
        match Action::arbitrary(data) {
            Ok(action) if !data.is_empty() => action.apply(&mut world),
            Ok(_) | Err(_) => break,
        }
    }
    world.finish()
}
