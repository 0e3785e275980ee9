//! The context a stream works in.

use crate::config::Config;
use crate::entropy::Entropy;
use crate::exchange::FromStream;
use crate::io::ScramHash;
use crate::jid::BareJid;
use crate::sasl;
use crate::store::{NodeRecord, ScramRecord};

/// What a stream may know and do while it handles something.
#[derive(Debug)]
pub(crate) struct StreamCx<'a> {
    /// The configuration.
    pub(crate) config: &'a Config,
    /// The generators.
    pub(crate) entropy: &'a mut Entropy,
    /// Answers for unknown users.
    pub(crate) decoys: Decoys<'a>,
    /// What the stream wants, in order.
    pub(crate) out: &'a mut Vec<FromStream>,
}

/// Makes keys for users that do not exist: the same ones for the same name, for ever.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decoys<'a>(pub(crate) &'a NodeRecord);

impl Decoys<'_> {
    /// Returns the keys of `user`. Its iteration count is one that real accounts have had, so that a change of
    /// the configuration does not tell old accounts from names that nobody has.
    pub(crate) fn record(self, hash: ScramHash, user: &BareJid) -> ScramRecord {
        let mut record = sasl::decoy(hash, &self.0.decoy_secret, user.as_str(), 0);
        let choice = record.salt.first().map_or(0, |byte| usize::from(*byte));
        let counts = &self.0.iterations_used;
        record.iterations = counts.get(choice % counts.len().max(1)).copied().unwrap_or(1);
        record
    }
}
