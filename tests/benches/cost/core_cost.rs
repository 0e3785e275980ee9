//! Parse, route and serialise one message inside the core: no socket, no TLS.

use std::hint::black_box;
use std::time::Instant as Clock;

use bytes::Bytes;
use eyot_core::config::Config;
use eyot_core::io::{Command, CommandId, ConnId, ConnKind, Input, Output, PeerAddr, Secret, TlsInfo};
use eyot_core::jid::{BareJid, Domain};
use eyot_core::node::Node;
use eyot_core::sasl;
use eyot_core::store::Rows;
use eyot_core::time::{Instant, Now, UnixTime};

use crate::report::Report;

const DOMAIN: &str = "x.example";
const MESSAGES: u32 = 200_000;
/// A chat message as clients send it: 300 bytes.
const MESSAGE: &str = "<message to='bob@x.example/b' id='3f1a9c52-7a61-4d0b-a1a5-1c2b8e0f9d77' type='chat'>\
<body>The river rises; the ferry stays on this side until the morning.</body>\
<origin-id xmlns='urn:xmpp:sid:0' id='3f1a9c52-7a61-4d0b-a1a5-1c2b8e0f9d77'/>\
<active xmlns='http://jabber.org/protocol/chatstates'/></message>";

/// A node whose effects are answered at once, with two clients logged in.
struct Pair {
    node: Node,
    store: Rows,
    sent: u64,
}

/// Measures nanoseconds per message.
pub(crate) fn run(report: &mut Report) {
    let mut pair = Pair::new();
    pair.messages(MESSAGES / 10);
    let mut best = u128::MAX;
    for _ in 0..5 {
        let start = Clock::now();
        pair.messages(MESSAGES);
        best = best.min(start.elapsed().as_nanos());
    }
    let bytes = MESSAGE.len();
    report.add(
        format!("core: parse + route + serialise, {bytes} B message"),
        format!("{} ns (best of 5 x {MESSAGES})", best / u128::from(MESSAGES)),
    );
}

/// Routes `messages` messages and nothing else; what the instruction count runs.
pub(crate) fn run_loop(messages: u32) {
    Pair::new().messages(messages);
}

impl Pair {
    fn new() -> Self {
        let domain = Domain::parse(DOMAIN).expect("the name is a domain");
        let mut config = Config::single(domain);
        config.limits.scram_iterations = 1;
        let node = Node::new(config, [1; 32], now());
        let mut pair = Self { node, store: Rows::new(), sent: 0 };
        pair.drain();
        for (number, user) in [(1, "alice"), (2, "bob")] {
            let address = BareJid::parse(&format!("{user}@{DOMAIN}")).expect("the name is an address");
            let password = Some(Secret(Bytes::from_static(b"pw")));
            pair.input(Input::Command {
                id: CommandId(number),
                command: Command::UserAdd { user: address, password },
            });
            pair.login(ConnId(number), user);
        }
        pair
    }

    fn login(&mut self, conn: ConnId, user: &str) {
        let header = format!(
            "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' \
             to='{DOMAIN}' version='1.0'>"
        );
        let payload = sasl::encode_payload(format!("\0{user}\0pw").as_bytes());
        let auth =
            format!("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{payload}</auth>");
        let resource = user.get(..1).unwrap_or_default();
        let bind = format!(
            "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>\
             <resource>{resource}</resource></bind></iq><presence/>"
        );
        self.input(Input::Opened { conn, kind: ConnKind::ClientDirectTls, peer: PeerAddr([0; 16]) });
        self.input(Input::Secured { conn, tls: TlsInfo::default() });
        for text in [header.clone(), auth, header, bind] {
            self.input(Input::Received { conn, bytes: Bytes::from(text) });
        }
        let sessions = usize::try_from(conn.0).unwrap_or_default();
        assert_eq!(self.node.sessions(), sessions, "the login of {user} succeeds");
    }

    fn messages(&mut self, count: u32) {
        let bytes = Bytes::from_static(MESSAGE.as_bytes());
        let before = self.sent;
        for _ in 0..count {
            self.input(Input::Received { conn: ConnId(1), bytes: bytes.clone() });
            self.input_flushed();
        }
        assert_eq!(self.sent - before, u64::from(count), "every message is delivered");
    }

    /// Tells the node that the socket takes everything, as rarely as a driver would.
    fn input_flushed(&mut self) {
        if self.sent.is_multiple_of(512) {
            self.input(Input::Flushed { conn: ConnId(2), bytes: 512 * 1024 });
        }
    }

    fn input(&mut self, input: Input) {
        self.node.handle_input(now(), input);
        self.drain();
    }

    fn drain(&mut self) {
        loop {
            match self.node.poll_output() {
                Output::Wait { .. } => return,
                Output::Send { head, body, .. } => {
                    black_box((head, body));
                    self.sent += 1;
                }
                Output::Store { op, batch } => {
                    self.store.apply(&batch);
                    self.input(Input::Stored { op, outcome: Ok(()) });
                }
                Output::Load { op, query } => {
                    let rows = self.store.query(&query);
                    self.input(Input::Loaded { op, outcome: Ok(rows) });
                }
                Output::Derive { op, request } => {
                    let salted_password = sasl::derive(&request);
                    self.input(Input::Derived { op, salted_password });
                }
                Output::Ready { .. }
                | Output::StartTls { .. }
                | Output::Hold { .. }
                | Output::Release { .. }
                | Output::Close { .. }
                | Output::Reply { .. }
                | Output::Trace(_)
                | Output::Stopped => {}
            }
        }
    }
}

fn now() -> Now {
    Now { mono: Instant::from_micros(0), wall: UnixTime::from_millis(0) }
}
