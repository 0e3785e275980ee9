//! `NAME pings [WHO]`, `NAME asks ...`, `NAME sets vcard ...`, `NAME stores private ...`: requests.

use eyot_core::xml::{Node, ns};

use super::{Act, Parsed, Scope, Stage, Trouble, Words};
use crate::client::{Ask, Op, Payload, xmlns};

/// Business cards (XEP-0054).
const VCARD: &str = "vcard-temp";
/// What an account keeps on its server for itself (XEP-0049).
const PRIVATE: &str = "jabber:iq:private";
/// What stories keep there.
const NOTE: &str = "urn:eyot:note";

#[derive(Debug)]
struct Asks {
    client: String,
    kind: &'static str,
    to: Option<String>,
    payload: Payload,
}

/// `NAME pings [WHO]`: the server when nobody is named (XEP-0199)
pub(super) fn pings(client: String, words: &mut Words<'_>, _scope: &Scope) -> Parsed {
    let to = Some(words.next().unwrap_or("domain").into());
    words.end()?;
    let payload = Payload::Empty { name: "ping", ns: ns::PING, node: None };
    Ok(Box::new(Asks { client, kind: "get", to, payload }))
}

/// What is asked for with an empty element: the words, its name and its namespace, and whether the server is asked when
/// nobody is named.
const EMPTY: [(&str, &str, &str, bool); 9] = [
    ("disco#info", "query", ns::DISCO_INFO, false),
    ("disco#items", "query", ns::DISCO_ITEMS, false),
    ("roster", "query", ns::ROSTER, false),
    ("vcard", "vCard", VCARD, false),
    ("last activity", "query", "jabber:iq:last", true),
    ("version", "query", "jabber:iq:version", true),
    ("time", "time", "urn:xmpp:time", true),
    ("archive preferences", "prefs", xmlns::MAM, false),
    ("archive metadata", "metadata", xmlns::MAM, false),
];

/// `NAME asks disco#info|disco#items|roster [of WHO] [node NODE]` (XEP-0030, RFC 6121 2), `NAME asks vcard|last
/// activity|version|time [of WHO]` (XEP-0054, XEP-0012, XEP-0092, XEP-0202), `NAME asks blocklist|private`,
/// `NAME asks archive preferences|metadata` (XEP-0441, XEP-0313)
pub(super) fn asks(client: String, words: &mut Words<'_>, _scope: &Scope) -> Parsed {
    if words.take("blocklist") {
        return Ok(Box::new(Keeps { client, ask: Ask::Blocklist }));
    }
    if words.take("private") {
        let payload = Payload::Tree(Node::new("query", PRIVATE).with_child(Node::new("note", NOTE)));
        return Ok(Box::new(Asks { client, kind: "get", to: None, payload }));
    }
    let Some((what, name, ns, of_server)) = EMPTY.into_iter().find(|(what, ..)| words.take(what)) else {
        let known: Vec<&str> = EMPTY.iter().map(|(what, ..)| *what).collect();
        let (known, asked) = (known.join(", "), words.rest());
        return Err(format!("a client asks {known}, blocklist or private, not {asked}"));
    };
    let server = of_server.then(|| String::from("domain"));
    let to = if words.take("of") { Some(words.word("whom")?.into()) } else { server };
    let node: Option<String> = if words.take("node") { Some(words.word("the node")?.into()) } else { None };
    if what == "roster" && to.is_none() && node.is_none() {
        return Ok(Box::new(Keeps { client, ask: Ask::Roster }));
    }
    Ok(Box::new(Asks { client, kind: "get", to, payload: Payload::Empty { name, ns, node } }))
}

/// `NAME sets vcard TEXT`: its name on it (XEP-0054)
pub(super) fn sets_vcard(client: String, words: &mut Words<'_>, _scope: &Scope) -> Parsed {
    let name = Node::new("FN", VCARD).with_text(words.word("the name")?);
    let payload = Payload::Tree(Node::new("vCard", VCARD).with_child(name));
    Ok(Box::new(Asks { client, kind: "set", to: None, payload }))
}

/// `NAME stores private TEXT`: a note on the server for itself (XEP-0049)
pub(super) fn stores_private(client: String, words: &mut Words<'_>, _scope: &Scope) -> Parsed {
    let note = Node::new("note", NOTE).with_text(words.word("the text")?);
    let payload = Payload::Tree(Node::new("query", PRIVATE).with_child(note));
    Ok(Box::new(Asks { client, kind: "set", to: None, payload }))
}

impl Act for Asks {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        let to = match self.to.as_deref() {
            None => None,
            Some("domain") => Some(stage.domain().into()),
            Some(who) => Some(stage.address(who)?),
        };
        stage.tell(&self.client, Op::Iq { kind: self.kind, to, payload: self.payload.clone() })
    }
}

/// A request whose answer the client keeps.
#[derive(Debug)]
struct Keeps {
    client: String,
    ask: Ask,
}

impl Act for Keeps {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        stage.tell(&self.client, Op::Ask(self.ask.clone()))
    }
}
