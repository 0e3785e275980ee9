//! What a client sees of one node, for what is too fine for a scenario.

use bytes::Bytes;

use super::harness::{HEADER, World};
use crate::io::{Answer, CloseCause, Command, ConnId, ConnKind, Input, PeerAddr, Refusal, Secret, TlsInfo};
use crate::jid::BareJid;
use crate::store::StoreError;

fn jid(text: &str) -> BareJid {
    BareJid::parse(text).unwrap()
}

#[test]
fn a_message_reaches_its_recipient_with_a_stamped_sender() {
    let mut world = World::new();
    world.add("alice");
    world.add("bob");
    let alice = world.login("alice", "a", Some(0));
    let bob = world.login("bob", "b", Some(0));
    world.send(alice, "<message to='bob@x.example' id='1' type='chat'><body>h&amp;i</body></message>");
    assert_eq!(
        world.read(bob),
        "<message to='bob@x.example' id='1' type='chat' from='alice@x.example/a'><body>h&amp;i</body></message>"
    );
    assert_eq!(world.read(alice), "");
}

#[test]
fn a_message_to_nobody_comes_back() {
    let mut world = World::new();
    world.add("alice");
    let alice = world.login("alice", "a", Some(0));
    world.send(alice, "<message to='ghost@x.example' id='1'><body>hi</body></message>");
    let said = world.read(alice);
    assert!(
        said.contains("<message type='error' from='ghost@x.example' to='alice@x.example/a' id='1'>"),
        "{said}"
    );
    assert!(said.contains("service-unavailable"), "{said}");
}

#[test]
fn a_forged_sender_ends_the_stream() {
    let mut world = World::new();
    world.add("alice");
    let alice = world.login("alice", "a", None);
    world.send(alice, "<message from='eve@x.example' to='alice@x.example/a'/>");
    assert!(world.read(alice).contains("<invalid-from"));
    assert_eq!(world.closed, [alice]);
}

#[test]
fn the_later_bind_wins() {
    let mut world = World::new();
    world.add("alice");
    let first = world.login("alice", "a", Some(0));
    let second = world.login("alice", "a", Some(0));
    assert!(world.read(first).contains("<conflict"));
    assert_eq!(world.closed, [first]);
    assert_eq!(world.node.sessions(), 1);
    world.send(second, "<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>");
    assert!(world.read(second).contains("type='result'"));
}

#[test]
fn a_user_is_not_added_before_it_is_durable() {
    let mut world = World::new();
    world.waiting = Some(Vec::new());
    let add =
        Command::UserAdd { user: jid("a@x.example"), password: Some(Secret(Bytes::from_static(b"pw"))) };
    assert_eq!(world.command(add.clone()), None);
    world.waiting = Some(world.waiting.take().unwrap_or_default());
    // The derivations are answered, the write is not.
    let derivations = world.waiting.replace(Vec::new()).unwrap_or_default();
    assert_eq!(derivations.len(), 2);
    for output in derivations {
        let crate::io::Output::Derive { op, request } = output else { panic!("{output:?}") };
        world.input(Input::Derived { op, salted_password: crate::sasl::derive(&request) });
    }
    assert_eq!(world.answers, []);
    assert_eq!(world.command(add), Some(Answer::Refused(Refusal::Busy)));
    world.release();
    assert_eq!(world.answers, [Answer::Account { user: jid("a@x.example"), drawn: None }]);
}

#[test]
fn a_full_disk_refuses_an_account_and_forgets_it() {
    let mut world = World::new();
    world.disk = Err(StoreError::Full);
    let add = Command::UserAdd { user: jid("a@x.example"), password: None };
    assert_eq!(world.command(add.clone()), Some(Answer::Refused(Refusal::Store(StoreError::Full))));
    world.disk = Ok(());
    let Some(Answer::Account { drawn: Some(drawn), .. }) = world.command(add.clone()) else {
        panic!("the second try succeeds and draws a password")
    };
    assert_eq!(drawn.0.len(), 26);
    assert_eq!(world.command(add), Some(Answer::Refused(Refusal::Exists)));
}

#[test]
fn accounts_are_listed_in_pages() {
    let mut world = World::with(|config| config.limits.accounts_page = 2);
    for user in ["c", "a", "b"] {
        world.add(user);
    }
    let list =
        |after: Option<&str>| Command::UserList { domain: "x.example".into(), after: after.map(Into::into) };
    let page = |users: &[&str], more| {
        Some(Answer::Accounts {
            users: users.iter().map(|user| jid(&format!("{user}@x.example"))).collect(),
            more,
        })
    };
    assert_eq!(world.command(list(None)), page(&["a", "b"], true));
    assert_eq!(world.command(list(Some("b"))), page(&["c"], false));
    let elsewhere = Command::UserList { domain: "y.example".into(), after: None };
    assert_eq!(world.command(elsewhere), Some(Answer::Refused(Refusal::NoSuchDomain)));
}

#[test]
fn the_first_account_is_made_once() {
    let mut world = World::new();
    let ensure = Command::EnsureAdmin { domain: "x.example".into() };
    assert!(matches!(world.command(ensure.clone()), Some(Answer::Account { drawn: Some(_), .. })));
    assert_eq!(world.command(ensure), Some(Answer::Done));
}

#[test]
fn removing_an_account_ends_its_sessions_and_logins() {
    let mut world = World::new();
    world.add("alice");
    let session = world.login("alice", "a", Some(0));
    let login = world.open();
    world.header(login);
    world.auth(login, "alice", "pw");
    world.read(login);
    assert_eq!(world.command(Command::UserRemove { user: jid("alice@x.example") }), Some(Answer::Done));
    assert!(world.read(session).contains("<not-authorized"));
    assert!(world.read(login).contains("<reset"));
    let again = world.open();
    world.header(again);
    world.auth(again, "alice", "pw");
    assert!(world.read(again).contains("<failure"));
}

#[test]
fn a_new_password_ends_the_sessions_of_the_old_one() {
    let mut world = World::new();
    world.add("alice");
    let session = world.login("alice", "a", None);
    let passwd = Command::UserPasswd {
        user: jid("alice@x.example"),
        password: Some(Secret(Bytes::from_static(b"new"))),
    };
    assert!(matches!(world.command(passwd), Some(Answer::Account { .. })));
    assert!(world.read(session).contains("<reset"));
    let conn = world.open();
    world.header(conn);
    world.auth(conn, "alice", "pw");
    assert!(world.read(conn).contains("<not-authorized"));
    world.auth(conn, "alice", "new");
    assert!(world.read(conn).contains("<success"));
}

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
        (format!("{HEADER}<enable xmlns='urn:xmpp:sm:3'/>"), "unsupported-stanza-type"),
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
fn a_slow_reader_is_cut_and_its_stanza_returned() {
    let mut world = World::with(|config| config.limits.send_queue_bytes = 1000);
    world.add("alice");
    world.add("bob");
    let alice = world.login("alice", "a", None);
    let bob = world.login("bob", "b", None);
    let message = format!("<message to='bob@x.example/b' id='1'><body>{}</body></message>", "x".repeat(600));
    world.send(alice, &message);
    world.input(Input::Flushed { conn: bob, bytes: 700 });
    world.send(alice, &message);
    assert_eq!(world.closed, []);
    world.send(alice, &message);
    assert!(world.read(alice).contains("<resource-constraint"));
    assert!(world.read(bob).contains("<resource-constraint"));
    assert_eq!(world.closed, [bob]);
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
fn presence_reaches_the_own_resources_and_those_told_directly() {
    let mut world = World::new();
    world.add("alice");
    world.add("bob");
    let phone = world.login("alice", "phone", Some(1));
    let bob = world.login("bob", "b", Some(0));
    let desk = world.login("alice", "desk", None);
    world.send(desk, "<presence><status>at work</status></presence>");
    let said = world.read(desk);
    assert!(
        said.contains("from='alice@x.example/desk'") && said.contains("from='alice@x.example/phone'"),
        "{said}"
    );
    assert!(world.read(phone).contains("at work"));
    assert_eq!(world.read(bob), "");
    world.send(desk, "<presence to='bob@x.example'/>");
    assert!(world.read(bob).contains("<presence to='bob@x.example' from='alice@x.example/desk'/>"));
    world.input(Input::Closed { conn: desk, cause: CloseCause::Reset });
    assert!(
        world
            .read(bob)
            .contains("<presence type='unavailable' from='alice@x.example/desk' to='bob@x.example'/>")
    );
    assert!(world.read(phone).contains("type='unavailable'"));
}

#[test]
fn a_request_to_a_stranger_s_resource_reveals_nothing() {
    let mut world = World::new();
    world.add("alice");
    world.add("bob");
    let alice = world.login("alice", "a", Some(0));
    let bob = world.login("bob", "b", Some(0));
    let ask = "<iq type='get' id='1' to='bob@x.example/b'><ping xmlns='urn:xmpp:ping'/></iq>";
    world.send(alice, ask);
    let there = world.read(alice);
    world.send(alice, &ask.replace("/b'", "/nobody'"));
    assert_eq!(there.replace("/b'", "/nobody'"), world.read(alice));
    assert_eq!(world.read(bob), "");
    world.send(bob, "<presence to='alice@x.example'/>");
    world.read(alice);
    world.send(alice, ask);
    assert!(world.read(bob).contains("urn:xmpp:ping"));
}

#[test]
fn registration_is_closed_unless_opened() {
    let form = "<iq type='get' id='r'><query xmlns='jabber:iq:register'/></iq>";
    let set = "<iq type='set' id='s'><query xmlns='jabber:iq:register'><username>carol</username><password>pw</password></query></iq>";
    let mut closed = World::new();
    let conn = closed.open();
    closed.header(conn);
    assert!(!closed.read(conn).contains("iq-register"));
    closed.send(conn, set);
    assert!(closed.read(conn).contains("<service-unavailable"));

    let mut open = World::with(World::open_registration);
    let conn = open.open();
    open.header(conn);
    assert!(open.read(conn).contains("iq-register"));
    open.send(conn, form);
    assert!(open.read(conn).contains("<username/>"));
    open.send(conn, set);
    assert_eq!(open.read(conn), "<iq type='result' id='s'/>");
    open.send(conn, set);
    assert!(open.read(conn).contains("<conflict"));
    let carol = open.login("carol", "c", None);
    open.send(carol, "<iq type='set' id='x'><query xmlns='jabber:iq:register'><remove/></query></iq>");
    let said = open.read(carol);
    assert!(said.contains("type='result'") && said.contains("<not-authorized"), "{said}");
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
fn a_stop_says_good_bye_and_waits_for_the_disk() {
    let mut world = World::new();
    world.add("alice");
    let alice = world.login("alice", "a", Some(0));
    world.waiting = Some(Vec::new());
    assert_eq!(world.command(Command::UserRemove { user: jid("alice@x.example") }), None);
    assert_eq!(world.command(Command::Shutdown), None);
    assert!(world.read(alice).contains("<system-shutdown"));
    assert!(!world.stopped);
    world.release();
    assert!(world.stopped);
    assert_eq!(world.answers.len(), 2);
    let late = ConnId(999);
    world.input(Input::Opened { conn: late, kind: ConnKind::ClientDirectTls, peer: PeerAddr([1; 16]) });
    world.input(Input::Secured { conn: late, tls: TlsInfo::default() });
    assert!(world.closed.contains(&late));
}

#[test]
fn the_same_inputs_give_the_same_outputs_however_they_are_polled() {
    let run = |poll_late: bool| {
        let mut world = World::new();
        world.add("alice");
        let alice = world.login("alice", "a", Some(0));
        let now = crate::time::Now::default();
        let mut said = Vec::new();
        for text in ["<presence/>", "<message to='alice@x.example'/>", "<iq type='get' id='1'/>"] {
            world.node.handle_input(
                now,
                Input::Received { conn: alice, bytes: Bytes::from_static(text.as_bytes()) },
            );
            if !poll_late {
                poll(&mut world, &mut said);
            }
        }
        poll(&mut world, &mut said);
        said
    };
    assert_eq!(run(false), run(true));
}

fn poll(world: &mut World, said: &mut Vec<String>) {
    loop {
        let output = world.node.poll_output();
        if matches!(output, crate::io::Output::Wait { .. }) {
            return;
        }
        said.push(format!("{output:?}"));
    }
}

#[test]
fn the_language_of_the_stream_is_that_of_its_stanzas() {
    let mut world = World::new();
    world.add("alice");
    let conn = world.open();
    let header = HEADER.replace("version", "xml:lang='de' version");
    world.send(conn, &header);
    world.auth(conn, "alice", "pw");
    world.send(conn, &header);
    world
        .send(conn, "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq><presence/>");
    world.read(conn);
    world.send(
        conn,
        "<message to='alice@x.example' id='1'/><message to='alice@x.example' xml:lang='fr' id='2'/>",
    );
    let said = world.read(conn);
    assert!(said.contains(" xml:lang='de'") && said.matches("xml:lang=").count() == 2, "{said}");
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

/// What is sent in one piece is handled like what is sent in many.
#[test]
fn a_stanza_is_done_with_before_the_next_thing_is_looked_at() {
    let footer = "</stream:stream>";
    let ping = "<iq type='get' id='x'><ping xmlns='urn:xmpp:ping'/></iq>";
    let ghost = "<message to='ghost@x.example' id='1'><body/></message>";
    let forged = "<message from='eve@x.example'/>";
    let own = "<message to='alice@x.example' id='2'><body>to myself</body></message>";
    for (first, then, expected) in [
        (ping, footer, "type='result'"),
        (ghost, footer, "<service-unavailable"),
        (forged, footer, "<invalid-from"),
        (own, "<presence type='unavailable'/>", "to myself"),
    ] {
        let mut said = Vec::new();
        for together in [true, false] {
            let mut world = World::new();
            world.add("alice");
            let alice = world.login("alice", "a", Some(0));
            if together {
                world.send(alice, &format!("{first}{then}"));
            } else {
                world.send(alice, first);
                world.send(alice, then);
            }
            said.push(world.read(alice));
        }
        let [together, apart] = said.as_slice() else { panic!("two runs") };
        assert!(together.contains(expected), "{first}{then}: {together}");
        assert_eq!(together, apart);
    }
}

#[test]
fn a_request_is_carried_out_though_the_stream_ends_with_it() {
    let mut world = World::with(World::open_registration);
    world.add("alice");
    let alice = world.login("alice", "a", None);
    world.send(
        alice,
        "<iq type='set' id='x'><query xmlns='jabber:iq:register'><remove/></query></iq></stream:stream>",
    );
    let list = Command::UserList { domain: "x.example".into(), after: None };
    assert_eq!(world.command(list), Some(Answer::Accounts { users: Vec::new(), more: false }));
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
fn subscriptions_meet_silence() {
    let mut world = World::new();
    world.add("alice");
    world.add("bob");
    let alice = world.login("alice", "a", Some(0));
    let bob = world.login("bob", "b", Some(0));
    for kind in ["subscribe", "subscribed", "unsubscribe", "unsubscribed", "probe"] {
        for to in ["bob@x.example", "bob@x.example/nobody", "ghost@x.example"] {
            world.send(alice, &format!("<presence type='{kind}' to='{to}'/>"));
        }
    }
    assert_eq!((world.read(alice), world.read(bob)), (String::new(), String::new()));
}

#[test]
fn those_told_directly_hear_of_the_end_though_nobody_else_was_told() {
    let mut world = World::new();
    world.add("alice");
    world.add("bob");
    let phone = world.login("alice", "phone", Some(0));
    let desk = world.login("alice", "desk", None);
    let bob = world.login("bob", "b", Some(0));
    world.send(desk, "<presence to='bob@x.example'/><presence type='unavailable'/>");
    assert!(
        world
            .read(bob)
            .contains("<presence type='unavailable' from='alice@x.example/desk' to='bob@x.example'/>")
    );
    assert_eq!(world.read(phone), "");
}

#[test]
fn a_half_closed_client_is_still_answered() {
    let mut world = World::with(World::open_registration);
    let conn = world.open();
    world.header(conn);
    world.read(conn);
    world.waiting = Some(Vec::new());
    world.send(conn, "<iq type='set' id='s'><query xmlns='jabber:iq:register'><username>carol</username><password>pw</password></query></iq>");
    world.input(Input::Ended { conn });
    assert_eq!(world.closed, []);
    world.release();
    assert_eq!(world.read(conn), "<iq type='result' id='s'/></stream:stream>");
    assert_eq!(world.closed, [conn]);
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
fn a_list_after_what_is_no_name_begins_at_the_beginning() {
    let mut world = World::new();
    world.add("alice");
    for after in ["\0", "a b", &"x".repeat(2000)] {
        let list = Command::UserList { domain: "x.example".into(), after: Some(after.into()) };
        assert_eq!(
            world.command(list),
            Some(Answer::Accounts { users: vec![jid("alice@x.example")], more: false })
        );
    }
}

#[test]
fn what_is_shown_for_debugging_holds_no_key() {
    let mut world = World::new();
    world.waiting = Some(Vec::new());
    let add =
        Command::UserAdd { user: jid("a@x.example"), password: Some(Secret(Bytes::from_static(b"hunter2"))) };
    world.command(add);
    let shown = format!("{:?} {:?}", world.node, world.waiting);
    assert!(!shown.contains("hunter2"), "{shown}");
    let row = crate::store::Row {
        key: crate::store::Key::new(crate::store::Table::Node, &[]),
        value: Bytes::from_static(b"secret"),
    };
    assert!(!format!("{row:?}").contains("secret"));
}
