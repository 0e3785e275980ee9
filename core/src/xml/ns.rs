//! Namespaces, by the names the specifications give them.

/// Stanzas between client and server (RFC 6120).
pub const CLIENT: &str = "jabber:client";
/// The stream element, its features and errors.
pub const STREAM: &str = "http://etherx.jabber.org/streams";
/// Conditions of stream errors.
pub const STREAM_ERRORS: &str = "urn:ietf:params:xml:ns:xmpp-streams";
/// Conditions of stanza errors.
pub const STANZA_ERRORS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";
/// STARTTLS.
pub const TLS: &str = "urn:ietf:params:xml:ns:xmpp-tls";
/// SASL.
pub const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";
/// Resource binding.
pub const BIND: &str = "urn:ietf:params:xml:ns:xmpp-bind";
/// Session establishment of RFC 3921; a no-op that old clients ask for.
pub const SESSION: &str = "urn:ietf:params:xml:ns:xmpp-session";
/// Channel binding types (XEP-0440).
pub const SASL_CB: &str = "urn:xmpp:sasl-cb:0";
/// Service discovery, information (XEP-0030).
pub const DISCO_INFO: &str = "http://jabber.org/protocol/disco#info";
/// Service discovery, items (XEP-0030).
pub const DISCO_ITEMS: &str = "http://jabber.org/protocol/disco#items";
/// Ping (XEP-0199).
pub const PING: &str = "urn:xmpp:ping";
/// In-band registration (XEP-0077).
pub const REGISTER: &str = "jabber:iq:register";
/// The stream feature of in-band registration (XEP-0077).
pub const REGISTER_FEATURE: &str = "http://jabber.org/features/iq-register";
/// Stream management (XEP-0198).
pub const SM: &str = "urn:xmpp:sm:3";
/// Rosters (RFC 6121).
pub const ROSTER: &str = "jabber:iq:roster";
/// The stream feature of roster versions (RFC 6121, 2.6.1).
pub const ROSTER_VER: &str = "urn:xmpp:features:rosterver";
/// The stream feature of pre-approval (RFC 6121, 3.4).
pub const PRE_APPROVAL: &str = "urn:xmpp:features:pre-approval";
/// The `xml` prefix.
pub const XML: &str = "http://www.w3.org/XML/1998/namespace";
