//! Accounts: what operators and in-band registration do, and when they are answered.

use bytes::Bytes;

use super::acks::ENABLE;
use super::crash::Keeps;
use super::jid;
use super::messages::rows;
use crate::io::{Answer, Command, ConnId, ConnKind, Input, Output, PeerAddr, Refusal, Secret, TlsInfo};
use crate::node::harness::World;
use crate::store::{StoreError, Table};

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
        let Output::Derive { op, request } = output else { panic!("{output:?}") };
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

const DISKS: [Result<(), StoreError>; 2] = [Ok(()), Err(StoreError::Full)];

#[test]
fn a_session_that_ends_is_not_shown_a_message_that_is_not_durable() {
    for (acks, disk) in [false, true].into_iter().flat_map(|acks| DISKS.map(|disk| (acks, disk))) {
        let mut world = World::new();
        world.add("alice");
        world.add("bob");
        let alice = world.login("alice", "a", Some(0));
        let bob = world.login("bob", "b", Some(0));
        if acks {
            world.send(bob, ENABLE);
        }
        world.read(bob);
        let password = Some(Secret(Bytes::from_static(b"new")));
        world.waiting = Some(Vec::new());
        assert_eq!(world.command(Command::UserPasswd { user: jid("bob@x.example"), password }), None);
        for _ in 0..2 {
            assert!(world.answer_next(), "what is stored of the password is derived");
        }
        world.send(alice, &Keeps::Archive.message("bob@x.example", "late"));
        assert!(world.answer_next(), "the password is written, the message is not");
        let said = world.read(bob);
        assert!(said.contains("</stream:stream>") && !said.contains("late"), "{said}");
        world.disk = disk;
        assert!(world.answer_next(), "the message is answered");
        assert_eq!(world.read(alice).contains("<resource-constraint"), disk.is_err());
        world.disk = Ok(());
        world.release();
        world.pass(2_000_000);
        assert_eq!(rows(&world, Table::Owed), usize::from(disk.is_ok()), "it waits for bob's next session");
    }
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
    let conn = ConnId(1);
    let received = Input::Received { conn, bytes: Bytes::from_static(b"hunter2") };
    assert_eq!(format!("{received:?}"), "Received(ConnId(1), 7 bytes)");
    let row = crate::store::Row {
        key: crate::store::Key::new(Table::Node, &[]),
        value: Bytes::from_static(b"secret"),
    };
    assert!(!format!("{row:?}").contains("secret"));
}

#[test]
fn a_card_that_was_on_its_way_when_its_account_was_removed_is_not_the_next_ones() {
    let mut world = World::new();
    world.add("alice");
    let (a, b) = (world.login("alice", "a", Some(0)), world.login("alice", "b", Some(0)));
    (world.waiting, world.slow_reads) = (Some(Vec::new()), true);
    for (conn, name) in [(a, "one"), (b, "two")] {
        world.send(
            conn,
            &format!("<iq type='set' id='c'><vCard xmlns='vcard-temp'><FN>{name}</FN></vCard></iq>"),
        );
    }
    // The first is read and written, then the second is read.
    while !world.waiting.iter().flatten().any(|output| matches!(output, Output::Store { .. })) {
        assert!(world.answer_next());
    }
    assert!(world.answer_next());
    world.command(Command::UserRemove { user: jid("alice@x.example") });
    world.waiting.as_mut().unwrap().rotate_left(1);
    while world.answer_next() {}
    (world.waiting, world.slow_reads) = (None, false);
    world.add("alice");
    let alice = world.login("alice", "a", Some(0));
    world.send(alice, "<iq type='get' id='g'><vCard xmlns='vcard-temp'/></iq>");
    let said = world.read(alice);
    assert!(!said.contains("<FN>"), "{said}");
}

#[test]
fn an_account_is_not_removed_by_what_a_contact_has_never_written() {
    let mut world = World::new();
    let people = ["alice", "bob"].map(|user| {
        world.add(user);
        world.login(user, "r", Some(0))
    });
    super::subscribe(&mut world, "bob", "alice");
    (world.waiting, world.slow_reads) = (Some(Vec::new()), true);
    world.send(people[1], "<presence type='unsubscribe' to='alice@x.example'/>");
    // The disk does not take it: both are read again, and before that somebody removes alice.
    world.disk = Err(StoreError::Io);
    assert!(world.answer_next());
    world.disk = Ok(());
    let remove = Command::UserRemove { user: jid("alice@x.example") };
    assert_eq!(world.command(remove.clone()), None);
    let waiting = world.waiting.as_mut().unwrap();
    assert!(waiting.len() > 1, "reads: {waiting:?}");
    waiting.rotate_right(1);
    assert!(world.answer_next());
    assert_eq!(world.answers.pop(), Some(Answer::Refused(Refusal::Busy)));
    while world.answer_next() {}
    (world.waiting, world.slow_reads) = (None, false);
    assert_eq!(world.command(remove), Some(Answer::Done));
    world.kill();
    let bob = world.login("bob", "r", None);
    world.send(bob, "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>");
    let said = world.read(bob);
    assert!(said.contains("type='result'") && !said.contains("alice"), "{said}");
}
