//! `members`, `grace`, `hysteresis`, `durability`: that the nodes are one cluster, how patient they are with each other, and how many of
//! them have to hold what somebody says.

use eyot_core::config::{Durability, Level, Short};
use eyot_core::time::Span;

use super::topology::{before_nodes, micros};
use super::{Act, Parsed, Part, Scope, Stage, Trouble, Words};

#[derive(Debug)]
struct Clustered;

/// `members`: the nodes are configured as the members of one cluster, and link up with each other
pub(super) fn members(words: &mut Words<'_>, scope: &mut Scope) -> Parsed {
    before_nodes(scope)?;
    words.end()?;
    if scope.nodes.len() < 2 {
        return Err("a cluster has several members: they are named above it".into());
    }
    Ok(Box::new(Clustered))
}

impl Act for Clustered {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        stage.clustered = true;
        Ok(())
    }

    fn part(&self) -> Part {
        Part::Setting
    }
}

#[derive(Clone, Copy, Debug)]
enum Wait {
    /// How long a node may be away before its people are.
    Grace(Span),
    /// How long it has to be back before its people are.
    Hysteresis(Span),
}

/// `grace SPAN`: how long a node may be out of reach before its people are hidden
pub(super) fn grace(words: &mut Words<'_>, scope: &mut Scope) -> Parsed {
    wait(words, scope, Wait::Grace)
}

/// `hysteresis SPAN`: how long it has to be in reach again before they are shown
pub(super) fn hysteresis(words: &mut Words<'_>, scope: &mut Scope) -> Parsed {
    wait(words, scope, Wait::Hysteresis)
}

fn wait(words: &mut Words<'_>, scope: &Scope, make: fn(Span) -> Wait) -> Parsed {
    before_nodes(scope)?;
    let span = micros(words.span("how long?")?);
    words.end()?;
    Ok(Box::new(make(span)))
}

impl Act for Wait {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        match self {
            Self::Grace(span) => stage.waits.0 = *span,
            Self::Hysteresis(span) => stage.waits.1 = *span,
        }
        Ok(())
    }

    fn part(&self) -> Part {
        Part::Setting
    }
}

#[derive(Clone, Copy, Debug)]
struct Safe(Durability);

/// `durability LEVEL [hold SPAN|degrade]`: where a stanza has to be before its client is told that it is safe
pub(super) fn durability(words: &mut Words<'_>, scope: &mut Scope) -> Parsed {
    before_nodes(scope)?;
    let level = words.word("a level")?;
    let level = Level::parse(level).ok_or_else(|| format!("{level} is no level"))?;
    let short = if words.take("degrade") {
        Short::Degrade
    } else if words.take("hold") {
        Short::Hold { time: micros(words.span("how long?")?) }
    } else {
        Durability::default().short
    };
    words.end()?;
    Ok(Box::new(Safe(Durability { level, short })))
}

impl Act for Safe {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        stage.durability = self.0;
        Ok(())
    }

    fn part(&self) -> Part {
        Part::Setting
    }
}
