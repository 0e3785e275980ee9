//! `when ...`: a line that is done as soon as something has happened.

use super::{Act, Parsed, Part, Scope, Stage, Trouble, Watched, Words};
use crate::fault::{Counted, TRACES, Trigger};

#[derive(Debug)]
struct When {
    trigger: Trigger,
    inner: Box<dyn Act>,
}

/// `when CLIENT got N messages|presences|iqs|stanzas LINE`, `when NODE traces NAME [N] LINE`, `when NODE syncs N LINE`:
/// once, counted from here on; a fault that waits when `heal all` is done waits in vain
pub(super) fn when(words: &mut Words<'_>, scope: &mut Scope) -> Parsed {
    let who = words.word("a client or a node")?;
    let trigger =
        if scope.is_node(who) { of_node(scope.node(who)?, words)? } else { of_client(who, words, scope)? };
    scope.put_off = format!("when {trigger} ");
    let inner = super::parse(words.rest(), scope);
    scope.put_off.clear();
    let inner = inner?;
    if inner.part() != Part::Deed {
        return Err("only deeds can wait for something".into());
    }
    Ok(Box::new(When { trigger, inner }))
}

fn of_client(who: &str, words: &mut Words<'_>, scope: &Scope) -> Result<Trigger, String> {
    let client = scope.client(who)?;
    if !words.take("got") {
        return Err("a line waits for what a client got: when alice got 2 messages kill a".into());
    }
    let count = counted(words.number("how many")?)?;
    let text = words.word("of what")?;
    let what = Counted::parse(text);
    let what = what.ok_or_else(|| format!("messages, presences, iqs and stanzas are counted, not {text}"))?;
    Ok(Trigger::Got { client, what, count })
}

fn of_node(node: String, words: &mut Words<'_>) -> Result<Trigger, String> {
    if words.take("syncs") {
        return Ok(Trigger::Syncs { node, count: counted(words.number("how many")?)? });
    }
    if !words.take("traces") {
        return Err("a line waits for what a node traces or syncs: when a syncs 3 kill a".into());
    }
    let event = words.word("what it says")?;
    if !TRACES.contains(&event) {
        return Err(format!("no node ever says {event}; there are {}", TRACES.join(", ")));
    }
    let mut ahead = *words;
    let count = ahead.next().and_then(|word| word.parse().ok());
    if count.is_some() {
        *words = ahead;
    }
    Ok(Trigger::Traces { node, event: event.into(), count: counted(count.unwrap_or(1))? })
}

fn counted(count: u64) -> Result<u64, String> {
    if count == 0 { Err("nothing happens for the 0th time".into()) } else { Ok(count) }
}

impl Act for When {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        self.inner.act(stage)
    }

    fn part(&self) -> Part {
        Part::Upon { trigger: self.trigger.clone(), breaks: self.inner.breaks() }
    }

    fn texts(&self) -> Vec<&str> {
        self.inner.texts()
    }

    fn introduces(&self) -> Option<&str> {
        self.inner.introduces()
    }

    fn capability(&self) -> Option<&'static str> {
        self.inner.capability()
    }

    fn watched(&self) -> Option<Watched> {
        self.inner.watched()
    }
}
