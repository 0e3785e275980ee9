//! Copies of messages for one's other clients (XEP-0280).

use super::claim::{Claim, Claims, in_chapter};
use super::needs::needs;
use super::told::{How, told};
use super::{Act, Stage, Trouble, Words, expect};
use crate::client::{Ask, Op};
use crate::script::capability::CARBONS;
use crate::world::ClientIx;

#[derive(Debug)]
struct Switches {
    client: String,
    on: bool,
}

/// `NAME enables carbons`, `NAME disables carbons`
pub(super) fn switches(client: String, on: bool) -> Box<dyn Act> {
    needs(CARBONS, Switches { client, on })
}

impl Act for Switches {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        stage.tell(&self.client, Op::Ask(Ask::Carbons(self.on)))
    }
}

#[derive(Debug)]
struct Carbon {
    how: How,
    body: String,
}

/// `carbon sent|received: BODY`; nothing when it is something else
///
/// # Errors
///
/// What is wrong with it.
pub(super) fn expect(who: &str, words: &mut Words<'_>) -> Result<Option<Box<dyn Act>>, String> {
    if !words.take("carbon") {
        return Ok(None);
    }
    let (mut head, body) = words.colon()?;
    let how = match head.word("sent or received")? {
        "sent" => How::CopyOfSent,
        "received" => How::CopyOfReceived,
        other => return Err(format!("a copy is of what was sent or received, not {other}")),
    };
    head.end()?;
    if body.is_empty() {
        return Err("the text behind the colon is missing".into());
    }
    Ok(Some(needs(CARBONS, Claims { who: who.into(), claim: Carbon { how, body: body.into() } })))
}

impl Claim for Carbon {
    fn holds(&self, stage: &Stage, client: ClientIx) -> Result<(bool, Vec<String>), Trouble> {
        let body = stage.expand(&self.body)?;
        let own = stage.account_of(client);
        let mut all = in_chapter(stage, client).filter_map(|(_, sight)| told(sight.got()?, &own));
        let met = all.any(|told| told.how == self.how && told.body.as_deref() == Some(body.as_str()));
        drop(all);
        Ok((met, expect::seen(stage, client)))
    }

    fn texts(&self) -> Vec<&str> {
        vec![&self.body]
    }
}
