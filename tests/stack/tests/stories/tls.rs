//! TLS that goes wrong: cut off, half open, not TLS at all.

use std::time::Duration;

use eyot_core::io::CloseCause;
use eyot_core::trace::Event;
use eyot_io_sim::client::{Goal, Op, Over, Sight};
use eyot_io_tokio::net::NetStream as _;
use eyot_stack::host::{DIRECT_TLS, Host};
use eyot_stack::person::{Ask, client};
use eyot_stack::stage::play;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

async fn closed(host: &Host) -> CloseCause {
    host.until(|event| if let Event::Closed { cause, .. } = event { Some(*cause) } else { None }).await
}

async fn unbound(host: &Host) {
    host.until(|event| matches!(event, Event::Unbound { .. }).then_some(())).await;
}

#[test]
fn a_client_that_ends_without_the_word_of_tls_has_ended_all_the_same() {
    play(0..8, |stage| async move {
        let host = stage.host(|_| {}).await;
        let alice = stage.person(&host, "alice", Over::DirectTls).await;
        alice.log_in().await;
        alice.ask(Ask::Vanish);
        unbound(&host).await;
        closed(&host).await;
        alice.log_in().await;
    });
}

#[test]
fn a_dead_way_is_noticed_when_what_was_sent_is_not_acknowledged() {
    play(0..4, |stage| async move {
        let host = stage.host(|_| {}).await;
        let alice = stage.person(&host, "alice", Over::DirectTls).await;
        let bob = stage.person(&host, "bob", Over::DirectTls).await;
        alice.log_in().await;
        bob.log_in().await;
        stage.net.set_cut(bob.home, true);
        let cut = stage.net.now();
        alice.say(&bob, "Are you there?");
        assert_eq!(closed(&host).await, CloseCause::TimedOut);
        let after = stage.net.now().since(cut).as_nanos() / 1_000_000_000;
        assert!((180..400).contains(&after), "noticed after {after} s");
        alice.ping().await;
    });
}

#[test]
fn a_cut_that_heals_in_time_delays_a_message_and_loses_nothing() {
    play(0..8, |stage| async move {
        let host = stage.host(|_| {}).await;
        let alice = stage.person(&host, "alice", Over::DirectTls).await;
        let bob = stage.person(&host, "bob", Over::StartTls).await;
        alice.log_in().await;
        bob.log_in().await;
        stage.net.set_cut(bob.home, true);
        alice.say(&bob, "late");
        stage.wait(Duration::from_secs(20)).await;
        assert!(!bob.saw(|sight| sight.got().is_some_and(|got| got.name() == "message")));
        stage.net.set_cut(bob.home, false);
        bob.hears(&alice, "late").await;
        bob.say(&alice, "but whole");
        alice.hears(&bob, "but whole").await;
    });
}

#[test]
fn what_is_no_tls_is_cut_off_at_once() {
    play(0..4, |stage| async move {
        let host = stage.host(|_| {}).await;
        let home = stage.net.home("mallory", &stage.weather("mallory"));
        let mut stream = stage.net.connect(home, DIRECT_TLS).await.expect("somebody listens");
        stream.write_all(b"<stream:stream to='x.example'>").await.expect("the way is open");
        assert_eq!(closed(&host).await, CloseCause::Tls);
        // An alert, perhaps; then the end.
        let mut answer = Vec::new();
        let ended = stream.read_to_end(&mut answer).await;
        assert!(ended.is_err() || answer.first() == Some(&21), "{answer:?}");
    });
}

#[test]
fn a_handshake_that_never_ends_is_given_up_in_time() {
    play(0..4, |stage| async move {
        let host = stage.host(|_| {}).await;
        let home = stage.net.home("mallory", &stage.weather("mallory"));
        let mut stream = stage.net.connect(home, DIRECT_TLS).await.expect("somebody listens");
        let begun = stage.net.now();
        // A record of 512 bytes is announced, and never comes.
        stream.write_all(&[22, 3, 1, 2, 0, 1, 0, 1, 252]).await.expect("the way is open");
        let named = |event: &Event| {
            if let Event::StreamError { condition, .. } = event { Some(*condition) } else { None }
        };
        assert_eq!(host.until(named).await, "connection-timeout");
        closed(&host).await;
        let after = stage.net.now().since(begun).as_nanos() / 1_000_000_000;
        assert!((59..=62).contains(&after), "given up after {after} s");
        stream.reset_on_drop();
    });
}

#[test]
fn plaintext_behind_starttls_never_reaches_the_stream() {
    play(0..8, |stage| async move {
        let host = stage.host(|_| {}).await;
        host.add_user("alice", "alice's secret").await;
        let injected =
            Some("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AA==</auth>".into());
        let config = eyot_io_sim::client::ClientConfig { injected, ..client("alice", Over::StartTls) };
        let alice = stage.connectable(config, stage.weather("alice"));
        alice.ask(Ask::Do(Op::Reach(Goal::Bound)));
        alice.closed().await;
        assert!(!alice.saw(|sight| matches!(sight, Sight::Login { .. } | Sight::LoggedIn)));
    });
}
