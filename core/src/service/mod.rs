//! Who answers: services, and the only way out of them.

pub(crate) mod account;
pub(crate) mod blocking;
pub(crate) mod carbons;
pub(crate) mod csi;
pub(crate) mod cx;
pub(crate) mod disco;
pub(crate) mod effect;
pub(crate) mod large;
pub(crate) mod last;
pub(crate) mod mam;
pub(crate) mod merged;
pub(crate) mod message;
pub(crate) mod ops;
pub(crate) mod presence;
pub(crate) mod register;
pub(crate) mod relay;
pub(crate) mod sealing;
#[expect(clippy::module_inception, reason = "the trait has the name of its folder")]
pub(crate) mod service;
pub(crate) mod services;
pub(crate) mod taking;

mod caps;
mod ping;
mod private;
mod roster;
mod time;
mod vcard;
mod version;
