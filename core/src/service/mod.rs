//! Who answers: services, and the only way out of them.

pub(crate) mod account;
mod cx;
mod disco;
mod effect;
mod ops;
mod ping;
pub(crate) mod presence;
pub(crate) mod register;
mod roster;
#[expect(clippy::module_inception, reason = "the trait has the name of its floor")]
mod service;

pub(crate) use cx::Cx;
pub(crate) use effect::Effect;
pub(crate) use ops::{Ops, Owner, Waiting};
pub(crate) use service::{At, Services};
