//! A whole node under any sequence of inputs that keeps the driver's side of the contract.
//!
//! The node has to keep its own side: see `world.rs`. Peers say anything; the store fails now and then; answers come in
//! any order that the contract allows.

mod action;
mod world;

use arbitrary::{Arbitrary as _, Unstructured};

use action::Action;
use world::World;

/// Actions of one run.
const ACTIONS_MAX: usize = 200;

/// Runs a node under the actions that the bytes mean.
pub fn bytes(data: &[u8]) {
    match actions(&mut Unstructured::new(data)) {
        // Bytes that do not suffice for one more action have ended the sequence.
        Ok(()) | Err(_) => {}
    }
}

/// Runs a node under arbitrary actions, then ends it in order.
///
/// # Errors
///
/// When the bytes do not suffice for one more action; those before it were checked.
pub fn actions(data: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let mut world = World::new(data.arbitrary()?);
    let mut outcome = Ok(());
    for _ in 0..ACTIONS_MAX {
        match Action::arbitrary(data) {
            Ok(action) if !data.is_empty() => action.apply(&mut world),
            Ok(_) => break,
            Err(error) => {
                outcome = Err(error);
                break;
            }
        }
    }
    world.finish();
    outcome
}
