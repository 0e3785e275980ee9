//! A model of a cluster: members that write, crash, lose disks, go back to old ones, and exchange what they hold, with everything the
//! replicated kinds are for. Nothing of it is in the server.
//!
//! Reading order: `domain` (what a member holds), `ledger` (what an observer who knows everything expects of it), `draws` (chance),
//! `mood` (what befalls them, and how often), `world` (the members), `sessions` (who is shown what), `readers` (who catches up from
//! where), `tally` (what came about), `histories` (the test).

mod domain;
mod draws;
mod histories;
mod ledger;
mod mood;
mod readers;
mod sessions;
mod tally;
mod world;
