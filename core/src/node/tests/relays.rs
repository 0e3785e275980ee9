//! Requests between clients of two nodes, whatever becomes of the frames: each is taken once at most, and answered once.

use std::collections::{BTreeMap, VecDeque};

use arbtest::arbtest;

use super::taking::node;
use crate::exchange::{FromPeer, Hello, Relay, RelayFault, Routed, ToPeer};
use crate::jid::Jid;
use crate::node::harness::World;
use crate::replica::Origin;
use crate::service::cx::Cx;
use crate::service::effect::{Delivery, Effect};
use crate::service::relay::{Arrived, Relays};
use crate::session::What;
use crate::stanza::{IqType, Kind, MessageType, Stanza, StanzaError};
use crate::time::Span;

const A: u32 = 7;
const B: u32 = 8;
/// Bytes of the longest thing that both take.
const TAKES: u32 = 10 << 20;

/// The node of the asker as it is, with relays of its own; of the other one the relays alone.
struct Pair {
    world: World,
    asker: Relays,
    other: Relays,
    /// Which start of the other node this is.
    start: u32,
    /// What is under way, to the other node and back.
    there: VecDeque<Routed>,
    back: VecDeque<Routed>,
    /// How often each stanza was taken, by its id.
    taken: BTreeMap<String, usize>,
    /// How often its sender has heard of it, and what.
    heard: BTreeMap<String, Vec<Option<StanzaError>>>,
}

fn origin(node: u32, start: u32) -> Origin {
    Origin { node, start, random: 7 }
}

fn alice() -> Jid {
    Jid::parse("alice@x.example/desk").unwrap()
}

fn bob() -> Jid {
    Jid::parse("bob@x.example/desk").unwrap()
}

impl Pair {
    fn new() -> Self {
        let mut world = node(A);
        world.add("alice");
        world.login("alice", "desk", None);
        let (there, back) = (VecDeque::new(), VecDeque::new());
        let (taken, heard) = (BTreeMap::new(), BTreeMap::new());
        let (asker, other) = (Relays::default(), Relays::default());
        let mut pair = Self { world, asker, other, start: 1, there, back, taken, heard };
        pair.at_other(|other, cx| other.handle_up(cx, A, (origin(A, 1), TAKES)));
        pair.up();
        pair
    }

    /// Runs something at the asker's node; what it tells the other one is under way then.
    fn here(&mut self, run: impl FnOnce(&mut Relays, &mut Cx<'_>)) {
        let Self { world, asker, there, heard, .. } = self;
        world.run(|cx| {
            run(asker, cx);
            while let Some(effect) = cx.effects.pop_front() {
                // Messages alone wait for that: `behind.rs`.
                if matches!(effect, Effect::Tell(B, ToPeer::Routed(Routed::Settled(_)))) {
                    continue;
                }
                let (stanza, error) = if let Effect::Tell(B, ToPeer::Routed(what)) = effect {
                    there.push_back(what);
                    continue;
                } else if let Effect::Route(error) = effect {
                    (error, StanzaError::ServiceUnavailable)
                } else if let Effect::Unrelayed(delivery, error) = effect {
                    (delivery.stanza, error)
                } else {
                    panic!("{effect:?}")
                };
                let id = stanza.id().unwrap().to_string();
                heard.entry(id).or_default().push(Some(error));
            }
        });
    }

    fn at_other(&mut self, run: impl FnOnce(&mut Relays, &mut Cx<'_>)) {
        let Self { world, other, back, .. } = self;
        world.run(|cx| {
            run(other, cx);
            while let Some(effect) = cx.effects.pop_front() {
                let Effect::Tell(A, ToPeer::Routed(what)) = effect else { panic!("{effect:?}") };
                back.push_back(what);
            }
        });
    }

    fn tell(&mut self, said: FromPeer) {
        self.world.run(|cx| cx.effects.push_back(Effect::FromPeer(said)));
    }

    fn up(&mut self) {
        let origin = origin(B, self.start);
        let name: Box<str> = "b".into();
        let span = Span::from_secs(1);
        self.tell(FromPeer::Up(
            B,
            Hello {
                versions: (1, 1),
                cluster: [0; 16],
                origin,
                site: name.clone(),
                name,
                heartbeat: span,
                silent: span,
                frame_max: 512,
                part_max: TAKES,
                route: "".into(),
            },
        ));
        self.here(|asker, cx| asker.handle_up(cx, B, (origin, TAKES)));
    }

    fn down(&mut self) {
        self.there.clear();
        self.back.clear();
        self.tell(FromPeer::Down(B, "cut"));
        self.here(|asker, cx| asker.handle_down(cx, B));
    }

    fn send(&mut self, kind: Kind, id: &str) {
        self.send_with(kind, id, &[]);
    }

    fn send_with(&mut self, kind: Kind, id: &str, payload: &[crate::xml::Node]) {
        let stanza = Stanza::make(kind, alice(), bob(), Some(id), payload);
        let delivery = Delivery { stanza, op: None, what: What::Request };
        let to = [(B, Some(origin(B, 1).dot(1)))];
        self.here(|asker, cx| asker.send(cx, &delivery, &to, false));
    }

    /// A frame arrives at the other node, which takes what is new, or does not.
    fn arrive(&mut self, what: Routed, fault: Option<RelayFault>) {
        let Routed::Relay(relay) = what else { panic!("{what:?}") };
        match self.other.handle_relay(A, relay) {
            Arrived::Known(outcome) => self.back.push_back(outcome),
            Arrived::New(Relay { id, stanza, .. }) => {
                if fault.is_none() {
                    let name = Stanza::parse(stanza).unwrap().id().unwrap().to_string();
                    *self.taken.entry(name).or_default() += 1;
                }
                self.at_other(|other, cx| other.answer(cx, A, id, fault));
            }
        }
    }

    fn come_back(&mut self, what: &Routed) {
        let (id, fault) = match *what {
            Routed::Taken(id) => (id, None),
            Routed::Failed(id, fault) => (id, Some(fault)),
            Routed::Relay(_) | Routed::Left(_) | Routed::Settled(_) | Routed::Moving(_) => panic!("{what:?}"),
        };
        self.here(|asker, cx| asker.handle_taken(cx, B, id, fault));
    }

    /// The one who was asked answers.
    fn answer(&mut self, id: &str) {
        let answer = Stanza::make(Kind::Iq(IqType::Result), bob(), alice(), Some(id), &[]);
        let mut awaited = false;
        self.here(|asker, cx| awaited = asker.take_answer(cx, &answer));
        if awaited {
            self.heard.entry(id.into()).or_default().push(None);
        }
    }
}

#[test]
fn whatever_becomes_of_frames_and_links_each_request_is_taken_once_at_most_and_answered_once() {
    arbtest(|data| {
        let mut pair = Pair::new();
        let mut asked = 0;
        for _ in 0..data.int_in_range(0..=40)? {
            match data.int_in_range(0..=9_u8)? {
                0..=2 => {
                    asked += 1;
                    pair.send(Kind::Iq(IqType::Get), &asked.to_string());
                }
                3 | 4 => {
                    let fault =
                        *data.choose(&[None, None, Some(RelayFault::Nobody), Some(RelayFault::Full)])?;
                    if let Some(what) = pair.there.pop_front() {
                        pair.arrive(what, fault);
                    }
                }
                5 => {
                    if let Some(what) = pair.back.pop_front() {
                        pair.come_back(&what);
                    }
                }
                6 => {
                    // Another connection: some of what was under way has arrived all the same, some of it later.
                    let lost = data.int_in_range(0..=pair.there.len())?;
                    pair.there.truncate(lost);
                    pair.here(|asker, cx| asker.handle_moved(cx, B));
                    pair.back.clear();
                }
                7 => {
                    pair.down();
                    pair.up();
                }
                8 => {
                    let id = data.int_in_range(0..=asked)?.to_string();
                    // Whoever has taken a request answers it once; somebody may answer what nobody asked.
                    pair.answer(&id);
                }
                _ => {
                    pair.down();
                    (pair.start, pair.other) = (pair.start + 1, Relays::default());
                    pair.at_other(|other, cx| other.handle_up(cx, A, (origin(A, 1), TAKES)));
                    pair.up();
                }
            }
            assert!(pair.taken.values().all(|count| *count == 1), "{:?}", pair.taken);
            assert!(pair.heard.values().all(|all| all.len() == 1), "{:?}", pair.heard);
        }
        pair.world.now += 31_000_000;
        pair.here(Relays::handle_tick);
        let ids: Vec<String> = (1..=asked).map(|id: usize| id.to_string()).collect();
        for id in &ids {
            assert_eq!(pair.heard.get(id).map(Vec::len), Some(1), "{id} of {:?}", pair.heard);
            pair.answer(id);
            assert_eq!(pair.heard.get(id).map(Vec::len), Some(1), "what comes later is dropped");
        }
        assert_eq!(pair.asker.due(), None);
        Ok(())
    });
}

#[test]
fn a_message_that_was_not_taken_comes_back_once_and_one_that_was_does_not() {
    let message = Kind::Message(MessageType::Chat);
    let mut pair = Pair::new();
    pair.send(message, "taken");
    let what = pair.there.pop_front().unwrap();
    pair.arrive(what.clone(), None);
    pair.here(|asker, cx| asker.handle_moved(cx, B));
    pair.arrive(what, None);
    for what in core::mem::take(&mut pair.back) {
        pair.come_back(&what);
    }
    pair.down();
    assert!(pair.heard.is_empty(), "{:?}", pair.heard);
    assert_eq!(pair.taken.get("taken"), Some(&1));
    pair.send(message, "cut off");
    assert_eq!(pair.heard.get("cut off"), Some(&vec![Some(StanzaError::RecipientUnavailable)]));
    pair.up();
    pair.send(message, "lost");
    pair.down();
    assert_eq!(pair.heard.get("lost"), Some(&vec![Some(StanzaError::RecipientUnavailable)]));
    pair.up();
    pair.send(message, "refused");
    let what = pair.there.pop_front().unwrap();
    pair.arrive(what, Some(RelayFault::Full));
    let what = pair.back.pop_front().unwrap();
    pair.come_back(&what);
    pair.come_back(&what);
    assert_eq!(pair.heard.get("refused"), Some(&vec![Some(StanzaError::ResourceConstraint)]));
}

#[test]
fn more_than_the_other_side_remembers_is_refused() {
    let mut pair = Pair::new();
    let message = Kind::Message(MessageType::Chat);
    for number in 0..4_096 {
        pair.send(message, &number.to_string());
    }
    assert!(pair.heard.is_empty());
    pair.send(message, "beyond");
    assert_eq!(pair.heard.get("beyond"), Some(&vec![Some(StanzaError::ResourceConstraint)]));
    let what = pair.there.pop_front().unwrap();
    pair.arrive(what, None);
    let what = pair.back.pop_front().unwrap();
    pair.come_back(&what);
    pair.send(message, "room again");
    assert_eq!(pair.heard.len(), 1);
}

#[test]
fn what_nobody_has_taken_has_a_bound_in_bytes_and_one_alone_always_goes() {
    let (mut pair, message) = (Pair::new(), Kind::Message(MessageType::Chat));
    let body = |bytes: usize| [crate::xml::Node::new("body", "jabber:client").with_text(&"x".repeat(bytes))];
    pair.send_with(message, "alone", &body(9 << 20));
    assert!(pair.heard.is_empty());
    pair.send(message, "beyond");
    assert_eq!(pair.heard.get("beyond"), Some(&vec![Some(StanzaError::ResourceConstraint)]));
    let take = |pair: &mut Pair| {
        let what = pair.there.pop_front().unwrap();
        pair.arrive(what, None);
        let what = pair.back.pop_front().unwrap();
        pair.come_back(&what);
    };
    take(&mut pair);
    for number in 0..7 {
        pair.send_with(message, &number.to_string(), &body(1 << 20));
    }
    assert_eq!(pair.heard.len(), 1);
    pair.send_with(message, "too much", &body(1 << 20));
    assert_eq!(pair.heard.get("too much"), Some(&vec![Some(StanzaError::ResourceConstraint)]));
    pair.send(message, "little");
    take(&mut pair);
    pair.send_with(message, "room again", &body(1 << 20));
    assert_eq!(pair.heard.len(), 2);
}

#[test]
fn what_is_longer_than_the_other_side_takes_comes_back() {
    let (mut pair, message) = (Pair::new(), Kind::Message(MessageType::Chat));
    let body = crate::xml::Node::new("body", "jabber:client").with_text(&"x".repeat(TAKES as usize));
    pair.send_with(message, "too long", &[body]);
    assert!(pair.there.is_empty());
    assert_eq!(pair.heard.get("too long"), Some(&vec![Some(StanzaError::ResourceConstraint)]));
}
