//! What clients are told when they ask an archive.

use super::messages::{bodies, ids, rows};
use crate::io::ConnId;
use crate::node::harness::World;
use crate::service::mam::asked::{form, set};
use crate::store::{StoreError, Table};

/// A world in which alice has written `count` messages to bob, one each second, and is there with another session.
fn world(count: u32, change: impl FnOnce(&mut crate::config::Config)) -> (World, ConnId) {
    let mut world = World::with(change);
    world.add("alice");
    world.add("bob");
    world.add("carol");
    let alice = world.login("alice", "a", Some(0));
    world.login("bob", "b", Some(0));
    for number in 0..count {
        world.now += 1_000_000;
        let to = if number % 4 == 3 { "carol@x.example" } else { "bob@x.example/b" };
        world.send(alice, &format!("<message to='{to}' type='chat'><body>{number}</body></message>"));
    }
    (world, alice)
}

fn ask(world: &mut World, conn: ConnId, content: &str) -> String {
    world.read(conn);
    world.send(
        conn,
        &format!("<iq type='set' id='m'><query xmlns='urn:xmpp:mam:2' queryid='q'>{content}</query></iq>"),
    );
    world.read(conn)
}

/// The ids of results, in order.
fn results(said: &str) -> Vec<String> {
    let parts = said.split("<result xmlns='urn:xmpp:mam:2' queryid='q' id='").skip(1);
    parts.filter_map(|rest| rest.split('\'').next()).map(str::to_owned).collect()
}

fn between<'a>(said: &'a str, from: &str, to: &str) -> Option<&'a str> {
    said.split(from).nth(1)?.split(to).next()
}

fn last(said: &str) -> Option<&str> {
    between(said, "<last>", "</last>")
}

fn first(said: &str) -> Option<&str> {
    between(said, "<first>", "</first>")
}

fn numbers(from: u32, to: u32) -> Vec<String> {
    (from..to).map(|number| number.to_string()).collect()
}

#[test]
fn a_page_holds_the_messages_as_they_were_sent() {
    let (mut world, alice) = world(2, |_| {});
    let said = ask(&mut world, alice, "");
    assert!(
        said.starts_with(
            "<message from='alice@x.example' to='alice@x.example/a'><result xmlns='urn:xmpp:mam:2' queryid='q' id='"
        ),
        "{said}"
    );
    assert!(
        said.contains(
            "'><forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='1970-01-01T00:00:01.000Z'/>\
             <message to='bob@x.example/b' type='chat' from='alice@x.example/a' xmlns='jabber:client'>\
             <body>0</body></message></forwarded></result></message>"
        ),
        "{said}"
    );
    assert_eq!(bodies(&said), ["0", "1"]);
    assert!(said.contains("<fin xmlns='urn:xmpp:mam:2' complete='true'>"), "{said}");
    assert!(said.contains("<count>2</count>"), "{said}");
    assert_eq!((first(&said), last(&said)), (Some(&*results(&said)[0]), Some(&*results(&said)[1])));
    assert!(said.find("<fin").unwrap() > said.rfind("<result").unwrap());
}

#[test]
fn an_id_that_came_with_a_message_is_one_that_the_archive_knows() {
    let (mut world, alice) = world(0, |_| {});
    let other = world.login("alice", "o", Some(0));
    let bob = world.login("bob", "c", Some(0));
    for body in ["one", "two"] {
        world.send(bob, &format!("<message to='alice@x.example'><body>{body}</body></message>"));
    }
    let told = world.read(other);
    let ids = ids(&told, "alice@x.example");
    let said = ask(&mut world, alice, &set(&format!("<after>{}</after>", ids[0])));
    assert_eq!(bodies(&said), ["two"]);
    let said = ask(&mut world, alice, &form(&[("ids", ids[0])]));
    assert_eq!((bodies(&said), results(&said)), (vec!["one"], vec![ids[0].to_owned()]));
}

#[test]
fn pages_in_both_directions_make_the_whole_archive() {
    let (mut world, alice) = world(10_000, |config| {
        config.limits.archive_page = 10_000;
        config.limits.archive_page_bytes = u32::MAX;
        config.limits.send_queue_bytes = u32::MAX;
        config.limits.owed_messages = u32::MAX;
    });
    let said = ask(&mut world, alice, "");
    let all = results(&said);
    assert_eq!(all.len(), 10_000, "{}", said.get(..400).unwrap_or(&said));
    let (mut forward, mut after) = (Vec::new(), String::new());
    loop {
        let said = ask(&mut world, alice, &set(&format!("<max>617</max>{after}")));
        forward.extend(results(&said));
        let Some(last) = last(&said).filter(|_| !said.contains("complete='true'")) else { break };
        after = format!("<after>{last}</after>");
    }
    assert_eq!(forward, all);
    let (mut backward, mut before): (Vec<Vec<String>>, _) = (Vec::new(), String::from("<before/>"));
    loop {
        let said = ask(&mut world, alice, &set(&format!("<max>731</max>{before}")));
        backward.push(results(&said));
        let Some(first) = first(&said).filter(|_| !said.contains("complete='true'")) else { break };
        before = format!("<before>{first}</before>");
    }
    backward.reverse();
    assert_eq!(backward.concat(), all);
}

#[test]
fn a_page_has_its_bounds() {
    let (mut world, alice) = world(30, |config| config.limits.archive_page = 7);
    let said = ask(&mut world, alice, &set("<max>20</max>"));
    assert_eq!(bodies(&said), numbers(0, 7));
    assert!(!said.contains("complete"), "{said}");
    let said = ask(&mut world, alice, &set("<max>0</max>"));
    assert_eq!((results(&said).len(), first(&said)), (0, None));
    assert!(said.contains("<count>30</count>") && !said.contains("complete"), "{said}");
    let (mut world, alice) = self::world(30, |config| config.limits.archive_page_bytes = 1_500);
    let said = ask(&mut world, alice, "");
    let count = results(&said).len();
    assert!((1..10).contains(&count) && !said.contains("complete"), "{said}");
    let said = ask(&mut world, alice, &set("<before/>"));
    assert_eq!(bodies(&said).last(), Some(&"29"), "a page that is cut short keeps the end it is of");
}

#[test]
fn questions_are_narrowed_by_whom_and_when() {
    let (mut world, alice) = world(20, |_| {});
    world.send(alice, "<message to='alice@x.example'><body>own</body></message>");
    let carol = ask(&mut world, alice, &form(&[("with", "carol@x.example")]));
    assert_eq!(bodies(&carol), ["3", "7", "11", "15", "19"]);
    assert!(carol.contains("complete='true'") && !carol.contains("<count>"), "{carol}");
    for (fields, expected) in [
        (vec![("with", "bob@x.example/b"), ("end", "1970-01-01T00:00:05Z")], vec!["0", "1", "2", "4"]),
        (vec![("with", "bob@x.example/other")], vec![]),
        (vec![("with", "alice@x.example")], vec!["own"]),
        (vec![("start", "1970-01-01T00:00:19Z")], vec!["18", "19", "own"]),
        (vec![("start", "1970-01-01T00:00:03Z"), ("end", "1970-01-01T00:00:04.0004Z")], vec!["2", "3"]),
        (vec![("start", "1970-01-01T00:00:03.0001Z"), ("end", "1970-01-01T00:00:04Z")], vec!["3"]),
    ] {
        assert_eq!(bodies(&ask(&mut world, alice, &form(&fields))), expected, "{fields:?}");
    }
    let second = ask(
        &mut world,
        alice,
        &format!("{}{}", form(&[("with", "carol@x.example")]), set("<max>2</max><before/>")),
    );
    assert_eq!(bodies(&second), ["15", "19"]);
    let before = format!("<max>2</max><before>{}</before>", first(&second).unwrap());
    let third = ask(&mut world, alice, &format!("{}{}", form(&[("with", "carol@x.example")]), set(&before)));
    assert_eq!(bodies(&third), ["7", "11"]);
}

#[test]
fn a_range_between_two_ids_and_a_flipped_page() {
    let (mut world, alice) = world(10, |_| {});
    let all = results(&ask(&mut world, alice, ""));
    let fields = form(&[("after-id", &all[2]), ("before-id", &all[6])]);
    let said = ask(&mut world, alice, &fields);
    assert_eq!(results(&said), all[3..6]);
    assert!(said.contains("complete='true'"));
    let said = ask(&mut world, alice, &format!("{fields}<flip-page/>"));
    let mut flipped = results(&said);
    flipped.reverse();
    assert_eq!(flipped, all[3..6]);
    assert_eq!(
        (first(&said), last(&said)),
        (Some(&*all[3]), Some(&*all[5])),
        "flipping changes the order of sending only"
    );
}

#[test]
fn what_an_archive_does_not_have_is_not_guessed() {
    let (mut world, alice) = world(3, |_| {});
    let unknown = "00000000000000000000000000000000";
    for content in [
        set(&format!("<after>{unknown}</after>")),
        set("<before>nonsense</before>"),
        form(&[("ids", unknown)]),
        form(&[("after-id", unknown)]),
    ] {
        assert!(ask(&mut world, alice, &content).contains("<item-not-found"), "{content}");
    }
    let bob = world.login("bob", "c", None);
    let id = results(&ask(&mut world, alice, ""))[0].clone();
    let said = ask(&mut world, bob, &set(&format!("<after>{id}</after>")));
    assert!(said.contains("<item-not-found"), "an id of another archive");
    world.send(bob, "<iq type='set' id='m' to='alice@x.example'><query xmlns='urn:xmpp:mam:2'/></iq>");
    assert!(world.read(bob).contains("<forbidden"));
    let said = ask(&mut world, alice, &form(&[("colour", "red")]));
    assert!(said.contains("<feature-not-implemented"), "{said}");
}

#[test]
fn an_archive_tells_its_form_and_its_ends() {
    let (mut world, alice) = world(3, |_| {});
    let all = results(&ask(&mut world, alice, ""));
    world.send(alice, "<iq type='get' id='1'><metadata xmlns='urn:xmpp:mam:2'/></iq>");
    let said = world.read(alice);
    for (name, id, second) in [("start", &all[0], 1), ("end", &all[2], 3)] {
        let expected = format!("<{name} id='{id}' timestamp='1970-01-01T00:00:0{second}.000Z'/>");
        assert!(said.contains(&expected), "{said}");
    }
    world.send(alice, "<iq type='get' id='1'><query xmlns='urn:xmpp:mam:2'/></iq>");
    let said = world.read(alice);
    for var in ["FORM_TYPE", "with", "start", "end", "before-id", "after-id", "ids"] {
        assert!(said.contains(&format!("var='{var}'")), "{said}");
    }
    let (mut world, alice) = self::world(0, |_| {});
    world.send(alice, "<iq type='get' id='1'><metadata xmlns='urn:xmpp:mam:2'/></iq>");
    assert!(world.read(alice).contains("<metadata xmlns='urn:xmpp:mam:2'/>"));
    assert!(ask(&mut world, alice, "").contains("<fin xmlns='urn:xmpp:mam:2' complete='true'>"));
}

#[test]
fn preferences_decide_what_is_archived_and_come_back_after_a_restart() {
    let (mut world, alice) = world(0, |_| {});
    world.send(alice, "<iq type='get' id='1'><prefs xmlns='urn:xmpp:mam:2'/></iq>");
    assert!(
        world
            .read(alice)
            .contains("<prefs xmlns='urn:xmpp:mam:2' default='always'><always/><never/></prefs>")
    );
    let wanted = "<prefs xmlns='urn:xmpp:mam:2' default='never'><always><jid>bob@x.example</jid></always><never/></prefs>";
    world.send(alice, &format!("<iq type='set' id='1'>{wanted}</iq>"));
    assert!(world.read(alice).contains(wanted));
    world.kill();
    let alice = world.login("alice", "a", Some(0));
    world.send(alice, "<message to='bob@x.example'><body>one</body></message>");
    world.send(alice, "<message to='carol@x.example'><body>two</body></message>");
    assert_eq!(bodies(&ask(&mut world, alice, "")), ["one"]);
    let carol = world.login("carol", "c", None);
    assert_eq!(bodies(&ask(&mut world, carol, "")), ["two"], "each archive is its owner's");
    for broken in ["<prefs xmlns='urn:xmpp:mam:2' default='sometimes'/>", "<prefs xmlns='urn:xmpp:mam:2'/>"] {
        world.send(alice, &format!("<iq type='set' id='1'>{broken}</iq>"));
        assert!(world.read(alice).contains("<bad-request"));
    }
    world.disk = Err(StoreError::Full);
    world.send(alice, "<iq type='set' id='1'><prefs xmlns='urn:xmpp:mam:2' default='always'/></iq>");
    assert!(world.read(alice).contains("<resource-constraint"));
}

#[test]
fn what_one_party_does_not_archive_still_waits_for_it() {
    let (mut world, _) = world(0, |_| {});
    let carol = world.login("carol", "c", None);
    world.send(carol, "<iq type='set' id='1'><prefs xmlns='urn:xmpp:mam:2' default='never'/></iq>");
    world.cut(carol);
    let bob = world.login("bob", "c", Some(0));
    world.send(bob, "<message to='carol@x.example'><body>hi</body></message>");
    assert_eq!(
        (rows(&world, Table::Message), rows(&world, Table::Owed), rows(&world, Table::Log)),
        (2, 1, 1)
    );
    let carol = world.login("carol", "c", None);
    world.send(carol, "<presence/>");
    let said = world.read(carol);
    assert_eq!((bodies(&said), ids(&said, "carol@x.example").len()), (vec!["hi"], 0));
    assert_eq!(
        (rows(&world, Table::Message), rows(&world, Table::Owed), rows(&world, Table::Log)),
        (1, 0, 1)
    );
}

#[test]
fn an_archive_and_its_cursors_survive_a_restart() {
    let (mut world, alice) = world(500, |_| {});
    let page = ask(&mut world, alice, &set("<max>50</max>"));
    world.kill();
    let alice = world.login("alice", "a", Some(0));
    let said = ask(&mut world, alice, &set(&format!("<max>50</max><after>{}</after>", last(&page).unwrap())));
    assert_eq!(bodies(&said), numbers(50, 100));
    assert!(said.contains("<count>500</count>"), "{said}");
}

#[test]
fn what_is_too_old_is_removed_in_steps_and_its_bytes_with_the_last_archive() {
    let (mut world, alice) = world(100, |config| {
        config.limits.archive_time = crate::time::Span::from_secs(3_650);
        config.limits.archive_step = 7;
    });
    assert_eq!((rows(&world, Table::Message), rows(&world, Table::Log)), (100, 200));
    let id = results(&ask(&mut world, alice, ""))[0].clone();
    world.pass(3_600_000_000);
    // Now is second 3700: what came up to second 49 is too old.
    assert_eq!((rows(&world, Table::Message), rows(&world, Table::Log)), (51, 102));
    assert_eq!(rows(&world, Table::LogId), 102);
    let said = ask(&mut world, alice, "");
    assert_eq!(bodies(&said).first(), Some(&"49"));
    assert!(said.contains("<count>51</count>"), "{said}");
    assert!(ask(&mut world, alice, &set(&format!("<after>{id}</after>"))).contains("<item-not-found"));
    world.pass(100_000_000_000);
    assert_eq!((rows(&world, Table::Message), rows(&world, Table::Owed)), (0, 0));
}

#[test]
fn an_archive_that_has_grown_too_large_loses_its_oldest() {
    let (mut world, alice) = world(200, |config| config.limits.archive_bytes = 20_000);
    let said = ask(&mut world, alice, &set("<max>1</max>"));
    let kept: u32 = between(&said, "<count>", "</count>").unwrap().parse().unwrap();
    assert!((30..=80).contains(&kept), "{said}");
    assert_eq!(bodies(&ask(&mut world, alice, "")).last(), Some(&"199"));
    assert_eq!(bodies(&said), [(200 - kept).to_string()]);
    world.now -= 100_000_000;
    world.kill();
    let alice = world.login("alice", "a", Some(0));
    assert!(ask(&mut world, alice, &set("<max>1</max>")).contains(&format!("<count>{kept}</count>")));
}

#[test]
fn an_account_of_the_same_name_sees_nothing_of_the_one_before() {
    let (mut world, _) = world(5, |_| {});
    world.waiting = None;
    let alice = crate::jid::BareJid::parse("alice@x.example").unwrap();
    world.command(crate::io::Command::UserRemove { user: alice });
    world.add("alice");
    let alice = world.login("alice", "a", Some(0));
    assert!(ask(&mut world, alice, "").contains("complete='true'"));
    assert_eq!(results(&ask(&mut world, alice, "")).len(), 0);
}
