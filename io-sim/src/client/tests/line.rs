//! A client, and what it is told by hand.

use crate::client::{
    Client, ClientConfig, Cx, Derivations, FromClient, Goal, Manage, Nonza, Op, Over, Sight, ToClient,
};
use crate::engine::{Entropy, Key};

const HEADER: &str = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' from='x' id='1' version='1.0' \
    xmlns:stream='http://etherx.jabber.org/streams'>";
const MECHANISMS: &str = "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN\
    </mechanism></mechanisms></stream:features>";
const FEATURES: &str = "<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/><sm xmlns='urn:xmpp:sm:3'/>\
    <ver xmlns='urn:xmpp:features:rosterver'/></stream:features>";
const SUCCESS: &str = "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>";
const BOUND: &str = "<iq type='result' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>\
    <jid>a@x/r</jid></bind></iq>";
pub(super) const ENABLED: &str = "<enabled xmlns='urn:xmpp:sm:3' id='s1' resume='true' max='60'/>";

/// A client without TLS, who stands at one end; the test stands at the other.
pub(super) struct Line {
    pub(super) client: Client,
    derivations: Derivations,
    /// What it has done and seen.
    pub(super) sights: Vec<Sight>,
    /// What it has written since it was last asked.
    wrote: Vec<u8>,
    /// What else it wanted done since it was last asked.
    wanted: Vec<&'static str>,
}

impl Line {
    pub(super) fn new() -> Self {
        let config = ClientConfig {
            domain: "x".into(),
            user: "a".into(),
            password: "p".into(),
            resource: Some("r".into()),
            over: Over::Plain,
            mechanism: None,
            gs2: None,
            injected: None,
        };
        Self {
            client: Client::new(config, Entropy::new(1), Key::of("a")),
            derivations: Derivations::new(),
            sights: Vec::new(),
            wrote: Vec::new(),
            wanted: Vec::new(),
        }
    }

    /// One that has a resource.
    pub(super) fn bound() -> Self {
        let mut line = Self::new();
        line.tell(Op::Reach(Goal::Bound));
        line.authenticate();
        line.say(BOUND);
        assert_eq!(line.client.jid(), Some("a@x/r"));
        line.wrote();
        line
    }

    /// One with a session that can be resumed.
    pub(super) fn resumable() -> Self {
        let mut line = Self::bound();
        line.tell(Op::Manage(Manage::Enable { resume: true, max: None }));
        line.say(ENABLED);
        line.wrote();
        line
    }

    /// Plays the server from the connection to the features behind SASL.
    pub(super) fn authenticate(&mut self) {
        self.hand(ToClient::Opened);
        self.say(HEADER);
        self.say(MECHANISMS);
        self.say(SUCCESS);
        self.say(HEADER);
        self.say(FEATURES);
    }

    pub(super) fn bind(&mut self) {
        self.say(BOUND);
    }

    pub(super) fn tell(&mut self, op: Op) {
        self.hand(ToClient::Do(op));
    }

    pub(super) fn says(&mut self, body: &str) {
        let (to, body) = ("b@x".into(), body.into());
        self.tell(Op::Message { to, kind: "chat", body, extra: Vec::new() });
    }

    pub(super) fn say(&mut self, text: &str) {
        self.hand(ToClient::Received(String::from(text).into()));
    }

    pub(super) fn hand(&mut self, input: ToClient) {
        let mut out = Vec::new();
        self.client.handle(&mut Cx { out: &mut out, derivations: &mut self.derivations }, input);
        for output in out {
            match output {
                FromClient::Saw(sight) => self.sights.push(sight),
                FromClient::Send(bytes) => self.wrote.extend_from_slice(&bytes),
                FromClient::Connect(_) => self.wanted.push("connect"),
                FromClient::StartTls => self.wanted.push("tls"),
                FromClient::Finish => self.wanted.push("finish"),
                FromClient::Abort => self.wanted.push("abort"),
                FromClient::Leave => self.wanted.push("leave"),
            }
        }
    }

    /// Returns what it has written.
    pub(super) fn wrote(&mut self) -> String {
        String::from_utf8(core::mem::take(&mut self.wrote)).unwrap()
    }

    /// Returns what else it wanted done.
    pub(super) fn wanted(&mut self) -> Vec<&'static str> {
        core::mem::take(&mut self.wanted)
    }

    /// Returns what passed that is no stanza, of what can be told from outside.
    pub(super) fn nonzas(&self) -> Vec<Nonza> {
        let nonza = |sight: &Sight| if let Sight::Nonza(nonza) = sight { Some(nonza.clone()) } else { None };
        self.sights.iter().filter_map(nonza).collect()
    }

    /// Returns what it complained of.
    pub(super) fn nonsense(&self) -> Option<&str> {
        self.sights
            .iter()
            .find_map(|sight| if let Sight::Nonsense(what) = sight { Some(what.as_str()) } else { None })
    }
}
