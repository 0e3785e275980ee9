//! Bits that several nodes may set at once: which value wins when they do.
//!
//! Rests on the replication rules R10 (subscriptions) and the conflict table (blocks).

use super::Cell;

impl Cell<bool> {
    /// Returns whether all live writes say on: off beats on when both were written at once. A cell that nobody has
    /// written is off. For what grants something.
    pub fn is_granted(&self) -> bool {
        !self.is_empty() && self.siblings().iter().all(|entry| entry.value)
    }

    /// Returns whether any live write says on: on beats off when both were written at once. For what protects.
    pub fn is_guarded(&self) -> bool {
        self.siblings().iter().any(|entry| entry.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replica::{Hlc, Origin};

    /// A cell with concurrent writes.
    fn cell(values: &[bool]) -> Cell<bool> {
        let mut cell = Cell::new();
        for (node, value) in (1..).zip(values) {
            let dot = Origin { node, start: 1, random: 0 }.dot(1);
            cell.apply(Cell::new().write(dot, Hlc { millis: i64::from(node), count: 0 }, *value));
        }
        cell
    }

    #[test]
    fn off_beats_on_for_what_grants_and_on_beats_off_for_what_protects() {
        for (values, granted, guarded) in [
            (&[][..], false, false),
            (&[true], true, true),
            (&[false], false, false),
            (&[true, false], false, true),
            (&[false, true], false, true),
            (&[true, true], true, true),
        ] {
            assert_eq!(
                (cell(values).is_granted(), cell(values).is_guarded()),
                (granted, guarded),
                "{values:?}"
            );
        }
    }

    #[test]
    fn who_has_seen_both_decides_anew() {
        let mut cell = cell(&[true, false]);
        let dot = Origin { node: 9, start: 1, random: 0 }.dot(1);
        cell.apply(cell.write(dot, Hlc::default(), true));
        assert!(cell.is_granted());
    }
}
