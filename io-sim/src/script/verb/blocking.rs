//! Blocked addresses (XEP-0191).

use std::collections::BTreeSet;

use eyot_core::xml::Node;

use super::claim::{Claim, Claims};
use super::needs::watching;
use super::{Act, Parsed, Scope, Stage, Trouble, Watched, Words};
use crate::client::{Op, Payload, xmlns};
use crate::script::capability::BLOCKING;
use crate::world::ClientIx;

#[derive(Debug)]
struct Blocks {
    client: String,
    change: &'static str,
    who: Vec<String>,
}

fn change(client: String, change: &'static str, who: Vec<String>) -> Box<dyn Act> {
    watching(BLOCKING, Watched::Blocklist, Blocks { client, change, who })
}

/// `NAME blocks WHO...`
pub(super) fn blocks(client: String, words: &mut Words<'_>, _scope: &Scope) -> Parsed {
    Ok(change(client, "block", all(words)?))
}

/// `NAME unblocks WHO...`, `NAME unblocks everybody`
pub(super) fn unblocks(client: String, words: &mut Words<'_>, _scope: &Scope) -> Parsed {
    let who = if words.take("everybody") { Vec::new() } else { all(words)? };
    Ok(change(client, "unblock", who))
}

fn all(words: &mut Words<'_>) -> Result<Vec<String>, String> {
    let mut all = vec![String::from(words.word("whom")?)];
    while let Some(word) = words.next() {
        all.push(word.into());
    }
    Ok(all)
}

impl Act for Blocks {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        let mut list = Node::new(self.change, xmlns::BLOCKING);
        for who in &self.who {
            list = list.with_child(Node::new("item", xmlns::BLOCKING).with_attr("jid", &stage.address(who)?));
        }
        stage.tell(&self.client, Op::Iq { kind: "set", to: None, payload: Payload::Tree(list) })
    }
}

#[derive(Debug)]
struct Exactly(Vec<String>);

/// `blocks exactly WHO...`, `blocks nobody`; nothing when it is neither
///
/// # Errors
///
/// What is wrong with it.
pub(super) fn expect(who: &str, words: &mut Words<'_>) -> Result<Option<Box<dyn Act>>, String> {
    let claim = if words.take("blocks nobody") {
        Exactly(Vec::new())
    } else if words.take("blocks exactly") {
        Exactly(all(words)?)
    } else {
        return Ok(None);
    };
    words.end()?;
    Ok(Some(watching(BLOCKING, Watched::Blocklist, Claims { who: who.into(), claim })))
}

impl Claim for Exactly {
    fn holds(&self, stage: &Stage, client: ClientIx) -> Result<(bool, Vec<String>), Trouble> {
        let wanted = self.0.iter().map(|who| stage.address(who)).collect::<Result<BTreeSet<_>, _>>()?;
        let Some(found) = &stage.world.client(client).kept().blocked else {
            return Ok((false, vec!["it was never told whom it blocks".into()]));
        };
        Ok((*found == wanted, found.iter().cloned().collect()))
    }
}
