//! Records: what stands under a key. Array-encoded CBOR with numbered fields behind a byte for the format, so that
//! an older release skips fields it does not know and a newer one finds the missing ones empty.

use bytes::Bytes;
use minicbor::{Decode, Decoder, Encode};

use super::StoreError;

/// An account. Holds keys derived from the password, never the password.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AccountRecord {
    /// Keys for SCRAM-SHA-1.
    #[n(0)]
    pub scram_sha1: ScramRecord,
    /// Keys for SCRAM-SHA-256; PLAIN is checked against these.
    #[n(1)]
    pub scram_sha256: ScramRecord,
    /// Wall-clock milliseconds since 1970 of the creation.
    #[n(2)]
    pub created_ms: i64,
    /// Who made it.
    #[n(3)]
    pub source: AccountSource,
}

/// Who made an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum AccountSource {
    /// The node, at its first start; nobody has touched it since.
    #[n(0)]
    FirstStart,
    /// An operator.
    #[n(1)]
    Operator,
    /// In-band registration (XEP-0077).
    #[n(2)]
    Registration,
}

/// The keys of one SCRAM hash (RFC 5802, section 3).
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct ScramRecord {
    /// The salt.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub salt: Vec<u8>,
    /// The iteration count of PBKDF2.
    #[n(1)]
    pub iterations: u32,
    /// H(HMAC(SaltedPassword, "Client Key")).
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub stored_key: Vec<u8>,
    /// HMAC(SaltedPassword, "Server Key").
    #[n(3)]
    #[cbor(with = "minicbor::bytes")]
    pub server_key: Vec<u8>,
}

/// What the node knows of itself; written at every start before anything else.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct NodeRecord {
    /// How often the node has started, this time included.
    #[n(0)]
    pub start: u64,
    /// Drawn anew at every start: a restored copy of the disk is another incarnation (docs/promises.md, P2).
    #[n(1)]
    pub random: u32,
    /// Keys the answers given to unknown users, so that they stay the same over restarts.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub decoy_secret: Vec<u8>,
    /// The PBKDF2 iteration counts that passwords have been given, in the order of their use; never empty.
    #[n(3)]
    #[cbor(default)]
    pub iterations_used: Vec<u32>,
    /// Which node this is, among those that write; drawn when the store was made.
    #[n(4)]
    #[cbor(default)]
    pub node: u32,
    /// Keys the ids of archived messages, so that nobody can guess them.
    #[n(5)]
    #[cbor(default, with = "minicbor::bytes")]
    pub archive_secret: Vec<u8>,
    /// Earlier starts of the node, and starts that were met elsewhere: their numbers, and what was drawn at each.
    #[n(6)]
    #[cbor(default)]
    pub before: Vec<(u64, u32)>,
    /// What it is in its cluster, where the members do not stand in the configuration.
    #[n(23)]
    pub membership: Option<MembershipRecord>,
}

/// What a node is in its cluster. `Debug` hides the roll, which holds secrets.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct MembershipRecord {
    /// The roll of the cluster.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub roll: Vec<u8>,
    /// How far it is.
    #[n(1)]
    pub stage: Stage,
}

/// How far a node is in becoming a member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Stage {
    /// It is one.
    #[n(0)]
    #[default]
    Member,
    /// It has founded the cluster, and what it had written alone is not in the index.
    #[n(1)]
    Founded,
    /// It has joined, and does not have what logins need.
    #[n(2)]
    Joined,
}

/// A record could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordError {
    /// The first byte names a later format.
    Format(u8),
    /// The bytes are no record.
    Damaged,
}

const FORMAT: u8 = 1;

impl AccountRecord {
    /// Encodes the record.
    pub fn encode(&self) -> Bytes {
        encode(self)
    }

    /// Decodes a record.
    ///
    /// # Errors
    ///
    /// [`RecordError`] when the bytes are not an account record of this format.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode(bytes)
    }
}

impl NodeRecord {
    /// Encodes the record.
    pub fn encode(&self) -> Bytes {
        encode(self)
    }

    /// Decodes a record.
    ///
    /// # Errors
    ///
    /// [`RecordError`] when the bytes are not a node record of this format.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode(bytes)
    }
}

impl From<RecordError> for StoreError {
    fn from(error: RecordError) -> Self {
        match error {
            RecordError::Format(_) | RecordError::Damaged => Self::Damaged,
        }
    }
}

/// Encodes what stands in a row.
pub(crate) fn encode<T: Encode<()>>(record: &T) -> Bytes {
    let mut out = vec![FORMAT];
    minicbor::encode(record, &mut out).expect("writing to a Vec cannot fail");
    out.into()
}

/// Decodes what stands in a row.
///
/// # Errors
///
/// [`RecordError`] when the bytes are no such record, or more than one.
pub(crate) fn decode<'b, T: Decode<'b, ()>>(bytes: &'b [u8]) -> Result<T, RecordError> {
    match bytes.split_first() {
        Some((&FORMAT, rest)) => {
            let mut input = Decoder::new(rest);
            let record = input.decode().map_err(|_| RecordError::Damaged)?;
            if input.position() == rest.len() { Ok(record) } else { Err(RecordError::Damaged) }
        }
        Some((format, _)) => Err(RecordError::Format(*format)),
        None => Err(RecordError::Damaged),
    }
}

impl core::fmt::Debug for ScramRecord {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.debug_struct("ScramRecord").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

impl core::fmt::Debug for MembershipRecord {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.debug_struct("MembershipRecord").field("stage", &self.stage).finish_non_exhaustive()
    }
}

impl core::fmt::Debug for NodeRecord {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.debug_struct("NodeRecord").field("start", &self.start).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scram() -> ScramRecord {
        ScramRecord { salt: vec![1; 16], iterations: 4096, stored_key: vec![2; 20], server_key: vec![3; 20] }
    }

    #[test]
    fn a_record_comes_back() {
        let record = AccountRecord {
            scram_sha1: scram(),
            scram_sha256: scram(),
            created_ms: -5,
            source: AccountSource::Operator,
        };
        assert_eq!(AccountRecord::decode(&record.encode()), Ok(record));
    }

    #[test]
    fn another_format_and_damage_are_told_apart() {
        assert_eq!(AccountRecord::decode(&[9, 1]), Err(RecordError::Format(9)));
        assert_eq!(AccountRecord::decode(&[]), Err(RecordError::Damaged));
        assert_eq!(AccountRecord::decode(&[FORMAT, 0xff]), Err(RecordError::Damaged));
        let longer = [&*encode(&scram()), &[0]].concat();
        assert_eq!(decode::<ScramRecord>(&longer), Err(RecordError::Damaged));
    }

    #[test]
    fn debug_output_holds_no_key() {
        assert!(!format!("{:?}", scram()).contains('3'));
    }
}
