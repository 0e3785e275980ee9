//! What the server says of itself and of accounts.

use super::subscribe;
use crate::config::ShowVersion;
use crate::io::ConnId;
use crate::node::harness::World;

fn ask(world: &mut World, conn: ConnId, (to, payload): (&str, &str)) -> String {
    world.send(conn, &format!("<iq type='get' id='q' {to}>{payload}</iq>"));
    world.read(conn)
}

const INFO: &str = "<query xmlns='http://jabber.org/protocol/disco#info'/>";
const ITEMS: &str = "<query xmlns='http://jabber.org/protocol/disco#items'/>";

#[test]
fn the_hash_in_the_stream_features_is_that_of_the_answer() {
    let mut world = World::new();
    world.add("alice");
    world.authenticate("alice");
    let features = world.features.clone();
    assert!(features.contains("<csi xmlns='urn:xmpp:csi:0'/>"), "{features}");
    let ver = features.split("ver='").nth(1).and_then(|rest| rest.split('\'').next()).unwrap().to_owned();
    let alice = world.login("alice", "a", None);
    let plain = ask(&mut world, alice, ("to='x.example'", INFO));
    for feature in [
        "http://jabber.org/protocol/caps",
        "urn:xmpp:blocking",
        "urn:xmpp:carbons:2",
        "urn:xmpp:carbons:rules:0",
        "jabber:iq:last",
        "jabber:iq:private",
        "urn:xmpp:time",
        "vcard-temp",
        "jabber:iq:version",
    ] {
        assert!(plain.contains(&format!("<feature var='{feature}'/>")), "{feature}: {plain}");
    }
    let node = format!("<query xmlns='http://jabber.org/protocol/disco#info' node='urn:eyot#{ver}'/>");
    let named = ask(&mut world, alice, ("to='x.example'", &node));
    assert_eq!(named.replace(&format!(" node='urn:eyot#{ver}'"), ""), plain);
    for other in ["urn:eyot#x", "urn:eyot", "x"] {
        let node = node.replace(&format!("urn:eyot#{ver}"), other);
        assert!(ask(&mut world, alice, ("to='x.example'", &node)).contains("item-not-found"));
    }
}

#[test]
fn an_account_is_shown_to_its_owner_and_to_those_who_see_its_presence() {
    let mut world = World::new();
    world.add("alice");
    world.add("bob");
    let alice = world.login("alice", "a", Some(0));
    let bob = world.login("bob", "b", Some(0));
    for payload in [INFO, ITEMS] {
        for to in ["to='alice@x.example'", "to='ghost@x.example'"] {
            let said = ask(&mut world, bob, (to, payload));
            assert!(said.contains("service-unavailable"), "{said}");
        }
    }
    assert!(ask(&mut world, alice, ("", INFO)).contains("category='account' type='registered'"));
    subscribe(&mut world, "bob", "alice");
    assert!(
        ask(&mut world, bob, ("to='alice@x.example'", INFO)).contains("category='account' type='registered'")
    );
    let items = ask(&mut world, bob, ("to='alice@x.example'", ITEMS));
    assert!(items.contains("<item jid='alice@x.example/a'/>"), "{items}");
    for payload in [INFO, ITEMS] {
        let payload = payload.replace("/>", " node='x'/>");
        assert!(ask(&mut world, bob, ("to='alice@x.example'", &payload)).contains("item-not-found"));
    }
    let set = "<iq type='set' id='q'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>";
    world.send(alice, set);
    assert!(world.read(alice).contains("not-allowed"));
}

#[test]
fn the_version_is_told_unless_it_is_hidden() {
    let query = ("to='x.example'", "<query xmlns='jabber:iq:version'/>");
    for show in [ShowVersion::Yes, ShowVersion::No] {
        let mut world = World::with(|config| config.show_version = show);
        world.add("alice");
        let alice = world.login("alice", "a", None);
        let (said, info) = (ask(&mut world, alice, query), ask(&mut world, alice, ("to='x.example'", INFO)));
        let shown = show == ShowVersion::Yes;
        assert_eq!(said.contains("<name>eyot</name><version>"), shown, "{said}");
        assert_eq!(said.contains("service-unavailable"), !shown, "{said}");
        assert_eq!(info.contains("jabber:iq:version"), shown);
    }
}

#[test]
fn the_server_tells_the_time() {
    let mut world = World::new();
    world.add("alice");
    let alice = world.login("alice", "a", None);
    world.now = 61_000_000;
    let said = ask(&mut world, alice, ("to='x.example'", "<time xmlns='urn:xmpp:time'/>"));
    assert!(said.contains("<tzo>+00:00</tzo><utc>1970-01-01T00:01:01Z</utc>"), "{said}");
    assert!(ask(&mut world, alice, ("to='x.example'", "<x xmlns='urn:xmpp:time'/>")).contains("bad-request"));
}
