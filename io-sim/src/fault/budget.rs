//! How many faults of a kind may be in force at once.

use core::fmt;
use std::collections::BTreeMap;

use super::{DiskFault, Fault};

/// What a scenario can afford only so often at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scarce {
    /// A node whose disk is empty.
    Wipe,
    /// A node that does not run: killed, without power, wiped.
    Down,
    /// A disk that lies.
    Lying,
}

/// The bounds of a scenario; what it does not name has none.
#[derive(Clone, Debug, Default)]
pub struct Budget {
    most: BTreeMap<Scarce, u32>,
}

impl Scarce {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Wipe, Self::Down, Self::Lying];

    /// Returns what a fault takes of it; the loss of a site takes one for each of its `nodes`.
    pub fn taken_by(self, fault: &Fault, nodes: usize) -> u32 {
        let takes = match fault {
            Fault::Wipe { .. } => self == Self::Wipe || self == Self::Down,
            Fault::Kill { .. } | Fault::PowerOff { .. } => self == Self::Down,
            Fault::Disk { what: DiskFault::Lying, .. } => self == Self::Lying,
            Fault::Site { .. } if self == Self::Down => return u32::try_from(nodes).unwrap_or(u32::MAX),
            Fault::Site { .. }
            | Fault::Disk { .. }
            | Fault::Cut { .. }
            | Fault::CutNodes { .. }
            | Fault::Partition { .. }
            | Fault::Swizzle { .. }
            | Fault::Flap { .. }
            | Fault::Link { .. }
            | Fault::LinkNodes { .. }
            | Fault::Reset { .. }
            | Fault::Swallow { .. }
            | Fault::Vanish { .. }
            | Fault::Stall { .. }
            | Fault::Pause { .. }
            | Fault::Slow { .. }
            | Fault::Clock { .. } => false,
        };
        u32::from(takes)
    }

    /// Reads `wipe`, `down` or `lying`.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scarce| scarce.to_string() == text)
    }
}

impl Budget {
    /// Allows at most `most` at once.
    pub fn allow(&mut self, what: Scarce, most: u32) {
        self.most.insert(what, most);
    }

    /// Returns what there is not enough of for a fault, while `in_force` (each with the nodes it is about) are in
    /// force, and how much of it is allowed; nothing when it may begin.
    pub fn refuses<'a>(
        &self,
        fault: (&Fault, usize),
        in_force: &(impl Iterator<Item = (&'a Fault, usize)> + Clone),
    ) -> Option<(Scarce, u32)> {
        Scarce::ALL.into_iter().find_map(|scarce| {
            let most = *self.most.get(&scarce)?;
            let wanted = scarce.taken_by(fault.0, fault.1);
            let taken: u32 = in_force.clone().map(|(fault, nodes)| scarce.taken_by(fault, nodes)).sum();
            (wanted > 0 && taken.saturating_add(wanted) > most).then_some((scarce, most))
        })
    }
}

impl fmt::Display for Scarce {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Wipe => "wipe",
            Self::Down => "down",
            Self::Lying => "lying",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_at_once_and_no_more() {
        let kill = Fault::Kill { node: "a".into() };
        let wipe = Fault::Wipe { node: "b".into() };
        let site = Fault::Site { site: "hq".into() };
        let mut budget = Budget::default();
        assert_eq!(budget.refuses((&kill, 1), &[(&wipe, 1)].into_iter()), None, "no bound");
        budget.allow(Scarce::Down, 1);
        assert_eq!(budget.refuses((&kill, 1), &core::iter::empty()), None);
        assert_eq!(budget.refuses((&kill, 1), &[(&wipe, 1)].into_iter()), Some((Scarce::Down, 1)));
        assert_eq!(budget.refuses((&site, 2), &core::iter::empty()), Some((Scarce::Down, 1)));
        let pause = Fault::Pause { node: "a".into() };
        assert_eq!(budget.refuses((&pause, 1), &[(&wipe, 1), (&kill, 1)].into_iter()), None);
    }
}
