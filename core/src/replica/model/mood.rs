//! What befalls the members of a history, and how often: each has a mood, so that what needs several rare things in a row
//! comes about in some.

use super::draws::Draws;

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    Write,
    Send,
    SendAgain,
    Tidy,
    Flush,
    Overtake,
    Ask,
    Receive,
    CutLink,
    Snapshot,
    Crash,
    Gather,
    Raise,
    Begin,
    GoOn,
    Move,
    Read,
}

/// What a history is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    /// Everything.
    Any,
    /// Few cells, on and off, removals that everybody has, and disks set back.
    Removals,
    /// Accounts that end and begin again.
    Lives,
    /// Messages, sessions that move and readers.
    Messages,
}

/// One line for each deed: how often it is drawn in each mood.
const DEEDS: [(Deed, [usize; 4]); 17] = [
    (Deed::Write, [16, 22, 24, 4]),
    (Deed::Send, [4, 0, 0, 12]),
    (Deed::SendAgain, [2, 0, 0, 4]),
    (Deed::Tidy, [2, 0, 0, 5]),
    (Deed::Flush, [8, 6, 6, 6]),
    (Deed::Overtake, [4, 8, 6, 6]),
    (Deed::Ask, [4, 4, 4, 6]),
    (Deed::Receive, [10, 8, 8, 12]),
    (Deed::CutLink, [2, 1, 1, 2]),
    (Deed::Snapshot, [2, 4, 2, 1]),
    (Deed::Crash, [2, 4, 2, 2]),
    (Deed::Gather, [1, 8, 5, 1]),
    (Deed::Raise, [1, 1, 1, 1]),
    (Deed::Begin, [2, 0, 0, 3]),
    (Deed::GoOn, [2, 0, 0, 5]),
    (Deed::Move, [2, 0, 0, 6]),
    (Deed::Read, [2, 0, 0, 5]),
];

impl Mood {
    /// Returns the mood of a history.
    pub(super) const fn of(seed: u64) -> Self {
        match seed % 4 {
            0 => Self::Any,
            1 => Self::Removals,
            2 => Self::Lives,
            _ => Self::Messages,
        }
    }

    /// Draws what happens next.
    pub(super) fn draw(self, draws: &mut Draws) -> Deed {
        let column = match self {
            Self::Any => 0,
            Self::Removals => 1,
            Self::Lives => 2,
            Self::Messages => 3,
        };
        let mut left = draws.below(DEEDS.iter().map(|(_, often)| often[column]).sum());
        let found = DEEDS.iter().find(|(_, often)| {
            let hit = left < often[column];
            left = left.saturating_sub(often[column]);
            hit
        });
        found.expect("less than all together").0
    }
}
