//! Damage to what operators and newcomers are told.

use bytes::Bytes;
use eyot_core::io::{Answer, Refusal, Secret};

use super::case::Case;
use crate::client::Sight;
use crate::engine::{SimSpan, SimTime};
use crate::oracle::Check;
use crate::world::{Actor, NodeSight};

const USERS: &str = "\
domain eyot.example registration open
account alice
client alice on a resource desk
client carol on a resource desk
client eve on a
client wrong on a as alice password \"not it\"
a user add carol password \"secret of carol\"
settle
a user passwd alice password \"new secret\"
settle
a user add dave password \"d\"
settle
a user remove dave
settle
restart a
wait 2s
alice logs in password \"new secret\"
carol logs in
wrong logs in
eve registers eve password \"e\"
settle
eve logs in password \"e\"
settle
a user list
wait 60s
check
";

fn answers(case: &Case, nth: usize) -> usize {
    let is = |number: &usize| matches!(case.history[*number].actor, Actor::Node(_, NodeSight::Answered(..)));
    (0..case.history.len()).filter(is).nth(nth).unwrap()
}

/// The answers in order: alice is made, carol is added, alice changed, dave added, dave removed, and the list.
const CAROL: usize = 1;
const ALICE: usize = 2;
const DAVE: usize = 3;
const NO_DAVE: usize = 4;
const LIST: usize = 5;

fn with_answer(case: &Case, nth: usize, other: Answer) -> Case {
    let mut damaged = case.clone();
    if let Actor::Node(_, NodeSight::Answered(_, answer)) = &mut damaged.history[answers(case, nth)].actor {
        *answer = other;
    }
    damaged
}

fn listed(case: &Case) -> Vec<eyot_core::jid::BareJid> {
    let Actor::Node(_, NodeSight::Answered(_, Answer::Accounts { users, .. })) =
        &case.history[answers(case, LIST)].actor
    else {
        panic!("the last answer is a list")
    };
    users.clone()
}

#[test]
fn an_account_that_is_forgotten_or_invented_is_found_in_the_list() {
    let case = Case::of(USERS);
    let all = listed(&case);
    assert_eq!(all.len(), 3);
    let list = |users: &[eyot_core::jid::BareJid]| {
        with_answer(&case, LIST, Answer::Accounts { users: users.to_vec(), more: false })
    };
    list(&all[1..]).shows("accounts/list-lacks");
    let dave = eyot_core::jid::BareJid::parse("dave@eyot.example").unwrap();
    list(&[all[0].clone(), all[1].clone(), dave, all[2].clone()]).shows("accounts/list-invents");
    list(&[all[1].clone(), all[0].clone(), all[2].clone()]).shows("accounts/list-disordered");
}

#[test]
fn answers_that_cannot_be_true_are_found() {
    let case = Case::of(USERS);
    with_answer(&case, CAROL, Answer::Refused(Refusal::Exists)).shows("accounts/taken-by-nobody");
    with_answer(&case, ALICE, Answer::Refused(Refusal::NoSuchUser)).shows("accounts/forgotten");
    with_answer(&case, NO_DAVE, Answer::Refused(Refusal::NoSuchUser)).shows("accounts/forgotten");
    with_answer(&case, DAVE, Answer::Refused(Refusal::Busy)).shows("accounts/changed-nobody");
}

#[test]
fn who_is_let_in_or_kept_out_against_what_was_promised_is_found() {
    let case = Case::of(USERS);
    let failed = case.client("wrong", |sight| matches!(sight, Sight::LoginFailed { .. }));
    let mut let_in = case.clone();
    let_in.history[failed].actor = case.sees("wrong", Sight::LoggedIn);
    let_in.shows("accounts/let-in");
    let refused = || Sight::LoginFailed { condition: "not-authorized".into() };
    for name in ["alice", "carol", "eve"] {
        let logged_in = case.client(name, |sight| matches!(sight, Sight::LoggedIn));
        let mut kept_out = case.clone();
        kept_out.history[logged_in].actor = case.sees(name, refused());
        kept_out.shows("accounts/kept-out");
    }
}

#[test]
fn what_was_asked_when_the_node_died_may_be_or_not() {
    let case = Case::of(USERS);
    // Carol was never told that she is there: she may be.
    let unsure = case.without(answers(&case, CAROL));
    let logged_in = unsure.client("carol", |sight| matches!(sight, Sight::LoggedIn));
    let found = unsure.found();
    assert_eq!(found, [] as [String; 0]);
    let mut kept_out = unsure.clone();
    kept_out.history[logged_in].actor =
        case.sees("carol", Sight::LoginFailed { condition: "not-authorized".into() });
    let bound = kept_out.client("carol", |sight| matches!(sight, Sight::Bound { .. }));
    let kept_out = kept_out.without(bound);
    assert!(!kept_out.found().contains(&String::from("accounts/kept-out")));
}

#[test]
fn a_drawn_password_opens() {
    let case = Case::of(USERS);
    let mut drawn = case.clone();
    let asked = case.node(|sight| matches!(sight, NodeSight::Asked(id, _) if id.0 == 2));
    if let Actor::Node(_, NodeSight::Asked(_, eyot_core::io::Command::UserAdd { password, .. })) =
        &mut drawn.history[asked].actor
    {
        *password = None;
    }
    let carol = eyot_core::jid::BareJid::parse("carol@eyot.example").unwrap();
    let answer = |text: &'static [u8]| Answer::Account {
        user: carol.clone(),
        drawn: Some(Secret(Bytes::from_static(text))),
    };
    assert_eq!(with_answer(&drawn, CAROL, answer(b"secret of carol")).found(), [] as [String; 0]);
    with_answer(&drawn, CAROL, answer(b"something else")).shows("accounts/let-in");
}

#[test]
fn an_answer_before_the_disk_is_found() {
    let case = Case::of(USERS);
    let syncs = |number: &usize| matches!(case.history[*number].actor, Actor::Node(_, NodeSight::Synced(_)));
    let synced: Vec<usize> = (0..case.history.len()).filter(syncs).collect();
    for nth in [CAROL, ALICE, DAVE, NO_DAVE] {
        let answer = answers(&case, nth);
        let sync = synced.iter().copied().filter(|sync| *sync < answer).max().unwrap();
        case.without(sync).shows("durable/early-answer");
        case.swapped(sync, answer).shows("durable/early-answer");
    }
    let registered = case.client("eve", |sight| matches!(sight, Sight::Registered));
    let sync = synced.iter().copied().filter(|sync| *sync < registered).max().unwrap();
    case.without(sync).shows("durable/early-answer");
}

#[test]
fn a_question_without_an_answer_and_a_node_that_is_not_ready_are_found() {
    let case = Case::of(USERS);
    case.without(answers(&case, LIST)).shows("liveness/operator-unanswered");
    let last = |number: &usize| matches!(case.history[*number].actor, Actor::Node(_, NodeSight::Ready(_)));
    let ready = (0..case.history.len()).rfind(last).unwrap();
    case.without(ready).shows("liveness/node-not-ready");
    let mut soon = case.clone();
    soon.ended = SimTime::ZERO + SimSpan::from_secs(5);
    soon.history.retain(|record| record.at < soon.ended);
    soon.checks = vec![Check { at: soon.ended, number: soon.history.len() }];
    let ready = (0..soon.history.len()).rfind(last).unwrap();
    assert_eq!(soon.without(ready).found(), [] as [String; 0]);
}
