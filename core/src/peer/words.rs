//! What is said over a link, as frames; and what frames that come say.

use bytes::Bytes;

use super::entry::{DurableFrame, EntryFrame};
use super::frame::{Kind, Lane, Malformed};
use super::over::Heard;
use super::peers::PeerCx;
use super::queue::Queue;
use super::{graph, held, owned, passed, routed};
use crate::exchange::{FromPeer, GroupId, Haste, Sealed, ToPeer};

/// A frame that waits: how urgent it is, its kind and its body.
type Said = (Lane, Kind, Vec<u8>);

/// Returns the frames that say something, in order.
pub(super) fn of(cx: &PeerCx<'_>, what: &ToPeer) -> Vec<Said> {
    let mut body = Vec::new();
    let (lane, kind) = match what {
        ToPeer::Owned(frame) => {
            owned::write(frame, &mut body);
            (Lane::State, Kind::Owned)
        }
        ToPeer::OwnedSince(since) => {
            owned::write_since(*since, &mut body);
            (Lane::State, Kind::OwnedSince)
        }
        ToPeer::Routed(what) => {
            routed::write(what, &mut body);
            (routed::lane(what), Kind::Routed)
        }
        ToPeer::Have(group, have) => {
            held::write_have(&cx.name_of(*group), have, &mut body);
            (Lane::State, Kind::Have)
        }
        ToPeer::Granted(group, granted) => {
            held::write_granted(&cx.name_of(*group), *granted, &mut body);
            (Lane::Live, Kind::Granted)
        }
        ToPeer::Looked(group, entries, commit) => {
            held::write_commit(&cx.name_of(*group), commit, &mut body);
            let entries = entries.iter().map(|(haste, sealed)| entry(cx, *group, (*haste, sealed.clone())));
            // Nothing is less urgent, and so it comes behind all of them.
            return entries.chain([(Lane::Bulk, Kind::Commit, body)]).collect();
        }
    };
    vec![(lane, kind, body)]
}

/// Makes the frame of an entry.
pub(super) fn entry(cx: &PeerCx<'_>, group: GroupId, (haste, sealed): (Haste, Sealed)) -> Said {
    let Sealed { dot, span, kind, bytes } = sealed;
    let frame = EntryFrame { group: cx.name_of(group), dot, span, kind, bytes };
    let mut body = Vec::with_capacity(frame.bytes.len() + 64);
    frame.write(&mut body);
    let lane = match haste {
        Haste::Live => Lane::Live,
        Haste::State => Lane::State,
        Haste::Bulk => Lane::Bulk,
    };
    (lane, Kind::Entry, body)
}

/// Takes in what a peer says behind its Hello.
///
/// # Errors
///
/// [`Malformed`] when it says nothing.
pub(super) fn hear(
    cx: &mut PeerCx<'_>,
    (node, queue): (u32, &mut Queue),
    kind: Kind,
    body: &Bytes,
) -> Result<(), Malformed> {
    let said = match kind {
        Kind::Entry => {
            let EntryFrame { group, dot, span, kind, bytes } = EntryFrame::read(body)?;
            let (group, sealed) = (cx.group_of(&group)?, Sealed { dot, span, kind, bytes });
            if let Some(FromPeer::Entries(from, same, all)) = cx.told.last_mut()
                && (*from, *same) == (node, group)
            {
                all.push(sealed);
                return Ok(());
            }
            FromPeer::Entries(node, group, vec![sealed])
        }
        Kind::Durable => {
            let DurableFrame { group, origin, ranges } = DurableFrame::read(body)?;
            let group = cx.group_of(&group)?;
            for range in &ranges {
                queue.confirm(group, origin, *range);
            }
            FromPeer::Durable(node, group, origin, ranges)
        }
        Kind::Have => {
            let (group, have) = held::read_have(body)?;
            let group = cx.group_of(&group)?;
            if have.missed {
                queue.send_again();
            }
            queue.hold(group, cx.around.origin, &have.vector);
            FromPeer::Have(node, group, have)
        }
        Kind::Commit => {
            let (group, commit) = held::read_commit(body)?;
            FromPeer::Commit(node, cx.group_of(&group)?, commit)
        }
        Kind::Granted => {
            let (group, granted) = held::read_granted(body)?;
            FromPeer::Granted(node, cx.group_of(&group)?, granted)
        }
        Kind::Owned => FromPeer::Owned(node, owned::read(body)?),
        Kind::OwnedSince => FromPeer::OwnedSince(node, owned::read_since(body)?),
        Kind::Routed => FromPeer::Routed(node, routed::read(body)?),
        Kind::Links => {
            cx.heard.push((node, Heard::Facts(graph::read(body)?)));
            return Ok(());
        }
        Kind::Passed => {
            cx.heard.push((node, Heard::Passed(passed::read(body)?)));
            return Ok(());
        }
        Kind::Hello | Kind::Bye | Kind::Beat => return Err(Malformed::Order),
    };
    cx.told.push(said);
    Ok(())
}
