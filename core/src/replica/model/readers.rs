//! Clients that catch up page by page (R20): what each was shown, and what each has to be shown.

use std::collections::BTreeMap;

use super::sessions::stanza;
use super::tally::{Event, Tally};
use super::world::Member;
use crate::replica::{Cursor, Given, Hlc, Origin, Place, Post};

/// Readers that there are at most.
const READERS: usize = 4;
/// Entries of a page, behind those that came late.
const PAGE: usize = 2;

/// All clients that read an archive.
#[derive(Debug, Default)]
pub(super) struct Readers(Vec<Reader>);

#[derive(Debug)]
struct Reader {
    user: usize,
    /// Where it has read last.
    host: usize,
    cursor: Option<Cursor>,
    /// How often each stanza was shown.
    shown: BTreeMap<u64, u32>,
    /// It was always at one member, which has kept its disk: nothing is shown twice for no reason.
    settled: bool,
}

impl Readers {
    /// A client reads the next page at a member.
    pub(super) fn read(&mut self, members: &[Member], at: usize, which: usize, tally: &mut Tally) {
        if self.0.len() <= which % READERS {
            let (cursor, shown) = (None, BTreeMap::new());
            self.0.push(Reader { user: which % 2, host: at, cursor, shown, settled: true });
        }
        let count = self.0.len();
        let reader = &mut self.0[which % count];
        // Every other one reads wherever it comes to.
        let to = if which.is_multiple_of(2) { at } else { reader.host };
        reader.settled &= reader.host == to;
        reader.host = to;
        reader.page(members, tally);
    }

    /// The disk of a member has gone, or has gone back.
    pub(super) fn unsettle(&mut self, host: usize) {
        self.0.iter_mut().filter(|reader| reader.host == host).for_each(|reader| reader.settled = false);
    }

    /// Everything was exchanged: everybody who reads to the end was shown everything.
    pub(super) fn check(&mut self, members: &[Member], tally: &mut Tally) {
        for reader in &mut self.0 {
            while reader.page(members, tally) > 0 {}
            let state = members[reader.host].disk.state();
            for post in state.logs[reader.user].list(&state.caps).into_values() {
                assert!(reader.shown.contains_key(&stanza(post)), "a reader has missed {:?}", post.dot);
            }
        }
    }
}

impl Reader {
    /// Reads what came late, and some of what stands behind it; returns how much that was.
    fn page(&mut self, members: &[Member], tally: &mut Tally) -> usize {
        let disk = &members[self.host].disk;
        let (log, caps) = (&disk.state().logs[self.user], &disk.state().caps);
        let start = Cursor { base: Given::default(), after: least() };
        let cursor = self.cursor.clone().unwrap_or(start);
        let place = |post: &Post<u64>| caps.place(post.hlc, post.dot);
        let (late, next): (Vec<_>, Vec<_>) =
            log.missing(caps, &cursor).into_iter().partition(|post| place(post) <= cursor.after);
        tally.add(Event::ReadLate, late.len());
        let page: Vec<&Post<u64>> = late.into_iter().chain(next.into_iter().take(PAGE)).collect();
        for post in &page {
            let times = self.shown.entry(stanza(post)).or_default();
            *times += 1;
            let moved = log.same(post).any(|dot| caps.of(dot).is_some());
            assert!(*times == 1 || moved || !self.settled, "{:?} was read twice", post.dot);
        }
        let last = page.iter().map(|post| place(post)).max().unwrap_or(cursor.after);
        self.cursor = Some(Cursor { base: disk.vector().clone().into(), after: cursor.after.max(last) });
        page.len()
    }
}

/// The place before all others.
fn least() -> Place {
    let origin = Origin { node: 0, start: 0, random: 0 };
    Place { capped: Hlc::MIN, hlc: Hlc::MIN, dot: origin.dot(0) }
}
