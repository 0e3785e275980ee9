//! Independent judges of a run. They read what clients and the world saw, never the state of a node.
//!
//! [`Evidence`] is all they get. [`model::Run`] reads it once: connections, sessions over time, stanzas and whose they are.
//! An [`Oracle`] says what must `always` hold; [`check`] runs them all. [`property`] says what a fleet of runs must show.

mod account_for;
mod accounts;
mod acks;
mod agreed;
mod blocked;
mod boot;
mod bounds;
mod durable;
mod entries;
mod evidence;
mod findings;
mod idle;
mod iq;
mod kept;
mod level;
mod links;
mod liveness;
mod login_time;
pub mod model;
mod once;
mod order;
mod origin;
mod presence;
mod presence_events;
pub mod property;
mod registrar;
mod reunion;
mod rights;
mod session;
mod stream;
#[cfg(test)]
mod tests;
mod violation;

pub use evidence::{Cast, Check, Evidence, Patience};
pub use findings::{Findings, examine};
pub use violation::{Judged, Signature, Violation};

/// One judge.
pub trait Oracle {
    /// Returns its name: lower case, hyphens, stable (it is part of signatures).
    fn name(&self) -> &'static str;

    /// Judges a whole run.
    fn judge(&self, run: &model::Run<'_>) -> Judged;
}

/// All judges there are.
const ORACLES: [&dyn Oracle; 24] = [
    &stream::Streams,
    &origin::Origin,
    &once::Once,
    &order::Order,
    &account_for::AccountFor,
    &iq::Iqs,
    &acks::Acknowledgements,
    &kept::Kept,
    &blocked::Blocked,
    &session::Sessions,
    &presence::Presences,
    &accounts::Accounts,
    &durable::Durable,
    &liveness::Liveness,
    &login_time::LoginTime,
    &idle::Idle,
    &rights::Rights,
    &bounds::Bounds,
    &boot::Boots,
    &links::Links,
    &entries::Entries,
    &level::Levels,
    &agreed::Agreed,
    &reunion::Reunion,
];

/// Lets all oracles judge; what they found, in the order of time.
pub fn check(evidence: &Evidence<'_>) -> Vec<Violation> {
    findings::judge(&model::Run::of(evidence)).violations
}
