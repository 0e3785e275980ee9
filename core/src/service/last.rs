//! When somebody was last there.
//!
//! Implements: XEP-0012 2.0, sections 3 to 5. Complete: requests to a resource are its client's to answer.
//!
//! Shown by: scenarios/service/last-activity.scn, core/src/node/tests/kept.rs.

use bytes::Bytes;
use minicbor::{Decode, Encode};

use super::cx::{Cx, Request};
use super::large::{Change, Large, life};
use super::service::{At, IqRequest, Set};
use crate::jid::{FullJid, Jid};
use crate::stanza::{Stanza, StanzaError};
use crate::xml::{Node, ns};

/// The kind of the values.
const KIND: &str = "last";
/// The name of the only one.
const NAME: &str = "gone";
/// Bytes of a status that are kept.
const STATUS_BYTES_MAX: usize = 1024;

/// The service of last activities.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Last;

/// The end of the last presence of an account.
#[derive(Debug, Encode, Decode)]
struct Gone {
    #[n(0)]
    at_ms: i64,
    #[n(1)]
    status: String,
}

impl Last {
    /// Where it answers.
    pub(crate) const CLAIMS: &'static [(At, &'static str)] =
        &[(At::Server, ns::LAST), (At::OwnAccount, ns::LAST), (At::Account, ns::LAST)];
    /// What is announced.
    pub(crate) const FEATURES: &'static [&'static str] = &[ns::LAST];

    /// Answers for the server, and for accounts to those who may see their presence.
    ///
    /// # Errors
    ///
    /// The stanza error that goes back to the sender.
    pub(crate) fn handle(
        cx: &mut Cx<'_>,
        large: &mut Large,
        request: &IqRequest<'_>,
    ) -> Result<Option<Stanza>, StanzaError> {
        match (request.set, request.payload.name()) {
            (Set::Get, "query") => {}
            (Set::Set, "query") => return Err(StanzaError::NotAllowed),
            (Set::Get | Set::Set, _) => return Err(StanzaError::BadRequest),
        }
        let stanza = request.stanza;
        if request.at == At::Server {
            // The monotonic clock began with the node.
            return Ok(Some(stanza.result(&[query(cx.now.mono.as_micros() / 1_000_000, "")])));
        }
        if !request.may_see_presence(cx) {
            return Err(StanzaError::Forbidden);
        }
        let owner = stanza.to.as_ref().map_or_else(|| stanza.from.bare(), Jid::bare);
        if cx.sight().has(owner.as_str()) {
            return Ok(Some(stanza.result(&[query(0, "")])));
        }
        large.get(cx, request.later(), (&owner, KIND, NAME), answer);
        Ok(None)
    }

    /// Takes note that a session is available no more, with what its client said at the end. It counts when no other one is.
    pub(crate) fn handle_gone(cx: &mut Cx<'_>, large: &mut Large, who: &FullJid, stanza: Option<&Stanza>) {
        let owner = who.bare();
        let exists = cx.accounts.get(owner.as_str()).is_some();
        if !exists || cx.sight().others_available(who).next().is_some() {
            return;
        }
        let status = stanza.and_then(|stanza| stanza.child("status", ns::CLIENT));
        let mut status = status.map(|status| status.text()).unwrap_or_default();
        while status.len() > STATUS_BYTES_MAX {
            let cut = status.char_indices().map(|(at, _)| at).take_while(|at| *at <= STATUS_BYTES_MAX).last();
            status.truncate(cut.unwrap_or_default());
        }
        let gone = Gone { at_ms: cx.now.wall.as_millis(), status };
        let value = minicbor::to_vec(&gone).expect("writing to a Vec cannot fail");
        let values = vec![(NAME.into(), Bytes::from(value))];
        let life = life(cx, &owner);
        large.set(cx, Change { asker: None, owner, life, kind: KIND, values, max: 1 });
    }
}

/// Makes the answer; of an account that was never available there is nothing to say.
fn answer(cx: &Cx<'_>, _: &Request, value: Option<Bytes>) -> Result<Node, StanzaError> {
    let value = value.ok_or(StanzaError::ItemNotFound)?;
    let gone: Gone = minicbor::decode(&value).map_err(|_| StanzaError::InternalServerError)?;
    let passed = cx.now.wall.as_millis().saturating_sub(gone.at_ms);
    // The wall clock may have gone back.
    Ok(query(u64::try_from(passed).unwrap_or(0) / 1000, &gone.status))
}

fn query(seconds: u64, status: &str) -> Node {
    Node::new("query", ns::LAST).with_attr("seconds", &seconds.to_string()).with_text(status)
}
