//! Streams before and around a session: negotiation, login, bounds, errors.

use crate::io::{CloseCause, ConnId, ConnKind, Input, PeerAddr};
use crate::node::harness::{HEADER, World};

#[test]
fn failed_logins_are_counted() {
    let mut world = World::new();
    world.add("alice");
    let conn = world.open();
    world.header(conn);
    for _ in 0..3 {
        world.auth(conn, "alice", "wrong");
    }
    assert!(world.read(conn).contains("<policy-violation"));
    assert_eq!(world.closed, [conn]);
}

#[test]
fn what_follows_starttls_in_plaintext_is_not_taken_for_tls() {
    let mut world = World::new();
    let conn = ConnId(900);
    world.input(Input::Opened { conn, kind: ConnKind::ClientStartTls, peer: PeerAddr([2; 16]) });
    world.header(conn);
    assert!(world.read(conn).contains("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/>"));
    world.send(conn, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/><iq type='get' id='1'/>");
    let said = world.read(conn);
    assert!(said.contains("<failure") && !said.contains("<proceed"), "{said}");
    assert_eq!(world.closed, [conn]);
}

#[test]
fn sasl_without_tls_is_refused() {
    let mut world = World::new();
    let conn = ConnId(900);
    world.input(Input::Opened { conn, kind: ConnKind::ClientStartTls, peer: PeerAddr([2; 16]) });
    world.header(conn);
    world.auth(conn, "alice", "pw");
    assert!(world.read(conn).contains("<encryption-required"));
}

#[test]
fn each_violation_has_its_condition() {
    let stream = "http://etherx.jabber.org/streams";
    for (text, condition) in [
        (
            format!("<stream:stream xmlns='jabber:client' xmlns:stream='{stream}' version='1.0'>"),
            "improper-addressing",
        ),
        (
            format!("<stream:stream xmlns='jabber:client' xmlns:stream='{stream}' to='x.example'>"),
            "unsupported-version",
        ),
        (
            format!("<stream:stream xmlns='jabber:client' xmlns:stream='{stream}' to='y' version='1.0'>"),
            "host-unknown",
        ),
        (
            format!(
                "<stream:stream xmlns='jabber:server' xmlns:stream='{stream}' to='x.example' version='1.0'>"
            ),
            "invalid-namespace",
        ),
        (
            "<stream:stream xmlns='jabber:client' xmlns:stream='urn:x' to='x.example' version='1.0'>".into(),
            "invalid-namespace",
        ),
        (
            format!(
                "<stream:flow xmlns='jabber:client' xmlns:stream='{stream}' to='x.example' version='1.0'>"
            ),
            "bad-format",
        ),
        ("<stream:stream to='x.example'>".into(), "not-well-formed"),
        ("<?xml version='1.0' encoding='latin1'?>".into(), "unsupported-encoding"),
        (format!("{HEADER}<!-- -->"), "restricted-xml"),
        (format!("{HEADER}<message></iq>"), "not-well-formed"),
        (format!("{HEADER}<message/>"), "not-authorized"),
        (format!("{HEADER}<enable xmlns='urn:x'/>"), "unsupported-stanza-type"),
        (format!("{HEADER}<message>{}", "x".repeat(9000)), "policy-violation"),
        (
            format!("{HEADER}{}", "<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>".repeat(40)),
            "policy-violation",
        ),
    ] {
        let mut world = World::new();
        let conn = world.open();
        world.send(conn, &text);
        let said = world.read(conn);
        assert!(
            said.contains(&format!("<{condition} xmlns='urn:ietf:params:xml:ns:xmpp-streams'")),
            "{text}: {said}"
        );
        assert!(said.contains("<stream:stream "), "an error is sent inside a stream: {said}");
        assert!(said.ends_with("</stream:stream>"), "{said}");
        assert_eq!(world.closed, [conn]);
    }
}

#[test]
fn a_login_that_takes_too_long_is_cut() {
    let mut world = World::new();
    let conn = world.open();
    world.header(conn);
    world.read(conn);
    world.now = 59_999_999;
    world.input(Input::Tick);
    assert_eq!(world.closed, []);
    world.now = 60_000_000;
    world.input(Input::Tick);
    assert!(world.read(conn).contains("<connection-timeout"));
    assert_eq!(world.closed, [conn]);
}

#[test]
fn strangers_of_one_address_are_limited() {
    let mut world = World::with(|config| config.limits.unauthenticated_per_peer = 2);
    world.add("alice");
    let first = world.open();
    let _second = world.open();
    let third = world.open();
    assert_eq!(world.closed, [third]);
    world.input(Input::Closed { conn: first, cause: CloseCause::Reset });
    // One who has a session is no stranger.
    for resource in ["a", "b", "c"] {
        world.login("alice", resource, None);
    }
    assert_eq!(world.closed, [third]);
}

#[test]
fn unknown_users_fail_like_wrong_passwords() {
    let mut world = World::new();
    world.add("alice");
    let mut said = Vec::new();
    for user in ["alice", "ghost"] {
        let conn = world.open();
        world.header(conn);
        world.read(conn);
        world.auth(conn, user, "wrong");
        said.push(world.read(conn));
    }
    assert_eq!(said.first(), said.last());
    assert!(said.iter().all(|said| said.contains("<not-authorized")));
}

#[test]
fn what_is_sent_ahead_of_an_answer_is_bounded() {
    let mut world = World::new();
    world.add("alice");
    let conn = world.open();
    world.header(conn);
    world.waiting = Some(Vec::new());
    world.auth(conn, "alice", "pw");
    world.read(conn);
    for _ in 0..10 {
        world.send(conn, &" ".repeat(4096));
    }
    assert!(world.read(conn).contains("<policy-violation"));
    assert_eq!(world.closed, [conn]);
}

#[test]
fn a_new_login_attempt_ends_the_one_under_way() {
    let mut world = World::new();
    world.add("alice");
    let conn = world.open();
    world.header(conn);
    let first = sasl_auth("SCRAM-SHA-256", "n,,n=alice,r=abc");
    for _ in 0..5 {
        world.send(conn, &first);
    }
    world.auth(conn, "alice", "pw");
    let said = world.read(conn);
    assert!(!said.contains("<failure") && said.contains("<success"), "{said}");
}

fn sasl_auth(mechanism: &str, payload: &str) -> String {
    let payload = crate::sasl::encode_payload(payload.as_bytes());
    format!("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='{mechanism}'>{payload}</auth>")
}

#[test]
fn our_own_trouble_is_not_held_against_a_client() {
    let mut world = World::with(|config| config.limits.derivations = 1);
    world.add("alice");
    let busy = world.open();
    world.header(busy);
    world.waiting = Some(Vec::new());
    world.auth(busy, "alice", "pw");
    let conn = world.open();
    world.header(conn);
    for _ in 0..5 {
        world.auth(conn, "alice", "pw");
    }
    let said = world.read(conn);
    assert_eq!(said.matches("<temporary-auth-failure").count(), 5, "{said}");
    world.release();
    world.auth(conn, "alice", "pw");
    assert!(world.read(conn).contains("<success"));
}

#[test]
fn a_client_s_stream_error_ends_the_stream_in_order() {
    let mut world = World::new();
    world.add("alice");
    let alice = world.login("alice", "a", None);
    world.send(
        alice,
        "<stream:error><policy-violation xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
    );
    assert_eq!(world.read(alice), "</stream:stream>");
    assert_eq!(world.closed, [alice]);
}

#[test]
fn a_header_without_a_prefix_is_spoken_to() {
    let mut world = World::new();
    world.add("alice");
    let conn = world.open();
    world.send(conn, "<stream xmlns='http://etherx.jabber.org/streams' to='x.example' version='1.0'>");
    world.auth(conn, "alice", "pw");
    assert!(world.read(conn).contains("<success"));
}

#[test]
fn a_header_of_somebody_else_after_login_ends_the_stream() {
    let mut world = World::new();
    world.add("alice");
    let conn = world.open();
    world.header(conn);
    world.auth(conn, "alice", "pw");
    world.send(conn, &HEADER.replace("to=", "from='eve@x.example' to="));
    assert!(world.read(conn).contains("<invalid-from"));
}

#[test]
fn one_network_is_one_stranger() {
    let mut world = World::with(|config| config.limits.unauthenticated_per_peer = 2);
    let open = |world: &mut World, number: u64, last: u8| {
        let mut peer = [0x20; 16];
        peer[15] = last;
        let conn = ConnId(1000 + number);
        world.input(Input::Opened { conn, kind: ConnKind::ClientDirectTls, peer: PeerAddr(peer) });
    };
    for number in 0..5 {
        open(&mut world, number, u8::try_from(number).unwrap());
    }
    assert_eq!(world.closed.len(), 3);
    let told = world.events.iter().filter(|event| matches!(event, crate::trace::Event::LimitReached { .. }));
    assert_eq!(told.count(), 1, "anybody can reach the bound as often as they like");
}

#[test]
fn a_mechanism_that_does_not_suit_is_no_wrong_password() {
    let mut world = World::new();
    world.add("alice");
    let conn = world.open();
    world.header(conn);
    world.read(conn);
    // slixmpp 1.8 over TLS 1.3: a binding that the connection does not have, and others that nobody offered.
    for (mechanism, payload) in [
        ("SCRAM-SHA-256-PLUS", "p=tls-unique,,n=alice,r=abc"),
        ("SCRAM-SHA-512", "n,,n=alice,r=abc"),
        ("SCRAM-SHA-256", "p=tls-unique,,n=alice,r=abc"),
        ("SCRAM-SHA-1", "nonsense"),
        ("PLAIN", "nonsense"),
    ] {
        world.send(conn, &sasl_auth(mechanism, payload));
        assert!(world.read(conn).starts_with("<failure "), "{mechanism}");
    }
    for _ in 0..4 {
        world.send(conn, &sasl_auth("SCRAM-SHA-256", "n,,n=alice,r=abc"));
        world.send(conn, "<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>");
        assert!(world.read(conn).contains("<aborted/>"));
    }
    for _ in 0..2 {
        world.auth(conn, "alice", "wrong");
        assert!(world.read(conn).contains("<not-authorized/></failure>"));
    }
    assert_eq!(world.closed, []);
    world.auth(conn, "alice", "wrong");
    assert!(world.read(conn).contains("<policy-violation "));
    assert_eq!(world.closed, [conn]);
}
