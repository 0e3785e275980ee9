//! Levels: what a client is told is safe is on as many disks as its domain wants, or the client is told that it is not
//! (`docs/replication.md`, R22).
//!
//! The judge reads what disks make durable: the rows of messages, by who has sent them and by their ids. Where a level may be lowered
//! nothing is asked, nor of messages that nobody stores.

use std::collections::{BTreeMap, BTreeSet};

use eyot_core::config::{Level, Short};
use eyot_core::store::{Table, Write};

use super::model::{Kind, Run, Stanza};
use super::{Judged, Oracle, Violation};
use crate::engine::{SimSpan, SimTime};
use crate::fault::Fault;
use crate::world::{Actor, NodeIx, NodeSight, WorldSight};

const NAME: &str = "level";
/// How long a client may have to wait for what stands beside an acknowledgement.
const TELLING: SimSpan = SimSpan::from_secs(5);

/// What disks held, and lost.
#[derive(Default)]
struct Disks {
    /// When each node has made durable what somebody has sent under an id.
    rows: BTreeMap<(String, String), BTreeMap<NodeIx, Vec<SimTime>>>,
    /// Whose disk was lost, and when.
    wiped: Vec<(usize, SimTime)>,
    /// When a node has come to reach another one.
    linked: Vec<(usize, usize, SimTime)>,
}

impl Disks {
    /// Returns whether what `node` has made durable at `times` counts for `home` at `at`: what was on a disk that is lost does for as
    /// long as `home` has not heard of the next start.
    fn counts(&self, (node, home): (usize, usize), times: &[SimTime], at: SimTime) -> bool {
        let Some(kept) = times.iter().filter(|time| **time <= at).max() else { return false };
        let gone = self.wiped.iter().filter(|(whose, when)| *whose == node && when > kept);
        !gone.map(|(_, when)| *when).any(|when| {
            let heard = |link: &&(usize, usize, SimTime)| (link.0, link.1) == (home, node);
            self.linked.iter().filter(heard).any(|(.., then)| *then > when && *then <= at)
        })
    }
}

/// The oracle.
pub(super) struct Levels;

impl Oracle for Levels {
    fn name(&self) -> &'static str {
        NAME
    }

    fn judge(&self, run: &Run<'_>) -> Judged {
        let mut judged = Judged::default();
        let durability = run.evidence.cast.durability;
        if durability.level == Level::Local || durability.short == Short::Degrade {
            return judged;
        }
        let disks = disks(run);
        let messages = run.sent.iter().filter(|sent| sent.kind == Kind::Message && !sent.repeated);
        for sent in messages {
            if let Some(Case { violation }) = judge(run, sent, &disks) {
                judged.add(violation);
            }
        }
        judged
    }
}

/// A message of which enough is known.
struct Case {
    /// What is wrong with it, if anything.
    violation: Option<Violation>,
}

/// Judges one message; nothing when not enough is known of it.
fn judge(run: &Run<'_>, sent: &Stanza, disks: &Disks) -> Option<Case> {
    let cast = &run.evidence.cast;
    let ix = sent.session?;
    let sender = &run.sessions[ix];
    // What it sent before it asked for acknowledgements is in no count.
    let first = run.sent.get(*sender.counted.as_ref()?.first()?)?;
    let acked = sender.acked(sent.mark()).filter(|_| sent.record >= first.record)?;
    let held = disks.rows.get(&(sender.jid.clone(), sent.id.clone()?))?;
    let counts = |held: &(&NodeIx, &Vec<SimTime>)| disks.counts((held.0.at(), sender.node), held.1, acked.at);
    let there: Vec<NodeIx> = held.iter().filter(counts).map(|(node, _)| *node).collect();
    if !there.iter().any(|node| node.at() == sender.node) {
        return None;
    }
    let sites: BTreeSet<&str> =
        there.iter().filter_map(|node| cast.sites.get(node.at()).map(String::as_str)).collect();
    let count = match cast.durability.level {
        Level::Local | Level::Cluster { .. } => there.len(),
        Level::Site { .. } => sites.len(),
    };
    if count >= cast.durability.level.wanted() as usize {
        return Some(Case { violation: None });
    }
    let is_told = |got: &&Stanza| got.is_below && got.id == sent.id;
    if run.got.iter().filter(|got| got.session == Some(ix)).any(|got| is_told(&got)) {
        return Some(Case { violation: None });
    }
    // What stands beside the acknowledgement may have been lost with its connection.
    sender.settled(run.later(acked, TELLING))?;
    let who = run.client_name(run.conn(sent).client);
    let what = format!("{who} was told that message {:?} is safe, which is on {count} of {}", sent.id, {
        cast.durability.level
    });
    let mut violation = run.violation(NAME, "acknowledged-below", acked.at, what);
    violation.who = vec![who.into()];
    violation.records = vec![sent.record];
    Some(Case { violation: Some(violation) })
}

fn disks(run: &Run<'_>) -> Disks {
    let mut disks = Disks::default();
    let at = |name: &str| run.evidence.cast.nodes.iter().position(|known| known == name);
    for record in run.evidence.history {
        if let Actor::World(WorldSight::Begun { fault: Fault::Wipe { node }, .. }) = &record.actor {
            disks.wiped.extend(at(node).map(|node| (node, record.at)));
        } else if let Actor::Node(node, NodeSight::Linked(other)) = &record.actor {
            disks.linked.extend(at(other).map(|other| (node.at(), other, record.at)));
        } else if let Actor::Node(node, NodeSight::Synced(batch)) = &record.actor {
            for (from, id) in batch.writes.iter().filter_map(message) {
                disks.rows.entry((from, id)).or_default().entry(*node).or_default().push(record.at);
            }
        }
    }
    disks
}

/// Returns who has sent a message that is written, and under which id.
fn message(write: &Write) -> Option<(String, String)> {
    let Write::Put { key, value } = write else { return None };
    let is_message = key.as_bytes().first() == Some(&(Table::Message as u8));
    is_message.then(|| Some((attr(value, "from")?, attr(value, "id")?))).flatten()
}

/// Returns the first attribute of that name in a stored stanza.
fn attr(row: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(row);
    let (_, rest) = text.split_once(&format!(" {name}="))?;
    let quote = rest.chars().next()?;
    rest.get(1..)?.split_once(quote).map(|(value, _)| value.to_owned())
}
