//! Who blocks whom (XEP-0191), as far as clients have asked for it and were told.

use super::conn::Mark;
use super::run::Run;
use super::stanza::{Kind, Stanza};
use crate::client::xmlns;

/// All changes of block lists.
#[derive(Clone, Debug, Default)]
pub struct Blocks(Vec<Change>);

/// Somebody asks for a change.
#[derive(Clone, Debug)]
struct Change {
    /// The account whose list it is.
    account: String,
    /// The node that was asked.
    node: usize,
    /// Whether it blocks.
    blocks: bool,
    /// The addresses; to unblock none is to unblock all.
    items: Vec<String>,
    sent: Mark,
    /// When the server said that it was done.
    done: Option<Mark>,
}

impl Blocks {
    /// Reads them out of a run whose stanzas are matched.
    pub(super) fn of(run: &Run<'_>) -> Self {
        let changes = run.sent.iter().enumerate().filter_map(|(ix, sent)| {
            let session = run.sessions.get(sent.session?)?;
            let answers = run.answers.get(ix).map_or(&[][..], Vec::as_slice);
            let mut answers = answers.iter().map(|got| &run.got[*got]);
            let done = answers.find(|got| got.class == "result").map(Stanza::mark);
            Change::of(sent, (session.bare(), session.node), done.filter(|_| !sent.repeated))
        });
        Self(changes.collect())
    }

    /// Returns whether one of two accounts has ever asked to block the other: then it is not sure what of either reaches the other.
    pub fn stand_between(&self, one: &str, other: &str) -> bool {
        let names = |change: &Change, who: &str| change.items.iter().any(|item| covers(item, who, true));
        self.0.iter().filter(|change| change.blocks).any(|change| {
            (change.account == one && names(change, other)) || (change.account == other && names(change, one))
        })
    }

    /// Returns whether `account` surely blocked the full JID `who` all the time, as far as `node` knew: it was told so before, and nobody
    /// has asked to end it. A block acts at the nodes that know of it (`docs/promises.md`, P8).
    pub fn hold(
        &self,
        run: &Run<'_>,
        (account, node): (&str, usize),
        who: &str,
        (from, until): (Mark, Mark),
    ) -> bool {
        let of = |change: &&Change| change.account == account;
        let names = |change: &Change| change.items.iter().any(|item| covers(item, who, false));
        self.0.iter().filter(of).filter(|change| change.blocks && names(change)).any(|block| {
            let ends = |change: &Change| {
                let earlier = change.done.is_some_and(|done| done < block.sent);
                !change.blocks
                    && change.sent <= until
                    && !earlier
                    && (change.items.is_empty() || names(change))
            };
            let known = block.done.and_then(|done| run.known_at((block.node, node), done));
            known.is_some_and(|known| known < from) && !self.0.iter().filter(of).any(ends)
        })
    }
}

impl Change {
    /// Reads a request; nothing when it is another one.
    fn of(sent: &Stanza, (account, node): (&str, usize), done: Option<Mark>) -> Option<Self> {
        let blocks = match sent.payload().filter(|(_, namespace)| *namespace == xmlns::BLOCKING)?.0 {
            "block" => true,
            "unblock" => false,
            _ => return None,
        };
        if sent.kind != Kind::Iq || sent.class != "set" {
            return None;
        }
        let list = sent.element.children().next()?.tree();
        let items = list.children().filter_map(|item| item.attr("jid")).map(String::from).collect();
        Some(Self { account: account.into(), node, blocks, items, sent: sent.mark(), done })
    }
}

/// Returns whether an address on a list is `who`, their account or their domain; or, where `any`, a resource of theirs.
fn covers(item: &str, who: &str, any: bool) -> bool {
    let bare = who.split('/').next().unwrap_or(who);
    let domain = bare.rsplit('@').next().unwrap_or(bare);
    item == who || item == bare || item == domain || (any && item.split('/').next() == Some(bare))
}
