//! What tests of replicated state are written with.

use super::{Hlc, Origin, Vector};

/// Returns the first start of a node.
pub(super) const fn origin(node: u32) -> Origin {
    Origin { node, start: 1, random: 0 }
}

/// Returns the first stamp of a millisecond.
pub(super) const fn at(millis: i64) -> Hlc {
    Hlc { millis, count: 0 }
}

/// Returns the vector that covers these dots, each with its node and its number.
pub(super) fn covering(dots: &[(u32, u64)]) -> Vector {
    let mut vector = Vector::new();
    for (node, seq) in dots {
        vector.count(origin(*node).dot(*seq));
    }
    vector
}
