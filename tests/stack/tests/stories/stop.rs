//! A graceful stop.

use eyot_core::io::CloseCause;
use eyot_io_sim::client::{Goal, Op, Over, Sight};
use eyot_stack::person::Ask;
use eyot_stack::stage::{Stage, once, play};

async fn a_stop(stage: Stage) {
    let mut host = stage.host(|_| {}).await;
    let alice = stage.person(&host, "alice", Over::DirectTls).await;
    let bob = stage.person(&host, "bob", Over::StartTls).await;
    alice.log_in().await;
    bob.log_in().await;
    // Half logged in: it is told, too.
    let carol = stage.person(&host, "carol", Over::StartTls).await;
    carol.ask(Ask::Do(Op::Reach(Goal::Secured)));
    carol.until(|sight| matches!(sight, Sight::Secured).then_some(())).await;
    carol.until(|sight| matches!(sight, Sight::Features(_)).then_some(())).await;
    host.stop().await;
    for person in [&alice, &bob, &carol] {
        assert_eq!(person.stream_error().await, "system-shutdown");
        assert_eq!(person.closed().await, CloseCause::Closed);
    }
    let boot = host.start().await;
    assert_eq!(boot.start, 2);
    alice.log_in().await;
}

#[test]
fn a_stop_tells_everybody_and_loses_nobody() {
    play(0..12, a_stop);
}

#[test]
fn a_stop_ends_each_connection_with_the_word_of_tls() {
    let lines = once(3, a_stop);
    assert!(!lines.iter().any(|line| line.contains("cut off")), "{lines:#?}");
}
