//! `wait`, `settle`, `at`: time.

use super::{Act, Pace, Parsed, Part, Scope, Stage, Trouble, Watched, Words};
use crate::engine::{SimSpan, SimTime};
use crate::oracle::Check;

#[derive(Debug)]
struct Passes(Pace);

/// `wait SPAN`
pub(super) fn wait(words: &mut Words<'_>, _scope: &mut Scope) -> Parsed {
    Ok(Box::new(Passes(Pace::For(words.span("how long")?))))
}

/// `settle`: until nothing is on its way
pub(super) fn settle(words: &mut Words<'_>, _scope: &mut Scope) -> Parsed {
    words.end()?;
    Ok(Box::new(Passes(Pace::Settle)))
}

/// The runner lets the time pass: a line that an `at` put off may come due meanwhile.
impl Act for Passes {
    fn act(&self, _stage: &mut Stage) -> Result<(), Trouble> {
        Ok(())
    }

    fn part(&self) -> Part {
        Part::Time(self.0)
    }
}

#[derive(Debug)]
struct Due;

/// `check`: links are healed and time was given: whoever had something to get or to answer has done so
pub(super) fn check(words: &mut Words<'_>, _scope: &mut Scope) -> Parsed {
    words.end()?;
    Ok(Box::new(Due))
}

impl Act for Due {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        stage.checks.push(Check { at: stage.world.now(), number: stage.world.history().len() });
        // Who was told to leave while it had no connection has left without a trace that oracles could see.
        let (world, clients, names) = (&stage.world, &stage.clients, &stage.cast.clients);
        let stays = |number: &usize| {
            let client = names.get(*number).and_then(|name| clients.get(name));
            client.is_some_and(|client| world.means_to_be_online(*client))
        };
        stage.cast.persistent.retain(stays);
        Ok(())
    }

    fn part(&self) -> Part {
        Part::Check
    }
}

#[derive(Debug)]
struct At {
    after: SimSpan,
    inner: Box<dyn Act>,
}

/// `at SPAN LINE`: does the line when so much time has passed since the story began; where that begins with `when`, it waits from
/// then on
pub(super) fn at(words: &mut Words<'_>, scope: &mut Scope) -> Parsed {
    let after = words.span("when")?;
    scope.put_off = format!("at {} ", after.as_nanos());
    let inner = super::parse(words.rest(), scope);
    scope.put_off.clear();
    let inner = inner?;
    if !matches!(inner.part(), Part::Deed | Part::Upon { .. }) {
        return Err("only deeds can be put off".into());
    }
    Ok(Box::new(At { after, inner }))
}

impl Act for At {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        self.inner.act(stage)
    }

    fn part(&self) -> Part {
        let at = SimTime::ZERO + self.after;
        let Part::Upon { trigger, breaks } = self.inner.part() else { return Part::Later(at) };
        Part::LaterUpon { at, trigger, breaks }
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
