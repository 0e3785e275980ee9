//! `NAME pings [WHO]`, `NAME asks ...`: requests.

use eyot_core::xml::ns;

use super::{Act, Parsed, Scope, Stage, Trouble, Words};
use crate::client::{Op, Payload};

#[derive(Debug)]
struct Asks {
    client: String,
    to: Option<String>,
    payload: Payload,
}

/// `NAME pings [WHO]`: the server when nobody is named (XEP-0199)
pub(super) fn pings(client: String, words: &mut Words<'_>, _scope: &Scope) -> Parsed {
    let to = Some(words.next().unwrap_or("domain").into());
    words.end()?;
    Ok(Box::new(Asks { client, to, payload: Payload::Empty { name: "ping", ns: ns::PING, node: None } }))
}

/// `NAME asks disco#info|disco#items|roster [of WHO] [node NODE]` (XEP-0030, RFC 6121 2)
pub(super) fn asks(client: String, words: &mut Words<'_>, _scope: &Scope) -> Parsed {
    let ns = match words.word("what")? {
        "disco#info" => ns::DISCO_INFO,
        "disco#items" => ns::DISCO_ITEMS,
        "roster" => ns::ROSTER,
        other => return Err(format!("a client asks disco#info, disco#items or roster, not {other}")),
    };
    let to = if words.take("of") { Some(words.word("whom")?.into()) } else { None };
    let node = if words.take("node") { Some(words.word("the node")?.into()) } else { None };
    Ok(Box::new(Asks { client, to, payload: Payload::Empty { name: "query", ns, node } }))
}

impl Act for Asks {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        let to = match self.to.as_deref() {
            None => None,
            Some("domain") => Some(stage.domain().into()),
            Some(who) => Some(stage.address(who)?),
        };
        stage.tell(&self.client, Op::Iq { kind: "get", to, payload: self.payload.clone() })
    }
}
