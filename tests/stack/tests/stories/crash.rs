//! The node dies and starts again on the same disk.

use std::time::Duration;

use eyot_core::io::CloseCause;
use eyot_io_sim::client::{Goal, Op, Over, Sight};
use eyot_stack::person::{Ask, password};
use eyot_stack::stage::{once, play};

#[test]
fn a_kill_loses_no_account_and_everybody_comes_back() {
    play(0..12, |stage| async move {
        let mut host = stage.host(|_| {}).await;
        let alice = stage.person(&host, "alice", Over::DirectTls).await;
        let bob = stage.person(&host, "bob", Over::StartTls).await;
        alice.log_in().await;
        bob.log_in().await;
        alice.say(&bob, "before");
        bob.hears(&alice, "before").await;
        // The operating system closes the connections, without a word of TLS.
        host.kill().await;
        alice.closed().await;
        bob.closed().await;
        let boot = host.start().await;
        assert_eq!(boot.start, 2);
        alice.log_in().await;
        bob.log_in().await;
        bob.say(&alice, "after");
        alice.hears(&bob, "after").await;
    });
}

/// More writes and syncs than creating an account takes.
const STEPS_MAX: u64 = 4;

#[test]
fn a_power_failure_in_the_middle_of_a_write_loses_nothing_that_was_acknowledged() {
    play(0..32, |stage| async move {
        let mut host = stage.host(|_| {}).await;
        let alice = stage.person(&host, "alice", Over::DirectTls).await;
        let bob = stage.stranger("bob", Over::StartTls);
        let steps = stage.drawn("steps", STEPS_MAX) + 1;
        let acknowledged = host.add_user_in_a_power_failure(("bob", &password("bob")), steps).await;
        host.power_off().await;
        host.start().await;
        alice.log_in().await;
        if acknowledged {
            bob.log_in().await;
        }
    });
}

#[test]
fn some_of_those_power_failures_come_too_early_and_some_too_late() {
    let acknowledged = |steps| {
        let lines = once(1, move |stage| async move {
            let host = stage.host(|_| {}).await;
            host.add_user_in_a_power_failure(("bob", &password("bob")), steps).await;
        });
        lines.iter().any(|line| line.contains("has bob true"))
    };
    assert!(!acknowledged(1));
    assert!(acknowledged(STEPS_MAX));
}

#[test]
fn after_a_power_failure_clients_learn_of_it_from_their_own_next_words() {
    play(0..8, |stage| async move {
        let mut host = stage.host(|_| {}).await;
        let alice = stage.person(&host, "alice", Over::DirectTls).await;
        alice.log_in().await;
        host.power_off().await;
        stage.wait(Duration::from_secs(30)).await;
        assert!(!alice.saw(|sight| matches!(sight, Sight::Closed(_))), "nobody could have told alice");
        host.start().await;
        alice.say(&alice, "Are you there?");
        // The new node's system knows nothing of the connection.
        assert_eq!(alice.closed().await, CloseCause::Reset);
        alice.log_in().await;
    });
}

#[test]
fn a_client_that_finds_nobody_listening_is_refused() {
    play(0..4, |stage| async move {
        let mut host = stage.host(|_| {}).await;
        let alice = stage.person(&host, "alice", Over::StartTls).await;
        host.kill().await;
        alice.ask(Ask::Do(Op::Reach(Goal::Bound)));
        alice.until(|sight| matches!(sight, Sight::Refused).then_some(())).await;
        host.start().await;
        alice.log_in().await;
    });
}
