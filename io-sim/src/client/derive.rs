//! Key derivations of a run, each done once.

use std::collections::BTreeMap;

use bytes::Bytes;
use eyot_core::io::{KeyDerivation, ScramHash, Secret};

/// Results of PBKDF2 by their inputs. The server derives at the creation of an account what each client
/// derives again at its login; simulated time passes for both, real time for one.
#[derive(Clone, Debug, Default)]
pub struct Derivations {
    done: BTreeMap<(ScramHash, u32, Bytes, Bytes), Secret>,
}

impl Derivations {
    /// Creates an empty memory.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns `SaltedPassword`.
    pub fn derive(&mut self, request: &KeyDerivation) -> Secret {
        let key = (request.hash, request.iterations, request.salt.clone(), request.password.0.clone());
        self.done.entry(key).or_insert_with(|| eyot_core::sasl::derive(request)).clone()
    }
}
