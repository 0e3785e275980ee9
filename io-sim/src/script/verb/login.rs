//! `NAME connects|secures|authenticates|logs in|comes online|registers|closes|drops`: streams, from their begin to
//! their end.

use super::{Act, Parsed, Scope, Stage, Trouble, Watched, Words};
use crate::client::{Ask, Goal, Op, Presence};

#[derive(Debug)]
struct Does {
    client: String,
    ops: Vec<Op>,
}

impl Act for Does {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        for op in &self.ops {
            stage.tell(&self.client, op.clone())?;
        }
        Ok(())
    }

    fn introduces(&self) -> Option<&str> {
        self.ops.iter().find_map(|op| {
            if let Op::Reach(Goal::Registered { user, .. }) = op { Some(user.as_str()) } else { None }
        })
    }
}

/// `NAME connects`: a stream, up to its first features
pub(super) fn connects(client: String, words: &mut Words<'_>, _scope: &Scope) -> Parsed {
    words.end()?;
    Ok(Box::new(Does { client, ops: vec![Op::Reach(Goal::Open)] }))
}

/// `NAME secures`: a stream under TLS, before any login
pub(super) fn secures(client: String, words: &mut Words<'_>, _scope: &Scope) -> Parsed {
    words.end()?;
    Ok(Box::new(Does { client, ops: vec![Op::Reach(Goal::Secured)] }))
}

/// `NAME authenticates`: up to the features after SASL, without a resource
pub(super) fn authenticates(client: String, words: &mut Words<'_>, _scope: &Scope) -> Parsed {
    words.end()?;
    Ok(Box::new(Does { client, ops: vec![Op::Reach(Goal::Authenticated)] }))
}

/// `NAME logs in [again] [password "..."]`: up to a bound resource, without presence
pub(super) fn logs_in(client: String, words: &mut Words<'_>, _scope: &Scope) -> Parsed {
    let password = if words.take("password") { Some(words.word("the password")?.into()) } else { None };
    Ok(Box::new(LogsIn { client, password }))
}

#[derive(Debug)]
struct LogsIn {
    client: String,
    password: Option<String>,
}

impl Act for LogsIn {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        if let Some(password) = &self.password {
            stage.set_password(&self.client, password)?;
        }
        stage.tell(&self.client, Op::Reach(Goal::Bound))
    }
}

/// `NAME comes online`: up to a bound resource, then initial presence. Before that it asks for what the story is about
/// and a server tells only those who asked: its contacts, the addresses that it has blocked.
pub(super) fn comes_online(client: String, words: &mut Words<'_>, _scope: &Scope) -> Parsed {
    words.end()?;
    Ok(Box::new(ComesOnline { client }))
}

#[derive(Debug)]
struct ComesOnline {
    client: String,
}

impl Act for ComesOnline {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        stage.tell(&self.client, Op::Reach(Goal::Bound))?;
        for watched in stage.watched.clone() {
            let ask = match watched {
                Watched::Roster => Ask::Roster,
                Watched::Blocklist => Ask::Blocklist,
            };
            stage.tell(&self.client, Op::Ask(ask))?;
        }
        stage.tell(&self.client, Op::Presence(Presence::default()))
    }
}

/// `NAME registers USER password "..."`: asks for an account before logging in (XEP-0077)
pub(super) fn registers(client: String, words: &mut Words<'_>, _scope: &Scope) -> Parsed {
    let user = words.word("the wanted name")?.into();
    if !words.take("password") {
        return Err("an account has a password: registers eve password \"...\"".into());
    }
    let password = words.word("the password")?.into();
    Ok(Box::new(Does { client, ops: vec![Op::Reach(Goal::Registered { user, password })] }))
}

/// `NAME closes`: ends its stream in order
pub(super) fn closes(client: String, words: &mut Words<'_>, _scope: &Scope) -> Parsed {
    words.end()?;
    Ok(Box::new(Does { client, ops: vec![Op::Close] }))
}

/// `NAME drops`: gives its connection up without a word to the server but a reset
pub(super) fn drops(client: String, words: &mut Words<'_>, _scope: &Scope) -> Parsed {
    words.end()?;
    Ok(Box::new(Does { client, ops: vec![Op::Abort] }))
}
