//! `kill`, `poweroff`, `stop`, `start`, `restart`: the life of a node.

use eyot_core::io::Command;

use super::{Act, Parsed, Scope, Stage, Trouble, Words};
use crate::world::Life;

#[derive(Debug)]
struct OnNode {
    node: String,
    change: Change,
}

#[derive(Clone, Copy, Debug)]
enum Change {
    Kill,
    PowerOff,
    Stop,
    Start,
    Restart,
}

fn on_node(words: &mut Words<'_>, scope: &Scope, change: Change) -> Parsed {
    Ok(Box::new(OnNode { node: scope.node(words.word("the node")?)?, change }))
}

/// `kill NODE`: the process dies; what it handed to its system may or may not be on the disk
pub(super) fn kill(words: &mut Words<'_>, scope: &mut Scope) -> Parsed {
    on_node(words, scope, Change::Kill)
}

/// `poweroff NODE`: the machine dies; unsynced writes are lost, nobody is told
pub(super) fn power_off(words: &mut Words<'_>, scope: &mut Scope) -> Parsed {
    on_node(words, scope, Change::PowerOff)
}

/// `stop NODE`: the operator stops it in order
pub(super) fn stop(words: &mut Words<'_>, scope: &mut Scope) -> Parsed {
    on_node(words, scope, Change::Stop)
}

/// `start NODE`: starts a node that is down
pub(super) fn start(words: &mut Words<'_>, scope: &mut Scope) -> Parsed {
    on_node(words, scope, Change::Start)
}

/// `restart NODE`: kills it if it runs, and starts it
pub(super) fn restart(words: &mut Words<'_>, scope: &mut Scope) -> Parsed {
    on_node(words, scope, Change::Restart)
}

impl Act for OnNode {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        stage.set_up()?;
        let node = stage.node(&self.node)?;
        let up = stage.world.life(node) == Life::Up;
        match self.change {
            Change::Kill | Change::PowerOff | Change::Stop if !up => {
                return Err(Trouble::Wrong(format!("node {} does not run", self.node)));
            }
            Change::Kill => stage.world.kill_node(node),
            Change::PowerOff => stage.world.power_off(node),
            Change::Stop => {
                stage.world.command(node, Command::Shutdown);
            }
            Change::Start if up => return Err(Trouble::Wrong(format!("node {} runs already", self.node))),
            Change::Restart => {
                stage.world.kill_node(node);
                stage.world.start_node(node);
            }
            Change::Start => stage.world.start_node(node),
        }
        Ok(())
    }
}
