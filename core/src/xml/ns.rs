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
/// What stands in errors about durability: our own.
pub const LEVEL_ERRORS: &str = "urn:eyot:level:errors:0";
/// Stream management (XEP-0198).
pub const SM: &str = "urn:xmpp:sm:3";
/// Message archives and their preferences (XEP-0313, XEP-0441).
pub const MAM: &str = "urn:xmpp:mam:2";
/// The second part of message archives (XEP-0313, 6).
pub const MAM_EXTENDED: &str = "urn:xmpp:mam:2#extended";
/// Ids of stanzas (XEP-0359).
pub const SID: &str = "urn:xmpp:sid:0";
/// Delayed delivery (XEP-0203).
pub const DELAY: &str = "urn:xmpp:delay";
/// Forwarded stanzas (XEP-0297).
pub const FORWARD: &str = "urn:xmpp:forward:0";
/// Hints for processing (XEP-0334).
pub const HINTS: &str = "urn:xmpp:hints";
/// Sets in pages (XEP-0059).
pub const RSM: &str = "http://jabber.org/protocol/rsm";
/// Forms (XEP-0004).
pub const DATA: &str = "jabber:x:data";
/// Validation of forms (XEP-0122).
pub const DATA_VALIDATE: &str = "http://jabber.org/protocol/xdata-validate";
/// Anonymous ids of the occupants of a room (XEP-0421).
pub const OCCUPANT_ID: &str = "urn:xmpp:occupant-id:0";
/// Rosters (RFC 6121).
pub const ROSTER: &str = "jabber:iq:roster";
/// Blocked addresses (XEP-0191).
pub const BLOCKING: &str = "urn:xmpp:blocking";
/// The condition of errors about blocked addresses (XEP-0191).
pub const BLOCKING_ERRORS: &str = "urn:xmpp:blocking:errors";
/// Copies for an account's other resources (XEP-0280).
pub const CARBONS: &str = "urn:xmpp:carbons:2";
/// Exactly the rules of XEP-0280, section 6.1.
pub const CARBONS_RULES: &str = "urn:xmpp:carbons:rules:0";
/// Chat states (XEP-0085).
pub const CHAT_STATES: &str = "http://jabber.org/protocol/chatstates";
/// Receipts (XEP-0184).
pub const RECEIPTS: &str = "urn:xmpp:receipts";
/// Markers of what has been displayed (XEP-0333).
pub const CHAT_MARKERS: &str = "urn:xmpp:chat-markers:0";
/// What a room says of its occupants (XEP-0045).
pub const MUC_USER: &str = "http://jabber.org/protocol/muc#user";
/// Direct invitations to rooms (XEP-0249).
pub const CONFERENCE: &str = "jabber:x:conference";
/// Whether a client is looked at (XEP-0352).
pub const CSI: &str = "urn:xmpp:csi:0";
/// Capabilities as a hash (XEP-0115).
pub const CAPS: &str = "http://jabber.org/protocol/caps";
/// Last activity (XEP-0012).
pub const LAST: &str = "jabber:iq:last";
/// Private storage (XEP-0049).
pub const PRIVATE: &str = "jabber:iq:private";
/// Time (XEP-0202).
pub const TIME: &str = "urn:xmpp:time";
/// Business cards (XEP-0054).
pub const VCARD: &str = "vcard-temp";
/// Name and version of software (XEP-0092).
pub const VERSION: &str = "jabber:iq:version";
/// The stream feature of roster versions (RFC 6121, 2.6.1).
pub const ROSTER_VER: &str = "urn:xmpp:features:rosterver";
/// The stream feature of pre-approval (RFC 6121, 3.4).
pub const PRE_APPROVAL: &str = "urn:xmpp:features:pre-approval";
/// The `xml` prefix.
pub const XML: &str = "http://www.w3.org/XML/1998/namespace";
