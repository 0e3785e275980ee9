//! What a client may put into its roster.
//!
//! Implements: RFC 6121, sections 2.1.2, 2.1.5 and 2.3.3. Complete. A full JID is no contact (`bad-request`), nor is
//! the account itself (`not-allowed`).

use std::collections::BTreeSet;

use crate::jid::{BareJid, Jid};
use crate::limits::Limits;
use crate::replica::Item;
use crate::stanza::StanzaError;
use crate::xml::{Node, ns};

/// A change that a client wants.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Of whom.
    pub(super) contact: BareJid,
    /// What the roster is to say; nothing when the contact is to be removed.
    pub(super) item: Option<Item>,
}

impl Wanted {
    /// Reads the query of a roster set of `owner`. What the server alone decides is ignored: `ask`, `approved`, and
    /// `subscription` unless it is `remove`.
    ///
    /// # Errors
    ///
    /// The error that the client gets (2.3.3).
    pub(super) fn parse(query: &Node, owner: &BareJid, limits: &Limits) -> Result<Self, StanzaError> {
        let mut items = query.children();
        let (Some(item), None) = (items.next(), items.next()) else { return Err(StanzaError::BadRequest) };
        if (item.name(), item.ns()) != ("item", ns::ROSTER) {
            return Err(StanzaError::BadRequest);
        }
        let jid = item.attr("jid").ok_or(StanzaError::BadRequest)?;
        let jid = Jid::parse(jid).map_err(|_| StanzaError::JidMalformed)?;
        if jid.resource().is_some() {
            return Err(StanzaError::BadRequest);
        }
        let contact = jid.bare();
        if contact == *owner {
            return Err(StanzaError::NotAllowed);
        }
        if item.attr("subscription") == Some("remove") {
            return Ok(Self { contact, item: None });
        }
        let fits = |text: &str| text.len() <= limits.roster_name_bytes as usize;
        let name = item.attr("name").filter(|name| !name.is_empty());
        if !name.is_none_or(fits) {
            return Err(StanzaError::NotAcceptable);
        }
        let groups: Vec<Box<str>> = item
            .children()
            .filter(|child| (child.name(), child.ns()) == ("group", ns::ROSTER))
            .map(|group| group.text().into())
            .collect();
        if groups.len() > limits.roster_groups as usize
            || groups.iter().any(|group| group.is_empty() || !fits(group))
        {
            return Err(StanzaError::NotAcceptable);
        }
        let same: BTreeSet<String> = groups.iter().map(|group| compared(owner, group)).collect();
        if same.len() < groups.len() {
            return Err(StanzaError::BadRequest);
        }
        Ok(Self { contact, item: Some(Item { name: name.map(Into::into), groups, present: true }) })
    }
}

/// Returns a group as it is compared: like a resourcepart, where it is one.
fn compared(owner: &BareJid, group: &str) -> String {
    owner.with_resource(group).map_or_else(|_| group.to_owned(), |jid| jid.resource().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::Element;

    fn query(items: &str) -> Node {
        let text = format!("<query xmlns='jabber:iq:roster'>{items}</query>");
        Element::parse(text.into()).unwrap().tree()
    }

    fn alice() -> BareJid {
        BareJid::parse("alice@a.example").unwrap()
    }

    fn check(items: &str) -> Result<Wanted, StanzaError> {
        let limits = Limits { roster_groups: 2, roster_name_bytes: 5, ..Limits::default() };
        Wanted::parse(&query(items), &alice(), &limits)
    }

    #[test]
    fn each_violation_has_its_error() {
        use StanzaError::{BadRequest, JidMalformed, NotAcceptable, NotAllowed};
        for (items, error) in [
            ("", BadRequest),
            ("<item jid='b@a.example'/><item jid='c@a.example'/>", BadRequest),
            ("<thing jid='b@a.example'/>", BadRequest),
            ("<item xmlns='other' jid='b@a.example'/>", BadRequest),
            ("<item name='x'/>", BadRequest),
            ("<item jid='b@a.example/r'/>", BadRequest),
            ("<item jid='@'/>", JidMalformed),
            ("<item jid='alice@A.example'/>", NotAllowed),
            ("<item jid='b@a.example' name='longer'/>", NotAcceptable),
            ("<item jid='b@a.example'><group/></item>", NotAcceptable),
            ("<item jid='b@a.example'><group>longer</group></item>", NotAcceptable),
            ("<item jid='b@a.example'><group>a</group><group>a</group></item>", BadRequest),
            // An e with an accent, in one character and in two (RFC 8265, 4.2: NFC).
            ("<item jid='b@a.example'><group>\u{e9}</group><group>e\u{301}</group></item>", BadRequest),
            (
                "<item jid='b@a.example'><group>a</group><group>b</group><group>c</group></item>",
                NotAcceptable,
            ),
        ] {
            assert_eq!(check(items), Err(error), "{items}");
        }
    }

    #[test]
    fn what_the_server_decides_is_ignored() {
        let wanted =
            check("<item jid='B@a.example' subscription='both' ask='x' approved='true' name=''/>").unwrap();
        assert_eq!(wanted.contact.as_str(), "b@a.example");
        assert_eq!(wanted.item, Some(Item { name: None, groups: Vec::new(), present: true }));
        let groups =
            check("<item jid='b@a.example' name='Bob'><group>B</group><group>b</group></item>").unwrap();
        let item = groups.item.unwrap();
        assert_eq!((item.name.as_deref(), item.groups), (Some("Bob"), vec!["B".into(), "b".into()]));
        let removed = check("<item jid='b@a.example' subscription='remove'><group/></item>").unwrap();
        assert_eq!(removed.item, None);
    }
}
