//! What a node does with connections to other nodes, apart from what its links do.

use bytes::Bytes;

use crate::config::{ClusterSecret, Config, LinkKind, StaticCluster, StaticMember};
use crate::io::{Command, CommandId, ConnId, ConnKind, Input, OpId, PeerAddr, PeerCertificate, TlsInfo};
use crate::node::harness::World;
use crate::peer::{Frame, FrameReader, Kind};
use crate::trace::Event;

const PEER: ConnId = ConnId(900);

fn member(node: u32) -> StaticMember {
    let (name, site, route) = (format!("n{node}"), "here".into(), node.to_string());
    StaticMember {
        node,
        name,
        site,
        key: [u8::try_from(node).unwrap(); 32],
        route,
        link: LinkKind::Lan,
        rate: None,
    }
}

fn clustered(config: &mut Config) {
    let (grace, hysteresis) = (StaticCluster::GRACE, StaticCluster::HYSTERESIS);
    let (members, routes) = (vec![member(7), member(9)], Vec::new());
    let secret = ClusterSecret([5; 32]);
    config.cluster = Some(StaticCluster { id: [1; 16], node: 7, members, routes, grace, hysteresis, secret });
}

fn opened(world: &mut World, key: u8) {
    world.input(Input::Opened { conn: PEER, kind: ConnKind::Peer, peer: PeerAddr([1; 16]) });
    let peer = Some(PeerCertificate { key: [key; 32] });
    world.input(Input::Secured { conn: PEER, tls: TlsInfo { peer, ..TlsInfo::default() } });
}

fn said(world: &World) -> Bytes {
    world.heads.iter().flatten().flatten().copied().collect()
}

fn frames(bytes: &Bytes) -> Vec<Frame> {
    let mut reader = FrameReader::new(4_096);
    reader.feed(bytes);
    core::iter::from_fn(|| reader.next_frame().unwrap()).collect()
}

#[test]
fn a_node_without_a_cluster_has_no_business_with_others() {
    let mut world = World::new();
    world.input(Input::Opened { conn: PEER, kind: ConnKind::Peer, peer: PeerAddr([1; 16]) });
    assert_eq!(world.closed, [PEER]);
    world.input(Input::Connected { op: OpId(77), outcome: Ok(ConnId(901)) });
    assert_eq!(world.closed, [PEER, ConnId(901)]);
}

#[test]
fn a_node_of_a_cluster_says_who_it_is_under_the_number_it_was_given() {
    let mut world = World::with(clustered);
    world.heads = Some(Vec::new());
    opened(&mut world, 9);
    let frames_said = frames(&said(&world));
    let [hello] = &frames_said[..] else { panic!("{frames_said:?}") };
    assert_eq!(hello.kind, Kind::Hello.number());
    // Two versions and the cluster stand before the incarnation.
    assert_eq!(hello.body.get(18..22), Some(&[0, 0, 0, 7][..]));
    assert!(world.closed.is_empty());
    // It says nothing in return, and its time is over.
    world.pass(60_000_000);
    assert_eq!(world.closed, [PEER]);
    assert_eq!(frames(&said(&world)).last().map(|frame| frame.kind), Some(Kind::Bye.number()));
}

#[test]
fn who_is_no_member_is_told_so_and_the_operator_too() {
    let mut world = World::with(clustered);
    world.heads = Some(Vec::new());
    opened(&mut world, 8);
    let frames_said = frames(&said(&world));
    assert_eq!(frames_said.iter().map(|frame| frame.kind).collect::<Vec<_>>(), [Kind::Bye.number()]);
    assert_eq!(world.closed, [PEER]);
    let refused = Event::PeerRefused { peer: None, why: "it is no member" };
    assert!(world.events.contains(&refused), "{:?}", world.events);
}

#[test]
fn a_node_that_stops_takes_leave_of_its_peers_first() {
    let mut world = World::with(clustered);
    world.heads = Some(Vec::new());
    opened(&mut world, 9);
    world.input(Input::Command { id: CommandId(1), command: Command::Shutdown });
    assert_eq!(world.closed, [PEER]);
    assert!(world.stopped);
}
