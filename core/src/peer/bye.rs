//! Good-bye: why nothing follows on a connection between two nodes.

use super::field::{Fields, put_number};
use super::frame::Malformed;
use crate::io::NoCluster;
use crate::replica::Origin;

/// Why a node closes a connection with another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bye {
    /// It is stopping.
    Stopping,
    /// The other one is of another cluster.
    OtherCluster,
    /// There is no version of the frames that both speak.
    NoVersion,
    /// The certificate of the other one is no member's.
    NotMember,
    /// The certificate is not that of the member that says Hello, or that was called.
    OtherKey,
    /// A later start of the same node is known.
    OldIncarnation,
    /// What was said is not what this version speaks.
    Malformed,
    /// Another connection serves.
    Superseded,
    /// The other one did not say Hello in time.
    NoHello,
    /// The other one cannot join: why.
    NotJoined(NoCluster),
}

impl Bye {
    const ALL: [Self; 17] = [
        Self::Stopping,
        Self::OtherCluster,
        Self::NoVersion,
        Self::NotMember,
        Self::OtherKey,
        Self::OldIncarnation,
        Self::Malformed,
        Self::Superseded,
        Self::NoHello,
        Self::NotJoined(NoCluster::UnknownToken),
        Self::NotJoined(NoCluster::Expired),
        Self::NotJoined(NoCluster::Used),
        Self::NotJoined(NoCluster::OtherDomains),
        Self::NotJoined(NoCluster::NameTaken),
        Self::NotJoined(NoCluster::BadWords),
        Self::NotJoined(NoCluster::Full),
        Self::NotJoined(NoCluster::NotWritten),
    ];

    const fn number(self) -> u8 {
        match self {
            Self::Stopping => 1,
            Self::OtherCluster => 2,
            Self::NoVersion => 3,
            Self::NotMember => 4,
            Self::OtherKey => 5,
            Self::OldIncarnation => 6,
            Self::Malformed => 7,
            Self::Superseded => 8,
            Self::NoHello => 9,
            Self::NotJoined(why) => match why {
                NoCluster::Expired => 27,
                NoCluster::Used => 28,
                NoCluster::OtherDomains => 29,
                NoCluster::NameTaken => 30,
                NoCluster::BadWords => 31,
                NoCluster::Full => 32,
                NoCluster::NotWritten => 33,
                // What else there is nobody is told who asks.
                NoCluster::UnknownToken
                | NoCluster::Member
                | NoCluster::Alone
                | NoCluster::NoSeat
                | NoCluster::Populated
                | NoCluster::BadToken
                | NoCluster::OtherCluster
                | NoCluster::Unreachable
                | NoCluster::Untrusted
                | NoCluster::NoSuchMember
                | NoCluster::Up
                | NoCluster::Itself => 26,
            },
        }
    }

    /// Returns the reason, for the observers.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Stopping => "it is stopping",
            Self::OtherCluster => "it is of another cluster",
            Self::NoVersion => "there is no common version",
            Self::NotMember => "it is no member",
            Self::OtherKey => "its key is not the member's",
            Self::OldIncarnation => "a later start of it is known",
            Self::Malformed => "it does not speak the protocol",
            Self::Superseded => "another connection serves",
            Self::NoHello => "it did not say hello in time",
            Self::NotJoined(_) => "it may not join",
        }
    }

    /// Returns the reason that the other side has given, for the observers.
    pub(super) const fn words_of_us(self) -> &'static str {
        match self {
            Self::Stopping => "it says that it is stopping",
            Self::OtherCluster => "it says that this node is of another cluster",
            Self::NoVersion => "it says that there is no common version",
            Self::NotMember => "it says that this node is no member",
            Self::OtherKey => "it says that the key of this node is not the member's",
            Self::OldIncarnation => "it says that a later start of this node is known",
            Self::Malformed => "it says that this node does not speak the protocol",
            Self::Superseded => "it says that another connection serves",
            Self::NoHello => "it says that this node did not say hello in time",
            Self::NotJoined(_) => "it says that this node may not join",
        }
    }

    /// Appends the body of its frame.
    pub(super) fn write(self, out: &mut Vec<u8>) {
        put_number(out, self.number().into());
    }

    /// Appends the body of the frame that tells a node of a later start of it.
    pub(super) fn write_known(known: Origin, out: &mut Vec<u8>) {
        Self::OldIncarnation.write(out);
        out.extend_from_slice(&known.to_bytes());
    }

    /// Reads from the body of a frame which later start of this node is known, where it says so.
    pub(super) fn read_known(body: &[u8]) -> Option<Origin> {
        let mut fields = Fields(body);
        let number = fields.number().ok()?;
        fields.origin().ok().filter(|_| number == Self::OldIncarnation.number().into())
    }

    /// Reads the body of a frame; nothing for a reason that a later version has. More may follow.
    pub(super) fn read(body: &[u8]) -> Result<Option<Self>, Malformed> {
        let number = Fields(body).number()?;
        Ok(Self::ALL.into_iter().find(|reason| u64::from(reason.number()) == number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_comes_back_and_later_ones_are_no_error() {
        for reason in Bye::ALL {
            let mut out = Vec::new();
            reason.write(&mut out);
            assert_eq!(Bye::read(&out), Ok(Some(reason)));
            out.push(9);
            assert_eq!(Bye::read(&out), Ok(Some(reason)));
        }
        let known = Origin { node: 1, start: 2, random: 3 };
        let mut out = Vec::new();
        Bye::write_known(known, &mut out);
        assert_eq!((Bye::read(&out), Bye::read_known(&out)), (Ok(Some(Bye::OldIncarnation)), Some(known)));
        assert_eq!(Bye::read_known(&out[..12]), None);
        out[0] = 1;
        assert_eq!(Bye::read_known(&out), None);
        assert_eq!(Bye::read(&[99]), Ok(None));
        assert_eq!(Bye::read(&[]), Err(Malformed::Short));
    }
}
