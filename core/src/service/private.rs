//! What clients keep at the server for themselves.
//!
//! Implements: XEP-0049 1.2, sections 3 and 4. Complete: several elements in one request are stored together.
//!
//! Shown by: scenarios/service/private-storage.scn, core/src/node/tests/kept.rs.

use bytes::Bytes;

use super::cx::{Cx, Request};
use super::large::{Change, Large, life};
use super::service::{At, IqRequest, Set};
use crate::stanza::{Stanza, StanzaError};
use crate::xml::{Element, Node, ns};

/// The kind of the values.
const KIND: &str = "private";
/// Bytes of name and namespace of an element.
const NAME_BYTES_MAX: usize = 1000;

/// The private storage.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Private;

impl Private {
    /// Where it answers.
    pub(crate) const CLAIMS: &'static [(At, &'static str)] =
        &[(At::OwnAccount, ns::PRIVATE), (At::Account, ns::PRIVATE)];
    /// What is announced.
    pub(crate) const FEATURES: &'static [&'static str] = &[ns::PRIVATE];

    /// Reads or writes elements; the answer comes later.
    ///
    /// # Errors
    ///
    /// The stanza error that goes back to the sender.
    pub(crate) fn handle(
        cx: &mut Cx<'_>,
        large: &mut Large,
        request: &IqRequest<'_>,
    ) -> Result<Option<Stanza>, StanzaError> {
        if request.at != At::OwnAccount {
            return Err(StanzaError::Forbidden);
        }
        if request.payload.name() != "query" {
            return Err(StanzaError::BadRequest);
        }
        let owner = request.stanza.from.bare();
        let mut children = request.payload.children();
        match request.set {
            Set::Get => {
                let asked = children.next().ok_or(StanzaError::BadRequest)?;
                if children.next().is_some() {
                    return Err(StanzaError::NotAcceptable);
                }
                large.get(cx, request.later(), (&owner, KIND, &name(asked)?), answer);
            }
            Set::Set => {
                let mut values: Vec<(String, Vec<u8>)> = Vec::new();
                for child in children {
                    let name = name(child)?;
                    let known = values.iter().position(|(other, _)| *other == name);
                    let at = known.unwrap_or_else(|| {
                        values.push((name, Vec::new()));
                        values.len() - 1
                    });
                    if let Some((_, value)) = values.get_mut(at) {
                        child.write(ns::PRIVATE, value);
                    }
                }
                let most = cx.config.limits.private_bytes as usize;
                if values.is_empty() || values.iter().any(|(_, value)| value.len() > most) {
                    return Err(StanzaError::NotAcceptable);
                }
                let values = values.into_iter().map(|(name, value)| (name, Bytes::from(value))).collect();
                let (asker, max) = (Some(request.later()), cx.config.limits.private_elements);
                let life = life(cx, &owner);
                large.set(cx, Change { asker, owner, life, kind: KIND, values, max });
            }
        }
        Ok(None)
    }
}

/// Returns the name under which an element is kept: it has a namespace of its own.
fn name(element: &Node) -> Result<String, StanzaError> {
    let name = format!("{} {}", element.name(), element.ns());
    let own = !["", ns::PRIVATE, ns::CLIENT].contains(&element.ns());
    if own && name.len() <= NAME_BYTES_MAX { Ok(name) } else { Err(StanzaError::NotAcceptable) }
}

/// Makes the answer: what was stored, or the element that was asked for as it was asked for.
fn answer(_: &Cx<'_>, request: &Request, value: Option<Bytes>) -> Result<Node, StanzaError> {
    let Some(value) = value else {
        let query = request.stanza.payload().ok_or(StanzaError::BadRequest)?.tree();
        let asked = query.children().next().ok_or(StanzaError::BadRequest)?;
        return Ok(Node::new("query", ns::PRIVATE).with_child(Node::new(asked.name(), asked.ns())));
    };
    let whole = [b"<query xmlns='jabber:iq:private'>", value.as_ref(), b"</query>"].concat();
    let element = Element::parse(whole.into()).map_err(|_| StanzaError::InternalServerError)?;
    Ok(element.tree())
}
