//! Login over both kinds of TLS, and messages both ways.

use eyot_core::io::CloseCause;
use eyot_io_sim::client::{Goal, Op, Over, Sight};
use eyot_stack::person::{Ask, password};
use eyot_stack::stage::{Stage, once, play};

async fn two_people_talk(stage: Stage) {
    let host = stage.host(|_| {}).await;
    let alice = stage.person(&host, "alice", Over::DirectTls).await;
    let bob = stage.person(&host, "bob", Over::StartTls).await;
    alice.log_in().await;
    bob.log_in().await;
    alice.say(&bob, "Is the river high?");
    bob.hears(&alice, "Is the river high?").await;
    // More than one segment, one TLS record and one read.
    let long = "It is <high> & rising. ".repeat(2_000);
    bob.say(&alice, &long);
    alice.hears(&bob, &long).await;
}

#[test]
fn two_people_log_in_with_channel_binding_and_talk() {
    play(0..12, two_people_talk);
}

#[test]
fn both_ends_computed_the_same_exporter_or_nobody_would_be_logged_in() {
    let lines = once(1, two_people_talk);
    let plus = lines.iter().filter(|line| line.contains("SCRAM-SHA-256-PLUS") && line.contains("Exporter"));
    assert_eq!(plus.count(), 2, "{lines:#?}");
}

#[test]
fn a_wrong_password_is_refused_and_the_right_one_taken_afterwards() {
    play(0..6, |stage| async move {
        let host = stage.host(|_| {}).await;
        host.add_user("carol", "not what carol types").await;
        let carol = stage.stranger("carol", Over::StartTls);
        carol.ask(Ask::Do(Op::Reach(Goal::Bound)));
        let refused = |sight: &Sight| sight.refusal();
        assert_eq!(carol.until(refused).await, "not-authorized");
        host.set_password("carol", &password("carol")).await;
        carol.ask(Ask::Do(Op::Close));
        assert_eq!(carol.closed().await, CloseCause::Closed);
        carol.log_in().await;
    });
}
