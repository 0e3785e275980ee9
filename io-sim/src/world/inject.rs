//! Faults of a plan: begun, in force, ended.
//!
//! Each fault in force is a cause of its own with a number. Paths, disks, clocks and machines know the causes of what
//! is wrong with them, so that two faults that overlap end independently.

use std::collections::BTreeMap;

use super::event::{ConnIx, Event};
use super::history::{ClientIx, NodeIx, WorldSight};
use super::links::Link;
use super::state::World;
use super::watch::Watch;
use crate::engine::SimSpan;
use crate::fault::{Budget, Fault, FaultId, FaultRun, Scarce};
use crate::net::{LinkProfile, Path};

/// The faults of a world.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) runs: Vec<Run>,
    pub(super) sites: BTreeMap<String, Vec<NodeIx>>,
    /// The profiles of links that a fault has changed, without any fault.
    pub(super) bases: BTreeMap<Link, LinkProfile>,
    pub(super) watches: Vec<Watch>,
    budget: Budget,
}

/// A fault that was brought about.
#[derive(Debug)]
pub(super) struct Run {
    /// What is told of it. What paths, disks and clocks have counted is added when somebody asks, or at its end.
    pub(super) told: FaultRun,
    pub(super) lasts: Option<SimSpan>,
    pub(super) aim: Aim,
    /// Links that it closes.
    pub(super) shut: Vec<Link>,
    /// Links that it has given a profile, and how many segments had been offered to each.
    pub(super) bent: Vec<(Link, LinkProfile, u64)>,
    /// The connection that it swallows.
    pub(super) hole: Option<ConnIx>,
    /// Links that are cut and healed in the course of it.
    pub(super) swizzled: Vec<Vec<Link>>,
}

/// Whom a fault is about.
#[derive(Clone, Debug, Default)]
pub(super) struct Aim {
    pub(super) client: Option<ClientIx>,
    pub(super) nodes: Vec<NodeIx>,
}

/// What is due in the course of a fault.
#[derive(Clone, Copy, Debug)]
pub(super) enum Due {
    End,
    /// A swizzled link is cut.
    Cut(u16),
    /// It is healed.
    Heal(u16),
    /// A flapping link changes for the n-th time.
    Flap(u32),
}

/// Returns the number of the cause that the fault of a run is.
pub(super) fn cause(run: usize) -> u32 {
    Path::OTHERS + u32::try_from(run).expect("a run has fewer than 2^32 faults")
}

impl World {
    /// Names a site: nodes that lose their power together.
    pub fn add_site(&mut self, name: &str, nodes: &[NodeIx]) {
        self.faults.sites.insert(name.into(), nodes.to_vec());
    }

    /// Allows at most `most` faults of a kind at once.
    pub fn allow(&mut self, what: Scarce, most: u32) {
        self.faults.budget.allow(what, most);
    }

    /// Returns all faults of a plan that were brought about so far.
    pub fn faults(&self) -> Vec<FaultRun> {
        let told = |(index, run): (usize, &Run)| {
            let counted = if run.told.ended.is_none() { self.counted(index) } else { 0 };
            FaultRun { touched: run.told.touched + counted, ..run.told.clone() }
        };
        self.faults.runs.iter().enumerate().map(told).collect()
    }

    /// Brings a fault about, for a while or until [`Self::heal_all`]. One that the budget does not allow is refused,
    /// and that is noted.
    ///
    /// # Errors
    ///
    /// When it is about somebody who is not in this world.
    pub fn inject(&mut self, id: FaultId, fault: &Fault, lasts: Option<SimSpan>) -> Result<(), String> {
        let aim = self.aim(fault)?;
        let in_force = self.faults.runs.iter().filter(|run| run.told.ended.is_none());
        let in_force = in_force.map(|run| (&run.told.fault, run.aim.nodes.len()));
        if let Some((budget, most)) = self.faults.budget.refuses((fault, aim.nodes.len()), &in_force) {
            self.tell_world(WorldSight::Refused { fault: fault.clone(), budget, most });
            return Ok(());
        }
        let run = self.faults.runs.len();
        let told = FaultRun { id, fault: fault.clone(), begun: self.now, ended: None, touched: 0 };
        let (shut, bent, hole, swizzled) = (Vec::new(), Vec::new(), None, Vec::new());
        self.faults.runs.push(Run { told, lasts, aim, shut, bent, hole, swizzled });
        self.tell_world(WorldSight::Begun { id, fault: fault.clone() });
        self.begin_fault(run, fault);
        if fault.is_instant() {
            self.faults.runs[run].told.ended = Some(self.now);
        } else if let Some(span) = self.faults.runs[run].lasts {
            self.push_due(run, span, Due::End);
        }
        Ok(())
    }

    /// Ends every fault that is in force, and whatever was broken by hand: links, disks, clocks are well, everybody
    /// reads, and nodes that were killed or lost their power start again. A fault that waits for something to happen
    /// does not come any more; one that has its time does.
    pub fn heal_all(&mut self) {
        self.note_world("all is healed");
        self.disarm();
        for run in 0..self.faults.runs.len() {
            self.end_fault(run);
        }
        self.heal_by_hand();
    }

    pub(super) fn fault_due(&mut self, run: usize, due: Due) {
        if self.faults.runs[run].told.ended.is_some() {
            return;
        }
        match due {
            Due::End => self.end_fault(run),
            Due::Cut(link) => {
                let links = self.faults.runs[run].swizzled[usize::from(link)].clone();
                self.shut(run, links);
            }
            Due::Heal(link) => {
                for link in self.faults.runs[run].swizzled[usize::from(link)].clone() {
                    self.unshut(run, link);
                }
            }
            Due::Flap(count) => self.flap(run, count),
        }
    }

    pub(super) fn push_due(&mut self, run: usize, after: SimSpan, due: Due) {
        let key = self.faults.runs[run].told.id.key();
        let key = match due {
            Due::End => key,
            Due::Cut(link) => key.with(1).with(link.into()),
            Due::Heal(link) => key.with(2).with(link.into()),
            Due::Flap(_) => key.with(3),
        };
        let number = u32::try_from(run).expect("a run has fewer than 2^32 faults");
        self.push(self.now + after, key, Event::Fault { run: number, due });
    }

    /// Counts things that a fault has hit; of what was broken by hand nobody counts.
    pub(super) fn hit(&mut self, cause: u32, count: u64) {
        let run = cause.checked_sub(Path::OTHERS).and_then(|run| self.faults.runs.get_mut(run as usize));
        if let Some(run) = run {
            run.told.touched += count;
        }
    }

    /// Ends a fault that is in force.
    fn end_fault(&mut self, run: usize) {
        if self.faults.runs[run].told.ended.is_some() {
            return;
        }
        let counted = self.counted(run);
        let entry = &mut self.faults.runs[run];
        entry.told.touched += counted;
        entry.told.ended = Some(self.now);
        let (id, fault) = (entry.told.id, entry.told.fault.clone());
        self.tell_world(WorldSight::Ended { id, fault });
        self.undo(run);
    }

    /// Returns what paths, disks and clocks have counted of a fault that is in force.
    fn counted(&self, number: usize) -> u64 {
        let (run, cause) = (&self.faults.runs[number], cause(number));
        let path = |link: &Link| match *link {
            Link::Up(client) => Some(&self.people[client.at()].up),
            Link::Down(client) => Some(&self.people[client.at()].down),
            Link::Between(from, to) => self.between(from, to),
            Link::Route(route, from, to) => self.way_between(from, to, route),
        };
        let swallowed: u64 = run.shut.iter().filter_map(path).map(|path| path.swallowed(cause)).sum();
        let carried = |(link, _, before): &(Link, LinkProfile, u64)| {
            path(link).map_or(0, |path| path.offered().saturating_sub(*before))
        };
        let hosts = run.aim.nodes.iter().map(|node| &self.hosts[node.at()]);
        let read: u64 = hosts.map(|host| host.clock.reads(cause) + host.disk.hits(cause)).sum();
        swallowed + run.bent.iter().map(carried).sum::<u64>() + read
    }

    /// Finds those whom a fault is about.
    fn aim(&self, fault: &Fault) -> Result<Aim, String> {
        let nodes = match fault {
            Fault::Cut { client, .. }
            | Fault::Flap { client, .. }
            | Fault::Link { client, .. }
            | Fault::Reset { client }
            | Fault::Swallow { client }
            | Fault::Vanish { client }
            | Fault::Stall { client } => {
                let client = Some(self.client_named(client)?);
                return Ok(Aim { client, nodes: Vec::new() });
            }
            Fault::CutNodes { from, to, .. } | Fault::LinkNodes { from, to, .. } => {
                vec![self.node_named(from)?, self.node_named(to)?]
            }
            Fault::Kill { node }
            | Fault::PowerOff { node }
            | Fault::Pause { node }
            | Fault::Wipe { node }
            | Fault::Slow { node, .. }
            | Fault::Clock { node, .. }
            | Fault::Disk { node, .. } => vec![self.node_named(node)?],
            Fault::Site { site } => {
                let nodes = self.faults.sites.get(site).cloned();
                nodes.ok_or_else(|| format!("there is no site {site}"))?
            }
            Fault::Partition { .. } | Fault::Swizzle { .. } => Vec::new(),
        };
        Ok(Aim { client: None, nodes })
    }

    fn client_named(&self, name: &str) -> Result<ClientIx, String> {
        let found = (0..).map(ClientIx).zip(&self.people).find(|(_, person)| person.name == name);
        found.map(|(ix, _)| ix).ok_or_else(|| format!("there is no client {name}"))
    }

    fn node_named(&self, name: &str) -> Result<NodeIx, String> {
        let found = (0..).map(NodeIx).zip(&self.hosts).find(|(_, host)| host.name == name);
        found.map(|(ix, _)| ix).ok_or_else(|| format!("there is no node {name}"))
    }
}

impl Due {
    /// Returns it as one word for the trace hash.
    pub(super) fn word(self) -> u64 {
        match self {
            Self::End => 1,
            Self::Cut(link) => 2 + (u64::from(link) << 8),
            Self::Heal(link) => 3 + (u64::from(link) << 8),
            Self::Flap(count) => 4 + (u64::from(count) << 8),
        }
    }
}
