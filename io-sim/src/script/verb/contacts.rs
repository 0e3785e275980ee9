//! `contacts WHO...`: who sees whom when the story begins.

use super::account::default_password;
use super::{Act, Parsed, Part, Scope, Stage, Trouble, Watched, Words, needs};
use crate::client::{Ask, ClientConfig, Goal, Op, Over, Presence};
use crate::net::{Line, LinkProfile};
use crate::script::capability::ROSTERS;

/// What the resources of those are called who make the contacts.
const RESOURCE: &str = "contacts";

#[derive(Debug)]
struct Contacts(Vec<String>);

/// `contacts WHO...`: they all see each other's presence, and have each other in their rosters. They have asked for it
/// themselves: before the story begins a client of each logs in to the first node, subscribes to the others, accepts
/// them, and leaves
pub(super) fn contacts(words: &mut Words<'_>, scope: &mut Scope) -> Parsed {
    if scope.begun {
        return Err("this stands above the first line that needs a running node".into());
    }
    let mut all = Vec::new();
    while let Some(word) = words.next() {
        all.push(String::from(word));
    }
    if all.len() < 2 {
        return Err("contacts are at least two: contacts alice bob".into());
    }
    Ok(needs::watching(ROSTERS, Watched::Roster, Contacts(all)))
}

impl Act for Contacts {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        stage.set_up()?;
        let mut all = Vec::new();
        for who in &self.0 {
            all.push((newcomer(stage, who)?, String::from(stage.bare(&stage.address(who)?)?.as_str())));
        }
        for (name, _) in &all {
            stage.tell(name, Op::Reach(Goal::Bound))?;
            stage.tell(name, Op::Ask(Ask::Roster))?;
            stage.tell(name, Op::Presence(Presence::default()))?;
        }
        stage.rest()?;
        for kind in ["subscribe", "subscribed"] {
            for (name, own) in &all {
                for (_, other) in all.iter().filter(|(_, other)| other != own) {
                    let presence =
                        Presence { kind: Some(kind.into()), to: Some(other.clone()), ..Presence::default() };
                    stage.tell(name, Op::Presence(presence))?;
                    // One after the other: what they do at once has no order.
                    stage.rest()?;
                }
            }
        }
        let done = all.iter().all(|(name, own)| {
            stage.client(name).is_ok_and(|client| {
                let contacts = stage.world.client(client).kept().roster.contacts();
                let sees = |other: &str| contacts.get(other).is_some_and(|one| one.subscription == "both");
                all.iter().all(|(_, other)| other == own || sees(other))
            })
        });
        for (name, _) in &all {
            stage.tell(name, Op::Close)?;
            stage.rest()?;
        }
        if done {
            Ok(())
        } else {
            Err(Trouble::Wrong(format!("{} did not become contacts", self.0.join(" "))))
        }
    }

    fn part(&self) -> Part {
        Part::Setting
    }
}

/// Adds somebody who makes the contacts of an account; returns its name.
fn newcomer(stage: &mut Stage, who: &str) -> Result<String, Trouble> {
    let password = stage.accounts.get(who).map(|(_, password)| password.clone());
    let bare = stage.bare(&stage.address(who)?)?;
    let mut name = format!("({who})");
    while stage.clients.contains_key(&name) {
        name = format!("({name})");
    }
    let config = ClientConfig {
        domain: bare.domain().into(),
        user: bare.local().map(String::from).unwrap_or_default(),
        password: password.unwrap_or_else(|| default_password(who)),
        resource: Some(RESOURCE.into()),
        over: Over::StartTls,
        mechanism: None,
        gs2: None,
        injected: None,
    };
    let node = stage.node_names.first().cloned().unwrap_or_default();
    stage.add_client(&name, &node, LinkProfile::symmetric(Line::PERFECT), config)?;
    Ok(name)
}
