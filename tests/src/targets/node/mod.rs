//! A whole node under any sequence of inputs that keeps the driver's side of the contract.
//!
//! The node has to keep its own side: see [`world`]. Peers say anything; the store fails now and then; answers come in
//! any order that the contract allows.

mod action;
mod world;

use arbitrary::{Arbitrary as _, Unstructured};

pub use action::Action;
pub use world::World;

/// Actions of one run.
const ACTIONS_MAX: usize = 200;

/// Runs a node under the actions that the bytes mean.
pub fn bytes(data: &[u8]) {
    // Bytes that do not suffice for one more action end the sequence; an error cannot leave the loop.
    drop(actions(&mut Unstructured::new(data)));
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
