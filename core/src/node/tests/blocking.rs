//! Block lists, as both sides see them.

use super::{jid, subscribe};
use crate::io::{ConnId, Output};
use crate::jid::Jid;
use crate::node::harness::World;
use crate::store::StoreError;

const BLOCK: &str =
    "<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='bob@x.example'/></block></iq>";
const UNBLOCK: &str =
    "<iq type='set' id='u'><unblock xmlns='urn:xmpp:blocking'><item jid='bob@x.example'/></unblock></iq>";
const LIST: &str = "<iq type='get' id='l'><blocklist xmlns='urn:xmpp:blocking'/></iq>";

fn pair() -> (World, ConnId, ConnId) {
    let mut world = World::new();
    world.add("alice");
    world.add("bob");
    let alice = world.login("alice", "a", Some(0));
    let bob = world.login("bob", "b", Some(0));
    (world, alice, bob)
}

#[test]
fn what_a_blocked_address_sends_goes_no_further() {
    let (mut world, alice, bob) = pair();
    world.send(alice, BLOCK);
    assert!(world.read(alice).contains("type='result'"));
    for (stanza, error) in [
        ("<message to='alice@x.example' id='1' type='chat'><body>hi</body></message>", true),
        ("<message to='alice@x.example/a' id='1'><body>hi</body></message>", true),
        ("<message to='alice@x.example/a' id='1' type='error'/>", false),
        ("<presence to='alice@x.example'/>", false),
        ("<presence to='alice@x.example/a' type='subscribe'/>", false),
        ("<presence to='alice@x.example' type='probe'/>", false),
        (
            "<iq to='alice@x.example' id='1' type='get'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>",
            true,
        ),
        ("<iq to='alice@x.example/a' id='1' type='get'><ping xmlns='urn:xmpp:ping'/></iq>", true),
        ("<iq to='alice@x.example/a' id='1' type='result'/>", false),
    ] {
        world.send(bob, stanza);
        let said = world.read(bob);
        assert_eq!(said.contains("<service-unavailable"), error, "{stanza}: {said}");
        assert!(error || said.is_empty(), "{stanza}: {said}");
        assert_eq!(world.read(alice), "", "{stanza}");
    }
}

#[test]
fn what_goes_to_a_blocked_address_comes_back() {
    let (mut world, alice, bob) = pair();
    world.send(alice, BLOCK);
    world.read(alice);
    for stanza in [
        "<message to='bob@x.example' id='1'><body>hi</body></message>",
        "<message to='bob@x.example/b' id='1' type='chat'><body>hi</body></message>",
        "<presence to='bob@x.example' id='1'/>",
        "<presence to='bob@x.example' id='1' type='subscribe'/>",
        "<iq to='bob@x.example/b' id='1' type='get'><ping xmlns='urn:xmpp:ping'/></iq>",
    ] {
        world.send(alice, stanza);
        let said = world.read(alice);
        let error = "<error type='cancel' by='x.example'><not-acceptable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>\
                     <blocked xmlns='urn:xmpp:blocking:errors'/></error>";
        assert!(said.contains("from='bob@x.example") && said.contains(error), "{stanza}: {said}");
        assert_eq!(world.read(bob), "", "{stanza}");
    }
    // Her own presence comes back to her alone, and no error with it.
    world.send(alice, "<presence><show>away</show></presence>");
    let said = world.read(alice);
    assert!(said.contains("away") && !said.contains("error"), "{said}");
    // Her own resources and the server are never blocked.
    world.send(alice, "<message to='alice@x.example/a'><body>me</body></message><iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>");
    let said = world.read(alice);
    assert!(said.contains("<body>me</body>") && said.contains("type='result'"), "{said}");
}

#[test]
fn contacts_see_the_account_go_and_come_back() {
    let (mut world, alice, bob) = pair();
    subscribe(&mut world, "bob", "alice");
    world.send(alice, BLOCK);
    let gone = "<presence type='unavailable' from='alice@x.example/a' to='bob@x.example'/>";
    assert_eq!(world.read(bob), gone);
    world.read(alice);
    world.send(alice, BLOCK);
    world.send(alice, "<presence><show>away</show></presence>");
    assert_eq!(world.read(bob), "", "once is enough, and what follows is not shown");
    world.send(alice, UNBLOCK);
    let said = world.read(bob);
    assert!(said.starts_with("<presence ") && said.contains("<show>away</show>"), "{said}");
    world.send(alice, "<message to='bob@x.example' type='chat'><body>hi</body></message>");
    assert!(world.read(bob).contains("<body>hi</body>"));
}

#[test]
fn who_is_no_contact_hears_nothing_but_whom_a_session_told_directly_does() {
    let (mut world, alice, bob) = pair();
    world.send(alice, BLOCK);
    world.send(alice, UNBLOCK);
    assert_eq!(world.read(bob), "");
    world.send(alice, "<presence to='bob@x.example/b'/>");
    world.read(bob);
    world.send(alice, BLOCK);
    let gone = "<presence type='unavailable' from='alice@x.example/a' to='bob@x.example/b'/>";
    assert_eq!(world.read(bob), gone);
    world.send(alice, "<presence><status>for contacts</status></presence>");
    world.send(alice, UNBLOCK);
    assert_eq!(world.read(bob), "", "what she shows to her contacts is not for him");
}

#[test]
fn who_has_asked_for_the_list_is_pushed_changes() {
    let (mut world, alice, _) = pair();
    let other = world.login("alice", "other", None);
    let third = world.login("alice", "third", None);
    world.read(alice);
    world.send(other, LIST);
    assert!(world.read(other).contains("<blocklist xmlns='urn:xmpp:blocking'/>"));
    world.send(alice, BLOCK);
    let push = "<block xmlns='urn:xmpp:blocking'><item jid='bob@x.example'/></block>";
    let said = world.read(other);
    assert!(said.contains("<iq type='set' from='alice@x.example'") && said.contains(push), "{said}");
    assert_eq!(world.read(third), "");
    assert!(!world.read(alice).contains("<block "));
    world.send(third, LIST);
    assert!(world.read(third).contains("<item jid='bob@x.example'/>"));
    world.send(alice, "<iq type='set' id='a'><unblock xmlns='urn:xmpp:blocking'/></iq>");
    assert!(world.read(other).contains("<unblock xmlns='urn:xmpp:blocking'/>"));
    world.read(third);
    world.send(third, LIST);
    assert!(world.read(third).contains("<blocklist xmlns='urn:xmpp:blocking'/>"));
}

#[test]
fn a_bad_request_changes_nothing() {
    let mut world = World::with(|config| config.limits.blocked_addresses = 2);
    world.add("alice");
    let alice = world.login("alice", "a", Some(0));
    let items =
        |items: &str| format!("<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'>{items}</block></iq>");
    for (request, error) in [
        (items(""), "bad-request"),
        (items("<item/>"), "bad-request"),
        (items("<item jid='@'/>"), "jid-malformed"),
        (items("<other jid='bob@x.example'/>"), "bad-request"),
        (
            items("<item jid='a.example'/><item jid='b.example'/><item jid='c.example'/>"),
            "resource-constraint",
        ),
        ("<iq type='get' id='b'><block xmlns='urn:xmpp:blocking'/></iq>".into(), "bad-request"),
    ] {
        world.send(alice, &request);
        let said = world.read(alice);
        assert!(said.contains(error), "{request}: {said}");
    }
    world.send(alice, LIST);
    assert!(world.read(alice).contains("<blocklist xmlns='urn:xmpp:blocking'/>"));
}

#[test]
fn what_was_ever_blocked_has_its_bound() {
    let mut world = World::with(|config| config.limits.contacts_known = 3);
    world.add("alice");
    let alice = world.login("alice", "a", Some(0));
    let mut change = |verb: &str, name: &str| {
        let item = format!("<item jid='{name}.example'/>");
        world.send(
            alice,
            &format!("<iq type='set' id='b'><{verb} xmlns='urn:xmpp:blocking'>{item}</{verb}></iq>"),
        );
        world.read(alice).contains("resource-constraint")
    };
    for name in ["one", "two", "three"] {
        assert!(!change("block", name), "{name}");
        assert!(!change("unblock", name), "{name}");
    }
    assert!(change("block", "four"));
    assert!(!change("block", "two"), "it is known");
}

#[test]
fn a_list_that_was_not_stored_is_not_told_and_does_not_hold() {
    let (mut world, alice, bob) = pair();
    world.send(alice, LIST);
    world.read(alice);
    world.disk = Err(StoreError::Full);
    world.send(alice, BLOCK);
    world.disk = Ok(());
    let said = world.read(alice);
    assert!(said.contains("internal-server-error") && !said.contains("<block "), "{said}");
    world.send(bob, "<message to='alice@x.example' type='chat'><body>hi</body></message>");
    assert!(world.read(alice).contains("<body>hi</body>"));
}

#[test]
fn a_list_outlives_the_process() {
    let (mut world, alice, _) = pair();
    world.send(alice, BLOCK);
    world.kill();
    let alice = world.login("alice", "a", Some(0));
    let bob = world.login("bob", "b", Some(0));
    world.send(bob, "<message to='alice@x.example' type='chat'><body>hi</body></message>");
    assert_eq!(world.read(alice), "");
    assert!(world.node.accounts.get("alice@x.example").unwrap().blocks(jid("bob@x.example").as_jid()));
}

#[test]
fn a_block_holds_while_its_account_is_read_twice_because_two_writes_failed() {
    let (mut world, alice, bob) = pair();
    let other = world.login("alice", "other", None);
    (world.waiting, world.slow_reads) = (Some(Vec::new()), true);
    let block = |name: &str| BLOCK.replace("bob@", &format!("{name}@"));
    let answer = |world: &mut World, is: fn(&Output) -> bool, disk| {
        let at = world.waiting.iter().flatten().position(is).expect("it waits");
        let waiting = world.waiting.as_mut().unwrap();
        let output = waiting.remove(at);
        waiting.insert(0, output);
        world.disk = disk;
        assert!(world.answer_next());
    };
    let is_store = |output: &Output| matches!(output, Output::Store { .. });
    let is_load = |output: &Output| matches!(output, Output::Load { .. });
    world.send(alice, &block("one"));
    world.send(other, &block("two"));
    for _ in 0..2 {
        answer(&mut world, is_store, Err(StoreError::Full));
        world.pass(2_000_000);
    }
    world.send(alice, &block("bob"));
    world.pass(2_000_000);
    answer(&mut world, is_load, Ok(()));
    answer(&mut world, is_load, Ok(()));
    answer(&mut world, is_store, Ok(()));
    while world.answer_next() {}
    (world.waiting, world.slow_reads) = (None, false);
    let account = world.node.accounts.get("alice@x.example").unwrap();
    assert!(account.blocks(jid("bob@x.example").as_jid()));
    assert!(!account.blocks(jid("one@x.example").as_jid()) && !account.blocks(jid("two@x.example").as_jid()));
    world.send(bob, "<message to='alice@x.example' type='chat'><body>hi</body></message>");
    assert!(!world.read(alice).contains("<body>hi</body>"));
}

#[test]
fn a_block_that_another_session_is_about_to_make_is_made_although_that_one_fails() {
    let (mut world, alice, bob) = pair();
    let other = world.login("alice", "other", None);
    (world.waiting, world.slow_reads) = (Some(Vec::new()), true);
    world.send(alice, BLOCK);
    world.send(other, BLOCK);
    world.disk = Err(StoreError::Full);
    assert!(world.answer_next());
    world.disk = Ok(());
    world.pass(2_000_000);
    while world.answer_next() {}
    (world.waiting, world.slow_reads) = (None, false);
    assert!(world.read(alice).contains("internal-server-error"));
    assert!(world.read(other).contains("type='result'"));
    assert!(world.node.accounts.get("alice@x.example").unwrap().blocks(jid("bob@x.example").as_jid()));
    world.send(bob, "<message to='alice@x.example' type='chat'><body>hi</body></message>");
    assert!(!world.read(other).contains("<body>hi</body>"));
    world.kill();
    world.login("alice", "a", Some(0));
    assert!(world.node.accounts.get("alice@x.example").unwrap().blocks(jid("bob@x.example").as_jid()));
}

#[test]
fn who_unblocks_what_was_never_blocked_leaves_nothing_behind_however_busy_the_disk_is() {
    let (mut world, alice, _) = pair();
    let other = world.login("alice", "other", None);
    world.waiting = Some(Vec::new());
    world.send(alice, BLOCK);
    let strangers =
        BLOCK.replace("bob@", "stranger@").replace("block ", "unblock ").replace("/block>", "/unblock>");
    world.send(other, &strangers);
    while world.answer_next() {}
    assert!(world.read(other).contains("type='result'"));
    let account = world.node.accounts.get("alice@x.example").unwrap();
    assert_eq!(account.ever_blocked().map(Jid::as_str).collect::<Vec<_>>(), ["bob@x.example"]);
}
