//! What a client keeps, against a server written by hand.

use std::collections::BTreeSet;

use super::line::Line;
use crate::client::{Ask, CatchUp, Goal, Op, Query, ToClient, carbon};
use eyot_core::io::CloseCause;
use eyot_core::xml::Element;

/// The id of the last request.
fn last_id(wrote: &str) -> String {
    let (_, rest) = wrote.rsplit_once("<iq ").unwrap();
    let (_, rest) = rest.split_once("id='").unwrap();
    rest.split('\'').next().unwrap().into()
}

fn ask(line: &mut Line, what: Ask) -> (String, String) {
    line.tell(Op::Ask(what));
    let wrote = line.wrote();
    (last_id(&wrote), wrote)
}

fn names(line: &Line) -> Vec<&str> {
    line.client.kept().roster.contacts().keys().map(String::as_str).collect()
}

#[test]
fn the_roster_is_what_results_and_pushes_of_the_own_server_have_told() {
    let mut line = Line::bound();
    let (id, wrote) = ask(&mut line, Ask::Roster);
    assert!(wrote.contains("ver=''") || wrote.contains("ver=\"\""), "{wrote}");
    line.say(&format!(
        "<iq type='result' id='{id}'><query xmlns='jabber:iq:roster' ver='v1'>\
        <item jid='b@x' name='Bob' subscription='both'><group>Friends</group></item>\
        <item jid='c@x' ask='subscribe'/></query></iq>"
    ));
    assert_eq!(names(&line), ["b@x", "c@x"]);
    let push = |from: &str, item: &str| {
        format!("<iq type='set' id='p1'{from}><query xmlns='jabber:iq:roster' ver='v2'>{item}</query></iq>")
    };
    line.say(&push("", "<item jid='c@x' subscription='remove'/>"));
    assert!(line.wrote().contains("type='result' id='p1'"));
    line.say(&push(" from='a@x'", "<item jid='d@x' subscription='to' approved='true'/>"));
    line.wrote();
    for forged in [" from='b@x/r'", " from='x'", " from='a@x/other'"] {
        line.say(&push(forged, "<item jid='evil@x' subscription='both'/>"));
        assert!(line.wrote().contains("service-unavailable"), "{forged}");
    }
    assert_eq!(names(&line), ["b@x", "d@x"]);
    let bob = &line.client.kept().roster.contacts()["b@x"];
    assert_eq!((bob.name.as_deref(), bob.subscription.as_str(), bob.asks), (Some("Bob"), "both", false));
    assert!(bob.groups.contains("Friends") && line.client.kept().roster.contacts()["d@x"].approved);

    let (id, wrote) = ask(&mut line, Ask::Roster);
    assert!(wrote.contains("v2"), "{wrote}");
    line.say(&format!("<iq type='result' id='{id}'/>"));
    assert_eq!(names(&line), ["b@x", "d@x"], "nothing new");
}

#[test]
fn blocked_addresses_are_what_lists_and_pushes_have_told() {
    let mut line = Line::bound();
    let (id, _) = ask(&mut line, Ask::Blocklist);
    line.say(&format!(
        "<iq type='result' id='{id}'><blocklist xmlns='urn:xmpp:blocking'><item jid='b@x'/></blocklist></iq>"
    ));
    let blocked = |line: &Line| line.client.kept().blocked.clone().unwrap().into_iter().collect::<Vec<_>>();
    let push = |what: &str, items: &str| {
        format!("<iq type='set' id='p'><{what} xmlns='urn:xmpp:blocking'>{items}</{what}></iq>")
    };
    line.say(&push("block", "<item jid='c@x'/>"));
    line.say(&push("unblock", "<item jid='b@x'/>"));
    assert_eq!(blocked(&line), ["c@x"]);
    line.say(&push("unblock", ""));
    assert_eq!(blocked(&line), Vec::<String>::new());
}

#[test]
fn copies_are_those_of_the_own_account_alone() {
    let copy = |from: &str| {
        let text = format!(
            "<message xmlns='jabber:client' from='{from}'><sent xmlns='urn:xmpp:carbons:2'><forwarded \
            xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' from='a@x/1' to='b@x'><body>hi</body></message>\
            </forwarded></sent></message>"
        );
        carbon(&Element::parse(text.into()).unwrap(), "a@x").map(|(sent, _)| sent)
    };
    assert_eq!([copy("a@x"), copy("b@x"), copy("a@x/1")], [Some(true), None, None]);
}

fn result(query: &str, id: &str, from: &str) -> String {
    format!(
        "<message{from}><result xmlns='urn:xmpp:mam:2' queryid='{query}' id='{id}'><forwarded \
        xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='2026-01-01T00:00:00Z'/><message \
        xmlns='jabber:client'><body>{id}</body></message></forwarded></result></message>"
    )
}

fn fin(query: &str, complete: bool, first: &str, last: &str) -> String {
    format!(
        "<iq type='result' id='{query}'><fin xmlns='urn:xmpp:mam:2' complete='{complete}'><set \
        xmlns='http://jabber.org/protocol/rsm'><first>{first}</first><last>{last}</last></set></fin></iq>"
    )
}

#[test]
fn a_page_is_what_the_own_archive_sends_for_its_request() {
    let mut line = Line::bound();
    let query =
        Query { with: Some("b@x".into()), max: Some(2), before: Some(String::new()), ..Query::default() };
    let (id, wrote) = ask(&mut line, Ask::Page(query));
    for part in ["FORM_TYPE", "<value>b@x</value>", "<max>2</max>", "<before/>"] {
        assert!(wrote.contains(part), "{part} in {wrote}");
    }
    line.say(&result(&id, "m1", ""));
    line.say(&result(&id, "forged", " from='b@x'"));
    line.say(&result("other", "m9", ""));
    line.say(&result(&id, "m2", " from='a@x'"));
    line.say(&fin(&id, false, "m1", "m2"));
    let archive = &line.client.kept().archive;
    let page = archive.page().unwrap();
    let bodies: Vec<&str> = page.messages.iter().filter_map(|message| message.body.as_deref()).collect();
    assert_eq!((bodies.as_slice(), page.complete, page.stable), (["m1", "m2"].as_slice(), false, true));
    assert_eq!(archive.cursor(None), Some("m2"));
}

#[test]
fn a_page_between_two_messages_is_asked_for_in_the_form() {
    let mut line = Line::bound();
    let query = Query { after: Some("m1".into()), before: Some("m9".into()), ..Query::default() };
    let (id, wrote) = ask(&mut line, Ask::Page(query));
    assert!(wrote.contains("after-id") && wrote.contains("before-id") && !wrote.contains("<set"), "{wrote}");
    line.say(&format!(
        "<iq type='error' id='{id}'><error type='cancel'><item-not-found \
        xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
    ));
    assert_eq!(line.client.kept().archive.page().unwrap().refused.as_deref(), Some("item-not-found"));
}

fn caught_up(line: &Line) -> Vec<&str> {
    line.client.kept().archive.caught_up().iter().map(|message| message.id.as_str()).collect()
}

#[test]
fn catching_up_goes_on_to_the_end_and_counts_what_was_not_known() {
    let mut line = Line::bound();
    let known = BTreeSet::from(["m1".into(), "m2".into()]);
    let query = Query { after: Some("m1".into()), ..Query::default() };
    let (id, _) = ask(&mut line, Ask::CatchUp(CatchUp { query, known }));
    line.say(&[result(&id, "m2", ""), result(&id, "m3", ""), fin(&id, false, "m2", "m3")].concat());
    let wrote = line.wrote();
    assert!(wrote.contains("<after>m3</after>"), "{wrote}");
    let id = last_id(&wrote);
    line.say(&[result(&id, "m4", ""), fin(&id, true, "m4", "m4")].concat());
    assert_eq!((line.wrote().as_str(), caught_up(&line)), ("", vec!["m3", "m4"]));
}

#[test]
fn catching_up_backwards_ends_where_something_is_known() {
    let mut line = Line::bound();
    let query = Query { before: Some(String::new()), ..Query::default() };
    let known = BTreeSet::from(["m2".into()]);
    let (id, _) = ask(&mut line, Ask::CatchUp(CatchUp { query, known }));
    line.say(&[result(&id, "m5", ""), result(&id, "m6", ""), fin(&id, false, "m5", "m6")].concat());
    let wrote = line.wrote();
    assert!(wrote.contains("<before>m5</before>"), "{wrote}");
    let id = last_id(&wrote);
    line.say(
        &[result(&id, "m2", ""), result(&id, "m3", ""), result(&id, "m4", ""), fin(&id, false, "m2", "m4")]
            .concat(),
    );
    assert_eq!((line.wrote().as_str(), caught_up(&line)), ("", vec!["m3", "m4", "m5", "m6"]));
    assert_eq!(line.client.kept().archive.cursor(None), Some("m6"));
}

#[test]
fn an_answer_that_was_on_its_way_comes_with_the_session() {
    for (mut line, kept) in [(Line::resumable(), true), (Line::bound(), false)] {
        let (id, _) = ask(&mut line, Ask::Page(Query::default()));
        line.say(&result(&id, "m1", ""));
        line.hand(ToClient::Closed(CloseCause::Reset));
        line.tell(Op::Reach(Goal::Returned { presence: None }));
        line.authenticate();
        if kept {
            line.say("<resumed xmlns='urn:xmpp:sm:3' h='0' previd='s1'/>");
        } else {
            line.bind();
        }
        line.say(&[result(&id, "m2", ""), fin(&id, true, "m1", "m2")].concat());
        let found = line.client.kept().archive.page().map(|page| page.messages.len());
        assert_eq!((found, line.nonsense()), (kept.then_some(2), None));
    }
}
