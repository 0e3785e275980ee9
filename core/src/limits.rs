//! Every bound, with its unit, its default and its reason. At each bound something defined happens.

use crate::time::Span;

/// The value of one bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// A number of what its name says.
    Number(u32),
    /// A time.
    Time(Span),
}

/// Why a bound was not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoBound {
    /// There is none of that name.
    Unknown,
    /// It is a number, and not a time.
    IsNumber,
    /// It is a time, and not a number.
    IsTime,
}

trait Value: Copy {
    fn of(bound: Bound) -> Result<Self, NoBound>;
}

impl Value for u32 {
    fn of(bound: Bound) -> Result<Self, NoBound> {
        match bound {
            Bound::Number(number) => Ok(number),
            Bound::Time(_) => Err(NoBound::IsNumber),
        }
    }
}

impl Value for Span {
    fn of(bound: Bound) -> Result<Self, NoBound> {
        match bound {
            Bound::Time(time) => Ok(time),
            Bound::Number(_) => Err(NoBound::IsTime),
        }
    }
}

// One line for a bound: what it is, its default, and its name for stories.
macro_rules! limits {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $default:expr,)*) => {
        /// The bounds of one node; the defaults are those of `eyot serve`.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Limits {
            $($(#[$doc])* pub $name: $type,)*
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        impl Limits {
            /// Sets a bound by the name of its field.
            ///
            /// # Errors
            /// There is no such bound, or it is of the other kind.
            pub fn set(&mut self, name: &str, bound: Bound) -> Result<(), NoBound> {
                match name {
                    $(stringify!($name) => self.$name = Value::of(bound)?,)*
                    _ => return Err(NoBound::Unknown),
                }
                Ok(())
            }
        }
    };
}

limits! {
    /// Bytes of one element before authentication. Beyond: `policy-violation`. A SASL message fits ten times.
    element_bytes_unauthenticated: u32 = 8 * 1024,
    /// Elements (stanzas and negotiation) before authentication. Beyond: `policy-violation`.
    elements_unauthenticated: u32 = 32,
    /// Bytes of one stanza after authentication. Beyond: `policy-violation` (RFC 6120, 13.12: at least 10000).
    stanza_bytes: u32 = 256 * 1024,
    /// Wrong passwords on one stream; a mechanism that does not suit is none. Beyond: `policy-violation` (RFC 6120, 6.4.5: 2 to 5
    /// retries).
    sasl_attempts: u32 = 3,
    /// From connect to bind. Beyond: `connection-timeout`.
    login_time: Span = Span::from_secs(60),
    /// Bytes that wait for one slow reader. Beyond: its stream is closed with `resource-constraint`. A message that did not
    /// fit and stands in the reader's archive waits like one for somebody who is away; another stanza comes back to its
    /// sender, presence does not.
    send_queue_bytes: u32 = 2 * 1024 * 1024,
    /// Resources of one account. Beyond: the oldest that waits to be resumed ends; if none does,
    /// `resource-constraint` (RFC 6120, 7.6.2.1).
    sessions_per_account: u32 = 32,
    /// Connections of one peer network (an IPv4 address, or 64 bits of IPv6) without a session. Beyond: closed at once.
    unauthenticated_per_peer: u32 = 256,
    /// Connections of the node. Beyond: closed at once.
    connections: u32 = 100_000,
    /// Addresses a session has sent directed presence to. Beyond: `resource-constraint`.
    directed_presence: u32 = 512,
    /// Contacts in one roster. Beyond: `resource-constraint`.
    roster_items: u32 = 2_000,
    /// Contacts of whom an account knows anything, removed ones included. Beyond: `resource-constraint`; strangers' requests
    /// are dropped from half of it on. As many addresses may ever have been on its block list. With more than the default an
    /// account could have more rows than are read at once.
    contacts_known: u32 = 10_000,
    /// Groups of one contact. Beyond: `not-acceptable`.
    roster_groups: u32 = 64,
    /// Bytes of a contact's name, and of a group's. Beyond: `not-acceptable` (RFC 6121, 2.3.3).
    roster_name_bytes: u32 = 1_023,
    /// Subscription requests that an account has not answered. Beyond: dropped, as if there were no such account.
    requests: u32 = 256,
    /// Bytes of one subscription request. Beyond: `not-acceptable`.
    request_bytes: u32 = 16 * 1024,
    /// How long a peer may take to answer `</stream:stream>`.
    close_time: Span = Span::from_secs(5),
    /// PBKDF2 iterations for new passwords. RFC 7677 asks for at least 4096.
    scram_iterations: u32 = 10_000,
    /// Key derivations under way for logins, half of them for one peer network. Beyond: `temporary-auth-failure`.
    derivations: u32 = 64,
    /// Bytes that one session sent and that are not durable. Beyond: nothing more is read from it.
    undurable_bytes: u32 = 512 * 1024,
    /// Bytes that wait to be acknowledged by one client (XEP-0198). Beyond: the session ends as if its time were over.
    unacked_bytes: u32 = 4 * 1024 * 1024,
    /// How long a session waits to be resumed (XEP-0198), at most and by default; zero: none is. Beyond: it ends.
    resume_time: Span = Span::from_secs(600),
    /// How long a client that comes too late for its session can learn how many of its stanzas were handled (XEP-0198).
    tombstone_time: Span = Span::from_secs(24 * 60 * 60),
    /// Sessions of one account of which that is kept. Beyond: the oldest is forgotten.
    tombstones: u32 = 16,
    /// Bytes of what one session has sent, or is to be answered, and that is below the level of its domain. Beyond: the oldest of it waits
    /// no longer.
    session_below_level_bytes: u32 = 64 * 1024,
    /// Bytes of that for all sessions of the node. Beyond: the oldest of it waits no longer.
    below_level_bytes: u32 = 8 * 1024 * 1024,
    /// How long after a failed write the rows of sessions are written again.
    flush_again: Span = Span::from_secs(1),
    /// Accounts kept in memory, those with sessions beside. Beyond: the least used are forgotten.
    hot_accounts: u32 = 10_000,
    /// Addresses on one block list (XEP-0191). Beyond: `resource-constraint`.
    blocked_addresses: u32 = 1_000,
    /// Stanzas held for one client that is not looked at (XEP-0352). Beyond: all of them go. Zero: nothing is held.
    held_stanzas: u32 = 512,
    /// Bytes of them. Beyond: all of them go. Well below those of a slow reader.
    held_bytes: u32 = 256 * 1024,
    /// Bytes of one element of private storage (XEP-0049). Beyond: `not-acceptable`.
    private_bytes: u32 = 64 * 1024,
    /// Elements of one account's private storage. Beyond: `resource-constraint`.
    private_elements: u32 = 64,
    /// Bytes of a business card (XEP-0054), with its picture. Beyond: `not-acceptable`.
    vcard_bytes: u32 = 128 * 1024,
    /// How long a message stays in an archive. Beyond: it is removed.
    archive_time: Span = Span::from_secs(365 * 86_400),
    /// Bytes of the messages in one archive. Beyond: the oldest are removed.
    archive_bytes: u32 = 256 * 1024 * 1024,
    /// Messages in one page of an archive (XEP-0313, 4.3): as many are sent, and those that ask for more get so many.
    archive_page: u32 = 100,
    /// Bytes of one such page, and of one page of owed messages. Beyond: the page is shorter.
    archive_page_bytes: u32 = 512 * 1024,
    /// Addresses in the preferences of an archive, and ids in one request. Beyond: `resource-constraint`.
    archive_names: u32 = 256,
    /// Messages that are looked at in one step while old ones are removed.
    archive_step: u32 = 256,
    /// How often archives are searched for what is too old.
    archive_sweep: Span = Span::from_secs(3_600),
    /// Messages kept for somebody who is away, or who is being given them (XEP-0160). Beyond: `service-unavailable`; for one
    /// that stands in the account's archive already, nothing is said.
    owed_messages: u32 = 1_000,
    /// How long a message is known again that a client repeats after it has lost its session. Zero: never.
    repeat_time: Span = Span::from_secs(3_600),
    /// Messages of one account that are known again; some of eight more or fewer. Beyond: the oldest is forgotten.
    repeats: u32 = 128,
    /// Accounts in one page of an answer.
    accounts_page: u32 = 256,
    /// In-band registrations from one peer network in an hour. Beyond: `resource-constraint`.
    registrations_per_peer: u32 = 5,
}

impl Limits {
    /// Returns how many bytes a driver holds for one connection at most before it resets it: twice what the node lets wait for
    /// a client. All of that comes at once when a session is resumed; the rest is room for the answer before it and what follows.
    pub fn connection_bytes(&self) -> u64 {
        u64::from(self.send_queue_bytes.max(self.unacked_bytes)) * 2
    }
}
