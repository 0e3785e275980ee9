//! What can happen to a node, as values that arbitrary bytes choose from.

use arbitrary::Arbitrary;
use bytes::Bytes;
use eyot_core::io::{CloseCause, Command, ConnKind, Secret, TlsInfo};
use eyot_core::jid::BareJid;
use eyot_core::sasl::encode_payload;
use eyot_core::store::StoreError;

use super::World;

const HEADER: &str = "<?xml version='1.0'?><stream:stream to='a.example' version='1.0' xmlns='jabber:client' \
                      xmlns:stream='http://etherx.jabber.org/streams'>";
const NAMES: &[&str] = &["alice", "bob", "carol", "nobody"];
const DOMAINS: &[&str] = &["a.example", "b.example", "elsewhere.example"];

/// One thing that happens. Small numbers choose among what exists: connections, operations, names.
#[derive(Arbitrary, Debug)]
pub(super) enum Action {
    /// Somebody connects.
    Open(Door, u8),
    /// Somebody connects, secures, logs in and binds, every answer in time.
    Login(Door, Who),
    /// The TLS handshake of a connection that waits for it ends.
    Secure(u8, Facts),
    /// A peer says something that XMPP knows.
    Say(u8, Saying),
    /// A peer says anything.
    Bytes(u8, Vec<u8>),
    /// The operating system takes what was sent.
    Flush(u8),
    /// A peer will say nothing more.
    End(u8),
    /// A connection is gone.
    Close(u8, Cause),
    /// The next answer of the store, or another derivation, is there.
    Answer(u8),
    /// The next answer of the store is an error.
    Fail(Failure),
    /// All answers are there.
    AnswerAll,
    /// An operator wants something.
    Command(Wish, Who),
    /// Time goes on.
    Pass(u32),
    /// The deadline comes.
    Tick,
    /// The node is asked to stop.
    Shutdown,
}

/// A listener.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(super) enum Door {
    /// STARTTLS.
    StartTls,
    /// Direct TLS.
    Direct,
}

/// What TLS knows.
#[derive(Arbitrary, Debug)]
pub(super) enum Facts {
    /// Nothing.
    None,
    /// An exporter.
    Exporter,
    /// Everything.
    Both,
}

/// Why a connection is gone.
#[derive(Arbitrary, Debug)]
pub(super) enum Cause {
    /// In order.
    Closed,
    /// Reset.
    Reset,
    /// TLS.
    Tls,
    /// Silence.
    TimedOut,
}

/// How the store fails.
#[derive(Arbitrary, Debug)]
pub(super) enum Failure {
    /// No room.
    Full,
    /// Broken.
    Io,
    /// Damaged.
    Damaged,
}

/// An account, by number.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(super) struct Who(u8, u8);

/// What an operator wants.
#[derive(Arbitrary, Debug)]
pub(super) enum Wish {
    /// An account with a password of ours.
    Add,
    /// An account with a drawn password.
    AddDrawn,
    /// Another password.
    Passwd,
    /// An account less.
    Remove,
    /// All accounts.
    List,
    /// The first account.
    EnsureAdmin,
}

/// An address, as a peer writes it.
#[derive(Arbitrary, Debug)]
pub(super) enum To {
    /// Nobody in particular.
    None,
    /// An account.
    Bare(Who),
    /// A resource of an account.
    Full(Who, u8),
    /// A domain.
    Domain(u8),
    /// No address.
    Odd,
}

/// Something XMPP knows.
#[derive(Arbitrary, Debug)]
pub(super) enum Saying {
    /// A stream header.
    Header,
    /// A stream header for another domain.
    HeaderTo(u8),
    /// STARTTLS.
    StartTls,
    /// SASL PLAIN.
    Plain(Who),
    /// SASL PLAIN with a wrong password.
    WrongPlain(Who),
    /// The first message of SCRAM.
    Scram(Who),
    /// A response of SASL.
    Response(Vec<u8>),
    /// The client gives SASL up.
    Abort,
    /// Resource binding.
    Bind(Option<u8>),
    /// A message.
    Message(To, u8, u16),
    /// Presence.
    Presence(To, u8),
    /// A question or an answer.
    Iq(To, u8, u8),
    /// In-band registration.
    Register(Who),
    /// The end of the stream.
    Footer,
    /// White space between stanzas.
    Space,
}

impl Action {
    /// Makes it happen.
    pub(super) fn apply(&self, world: &mut World) {
        match self {
            Self::Open(door, peer) => drop(world.open(door.kind(), *peer)),
            Self::Login(door, who) => login(world, *door, *who),
            Self::Secure(conn, facts) => world.secure(usize::from(*conn), facts.info()),
            Self::Say(conn, saying) => world.receive(usize::from(*conn), saying.text().into()),
            Self::Bytes(conn, bytes) => world.receive(usize::from(*conn), Bytes::copy_from_slice(bytes)),
            Self::Flush(conn) => world.flush(usize::from(*conn)),
            Self::End(conn) => world.end(usize::from(*conn)),
            Self::Close(conn, cause) => world.close(usize::from(*conn), cause.cause()),
            Self::Answer(choice) => drop(world.answer(usize::from(*choice), None)),
            Self::Fail(failure) => drop(world.answer(0, Some(failure.error()))),
            Self::AnswerAll => world.answer_all(),
            Self::Command(wish, who) => world.command(wish.command(*who)),
            Self::Pass(millis) => world.pass(u64::from(*millis % 100_000)),
            Self::Tick => world.tick(),
            Self::Shutdown => world.command(Command::Shutdown),
        }
    }
}

/// Plays the whole of a login, so that short inputs reach what lies behind it.
fn login(world: &mut World, door: Door, who: Who) {
    world.command(Wish::Add.command(who));
    world.answer_all();
    let Some(conn) = world.open(door.kind(), who.0) else { return };
    let say = |world: &mut World, saying: Saying| {
        world.receive(conn, saying.text().into());
        world.answer_all();
    };
    match door {
        Door::StartTls => {
            say(world, Saying::Header);
            say(world, Saying::StartTls);
        }
        Door::Direct => {}
    }
    world.secure(conn, Facts::Both.info());
    say(world, Saying::Header);
    say(world, Saying::Plain(who));
    say(world, Saying::Header);
    say(world, Saying::Bind(Some(who.1)));
    say(world, Saying::Presence(To::None, 0));
}

impl Door {
    const fn kind(self) -> ConnKind {
        match self {
            Self::StartTls => ConnKind::ClientStartTls,
            Self::Direct => ConnKind::ClientDirectTls,
        }
    }
}

impl Facts {
    fn info(&self) -> TlsInfo {
        match self {
            Self::None => TlsInfo::default(),
            Self::Exporter => TlsInfo { exporter: Some([7; 32]), ..TlsInfo::default() },
            Self::Both => TlsInfo {
                exporter: Some([7; 32]),
                server_end_point: Some(Bytes::from_static(&[9; 32])),
                peer: None,
            },
        }
    }
}

impl Cause {
    const fn cause(&self) -> CloseCause {
        match self {
            Self::Closed => CloseCause::Closed,
            Self::Reset => CloseCause::Reset,
            Self::Tls => CloseCause::Tls,
            Self::TimedOut => CloseCause::TimedOut,
        }
    }
}

impl Failure {
    const fn error(&self) -> StoreError {
        match self {
            Self::Full => StoreError::Full,
            Self::Io => StoreError::Io,
            Self::Damaged => StoreError::Damaged,
        }
    }
}

impl Who {
    fn name(self) -> &'static str {
        choose(NAMES, self.0)
    }

    fn domain(self) -> &'static str {
        choose(DOMAINS, self.1 / 16)
    }

    fn jid(self) -> String {
        format!("{}@{}", self.name(), self.domain())
    }

    fn password(self) -> String {
        format!("password of {}", self.name())
    }
}

impl Wish {
    fn command(&self, who: Who) -> Command {
        let user = BareJid::parse(&who.jid()).expect("the names of this file are addresses");
        let password = Some(Secret(who.password().into()));
        let domain: Box<str> = who.domain().into();
        match self {
            Self::Add => Command::UserAdd { user, password },
            Self::AddDrawn => Command::UserAdd { user, password: None },
            Self::Passwd => Command::UserPasswd { user, password },
            Self::Remove => Command::UserRemove { user },
            Self::List => Command::UserList { domain, after: None },
            Self::EnsureAdmin => Command::EnsureAdmin { domain },
        }
    }
}

impl To {
    fn attribute(&self) -> String {
        match self {
            Self::None => String::new(),
            Self::Bare(who) => format!(" to='{}'", who.jid()),
            Self::Full(who, resource) => format!(" to='{}/r{}'", who.jid(), resource % 4),
            Self::Domain(domain) => format!(" to='{}'", choose(DOMAINS, *domain)),
            Self::Odd => " to='@/'".into(),
        }
    }
}

impl Saying {
    fn text(&self) -> String {
        let auth = |mechanism: &str, payload: String| {
            let payload = encode_payload(payload.as_bytes());
            format!("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='{mechanism}'>{payload}</auth>")
        };
        match self {
            Self::Header => HEADER.into(),
            Self::HeaderTo(domain) => HEADER.replace("a.example", choose(DOMAINS, *domain)),
            Self::StartTls => "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>".into(),
            Self::Plain(who) => auth("PLAIN", format!("\0{}\0{}", who.name(), who.password())),
            Self::WrongPlain(who) => auth("PLAIN", format!("\0{}\0wrong", who.name())),
            Self::Scram(who) => auth("SCRAM-SHA-256", format!("n,,n={},r=nonce", who.name())),
            Self::Response(bytes) => {
                let payload = encode_payload(bytes);
                format!("<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{payload}</response>")
            }
            Self::Abort => "<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>".into(),
            Self::Bind(resource) => {
                let wanted =
                    resource.map_or(String::new(), |number| format!("<resource>r{}</resource>", number % 4));
                format!(
                    "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>{wanted}</bind></iq>"
                )
            }
            Self::Message(to, kind, length) => message(to, *kind, *length),
            Self::Presence(to, kind) => presence(to, *kind),
            Self::Iq(to, kind, payload) => iq(to, *kind, *payload),
            Self::Register(who) => format!(
                "<iq type='set' id='r'><query xmlns='jabber:iq:register'><username>{}</username>\
                 <password>{}</password></query></iq>",
                who.name(),
                who.password()
            ),
            Self::Footer => "</stream:stream>".into(),
            Self::Space => " \n".into(),
        }
    }
}

fn message(to: &To, kind: u8, length: u16) -> String {
    let kind = choose(&["chat", "normal", "headline", "groupchat", "error", "odd"], kind);
    let body = "m".repeat(usize::from(length));
    format!("<message id='m' type='{kind}'{}><body>{body}</body></message>", to.attribute())
}

fn presence(to: &To, kind: u8) -> String {
    let kinds =
        ["", " type='unavailable'", " type='subscribe'", " type='probe'", " type='error'", " type='x'"];
    let shows =
        ["<priority>-1</priority>", "<priority>5</priority>", "<show>dnd</show>", "<priority>x</priority>"];
    format!("<presence{}{}>{}</presence>", choose(&kinds, kind), to.attribute(), choose(&shows, kind / 8))
}

fn iq(to: &To, kind: u8, payload: u8) -> String {
    let kind = choose(&["get", "set", "result", "error", "odd"], kind);
    let payloads = [
        "<ping xmlns='urn:xmpp:ping'/>",
        "<query xmlns='http://jabber.org/protocol/disco#info'/>",
        "<query xmlns='http://jabber.org/protocol/disco#items'/>",
        "<query xmlns='jabber:iq:roster'/>",
        "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/>",
        "<query xmlns='jabber:iq:register'/>",
        "<query xmlns='jabber:iq:register'><remove/></query>",
        "<unknown xmlns='urn:example:unknown'/>",
        "<a xmlns='urn:a'/><b xmlns='urn:b'/>",
        "",
    ];
    format!("<iq id='i' type='{kind}'{}>{}</iq>", to.attribute(), choose(&payloads, payload))
}

fn choose(from: &[&'static str], number: u8) -> &'static str {
    let place = usize::from(number) % from.len().max(1);
    from.get(place).copied().unwrap_or_default()
}
