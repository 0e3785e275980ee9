//! Several ways between two nodes.

use super::*;
use crate::config::StaticRoute;

/// A net of two nodes with these ways, the best first, that have to prove themselves for so many milliseconds.
fn net(ways: &[&str], link: LinkKind, proven: u64) -> Net {
    unlike(ways, link, [proven; 2])
}

/// One of which the ends hold ways to be proven after different times.
fn unlike(ways: &[&str], link: LinkKind, proven: [u64; 2]) -> Net {
    let mut net = Net::new(2, link, 40);
    for (end, proven) in net.ends.iter_mut().zip(proven) {
        let members = [1, 2].into_iter().flat_map(|node| ways.iter().enumerate().map(move |way| (node, way)));
        let routes = members.map(|(node, (at, name))| StaticRoute {
            node,
            name: (*name).into(),
            address: format!("{node}@{name}"),
            link,
            rate: None,
            priority: u32::try_from(at).unwrap(),
            proven: Span::from_millis(proven),
        });
        end.cluster.routes = routes.collect();
    }
    net.begin().pass(5_000);
    net
}

impl Net {
    fn cut_way(&mut self, way: &str) {
        self.cut.extend([(0, way.into()), (1, way.into())]);
    }

    fn heal_way(&mut self, way: &str) {
        self.cut.retain(|(_, cut)| cut != way);
    }

    fn carried(&mut self, way: &str) -> usize {
        self.carried.remove(way).unwrap_or(0)
    }
}

const BOTH: [usize; 2] = [0, 1];

#[test]
fn the_best_way_is_used_and_the_others_rest() {
    let mut net = net(&["fibre", "sat", "radio"], LinkKind::Wan, 20_000);
    assert_eq!(
        (net.words(0), net.words(1)),
        (vec!["up 2.1".into(), "over 2 fibre".into()], vec!["up 1.1".into(), "over 1 fibre".into()])
    );
    net.pass(120_000);
    assert_eq!((net.carried("sat"), net.carried("radio")), (0, 0), "not a byte");
    assert!(net.carried("fibre") > 200 && net.known.len() == 2);
    for end in BOTH {
        assert_eq!(net.words(end), Vec::<String>::new());
    }
}

#[test]
fn a_way_that_fails_gives_way_to_the_next_and_is_used_again_when_it_has_proven_itself() {
    let mut net = net(&["fibre", "sat"], LinkKind::Wan, 20_000);
    for end in BOTH {
        net.words(end);
    }
    net.cut_way("fibre");
    net.pass(12_000);
    for (end, peer) in [(0, 2), (1, 1)] {
        let told = net.words(end);
        assert_eq!(told, [format!("moved {peer}"), format!("over {peer} sat")], "nobody is gone");
    }
    // Up for less than it has to prove itself: nothing changes, and it begins anew.
    for _ in 0..3 {
        net.heal_way("fibre");
        net.pass(15_000);
        net.cut_way("fibre");
        net.pass(12_000);
    }
    net.heal_way("fibre");
    net.pass(19_000);
    assert_eq!((net.words(0), net.words(1)), (Vec::new(), Vec::new()));
    net.pass(6_000);
    for (end, peer) in [(0, 2), (1, 1)] {
        assert_eq!(net.words(end), [format!("moved {peer}"), format!("over {peer} fibre")]);
    }
    net.pass(2_000);
    net.carried("sat");
    net.pass(60_000);
    assert_eq!((net.carried("sat"), net.known.len()), (0, 2), "it rests again");
}

#[test]
fn a_way_that_fails_soon_after_it_was_taken_is_trusted_later() {
    let mut net = net(&["fibre", "sat"], LinkKind::Wan, 10_000);
    let taken = |net: &mut Net| {
        net.cut_way("fibre");
        net.pass(12_000);
        net.told(0);
        net.heal_way("fibre");
        let healed = net.now;
        while net.told(0).iter().all(|(_, words)| words != "over 2 fibre") {
            net.pass(1_000);
        }
        (net.now - healed) / 1_000
    };
    let mut waits = Vec::new();
    for _ in 0..3 {
        waits.push(taken(&mut net));
        net.pass(5_000);
    }
    assert!(
        (10..=13).contains(&waits[0]) && (20..=23).contains(&waits[1]) && (40..=43).contains(&waits[2]),
        "{waits:?}"
    );
    net.pass(120_000);
    assert!((10..=13).contains(&{ taken(&mut net) }), "it has been used for long");
}

#[test]
fn half_a_way_is_none_and_both_turn_to_the_next() {
    for deaf in BOTH {
        let mut net = net(&["fibre", "sat"], LinkKind::Wan, 5_000);
        for end in BOTH {
            net.words(end);
        }
        net.cut.push((deaf, "fibre".into()));
        net.pass(30_000);
        for (end, peer) in [(0, 2), (1, 1)] {
            assert_eq!(net.words(end), [format!("moved {peer}"), format!("over {peer} sat")]);
        }
    }
}

#[test]
fn who_cannot_be_reached_on_any_way_is_gone_and_comes_back_on_the_one_that_heals() {
    let mut net = net(&["fibre", "sat", "radio"], LinkKind::Wan, 20_000);
    for end in BOTH {
        net.words(end);
    }
    for way in ["fibre", "sat", "radio"] {
        net.cut_way(way);
    }
    net.pass(30_000);
    for (end, peer) in [(0, 2), (1, 1)] {
        assert_eq!(net.words(end), [format!("down {peer}: {SILENT}")]);
    }
    net.heal_way("radio");
    net.pass(10_000);
    for (end, peer) in [(0, 2), (1, 1)] {
        assert_eq!(net.words(end), [format!("up {peer}.1"), format!("over {peer} radio")]);
    }
    net.heal_way("sat");
    net.heal_way("fibre");
    net.pass(30_000);
    for (end, peer) in [(0, 2), (1, 1)] {
        assert_eq!(net.words(end), [format!("moved {peer}"), format!("over {peer} fibre")]);
    }
}

#[test]
fn a_new_start_is_told_as_one_and_a_stop_is_one_on_every_way() {
    let mut net = net(&["fibre", "sat"], LinkKind::Wan, 20_000);
    for end in BOTH {
        net.words(end);
    }
    net.cut_way("fibre");
    net.pass(12_000);
    net.heal_way("fibre");
    net.pass(5_000);
    net.words(0);
    // Both ways connect, and then the other one is killed and started.
    net.die(1, true);
    net.pass(500);
    net.start(1, 2);
    net.pass(20_000);
    let words = net.words(0);
    // The way that was used broke first, so the other one was used for a moment.
    assert!(words.windows(2).any(|two| two == ["down 2: it has started anew", "up 2.2"]), "{words:?}");
    assert_eq!(words.iter().filter(|words| words.starts_with("down")).count(), 1, "{words:?}");
    net.cut_way("fibre");
    net.pass(12_000);
    net.heal_way("fibre");
    net.pass(5_000);
    net.words(0);
    net.run(1, Peers::stop);
    net.pass(100);
    assert_eq!(net.words(0), ["down 2: it is stopping"]);
}

#[test]
fn what_is_under_way_when_a_way_fails_comes_over_the_next_once() {
    let mut net = net(&["fibre", "sat"], LinkKind::Wan, 8_000);
    net.write(0, 1..=3, 10);
    net.pass(200);
    net.confirm(1, 0, &[1, 2, 3]);
    net.pass(200);
    net.words(1);
    net.cut_way("fibre");
    net.write(0, 4..=6, 10);
    net.pass(20_000);
    net.confirm(1, 0, &[4, 5, 6]);
    net.write(0, 7..=7, 10);
    net.pass(200);
    let entries =
        |told: Vec<String>| told.into_iter().filter(|words| words.starts_with("entries")).collect::<Vec<_>>();
    assert_eq!(entries(net.words(1)), ["entries 1: 4 5 6", "entries 1: 7"]);
}

/// Two nodes that use the second way, and the first one proves itself.
fn proving(proven: [u64; 2]) -> Net {
    let mut net = unlike(&["fibre", "sat"], LinkKind::Wan, proven);
    net.cut_way("fibre");
    net.pass(12_000);
    net.heal_way("fibre");
    net.pass(5_000);
    for end in BOTH {
        net.words(end);
    }
    net
}

#[test]
fn a_new_start_that_breaks_off_before_it_beats_ends_the_one_before() {
    let mut net = net(&["fibre", "sat"], LinkKind::Wan, 20_000);
    net.cut_way("fibre");
    net.pass(12_000);
    net.words(0);
    net.die(1, false);
    net.heal_way("fibre");
    net.ends[1].deaf = true;
    net.start(1, 2);
    // It greets on the way that nothing has connected on, and dies before it says more.
    let greets = |net: &Net| {
        let is_said = |packet: &Packet| matches!(packet, Packet::Bytes(_));
        net.under_way
            .iter()
            .any(|(_, to, _, conn, packet)| *to == 0 && net.ways[conn] == "fibre" && is_said(packet))
    };
    let until = net.now + 5_000;
    while !greets(&net) && net.now < until {
        net.pass(1);
    }
    assert!(greets(&net));
    net.die(1, false);
    net.pass(60);
    assert_eq!(net.words(0), ["down 2: it has started anew"]);
    net.pass(60_000);
    assert_eq!(net.words(0), Vec::<String>::new());
}

#[test]
fn a_restart_does_not_count_against_the_way_that_was_taken_before() {
    let mut net = proving([20_000; 2]);
    net.pass(20_000);
    assert_eq!(net.words(0), ["moved 2", "over 2 fibre"]);
    net.die(1, true);
    net.pass(200);
    net.start(1, 2);
    net.pass(5_000);
    net.cut_way("fibre");
    net.pass(12_000);
    net.heal_way("fibre");
    net.words(0);
    net.pass(25_000);
    assert_eq!(net.words(0), ["moved 2", "over 2 fibre"], "no longer than it was configured");
}

#[test]
fn what_was_answered_late_is_told_once_it_connects_though_nobody_had_failed_there() {
    let mut net = proving([20_000; 2]);
    net.pass(20_000);
    // The connections of the way that rests were reset while the better one was used: it is called when that one fails, and answers late.
    net.cut_way("fibre");
    net.cut_way("sat");
    net.pass(60_000);
    for end in BOTH {
        assert_eq!(net.words(end).iter().filter(|words| words.starts_with("down")).count(), 1);
    }
    net.heal_way("sat");
    net.pass(20_000);
    assert_eq!(net.words(0), ["up 2.1", "over 2 sat"]);
}

#[test]
fn who_ranks_its_ways_otherwise_does_not_call_for_ever() {
    for turned in BOTH {
        let mut net = Net::new(2, LinkKind::Wan, 40);
        for (at, end) in net.ends.iter_mut().enumerate() {
            let ways = if at == turned { ["sat", "fibre"] } else { ["fibre", "sat"] };
            let routes = [1, 2].into_iter().flat_map(|node| ways.into_iter().map(move |name| (node, name)));
            end.cluster.routes = routes
                .map(|(node, name)| StaticRoute {
                    node,
                    name: name.into(),
                    address: format!("{node}@{name}"),
                    link: LinkKind::Wan,
                    rate: None,
                    priority: 0,
                    proven: Span::from_millis(20_000),
                })
                .collect();
        }
        net.begin().pass(600_000);
        let (conns, told) = (net.conns.len(), net.words(turned));
        assert!(conns < 40, "{conns} calls");
        let refused = told.iter().filter(|words| words.starts_with("refused")).count();
        assert!(refused <= 1, "{told:?}");
        assert!(told.iter().any(|words| words.starts_with("up")), "{told:?}");
        assert!(told.iter().filter(|words| words.starts_with("down")).count() == 0, "{told:?}");
    }
}

#[test]
fn who_hears_something_on_another_way_turns_to_it_before_it_answers() {
    let mut net = proving([20_000, 60_000]);
    net.write(0, 1..=1, 10);
    net.pass(200);
    net.confirm(1, 0, &[1]);
    net.words(1);
    let mut told = Vec::new();
    while told.is_empty() {
        // What is under way in the very moment in which it turns.
        net.pass(1);
        if net.words(0).iter().any(|words| words == "over 2 fibre") {
            net.write(0, 2..=2, 10);
            net.pass(100);
            told = net.words(1);
        }
    }
    let place = |what: &str| told.iter().position(|words| words == what);
    assert!(place("over 1 fibre").is_some() && place("over 1 fibre") < place("entries 1: 2"), "{told:?}");
    assert!(!told.iter().any(|words| words.starts_with("down")), "{told:?}");
}
