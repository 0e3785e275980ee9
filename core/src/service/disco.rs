//! Tells what the server and an account are and can do.
//!
//! Implements: XEP-0030 2.5.0, sections 3, 4, 7 and 8. Complete for server and accounts, which have no nodes.
//!
//! Shown by: scenarios/service/discovery.scn, core/src/node/tests/small.rs.

use super::blocking::Blocking;
use super::caps;
use super::carbons::Carbons;
use super::cx::Cx;
use super::last::Last;
use super::mam::Mam;
use super::message::Messages;
use super::ping::Ping;
use super::private::Private;
use super::register::Register;
use super::roster::Roster;
use super::service::{At, IqRequest, Service, Set};
use super::time::Time;
use super::vcard::VCard;
use super::version::Version;
use crate::config::{Config, DomainConfig, Registration, ShowVersion};
use crate::jid::Jid;
use crate::stanza::{Stanza, StanzaError};
use crate::xml::{Node, ns};

/// What every domain can do. What depends on the configuration is added by [`server_info`].
const SERVER: &[&[&str]] = &[
    Disco::FEATURES,
    caps::FEATURES,
    Ping::FEATURES,
    Roster::FEATURES,
    Messages::FEATURES,
    Mam::ON_SERVER,
    Blocking::FEATURES,
    Carbons::FEATURES,
    Last::FEATURES,
    Private::FEATURES,
    Time::FEATURES,
    VCard::FEATURES,
];

/// What every account can do.
const ACCOUNT: &[&[&str]] =
    &[Disco::FEATURES, Ping::FEATURES, Mam::FEATURES, Last::FEATURES, VCard::FEATURES];

/// The discovery service. Keeps nothing.
#[derive(Debug, Default)]
pub(crate) struct Disco;

impl Service for Disco {
    const CLAIMS: &'static [(At, &'static str)] = &[
        (At::Server, ns::DISCO_INFO),
        (At::Server, ns::DISCO_ITEMS),
        (At::OwnAccount, ns::DISCO_INFO),
        (At::OwnAccount, ns::DISCO_ITEMS),
        (At::Account, ns::DISCO_INFO),
        (At::Account, ns::DISCO_ITEMS),
    ];
    const FEATURES: &'static [&'static str] = &[ns::DISCO_INFO, ns::DISCO_ITEMS];

    fn handle_iq(&mut self, cx: &mut Cx<'_>, request: &IqRequest<'_>) -> Result<Option<Stanza>, StanzaError> {
        if request.at != At::Server && !request.may_see_presence(cx) {
            return Err(StanzaError::ServiceUnavailable);
        }
        if request.payload.name() != "query" {
            return Err(StanzaError::BadRequest);
        }
        if request.set == Set::Set {
            return Err(StanzaError::NotAllowed);
        }
        let about = request.stanza.to.clone().unwrap_or_else(|| request.stanza.from.bare().as_jid().clone());
        let node = request.payload.attr("node").filter(|node| !node.is_empty());
        let answer = match (request.payload.ns(), request.at) {
            (ns::DISCO_ITEMS, _) if node.is_some() => return Err(StanzaError::ItemNotFound),
            (ns::DISCO_ITEMS, At::Server) => Node::new("query", ns::DISCO_ITEMS),
            (ns::DISCO_ITEMS, At::OwnAccount | At::Account) => resources(cx, &about),
            (_, At::Server) => {
                let domain = cx.config.domain(about.domain()).ok_or(StanzaError::ItemNotFound)?;
                of_node(server_info(cx.config, domain), node)?
            }
            (_, At::OwnAccount | At::Account) if node.is_some() => return Err(StanzaError::ItemNotFound),
            (_, At::OwnAccount | At::Account) => info(("account", "registered"), &ACCOUNT.concat()),
        };
        Ok(Some(request.stanza.result(&[answer])))
    }
}

/// Returns what each domain can do, as its streams say it (XEP-0115, 6.3), in the order of the configuration.
pub(crate) fn capabilities(config: &Config) -> Vec<Node> {
    config.domains.iter().map(|domain| caps::element(&server_info(config, domain))).collect()
}

fn server_info(config: &Config, domain: &DomainConfig) -> Node {
    let mut features = SERVER.concat();
    if domain.registration == Registration::Open {
        features.extend_from_slice(Register::FEATURES);
    }
    if config.show_version == ShowVersion::Yes {
        features.extend_from_slice(Version::FEATURES);
    }
    info(("server", "im"), &features)
}

/// Returns the answer for a node of the server: there is one, which names the capabilities (XEP-0115, 6.2).
fn of_node(info: Node, node: Option<&str>) -> Result<Node, StanzaError> {
    let Some(node) = node else { return Ok(info) };
    let hash = node.strip_prefix(caps::NODE).and_then(|rest| rest.strip_prefix('#'));
    if hash == Some(&caps::hash(&info)) {
        Ok(info.with_attr("node", node))
    } else {
        Err(StanzaError::ItemNotFound)
    }
}

/// Returns the available resources of an account.
fn resources(cx: &Cx<'_>, account: &Jid) -> Node {
    cx.sight().available(account).fold(Node::new("query", ns::DISCO_ITEMS), |items, seen| {
        items.with_child(Node::new("item", ns::DISCO_ITEMS).with_attr("jid", seen.jid().as_str()))
    })
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
