//! Which stanzas an expectation speaks of.

use std::borrow::Cow;

use eyot_core::xml::{Element, Node, ns};

use super::{Stage, Trouble, Words};
use crate::client::condition_of;
use crate::engine::SimSpan;

const DELAY: &str = "urn:xmpp:delay";
pub(super) const MUC_USER: &str = "http://jabber.org/protocol/muc#user";

/// What a stanza must be like; what is not named does not matter.
#[derive(Clone, Debug, Default)]
pub(super) struct Pattern {
    name: Option<String>,
    from: Option<String>,
    kind: Option<String>,
    condition: Option<String>,
    payload: Option<String>,
    holds: Option<String>,
    show: Option<String>,
    status: Option<String>,
    priority: Option<String>,
    subject: Option<String>,
    error_type: Option<String>,
    role: Option<String>,
    affiliation: Option<String>,
    nick: Option<String>,
    codes: Vec<String>,
    delayed: Option<bool>,
    within: Option<SimSpan>,
    after: Option<SimSpan>,
    body: Option<String>,
}

impl Pattern {
    /// Reads `message|presence|iq|stanza` and the properties behind it.
    pub(super) fn parse(words: &mut Words<'_>) -> Result<Self, String> {
        let name = match words.word("a stanza")? {
            "stanza" => None,
            name @ ("message" | "presence" | "iq") => Some(name),
            other => return Err(format!("a stanza is message, presence, iq or stanza, not {other}")),
        };
        Self::of(name, words)
    }

    /// Reads properties: `[from WHO] [type T] [error CONDITION] [error-type T] [payload NAME] [holds "..."] [show S]
    /// [status "..."] [priority N] [subject "..."] [code N] [role R] [affiliation A] [nick NICK] [delayed|undelayed]
    /// [within SPAN] [after SPAN] [body TEXT]`; the body takes the rest of the line.
    pub(super) fn of(name: Option<&str>, words: &mut Words<'_>) -> Result<Self, String> {
        let mut pattern = Self { name: name.map(String::from), ..Self::default() };
        while !words.is_empty() {
            let property = words.word("a property")?;
            let place = match property {
                "from" => &mut pattern.from,
                "type" => &mut pattern.kind,
                "error" => &mut pattern.condition,
                "error-type" => &mut pattern.error_type,
                "payload" => &mut pattern.payload,
                "holds" => &mut pattern.holds,
                "show" => &mut pattern.show,
                "status" => &mut pattern.status,
                "priority" => &mut pattern.priority,
                "subject" => &mut pattern.subject,
                "role" => &mut pattern.role,
                "affiliation" => &mut pattern.affiliation,
                "nick" => &mut pattern.nick,
                "body" => &mut pattern.body,
                _ => {
                    pattern.other(property, words)?;
                    continue;
                }
            };
            let value = if property == "body" { words.rest() } else { words.word(property)? };
            *place = Some(value.into());
        }
        Ok(pattern)
    }

    /// Reads a property that is no text.
    fn other(&mut self, property: &str, words: &mut Words<'_>) -> Result<(), String> {
        match property {
            "code" => self.codes.push(words.number("the status code")?.to_string()),
            "delayed" => self.delayed = Some(true),
            "undelayed" => self.delayed = Some(false),
            "within" => self.within = Some(words.span("how soon")?),
            "after" => self.after = Some(words.span("how late")?),
            other => return Err(format!("a stanza has no property {other}")),
        }
        Ok(())
    }

    /// Returns the texts in which something is left open.
    pub(super) fn texts(&self) -> Vec<&str> {
        [&self.body, &self.holds].into_iter().filter_map(Option::as_deref).collect()
    }

    /// Fills in the addresses and texts of the scenario.
    pub(super) fn resolve(&self, stage: &Stage) -> Result<Self, Trouble> {
        let from = match self.from.as_deref() {
            None => None,
            Some("domain") => Some(stage.domain().into()),
            Some(who) => Some(stage.address(who)?),
        };
        let expand = |text: &Option<String>| text.as_deref().map(|text| stage.expand(text)).transpose();
        Ok(Self { from, body: expand(&self.body)?, holds: expand(&self.holds)?, ..self.clone() })
    }

    /// Returns whether what came `after` the chapter began came in time.
    pub(super) fn is_timely(&self, after: SimSpan) -> bool {
        self.within.is_none_or(|within| after <= within) && self.after.is_none_or(|least| after >= least)
    }

    /// Returns whether `stanza` is as it must be. An expected address without resource stands for all of its
    /// resources.
    pub(super) fn matches(&self, stanza: &Element) -> bool {
        let child = |name: &str| stanza.child(name, ns::CLIENT).map(|child| child.text());
        let is = |expected: &Option<String>, found: Option<&str>| match expected {
            None => true,
            Some(expected) => found == Some(expected.as_str()),
        };
        let raw = || String::from_utf8_lossy(stanza.raw()).into_owned();
        is(&self.name, Some(stanza.name()))
            && self
                .from
                .as_ref()
                .is_none_or(|from| stanza.attr("from").is_some_and(|found| covers(from, &found)))
            && is(&self.kind, stanza.attr("type").as_deref())
            && is(&self.condition, condition_of(stanza).as_deref())
            && self.payload.as_ref().is_none_or(|name| stanza.children().any(|child| child.name() == name))
            && self.holds.as_ref().is_none_or(|text| raw().contains(text.as_str()))
            && is(&self.show, child("show").as_deref())
            && is(&self.status, child("status").as_deref())
            && is(&self.priority, child("priority").as_deref())
            && is(&self.subject, child("subject").as_deref())
            && is(&self.error_type, error_type(stanza).as_deref())
            && self.delayed.is_none_or(|delayed| delayed == stanza.child("delay", DELAY).is_some())
            && self.is_of_occupant(stanza)
            && is(&self.body, child("body").as_deref())
    }
}

impl Pattern {
    /// Returns whether what a room says of an occupant is as it must be (XEP-0045, 7 and 15.6).
    fn is_of_occupant(&self, stanza: &Element) -> bool {
        let extra = stanza.child("x", MUC_USER).map(|x| x.tree());
        let item = extra.as_ref().and_then(|x| x.child("item", MUC_USER));
        let is = |expected: &Option<String>, name: &str| {
            expected.is_none() || item.and_then(|item| item.attr(name)) == expected.as_deref()
        };
        let has = |code: &String| {
            let mut all = extra.iter().flat_map(Node::children).filter(|child| child.name() == "status");
            all.any(|status| status.attr("code") == Some(code))
        };
        is(&self.role, "role")
            && is(&self.affiliation, "affiliation")
            && is(&self.nick, "nick")
            && self.codes.iter().all(has)
    }
}

fn error_type(stanza: &Element) -> Option<String> {
    stanza.child("error", ns::CLIENT)?.attr("type").map(Cow::into_owned)
}

fn covers(expected: &str, found: &str) -> bool {
    let bare = found.split_once('/').map_or(found, |(bare, _)| bare);
    expected == found || (!expected.contains('/') && expected == bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, stanza: &'static [u8]) -> bool {
        let pattern = Pattern::parse(&mut Words::new(pattern)).unwrap();
        let element = Element::parse(bytes::Bytes::from_static(stanza)).unwrap();
        pattern.matches(&element)
    }

    #[test]
    fn only_what_is_named_matters() {
        let hello =
            b"<message xmlns='jabber:client' from='a@d/r' type='chat'><body>hello you</body></message>";
        for pattern in ["message", "stanza", "message from a@d", "message from a@d/r body hello you"] {
            assert!(check(pattern, hello), "{pattern}");
        }
        for pattern in
            ["presence", "message from b@d", "message from a@d/x", "message body hello", "message error x"]
        {
            assert!(!check(pattern, hello), "{pattern}");
        }
    }

    #[test]
    fn what_a_room_says_is_told_apart() {
        let gone = b"<presence xmlns='jabber:client' from='r@d/Ann' type='unavailable'>\
            <x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='none' role='none'/>\
            <status code='333'/><status code='110'/></x></presence>";
        for pattern in ["presence code 333 code 110", "presence role none affiliation none undelayed"] {
            assert!(check(pattern, gone), "{pattern}");
        }
        for pattern in
            ["presence code 333 code 307", "presence role visitor", "presence nick Ann", "presence delayed"]
        {
            assert!(!check(pattern, gone), "{pattern}");
        }
    }

    #[test]
    fn an_error_has_a_type_and_a_message_a_delay_and_a_subject() {
        let busy = b"<message xmlns='jabber:client' type='error'><subject>s</subject><error type='wait'>\
            <resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>\
            <delay xmlns='urn:xmpp:delay' stamp='2026-01-01T00:00:00Z'/></message>";
        for pattern in ["message error resource-constraint error-type wait", "message delayed subject s"] {
            assert!(check(pattern, busy), "{pattern}");
        }
        for pattern in ["message error-type cancel", "message undelayed", "message subject t"] {
            assert!(!check(pattern, busy), "{pattern}");
        }
    }

    #[test]
    fn what_comes_too_soon_or_too_late_is_not_timely() {
        let pattern = Pattern::parse(&mut Words::new("message after 1s within 2s")).unwrap();
        let timely = [500, 1_000, 2_000, 2_500].map(|after| pattern.is_timely(SimSpan::from_millis(after)));
        assert_eq!(timely, [false, true, true, false]);
    }
}
