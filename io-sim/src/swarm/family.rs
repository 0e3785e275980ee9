//! Families of faults: a seed has all of a family or nothing of it.

use crate::fault::Fault;

/// A family of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// Links that lose everything, in one direction or both.
    Cut,
    /// Links that come and go.
    Flap,
    /// Connections that are reset.
    Reset,
    /// Connections that lead nowhere.
    Swallow,
    /// Machines of clients that die.
    Vanish,
    /// Clients that do not read.
    Stall,
    /// Processes that die.
    Kill,
    /// Machines that lose their power.
    PowerOff,
    /// Machines that come back with an empty disk.
    Wipe,
    /// Processes that stand still.
    Pause,
    /// Nodes that are slow.
    Slow,
    /// Clocks that are wrong.
    Clock,
    /// Disks that are full, slow or lie.
    Disk,
    /// Links that become another link.
    Link,
    /// Links that are cut one by one and healed in another order.
    Swizzle,
    /// Nodes that cannot reach each other.
    Partition,
    /// Links between nodes that become another link.
    Mesh,
}

/// Every family by its name.
const NAMES: [(&str, Family); 17] = [
    ("cut", Family::Cut),
    ("flap", Family::Flap),
    ("reset", Family::Reset),
    ("swallow", Family::Swallow),
    ("vanish", Family::Vanish),
    ("stall", Family::Stall),
    ("kill", Family::Kill),
    ("poweroff", Family::PowerOff),
    ("wipe", Family::Wipe),
    ("pause", Family::Pause),
    ("slow", Family::Slow),
    ("clock", Family::Clock),
    ("disk", Family::Disk),
    ("link", Family::Link),
    ("swizzle", Family::Swizzle),
    ("partition", Family::Partition),
    ("mesh", Family::Mesh),
];

impl Family {
    /// Returns the family called `name`.
    pub fn named(name: &str) -> Option<Self> {
        NAMES.iter().find(|(own, _)| *own == name).map(|(_, family)| *family)
    }

    /// Returns the family of a fault.
    pub const fn of(fault: &Fault) -> Self {
        match fault {
            Fault::Cut { .. } => Self::Cut,
            Fault::Flap { .. } => Self::Flap,
            Fault::Reset { .. } => Self::Reset,
            Fault::Swallow { .. } => Self::Swallow,
            Fault::Vanish { .. } => Self::Vanish,
            Fault::Stall { .. } => Self::Stall,
            Fault::Kill { .. } => Self::Kill,
            Fault::PowerOff { .. } | Fault::Site { .. } => Self::PowerOff,
            Fault::Wipe { .. } => Self::Wipe,
            Fault::Pause { .. } => Self::Pause,
            Fault::Slow { .. } => Self::Slow,
            Fault::Clock { .. } => Self::Clock,
            Fault::Disk { .. } => Self::Disk,
            Fault::Link { .. } => Self::Link,
            Fault::LinkNodes { .. } => Self::Mesh,
            Fault::Swizzle { .. } => Self::Swizzle,
            Fault::CutNodes { .. } | Fault::Partition { .. } => Self::Partition,
        }
    }

    /// Returns its name.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(_, family)| *family == self).map_or("", |(name, _)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_goes_by_its_name() {
        for (name, family) in NAMES {
            assert_eq!((Family::named(name), family.name()), (Some(family), name));
        }
        assert_eq!(Family::named("weather"), None);
    }
}
