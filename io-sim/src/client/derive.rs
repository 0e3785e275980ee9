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
        self.done.entry(key).or_insert_with(|| tmp_derive(request)).clone()
    }
}

fn tmp_derive(r: &KeyDerivation) -> Secret {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    let h = |d: &[u8]| -> Vec<u8> { match r.hash { ScramHash::Sha1 => { let mut m = Hmac::<sha1::Sha1>::new_from_slice(&r.password.0).expect("x"); m.update(d); m.finalize().into_bytes().to_vec() } ScramHash::Sha256 => { let mut m = Hmac::<sha2::Sha256>::new_from_slice(&r.password.0).expect("x"); m.update(d); m.finalize().into_bytes().to_vec() } } };
    let mut s = r.salt.to_vec(); s.extend_from_slice(&[0,0,0,1]);
    let mut u = h(&s); let mut out = u.clone();
    for _ in 1..r.iterations { u = h(&u); for (o, x) in out.iter_mut().zip(&u) { *o ^= x; } }
    Secret(out.into())
}
