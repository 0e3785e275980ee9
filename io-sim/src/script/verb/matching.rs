//! Which stanzas an expectation speaks of.

use eyot_core::xml::{Element, ns};

use super::{Stage, Trouble, Words};
use crate::client::condition_of;

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
    body: Option<String>,
}

impl Pattern {
    /// Reads `message|presence|iq|stanza [from WHO] [type T] [error CONDITION] [payload NAME] [holds "..."]
    /// [show S] [status "..."] [priority N] [body TEXT]`; the body takes the rest of the line.
    pub(super) fn parse(words: &mut Words<'_>) -> Result<Self, String> {
        let mut pattern = Self::default();
        match words.word("a stanza")? {
            "stanza" => {}
            name @ ("message" | "presence" | "iq") => pattern.name = Some(name.into()),
            other => return Err(format!("a stanza is message, presence, iq or stanza, not {other}")),
        }
        while !words.is_empty() {
            let property = words.word("a property")?;
            let place = match property {
                "from" => &mut pattern.from,
                "type" => &mut pattern.kind,
                "error" => &mut pattern.condition,
                "payload" => &mut pattern.payload,
                "holds" => &mut pattern.holds,
                "show" => &mut pattern.show,
                "status" => &mut pattern.status,
                "priority" => &mut pattern.priority,
                "body" => &mut pattern.body,
                other => return Err(format!("a stanza has no property {other}")),
            };
            let value = if property == "body" { words.rest() } else { words.word(property)? };
            *place = Some(value.into());
        }
        Ok(pattern)
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
            && is(&self.body, child("body").as_deref())
    }
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
}
