//! `route`, `cut route`, `heal route`, `reaches NODE by ROUTE`, `route ROUTE carried nothing`: several ways between two nodes.
//!
//! Lines of the same form about domains wait for servers of other people.

use super::topology::{before_nodes, micros};
use super::{Act, Part, Scope, Stage, Trouble, Words};
use crate::engine::SimSpan;
use crate::script::cluster::NamedRoute;
use crate::world::{Actor, NodeSight, Record};

/// What reading comes to: nothing when the line is none of these.
type Perhaps = Result<Option<Box<dyn Act>>, String>;

/// `route NAME NODE NODE PROFILE [priority N] [proven SPAN]`, `cut route ROUTE`, `heal route ROUTE`
pub(super) fn leading(words: &mut Words<'_>, scope: &mut Scope) -> Perhaps {
    for (verb, cut) in [("cut route", true), ("heal route", false)] {
        let mut ahead = *words;
        if ahead.take(verb)
            && let Some(name) = ahead.next().filter(|name| scope.ways.contains(*name))
        {
            ahead.end()?;
            return Ok(Some(Box::new(Cut { name: name.into(), cut })));
        }
    }
    let mut ahead = *words;
    if !ahead.take("route") {
        return Ok(None);
    }
    let name = String::from(ahead.word("the name of the way")?);
    let (one, other) = (ahead.word("a node")?, ahead.word("the other node")?);
    if !scope.is_node(one) || !scope.is_node(other) {
        return Ok(None);
    }
    before_nodes(scope)?;
    let (one, other) = (String::from(one), String::from(other));
    let profile = scope.profile(ahead.word("the profile of the way")?)?;
    let (mut priority, mut proven) = (0, SimSpan::ZERO);
    loop {
        if ahead.take("priority") {
            let number = ahead.number("the priority")?;
            priority = u32::try_from(number).map_err(|_| format!("a priority of {number} is too much"))?;
        } else if ahead.take("proven") {
            proven = ahead.span("how long")?;
        } else {
            break;
        }
    }
    ahead.end()?;
    if one == other || !scope.routes.insert(name.clone()) {
        return Err(format!("way {name} is named twice, or leads nowhere"));
    }
    scope.ways.insert(name.clone());
    let proven = micros(proven);
    Ok(Some(Box::new(Route(NamedRoute { name, one, other, profile, priority, proven }))))
}

#[derive(Debug)]
struct Route(NamedRoute);

impl Act for Route {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        stage.routes.push(self.0.clone());
        Ok(())
    }

    fn part(&self) -> Part {
        Part::Setting
    }
}

#[derive(Debug)]
struct Cut {
    name: String,
    cut: bool,
}

impl Act for Cut {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        if stage.world.set_cut_route(&self.name, self.cut) {
            Ok(())
        } else {
            Err(Trouble::Wrong(format!("there is no way {} yet", self.name)))
        }
    }
}

/// `route ROUTE carried nothing`
pub(super) fn expect(words: &mut Words<'_>, scope: &Scope) -> Perhaps {
    let mut ahead = *words;
    if !ahead.take("route") {
        return Ok(None);
    }
    let name = ahead.word("the name of the way")?;
    if !scope.ways.contains(name) || !ahead.take("carried nothing") {
        return Ok(None);
    }
    ahead.end()?;
    let silent = Silent(name.into());
    *words = ahead;
    Ok(Some(Box::new(silent)))
}

/// Nothing went out on a way in the chapter.
#[derive(Debug)]
struct Silent(String);

impl Act for Silent {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        let last = stage.world.route_carried(&self.0);
        let seen = last.map(|at| {
            format!("{} carried something at {at}, and the chapter began at {}", self.0, stage.begun)
        });
        stage.judge(last.is_none_or(|at| at < stage.begun), seen.into_iter().collect());
        Ok(())
    }

    fn part(&self) -> Part {
        Part::Expect
    }
}

/// `reaches NODE by ROUTE [within SPAN]`, `reaches NODE over NODE [within SPAN]`, `reaches NODE itself [within SPAN]`
pub(super) fn expect_node(node: &str, words: &mut Words<'_>, scope: &Scope) -> Perhaps {
    let mut ahead = *words;
    if !ahead.take("reaches") {
        return Ok(None);
    }
    let peer = ahead.word("the other node")?;
    if !scope.is_node(peer) {
        return Ok(None);
    }
    let name = if ahead.take("by") {
        let name = ahead.word("the name of the way")?;
        if !scope.ways.contains(name) {
            return Err(format!("there is no way {name}"));
        }
        String::from(name)
    } else if ahead.take("over") {
        format!("over {}", scope.node(ahead.word("the node between")?)?)
    } else if ahead.take("itself") {
        String::new()
    } else {
        return Ok(None);
    };
    let within = if ahead.take("within") { Some(ahead.span("how soon?")?) } else { None };
    ahead.end()?;
    let (node, peer) = (node.into(), peer.into());
    *words = ahead;
    Ok(Some(Box::new(Reaches { node, peer, name, within })))
}

#[derive(Debug)]
struct Reaches {
    node: String,
    peer: String,
    name: String,
    within: Option<SimSpan>,
}

impl Act for Reaches {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        let node = stage.node(&self.node)?;
        let told = |record: &Record| match &record.actor {
            Actor::Node(of, NodeSight::Route(to, name)) if *of == node && **to == *self.peer => {
                Some((record.at, Some(name.clone())))
            }
            // Unless it says otherwise, it reaches it itself.
            Actor::Node(of, NodeSight::Linked(to)) if *of == node && **to == *self.peer => {
                Some((record.at, Some(Box::default())))
            }
            Actor::Node(of, NodeSight::Unlinked(to, _)) if *of == node && **to == *self.peer => {
                Some((record.at, None))
            }
            Actor::Node(of, NodeSight::Started) if *of == node => Some((record.at, None)),
            Actor::Node(..) | Actor::Client(..) | Actor::World(_) => None,
        };
        let last = stage.world.history().iter().rev().find_map(told);
        let met = last.as_ref().is_some_and(|(at, name)| {
            let soon = self.within.is_none_or(|within| at.since(stage.begun) <= within);
            soon && name.as_deref() == Some(&*self.name)
        });
        let seen = last.map(|(at, name)| {
            let way = name.map_or_else(|| "no way".into(), |name| format!("{name}"));
            format!(
                "{} reaches {} by {way} since {at}, and the chapter began at {}",
                self.node, self.peer, stage.begun
            )
        });
        stage.judge(met, seen.into_iter().collect());
        Ok(())
    }

    fn part(&self) -> Part {
        Part::Expect
    }
}
