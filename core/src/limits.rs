//! Every bound, with its unit, its default and its reason. At each bound something defined happens.

use crate::time::Span;

/// The bounds of one node; the defaults are those of `eyot serve`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one element before authentication. Beyond: `policy-violation`. A SASL message fits ten times.
    pub element_bytes_unauthenticated: u32,
    /// Elements (stanzas and negotiation) before authentication. Beyond: `policy-violation`.
    pub elements_unauthenticated: u32,
    /// Bytes of one stanza after authentication. Beyond: `policy-violation` (RFC 6120, 13.12: at least 10000).
    pub stanza_bytes: u32,
    /// Wrong passwords on one stream; a mechanism that does not suit is none. Beyond: `policy-violation` (RFC 6120, 6.4.5: 2 to 5
    /// retries).
    pub sasl_attempts: u32,
    /// From connect to bind. Beyond: `connection-timeout`.
    pub login_time: Span,
    /// Bytes that wait for one slow reader. Beyond: its stream is closed with `resource-constraint`. A message that did not
    /// fit and stands in the reader's archive waits like one for somebody who is away; another stanza comes back to its
    /// sender, presence does not.
    pub send_queue_bytes: u32,
    /// Resources of one account. Beyond: the oldest that waits to be resumed ends; if none does,
    /// `resource-constraint` (RFC 6120, 7.6.2.1).
    pub sessions_per_account: u32,
    /// Connections of one peer network (an IPv4 address, or 64 bits of IPv6) without a session. Beyond: closed at once.
    pub unauthenticated_per_peer: u32,
    /// Connections of the node. Beyond: closed at once.
    pub connections: u32,
    /// Addresses a session has sent directed presence to. Beyond: `resource-constraint`.
    pub directed_presence: u32,
    /// Contacts in one roster. Beyond: `resource-constraint`.
    pub roster_items: u32,
    /// Contacts of whom an account knows anything, removed ones included. Beyond: `resource-constraint`; strangers' requests
    /// are dropped from half of it on. As many addresses may ever have been on its block list. With more than the default an
    /// account could have more rows than are read at once.
    pub contacts_known: u32,
    /// Groups of one contact. Beyond: `not-acceptable`.
    pub roster_groups: u32,
    /// Bytes of a contact's name, and of a group's. Beyond: `not-acceptable` (RFC 6121, 2.3.3).
    pub roster_name_bytes: u32,
    /// Subscription requests that an account has not answered. Beyond: dropped, as if there were no such account.
    pub requests: u32,
    /// Bytes of one subscription request. Beyond: `not-acceptable`.
    pub request_bytes: u32,
    /// How long a peer may take to answer `</stream:stream>`.
    pub close_time: Span,
    /// PBKDF2 iterations for new passwords. RFC 7677 asks for at least 4096.
    pub scram_iterations: u32,
    /// Key derivations under way for logins, half of them for one peer network. Beyond: `temporary-auth-failure`.
    pub derivations: u32,
    /// Bytes that one session sent and that are not durable. Beyond: nothing more is read from it.
    pub undurable_bytes: u32,
    /// Bytes that wait to be acknowledged by one client (XEP-0198). Beyond: the session ends as if its time were over.
    pub unacked_bytes: u32,
    /// How long a session waits to be resumed (XEP-0198), at most and by default; zero: none is. Beyond: it ends.
    pub resume_time: Span,
    /// How long a client that comes too late for its session can learn how many of its stanzas were handled (XEP-0198).
    pub tombstone_time: Span,
    /// Sessions of one account of which that is kept. Beyond: the oldest is forgotten.
    pub tombstones: u32,
    /// How long after a failed write the rows of sessions are written again.
    pub flush_again: Span,
    /// Accounts kept in memory, those with sessions beside. Beyond: the least used are forgotten.
    pub hot_accounts: u32,
    /// Addresses on one block list (XEP-0191). Beyond: `resource-constraint`.
    pub blocked_addresses: u32,
    /// Stanzas held for one client that is not looked at (XEP-0352). Beyond: all of them go. Zero: nothing is held.
    pub held_stanzas: u32,
    /// Bytes of them. Beyond: all of them go. Well below those of a slow reader.
    pub held_bytes: u32,
    /// Bytes of one element of private storage (XEP-0049). Beyond: `not-acceptable`.
    pub private_bytes: u32,
    /// Elements of one account's private storage. Beyond: `resource-constraint`.
    pub private_elements: u32,
    /// Bytes of a business card (XEP-0054), with its picture. Beyond: `not-acceptable`.
    pub vcard_bytes: u32,
    /// How long a message stays in an archive. Beyond: it is removed.
    pub archive_time: Span,
    /// Bytes of the messages in one archive. Beyond: the oldest are removed.
    pub archive_bytes: u32,
    /// Messages in one page of an archive (XEP-0313, 4.3): as many are sent, and those that ask for more get so many.
    pub archive_page: u32,
    /// Bytes of one such page, and of one page of owed messages. Beyond: the page is shorter.
    pub archive_page_bytes: u32,
    /// Addresses in the preferences of an archive, and ids in one request. Beyond: `resource-constraint`.
    pub archive_names: u32,
    /// Messages that are looked at in one step while old ones are removed.
    pub archive_step: u32,
    /// How often archives are searched for what is too old.
    pub archive_sweep: Span,
    /// Messages kept for somebody who is away, or who is being given them (XEP-0160). Beyond: `service-unavailable`; for one
    /// that stands in the account's archive already, nothing is said.
    pub owed_messages: u32,
    /// How long a message is known again that a client repeats after it has lost its session. Zero: never.
    pub repeat_time: Span,
    /// Messages of one account that are known again; some of eight more or fewer. Beyond: the oldest is forgotten.
    pub repeats: u32,
    /// Accounts in one page of an answer.
    pub accounts_page: u32,
    /// In-band registrations from one peer network in an hour. Beyond: `resource-constraint`.
    pub registrations_per_peer: u32,
}

impl Limits {
    /// Returns how many bytes a driver holds for one connection at most before it resets it: twice what the node lets wait for
    /// a client. All of that comes at once when a session is resumed; the rest is room for the answer before it and what follows.
    pub fn connection_bytes(&self) -> u64 {
        u64::from(self.send_queue_bytes.max(self.unacked_bytes)) * 2
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            element_bytes_unauthenticated: 8 * 1024,
            elements_unauthenticated: 32,
            stanza_bytes: 256 * 1024,
            sasl_attempts: 3,
            login_time: Span::from_secs(60),
            send_queue_bytes: 2 * 1024 * 1024,
            sessions_per_account: 32,
            unauthenticated_per_peer: 256,
            connections: 100_000,
            directed_presence: 512,
            roster_items: 2_000,
            contacts_known: 10_000,
            roster_groups: 64,
            roster_name_bytes: 1_023,
            requests: 256,
            request_bytes: 16 * 1024,
            close_time: Span::from_secs(5),
            scram_iterations: 10_000,
            derivations: 64,
            undurable_bytes: 512 * 1024,
            unacked_bytes: 4 * 1024 * 1024,
            resume_time: Span::from_secs(600),
            tombstone_time: Span::from_secs(24 * 60 * 60),
            tombstones: 16,
            flush_again: Span::from_secs(1),
            hot_accounts: 10_000,
            blocked_addresses: 1_000,
            held_stanzas: 512,
            held_bytes: 256 * 1024,
            private_bytes: 64 * 1024,
            private_elements: 64,
            vcard_bytes: 128 * 1024,
            archive_time: Span::from_secs(365 * 86_400),
            archive_bytes: 256 * 1024 * 1024,
            archive_page: 100,
            archive_page_bytes: 512 * 1024,
            archive_names: 256,
            archive_step: 256,
            archive_sweep: Span::from_secs(3_600),
            owed_messages: 1_000,
            repeat_time: Span::from_secs(3_600),
            repeats: 128,
            accounts_page: 256,
            registrations_per_peer: 5,
        }
    }
}
