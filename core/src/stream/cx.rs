//! The context a stream works in.

use crate::config::Config;
use crate::entropy::Entropy;
use crate::exchange::FromStream;
use crate::io::ScramHash;
use crate::jid::BareJid;
use crate::sasl;
use crate::store::{NodeRecord, ScramRecord};
use crate::xml::Node;

/// What a stream may know and do while it handles something.
#[derive(Debug)]
pub(crate) struct StreamCx<'a> {
    /// The configuration.
    pub(crate) config: &'a Config,
    /// The generators.
    pub(crate) entropy: &'a mut Entropy,
    /// The capabilities of each domain, in the order of the configuration (XEP-0115).
    pub(crate) caps: &'a [Node],
    /// How many of the client's stanzas are safe, when it has asked to be told (XEP-0198).
    pub(crate) safe: Option<u32>,
    /// Answers for unknown users.
    pub(crate) decoys: Decoys<'a>,
    /// What the stream wants, in order.
    pub(crate) out: &'a mut Vec<FromStream>,
}

impl<'a> StreamCx<'a> {
    /// Returns the capabilities of a domain that is served here.
    pub(crate) fn caps(&self, domain: &str) -> Option<&'a Node> {
        let at = self.config.domains.iter().position(|served| served.name.as_str() == domain)?;
        self.caps.get(at)
    }
}

/// Makes keys for users that do not exist: the same ones for the same name, for ever.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decoys<'a>(pub(crate) &'a NodeRecord);

impl Decoys<'_> {
    /// Returns the keys of `user`. Its iteration count is one that real accounts have had, so that a change of
    /// the configuration does not tell old accounts from names that nobody has.
    pub(crate) fn record(self, hash: ScramHash, user: &BareJid) -> ScramRecord {
        sasl::decoy(hash, &self.0.decoy_secret, user.as_str(), self.iterations(user))
    }

    /// Draws the count that `user` would have: the same for both hashes, as for a real account, and a new count
    /// changes it only to that new one, as a new password would.
    fn iterations(self, user: &BareJid) -> u32 {
        let score = |count: u32| {
            sasl::decoy(ScramHash::Sha256, &self.0.decoy_secret, &format!("{count} {user}"), count).salt
        };
        self.0.iterations_used.iter().copied().max_by_key(|count| score(*count)).unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts_of_users(iterations_used: &[u32], hash: ScramHash) -> Vec<u32> {
        let node = NodeRecord {
            start: 1,
            random: 0,
            decoy_secret: vec![7; 32],
            iterations_used: iterations_used.to_vec(),
            node: 0,
            archive_secret: Vec::new(),
            before: Vec::new(),
            membership: None,
        };
        (0..100)
            .map(|name| {
                let ghost = BareJid::parse(&format!("user{name}@x.example")).unwrap();
                Decoys(&node).record(hash, &ghost).iterations
            })
            .collect()
    }

    #[test]
    fn a_change_of_the_count_looks_like_new_passwords_of_some() {
        let before = counts_of_users(&[4096], ScramHash::Sha1);
        let after = counts_of_users(&[4096, 20_000], ScramHash::Sha1);
        assert_eq!(after, counts_of_users(&[4096, 20_000], ScramHash::Sha256), "an account has one count");
        assert!(after.contains(&4096) && after.contains(&20_000), "{after:?}");
        let later = counts_of_users(&[4096, 20_000, 30_000], ScramHash::Sha1);
        let steps = [(&before, &after, 20_000), (&after, &later, 30_000)];
        for (old, new, added) in steps {
            assert!(old.iter().zip(new).all(|(old, new)| new == old || *new == added), "{old:?} {new:?}");
        }
    }
}
