//! What the server can do, as a hash.
//!
//! Implements: XEP-0115 1.6.0, sections 5 and 6.3. Complete for the server's own capabilities: those of clients pass untouched.
//!
//! Shown by: scenarios/service/discovery.scn, core/src/node/tests/small.rs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

use crate::xml::{Node, ns};

/// What is announced.
pub(crate) const FEATURES: &[&str] = &[ns::CAPS];
/// The name of the software, as it stands before the hash.
pub(crate) const NODE: &str = "urn:eyot";

/// Returns the element that stands for the answer `info` of disco#info.
pub(crate) fn element(info: &Node) -> Node {
    Node::new("c", ns::CAPS).with_attr("hash", "sha-1").with_attr("node", NODE).with_attr("ver", &hash(info))
}

/// Returns the verification string of an answer without forms (section 5.1).
pub(crate) fn hash(info: &Node) -> String {
    let attr = |node: &Node, name| node.attr(name).unwrap_or_default().to_owned();
    let named =
        |name| info.children().filter(move |child| child.name() == name && child.ns() == ns::DISCO_INFO);
    let mut identities: Vec<[String; 4]> = named("identity")
        .map(|identity| ["category", "type", "xml:lang", "name"].map(|name| attr(identity, name)))
        .collect();
    let mut features: Vec<String> = named("feature").map(|feature| attr(feature, "var")).collect();
    identities.sort();
    features.sort();
    let lines = identities.iter().map(|identity| identity.join("/")).chain(features);
    let text: String = lines.map(|line| line + "<").collect();
    STANDARD.encode(Sha1::digest(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_section_5_2_comes_out() {
        let identity = Node::new("identity", ns::DISCO_INFO)
            .with_attr("category", "client")
            .with_attr("type", "pc")
            .with_attr("name", "Exodus 0.9.1");
        let features = [
            "http://jabber.org/protocol/muc",
            "http://jabber.org/protocol/disco#info",
            "http://jabber.org/protocol/caps",
            "http://jabber.org/protocol/disco#items",
        ];
        let info = features
            .into_iter()
            .fold(Node::new("query", ns::DISCO_INFO).with_child(identity), |info, feature| {
                info.with_child(Node::new("feature", ns::DISCO_INFO).with_attr("var", feature))
            });
        assert_eq!(hash(&info), "QgayPKawpkPSDYmwT/WM94uAlu0=");
    }
}
