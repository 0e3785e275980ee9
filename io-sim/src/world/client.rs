//! The driver of a simulated client.

use bytes::Bytes;
use eyot_core::io::{CloseCause, ConnKind};

use super::conn::{Conn, EndState, Tls};
use super::event::{ConnIx, Event, Side, Way};
use super::history::{ClientIx, Near};
use super::state::World;
use crate::client::{Cx, FromClient, Goal, Nonza, Op, Over, Presence, Sight, ToClient};
use crate::engine::SimSpan;
use crate::tls::Handshake;

/// A client tries again at least so often.
const RETURN_MAX: SimSpan = SimSpan::from_secs(60);
/// Who tries again gives up what has not become a session by then: its server may be dead, and it waits for an answer.
const PATIENCE: SimSpan = SimSpan::from_secs(90);
/// Tells the end of patience with a connection apart from a try.
const GIVES_UP: u64 = 1 << 63;

/// How a client comes back that has lost its connection: online, with the presence it last had. One that has asked for
/// acknowledgements resumes its session where it can.
#[derive(Clone, Debug)]
pub(super) struct Returning {
    /// How long it waits before it tries again for the first time.
    first: SimSpan,
    /// How long before the next time.
    next: SimSpan,
    /// Whether it means to be online: it was told to, and neither told to leave nor turned away since.
    wanted: bool,
    presence: Option<Presence>,
    /// Tries so far.
    tries: u64,
}

impl World {
    /// Hands one input to a client and does what it wants done.
    pub(super) fn hand(&mut self, client: ClientIx, input: ToClient) {
        let mut out = core::mem::take(&mut self.scratch);
        let mut cx = Cx { out: &mut out, derivations: &mut self.derivations };
        self.people[client.at()].machine.handle(&mut cx, input);
        let mut wrote = false;
        for output in out.drain(..) {
            wrote |= self.carry_out(client, output);
        }
        self.scratch = out;
        if let (true, Some(ix)) = (wrote, self.people[client.at()].conn) {
            self.pump(ix, Way::Up);
        }
    }

    /// Returns whether something waits to be sent.
    fn carry_out(&mut self, client: ClientIx, output: FromClient) -> bool {
        match output {
            FromClient::Saw(sight) => {
                if sight.got().is_some() {
                    self.people[client.at()].got += 1;
                }
                self.consider_return(client, &sight);
                self.saw(client, sight);
                return false;
            }
            FromClient::Connect(over) => {
                self.connect(client, over);
                return false;
            }
            FromClient::Leave => {
                self.leave(client);
                return false;
            }
            FromClient::Send(_) | FromClient::Finish | FromClient::StartTls | FromClient::Abort => {}
        }
        let Some(ix) = self.people[client.at()].conn else { return false };
        if let FromClient::Send(bytes) = &output {
            self.note_write(ix, Way::Up, [bytes, &Bytes::new()]);
        }
        let conn = &mut self.conns[ix.at()];
        match output {
            FromClient::Send(bytes) => conn.up.stream.write(bytes),
            FromClient::Finish => conn.up.stream.finish(),
            FromClient::StartTls => {
                let (handshake, hello) = Handshake::client();
                conn.peer.tls = Tls::Handshaking(handshake);
                conn.up.stream.write(hello.clone());
                self.note_write(ix, Way::Up, [&hello, &Bytes::new()]);
            }
            FromClient::Abort => {
                conn.peer.state = EndState::Gone;
                self.people[client.at()].conn = None;
                self.send_reset(ix, Side::Server);
                let closed = Sight::Closed(CloseCause::Closed);
                self.consider_return(client, &closed);
                self.saw(client, closed);
                return false;
            }
            FromClient::Saw(_) | FromClient::Connect(_) | FromClient::Leave => {}
        }
        true
    }

    /// The connection of a client is its former one from here on, and the one before that is closed.
    fn leave(&mut self, client: ClientIx) {
        let person = &mut self.people[client.at()];
        let older = core::mem::replace(&mut person.former, person.conn.take());
        if let Some(ix) = older {
            self.conns[ix.at()].peer.state = EndState::Gone;
            self.send_reset(ix, Side::Server);
        }
    }

    fn connect(&mut self, client: ClientIx, over: Over) {
        let person = &mut self.people[client.at()];
        person.made += 1;
        let key = person.key.with(1_000 + person.made);
        let kind = match over {
            Over::StartTls | Over::Plain => ConnKind::ClientStartTls,
            Over::DirectTls => ConnKind::ClientDirectTls,
        };
        let ix = ConnIx(u32::try_from(self.conns.len()).expect("a run makes fewer than 2^32 connections"));
        let node = person.node;
        let mut conn = Conn::new((Near::Client(client), node), key, kind, self.options.buffers);
        conn.mitm = core::mem::take(&mut person.mitm);
        person.conn = Some(ix);
        conn.number = Some(self.measure_backlog(client, node));
        self.conns.push(conn);
        self.keep_wire(ix);
        self.live.push(ix);
        self.push(self.now, key, Event::Syn { conn: ix, attempt: 0 });
    }

    /// Lets a client try again when its connection is gone or refused: after `first`, then after twice as long each
    /// time, up to a minute.
    pub fn set_returning(&mut self, client: ClientIx, first: SimSpan) {
        self.people[client.at()].returning =
            Some(Returning { first, next: first, wanted: false, presence: None, tries: 0 });
    }

    /// Returns whether a client that comes back by itself means to be online: nobody told it to leave, and nobody
    /// turned it away.
    pub fn means_to_be_online(&self, client: ClientIx) -> bool {
        self.people[client.at()].returning.as_ref().is_some_and(|returning| returning.wanted)
    }

    /// Keeps in mind what a client was told to be.
    pub(super) fn intend(&mut self, client: ClientIx, op: &Op) {
        let Some(returning) = self.people[client.at()].returning.as_mut() else { return };
        match op {
            Op::Reach(Goal::Bound) => returning.wanted = true,
            Op::Presence(presence) if presence.to.is_none() => returning.presence = Some(presence.clone()),
            Op::Close | Op::Abort => returning.wanted = false,
            Op::Reach(
                Goal::Open
                | Goal::Secured
                | Goal::Registered { .. }
                | Goal::Authenticated
                | Goal::Resumed { .. }
                | Goal::Returned { .. },
            )
            | Op::Message { .. }
            | Op::Presence(_)
            | Op::Iq { .. }
            | Op::Text(_)
            | Op::Manage(_)
            | Op::Ask(_)
            | Op::Active(_) => {}
        }
    }

    /// Whoever is turned away (another session has its resource, its password is wrong) does not come back by itself:
    /// two clients of one resource would throw each other out for ever.
    fn consider_return(&mut self, client: ClientIx, sight: &Sight) {
        let person = &mut self.people[client.at()];
        let key = person.key;
        let Some(returning) = person.returning.as_mut() else { return };
        if let Sight::Bound { .. } | Sight::Nonza(Nonza::Resumed { .. }) = sight {
            returning.next = returning.first;
        }
        // Whoever has asked for its session and is refused rests.
        returning.wanted |= matches!(sight, Sight::Nonza(Nonza::Resumed { .. }));
        if let Sight::Connecting { .. } = sight {
            let number = GIVES_UP | (person.made + 1);
            self.push(self.now + PATIENCE, key.with(6), Event::Return { client, number });
            return;
        }
        returning.wanted &= !is_turned_away(sight);
        if returning.wanted && matches!(sight, Sight::Closed(_) | Sight::Refused) {
            returning.tries += 1;
            let (at, number) = (self.now + returning.next, returning.tries);
            returning.next = returning.next.doubled(RETURN_MAX);
            self.push(at, key.with(5), Event::Return { client, number });
        }
    }

    /// A client tries again, unless it has changed its mind or its connection meanwhile.
    pub(super) fn returns(&mut self, client: ClientIx, number: u64) {
        let person = &self.people[client.at()];
        let Some(returning) = &person.returning else { return };
        if number & GIVES_UP != 0 {
            let same = number == GIVES_UP | person.made;
            if let (true, true, Some(ix)) = (same, person.machine.jid().is_none(), person.conn) {
                self.send_reset(ix, Side::Server);
                self.gone(ix, Side::Client, CloseCause::TimedOut);
            }
            return;
        }
        if !returning.wanted || returning.tries != number || person.machine.is_connected() {
            return;
        }
        let available = returning.presence.clone().filter(|presence| presence.kind.is_none());
        if person.machine.acks().is_wanted() {
            let goal = Goal::Returned { presence: available };
            self.hand(client, ToClient::Do(Op::Reach(goal)));
            return;
        }
        self.hand(client, ToClient::Do(Op::Reach(Goal::Bound)));
        if let Some(presence) = available {
            self.hand(client, ToClient::Do(Op::Presence(presence)));
        }
    }
}

/// Returns whether the server does not want this client: it has no business to try again.
fn is_turned_away(sight: &Sight) -> bool {
    let login = matches!(sight, Sight::LoginFailed { condition } if condition != "temporary-auth-failure");
    login || matches!(sight, Sight::StreamError { condition } if condition == "conflict")
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use eyot_core::io::{Command, Secret};
    use eyot_core::jid::BareJid;

    use super::super::tests::{add, pass, seen, world};
    use super::super::{NodeIx, Options};
    use super::*;
    use crate::client::{Derivations, Manage};
    use crate::script::{RunOptions, Scenario, run};

    /// Alice tries again after two seconds; returns what is said of her.
    fn story(lines: &str) -> String {
        let head = "# A story.\n# RFC 6120\naccount alice\nclient alice on a resource desk reconnecting 2s\n";
        let outcome =
            run(&Scenario::parse("story", &format!("{head}{lines}")).unwrap(), RunOptions::default());
        assert!(outcome.is_good(), "{:?}\n{}", outcome.verdicts, outcome.transcript);
        outcome.transcript.to_string()
    }

    #[test]
    fn a_client_that_reconnects_comes_back_with_the_presence_it_had() {
        let said = story(
            "alice comes online\nalice is available away\nsettle\nreset alice\nexpect alice offline\nwait 3s\n\
            expect alice online\n",
        );
        assert_eq!(said.matches("alice > presence (away)").count(), 2, "{said}");
        story(
            "alice logs in\nsettle\nreset alice\nwait 1s\nexpect alice offline\nwait 2s\nexpect alice online\n",
        );
    }

    #[test]
    fn a_client_that_is_refused_waits_longer_each_time() {
        story(
            "alice comes online\nsettle\nkill a\nwait 13s\nrestart a\nexpect alice offline\nwait 1500ms\n\
            expect alice online\n",
        );
    }

    #[test]
    fn a_client_whose_login_is_never_answered_gives_up_and_tries_again() {
        story(
            "fault pause a\nalice comes online\nwait 80s\nexpect alice connected\n\
            wait 11s\nexpect alice times out\nheal all\nwait 5s\nexpect alice online\n",
        );
    }

    #[test]
    fn who_leaves_or_is_turned_away_stays_away() {
        story("alice comes online\nsettle\nalice closes\nwait 1m\nexpect alice offline\n");
        story(
            "alice comes online\nsettle\na user passwd alice password \"new\"\nwait 1m\nexpect alice offline\n",
        );
    }

    /// Alice with a resource, and with a session that she takes for one that can be resumed.
    fn resumable() -> (World, NodeIx, ClientIx) {
        let (mut world, node) = world(Options::default());
        let user = BareJid::parse("alice@eyot.example").unwrap();
        let password = Some(Secret(Bytes::from_static(b"x")));
        world.command(node, Command::UserAdd { user, password });
        pass(&mut world, 1_000);
        let alice = add(&mut world, node, "alice");
        world.tell(alice, Op::Reach(Goal::Bound));
        pass(&mut world, 5_000);
        assert!(world.client(alice).jid().is_some());
        let manage = Op::Manage(Manage::Enable { resume: true, max: None });
        let mut nobody = Vec::new();
        let mut cx = Cx { out: &mut nobody, derivations: &mut Derivations::new() };
        let enabled = "<enabled xmlns='urn:xmpp:sm:3' id='s1' resume='true'/>";
        let machine = &mut world.people[alice.at()].machine;
        machine.handle(&mut cx, ToClient::Do(manage));
        machine.handle(&mut cx, ToClient::Received(enabled.into()));
        (world, node, alice)
    }

    fn saw(world: &World, alice: ClientIx, what: &str) -> usize {
        seen(world, alice).iter().filter(|(_, sight)| sight.contains(what)).count()
    }

    #[test]
    fn a_client_that_resumes_has_two_connections_and_hears_the_end_of_the_older() {
        let (mut world, node, alice) = resumable();
        world.tell(alice, Op::Manage(Manage::Resume { h: None }));
        pass(&mut world, 5_000);
        assert_eq!(saw(&world, alice, "Resuming"), 1);
        assert!(world.people[alice.at()].former.is_some(), "nobody has closed it");
        assert_eq!(saw(&world, alice, "FormerEnded"), 0);
        world.kill_node(node);
        pass(&mut world, 5_000);
        assert_eq!(saw(&world, alice, "FormerEnded"), 1);
        assert_eq!(world.people[alice.at()].former, None);
    }

    #[test]
    fn a_third_connection_closes_the_first() {
        let (mut world, _, alice) = resumable();
        let first = world.people[alice.at()].conn.unwrap();
        world.leave(alice);
        world.connect(alice, Over::StartTls);
        pass(&mut world, 1_000);
        assert!(world.conns[first.at()].server.is_live());
        world.leave(alice);
        pass(&mut world, 1_000);
        assert!(!world.conns[first.at()].server.is_live());
        assert_ne!(world.people[alice.at()].former, Some(first));
    }

    #[test]
    fn a_client_that_reconnects_tries_to_resume_first() {
        let (mut world, node, alice) = resumable();
        world.set_returning(alice, SimSpan::from_secs(2));
        world.people[alice.at()].returning.as_mut().unwrap().wanted = true;
        world.kill_node(node);
        pass(&mut world, 1_000);
        world.start_node(node);
        pass(&mut world, 20_000);
        let offered = saw(&world, alice, "\"sm\"") > 0;
        assert_eq!(saw(&world, alice, "Resuming") > 0, offered);
        assert!(world.client(alice).jid().is_some(), "one way or the other");
    }
}
