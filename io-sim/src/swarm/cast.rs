//! Who takes part in a plan.

use super::dice::Dice;
use super::template::Template;
use crate::engine::Purpose;
use crate::net::builtin;

pub(super) const NODES: [&str; 5] = ["a", "b", "c", "d", "e"];
pub(super) const USERS: [&str; 12] =
    ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy", "kim", "lena"];
const RESOURCES: [&str; 6] = ["desk", "phone", "tablet", "car", "watch", "wall"];
const MECHANISMS: [&str; 3] = ["SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"];
/// What clients are told that never get as far as a session.
const ODD: [&str; 5] = ["connects", "secures", "authenticates", "with a wrong password", "without TLS"];
/// A login takes so many round trips and so many bytes, generously.
const LOGIN_TRIPS: u64 = 14;
const LOGIN_BYTES: u64 = 8_000;

/// Everybody.
#[derive(Clone, Debug)]
pub(super) struct Cast {
    pub(super) nodes: Vec<String>,
    /// Accounts: a localpart of the usual domain, or a whole address.
    pub(super) users: Vec<String>,
    /// The account that an operator may take away.
    pub(super) mortal: Option<String>,
    pub(super) people: Vec<Person>,
    /// How long the slowest of them may need for a login, in milliseconds.
    pub(super) login_millis: u64,
}

/// A client.
#[derive(Clone, Debug)]
pub(super) struct Person {
    pub(super) name: String,
    pub(super) account: String,
    /// Whether none before it has the same account.
    pub(super) is_first: bool,
    pub(super) resource: Option<String>,
    pub(super) manner: Manner,
    /// Its line in the plan.
    pub(super) line: String,
}

/// What a client is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// It has a session, and comes back when it loses it.
    Usual,
    /// It has a session, and shares its resource with another client.
    Rival,
    /// It never gets a session; this is what it does.
    Odd(&'static str),
    /// It asks for accounts.
    Guest,
    /// It opens connections and leaves them to the node.
    Storm,
}

impl Cast {
    /// Draws everybody. `login_time` is what the node grants for a login, in milliseconds.
    pub(super) fn draw(template: &Template, seed: u64, login_time: u64) -> Self {
        let shape = Dice::new(seed, Purpose::SwarmShape, "cast", 0);
        let count = |question, range: super::Range| shape.between(question, range.low, range.high);
        let take = |names: &[&str], number: u64| -> Vec<String> {
            let number = usize::try_from(number).unwrap_or(usize::MAX);
            names.iter().take(number).map(|name| String::from(*name)).collect()
        };
        let nodes = take(&NODES, count("nodes", template.nodes));
        let users = users(template, seed, count("users", template.users));
        let mortal = if shape.one_in("mortal", 3) { users.get(2..).and_then(<[_]>::last) } else { None };
        let links: Vec<&String> =
            template.links.iter().filter(|link| login_millis(link) * 2 < login_time).collect();
        let mut cast = Self { mortal: mortal.cloned(), nodes, users, people: Vec::new(), login_millis: 0 };
        for number in 0..count("clients", template.clients) {
            let dice = Dice::new(seed, Purpose::SwarmCast, "client", number);
            cast.add(dice, number, &links);
        }
        for (deed, name, manner, link) in
            [("registers", "guest", Manner::Guest, ""), ("storm", "storm", Manner::Storm, " link lan")]
        {
            if template.deeds.iter().any(|(kind, weight)| kind == deed && *weight > 0) {
                let line = format!("client {name} on {}{link}", cast.nodes[0]);
                let (name, account) = (name.into(), name.into());
                cast.people.push(Person { name, account, is_first: true, resource: None, manner, line });
            }
        }
        cast
    }

    fn add(&mut self, dice: Dice, number: u64, links: &[&String]) {
        let index = usize::try_from(number).unwrap_or(usize::MAX);
        let drawn = dice.pick("account", &self.users, |name| name);
        let account = self.users.get(index).or(drawn).cloned().unwrap_or_default();
        let earlier: Vec<&Person> = self.people.iter().filter(|person| person.account == account).collect();
        let local = account.split('@').next().unwrap_or_default();
        let alike =
            self.people.iter().filter(|person| person.account.split('@').next() == Some(local)).count();
        let name = if alike == 0 { local.into() } else { format!("{local}{}", alike + 1) };
        let who = account.replace('@', " at ");
        let rival = earlier.last().filter(|other| other.manner == Manner::Usual && other.resource.is_some());
        let manner = match rival {
            Some(_) if number > 2 && dice.one_in("rival", 6) => Manner::Rival,
            _ if number > 1 && dice.one_in("odd", 7) => {
                Manner::Odd(dice.pick("how odd", &ODD, |odd| odd).copied().unwrap_or(ODD[0]))
            }
            _ => Manner::Usual,
        };
        let resource = match (manner, rival) {
            (Manner::Rival, Some(rival)) => rival.resource.clone(),
            _ if dice.one_in("made resource", 8) => None,
            _ => {
                Some(RESOURCES.get(earlier.len()).map_or_else(|| format!("r{number}"), |name| (*name).into()))
            }
        };
        let is_first = earlier.is_empty();
        let rivalled = rival.filter(|_| manner == Manner::Rival).map(|other| other.name.clone());
        for other in self.people.iter_mut().filter(|other| Some(&other.name) == rivalled.as_ref()) {
            other.manner = Manner::Rival;
        }
        let link = dice.pick("link", links, |link| link).map_or("home", |link| link.as_str());
        self.login_millis = self.login_millis.max(login_millis(link));
        let server = dice.pick("node", &self.nodes, |name| name).map_or(NODES[0], String::as_str);
        let wanted = resource.as_ref().map(|resource| [" resource ", resource].concat()).unwrap_or_default();
        let text = format!("client {name} on {server} as {who}{wanted}{} link {link}", habits(dice, manner));
        self.people.push(Person { name, account, is_first, resource, manner, line: text });
    }

    /// Returns those who have sessions.
    pub(super) fn speakers(&self) -> Vec<&Person> {
        self.people.iter().filter(|person| person.manner.has_session()).collect()
    }

    /// Returns the accounts that nobody takes away.
    pub(super) fn lasting(&self) -> impl Iterator<Item = &String> {
        self.users.iter().filter(|user| self.mortal.as_ref() != Some(user))
    }

    /// Returns those who must be online when everything is well.
    pub(super) fn core(&self) -> Vec<&Person> {
        let lasting = |person: &&Person| {
            person.manner == Manner::Usual && self.mortal.as_ref() != Some(&person.account)
        };
        self.people.iter().filter(lasting).collect()
    }
}

impl Person {
    /// Returns whether it may be the one with an account that others mean.
    pub(super) const fn has_account(&self) -> bool {
        !matches!(self.manner, Manner::Guest | Manner::Storm)
    }

    /// Returns how it is addressed: by its full JID where that is known beforehand.
    pub(super) fn address(&self) -> String {
        self.resource
            .as_ref()
            .map_or_else(|| self.account.clone(), |resource| format!("{}/{resource}", self.account))
    }

    /// Returns what it does to appear.
    pub(super) fn appears(&self) -> String {
        let verb = match self.manner {
            Manner::Usual | Manner::Rival => "comes online",
            Manner::Guest | Manner::Storm => "connects",
            Manner::Odd("connects" | "secures" | "authenticates") => {
                let Manner::Odd(verb) = self.manner else { return String::new() };
                verb
            }
            Manner::Odd(_) => "logs in",
        };
        format!("{} {verb}", self.name)
    }
}

impl Manner {
    pub(super) const fn has_session(self) -> bool {
        matches!(self, Self::Usual | Self::Rival)
    }
}

/// Draws the accounts. Where a template has several domains, the first two accounts are of different ones, and some names are
/// those of others elsewhere.
fn users(template: &Template, seed: u64, count: u64) -> Vec<String> {
    let mut users: Vec<String> = Vec::new();
    for (number, own) in (0..count).zip(USERS) {
        let dice = Dice::new(seed, Purpose::SwarmCast, "account", number);
        let others = template.domains.get(1..).unwrap_or_default();
        let elsewhere = number == 1 || (number > 1 && dice.one_in("elsewhere", 2));
        let Some(domain) = dice.pick("domain", others, |domain| domain).filter(|_| elsewhere) else {
            users.push(own.into());
            continue;
        };
        let alike =
            users.first().filter(|_| dice.one_in("alike", 2)).map(|first| format!("{first}@{domain}"));
        let alike = alike.filter(|alike| !users.contains(alike));
        users.push(alike.unwrap_or_else(|| format!("{own}@{domain}")));
    }
    users
}

/// Draws how a client connects, logs in and comes back.
fn habits(dice: Dice, manner: Manner) -> String {
    match manner {
        Manner::Odd("without TLS") => " over plain".into(),
        Manner::Odd("with a wrong password") => " password \"not the one\"".into(),
        Manner::Odd(_) | Manner::Guest | Manner::Storm => String::new(),
        Manner::Usual | Manner::Rival => {
            let direct = if dice.one_in("direct", 3) { " over direct" } else { "" };
            let drawn = dice.pick("which mechanism", &MECHANISMS, |name| name);
            let mechanism = drawn.filter(|_| dice.one_in("mechanism", 3));
            let with = mechanism.map(|name| [" with ", name].concat()).unwrap_or_default();
            let again = dice.scaled("reconnecting", 500, 8_000);
            format!("{direct}{with} reconnecting {again}ms")
        }
    }
}

/// Returns how long a login over a link may take, in milliseconds; nothing is known of the profiles of a file.
fn login_millis(link: &str) -> u64 {
    let Some(profile) = builtin(link) else { return 1_000 };
    let lines = [profile.up, profile.down];
    let trip = lines.iter().map(|line| line.latency.as_nanos() + line.jitter.as_nanos()).sum::<u64>();
    let bytes = lines.map(|line| line.serialisation(LOGIN_BYTES).as_nanos()).into_iter().max().unwrap_or(0);
    (trip * LOGIN_TRIPS + bytes) / 1_000_000 + 100
}
