//! The end of an account: its contacts are told, and nobody is subscribed to it or it to anybody.
//!
//! Implements: XEP-0077 2.4, section 3.2 (the subscriptions of a removed account); RFC 6121, sections 3.2 and 3.3. Complete
//! for accounts of this node.
//!
//! Everything is one write. The cells of an edge are the same at both ends, so that what is stored of the contacts can
//! be written without being read.

use super::list::shows;
use super::push::push;
use super::step::{Act, Bits, step};
use super::subscribe::{Moved, announce};
use crate::account::cell_key;
use crate::exchange::GroupKind;
use crate::jid::BareJid;
use crate::replica::{Account, CellName, Replica as _, Standing, Value, Want};
use crate::service::cx::Cx;
use crate::store::StoreBatch;

/// What the end of an account changes for others.
#[derive(Debug)]
pub(crate) struct Left(Vec<Moved>);

/// Returns whether what is in memory of the contacts of `account` is on the disk, or on its way there.
pub(crate) fn may_leave(cx: &Cx<'_>, account: &Account) -> bool {
    others(cx, account).iter().all(|(contact, _)| !cx.accounts.is_former(contact.as_str()))
}

/// Adds to `batch` the end of all subscriptions of `account` at the other ends. What it says itself is removed by the
/// caller.
pub(crate) fn leave(cx: &mut Cx<'_>, account: &mut Account, batch: &mut StoreBatch) -> Left {
    let me = account.owner().clone();
    let mut moves = Vec::new();
    for (contact, standing) in others(cx, account) {
        let Standing { to, from, pending_out, pending_in, approved } = standing;
        let towards = Bits { want: to || pending_out, allow: to };
        let back = Bits { want: from || pending_in, allow: from || approved };
        for (act, bits, subscriber, publisher) in
            [(Act::Unsubscribe, towards, &me, &contact), (Act::Unsubscribed, back, &contact, &me)]
        {
            let (subscriber, publisher) = (subscriber.clone(), publisher.clone());
            let change = Moved { act, step: step(act, bits), subscriber, publisher };
            write(cx, account, (&contact, &change), batch);
            moves.push(change);
        }
    }
    Left(moves)
}

/// Returns the contacts that have an account here, and how they stand to `account`.
fn others(cx: &Cx<'_>, account: &Account) -> Vec<(BareJid, Standing)> {
    let me = account.owner();
    let served = |jid: &BareJid| jid.local().is_some() && cx.config.domain(jid.domain()).is_some();
    let others = account.contacts().filter(|(jid, _)| *jid != me && served(jid));
    others.map(|(jid, listing)| (jid.clone(), listing.standing)).collect()
}

/// Tells the contacts. They may be told when the write is durable.
pub(crate) fn tell_left(cx: &mut Cx<'_>, me: &BareJid, Left(moves): &Left) {
    for moved in moves {
        announce(cx, moved, None);
        let contact = if moved.subscriber == *me { &moved.publisher } else { &moved.subscriber };
        if shows(moved, contact) {
            push(cx, contact, me);
        }
    }
}

fn write(
    cx: &mut Cx<'_>,
    account: &mut Account,
    (contact, moved): (&BareJid, &Moved),
    batch: &mut StoreBatch,
) {
    let Moved { step, subscriber, publisher, .. } = moved;
    let (subscriber, publisher) = (subscriber.clone(), publisher.clone());
    let want = CellName::Want { subscriber: subscriber.clone(), publisher: publisher.clone() };
    let allow = CellName::Allow { subscriber, publisher };
    let want = step.want().map(|on| (want, Value::Want(Want { on, stanza: None })));
    let allow = step.allow().map(|on| (allow, Value::Allow(on)));
    for (cell, value) in want.into_iter().chain(allow) {
        let gate = cx.journal.gate();
        let hlc = cx.ledger.stamp(cx.now.wall);
        let name = cx.name(cell.group(account.owner()), GroupKind::Cells, 1);
        let change = account.write(cell, name.dot, hlc, value);
        let hides = cx.overwritten(account, &change);
        account.apply(&change);
        cx.change_entry(name, (&[account.owner(), contact], &change), hides, batch);
        cx.accounts.apply(contact.as_str(), &change, gate);
        if let Some(row) = account.row(&change.cell) {
            if cx.groups.is_on() {
                batch.add_put(cell_key(account.owner(), &change.cell), row.clone());
            }
            // It may have asked, and not been heard: then its own row has that.
            let known = cx.accounts.known(contact.as_str());
            let row = known.and_then(|contact| contact.row(&change.cell)).unwrap_or(row);
            batch.add_put(cell_key(contact, &change.cell), row);
        }
    }
}
