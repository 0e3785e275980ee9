//! Acknowledged and resumed streams (XEP-0198), and whether anybody looks (XEP-0352).

use super::claim::{Claim, Claims, in_chapter, of_client};
use super::needs::needs;
use super::{Act, Parsed, Scope, Stage, Trouble, Words, carbons, expect};
use crate::client::{Manage, Nonza, Op, Sight};
use crate::engine::SimSpan;
use crate::script::capability::RESUMPTION;
use crate::world::ClientIx;

/// A client does something about its stream.
#[derive(Debug)]
struct Does {
    client: String,
    op: Op,
}

impl Act for Does {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        stage.tell(&self.client, self.op.clone())
    }
}

fn managing(client: String, what: Manage) -> Box<dyn Act> {
    needs(RESUMPTION, Does { client, op: Op::Manage(what) })
}

/// `NAME enables acks`, `NAME enables resumption [max SPAN]`, `NAME enables carbons`
pub(super) fn enables(client: String, words: &mut Words<'_>, _scope: &Scope) -> Parsed {
    Ok(match words.word("acks, resumption or carbons")? {
        "acks" => managing(client, Manage::Enable { resume: false, max: None }),
        "resumption" => {
            let max = if words.take("max") { Some(seconds(words.span("how long")?)?) } else { None };
            managing(client, Manage::Enable { resume: true, max })
        }
        "carbons" => carbons::switches(client, true),
        other => return Err(format!("a client enables acks, resumption or carbons, not {other}")),
    })
}

/// `NAME disables carbons`
pub(super) fn disables(client: String, words: &mut Words<'_>, _scope: &Scope) -> Parsed {
    if words.take("carbons") {
        Ok(carbons::switches(client, false))
    } else {
        Err(format!("a client disables carbons, not {}", words.rest()))
    }
}

fn seconds(span: SimSpan) -> Result<u32, String> {
    u32::try_from(span.as_nanos() / 1_000_000_000).map_err(|_| "this is too long".into())
}

/// `NAME asks for ack`
pub(super) fn asks(client: String) -> Box<dyn Act> {
    managing(client, Manage::AskAck)
}

/// `NAME stops acking`: answers no request for an acknowledgement
pub(super) fn stops_acking(client: String, words: &mut Words<'_>, _scope: &Scope) -> Parsed {
    words.end()?;
    Ok(managing(client, Manage::StopAcking))
}

/// `NAME acks h N`: says what it wants
pub(super) fn acks(client: String, words: &mut Words<'_>, _scope: &Scope) -> Parsed {
    Ok(managing(client, Manage::Ack(handled(words)?.ok_or("a client acks something: acks h 5")?)))
}

fn handled(words: &mut Words<'_>) -> Result<Option<u32>, String> {
    if !words.take("h") {
        return Ok(None);
    }
    let h = words.number("how many stanzas")?;
    u32::try_from(h).map(Some).map_err(|_| format!("h is below 2^32, unlike {h}"))
}

/// `NAME active`, `NAME inactive`: whether anybody looks at it
pub(super) fn active(client: String, words: &mut Words<'_>, _scope: &Scope) -> Parsed {
    words.end()?;
    Ok(Box::new(Does { client, op: Op::Active(true) }))
}

/// See [`active`].
pub(super) fn inactive(client: String, words: &mut Words<'_>, _scope: &Scope) -> Parsed {
    words.end()?;
    Ok(Box::new(Does { client, op: Op::Active(false) }))
}

#[derive(Debug)]
struct Resumes {
    client: String,
    node: Option<String>,
    h: Option<u32>,
}

/// `NAME resumes [on NODE] [h N]`: on a new connection, also while it has an old one
pub(super) fn resumes(client: String, words: &mut Words<'_>, scope: &Scope) -> Parsed {
    let node = if words.take("on") { Some(scope.node(words.word("the node")?)?) } else { None };
    Ok(needs(RESUMPTION, Resumes { client, node, h: handled(words)? }))
}

impl Act for Resumes {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        if let Some(node) = &self.node {
            stage.send_to(&self.client, node)?;
        }
        stage.tell(&self.client, Op::Manage(Manage::Resume { h: self.h }))
    }
}

#[derive(Debug)]
struct Moves {
    client: String,
    node: String,
}

/// `NAME moves to NODE`: connects there from its next connection on
pub(super) fn moves(client: String, words: &mut Words<'_>, scope: &Scope) -> Parsed {
    let node = scope.node(words.word("the node")?)?;
    words.end()?;
    Ok(Box::new(Moves { client, node }))
}

impl Act for Moves {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        stage.send_to(&self.client, &self.node)
    }
}

#[derive(Debug)]
struct Repeats {
    client: String,
    body: String,
}

/// `NAME repeats BODY`: sends that message again, with the id it had
pub(super) fn repeats(client: String, words: &mut Words<'_>, _scope: &Scope) -> Parsed {
    let body = words.word("what it says again")?.into();
    Ok(needs(RESUMPTION, Repeats { client, body }))
}

impl Act for Repeats {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        let body = stage.expand(&self.body)?;
        let client = stage.client(&self.client)?;
        let mut sent = of_client(stage.world.history(), client).rev();
        let found = sent.find_map(|(_, sight)| {
            let Sight::Sent(bytes) = sight else { return None };
            (super::told::body_of_bytes(bytes).as_deref() == Some(body.as_str())).then(|| bytes.clone())
        });
        drop(sent);
        let bytes = found.ok_or_else(|| format!("{} has never said {body}", self.client))?;
        stage.tell(&self.client, Op::Text(bytes))
    }

    fn texts(&self) -> Vec<&str> {
        vec![&self.body]
    }
}

#[derive(Debug)]
enum Want {
    /// The server said so when it was last asked; for how many seconds.
    Resumable(Option<u32>),
    NotResumable,
    Resumed {
        h: Option<u32>,
        within: Option<SimSpan>,
    },
    Refused {
        condition: String,
        h: Option<u32>,
    },
    /// The last that it was told in the chapter.
    Acked {
        h: u32,
        within: Option<SimSpan>,
    },
    Unacked(u64),
    Asked,
}

/// `resumable [max SPAN]`, `not resumable`, `resumed [h N] [within SPAN]`, `resume refused CONDITION [h N]`,
/// `acked h N [within SPAN]`, `unacked N`, `asked for ack`; nothing when it is none of these
///
/// # Errors
///
/// What is wrong with it.
pub(super) fn expect(who: &str, words: &mut Words<'_>) -> Result<Option<Box<dyn Act>>, String> {
    let within = |words: &mut Words<'_>| -> Result<Option<SimSpan>, String> {
        if words.take("within") { Ok(Some(words.span("how soon")?)) } else { Ok(None) }
    };
    let claim = if words.take("resumable") {
        Want::Resumable(if words.take("max") { Some(seconds(words.span("how long")?)?) } else { None })
    } else if words.take("not resumable") {
        Want::NotResumable
    } else if words.take("resumed") {
        Want::Resumed { h: handled(words)?, within: within(words)? }
    } else if words.take("resume refused") {
        Want::Refused { condition: expect::condition(words)?, h: handled(words)? }
    } else if words.take("acked") {
        let h = handled(words)?.ok_or("so much was acknowledged: expect bob acked h 5")?;
        Want::Acked { h, within: within(words)? }
    } else if words.take("unacked") {
        Want::Unacked(words.number("how many stanzas")?)
    } else if words.take("asked for ack") {
        Want::Asked
    } else {
        return Ok(None);
    };
    words.end()?;
    Ok(Some(needs(RESUMPTION, Claims { who: who.into(), claim })))
}

impl Claim for Want {
    fn holds(&self, stage: &Stage, client: ClientIx) -> Result<(bool, Vec<String>), Trouble> {
        if let Self::Unacked(wanted) = self {
            let found = stage.world.client(client).acks().unacked() as u64;
            return Ok((found == *wanted, vec![format!("{found} were never acknowledged")]));
        }
        let met = match self {
            Self::Resumable(_) | Self::NotResumable => self.is_answer(last_enabled(stage, client)),
            Self::Acked { h: wanted, within } => {
                let told = in_chapter(stage, client).rev().find_map(|(after, sight)| {
                    if let Sight::Nonza(Nonza::Acked { h }) = sight { Some((after, *h)) } else { None }
                });
                told.is_some_and(|(after, h)| h == *wanted && within.is_none_or(|within| after <= within))
            }
            Self::Resumed { .. } | Self::Refused { .. } | Self::Asked | Self::Unacked(_) => {
                in_chapter(stage, client).any(|(after, sight)| self.is_seen(after, sight))
            }
        };
        Ok((met, expect::seen(stage, client)))
    }
}

impl Want {
    fn is_answer(&self, answer: Option<&Nonza>) -> bool {
        match (self, answer) {
            (Self::Resumable(wanted), Some(Nonza::Enabled { id: Some(_), max })) => {
                wanted.is_none() || wanted == max
            }
            (Self::NotResumable, Some(answer)) => !matches!(answer, Nonza::Enabled { id: Some(_), .. }),
            _ => false,
        }
    }

    fn is_seen(&self, after: SimSpan, sight: &Sight) -> bool {
        match (self, sight) {
            (Self::Resumed { h: wanted, within }, Sight::Nonza(Nonza::Resumed { h })) => {
                wanted.is_none_or(|wanted| wanted == *h) && within.is_none_or(|within| after <= within)
            }
            (
                Self::Refused { condition: wanted, h: told },
                Sight::Nonza(Nonza::ResumeFailed { condition, h }),
            ) => wanted == condition && (told.is_none() || told == h),
            (Self::Asked, Sight::Nonza(Nonza::Asked)) => true,
            _ => false,
        }
    }
}

/// Returns what the server said when it was last asked for acknowledgements.
fn last_enabled(stage: &Stage, client: ClientIx) -> Option<&Nonza> {
    of_client(stage.world.history(), client).rev().find_map(|(_, sight)| {
        let Sight::Nonza(nonza) = sight else { return None };
        matches!(nonza, Nonza::Enabled { .. } | Nonza::NotEnabled { .. }).then_some(nonza)
    })
}
