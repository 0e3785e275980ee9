//! The driver of a simulated client.

use bytes::Bytes;
use eyot_core::io::{CloseCause, ConnKind};

use super::conn::{Conn, EndState, Tls};
use super::event::{ConnIx, Event, Side, Way};
use super::history::ClientIx;
use super::state::World;
use crate::client::{Cx, FromClient, Over, ToClient};
use crate::tls::Handshake;

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
                self.saw(client, sight);
                return false;
            }
            FromClient::Connect(over) => {
                self.connect(client, over);
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
                self.saw(client, crate::client::Sight::Closed(CloseCause::Closed));
                return false;
            }
            FromClient::Saw(_) | FromClient::Connect(_) => {}
        }
        true
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
        let mut conn = Conn::new(client, person.node, key, kind);
        conn.mitm = core::mem::take(&mut person.mitm);
        person.conn = Some(ix);
        self.conns.push(conn);
        self.keep_wire(ix);
        self.live.push(ix);
        self.push(self.now, key, Event::Syn { conn: ix, attempt: 0 });
    }
}
