//! What the world sees of the links between nodes: what they say to each other first, and what comes back to whom.
//!
//! The frames are read here as nodes read them, so that judges of links rest on what was handed over and not on what a node
//! believes.

use std::collections::BTreeMap;

use eyot_core::peer::{Beat, EntryFrame, FRAME_MAX, Frame, FrameReader, GroupName, Kind, Profile};
use eyot_core::replica::Dot;
use eyot_core::trace::Event;
use sha2::{Digest as _, Sha256};

use super::event::ConnIx;
use super::history::{Actor, NodeIx, NodeSight};
use super::state::World;
use crate::engine::{SimSpan, SimTime};

/// So many round trips are more than a smoothed one and its variation.
const ROUND_TRIPS: u64 = 12;
/// What a deadline may be late beside that.
const SLACK: SimSpan = SimSpan::from_secs(1);
/// What clocks of nodes are coarser than the world's, and more.
const CLOCK: SimSpan = SimSpan::from_millis(1);
/// Bytes of a segment with a heartbeat in it, more or less.
const BEAT_BYTES: u64 = 120;

/// Something about a link that can be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkSight {
    /// When.
    pub at: SimTime,
    /// Which node.
    pub node: NodeIx,
    /// About which other one.
    pub peer: NodeIx,
    /// What.
    pub what: LinkFact,
}

/// What can be judged of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkFact {
    /// The node has said something on a new connection, of this kind.
    Said(u8),
    /// The node says that it reaches this start of the other one.
    Up(u32),
    /// The node says that nothing comes back: how long that was so, and how long it may be at least.
    Down {
        /// How long nothing had come back.
        silent: SimSpan,
        /// How long that has to be borne.
        least: SimSpan,
    },
    /// Nothing has come back for longer than the way explains, and the node does not say so.
    Overdue {
        /// How long.
        silent: SimSpan,
    },
}

/// An entry that a node has told another one of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntrySight {
    /// When it was handed over.
    pub at: SimTime,
    /// Who has told.
    pub node: NodeIx,
    /// Whom.
    pub peer: NodeIx,
    /// Where it belongs.
    pub group: GroupName,
    /// Its name.
    pub dot: Dot,
    /// What tells what it says from what others say.
    pub payload: u64,
}

/// What a node says on a connection, as it is cut into frames.
#[derive(Debug)]
struct Voice {
    reader: FrameReader,
    /// What has been said of something that comes in parts, by lane.
    begun: BTreeMap<u8, Vec<u8>>,
}

/// What is kept of links.
#[derive(Debug, Default)]
pub(super) struct Linked {
    seen: Vec<LinkSight>,
    /// What a node hears on a connection.
    readers: BTreeMap<(ConnIx, NodeIx), FrameReader>,
    /// What a node says on a connection.
    voices: BTreeMap<(ConnIx, NodeIx), Voice>,
    entries: Vec<EntrySight>,
    pairs: BTreeMap<(NodeIx, NodeIx), Proof>,
    /// Bytes that all nodes have handed over, and how many of them in the bodies of frames of each kind.
    bytes: u64,
    kinds: BTreeMap<u8, (u64, u64)>,
}

/// What a node could know of another one.
#[derive(Clone, Copy, Debug, Default)]
struct Proof {
    /// When something came back to it last.
    at: SimTime,
    /// The connection over which it came, and its number there.
    echo: Option<(ConnIx, u64)>,
    /// It says that it reaches it.
    up: bool,
    /// It was told that this takes too long.
    told: bool,
    /// It reaches it over third nodes: what comes back is not seen here.
    relayed: bool,
}

impl World {
    /// Returns what can be judged of the links between nodes, in the order of time.
    pub fn link_sights(&self) -> &[LinkSight] {
        &self.linked.seen
    }

    /// Returns what nodes have told each other of what was written, in the order of time.
    pub fn entry_sights(&self) -> &[EntrySight] {
        &self.linked.entries
    }

    /// Returns whether each node says that it reaches each other one.
    pub fn is_linked_up(&self) -> bool {
        let up = self.linked.pairs.values().filter(|proof| proof.up).count();
        up == self.hosts.len() * self.hosts.len().saturating_sub(1)
    }

    /// Returns how many bytes nodes have handed over for each other so far, before TLS.
    pub const fn said_bytes(&self) -> u64 {
        self.linked.bytes
    }

    /// Returns how many frames of each kind nodes have handed over so far, and the bytes of their bodies.
    pub const fn said_kinds(&self) -> &BTreeMap<u8, (u64, u64)> {
        &self.linked.kinds
    }

    /// A node says something on a connection.
    pub(super) fn note_said(&mut self, node: NodeIx, ix: ConnIx, bytes: &[u8]) {
        let Some(peer) = self.other_node(node, ix) else { return };
        self.linked.bytes += bytes.len() as u64;
        let is_new = !self.linked.voices.contains_key(&(ix, node));
        let voice = self
            .linked
            .voices
            .entry((ix, node))
            .or_insert_with(|| Voice { reader: FrameReader::new(FRAME_MAX), begun: BTreeMap::new() });
        voice.reader.feed(bytes);
        let mut frames = Vec::new();
        while let Ok(Some(frame)) = voice.reader.next_frame() {
            frames.push(frame);
        }
        if is_new {
            let kind = frames.first().map_or(0, |frame| frame.kind);
            self.saw_link(node, peer, LinkFact::Said(kind));
        }
        for frame in frames {
            let kind = self.linked.kinds.entry(frame.kind).or_default();
            *kind = (kind.0 + 1, kind.1 + frame.body.len() as u64);
            self.note_frame((node, peer), ix, &frame);
        }
    }

    /// A node has said a frame, which may be a part of an entry.
    fn note_frame(&mut self, (node, peer): (NodeIx, NodeIx), ix: ConnIx, frame: &Frame) {
        let Some(voice) = self.linked.voices.get_mut(&(ix, node)) else { return };
        let mut whole = voice.begun.remove(&(frame.lane as u8)).unwrap_or_default();
        whole.extend_from_slice(&frame.body);
        if frame.more {
            voice.begun.insert(frame.lane as u8, whole);
        } else if Kind::from_number(frame.kind) == Some(Kind::Entry)
            && !self.options.forget
            && let Ok(entry) = EntryFrame::read(&whole.into())
        {
            let EntryFrame { group, dot, span, kind, bytes } = entry;
            let digest =
                Sha256::new().chain_update([span]).chain_update(kind.to_be_bytes()).chain_update(&bytes);
            let payload = digest.finalize().iter().take(8).fold(0, |all, byte| all << 8 | u64::from(*byte));
            self.linked.entries.push(EntrySight { at: self.now, node, peer, group, dot, payload });
        }
    }

    /// A node is given what another one has said.
    pub(super) fn note_heard(&mut self, node: NodeIx, ix: ConnIx, bytes: &[u8]) {
        let Some(peer) = self.other_node(node, ix) else { return };
        let reader = self.linked.readers.entry((ix, node)).or_insert_with(|| FrameReader::new(FRAME_MAX));
        reader.feed(bytes);
        while let Ok(Some(frame)) = reader.next_frame() {
            if Kind::from_number(frame.kind) == Some(Kind::Beat)
                && let Ok(beat) = Beat::read(&frame.body)
            {
                let proof = self.linked.pairs.entry((node, peer)).or_default();
                let is_new = proof.echo.is_none_or(|(conn, echo)| conn != ix || beat.echo > echo);
                if is_new && beat.echo > 0 {
                    (proof.at, proof.echo) = (self.now, Some((ix, beat.echo)));
                }
            }
        }
    }

    /// A node says something about a link.
    pub(super) fn note_link(&mut self, node: NodeIx, event: &Event) {
        if let Event::PeerUp { peer: name, origin } = event
            && let Some(peer) = self.named(name)
        {
            self.saw_link(node, peer, LinkFact::Up(origin.start));
            self.renew(node, peer).up = true;
            self.note(Actor::Node(node, NodeSight::Linked(name.clone())));
        } else if let Event::PeerMoved { peer } = event
            && let Some(peer) = self.named(peer)
        {
            self.renew(node, peer);
        } else if let Event::PeerRoute { peer, route } = event {
            let relayed = route.starts_with("over ");
            if let Some(peer) = self.named(peer) {
                self.renew(node, peer).relayed = relayed;
            }
            self.note(Actor::Node(node, NodeSight::Route(peer.clone(), route.clone())));
        } else if let Event::PeerDown { peer: name, why } = event
            && let Some(peer) = self.named(name)
        {
            let proof = self.linked.pairs.entry((node, peer)).or_default();
            proof.up = false;
            let (since, relayed) = (proof.at, core::mem::take(&mut proof.relayed));
            if !relayed && why.starts_with("nothing") && self.is_punctual(node, since) {
                let (silent, (least, _)) = (self.now.since(since), self.bounds(node, peer));
                self.saw_link(node, peer, LinkFact::Down { silent, least });
            }
            self.note(Actor::Node(node, NodeSight::Unlinked(name.clone(), why)));
        } else if let Event::Level { domain, level, there } = event {
            self.note(Actor::Node(node, NodeSight::Level(domain.clone(), *level, *there)));
        }
    }

    /// Looks whether a node should have missed another one.
    pub(super) fn note_overdue(&mut self, node: NodeIx) {
        let up = self
            .linked
            .pairs
            .iter()
            .filter(|((of, _), proof)| *of == node && proof.up && !proof.told && !proof.relayed);
        let pairs: Vec<_> = up.map(|((_, peer), proof)| (*peer, proof.at)).collect();
        for (peer, since) in pairs {
            let (silent, (_, most)) = (self.now.since(since), self.bounds(node, peer));
            if silent > most && self.is_punctual(node, since) {
                self.saw_link(node, peer, LinkFact::Overdue { silent });
                self.linked.pairs.entry((node, peer)).or_default().told = true;
            }
        }
    }

    /// A process has ended: the next one knows nothing.
    pub(super) fn forget_links(&mut self, node: NodeIx) {
        self.linked.pairs.retain(|(of, _), _| *of != node);
        self.linked.readers.retain(|(_, of), _| *of != node);
        self.linked.voices.retain(|(_, of), _| *of != node);
    }

    /// Something came back to a node by other means.
    fn renew(&mut self, node: NodeIx, peer: NodeIx) -> &mut Proof {
        let proof = self.linked.pairs.entry((node, peer)).or_default();
        (proof.at, proof.told) = (self.now, false);
        proof
    }

    /// Whether the process and the clock of a node have been as they should since then.
    fn is_punctual(&self, node: NodeIx, since: SimTime) -> bool {
        let host = &self.hosts[node.at()];
        !host.clock.is_wrong() && host.lag.was_punctual(since)
    }

    /// Returns how long nothing may come back at least before a node gives another one up, and at most.
    fn bounds(&self, node: NodeIx, peer: NodeIx) -> (SimSpan, SimSpan) {
        let Some(cluster) = &self.hosts[node.at()].config.cluster else { return Default::default() };
        let name = &self.hosts[peer.at()].name;
        let Some(member) = cluster.members.iter().find(|member| member.name == *name) else {
            return Default::default();
        };
        let span = |span: eyot_core::time::Span| SimSpan::from_micros(span.as_micros());
        let routes = cluster.routes_to(member);
        let several = routes.len() > 1;
        let mut bounds: Option<(SimSpan, SimSpan, SimSpan)> = None;
        for route in routes {
            let profile = Profile::of(route.link);
            let number = self.route_named(&route.name).map_or(0, |(number, ..)| number);
            let lines = [self.way_between(node, peer, number), self.way_between(peer, node, number)];
            let way = lines.into_iter().flatten().map(|path| {
                let line = path.line(self.now);
                let parts = [line.latency, line.jitter, line.serialisation(BEAT_BYTES)];
                parts.iter().map(|span| span.as_nanos()).sum::<u64>()
            });
            let trips = way.sum::<u64>().saturating_mul(ROUND_TRIPS);
            let wait = SimSpan::from_nanos(2 * span(profile.heartbeat).as_nanos() + trips);
            let most = span(profile.silent).max(wait).as_nanos() + span(profile.heartbeat).as_nanos();
            let least = SimSpan::from_nanos(span(profile.silent).as_nanos().saturating_sub(CLOCK.as_nanos()));
            // Each other way is tried before the peer is given up.
            let tried = SimSpan::from_nanos(span(profile.dial_give_up).as_nanos() * u64::from(several));
            let most = SimSpan::from_nanos(most + SLACK.as_nanos());
            let (least_of, most_of, all) = bounds.unwrap_or((least, most, SimSpan::ZERO));
            bounds = Some((
                least.min(least_of),
                most.max(most_of),
                SimSpan::from_nanos(all.as_nanos() + tried.as_nanos()),
            ));
        }
        bounds.map_or(Default::default(), |(least, most, tried)| {
            (least, SimSpan::from_nanos(most.as_nanos() + tried.as_nanos()))
        })
    }

    fn other_node(&self, node: NodeIx, ix: ConnIx) -> Option<NodeIx> {
        let conn = &self.conns[ix.at()];
        let from = self.node_of(ix, super::event::Side::Client)?;
        Some(if from == node { conn.node } else { from })
    }

    fn named(&self, name: &str) -> Option<NodeIx> {
        (0..).map(NodeIx).zip(&self.hosts).find(|(_, host)| host.name == name).map(|(ix, _)| ix)
    }

    fn saw_link(&mut self, node: NodeIx, peer: NodeIx, what: LinkFact) {
        if !self.options.forget {
            self.linked.seen.push(LinkSight { at: self.now, node, peer, what });
        }
    }
}
