//! The verbs. A line begins with a verb, or with the name of a client or node and then a verb.

mod account;
mod acks;
mod agree;
mod asks;
mod blocking;
mod carbons;
mod cast;
mod claim;
mod contacts;
mod expect;
mod fault;
mod heard;
mod history;
mod inject;
mod linked;
mod login;
mod matching;
mod members;
mod membership;
mod needs;
mod node;
mod operator;
mod plan;
mod presence;
mod profile;
mod room;
mod roster;
mod route;
mod says;
mod time;
mod told;
mod topology;
mod when;
mod xml;

use core::fmt::Debug;

pub use plan::{Before, Form, Names, forms};

use super::scope::Scope;
use super::stage::{Stage, Trouble};
use super::words::Words;

/// What one line does.
pub trait Act: Debug {
    /// Does it.
    ///
    /// # Errors
    ///
    /// [`Trouble`] when it cannot be done; an expectation that does not hold is no trouble but a verdict.
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble>;

    /// Returns what part it plays.
    fn part(&self) -> Part {
        Part::Deed
    }

    /// Returns whether it brings a fault about.
    fn breaks(&self) -> bool {
        false
    }

    /// Returns the texts in which it fills in what is open.
    fn texts(&self) -> Vec<&str> {
        Vec::new()
    }

    /// Returns the user of whom it speaks first: one with an account, or who asks for one.
    fn introduces(&self) -> Option<&str> {
        None
    }

    /// Returns the capability that is missing, if one is.
    fn capability(&self) -> Option<&'static str> {
        None
    }

    /// Returns what clients ask for as soon as they come online, because this line is about what they are told of it.
    fn watched(&self) -> Option<Watched> {
        None
    }
}

/// What a server tells a client of only when it has asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Watched {
    /// The contacts.
    Roster,
    /// The blocked addresses.
    Blocklist,
}

/// What part a line plays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// It says how things are before anything happens.
    Setting,
    /// Something is done.
    Deed,
    /// Time passes.
    Time(Pace),
    /// Something is done later (see [`Act::act`] of `inner`, the line behind the time).
    Later(crate::engine::SimTime),
    /// Something is done as soon as something else has happened (see [`Act::act`] of the line behind it).
    Upon {
        /// What happens.
        trigger: crate::fault::Trigger,
        /// Whether the line brings a fault about.
        breaks: bool,
    },
    /// From a time on something is done as soon as something else has happened.
    LaterUpon {
        /// From when on.
        at: crate::engine::SimTime,
        /// What happens.
        trigger: crate::fault::Trigger,
        /// Whether the line brings a fault about.
        breaks: bool,
    },
    /// Something must hold.
    Expect,
    /// Everything that is due must have been done: oracles of liveness judge here.
    Check,
}

/// How time passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// So long.
    For(crate::engine::SimSpan),
    /// Until nothing is on its way.
    Settle,
}

/// What reading a line comes to.
pub(super) type Parsed = Result<Box<dyn Act>, String>;

/// Reads what follows a leading verb.
type Leading = fn(&mut Words<'_>, &mut Scope) -> Parsed;
/// Reads what follows a name and a verb.
type Spoken = fn(String, &mut Words<'_>, &Scope) -> Parsed;

const LEADING: [(&str, Leading); 40] = [
    ("domain", topology::domain),
    ("limit", topology::limit),
    ("resume", topology::resume),
    ("nodes", topology::nodes),
    ("members", members::members),
    ("seats", membership::seats),
    ("grace", members::grace),
    ("hysteresis", members::hysteresis),
    ("durability", members::durability),
    ("site", topology::site),
    ("profile", profile::profile),
    ("link", topology::link),
    ("room", room::room),
    ("seed", topology::seed),
    ("slices", topology::slices),
    ("batch", topology::batch),
    ("buffers", topology::buffers),
    ("account", account::account),
    ("client", cast::client),
    ("contacts", contacts::contacts),
    ("wait", time::wait),
    ("settle", time::settle),
    ("check", time::check),
    ("at", time::at),
    ("when", when::when),
    ("fault", inject::fault),
    ("budget", inject::budget),
    ("cut", fault::cut),
    ("heal", fault::heal),
    ("reset", fault::reset),
    ("swallow", fault::swallow),
    ("vanish", fault::vanish),
    ("mitm", fault::mitm),
    ("disk", fault::disk),
    ("kill", node::kill),
    ("poweroff", node::power_off),
    ("stop", node::stop),
    ("start", node::start),
    ("restart", node::restart),
    ("expect", expect::expect),
];

const OF_CLIENTS: [(&str, Spoken); 40] = [
    ("connects", login::connects),
    ("secures", login::secures),
    ("authenticates", login::authenticates),
    ("logs in", login::logs_in),
    ("comes online", login::comes_online),
    ("registers", login::registers),
    ("closes", login::closes),
    ("drops", login::drops),
    ("says", says::says),
    ("types", says::types),
    ("is available", presence::available),
    ("is unavailable", presence::unavailable),
    ("pings", asks::pings),
    ("asks", asks::asks),
    ("sends", xml::sends),
    ("sets vcard", asks::sets_vcard),
    ("stores private", asks::stores_private),
    ("enables", acks::enables),
    ("disables", acks::disables),
    ("stops acking", acks::stops_acking),
    ("acks", acks::acks),
    ("resumes", acks::resumes),
    ("moves to", acks::moves),
    ("repeats", acks::repeats),
    ("active", acks::active),
    ("inactive", acks::inactive),
    ("subscribes", roster::subscribes),
    ("unsubscribes", roster::unsubscribes),
    ("accepts", roster::accepts),
    ("pre-approves", roster::accepts),
    ("refuses", roster::refuses),
    ("puts", roster::puts),
    ("removes", roster::removes),
    ("blocks", blocking::blocks),
    ("unblocks", blocking::unblocks),
    ("pages", history::pages),
    ("catches up", history::catches_up),
    ("archives", history::archives),
    ("stops reading", fault::stops_reading),
    ("reads again", fault::reads_again),
];

/// Returns the verbs that begin a line.
#[cfg(test)]
pub(crate) fn leading() -> impl Iterator<Item = &'static str> {
    LEADING.iter().map(|(verb, _)| *verb)
}

/// Reads one line.
///
/// # Errors
///
/// What is wrong with it.
pub(super) fn parse(line: &str, scope: &mut Scope) -> Parsed {
    let mut words = Words::new(line);
    if let Some(act) = route::leading(&mut words, scope)? {
        scope.begun |= act.part() != Part::Setting;
        return Ok(act);
    }
    if let Some(act) = plan::leading(&mut words, scope)? {
        scope.begun |= act.part() != Part::Setting;
        return Ok(act);
    }
    for (verb, read) in LEADING {
        if words.take(verb) {
            let act = read(&mut words, scope)?;
            words.end()?;
            scope.begun |= act.part() != Part::Setting;
            return Ok(act);
        }
    }
    let subject = words.word("a verb")?;
    scope.begun = true;
    if scope.is_node(subject)
        && let Some(act) = membership::node(&mut words, scope, subject)?
    {
        return Ok(act);
    }
    if scope.is_node(subject)
        && let Some(act) = plan::node(&mut words, scope)?
    {
        return Ok(act);
    }
    if scope.clients.contains(subject) && words.take("asks for ack") {
        words.end()?;
        scope.acting.insert(subject.into());
        return Ok(acks::asks(subject.into()));
    }
    if scope.is_node(subject) && words.take("user") {
        let act = operator::user(scope.node(subject)?, &mut words)?;
        words.end()?;
        return Ok(act);
    }
    if scope.clients.contains(subject)
        && let Some(act) = plan::client(&mut words, scope)?
    {
        scope.acting.insert(subject.into());
        return Ok(act);
    }
    for (verb, read) in OF_CLIENTS {
        if words.take(verb) {
            let act = read(scope.client(subject)?, &mut words, scope)?;
            words.end()?;
            scope.acting.insert(subject.into());
            return Ok(act);
        }
    }
    Err(format!("unknown verb: {line}"))
}
