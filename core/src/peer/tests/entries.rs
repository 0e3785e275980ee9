//! What links do with entries.

use super::*;
use crate::exchange::{About, Commit, DomainIx, GroupKind, Haste, Have, News, ToPeer};
use crate::replica::Vector;

const GROUP: GroupId = GroupId { domain: DomainIx(0), kind: GroupKind::Logs, shard: 0 };

impl Net {
    /// A node has written entries, and they are durable.
    pub(super) fn write(&mut self, end: usize, seqs: core::ops::RangeInclusive<u64>, bytes: usize) {
        let mut news = News::default();
        for seq in seqs {
            let dot = self.ends[end].origin.dot(seq);
            let sealed = Sealed { dot, span: 1, kind: 2, bytes: vec![7; bytes].into() };
            self.ends[end].written.0.insert((GROUP, dot), sealed);
            news.own.push((GROUP, dot));
        }
        self.run(end, |peers, cx| peers.tell(cx, &news));
    }

    /// A node says that entries of another one are durable.
    pub(super) fn confirm(&mut self, end: usize, of: usize, seqs: &[u64]) {
        let origin = self.ends[of].origin;
        let taken = seqs.iter().map(|seq| (GROUP, origin.dot(*seq))).collect();
        self.run(end, |peers, cx| peers.tell(cx, &News { own: Vec::new(), taken }));
    }
}

fn linked(link: LinkKind) -> Net {
    let mut net = Net::new(2, link, 1);
    net.begin().pass(5_000);
    net.words(0);
    net.words(1);
    net
}

impl Net {
    /// Returns the numbers of the entries that one end was told of, in order, and forgets what it was told.
    fn entries(&mut self, end: usize) -> Vec<u64> {
        let words = self.words(end);
        let numbers = |word: &str| Some(word.strip_prefix("entries ")?.split_once(": ")?.1.to_owned());
        let told = words.iter().map(|word| numbers(word).unwrap_or_else(|| panic!("{words:?}")));
        told.flat_map(|told| told.split(' ').map(|seq| seq.parse().unwrap()).collect::<Vec<_>>()).collect()
    }
}

#[test]
fn entries_arrive_in_order_and_in_parts_if_they_are_long() {
    let mut net = linked(LinkKind::Hf);
    net.write(0, 1..=3, 2_000);
    net.pass(100);
    assert_eq!(net.entries(1), [1, 2, 3]);
    net.write(1, 1..=1, 10);
    net.pass(100);
    assert_eq!(net.entries(0), [1]);
}

#[test]
fn no_more_is_under_way_than_the_peer_can_lose() {
    let mut net = linked(LinkKind::Hf);
    net.write(0, 1..=20, 4_096);
    net.pass(100);
    assert_eq!(net.entries(1), [1, 2, 3, 4], "16 KiB");
    net.confirm(1, 0, &[1, 2]);
    net.pass(900);
    assert_eq!(net.entries(1), [0; 0], "what nobody waits for at once waits for a second");
    net.pass(200);
    assert_eq!(net.entries(1), [5, 6]);
}

#[test]
fn what_was_not_confirmed_is_said_again_when_the_link_is_back() {
    let mut net = linked(LinkKind::Lan);
    net.write(0, 1..=3, 10);
    net.pass(100);
    assert_eq!(net.words(1), ["entries 1: 1 2 3"]);
    net.confirm(1, 0, &[1, 3]);
    net.pass(100);
    net.lost = vec![(0, 1), (1, 0)];
    net.pass(1_000);
    net.write(0, 4..=5, 10);
    net.pass(5_000);
    assert_eq!(net.words(0), ["down 2: nothing came back from it"]);
    net.words(1);
    net.write(0, 6..=6, 10);
    net.lost.clear();
    net.pass(5_000);
    let words = net.words(1);
    assert_eq!(words[1..], ["entries 1: 2 4 5 6"], "{words:?}");
}

#[test]
fn what_is_no_longer_at_hand_is_left_out_and_said() {
    let mut net = linked(LinkKind::Lan);
    net.lost = vec![(0, 1), (1, 0)];
    net.pass(5_000);
    net.words(0);
    net.write(0, 1..=3, 10);
    let gone = net.ends[0].origin.dot(2);
    net.ends[0].written.0.remove(&(GROUP, gone));
    net.lost.clear();
    net.pass(5_000);
    let words = net.words(0);
    assert!(words.contains(&"behind 2".into()), "{words:?}");
    assert_eq!(net.words(1).last().map(String::as_str), Some("entries 1: 1 3"));
}

#[test]
fn a_node_that_takes_nothing_for_long_falls_behind() {
    let mut net = linked(LinkKind::Hf);
    net.lost = vec![(0, 1), (1, 0)];
    net.write(0, 1..=1_100, 1);
    assert_eq!(net.words(0), ["behind 2"]);
}

#[test]
fn what_cannot_be_understood_ends_the_connection() {
    let mut net = linked(LinkKind::Lan);
    let kind = GroupKind::Logs.number();
    let group = GroupName { domain: "y.example".into(), kind, shard: 0 };
    let origin = net.ends[1].origin;
    let frame = EntryFrame { group, dot: origin.dot(1), span: 1, kind: 2, bytes: Bytes::new() };
    let mut body = Vec::new();
    frame.write(&mut body);
    let mut bytes = Vec::new();
    let kind = Kind::Entry.number();
    Frame { lane: Lane::Live, more: false, kind, body: body.into() }.write(&mut bytes);
    let conn = net.known.iter().find(|(end, _)| *end == 0).map(|(_, conn)| *conn).unwrap();
    net.run(0, |peers, cx| peers.handle_bytes(cx, conn, &bytes.into()));
    let words = net.words(0);
    assert_eq!(words, ["refused Some(2): a value that may not be"], "a domain that is not served");
    net.pass(5_000);
    net.run(0, |peers, cx| peers.refuse_said(cx, 2));
    assert!(net.words(0).contains(&"refused Some(2): a value that may not be".into()));
}

#[test]
fn who_could_not_keep_something_is_told_again_as_far_as_it_holds_nothing_of_it() {
    let mut net = linked(LinkKind::Lan);
    net.write(0, 1..=3, 10);
    net.pass(100);
    net.words(1);
    let mut vector = Vector::new();
    vector.take(net.ends[0].origin, 0, &[2]);
    let have = Have { number: 1, missed: true, vector };
    net.run(1, |peers, cx| peers.say(cx, 1, &ToPeer::Have(GROUP, have)));
    net.pass(100);
    assert_eq!(net.words(1), ["entries 1: 1 3"]);
}

#[test]
fn what_was_looked_up_comes_by_urgency_and_its_commit_behind_it() {
    let mut net = linked(LinkKind::Hf);
    let sealed = |net: &Net, seq, bytes| Sealed {
        dot: net.ends[0].origin.dot(seq),
        span: 1,
        kind: 2,
        bytes: vec![7; bytes].into(),
    };
    let entries = vec![
        (Haste::Bulk, sealed(&net, 1, 2_000)),
        (Haste::State, sealed(&net, 2, 2_000)),
        (Haste::Live, sealed(&net, 3, 10)),
    ];
    let commit = Commit { number: 1, step: 4, last: true, vector: Vector::new() };
    net.run(0, |peers, cx| peers.say(cx, 2, &ToPeer::Looked(GROUP, entries, commit)));
    net.pass(1_100);
    let words = net.words(1);
    let (last, entries) = words.split_last().unwrap();
    let entries = entries.iter().map(|word| word.trim_start_matches("entries 1: "));
    assert_eq!((entries.collect::<Vec<_>>().join(" ").as_str(), last.as_str()), ("3 2 1", "1 commits 4"));
}

#[test]
fn what_a_peer_does_not_take_is_left_out_and_said_and_the_link_stays() {
    let mut net = Net::new(2, LinkKind::Lan, 1);
    net.ends[0].part_max = 300 * 1024;
    net.begin().pass(5_000);
    for end in [0, 1] {
        net.words(end);
    }
    net.write(0, 1..=1, 10);
    net.write(0, 2..=99, 100 * 1024);
    net.write(0, 100..=100, 60 * 1024);
    net.pass(5_000);
    assert_eq!(net.words(1), ["entries 1: 1", "entries 1: 100"], "and holds no credit");
    assert_eq!(net.words(0), ["behind 2", "too long 2"], "once");
    net.write(1, 1..=1, 60 * 1024);
    net.pass(5_000);
    assert_eq!(net.words(0), ["entries 2: 1"]);
}

#[test]
fn no_commit_follows_what_a_peer_does_not_take() {
    let mut net = Net::new(2, LinkKind::Lan, 1);
    net.ends[0].part_max = 300 * 1024;
    net.begin().pass(5_000);
    net.words(1);
    let entry = |seq, bytes: usize| {
        let dot = net.ends[0].origin.dot(seq);
        (Haste::Bulk, Sealed { dot, span: 1, kind: 2, bytes: vec![7; bytes].into() })
    };
    let entries = vec![entry(1, 10), entry(2, 100 * 1024), entry(3, 10)];
    let commit = Commit { number: 1, step: 4, last: true, vector: Vector::new() };
    net.run(0, |peers, cx| peers.say(cx, 2, &ToPeer::Looked(GROUP, entries, commit)));
    net.pass(100);
    assert_eq!(net.words(1), ["entries 1: 1"]);
}

#[test]
fn the_word_that_many_are_safe_is_never_too_long() {
    let mut net = linked(LinkKind::Lan);
    net.write(0, 1..=40_000, 1);
    net.pass(1_000);
    net.words(1);
    let even: Vec<u64> = (1..=20_000).map(|number| number * 2).collect();
    net.confirm(1, 0, &even);
    net.pass(1_000);
    assert_eq!((net.words(0), net.words(1)), (Vec::new(), Vec::new()), "the link stays");
}

#[test]
fn a_heartbeat_is_never_behind_more_than_the_way_takes_in_a_while() {
    // A way on which a hundred kilobytes a second come through, and a megabyte that waits for it.
    let mut net = linked(LinkKind::Lan);
    net.rate = Some(100);
    net.write(0, 1..=100, 10_000);
    net.pass(9_000);
    let mut told = net.entries(1);
    assert_eq!(net.words(0), Vec::<String>::new());
    net.pass(5_000);
    told.extend(net.entries(1));
    assert_eq!(told, (1..=100).collect::<Vec<_>>(), "and nobody was taken for gone");
    assert_eq!(net.words(0), Vec::<String>::new());
}

#[test]
fn what_shuts_somebody_out_waits_for_nobody_to_come() {
    let mut net = linked(LinkKind::Hf);
    net.rate = Some(1);
    let origin = net.ends[0].origin;
    let carol = |haste| written::about("carol", haste);
    for seq in 1..=20 {
        net.ends[0].written.1.insert((GROUP, origin.dot(seq)), carol(Haste::Bulk));
    }
    net.ends[0].written.1.insert((GROUP, origin.dot(21)), carol(Haste::Live));
    net.write(0, 1..=21, 1_000);
    net.pass(60_000);
    assert_eq!(net.entries(1)[0], 21, "the rest is for nobody who is there");
}

#[test]
fn what_waits_goes_at_once_when_somebody_comes_for_it_with_what_it_needs() {
    let mut net = linked(LinkKind::Hf);
    net.rate = Some(1);
    let origin = net.ends[0].origin;
    for seq in 1..=20 {
        let to = if [16, 18, 20].contains(&seq) { "dave" } else { "carol" };
        let about = About { talker: None, ..written::about(to, Haste::Bulk) };
        net.ends[0].written.1.insert((GROUP, origin.dot(seq)), about);
    }
    let needy =
        About { talker: None, past: Box::new([origin.dot(14)]), ..written::about("dave", Haste::Bulk) };
    net.ends[0].written.1.insert((GROUP, origin.dot(18)), needy);
    net.write(0, 1..=20, 1_000);
    net.pass(100);
    net.ends[0].written.2.push("dave@x.example");
    net.run(0, |peers, cx| peers.handle_come(cx, 2));
    net.pass(60_000);
    let heard = net.entries(1);
    let at = |seq: u64| heard.iter().position(|heard| *heard == seq).unwrap();
    assert!([14, 16, 18, 20].is_sorted_by_key(|seq| at(*seq)) && heard.len() < 10, "{heard:?}");
}

#[test]
fn what_somebody_waits_for_takes_what_it_needs_along() {
    let mut net = linked(LinkKind::Hf);
    net.rate = Some(1);
    let origin = net.ends[0].origin;
    for seq in 1..=20 {
        net.ends[0].written.1.insert((GROUP, origin.dot(seq)), written::about("carol", Haste::Bulk));
    }
    let needy = About { past: Box::new([origin.dot(19)]), ..written::about("bob", Haste::Bulk) };
    net.ends[0].written.1.insert((GROUP, origin.dot(21)), needy);
    net.write(0, 1..=21, 1_000);
    net.pass(60_000);
    let heard = net.entries(1);
    assert!(heard[..3].contains(&19) && heard[..3].contains(&21), "{heard:?}");
}
