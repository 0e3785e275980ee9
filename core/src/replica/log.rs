//! A log: entries that are only added, in an order that no clock can spoil.
//!
//! Rests on the replication rules R11 (order, late entries), R14 (two logs), R16 (one stanza, one message), R21 (speech and
//! rights) and R27 (retention).

use std::collections::{BTreeMap, BTreeSet};

use minicbor::{Decode, Encode};

use super::{Applied, Caps, Dot, Dotted, Given, Hlc, Place, Replica};

/// Which stanza of a client an entry was made from. Entries with equal keys are one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct Inbound {
    /// The session.
    #[n(0)]
    pub session: Dot,
    /// The number of the stanza within it, as XEP-0198 counts.
    #[n(1)]
    pub ordinal: u64,
}

/// One entry of a log.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Post<B> {
    /// Its name.
    #[n(0)]
    pub dot: Dot,
    /// Its stamp.
    #[n(1)]
    pub hlc: Hlc,
    /// The message: of its entries in the logs of sender and recipient, which have consecutive dots, the first dot.
    #[n(2)]
    pub message: Dot,
    /// The stanza, if a client of this cluster sent it.
    #[n(3)]
    pub key: Option<Inbound>,
    /// What is kept of it. Nothing once it was retracted.
    #[n(4)]
    pub body: Option<B>,
}

/// Which message an entry is of. The entries of one stanza are one message, however often it was sent and under whatever dots (R16).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum MessageName {
    /// That of a stanza of a client of this cluster.
    #[n(0)]
    Stanza(#[n(0)] Inbound),
    /// Any other: the first dot of its entries.
    #[n(1)]
    Entry(#[n(0)] Dot),
}

/// One write of a log.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Line<B> {
    /// An entry.
    #[n(0)]
    Post(#[n(0)] Post<B>),
    /// A message was retracted: its entries stay as stubs.
    #[n(1)]
    Retract {
        /// The name of the retraction.
        #[n(0)]
        dot: Dot,
        /// The message.
        #[n(1)]
        of: MessageName,
    },
    /// Entries with lesser stamps are not kept any longer.
    #[n(2)]
    Floor {
        /// The name of the write.
        #[n(0)]
        dot: Dot,
        /// The least stamp that is kept.
        #[n(1)]
        hlc: Hlc,
    },
}

/// The entries of one archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log<B> {
    posts: BTreeMap<Dot, Post<B>>,
    /// Of entries with a key, all of them.
    keys: BTreeMap<Inbound, BTreeSet<Dot>>,
    /// Retracted messages, and the least dot that says so. Kept when all entries have gone: the stanza may still be sent once more.
    retracted: BTreeMap<MessageName, Dot>,
    /// The least stamp that is kept, and the write that says so.
    floor: Option<(Hlc, Dot)>,
}

/// Where a reader stands: everything up to the place was shown, as far as `base` covers it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Cursor {
    /// What the reader had been given, or what was known where the place was given out.
    #[n(0)]
    pub base: Given,
    /// Behind which entry the reader goes on.
    #[n(1)]
    pub after: Place,
}

impl<B> Post<B> {
    /// Returns which message it is of.
    pub fn name(&self) -> MessageName {
        self.key.map_or(MessageName::Entry(self.message), MessageName::Stanza)
    }
}

impl<B: Clone> Log<B> {
    /// Creates an empty log.
    pub const fn new() -> Self {
        Self { posts: BTreeMap::new(), keys: BTreeMap::new(), retracted: BTreeMap::new(), floor: None }
    }

    /// Returns an entry, listed or alias.
    pub fn get(&self, dot: Dot) -> Option<&Post<B>> {
        self.posts.get(&dot)
    }

    /// Returns what has made the entries of a message stubs. It is sent before any of them: else somebody who has a stub, and
    /// somebody who has the message, cover the same.
    pub fn retraction(&self, of: MessageName) -> Option<Line<B>> {
        self.retracted.get(&of).map(|dot| Line::Retract { dot: *dot, of })
    }

    /// Returns the names of all entries, aliases among them.
    pub fn dots(&self) -> impl Iterator<Item = Dot> {
        self.posts.keys().copied()
    }

    /// Returns the entry that is listed for the stanza of this entry; the entry itself when it has no alias.
    pub fn canonical(&self, dot: Dot) -> Option<&Post<B>> {
        let post = self.posts.get(&dot)?;
        let same = self.same(post).filter_map(|dot| self.posts.get(&dot));
        same.min_by_key(|post| (post.hlc, post.dot))
    }

    /// Returns the entries of the same stanza, the entry itself among them: covering one covers all.
    pub fn same(&self, post: &Post<B>) -> impl Iterator<Item = Dot> {
        let aliases = post.key.as_ref().and_then(|key| self.keys.get(key)).cloned();
        aliases.unwrap_or_else(|| BTreeSet::from([post.dot])).into_iter()
    }

    /// Returns what is listed, in order; of the entries of one stanza the first.
    pub fn list(&self, caps: &Caps) -> BTreeMap<Place, &Post<B>> {
        let listed = self
            .posts
            .values()
            .filter(|post| self.canonical(post.dot).is_some_and(|canonical| canonical.dot == post.dot));
        listed.map(|post| (caps.place(post.hlc, post.dot), post)).collect()
    }

    /// Returns what a reader lacks, in order: what stands behind the cursor; what stands before it and came since; and what was moved
    /// there by a cap since.
    pub fn missing(&self, caps: &Caps, cursor: &Cursor) -> Vec<&Post<B>> {
        let listed = self.list(caps).into_values();
        listed.filter(|post| !self.was_shown(post, caps, cursor)).collect()
    }

    /// Returns whether a reader was shown the stanza of an entry: the entry that was listed for it then, as far as the base of the
    /// cursor tells, stood before the cursor. That the base covers an alias says nothing by itself: it may have stood behind.
    fn was_shown(&self, post: &Post<B>, caps: &Caps, cursor: &Cursor) -> bool {
        let known = self.same(post).filter(|dot| cursor.base.covers(*dot));
        let listed = known.filter_map(|dot| self.posts.get(&dot)).min_by_key(|post| (post.hlc, post.dot));
        listed.is_some_and(|then| {
            let stood = caps.of(then.dot).is_none_or(|cap| cursor.base.covers(cap.dot));
            stood && caps.place(then.hlc, then.dot) <= cursor.after
        })
    }

    /// Drops what lies below the floor.
    fn sink(&mut self) {
        let Some((floor, _)) = self.floor else { return };
        self.posts.retain(|_, post| post.hlc >= floor);
        let posts = &self.posts;
        for dots in self.keys.values_mut() {
            dots.retain(|dot| posts.contains_key(dot));
        }
        self.keys.retain(|_, dots| !dots.is_empty());
    }

    /// Removes an entry, a retraction or a floor that has got another name.
    pub(super) fn remove(&mut self, dot: Dot) {
        if let Some(Post { key: Some(key), .. }) = self.posts.remove(&dot)
            && let Some(dots) = self.keys.get_mut(&key)
        {
            dots.remove(&dot);
            self.keys.retain(|_, dots| !dots.is_empty());
        }
        self.retracted.retain(|_, known| *known != dot);
        self.floor = self.floor.filter(|(_, known)| *known != dot);
    }

    fn post(&mut self, post: &Post<B>) -> Applied {
        if self.posts.contains_key(&post.dot) {
            return Applied::Known;
        }
        if self.floor.is_some_and(|(floor, _)| post.hlc < floor) {
            return Applied::Hidden;
        }
        let mut post = post.clone();
        if self.retracted.contains_key(&post.name()) {
            post.body = None;
        }
        if let Some(key) = post.key {
            self.keys.entry(key).or_default().insert(post.dot);
        }
        self.posts.insert(post.dot, post);
        Applied::Live
    }

    fn retract(&mut self, dot: Dot, of: MessageName) -> Applied {
        for post in self.posts.values_mut().filter(|post| post.name() == of) {
            post.body = None;
        }
        let first = self.retracted.entry(of).or_insert(dot);
        match dot.cmp(first) {
            core::cmp::Ordering::Less => *first = dot,
            core::cmp::Ordering::Equal => {}
            core::cmp::Ordering::Greater => return Applied::Hidden,
        }
        Applied::Live
    }

    fn raise(&mut self, hlc: Hlc, dot: Dot) -> Applied {
        if self.floor == Some((hlc, dot)) {
            return Applied::Known;
        }
        if self.floor.is_some_and(|known| known > (hlc, dot)) {
            return Applied::Hidden;
        }
        self.floor = Some((hlc, dot));
        self.sink();
        Applied::Live
    }
}

impl<B: Clone> Default for Log<B> {
    fn default() -> Self {
        Self::new()
    }
}

impl<B> Replica for Log<B>
where
    B: Clone + PartialEq + core::fmt::Debug + Encode<()> + for<'b> Decode<'b, ()>,
{
    type Delta = Line<B>;

    fn apply(&mut self, line: &Line<B>) -> Applied {
        match line {
            Line::Post(post) => self.post(post),
            Line::Retract { dot, of } => self.retract(*dot, *of),
            Line::Floor { dot, hlc } => self.raise(*hlc, *dot),
        }
    }

    fn deltas(&self) -> Vec<Line<B>> {
        let floor = self.floor.map(|(hlc, dot)| Line::Floor { dot, hlc });
        let retracted = self.retracted.iter().map(|(of, dot)| Line::Retract { dot: *dot, of: *of });
        floor.into_iter().chain(retracted).chain(self.posts.values().cloned().map(Line::Post)).collect()
    }
}

impl<B> Dotted for Line<B> {
    fn dot(&self) -> Dot {
        match self {
            Self::Post(post) => post.dot,
            Self::Retract { dot, .. } | Self::Floor { dot, .. } => *dot,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::law::laws;
    use super::super::sample::{at, origin};
    use super::*;
    use crate::replica::{Cap, Dots, Origin, Vector};

    laws!(a_log_keeps_the_laws, Log<u8>, |_: &Log<u8>, dot: Dot, hlc, u| {
        let message =
            Origin { node: u.int_in_range(0..=2)?, start: 1, random: 0 }.dot(u.int_in_range(1..=3)?);
        let session = Origin { node: 9, start: 1, random: 0 }.dot(1);
        let key = Some(Inbound { session, ordinal: u.int_in_range(0..=3)? }).filter(|key| key.ordinal > 0);
        Ok(match u.int_in_range(0..=7)? {
            0 => Line::Floor { dot, hlc },
            1 => Line::Retract { dot, of: key.map_or(MessageName::Entry(message), MessageName::Stanza) },
            _ => Line::Post(Post { dot, hlc, message: dot, key, body: Some(u.arbitrary()?) }),
        })
    });

    fn post(dot: Dot, millis: i64, ordinal: Option<u64>) -> Line<char> {
        let key = ordinal.map(|ordinal| Inbound { session: origin(9).dot(1), ordinal });
        Line::Post(Post { dot, hlc: at(millis), message: dot, key, body: Some('x') })
    }

    fn log(lines: &[Line<char>]) -> Log<char> {
        let mut log = Log::new();
        for line in lines {
            log.apply(line);
        }
        log
    }

    fn dots(posts: &[&Post<char>]) -> Vec<Dot> {
        posts.iter().map(|post| post.dot).collect()
    }

    #[test]
    fn a_stanza_that_was_sent_again_to_another_node_is_listed_once_and_covered_by_either() {
        // Stored as A:10 and replicated; A dies before it says so; the client resumes on C and sends again: C:5.
        let (first, again) = (origin(1).dot(10), origin(3).dot(5));
        for lines in [
            [post(first, 7, Some(4)), post(again, 9, Some(4))],
            [post(again, 9, Some(4)), post(first, 7, Some(4))],
        ] {
            let log = log(&lines);
            assert_eq!(log.list(&Caps::new()).values().map(|post| post.dot).collect::<Vec<_>>(), [first]);
            assert_eq!(log.canonical(again).map(|post| post.dot), Some(first));
            let mut base = Vector::new();
            base.count(again);
            let cursor = Cursor { base: base.into(), after: Place::new(at(9), None, again) };
            assert!(
                log.missing(&Caps::new(), &cursor).is_empty(),
                "who was given the alias was given the message"
            );
        }
    }

    #[test]
    fn what_came_late_is_not_missed_by_a_cursor_that_has_passed_its_place() {
        let (early, late) = (origin(1).dot(1), origin(2).dot(1));
        let mut log = log(&[post(early, 10, None)]);
        let mut base = Vector::new();
        base.count(early);
        let cursor = Cursor { base: base.into(), after: Place::new(at(10), None, early) };
        assert!(log.missing(&Caps::new(), &cursor).is_empty());
        log.apply(&post(late, 5, None));
        assert_eq!(dots(&log.missing(&Caps::new(), &cursor)), [late]);
    }

    #[test]
    fn what_a_cap_moves_before_a_cursor_is_not_missed_either() {
        let (read, ahead) = (origin(1).dot(1), origin(2).dot(1));
        let log = log(&[post(read, 10, None), post(ahead, 1_000_000, None)]);
        let mut base = Vector::new();
        base.count(read);
        base.count(ahead);
        // The page ended before the entry that is ahead; then somebody caps it.
        let cursor = Cursor { base: base.into(), after: Place::new(at(10), None, read) };
        assert_eq!(dots(&log.missing(&Caps::new(), &cursor)), [ahead]);
        let mut caps = Caps::new();
        caps.apply(&Cap { dot: origin(1).dot(2), of: ahead, at: at(9) });
        assert_eq!(dots(&log.missing(&caps, &cursor)), [ahead]);
        assert_eq!(log.list(&caps).values().map(|post| post.dot).collect::<Vec<_>>(), [ahead, read]);
    }

    #[test]
    fn what_a_reader_has_before_it_is_not_hidden_by_an_alias_that_comes_with_a_lesser_stamp() {
        // The page ended before the entry; then its stanza comes once more, from a node that had stored it earlier.
        let (read, behind, earlier) = (origin(1).dot(1), origin(2).dot(1), origin(3).dot(1));
        let mut log = log(&[post(read, 10, Some(1)), post(behind, 20, Some(2))]);
        let mut base = Vector::new();
        base.count(read);
        base.count(behind);
        let cursor = Cursor { base: base.into(), after: Place::new(at(10), None, read) };
        log.apply(&post(earlier, 5, Some(2)));
        assert_eq!(dots(&log.missing(&Caps::new(), &cursor)), [earlier]);
        // Who had read on has it.
        let cursor = Cursor { after: Place::new(at(20), None, behind), ..cursor };
        assert!(log.missing(&Caps::new(), &cursor).is_empty());
    }

    #[test]
    fn an_alias_that_a_cap_moves_back_does_not_hide_what_was_listed_for_it() {
        // The later of two entries of one stanza is capped below the page that was read; the earlier one stands behind it.
        let (read, first, ahead) = (origin(1).dot(1), origin(1).dot(2), origin(2).dot(1));
        let log = log(&[post(read, 10, Some(1)), post(first, 20, Some(2)), post(ahead, 1_000, Some(2))]);
        let (mut base, mut caps) = (Vector::new(), Caps::new());
        for dot in [read, first, ahead, origin(1).dot(3)] {
            base.count(dot);
        }
        caps.apply(&Cap { dot: origin(1).dot(3), of: ahead, at: at(9) });
        let cursor = Cursor { base: base.into(), after: Place::new(at(10), None, read) };
        assert_eq!(dots(&log.missing(&caps, &cursor)), [first]);
    }

    #[test]
    fn what_lies_below_the_floor_goes_and_does_not_come_back() {
        let (old, new) = (origin(1).dot(1), origin(1).dot(2));
        let mut log = log(&[post(old, 10, Some(1)), post(new, 20, Some(2))]);
        log.apply(&Line::Floor { dot: origin(2).dot(1), hlc: at(15) });
        assert_eq!(log.apply(&post(old, 10, Some(1))), Applied::Hidden);
        assert_eq!(log.apply(&Line::Floor { dot: origin(3).dot(1), hlc: at(5) }), Applied::Hidden);
        assert!(log.get(old).is_none() && log.get(new).is_some());
    }

    #[test]
    fn a_retraction_leaves_a_stub_even_when_it_comes_first() {
        let said = origin(1).dot(1);
        let retraction = Line::Retract { dot: origin(2).dot(1), of: MessageName::Entry(said) };
        for lines in [[post(said, 10, None), retraction.clone()], [retraction, post(said, 10, None)]] {
            assert_eq!(log(&lines).get(said).map(|post| post.body), Some(None));
        }
    }

    #[test]
    fn what_was_retracted_does_not_come_back_with_another_entry_of_its_stanza() {
        // A has stored the stanza and dies before it says so; B gets it once more, with a lesser stamp, and retracts what it has.
        let (first, again) = (post(origin(1).dot(1), 10, Some(4)), post(origin(2).dot(1), 9, Some(4)));
        let of = log(core::slice::from_ref(&first)).get(first.dot()).map(Post::name).unwrap();
        let retraction = Line::Retract { dot: origin(2).dot(2), of };
        for lines in [
            [first.clone(), retraction.clone(), again.clone()],
            [again.clone(), first.clone(), retraction.clone()],
            [retraction, again, first],
        ] {
            let log = log(&lines);
            assert_eq!(log.list(&Caps::new()).values().map(|post| post.body).collect::<Vec<_>>(), [None]);
            assert!(log.posts.values().all(|post| post.body.is_none()));
        }
    }

    #[test]
    fn a_stub_is_sent_behind_its_retraction() {
        // A retracts what it has said and tells B of the entry alone; its disk dies, and C has the message.
        let said = origin(2).dot(1);
        let retraction = Line::Retract { dot: origin(1).dot(1), of: MessageName::Entry(said) };
        let a = log(&[post(said, 10, None), retraction.clone()]);
        assert_eq!(a.retraction(MessageName::Entry(said)), Some(retraction));
        let sent = a.deltas();
        let stub = sent.iter().position(|line| line.dot() == said);
        let first = sent.iter().position(|line| matches!(line, Line::Retract { .. }));
        assert!(first < stub && stub.is_some(), "the link may be lost between them");
    }

    #[test]
    fn a_message_of_two_accounts_has_two_entries_with_consecutive_dots_and_one_id() {
        let mut dots = Dots::new(origin(1));
        let (sent, received) = (dots.take(), dots.take());
        assert_eq!(received, origin(1).dot(sent.seq + 1));
        let entry = |dot| Line::Post(Post { dot, hlc: at(1), message: sent, key: None, body: Some('x') });
        let (sender, recipient) = (log(&[entry(sent)]), log(&[entry(received)]));
        let id = |log: &Log<char>, dot| log.get(dot).map(|post| post.message);
        assert_eq!(id(&sender, sent), id(&recipient, received));
    }
}
