//! Tells what the server and an account are and can do.
//!
//! Implements: XEP-0030 2.5.0, sections 3 and 4. Complete for server and own account.

use super::cx::Cx;
use super::mam::Mam;
use super::message::Messages;
use super::ping::Ping;
use super::register::Register;
use super::roster::Roster;
use super::service::{At, IqRequest, Service, Set};
use crate::config::Registration;
use crate::stanza::{Stanza, StanzaError};
use crate::xml::{Node, ns};

/// The discovery service. Keeps nothing.
#[derive(Debug, Default)]
pub(crate) struct Disco;

impl Service for Disco {
    const CLAIMS: &'static [(At, &'static str)] = &[
        (At::Server, ns::DISCO_INFO),
        (At::Server, ns::DISCO_ITEMS),
        (At::OwnAccount, ns::DISCO_INFO),
        (At::OwnAccount, ns::DISCO_ITEMS),
    ];
    const FEATURES: &'static [&'static str] = &[ns::DISCO_INFO, ns::DISCO_ITEMS];

    fn handle_iq(&mut self, cx: &mut Cx<'_>, request: &IqRequest<'_>) -> Result<Option<Stanza>, StanzaError> {
        if request.payload.name() != "query" {
            return Err(StanzaError::BadRequest);
        }
        if request.set == Set::Set {
            return Err(StanzaError::NotAllowed);
        }
        if request.payload.attr("node").is_some_and(|node| !node.is_empty()) {
            return Err(StanzaError::ItemNotFound);
        }
        let answer = if request.payload.ns() == ns::DISCO_ITEMS {
            Node::new("query", ns::DISCO_ITEMS)
        } else {
            match request.at {
                At::Server => info(("server", "im"), &server_features(cx, request.stanza)),
                At::OwnAccount | At::Account => info(("account", "registered"), &account_features()),
            }
        };
        Ok(Some(request.stanza.result(&[answer])))
    }
}

fn server_features(cx: &Cx<'_>, stanza: &Stanza) -> Vec<&'static str> {
    let mut features = [Disco::FEATURES, Ping::FEATURES, Roster::FEATURES, Messages::FEATURES].concat();
    let domain = stanza.to.as_ref().map_or_else(|| stanza.from.domain(), |to| to.domain());
    if cx.config.domain(domain).is_some_and(|domain| domain.registration == Registration::Open) {
        features.extend_from_slice(Register::FEATURES);
    }
    features
}

fn account_features() -> Vec<&'static str> {
    [Disco::FEATURES, Ping::FEATURES, Mam::FEATURES].concat()
}

fn info((category, kind): (&str, &str), features: &[&str]) -> Node {
    let identity = Node::new("identity", ns::DISCO_INFO)
        .with_attr("category", category)
        .with_attr("type", kind)
        .with_attr("name", "eyot");
    features.iter().fold(Node::new("query", ns::DISCO_INFO).with_child(identity), |query, feature| {
        query.with_child(Node::new("feature", ns::DISCO_INFO).with_attr("var", feature))
    })
}
