//! Which messages are copied for an account's other resources, and how a copy looks.
//!
//! Implements: XEP-0280 1.0.1, sections 3 to 10; XEP-0297 1.0, section 3. Complete.
//!
//! Shown by: scenarios/carbons, core/src/node/tests/carbons.rs.
//!
//! Errors are told from others by what was copied before: a session remembers its last messages that were
//! (`core/src/session/copied.rs`). A message that no resource is given is not copied: it is stored, or comes back.

use super::cx::Cx;
use super::effect::{Effect, Sent};
use super::service::{At, IqRequest, Service, Set};
use crate::io::OpId;
use crate::jid::{BareJid, Jid};
use crate::stanza::{Kind, MessageType, Stanza, StanzaError};
use crate::xml::ns;

/// The service that takes the wish for copies. Keeps nothing: the wish is the session's.
#[derive(Debug, Default)]
pub(crate) struct Carbons;

impl Service for Carbons {
    const CLAIMS: &'static [(At, &'static str)] = &[(At::OwnAccount, ns::CARBONS)];
    const FEATURES: &'static [&'static str] = &[ns::CARBONS, ns::CARBONS_RULES];

    fn handle_iq(&mut self, cx: &mut Cx<'_>, request: &IqRequest<'_>) -> Result<Option<Stanza>, StanzaError> {
        match (request.set, request.payload.name()) {
            (Set::Set, "enable") => cx.wish(request.session, |wishes| wishes.carbons = true),
            (Set::Set, "disable") => cx.wish(request.session, |wishes| wishes.carbons = false),
            (Set::Get | Set::Set, _) => return Err(StanzaError::BadRequest),
        }
        Ok(Some(request.stanza.result(&[])))
    }
}

/// Whose copy it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// Of the account that the message is from.
    Sent,
    /// Of the account that it is for.
    Received,
}

/// What the rules say to a message (section 6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Eligible {
    /// It is copied.
    Yes,
    /// It is an error: it is copied if the message that it answers was.
    IfAnswer,
    /// It is not copied.
    No,
}

/// Applies the rules of section 6.1, and those of section 9 and of XEP-0334 for messages that are not to be copied.
pub(crate) fn eligible(stanza: &Stanza, direction: Direction) -> Eligible {
    let Kind::Message(kind) = stanza.kind else { return Eligible::No };
    let mut seen = Seen::default();
    for child in stanza.children() {
        seen.see(child.ns(), child.name(), || child.tree().child("invite", ns::MUC_USER).is_some());
    }
    let occupant = stanza.from.resource().is_some();
    if seen.refused || kind == MessageType::Groupchat {
        return Eligible::No;
    }
    // Only a room marks messages so, and it gives them to each resource in it itself.
    if direction == Direction::Received && seen.room && !seen.invited && occupant {
        return Eligible::No;
    }
    match kind {
        MessageType::Chat => Eligible::Yes,
        MessageType::Normal if seen.body => Eligible::Yes,
        MessageType::Error => Eligible::IfAnswer,
        MessageType::Normal | MessageType::Headline if seen.payload || seen.invited => Eligible::Yes,
        MessageType::Normal | MessageType::Headline | MessageType::Groupchat => Eligible::No,
    }
}

/// Has a message that a session has sent copied, if another session of its account wants that. `op` is the write without which
/// nobody gets it. It is asked for behind the delivery of the message itself.
pub(crate) fn copy_sent(cx: &mut Cx<'_>, stanza: &Stanza, op: Option<OpId>) {
    let sessions = cx.directory.of_account(&stanza.from).iter().filter_map(|id| cx.directory.get(*id));
    if sessions.filter(|session| session.wishes.carbons && *session.jid.as_jid() != stanza.from).count() > 0 {
        cx.effect(Effect::Copy(Sent { stanza: stanza.clone(), op }));
    }
}

/// Makes the copy of a message for the resources of `account`; each gets a clone that is addressed to it, with the same body.
pub(crate) fn wrap(stanza: &Stanza, account: &BareJid, direction: Direction) -> Stanza {
    let name = match direction {
        Direction::Sent => "sent",
        Direction::Received => "received",
    };
    let own: &Jid = account.as_jid();
    Stanza::forward(stanza.kind, own.clone(), own.clone(), (name, ns::CARBONS), stanza)
}

/// What the children of a message say about copies.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a child that is there or not, in any combination")]
struct Seen {
    body: bool,
    /// It wants no copies, or is one.
    refused: bool,
    /// What instant messaging is made of: receipts, chat states, markers.
    payload: bool,
    /// It is from a room, or for one.
    room: bool,
    /// It invites to a room.
    invited: bool,
}

impl Seen {
    fn see(&mut self, namespace: &str, name: &str, invites: impl FnOnce() -> bool) {
        match (namespace, name) {
            (ns::CLIENT, "body") => self.body = true,
            (ns::CARBONS, "private" | "sent" | "received") | (ns::HINTS, "no-copy") => self.refused = true,
            (ns::RECEIPTS | ns::CHAT_STATES | ns::CHAT_MARKERS, _) => self.payload = true,
            (ns::CONFERENCE, "x") => self.invited = true,
            (ns::MUC_USER, "x") => {
                self.room = true;
                self.invited |= invites();
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn message(kind: &str, from: &str, children: &str) -> Stanza {
        let text = format!("<message type='{kind}' from='{from}' to='alice@x.example'>{children}</message>");
        Stanza::parse(Bytes::from(text)).unwrap()
    }

    #[test]
    fn the_rules_of_section_6_1_hold() {
        use Eligible::{IfAnswer, No, Yes};
        let receipt = "<received xmlns='urn:xmpp:receipts' id='1'/>";
        let marker = "<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>";
        let direct = "<x xmlns='jabber:x:conference' jid='r@rooms.example'/>";
        let mediated = "<x xmlns='http://jabber.org/protocol/muc#user'><invite from='bob@x.example'/></x>";
        let occupant = "<x xmlns='http://jabber.org/protocol/muc#user'/><body>pm</body>";
        let private = "<body>x</body><private xmlns='urn:xmpp:carbons:2'/>";
        let hint = "<body>x</body><no-copy xmlns='urn:xmpp:hints'/>";
        let copy = "<received xmlns='urn:xmpp:carbons:2'/>";
        for (kind, children, sent, received) in [
            ("chat", "", Yes, Yes),
            ("chat", private, No, No),
            ("chat", hint, No, No),
            ("chat", copy, No, No),
            ("chat", occupant, Yes, No),
            ("normal", "<body>x</body>", Yes, Yes),
            ("normal", "<subject>x</subject>", No, No),
            ("normal", "<body xmlns='urn:other'>x</body>", No, No),
            ("normal", receipt, Yes, Yes),
            ("headline", marker, Yes, Yes),
            ("headline", "<body>x</body>", No, No),
            ("normal", direct, Yes, Yes),
            ("normal", mediated, Yes, Yes),
            ("groupchat", "<body>x</body>", No, No),
            ("groupchat", receipt, No, No),
            ("error", "<body>x</body>", IfAnswer, IfAnswer),
            ("error", private, No, No),
        ] {
            let message = message(kind, "bob@x.example/r", children);
            assert_eq!(eligible(&message, Direction::Sent), sent, "sent {kind} {children}");
            assert_eq!(eligible(&message, Direction::Received), received, "received {kind} {children}");
        }
    }

    #[test]
    fn a_copy_holds_the_message_as_it_was_in_its_own_namespace() {
        let message = message("chat", "bob@x.example/r", "<body>h&amp;i</body>");
        let owner = BareJid::parse("alice@x.example").unwrap();
        let copy = wrap(&message, &owner, Direction::Received);
        let copy = copy.addressed_to(Jid::parse("alice@x.example/b").unwrap()).packet().to_vec();
        assert_eq!(
            String::from_utf8(copy).unwrap(),
            "<message type='chat' from='alice@x.example' to='alice@x.example/b'>\
             <received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>\
             <message type='chat' from='bob@x.example/r' to='alice@x.example' xmlns='jabber:client'>\
             <body>h&amp;i</body></message></forwarded></received></message>"
        );
    }
}
