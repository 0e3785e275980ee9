//! What is found of nodes that say that they hold the same.

use eyot_core::store::{Table, Write};

use super::case::{Case, ONLINE};
use crate::world::{Actor, NodeSight};

/// Whether a write is of the index of what accounts are.
fn is_cell(write: &Write) -> bool {
    let Write::Put { key, .. } = write else { return false };
    key.as_bytes().first() == Some(&(Table::Dot as u8)) && key.parts().nth(1) == Some("c")
}

#[test]
fn nodes_that_say_that_they_hold_the_same_and_do_not_are_found() {
    let online = ONLINE.replace("client bob on a", "client bob on b");
    let case = Case::of(&format!(
        "nodes a b\nmembers\n{online}desk blocks eve\nbob blocks eve\nsettle\nexpect bob blocks exactly eve\n"
    ));
    let mut found = 0;
    for number in 0..case.history.len() {
        let mut lacks = case.clone();
        let Actor::Node(_, NodeSight::Synced(batch)) = &mut lacks.history[number].actor else { continue };
        let Some(at) = batch.writes.iter().position(is_cell) else { continue };
        batch.writes.remove(at);
        lacks.shows("agreed/not-the-same");
        found += 1;
    }
    assert!(found >= 4, "two blocks on two nodes: {found}");
}
