//! Nodes that reach each other over third ones.

use super::*;

impl Net {
    fn cut_pair(&mut self, one: usize, other: usize) {
        self.lost.extend([(one, other), (other, one)]);
    }

    fn heal_pair(&mut self, one: usize, other: usize) {
        self.lost.retain(|lost| *lost != (one, other) && *lost != (other, one));
    }

    fn quiet(&mut self) {
        for end in 0..self.ends.len() {
            self.told(end);
        }
    }
}

fn net(nodes: u32) -> Net {
    let mut net = Net::new(nodes, LinkKind::Lan, 3);
    net.begin().pass(5_000);
    net.quiet();
    net
}

#[test]
fn two_that_lose_each_other_speak_over_a_third_one_and_themselves_again() {
    let mut net = net(3);
    net.cut_pair(0, 1);
    net.pass(5_000);
    assert_eq!(net.words(0), ["moved 2", "over 2 over n3"]);
    assert_eq!(net.words(1), ["moved 1", "over 1 over n3"]);
    assert_eq!(net.words(2), Vec::<String>::new(), "who passes on hears nothing of it");
    net.write(0, 1..=3, 40_000);
    net.pass(500);
    assert_eq!(net.words(1).concat(), "entries 1: 1entries 1: 2entries 1: 3", "long ones as well");
    net.pass(60_000);
    assert_eq!((net.words(0), net.words(1)), (Vec::new(), Vec::new()), "it lasts");
    net.confirm(1, 0, &[1, 2, 3]);
    net.heal_pair(0, 1);
    net.pass(10_000);
    assert_eq!(
        (net.words(0), net.words(1)),
        (vec!["moved 2".into(), "over 2 ".into()], vec!["moved 1".into(), "over 1 ".into()])
    );
    assert_eq!(net.known.len(), 6, "each pair has one connection");
}

#[test]
fn half_a_link_is_none_and_both_go_over_the_third_one() {
    for (from, to) in [(0, 1), (1, 0)] {
        let mut net = net(3);
        net.lost.push((from, to));
        net.pass(8_000);
        // Both may call, and one connection stays.
        assert_eq!(net.words(0)[..2], ["moved 2", "over 2 over n3"]);
        assert_eq!(net.words(1)[..2], ["moved 1", "over 1 over n3"]);
    }
}

#[test]
fn without_a_path_nobody_is_reached_and_a_longer_one_is_one() {
    let mut net = net(4);
    // What is left is a line: 1, 3, 4, 2.
    for (one, other) in [(0, 1), (0, 3), (1, 2)] {
        net.cut_pair(one, other);
    }
    net.pass(8_000);
    let last = |net: &mut Net, end, of: &str| net.words(end).into_iter().rfind(|words| words.contains(of));
    assert_eq!(last(&mut net, 0, " 2 "), Some("over 2 over n3 n4".into()));
    assert_eq!(last(&mut net, 1, " 1 "), Some("over 1 over n4 n3".into()));
    net.write(0, 1..=2, 10);
    net.pass(500);
    assert_eq!(net.words(1), ["entries 1: 1 2"]);
    net.quiet();
    net.cut_pair(2, 3);
    net.pass(3_000);
    assert!(net.words(0).iter().any(|words| words.starts_with("down 2")), "no path is left");
    assert!(net.words(1).iter().any(|words| words.starts_with("down 1")));
    net.heal_pair(2, 3);
    net.pass(5_000);
    assert_eq!(last(&mut net, 0, " 2"), Some("over 2 over n3 n4".into()));
}

#[test]
fn what_a_link_between_has_lost_is_missed_and_said_again() {
    let mut net = net(3);
    net.cut_pair(0, 1);
    net.pass(5_000);
    net.quiet();
    for round in 1..=5 {
        net.write(0, round..=round, 10);
        // The link between breaks while it is under way, and is made again before anybody is missed.
        let between =
            net.known.iter().copied().filter(|(_, conn)| [(0, 2), (2, 0)].contains(&net.conns[conn]));
        for (end, conn) in between.collect::<Vec<_>>() {
            net.known.retain(|known| *known != (end, conn));
            net.run(end, |peers, cx| peers.handle_closed(cx, conn));
        }
        net.pass(5_000);
        let words = net.words(1);
        assert!(words.iter().any(|words| words.ends_with(&format!(" {round}"))), "{round}: {words:?}");
        assert!(words.iter().all(|words| !words.starts_with("refused")), "{words:?}");
        net.confirm(1, 0, &[round]);
        net.pass(100);
    }
}

#[test]
fn who_starts_anew_behind_a_third_one_is_met_as_another_start() {
    let mut net = net(3);
    net.cut_pair(0, 1);
    net.pass(5_000);
    net.quiet();
    net.die(1, true);
    net.pass(100);
    net.start(1, 2);
    net.pass(8_000);
    let words = net.words(0);
    assert!(words.contains(&"up 2.2".into()), "{words:?}");
    assert_eq!(words.iter().filter(|words| words.starts_with("down 2")).count(), 1, "{words:?}");
    net.quiet();
    net.run(2, Peers::stop);
    net.pass(100);
    assert!(net.words(0).iter().any(|words| words.starts_with("down 2")), "the third one has stopped");
}
