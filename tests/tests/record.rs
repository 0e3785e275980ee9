//! What a recording is good for: a node that is given the same inputs says the same, and one that is given
//! redacted inputs says the same but for the bodies.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use eyot_core::config::Config;
use eyot_core::io::{
    CloseCause, Command, CommandId, ConnId, ConnKind, Input, Output, PeerAddr, Secret, TlsInfo,
};
use eyot_core::jid::{BareJid, Domain};
use eyot_core::node::Node;
use eyot_core::record::{End, Entry, Header, RecordReader, RecordWriter, Redactor, redact};
use eyot_core::sasl;
use eyot_core::store::Rows;
use eyot_core::store::StoreBatch;
use eyot_core::time::{Instant, Now, UnixTime};

const STREAM: &str = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' \
    xmlns:stream='http://etherx.jabber.org/streams' to='x.example' version='1.0'>";

/// A node with a recorder, and a world that answers every effect at once.
struct Recorded {
    node: Node,
    writer: Option<RecordWriter>,
    bytes: Vec<u8>,
    micros: u64,
    rows: Rows,
    outputs: Vec<Output>,
}

impl Recorded {
    fn new() -> Self {
        let mut config = Config::single(Domain::parse("x.example").expect("a domain"));
        config.limits.scram_iterations = 1;
        let header = Header { seed: [7; 32], config, start: now(0) };
        let (writer, bytes) = RecordWriter::header(&header);
        let node = Node::new(header.config, header.seed, header.start);
        let mut recorded =
            Self { node, writer: Some(writer), bytes, micros: 0, rows: Rows::new(), outputs: Vec::new() };
        recorded.answer_all();
        recorded
    }

    fn input(&mut self, input: Input) {
        self.hand_over(input);
        self.answer_all();
    }

    fn hand_over(&mut self, input: Input) {
        self.micros += 1_000;
        let writer = self.writer.as_mut().expect("the recording goes on");
        self.bytes.append(&mut writer.frame(now(self.micros), &input));
        self.node.handle_input(now(self.micros), input);
    }

    fn answer_all(&mut self) {
        let mut answers = VecDeque::new();
        loop {
            for output in drain(&mut self.node) {
                answers.extend(self.answer(&output));
                self.outputs.push(output);
            }
            let Some(answer) = answers.pop_front() else {
                return;
            };
            self.hand_over(answer);
        }
    }

    fn answer(&mut self, output: &Output) -> Option<Input> {
        match output {
            Output::Close { conn, .. } => Some(Input::Closed { conn: *conn, cause: CloseCause::Closed }),
            Output::Derive { op, request } => {
                Some(Input::Derived { op: *op, salted_password: sasl::derive(request) })
            }
            Output::Load { op, query } => {
                Some(Input::Loaded { op: *op, outcome: Ok(self.rows.query(query)) })
            }
            Output::Store { op, batch } => {
                self.rows.apply(batch);
                Some(Input::Stored { op: *op, outcome: Ok(()) })
            }
            Output::Ready { .. }
            | Output::Connect { .. }
            | Output::StartTls { .. }
            | Output::Hold { .. }
            | Output::Release { .. }
            | Output::Send { .. }
            | Output::Reply { .. }
            | Output::Trace(_)
            | Output::Stopped
            | Output::Wait { .. } => None,
        }
    }

    fn add(&mut self, id: u64, user: &str) {
        let user = BareJid::parse(user).expect("an address");
        let password = Some(Secret(Bytes::from_static(b"pw")));
        self.input(Input::Command { id: CommandId(id), command: Command::UserAdd { user, password } });
    }

    fn login(&mut self, conn: ConnId, user: &str) {
        self.input(Input::Opened { conn, kind: ConnKind::ClientDirectTls, peer: PeerAddr([1; 16]) });
        self.input(Input::Secured { conn, tls: TlsInfo::default() });
        let payload = sasl::encode_payload(format!("\0{user}\0pw").as_bytes());
        let auth = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>";
        self.send(conn, &format!("{STREAM}{auth}{payload}</auth>"));
        let bind = "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>r</resource></bind>";
        self.send(conn, &format!("{STREAM}<iq type='set' id='b'>{bind}</iq><presence/>"));
    }

    /// Sends in pieces, as a network does.
    fn send(&mut self, conn: ConnId, text: &str) {
        for piece in text.as_bytes().chunks(11) {
            self.input(Input::Received { conn, bytes: Bytes::copy_from_slice(piece) });
        }
    }

    fn end(mut self) -> (Bytes, Vec<Output>) {
        let writer = self.writer.take().expect("the recording goes on");
        self.bytes.append(&mut writer.end(End::SizeBound));
        (self.bytes.into(), self.outputs)
    }
}

fn now(micros: u64) -> Now {
    Now { mono: Instant::from_micros(micros), wall: UnixTime::from_millis(1_700_000_000_000) }
}

/// Takes the outputs up to `Wait`, which is the last of them.
fn drain(node: &mut Node) -> Vec<Output> {
    let mut outputs = Vec::new();
    loop {
        outputs.push(node.poll_output());
        if matches!(outputs.last(), Some(Output::Wait { .. } | Output::Stopped)) {
            return outputs;
        }
    }
}

/// Gives a recording to a new node.
fn replay(recording: Bytes) -> Vec<Output> {
    let mut reader = RecordReader::new(recording).expect("a recording");
    let header = reader.header().clone();
    let mut node = Node::new(header.config, header.seed, header.start);
    let mut outputs = drain(&mut node);
    while let Some(entry) = reader.next_entry().expect("a whole recording") {
        match entry {
            Entry::Input { now, input } => {
                node.handle_input(now, input);
                outputs.append(&mut drain(&mut node));
            }
            Entry::End(end) => assert_eq!(end, End::SizeBound),
        }
    }
    outputs
}

/// Two people who talk: to each other, to nobody, and at last nonsense.
fn conversation() -> (Bytes, Vec<Output>) {
    let mut recorded = Recorded::new();
    recorded.add(1, "romeo@x.example");
    recorded.add(2, "juliet@x.example");
    let (romeo, juliet) = (ConnId(1), ConnId(2));
    recorded.login(romeo, "romeo");
    recorded.login(juliet, "juliet");
    for to in ["juliet@x.example/r", "juliet@x.example", "nobody@x.example"] {
        let content = "<subject>SECRET balcony</subject><body>SECRET tonight &amp; tomorrow é🙂</body>";
        recorded.send(
            romeo,
            &format!("<message to='{to}' type='chat' id='m1'>{content}<thread>t1</thread></message>"),
        );
    }
    recorded.send(
        juliet,
        "<message to='romeo@x.example/r'><body xml:lang='it'>SECRET <![CDATA[<sì>]]></body></message>",
    );
    recorded.send(juliet, "<iq type='get' id='p' to='x.example'><ping xmlns='urn:xmpp:ping'/></iq>");
    recorded.send(juliet, "<message><body>SECRET</wrong>");
    recorded.input(Input::Ended { conn: romeo });
    recorded.end()
}

/// Everything each connection was sent.
fn sent(outputs: &[Output]) -> BTreeMap<ConnId, Vec<u8>> {
    let mut sent = BTreeMap::<ConnId, Vec<u8>>::new();
    for output in outputs {
        if let Output::Send { conn, head, body } = output {
            sent.entry(*conn).or_default().extend(head.iter().chain(body));
        }
    }
    sent
}

/// Returns a batch in words: its keys, and the lengths of what is there. A message is known again by a hash of its body, which says in
/// which row that stands.
fn words(batch: &StoreBatch) -> Vec<String> {
    let writes = batch.writes.iter().map(|write| format!("{write:?}"));
    writes.map(|write| if write.contains(r"\0s\0") { "a row of names".into() } else { write }).collect()
}

#[test]
fn a_replay_says_what_was_said() {
    let (recording, outputs) = conversation();
    let everything: Vec<u8> = sent(&outputs).into_values().flatten().collect();
    assert!(
        String::from_utf8(everything).expect("text").contains("SECRET tonight"),
        "the conversation took place"
    );
    assert_eq!(replay(recording), outputs);
}

#[test]
fn a_replay_of_a_redacted_recording_differs_in_bodies_only() {
    let (recording, outputs) = conversation();
    let redacted = redact(recording).expect("a recording");
    assert!(!redacted.windows(6).any(|window| window == b"SECRET"));
    let replayed = replay(redacted.into());

    // Number, order, kinds and lengths are the same; and so is everything that is not sent to a connection.
    assert_eq!(replayed.len(), outputs.len());
    for (ours, theirs) in replayed.iter().zip(&outputs) {
        match (ours, theirs) {
            (Output::Send { conn, head, body }, Output::Send { conn: to, head: start, body: rest }) => {
                assert_eq!((conn, head, body.len()), (to, start, rest.len()), "the head holds the addresses");
            }
            // Bodies stand in archives too; in words, a batch is its keys and the lengths of what is there.
            (Output::Store { op, batch }, Output::Store { op: other, batch: rest }) => {
                assert_eq!((op, words(batch)), (other, words(rest)));
            }
            _ => assert_eq!(ours, theirs),
        }
    }

    // What is sent differs in what redaction would have filled.
    for (conn, bytes) in sent(&outputs) {
        let shown = Redactor::new().redact(Input::Received { conn, bytes: bytes.into() });
        let bytes = sent(&replayed).remove(&conn).expect("the same connections");
        assert_eq!(shown, Input::Received { conn, bytes: bytes.into() });
    }
}
