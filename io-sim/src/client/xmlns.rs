//! Namespaces that the client speaks and the base of the server does not.

/// Acknowledgements and resumption (XEP-0198).
pub const SM: &str = "urn:xmpp:sm:3";
/// Whether anybody looks (XEP-0352).
pub const CSI: &str = "urn:xmpp:csi:0";
/// Copies for one's other clients (XEP-0280).
pub const CARBONS: &str = "urn:xmpp:carbons:2";
/// Forwarded stanzas (XEP-0297).
pub const FORWARD: &str = "urn:xmpp:forward:0";
/// Blocked addresses (XEP-0191).
pub const BLOCKING: &str = "urn:xmpp:blocking";
/// Archives (XEP-0313).
pub const MAM: &str = "urn:xmpp:mam:2";
/// Pages of a result (XEP-0059).
pub const RSM: &str = "http://jabber.org/protocol/rsm";
/// Forms (XEP-0004).
pub const DATA: &str = "jabber:x:data";
/// Identifiers of stanzas (XEP-0359).
pub const SID: &str = "urn:xmpp:sid:0";
/// What is to be done with a message (XEP-0334).
pub const HINTS: &str = "urn:xmpp:hints";
/// When something was sent (XEP-0203).
pub const DELAY: &str = "urn:xmpp:delay";
