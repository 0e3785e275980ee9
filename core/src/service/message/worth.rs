//! Which messages are worth keeping, and what no client may say in them.
//!
//! Implements: XEP-0313 1.1.4, section 5.1.3 (what user archives hold); XEP-0334 0.5.0, sections 4.1, 4.2 and 4.4;
//! XEP-0160 1.0.1, section 3; XEP-0359 0.7.0, section 3 (rule 2). Complete for messages that are not of rooms.

use crate::config::Config;
use crate::jid::Jid;
use crate::stanza::{Kind, MessageType, Stanza};
use crate::xml::{Child, ns};

/// For what a message is worth keeping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Worth {
    /// For the archives of those who exchange it.
    pub(super) archive: bool,
    /// For somebody who is away.
    pub(super) offline: bool,
}

/// What people say to each other in other words than `<body/>`: encrypted, about another message, or as an invitation. A
/// state of writing, a request for a receipt or a thread are no content by themselves.
const CONTENT: &[(&str, &str)] = &[
    ("body", ns::CLIENT),
    ("subject", ns::CLIENT),
    ("received", "urn:xmpp:receipts"),
    ("received", "urn:xmpp:chat-markers:0"),
    ("displayed", "urn:xmpp:chat-markers:0"),
    ("acknowledged", "urn:xmpp:chat-markers:0"),
    ("encryption", "urn:xmpp:eme:0"),
    ("encrypted", "eu.siacs.conversations.axolotl"),
    ("encrypted", "urn:xmpp:omemo:2"),
    ("openpgp", "urn:xmpp:openpgp:0"),
    ("x", "jabber:x:encrypted"),
    ("x", "jabber:x:oob"),
    ("x", "jabber:x:conference"),
    ("x", "http://jabber.org/protocol/muc#user"),
    ("reactions", "urn:xmpp:reactions:0"),
    ("retract", "urn:xmpp:message-retract:1"),
];

/// Judges a message. Errors carry the hints of what they answer, so that theirs count for nothing (XEP-0334, 5).
pub(super) fn worth(stanza: &Stanza) -> Worth {
    let Kind::Message(kind) = stanza.kind else { return Worth::default() };
    let hint = |name| stanza.child(name, ns::HINTS).is_some();
    let (talk, headline) = match kind {
        MessageType::Normal | MessageType::Chat => (true, false),
        MessageType::Headline => (false, true),
        MessageType::Groupchat | MessageType::Error => return Worth::default(),
    };
    if hint("no-store") {
        return Worth::default();
    }
    let content = || stanza.children().any(|child| CONTENT.contains(&(child.name(), child.ns())));
    let kept = hint("store") || (talk && content());
    Worth { archive: kept && !hint("no-permanent-store"), offline: kept && !headline }
}

/// Returns a message without what only this server may say: ids of its archives, delays of its own, and the ids that
/// rooms give to their occupants.
pub(super) fn clean(config: &Config, stanza: Stanza) -> Stanza {
    stanza.without(|child| is_forged(config, child))
}

fn is_forged(config: &Config, child: Child<'_>) -> bool {
    let claims_ours = |name| {
        let claimed = child.attr(name).and_then(|text| Jid::parse(&text).ok());
        claimed.is_some_and(|claimed| config.domain(claimed.domain()).is_some())
    };
    match (child.name(), child.ns()) {
        ("stanza-id", ns::SID) => claims_ours("by"),
        ("delay", ns::DELAY) => claims_ours("from"),
        ("occupant-id", ns::OCCUPANT_ID) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::jid::Domain;

    const NOTHING: Worth = Worth { archive: false, offline: false };
    const BOTH: Worth = Worth { archive: true, offline: true };
    const OFFLINE: Worth = Worth { archive: false, offline: true };
    const ARCHIVE: Worth = Worth { archive: true, offline: false };

    fn message(kind: &str, content: &str) -> Stanza {
        let text = format!("<message from='a@x.example/r' type='{kind}'>{content}</message>");
        Stanza::parse(Bytes::from(text)).unwrap()
    }

    #[test]
    fn content_is_kept_and_states_are_not() {
        let chat_state = "<composing xmlns='http://jabber.org/protocol/chatstates'/>";
        let hint = |name: &str| format!("<{name} xmlns='urn:xmpp:hints'/>");
        let with = |content: &str, name: &str| format!("{content}{}", hint(name));
        for (kind, content, expected) in [
            ("chat", "<body>x</body>".into(), BOTH),
            ("normal", "<subject>x</subject>".into(), BOTH),
            ("chat", String::new(), NOTHING),
            ("chat", chat_state.into(), NOTHING),
            ("chat", format!("{chat_state}<thread>1</thread>"), NOTHING),
            ("chat", format!("<body>x</body>{chat_state}"), BOTH),
            ("chat", "<request xmlns='urn:xmpp:receipts'/>".into(), NOTHING),
            ("chat", "<received xmlns='urn:xmpp:receipts' id='1'/>".into(), BOTH),
            ("chat", "<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>".into(), BOTH),
            ("chat", "<encrypted xmlns='urn:xmpp:omemo:2'/>".into(), BOTH),
            ("chat", "<body xmlns='other'/>".into(), NOTHING),
            ("chat", with("<body>x</body>", "no-store"), NOTHING),
            ("chat", with("<body>x</body>", "no-permanent-store"), OFFLINE),
            ("chat", with("<body>x</body>", "no-copy"), BOTH),
            ("chat", with(chat_state, "store"), BOTH),
            ("chat", with(&hint("store"), "no-store"), NOTHING),
            ("headline", "<body>x</body>".into(), NOTHING),
            ("headline", with("<body>x</body>", "store"), ARCHIVE),
            ("groupchat", with("<body>x</body>", "store"), NOTHING),
            ("error", with("<body>x</body>", "store"), NOTHING),
        ] {
            assert_eq!(worth(&message(kind, &content)), expected, "{kind} {content}");
        }
    }

    #[test]
    fn what_only_the_server_may_say_is_taken_out_and_the_rest_stays() {
        let config = Config::single(Domain::parse("x.example").unwrap());
        let kept = "<body>x</body><origin-id xmlns='urn:xmpp:sid:0' id='1'/>\
            <stanza-id xmlns='urn:xmpp:sid:0' by='room@elsewhere.example' id='2'/>\
            <delay xmlns='urn:xmpp:delay' from='elsewhere.example' stamp='2002-09-10T23:08:25Z'/>";
        let forged = "<stanza-id xmlns='urn:xmpp:sid:0' by='b@X.example' id='3'/>\
            <stanza-id xmlns='urn:xmpp:sid:0' by='x.example' id='4'></stanza-id>\
            <delay xmlns='urn:xmpp:delay' from='b@x.example/r' stamp='2002-09-10T23:08:25Z'/>\
            <occupant-id xmlns='urn:xmpp:occupant-id:0' id='5'/>";
        let whole = |content: &str| {
            let packet = clean(&config, message("chat", content)).packet();
            String::from_utf8(packet.to_vec()).unwrap()
        };
        assert_eq!(whole(&format!("{forged}{kept}{forged}")), whole(kept));
        assert!(whole(kept).ends_with(&format!("{kept}</message>")));
        assert!(whole(forged).ends_with("></message>"));
    }
}
