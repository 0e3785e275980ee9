//! `NAME says to WHO: text`, `NAME types to WHO`: messages.

use eyot_core::xml::{Node, escape_attr};

use super::{Act, Parsed, Scope, Stage, Trouble, Words};
use crate::client::{Op, xmlns};

#[derive(Debug)]
struct Says {
    client: String,
    to: String,
    kind: &'static str,
    hints: Vec<&'static str>,
    body: String,
}

/// What a sender may ask to be done with a message (XEP-0334).
const HINTS: [&str; 4] = ["no-store", "no-permanent-store", "no-copy", "store"];

/// `NAME says [chat|normal|headline] to WHO [with no-store|no-permanent-store|no-copy|store...]: text`
pub(super) fn says(client: String, words: &mut Words<'_>, _scope: &Scope) -> Parsed {
    let (mut head, body) = words.colon()?;
    let kind = if head.take("headline") {
        "headline"
    } else if head.take("normal") {
        "normal"
    } else {
        head.take("chat");
        "chat"
    };
    if !head.take("to") {
        return Err("a message has somebody it goes to: alice says to bob: hello".into());
    }
    let to = head.word("the recipient")?.into();
    let mut hints = Vec::new();
    if head.take("with") {
        while let Some(word) = head.next() {
            let hint = HINTS.into_iter().find(|hint| *hint == word);
            hints.push(hint.ok_or_else(|| format!("hints are {}, not {word}", HINTS.join(", ")))?);
        }
    }
    head.end()?;
    Ok(Box::new(Says { client, to, kind, hints, body: body.into() }))
}

impl Act for Says {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        let to = stage.address(&self.to)?;
        let body = stage.expand(&self.body)?;
        let extra = self.hints.iter().map(|hint| Node::new(hint, xmlns::HINTS)).collect();
        stage.tell(&self.client, Op::Message { to, kind: self.kind, body, extra })
    }

    fn texts(&self) -> Vec<&str> {
        vec![&self.body]
    }
}

#[derive(Debug)]
struct Types {
    client: String,
    to: String,
}

/// `NAME types to WHO`: a chat state without a body (XEP-0085)
pub(super) fn types(client: String, words: &mut Words<'_>, _scope: &Scope) -> Parsed {
    if !words.take("to") {
        return Err("somebody types to somebody: alice types to bob".into());
    }
    Ok(Box::new(Types { client, to: words.word("the recipient")?.into() }))
}

impl Act for Types {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        let to = stage.address(&self.to)?;
        let mut text = b"<message type='chat' to='".to_vec();
        escape_attr(&to, &mut text);
        text.extend_from_slice(b"'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>");
        stage.tell(&self.client, Op::Text(text.into()))
    }
}
