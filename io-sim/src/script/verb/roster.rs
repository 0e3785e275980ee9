//! Contacts and presence subscriptions (RFC 6121, 2 and 3).

use eyot_core::xml::{Node, ns};

use super::claim::{Claim, Claims};
use super::needs::watching;
use super::{Act, Parsed, Scope, Stage, Trouble, Watched, Words};
use crate::client::{Contact, Op, Payload, Presence};
use crate::script::capability::ROSTERS;
use crate::world::ClientIx;

#[derive(Debug)]
struct Subscription {
    client: String,
    kind: &'static str,
    who: String,
}

fn subscription(client: String, kind: &'static str, words: &mut Words<'_>) -> Parsed {
    let who = words.word("whom")?.into();
    Ok(watching(ROSTERS, Watched::Roster, Subscription { client, kind, who }))
}

/// `NAME subscribes to WHO`: asks to see their presence
pub(super) fn subscribes(client: String, words: &mut Words<'_>, _scope: &Scope) -> Parsed {
    if !words.take("to") {
        return Err("somebody subscribes to somebody: alice subscribes to bob".into());
    }
    subscription(client, "subscribe", words)
}

/// `NAME unsubscribes from WHO`
pub(super) fn unsubscribes(client: String, words: &mut Words<'_>, _scope: &Scope) -> Parsed {
    if !words.take("from") {
        return Err("somebody unsubscribes from somebody: alice unsubscribes from bob".into());
    }
    subscription(client, "unsubscribe", words)
}

/// `NAME accepts WHO`, `NAME pre-approves WHO`: lets them see its presence; the same before they have asked
pub(super) fn accepts(client: String, words: &mut Words<'_>, _scope: &Scope) -> Parsed {
    subscription(client, "subscribed", words)
}

/// `NAME refuses WHO`: does not, or not any longer
pub(super) fn refuses(client: String, words: &mut Words<'_>, _scope: &Scope) -> Parsed {
    subscription(client, "unsubscribed", words)
}

impl Act for Subscription {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        let to = Some(stage.address(&self.who)?);
        let presence = Presence { kind: Some(self.kind.into()), to, ..Presence::default() };
        stage.tell(&self.client, Op::Presence(presence))
    }
}

#[derive(Debug)]
struct Change {
    client: String,
    who: String,
    /// Nothing for a removal: the name and the groups.
    item: Option<(Option<String>, Vec<String>)>,
}

/// `NAME puts WHO in its roster [as TEXT] [group TEXT]`
pub(super) fn puts(client: String, words: &mut Words<'_>, _scope: &Scope) -> Parsed {
    let who = words.word("whom")?.into();
    if !words.take("in its roster") {
        return Err("somebody is put into a roster: alice puts bob in its roster".into());
    }
    let (name, groups) = details(words)?;
    Ok(watching(ROSTERS, Watched::Roster, Change { client, who, item: Some((name, groups)) }))
}

/// `NAME removes WHO from its roster`
pub(super) fn removes(client: String, words: &mut Words<'_>, _scope: &Scope) -> Parsed {
    let who = words.word("whom")?.into();
    if !words.take("from its roster") {
        return Err("somebody is removed from a roster: alice removes bob from its roster".into());
    }
    Ok(watching(ROSTERS, Watched::Roster, Change { client, who, item: None }))
}

fn details(words: &mut Words<'_>) -> Result<(Option<String>, Vec<String>), String> {
    let (mut name, mut groups) = (None, Vec::new());
    loop {
        if words.take("as") {
            name = Some(words.word("the name")?.into());
        } else if words.take("group") {
            groups.push(words.word("the group")?.into());
        } else {
            return Ok((name, groups));
        }
    }
}

impl Act for Change {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        let mut node = Node::new("item", ns::ROSTER).with_attr("jid", &stage.address(&self.who)?);
        match &self.item {
            Some((name, groups)) => {
                if let Some(name) = name {
                    node = node.with_attr("name", name);
                }
                for group in groups {
                    node = node.with_child(Node::new("group", ns::ROSTER).with_text(group));
                }
            }
            None => node = node.with_attr("subscription", "remove"),
        }
        let payload = Payload::Tree(Node::new("query", ns::ROSTER).with_child(node));
        stage.tell(&self.client, Op::Iq { kind: "set", to: None, payload })
    }
}

#[derive(Debug)]
enum Want {
    Has { who: String, name: Option<String>, groups: Vec<String>, subscription: Option<String> },
    Lacks(String),
}

/// `roster has WHO [as TEXT] [group TEXT] [subscription none|to|from|both|pending|approved]`, `roster lacks WHO`; nothing
/// when it is neither
///
/// # Errors
///
/// What is wrong with it.
pub(super) fn expect(client: &str, words: &mut Words<'_>) -> Result<Option<Box<dyn Act>>, String> {
    let claim = if words.take("roster has") {
        let who = words.word("whom")?.into();
        let (mut name, mut groups) = details(words)?;
        let mut subscription = None;
        if words.take("subscription") {
            let kind = words.word("which")?;
            if !["none", "to", "from", "both", "pending", "approved"].contains(&kind) {
                return Err(format!("there is no subscription {kind}"));
            }
            subscription = Some(kind.into());
        }
        let (other, more) = details(words)?;
        name = name.or(other);
        groups.extend(more);
        Want::Has { who, name, groups, subscription }
    } else if words.take("roster lacks") {
        Want::Lacks(words.word("whom")?.into())
    } else {
        return Ok(None);
    };
    words.end()?;
    Ok(Some(watching(ROSTERS, Watched::Roster, Claims { who: client.into(), claim })))
}

impl Claim for Want {
    fn holds(&self, stage: &Stage, client: ClientIx) -> Result<(bool, Vec<String>), Trouble> {
        let roster = &stage.world.client(client).kept().roster;
        let (Self::Has { who, .. } | Self::Lacks(who)) = self;
        let found = roster.contacts().get(&stage.address(who)?);
        let met = match (self, found) {
            (Self::Has { name, groups, subscription, .. }, Some(contact)) => {
                let named = name.is_none() || *name == contact.name;
                let grouped = groups.iter().all(|group| contact.groups.contains(group));
                named && grouped && subscription.as_ref().is_none_or(|kind| is_so(contact, kind))
            }
            (Self::Has { .. }, None) => false,
            (Self::Lacks(_), found) => roster.is_known() && found.is_none(),
        };
        let seen = roster.contacts().iter().map(|(jid, contact)| format!("{jid}: {contact:?}"));
        let known = (!roster.is_known()).then(|| String::from("it was never told its roster"));
        Ok((met, seen.chain(known).collect()))
    }
}

fn is_so(contact: &Contact, kind: &str) -> bool {
    match kind {
        "pending" => contact.asks,
        "approved" => contact.approved,
        kind => contact.subscription == kind,
    }
}
