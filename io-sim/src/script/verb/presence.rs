//! `NAME is available ...`, `NAME is unavailable ...`: presence.

use super::{Act, Parsed, Scope, Stage, Trouble, Words};
use crate::client::{Op, Presence};

#[derive(Debug)]
struct Shows {
    client: String,
    presence: Presence,
}

/// `NAME is available [away|chat|dnd|xa] [priority N] [status "..."] [to WHO]`
pub(super) fn available(client: String, words: &mut Words<'_>, _scope: &Scope) -> Parsed {
    let mut presence = Presence::default();
    for show in ["away", "chat", "dnd", "xa"] {
        if words.take(show) {
            presence.show = Some(show.into());
        }
    }
    details(client, presence, words)
}

/// `NAME is unavailable [status "..."] [to WHO]`
pub(super) fn unavailable(client: String, words: &mut Words<'_>, _scope: &Scope) -> Parsed {
    details(client, Presence { kind: Some("unavailable".into()), ..Presence::default() }, words)
}

fn details(client: String, mut presence: Presence, words: &mut Words<'_>) -> Parsed {
    while !words.is_empty() {
        match words.word("a property")? {
            "priority" => {
                let text = words.word("the priority")?;
                let priority = text.parse().map_err(|_| format!("{text} is no priority, -128 to 127"))?;
                presence.priority = Some(priority);
            }
            "status" => presence.status = Some(words.word("the status")?.into()),
            "to" => presence.to = Some(words.word("the recipient")?.into()),
            other => return Err(format!("presence has priority, status and to, but no {other}")),
        }
    }
    Ok(Box::new(Shows { client, presence }))
}

impl Act for Shows {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        let mut presence = self.presence.clone();
        if let Some(to) = &presence.to {
            presence.to = Some(stage.address(to)?);
        }
        stage.tell(&self.client, Op::Presence(presence))
    }
}
