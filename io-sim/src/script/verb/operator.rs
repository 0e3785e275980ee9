//! `NODE user add|passwd|remove|list ...`: what an operator asks of a node.

use eyot_core::io::Command;

use super::{Act, Parsed, Stage, Trouble, Words};
use crate::script::stage::secret;

#[derive(Debug)]
struct Asks {
    node: String,
    wish: Wish,
}

#[derive(Debug)]
enum Wish {
    Add { name: String, password: Option<String> },
    Passwd { name: String, password: Option<String> },
    Remove { name: String },
    List { domain: Option<String> },
}

/// `NODE user add NAME [password "..."]`, `NODE user passwd NAME [password "..."]`, `NODE user remove NAME`,
/// `NODE user list [DOMAIN]`
pub(super) fn user(node: String, words: &mut Words<'_>) -> Parsed {
    let wish = match words.word("add, passwd, remove or list")? {
        "add" => Wish::Add { name: words.word("the user")?.into(), password: password(words)? },
        "passwd" => Wish::Passwd { name: words.word("the user")?.into(), password: password(words)? },
        "remove" => Wish::Remove { name: words.word("the user")?.into() },
        "list" => Wish::List {
            domain: (!words.is_empty()).then(|| words.word("the domain")).transpose()?.map(Into::into),
        },
        other => return Err(format!("an operator can add, passwd, remove or list, not {other}")),
    };
    Ok(Box::new(Asks { node, wish }))
}

fn password(words: &mut Words<'_>) -> Result<Option<String>, String> {
    if words.take("password") { Ok(Some(words.word("the password")?.into())) } else { Ok(None) }
}

impl Act for Asks {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        stage.set_up()?;
        let node = stage.node(&self.node)?;
        let command = match &self.wish {
            Wish::Add { name, password } => {
                let user = stage.bare(name)?;
                if let Some(password) = password {
                    stage.accounts.insert(name.clone(), (user.as_str().into(), password.clone()));
                }
                Command::UserAdd { user, password: password.as_deref().map(secret) }
            }
            Wish::Passwd { name, password } => {
                Command::UserPasswd { user: stage.bare(name)?, password: password.as_deref().map(secret) }
            }
            Wish::Remove { name } => Command::UserRemove { user: stage.bare(name)? },
            Wish::List { domain } => {
                let domain = domain.clone().unwrap_or_else(|| stage.domain().into());
                Command::UserList { domain: domain.into(), after: None }
            }
        };
        stage.world.command(node, command);
        Ok(())
    }

    fn introduces(&self) -> Option<&str> {
        match &self.wish {
            Wish::Add { name, .. } => Some(name),
            Wish::Passwd { .. } | Wish::Remove { .. } | Wish::List { .. } => None,
        }
    }
}
