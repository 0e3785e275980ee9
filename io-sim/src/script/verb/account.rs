//! `account NAME [password "..."]`: an account that is there when the story begins.

use eyot_core::io::{Answer, Command};

use super::{Act, Parsed, Part, Scope, Stage, Trouble, Words};
use crate::script::stage::secret;
use crate::world::Step;

#[derive(Debug)]
struct Account {
    name: String,
    password: String,
}

pub(super) fn account(words: &mut Words<'_>, _scope: &mut Scope) -> Parsed {
    let name = String::from(words.word("the name of the account")?);
    let password = if words.take("password") {
        String::from(words.word("the password")?)
    } else {
        default_password(&name)
    };
    Ok(Box::new(Account { name, password }))
}

/// Returns the password of an account whose line gives none.
pub(super) fn default_password(name: &str) -> String {
    format!("secret of {name}")
}

impl Act for Account {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        stage.set_up()?;
        let user = stage.bare(&self.name)?;
        let local = user.local().map(String::from).unwrap_or_default();
        let known = (String::from(user.as_str()), self.password.clone());
        if user.domain() == stage.domain() || !stage.accounts.contains_key(&local) {
            stage.accounts.insert(local, known.clone());
        }
        stage.accounts.insert(user.as_str().into(), known);
        // On the first node: the others of a cluster hear of it, and in no cluster nobody else needs it.
        let node = stage.node_names.first().cloned().unwrap_or_default();
        let node = stage.node(&node)?;
        let from = stage.world.history().len();
        let command = Command::UserAdd { user: user.clone(), password: Some(secret(&self.password)) };
        stage.world.command(node, command);
        let limit = stage.patience();
        while stage.answered(node, from).is_none() {
            if stage.step(limit) == Step::Nothing {
                return Err(Trouble::Wrong(format!("the account {} was never made", self.name)));
            }
        }
        if let Some(Answer::Refused(refusal)) = stage.answered(node, from) {
            return Err(Trouble::Wrong(format!("the account {} was refused: {refusal:?}", self.name)));
        }
        Ok(())
    }

    fn introduces(&self) -> Option<&str> {
        Some(&self.name)
    }

    fn part(&self) -> Part {
        Part::Setting
    }
}
