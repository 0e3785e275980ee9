//! A client that does not read.

use std::time::Duration;

use eyot_core::config::Config;
use eyot_core::io::CloseCause;
use eyot_core::trace::Event;
use eyot_io_sim::client::{Over, condition_of};
use eyot_io_sim::net::builtin;
use eyot_stack::host::Host;
use eyot_stack::person::{Ask, Person};
use eyot_stack::stage::{Stage, play};

/// Letters of one message.
const BODY: usize = 10_000;

/// All that waits at this bound the systems at both ends take in the end, when the way between them is long.
fn small_queues(config: &mut Config) {
    config.limits.send_queue_bytes = 32 * 1024;
}

/// At this bound the driver has something left that no system takes.
fn larger_queues(config: &mut Config) {
    config.limits.send_queue_bytes = 256 * 1024;
}

/// Alice talks to Bob, who is behind `link` and does not read, until too much waits for him. What he is not sent is kept.
async fn overflow(stage: &Stage, host: &Host, link: &str) -> (Person, Person) {
    let known = |name| builtin(name).expect("a link of this name");
    let alice = stage.person_behind(host, ("alice", Over::DirectTls), known("lan")).await;
    let bob = stage.person_behind(host, ("bob", Over::DirectTls), known(link)).await;
    alice.log_in().await;
    bob.log_in().await;
    bob.ask(Ask::Pause);
    let body = "x".repeat(BODY);
    let mut sent = 0;
    while !host.saw(is_too_much) {
        assert!(sent < 200, "two megabytes wait for one reader");
        sent += 1;
        alice.say(&bob, &body);
        alice.begin_ping();
        // A message that came back would come before the answer to the ping.
        let got = alice.until(|sight| sight.got().cloned()).await;
        assert_eq!(condition_of(&got), None, "nothing comes back");
    }
    host.until(|event| is_too_much(event).then_some(())).await;
    (alice, bob)
}

fn is_too_much(event: &Event) -> bool {
    matches!(event, Event::LimitReached { limit: "send_queue_bytes", .. })
}

#[test]
fn a_slow_reader_is_told_resource_constraint_and_the_others_go_on() {
    play(0..6, |stage| async move {
        let host = stage.host(small_queues).await;
        let (alice, bob) = overflow(&stage, &host, "wan-80ms").await;
        let carol = stage.person(&host, "carol", Over::StartTls).await;
        bob.ask(Ask::Resume);
        assert_eq!(bob.stream_error().await, "resource-constraint");
        carol.log_in().await;
        carol.say(&alice, "Is it only Bob?");
        alice.hears(&carol, "Is it only Bob?").await;
        assert_eq!(bob.closed().await, CloseCause::Closed);
        bob.log_in().await;
    });
}

#[test]
fn a_reader_that_comes_back_late_still_finds_why_it_was_cut_off() {
    play(0..6, |stage| async move {
        let host = stage.host(small_queues).await;
        let (_alice, bob) = overflow(&stage, &host, "satcom-geo").await;
        assert_eq!(host.until(closed).await, CloseCause::TimedOut);
        stage.wait(Duration::from_secs(10)).await;
        bob.ask(Ask::Resume);
        assert_eq!(bob.stream_error().await, "resource-constraint");
        assert_eq!(bob.closed().await, CloseCause::Closed);
    });
}

#[test]
fn a_reader_that_never_reads_again_is_reset_in_the_end() {
    play(0..6, |stage| async move {
        let host = stage.host(larger_queues).await;
        let (alice, bob) = overflow(&stage, &host, "lan").await;
        let cut = stage.net.now();
        assert_eq!(host.until(closed).await, CloseCause::TimedOut);
        let after = stage.net.now().since(cut).as_nanos() / 1_000_000_000;
        assert!((29..=31).contains(&after), "cut off after {after} s");
        alice.ping().await;
        stage.wait(Duration::from_secs(1)).await;
        bob.ask(Ask::Resume);
        assert_eq!(bob.closed().await, CloseCause::Reset);
    });
}

fn closed(event: &Event) -> Option<CloseCause> {
    if let Event::Closed { cause, .. } = event { Some(*cause) } else { None }
}
