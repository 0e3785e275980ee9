//! `NAME sends xml: ...`: text as it is, well-formed or not.

use super::{Act, Parsed, Scope, Stage, Trouble, Words};
use crate::client::Op;

#[derive(Debug)]
struct Sends {
    client: String,
    text: String,
}

/// `NAME sends xml: <...>`
pub(super) fn sends(client: String, words: &mut Words<'_>, _scope: &Scope) -> Parsed {
    let (mut head, text) = words.colon()?;
    if !head.take("xml") {
        return Err("a client sends xml: alice sends xml: <message/>".into());
    }
    head.end()?;
    Ok(Box::new(Sends { client, text: text.into() }))
}

impl Act for Sends {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        let text = stage.expand(&self.text)?;
        stage.tell(&self.client, Op::Text(text.into()))
    }

    fn texts(&self) -> Vec<&str> {
        vec![&self.text]
    }
}
