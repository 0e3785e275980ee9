//! The last entries that this node has written, as they travel: links keep names alone.

use std::collections::{BTreeMap, VecDeque};

use crate::exchange::{About, GroupId, Sealed};
use crate::replica::Dot;

/// Bytes that are kept. Beyond: the oldest go.
const BYTES_MAX: usize = 4 << 20;
/// Bytes that an entry takes beside what it says, about.
const OVERHEAD: usize = 128;

/// The last entries.
#[derive(Debug)]
pub(super) struct Ring {
    by: BTreeMap<(GroupId, Dot), (Sealed, About)>,
    /// In the order in which they were written.
    order: VecDeque<(GroupId, Dot)>,
    bytes: usize,
    /// Bytes that are kept.
    pub(super) max: usize,
}

impl Default for Ring {
    fn default() -> Self {
        Self { by: BTreeMap::new(), order: VecDeque::new(), bytes: 0, max: BYTES_MAX }
    }
}

impl Ring {
    /// Adds an entry, in the place of another one under its name.
    pub(super) fn add(&mut self, group: GroupId, sealed: Sealed, about: About) {
        let name = (group, sealed.dot);
        self.bytes += cost(&sealed, &about);
        match self.by.insert(name, (sealed, about)) {
            Some((before, about)) => self.bytes -= cost(&before, &about),
            None => self.order.push_back(name),
        }
        while self.bytes > self.max
            && let Some(oldest) = self.order.pop_front()
        {
            self.bytes -= self.by.remove(&oldest).map_or(0, |(sealed, about)| cost(&sealed, &about));
        }
    }

    /// Returns an entry that is still here.
    pub(super) fn get(&self, group: GroupId, dot: Dot) -> Option<&(Sealed, About)> {
        self.by.get(&(group, dot))
    }
}

fn cost(sealed: &Sealed, about: &About) -> usize {
    sealed.bytes.len() + size_of_val(&*about.past) + OVERHEAD
}

#[cfg(test)]
mod tests {
    use smallvec::SmallVec;

    use super::*;
    use crate::exchange::{DomainIx, GroupKind, Haste};
    use crate::replica::Origin;

    #[test]
    fn the_oldest_go_and_one_that_is_written_again_is_there_once() {
        let group = GroupId { domain: DomainIx(0), kind: GroupKind::Logs, shard: 0 };
        let dot = |seq| Origin { node: 1, start: 1, random: 0 }.dot(seq);
        let sealed = |seq, bytes| Sealed { dot: dot(seq), span: 1, kind: 2, bytes: vec![0; bytes].into() };
        let about = || About {
            accounts: SmallVec::new(),
            talker: None,
            haste: Haste::Bulk,
            apart: Haste::Bulk,
            past: Box::default(),
        };
        let mut ring = Ring::default();
        for seq in 1..=3 {
            ring.add(group, sealed(seq, BYTES_MAX / 3), about());
        }
        assert!(ring.get(group, dot(1)).is_none() && ring.get(group, dot(2)).is_some());
        ring.add(group, sealed(2, 0), about());
        ring.add(group, sealed(4, BYTES_MAX / 3), about());
        assert_eq!(ring.get(group, dot(2)).map(|(sealed, _)| sealed.bytes.len()), Some(0));
        assert!(ring.get(group, dot(3)).is_some() && ring.bytes <= BYTES_MAX);
        assert_eq!(ring.order.len(), ring.by.len());
    }
}
