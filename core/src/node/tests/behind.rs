//! Messages that come to another node ahead of what their session had relayed there before: they wait for it.

use super::taking::{KINDS, hear, pair, say, written};
use crate::exchange::{Far, FromPeer, Hello, OwnedFrame, Relay, RelayFault, Routed, Sealed};
use crate::io::ConnId;
use crate::jid::FullJid;
use crate::node::harness::World;
use crate::replica::{Hlc, Origin, Report};
use crate::service::effect::Effect;
use crate::service::relay::Arrived;
use crate::time::Span;

const HEADLINE: &str = "<message from='alice@x.example/r' to='bob@x.example' type='headline' id='one'/>";

fn tell(world: &mut World, said: FromPeer) {
    world.run(|cx| cx.effects.push_back(Effect::FromPeer(said)));
}

fn up(world: &mut World, origin: Origin) {
    let (name, span): (Box<str>, _) = ("n".into(), Span::from_secs(1));
    let (versions, cluster, site) = ((1, 1), [9; 16], name.clone());
    let (heartbeat, silent, frame_max, part_max) = (span, span, 512, 1 << 20);
    let route = "".into();
    let hello =
        Hello { versions, cluster, origin, name, site, heartbeat, silent, frame_max, part_max, route };
    tell(world, FromPeer::Up(origin.node, hello));
}

/// Bob's node, which has what alice's has written: the last of it behind a headline that was relayed. Bob has read what is before.
fn behind() -> (World, ConnId, Vec<Sealed>, Origin) {
    let (mut a, mut b, alice, bob) = pair();
    let (own, other) = (a.node.ledger.origin(), b.node.ledger.origin());
    up(&mut a, other);
    let presence = Some("<presence from='bob@x.example/r'/>".into());
    let (session, bound) = (other.dot(1), Hlc::default());
    let far = Far { session, bound, attached: true, priority: Some(0), presence };
    let changes = [(FullJid::parse("bob@x.example/r").unwrap(), Some(far))].into();
    let report = Report { owner: other, seq: 1, since: None, changes };
    tell(&mut a, FromPeer::Owned(other.node, OwnedFrame { report, more: false }));
    say(&mut a, alice, "bob", "zero");
    a.send(alice, "<message to='bob@x.example' type='headline' id='one'/>");
    say(&mut a, alice, "bob", "two");
    say(&mut a, alice, "bob", "three");
    up(&mut b, own);
    let mut letters = written(&a, KINDS[1]);
    let last = letters.split_off(letters.len() - 2);
    hear(&mut b, KINDS[1], letters);
    assert!(b.read(bob).contains("zero"));
    (b, bob, last, own)
}

fn relay(world: &mut World, origin: Origin) {
    let (stanza, after) = (HEADLINE.as_bytes().into(), Vec::new());
    let relay = Relay { id: 1, to: None, about: None, said: Hlc::default(), by: None, after, stanza };
    tell(world, FromPeer::Routed(origin.node, Routed::Relay(relay)));
}

/// Returns where in what was read each of these stands.
fn order(said: &str) -> [Option<usize>; 3] {
    ["one", "two", "three"].map(|word| said.find(word))
}

#[test]
fn it_comes_behind_what_was_relayed_before_it() {
    let (mut b, bob, letters, origin) = behind();
    hear(&mut b, KINDS[1], letters.clone());
    assert_eq!(order(&b.read(bob)), [None; 3]);
    hear(&mut b, KINDS[1], letters);
    relay(&mut b, origin);
    let found = order(&b.read(bob));
    assert!(found.is_sorted() && found[0].is_some(), "{found:?}");
}

#[test]
fn it_waits_no_longer_than_what_was_relayed_may_come() {
    let over: [fn(&mut World, Origin); 4] = [
        |world, origin| tell(world, FromPeer::Routed(origin.node, Routed::Settled(1))),
        |world, origin| tell(world, FromPeer::Down(origin.node, "cut")),
        |world, origin| up(world, Origin { start: origin.start + 1, ..origin }),
        |world, _| world.pass(31_000_000),
    ];
    for (number, over) in over.into_iter().enumerate() {
        let (mut b, bob, letters, origin) = behind();
        hear(&mut b, KINDS[1], letters);
        assert_eq!(order(&b.read(bob)), [None; 3]);
        over(&mut b, origin);
        let found = order(&b.read(bob));
        assert!(found[0].is_none() && found[1].is_some() && found[1] < found[2], "{number}: {found:?}");
    }
}

#[test]
fn what_comes_too_late_is_refused() {
    let (mut b, bob, letters, origin) = behind();
    tell(&mut b, FromPeer::Down(origin.node, "cut"));
    hear(&mut b, KINDS[1], letters);
    assert!(b.read(bob).contains("two"), "nobody knows when its node can be reached");
    up(&mut b, origin);
    let (stanza, after) = (HEADLINE.as_bytes().into(), Vec::new());
    let relay = Relay { id: 1, to: None, about: None, said: Hlc::default(), by: None, after, stanza };
    let arrived = b.node.services.relays.handle_relay(origin.node, relay);
    let refused = Routed::Failed(1, RelayFault::Nobody);
    assert!(matches!(&arrived, Arrived::Known(what) if *what == refused), "{arrived:?}");
    assert!(!b.read(bob).contains("one"));
}
