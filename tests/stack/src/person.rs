//! A client: the sans-I/O client of `io-sim` over a simulated stream, with its own end of TLS.

mod line;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use eyot_core::io::{CloseCause, TlsInfo};
use eyot_core::xml::ns;
use eyot_io_sim::client::{
    Client, ClientConfig, Cx, Derivations, FromClient, Goal, Gs2, Op, Over, Payload, Presence, Sight,
    ToClient,
};
use eyot_io_sim::engine::{Entropy, Key};
use tokio::sync::mpsc;

use crate::host::{DIRECT_TLS, START_TLS};
use crate::identity::{DOMAIN, Identity};
use crate::net::{Home, SimNet};
use crate::trace::{Seen, Trace};
use line::Line;

/// Bytes of one read.
const READ_BYTES: usize = 16 * 1024;

/// A person with a client.
#[derive(Debug)]
pub struct Person {
    name: String,
    /// Where the person lives.
    pub home: Home,
    asks: mpsc::UnboundedSender<Ask>,
    seen: Seen<Sight>,
}

/// What a person may be told.
#[derive(Clone, Debug)]
pub enum Ask {
    /// To do something with the client.
    Do(Op),
    /// To leave unread what arrives.
    Pause,
    /// To read again.
    Resume,
    /// To end the connection without a word, also of TLS: as a process does that is killed.
    Vanish,
}

/// The client's process.
struct Process {
    name: String,
    net: SimNet,
    home: Home,
    trace: Trace,
    seen: Seen<Sight>,
    asks: mpsc::UnboundedReceiver<Ask>,
    client: Client,
    derivations: Derivations,
    line: Line,
    paused: bool,
    /// The server's end was read: when the client has said its last words the connection is gone.
    ended: bool,
    wanted: VecDeque<FromClient>,
}

impl Person {
    /// Creates a person and starts the client.
    pub fn new(net: &SimNet, trace: &Trace, entropy: Entropy, (home, config): (Home, ClientConfig)) -> Self {
        let (asks, asked) = mpsc::unbounded_channel();
        let (name, seen) = (config.user.clone(), Seen::new());
        let process = Process {
            name: name.clone(),
            net: net.clone(),
            home,
            trace: trace.clone(),
            seen: seen.clone(),
            asks: asked,
            client: Client::new(config, entropy, Key::of(&name)),
            derivations: Derivations::new(),
            line: Line::None,
            paused: false,
            ended: false,
            wanted: VecDeque::new(),
        };
        madsim::task::spawn(process.live());
        Self { name, home, asks, seen }
    }

    /// Tells the person something, and does not wait.
    pub fn ask(&self, ask: Ask) {
        self.asks.send(ask).expect("a person lives as long as the story");
    }

    /// Logs in, with channel binding, and is available afterwards.
    pub async fn log_in(&self) {
        self.ask(Ask::Do(Op::Reach(Goal::Bound)));
        let how = |sight: &Sight| {
            if let Sight::Login { mechanism, gs2 } = sight { Some((mechanism.clone(), *gs2)) } else { None }
        };
        assert_eq!(self.until(how).await, ("SCRAM-SHA-256-PLUS".into(), Some(Gs2::Exporter)));
        self.until(|sight| matches!(sight, Sight::LoggedIn).then_some(())).await;
        self.until(|sight| matches!(sight, Sight::Bound { requested: true, .. }).then_some(())).await;
        self.ask(Ask::Do(Op::Presence(Presence::default())));
        self.ping().await;
    }

    /// Waits until the server has processed everything that was sent before.
    pub async fn ping(&self) {
        self.begin_ping();
        let answered = |sight: &Sight| sight.got().filter(|got| got.name() == "iq").map(|_| ());
        self.until(answered).await;
    }

    /// Lets the server show that it has processed everything that was sent before.
    pub fn begin_ping(&self) {
        let payload = Payload::Empty { name: "ping", ns: ns::PING, node: None };
        self.ask(Ask::Do(Op::Iq { kind: "get", to: None, payload }));
    }

    /// Sends a message, and does not wait.
    pub fn say(&self, to: &Self, body: &str) {
        let to = format!("{}@{DOMAIN}/pc", to.name);
        self.ask(Ask::Do(Op::Message { to, kind: "chat", body: body.into(), extra: Vec::new() }));
    }

    /// Waits for the next message and checks who sent it and what is in it.
    pub async fn hears(&self, from: &Self, body: &str) {
        let got = self.until(|sight| sight.got().filter(|got| got.name() == "message").cloned()).await;
        let text = got.child("body", ns::CLIENT).map(|body| body.text());
        assert_eq!(text.as_deref(), Some(body), "{got:?}");
        assert_eq!(got.attr("from").as_deref(), Some(&*format!("{}@{DOMAIN}/pc", from.name)), "{got:?}");
        assert_ne!(got.attr("type").as_deref(), Some("error"), "{got:?}");
    }

    /// Waits until the server has ended the stream with an error; returns the condition.
    pub async fn stream_error(&self) -> String {
        let condition = |sight: &Sight| {
            if let Sight::StreamError { condition } = sight { Some(condition.clone()) } else { None }
        };
        self.until(condition).await
    }

    /// Waits until the connection is gone; returns why.
    pub async fn closed(&self) -> CloseCause {
        self.until(|sight| if let Sight::Closed(cause) = sight { Some(*cause) } else { None }).await
    }

    /// Waits for something to be seen, and forgets it and all before it.
    pub async fn until<T>(&self, wanted: impl Fn(&Sight) -> Option<T>) -> T {
        self.seen.until(wanted).await
    }

    /// Tells whether the person saw something that nobody has asked for yet.
    pub fn saw(&self, wanted: impl Fn(&Sight) -> bool) -> bool {
        self.seen.holds(wanted)
    }
}

/// How a person's client is told to be.
pub fn client(name: &str, over: Over) -> ClientConfig {
    ClientConfig {
        domain: DOMAIN.into(),
        user: name.into(),
        password: password(name),
        resource: Some("pc".into()),
        over,
        mechanism: None,
        gs2: None,
        injected: None,
    }
}

/// The password of everybody, by name.
pub fn password(name: &str) -> String {
    format!("{name}'s secret")
}

impl Process {
    async fn live(mut self) {
        let mut buf = vec![0; READ_BYTES];
        loop {
            while let Some(wanted) = self.wanted.pop_front() {
                self.act(wanted).await;
            }
            if self.ended {
                self.gone(CloseCause::Closed);
                continue;
            }
            let reads = !self.paused && !matches!(self.line, Line::None);
            tokio::select! {
                biased;
                ask = self.asks.recv() => match ask {
                    Some(ask) => self.handle_ask(ask),
                    None => return,
                },
                read = self.line.read(&mut buf), if reads => {
                    self.handle_read(read.map(|length| Bytes::copy_from_slice(&buf[..length])));
                }
            }
        }
    }

    fn handle_ask(&mut self, ask: Ask) {
        match ask {
            Ask::Do(op) => self.feed(ToClient::Do(op)),
            Ask::Pause => self.paused = true,
            Ask::Resume => self.paused = false,
            Ask::Vanish => self.gone(CloseCause::Closed),
        }
    }

    fn handle_read(&mut self, read: io::Result<Bytes>) {
        match read {
            Ok(bytes) if !bytes.is_empty() => self.feed(ToClient::Received(bytes)),
            Ok(_) => self.end(),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                self.note("the server's TLS was cut off");
                self.end();
            }
            Err(error) => self.gone(cause(&error)),
        }
    }

    async fn act(&mut self, wanted: FromClient) {
        match wanted {
            FromClient::Connect(over) => match self.net.connect(self.home, address(over)).await {
                Ok(stream) => {
                    self.line = Line::Plain(stream);
                    self.feed(ToClient::Opened);
                }
                Err(_) => self.feed(ToClient::Refused),
            },
            FromClient::StartTls => self.start_tls().await,
            FromClient::Send(bytes) => {
                if let Err(error) = self.line.write(&bytes).await {
                    self.gone(cause(&error));
                }
            }
            FromClient::Finish => {
                // Where it fails the next read tells.
                let _gone = self.line.shutdown().await.is_err();
            }
            // It has one line at a time: what is said last on the one that it leaves is not heard.
            FromClient::Abort | FromClient::Leave => {
                self.line.reset();
                self.line = Line::None;
            }
            FromClient::Saw(Sight::Wire { .. }) => {}
            FromClient::Saw(sight) => {
                self.note(&shown(&sight));
                self.seen.push(sight);
            }
        }
    }

    async fn start_tls(&mut self) {
        let alpn = (self.client.config().over == Over::DirectTls).then_some("xmpp-client");
        match self.line.start_tls(&Identity::get().client(alpn)).await {
            Ok(exporter) => {
                self.feed(ToClient::Secured(TlsInfo { exporter, ..TlsInfo::default() }));
            }
            Err(error) => {
                self.note(&format!("no TLS: {error}"));
                self.gone(CloseCause::Tls);
            }
        }
    }

    /// The server will send nothing more: the client says its last words, and the connection is gone.
    fn end(&mut self) {
        self.feed(ToClient::Ended);
        self.ended = true;
    }

    fn gone(&mut self, cause: CloseCause) {
        self.ended = false;
        self.wanted.clear();
        self.line = Line::None;
        self.feed(ToClient::Closed(cause));
    }

    fn feed(&mut self, input: ToClient) {
        let mut out = Vec::new();
        self.client.handle(&mut Cx { out: &mut out, derivations: &mut self.derivations }, input);
        self.wanted.extend(out);
    }

    fn note(&self, what: &str) {
        self.trace.note(self.net.now(), &self.name, what);
    }
}

const fn address(over: Over) -> SocketAddr {
    match over {
        Over::StartTls | Over::Plain => START_TLS,
        Over::DirectTls => DIRECT_TLS,
    }
}

fn cause(error: &io::Error) -> CloseCause {
    if error.kind() == io::ErrorKind::InvalidData {
        CloseCause::Tls
    } else if error.kind() == io::ErrorKind::TimedOut {
        CloseCause::TimedOut
    } else {
        CloseCause::Reset
    }
}

fn shown(sight: &Sight) -> String {
    if let Sight::Got(element) = sight {
        return format!("got {}", String::from_utf8_lossy(element.raw()));
    }
    if let Sight::Sent(bytes) = sight {
        return format!("sent {}", String::from_utf8_lossy(bytes));
    }
    format!("{sight:?}")
}
