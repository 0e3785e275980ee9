//! `linked to`, `durability`: what a node says of its link to another one, and of how many there are to hold what is said.

use super::{Act, Parsed, Part, Scope, Stage, Trouble, Words};
use crate::engine::SimSpan;
use crate::world::{Actor, NodeSight, Record};

#[derive(Debug)]
struct Link {
    node: String,
    peer: String,
    want: Want,
    within: Option<SimSpan>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Want {
    Linked,
    NotLinked,
    /// It is linked, and has been so for the whole chapter.
    StillLinked,
}

/// `sees NODE reachable|unreachable [within SPAN]`, `still sees NODE reachable`, and in other words `linked to NODE [within SPAN]`,
/// `not linked to NODE [within SPAN]`, `still linked to NODE`; nothing when it is none of these
pub(super) fn expect(
    node: &str,
    words: &mut Words<'_>,
    scope: &Scope,
) -> Result<Option<Box<dyn Act>>, String> {
    let (want, peer) = if let Some(seen) = sees(words)? {
        seen
    } else if words.take("linked to") {
        (Want::Linked, words.word("the other node")?)
    } else if words.take("not linked to") {
        (Want::NotLinked, words.word("the other node")?)
    } else if words.take("still linked to") {
        (Want::StillLinked, words.word("the other node")?)
    } else {
        return Ok(None);
    };
    let peer = scope.node(peer)?;
    let within =
        if want != Want::StillLinked && words.take("within") { Some(words.span("how soon")?) } else { None };
    words.end()?;
    let link: Parsed = Ok(Box::new(Link { node: node.into(), peer, want, within }));
    link.map(Some)
}

/// `sees NODE reachable|unreachable`, `still sees NODE reachable`; nothing when it is neither: there is more to see of a node.
fn sees<'a>(words: &mut Words<'a>) -> Result<Option<(Want, &'a str)>, String> {
    let mut ahead = *words;
    let still = ahead.take("still sees");
    if !still && !ahead.take("sees") {
        return Ok(None);
    }
    let peer = ahead.word("the other node")?;
    let want = match (still, ahead.next()) {
        (false, Some("reachable")) => Want::Linked,
        (false, Some("unreachable")) => Want::NotLinked,
        (true, Some("reachable")) => Want::StillLinked,
        (_, Some(_) | None) => return Ok(None),
    };
    *words = ahead;
    Ok(Some((want, peer)))
}

impl Act for Link {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        let node = stage.node(&self.node)?;
        let told = |record: &Record| match &record.actor {
            Actor::Node(of, NodeSight::Linked(to)) if *of == node && **to == *self.peer => Some(true),
            Actor::Node(of, NodeSight::Unlinked(to, _)) if *of == node && **to == *self.peer => Some(false),
            // Who does not run reaches nobody.
            Actor::Node(of, NodeSight::Started) if *of == node => Some(false),
            Actor::Node(..) | Actor::Client(..) | Actor::World(_) => None,
        };
        let history = stage.world.history();
        let last = history.iter().rev().find_map(|record| told(record).map(|linked| (record.at, linked)));
        let linked = last.is_some_and(|(_, linked)| linked);
        let soon =
            self.within.is_none_or(|within| last.is_some_and(|(at, _)| at.since(stage.begun) <= within));
        let quiet = stage.records().iter().all(|record| told(record).is_none());
        let met = match self.want {
            Want::Linked => linked && soon,
            Want::NotLinked => !linked && soon,
            Want::StillLinked => linked && quiet,
        };
        let seen = last.map(|(at, linked)| {
            let verb = if linked { "reaches" } else { "does not reach" };
            format!("{} {verb} {} since {at}, and the chapter began at {}", self.node, self.peer, stage.begun)
        });
        stage.judge(met, seen.into_iter().collect());
        Ok(())
    }

    fn part(&self) -> Part {
        Part::Expect
    }
}

#[derive(Debug)]
struct Safe {
    node: String,
    is_met: bool,
}

/// `durability met|below`: what a node has said last of the levels of its domains; nothing when it is no such line
pub(super) fn expect_level(node: &str, words: &mut Words<'_>) -> Result<Option<Box<dyn Act>>, String> {
    if !words.take("durability") {
        return Ok(None);
    }
    let is_met = match words.word("met or below?")? {
        "met" => true,
        "below" => false,
        other => return Err(format!("{other}: met or below?")),
    };
    words.end()?;
    Ok(Some(Box::new(Safe { node: node.into(), is_met })))
}

impl Act for Safe {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        let node = stage.node(&self.node)?;
        let told = |record: &Record| match &record.actor {
            Actor::Node(of, NodeSight::Level(_, level, there)) if *of == node => {
                Some((record.at, *level, *there))
            }
            Actor::Node(..) | Actor::Client(..) | Actor::World(_) => None,
        };
        let last = stage.world.history().iter().rev().find_map(told);
        let is_met = last.map(|(_, level, there)| there >= level.wanted());
        let seen =
            last.map(|(at, level, there)| format!("{} said at {at}: {level}, {there} there", self.node));
        stage.judge(is_met == Some(self.is_met), seen.into_iter().collect());
        Ok(())
    }

    fn part(&self) -> Part {
        Part::Expect
    }
}
