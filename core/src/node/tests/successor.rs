//! An account that is made again under the name of one that was removed.

use super::messages::rows;
use super::roster::{interested, set};
use crate::io::{Command, ConnId};
use crate::node::harness::World;
use crate::store::Table;

fn ask(world: &mut World, conn: ConnId, content: &str) -> String {
    world.read(conn);
    world.send(conn, &format!("<iq type='get' id='q'>{content}</iq>"));
    world.read(conn)
}

#[test]
fn a_successor_inherits_nothing_whatever_was_stored_of_the_one_before() {
    for kills in [false, true] {
        let mut world = World::new();
        for user in ["alice", "bob"] {
            world.add(user);
        }
        let alice = interested(&mut world, "alice", "a");
        set(&mut world, alice, "<item jid='bob@x.example' name='Bobby'/>");
        for request in [
            "<block xmlns='urn:xmpp:blocking'><item jid='eve@x.example'/></block>",
            "<query xmlns='jabber:iq:private'><notes xmlns='urn:notes'>secret</notes></query>",
            "<vCard xmlns='vcard-temp'><FN>Alice</FN></vCard>",
            "<prefs xmlns='urn:xmpp:mam:2' default='never'><always/><never/></prefs>",
        ] {
            world.send(alice, &format!("<iq type='set' id='s'>{request}</iq>"));
            assert!(world.read(alice).contains("type='result'"), "{request}");
        }
        world.send(alice, "</stream:stream>");
        let bob = world.login("bob", "b", Some(0));
        world.send(bob, "<message to='alice@x.example' type='chat'><body>old</body></message>");
        assert_eq!(rows(&world, Table::Owed), 1);
        let user = super::jid("alice@x.example");
        world.command(Command::UserRemove { user });
        if kills {
            world.kill();
        }
        world.add("alice");
        if kills {
            world.kill();
        }
        let alice = world.login("alice", "a", Some(0));
        assert!(!world.read(alice).contains("old"));
        for (request, old) in [
            ("<query xmlns='jabber:iq:roster'/>", "bob@"),
            ("<blocklist xmlns='urn:xmpp:blocking'/>", "eve@"),
            ("<query xmlns='jabber:iq:private'><notes xmlns='urn:notes'/></query>", "secret"),
            ("<vCard xmlns='vcard-temp'/>", "Alice"),
            ("<prefs xmlns='urn:xmpp:mam:2'/>", "default='never'"),
        ] {
            let said = ask(&mut world, alice, request);
            assert!(said.contains(" id='q'") && !said.contains(old), "{said}");
        }
        assert_eq!(rows(&world, Table::Owed), 0);
    }
}
