//! What who joins and whom it asks say to each other.

use minicbor::{Decode, Encode};

use super::roll::{Roll, Seated};

/// Somebody wants to join.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct JoinRequest {
    /// Which token it has.
    #[n(0)]
    pub(crate) token: u64,
    /// That it has it.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub(crate) proof: [u8; 32],
    /// The cluster that the token names.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub(crate) cluster: [u8; 16],
    /// The domains that it serves, in order.
    #[n(3)]
    pub(crate) domains: Vec<String>,
    /// What it says of itself. The key is the one that it has shown, whatever this says.
    #[n(4)]
    pub(crate) seat: Seated,
}

/// It is a member. `Debug` hides its secrets.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Admitted {
    /// That who says so has the token, too.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub(crate) proof: [u8; 32],
    /// Its number.
    #[n(1)]
    pub(crate) number: u32,
    /// Everything that members know.
    #[n(2)]
    pub(crate) roll: Roll,
}

impl JoinRequest {
    /// Encodes it.
    pub(crate) fn encode(&self) -> Vec<u8> {
        minicbor::to_vec(self).expect("writing to a Vec cannot fail")
    }

    /// Reads it; nothing when it is none. What later versions add is skipped.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        minicbor::decode(bytes).ok()
    }
}

impl Admitted {
    /// Encodes it.
    pub(crate) fn encode(&self) -> Vec<u8> {
        minicbor::to_vec(self).expect("writing to a Vec cannot fail")
    }

    /// Reads it; nothing when it is none.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let said: Self = minicbor::decode(bytes).ok()?;
        Roll::decode(&said.roll.encode()).map(|_| said)
    }
}
