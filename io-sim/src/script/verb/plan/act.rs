//! A line whose capability is missing.

use super::super::{Act, Part, Scope, Stage, Trouble, Words};
use super::form::{Before, Form, Names};
use super::{account, cluster, federation, history, labels, pubsub, room, upload};

/// Returns all forms, by concern.
pub fn forms() -> impl Iterator<Item = &'static Form> {
    [
        history::FORMS,
        account::FORMS,
        cluster::FORMS,
        room::FORMS,
        pubsub::FORMS,
        federation::FORMS,
        labels::FORMS,
        upload::FORMS,
    ]
    .into_iter()
    .flatten()
}

#[derive(Debug)]
struct Planned {
    form: &'static Form,
    /// What stands behind the verb.
    rest: String,
}

impl Act for Planned {
    fn act(&self, _stage: &mut Stage) -> Result<(), Trouble> {
        Err(Trouble::Pending(self.form.capability.into()))
    }

    fn part(&self) -> Part {
        match self.form.before {
            Before::Setting => Part::Setting,
            Before::Deed | Before::Client | Before::Node => Part::Deed,
            Before::Expect | Before::ExpectClient | Before::ExpectNode => Part::Expect,
        }
    }

    fn texts(&self) -> Vec<&str> {
        vec![&self.rest]
    }

    fn capability(&self) -> Option<&'static str> {
        Some(self.form.capability)
    }
}

/// What reading comes to: nothing when no form begins so.
type Perhaps = Result<Option<Box<dyn Act>>, String>;

/// Reads a line that begins with its verb.
pub(in super::super) fn leading(words: &mut Words<'_>, scope: &mut Scope) -> Perhaps {
    let deed = read(Before::Deed, words, scope)?;
    if deed.is_some() {
        return Ok(deed);
    }
    let setting = read(Before::Setting, words, scope)?;
    if setting.is_some() && scope.begun {
        return Err("this stands above the first line that needs a running node".into());
    }
    Ok(setting)
}

/// Reads what follows the name of a client.
pub(in super::super) fn client(words: &mut Words<'_>, scope: &mut Scope) -> Perhaps {
    read(Before::Client, words, scope)
}

/// Reads what follows the name of a node.
pub(in super::super) fn node(words: &mut Words<'_>, scope: &mut Scope) -> Perhaps {
    read(Before::Node, words, scope)
}

/// Reads what follows `expect`.
pub(in super::super) fn expect(words: &mut Words<'_>, scope: &mut Scope) -> Perhaps {
    read(Before::Expect, words, scope)
}

/// Reads what follows `expect` and the name of a client.
pub(in super::super) fn expect_client(words: &mut Words<'_>, scope: &mut Scope) -> Perhaps {
    read(Before::ExpectClient, words, scope)
}

/// Reads what follows `expect` and the name of a node.
pub(in super::super) fn expect_node(words: &mut Words<'_>, scope: &mut Scope) -> Perhaps {
    read(Before::ExpectNode, words, scope)
}

fn read(before: Before, words: &mut Words<'_>, scope: &mut Scope) -> Perhaps {
    let mut wrong: Option<(usize, String)> = None;
    for form in forms().filter(|form| form.before == before) {
        let mut ahead = *words;
        if !ahead.take(form.verb()) {
            continue;
        }
        match form.read(ahead, scope) {
            Ok(names) => {
                let rest = words.rest().into();
                match form.names {
                    Names::Nothing => {}
                    Names::Routes => scope.routes.extend(names),
                    Names::Labels => scope.labels.extend(names),
                }
                return Ok(Some(Box::new(Planned { form, rest })));
            }
            Err(what) if wrong.as_ref().is_none_or(|(best, _)| form.verb().len() > *best) => {
                wrong = Some((form.verb().len(), format!("{what}: {}", form.text)));
            }
            Err(_) => {}
        }
    }
    wrong.map_or(Ok(None), |(_, what)| Err(what))
}
