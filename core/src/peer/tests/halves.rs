//! Connections that one side has lost and the other one has not heard of.

use super::*;

#[test]
fn a_connection_that_the_other_side_has_lost_gives_way_to_the_next() {
    for (link, delay, time) in
        [(LinkKind::Lan, 3, 20_000), (LinkKind::Satcom, 280, 120_000), (LinkKind::Wan, 40, 60_000)]
    {
        for loser in [0, 1] {
            let mut net = Net::new(2, link, delay);
            net.begin().pass(10_000);
            assert_eq!(net.known.len(), 2);
            let (_, conn) = net.known[0];
            net.known.retain(|known| *known != (loser, conn));
            net.run(loser, |peers, cx| peers.handle_closed(cx, conn));
            net.pass(time);
            for end in [0, 1] {
                let words = net.words(end);
                let moved = words.iter().filter(|words| words.starts_with("moved")).count();
                let downs = words.iter().filter(|words| words.starts_with("down")).count();
                assert!(moved <= 2 && downs == 0, "{link:?} {loser} {end}: {words:?}");
            }
            assert!(net.known.iter().all(|(_, known)| *known != conn), "{link:?} {loser}");
            assert_eq!(net.known.len(), 2, "{link:?} {loser}: one connection, known to both");
        }
    }
}

#[test]
fn a_side_that_was_slow_says_that_it_is_there_as_soon_as_both_are_fast() {
    let mut net = Net::new(2, LinkKind::Lan, 3);
    let set =
        |net: &mut Net, link| net.ends[1].cluster.members.iter_mut().for_each(|member| member.link = link);
    set(&mut net, LinkKind::Hf);
    net.begin().pass(70_000);
    assert_eq!(net.words(0), ["up 2.1"]);
    net.die(1, true);
    net.pass(1_000);
    set(&mut net, LinkKind::Lan);
    net.start(1, 2);
    net.pass(30_000);
    assert_eq!(net.words(1), ["up 1.1", "up 1.1"]);
    assert_eq!(net.words(0).last().map(String::as_str), Some("up 2.2"));
    net.pass(60_000);
    assert_eq!((net.words(0), net.words(1)), (vec![], vec![]));
}

#[test]
fn a_node_that_was_late_itself_looks_first_what_has_come() {
    let mut net = Net::new(2, LinkKind::Lan, 1);
    net.begin().pass(5_000);
    net.words(0);
    // Its process stands still for a minute, and then its tick is what it gets first.
    net.now += 60_000;
    net.run(0, |peers, cx| peers.handle_tick(cx, 2));
    assert_eq!(net.words(0), Vec::<String>::new());
    net.pass(5_000);
    assert_eq!(net.words(0), Vec::<String>::new());
}

#[test]
fn who_stops_says_so() {
    let mut net = Net::new(2, LinkKind::Hf, 1_000);
    net.begin().pass(20_000);
    net.words(1);
    net.run(0, Peers::stop);
    assert!(net.ends[0].peers.is_idle());
    net.pass(1_100);
    assert_eq!(net.words(1), ["down 1: it is stopping"]);
    net.pass(120_000);
    assert_eq!(net.words(1), Vec::<String>::new(), "who has stopped answers nobody");
}

#[test]
fn who_says_nothing_is_closed_and_there_is_a_bound_for_them() {
    let mut net = alone(|_, _| {});
    net.run(0, |peers, cx| peers.handle_late(cx, ConnId(1)));
    assert!(net.known.is_empty());
    let open = |net: &mut Net, number: u64, from: u8| {
        let conn = ConnId(100 + number);
        net.conns.insert(conn, (1, 0));
        net.known.push((0, conn));
        net.run(0, |peers, cx| peers.handle_opened(cx, conn, PeerAddr([from; 16])));
    };
    // Of one network a few are listened to, of all not many, and those that came last.
    (0..100).for_each(|number| open(&mut net, number, 1));
    assert_eq!(net.known.len(), 8);
    (100..200).for_each(|number| open(&mut net, number, u8::try_from(number).unwrap()));
    assert_eq!(net.known.len(), 64);
    assert!(net.known.contains(&(0, ConnId(299))));
    net.run(0, |peers, cx| peers.handle_late(cx, ConnId(299)));
    assert_eq!(net.known.len(), 63);
    // Once they have shown a certificate, the bound of their member counts.
    for number in 136..199 {
        net.secure(0, ConnId(100 + number));
    }
    assert_eq!(net.known.len(), 6);
}
