//! What the owner of an archive wants in it.
//!
//! Implements: XEP-0441 0.2.0, section 2.1. Complete.

use crate::jid::Jid;
use crate::limits::Limits;
use crate::replica::{Account, Archiving, Prefs};
use crate::stanza::StanzaError;
use crate::xml::{Node, ns};

/// Writes the preferences of an account; those of one that has set none are to archive everything.
pub(super) fn write(account: Option<&Account>) -> Node {
    let unset = Prefs { default: Archiving::Always, always: Vec::new(), never: Vec::new() };
    let prefs = account.and_then(Account::prefs).unwrap_or(&unset);
    let default = match prefs.default {
        Archiving::Always => "always",
        Archiving::Never => "never",
        Archiving::Roster => "roster",
    };
    let list = |name: &str, jids: &[Jid]| {
        let jid = |jid: &Jid| Node::new("jid", ns::MAM).with_text(jid.as_str());
        jids.iter().map(jid).fold(Node::new(name, ns::MAM), Node::with_child)
    };
    Node::new("prefs", ns::MAM)
        .with_attr("default", default)
        .with_child(list("always", &prefs.always))
        .with_child(list("never", &prefs.never))
}

/// Reads preferences.
///
/// # Errors
///
/// [`StanzaError::BadRequest`] when they are none, [`StanzaError::JidMalformed`] for an address that is none,
/// [`StanzaError::ResourceConstraint`] for too many of them.
pub(super) fn read(prefs: &Node, limits: &Limits) -> Result<Prefs, StanzaError> {
    let default = match prefs.attr("default") {
        Some("always") => Archiving::Always,
        Some("never") => Archiving::Never,
        Some("roster") => Archiving::Roster,
        Some(_) | None => return Err(StanzaError::BadRequest),
    };
    let list = |name: &str| -> Result<Vec<Jid>, StanzaError> {
        let listed = prefs.child(name, ns::MAM).into_iter().flat_map(Node::children);
        let listed = listed.filter(|child| child.name() == "jid" && child.ns() == ns::MAM);
        listed.map(|jid| Jid::parse(jid.text().trim()).map_err(|_| StanzaError::JidMalformed)).collect()
    };
    let (always, never) = (list("always")?, list("never")?);
    if always.len() + never.len() > limits.archive_names as usize {
        return Err(StanzaError::ResourceConstraint);
    }
    Ok(Prefs { default, always, never })
}
