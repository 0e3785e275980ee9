//! `seats`, `NODE founds a cluster`, `NODE makes token NAME`, `NODE joins NODE`, `NODE joins by NAME`, `NODE forgets NODE`: clusters whose
//! members stand in the stores of the nodes.

use eyot_core::io::{Answer, ClusterCommand, Command, CommandId, Secret};

use super::topology::{before_nodes, micros};
use super::{Act, Parsed, Part, Scope, Stage, Trouble, Words};
use crate::engine::SimSpan;
use crate::world::{Actor, NodeIx, NodeSight, Step};

/// How long a token is good unless somebody says otherwise.
const LIFE: SimSpan = SimSpan::from_secs(600);

#[derive(Debug)]
struct Seats;

/// `seats`: the nodes know how others reach them, and nobody is a member as yet
pub(super) fn seats(words: &mut Words<'_>, scope: &mut Scope) -> Parsed {
    before_nodes(scope)?;
    words.end()?;
    Ok(Box::new(Seats))
}

impl Act for Seats {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        stage.seated = true;
        Ok(())
    }

    fn part(&self) -> Part {
        Part::Setting
    }
}

#[derive(Debug)]
struct Asks {
    node: String,
    wish: Wish,
}

#[derive(Debug)]
enum Wish {
    /// Found a cluster.
    Found,
    /// Make a token under this name, for so long.
    Token(String, SimSpan),
    /// Join with a token that this node makes for it.
    Join(String),
    /// Join with the token of this name.
    JoinBy(String),
    /// Forget this node, also when it is up.
    Forget(String, bool),
}

/// What an operator asks of a node about the cluster; nothing when it is none of these
pub(super) fn node(words: &mut Words<'_>, scope: &Scope, node: &str) -> Result<Option<Box<dyn Act>>, String> {
    let wish = if words.take("founds a cluster") {
        Wish::Found
    } else if words.take("makes token") {
        let name = words.word("the name of the token")?.to_owned();
        let life = if words.take("for") { words.span("how long?")? } else { LIFE };
        Wish::Token(name, life)
    } else if words.take("joins by") {
        Wish::JoinBy(words.word("the name of the token")?.into())
    } else if words.take("joins") {
        Wish::Join(scope.node(words.word("the node that makes a token")?)?)
    } else if words.take("forgets") {
        let name = scope.node(words.word("the node")?)?;
        Wish::Forget(name, words.take("by force"))
    } else {
        return Ok(None);
    };
    words.end()?;
    Ok(Some(Box::new(Asks { node: node.into(), wish })))
}

impl Act for Asks {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        stage.set_up()?;
        let node = stage.node(&self.node)?;
        let ask = match &self.wish {
            Wish::Found => ClusterCommand::Init,
            Wish::Token(name, life) => {
                let token = make_token(stage, node, *life)?;
                stage.tokens.insert(name.clone(), token);
                return Ok(());
            }
            Wish::Join(of) => {
                let of = stage.node(of)?;
                ClusterCommand::Join { token: make_token(stage, of, LIFE)? }
            }
            Wish::JoinBy(name) => {
                let token = stage.tokens.get(name).cloned();
                let token =
                    token.ok_or_else(|| Trouble::Wrong(format!("nobody has made the token {name}")))?;
                ClusterCommand::Join { token }
            }
            Wish::Forget(name, force) => ClusterCommand::Forget { name: name.as_str().into(), force: *force },
        };
        stage.world.command(node, Command::Cluster { ask });
        Ok(())
    }
}

/// Lets a node make a token, and waits for it.
fn make_token(stage: &mut Stage, node: NodeIx, life: SimSpan) -> Result<Secret, Trouble> {
    let ask = ClusterCommand::Token { life: micros(life), site: None };
    let id = stage.world.command(node, Command::Cluster { ask });
    let limit = stage.world.now() + SimSpan::from_secs(60);
    loop {
        match answer(stage, node, id) {
            Some(Answer::Token(token)) => return Ok(token),
            Some(other) => return Err(Trouble::Wrong(format!("no token, but {other:?}"))),
            None if stage.step(limit) == Step::Nothing => {
                return Err(Trouble::Wrong("no token within a minute".into()));
            }
            None => {}
        }
    }
}

fn answer(stage: &Stage, node: NodeIx, id: CommandId) -> Option<Answer> {
    let history = stage.world.history();
    history.iter().rev().find_map(|record| match &record.actor {
        Actor::Node(of, NodeSight::Answered(answered, answer)) if *of == node && *answered == id => {
            Some(answer.clone())
        }
        Actor::Node(..) | Actor::Client(..) | Actor::World(_) => None,
    })
}
