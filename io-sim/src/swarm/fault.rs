//! What goes wrong in a plan. The only place that writes fault lines.

use super::cast::Person;
use super::dice::Dice;
use super::family::Family;
use super::plan::Draft;
use crate::engine::Purpose;

/// A plan has so many faults.
const STRIKES: (u64, u64) = (6, 20);
const SHAPES: [&str; 4] = ["one", "minority", "majority", "random"];
const CLOCKS: [&str; 6] = ["step +365d", "step -1h", "drift 500", "drift -20000", "freeze", "set 1970-01-01"];
const DISKS: [&str; 6] = ["full", "slow", "read-error", "error", "torn", "lying"];
/// Each family is on in one seed of two; an empty disk ends much of what others need, and is on in one of five.
const SIDES: u64 = 2;
const SIDES_OF_WIPE: u64 = 5;
/// One fault of so many waits for something to happen.
const SIDES_OF_TRIGGER: u64 = 4;

/// One fault of a plan.
#[derive(Clone, Debug)]
pub(super) struct Strike {
    /// When it begins, or from when on it waits, in milliseconds.
    pub(super) at: u64,
    /// What it waits for, if it does.
    pub(super) upon: Option<String>,
    pub(super) line: String,
    /// The client whose connection leads nowhere and who will not notice by itself.
    pub(super) stranded: Option<String>,
    /// When the node runs again whose accounts are gone with its disk.
    pub(super) emptied: Option<u64>,
}

/// Draws which families a seed has.
pub(super) fn families(draft: &Draft<'_>) -> Vec<Family> {
    let sides = |family: Family| {
        if family == Family::Wipe {
            SIDES_OF_WIPE
        } else if family == Family::Partition && draft.template.members {
            // A cluster whose nodes are never parted shows what one node shows.
            1
        } else {
            SIDES
        }
    };
    let dice = Dice::new(draft.seed, Purpose::SwarmFault, "family", 0);
    let on = |family: &Family| dice.one_in(family.name(), sides(*family));
    draft.template.families.iter().copied().filter(on).collect()
}

/// Draws all faults of a seed.
pub(super) fn strikes(draft: &Draft<'_>, families: &[Family]) -> Vec<Strike> {
    let dice = Dice::new(draft.seed, Purpose::SwarmFault, "strikes", 0);
    let count = dice.between("count", STRIKES.0, STRIKES.1);
    (0..count).filter_map(|number| strike(draft, families, number)).collect()
}

fn strike(draft: &Draft<'_>, families: &[Family], number: u64) -> Option<Strike> {
    let dice = Dice::new(draft.seed, Purpose::SwarmFault, "strike", number);
    let drawn = *dice.pick("family", families, |family| family.name())?;
    // In a cluster the first one parts nodes, and does so when its time comes.
    let parts = number == 0 && draft.template.members && families.contains(&Family::Partition);
    let family = if parts { Family::Partition } else { drawn };
    let people = draft.cast.speakers();
    let who: &Person = dice.pick("who", &people, |person| &person.name).copied()?;
    let node = dice.pick("node", &draft.cast.nodes, |name| name)?;
    let lasts = dice.scaled("lasts", 200, 40_000);
    let at = draft.acts.when(dice);
    let what = what(draft, dice, (family, who, node))?;
    let line = if family == Family::Reset { what } else { format!("{what} for {lasts}ms") };
    // Operators have to know when there is a disk to put accounts on.
    let waits = family != Family::Wipe && !parts && dice.one_in("waits", SIDES_OF_TRIGGER);
    Some(Strike {
        at,
        upon: waits.then(|| trigger(dice, who, node)),
        // By its name it draws the same wherever it stands, whatever else is left out and however times are rounded.
        line: format!("fault {line} as f{number}"),
        stranded: matches!(family, Family::Swallow | Family::Vanish).then(|| who.name.clone()),
        emptied: (family == Family::Wipe).then_some(at + lasts),
    })
}

/// Draws the fault itself, without how long it lasts.
fn what(draft: &Draft<'_>, dice: Dice, (family, who, node): (Family, &Person, &str)) -> Option<String> {
    let name = &who.name;
    Some(match family {
        Family::Cut => format!("cut {name}{}", way(dice)),
        Family::Flap => format!("flap {name} every {}ms", dice.scaled("every", 100, 4_000)),
        Family::Reset => format!("reset {name}"),
        Family::Swallow => format!("swallow {name}"),
        Family::Vanish => format!("vanish {name}"),
        Family::Stall => format!("stall {name}"),
        Family::Kill => format!("kill {node}"),
        Family::PowerOff => format!("poweroff {node}"),
        Family::Wipe => format!("wipe {node}"),
        Family::Pause => format!("pause {node}"),
        Family::Slow => format!("slow {node} {}ms", dice.scaled("slow", 1, 500)),
        Family::Clock => format!("clock {node} {}", dice.pick("clock", &CLOCKS, |clock| clock)?),
        Family::Disk => {
            let disk = *dice.pick("disk", &DISKS, |disk| disk)?;
            let slow =
                if disk == "slow" { format!(" {}ms", dice.scaled("slow", 5, 2_000)) } else { String::new() };
            format!("disk {node} {disk}{slow}")
        }
        Family::Link => {
            let link = dice.pick("link", &draft.template.links, |link| link)?;
            format!("link {name} {link}{}", way(dice))
        }
        Family::Swizzle => format!("swizzle {}", dice.between("share", 20, 100)),
        Family::Partition => partition(draft, dice, node)?,
        Family::Mesh => {
            let profile = dice.pick("mesh", &draft.template.mesh, |link| link)?;
            format!("link {node} {} {profile}", neighbour(draft, dice, node)?)
        }
    })
}

/// Draws what a fault waits for: the very moment in which somebody gets, begins, ends or changes something.
fn trigger(dice: Dice, who: &Person, node: &str) -> String {
    match dice.below("upon", 4) {
        0 => format!("{node} syncs {}", dice.scaled("syncs", 1, 3)),
        1 => format!("{node} traces bound {}", dice.scaled("bound", 1, 8)),
        2 => format!("{node} traces unbound {}", dice.scaled("unbound", 1, 8)),
        _ => format!("{} got {} messages", who.name, dice.scaled("got", 1, 12)),
    }
}

/// Draws whether only one direction is struck.
fn way(dice: Dice) -> &'static str {
    match dice.below("way", 4) {
        0 => " up",
        1 => " down",
        _ => "",
    }
}

/// Draws another node than `node`.
fn neighbour<'a>(draft: &'a Draft<'_>, dice: Dice, node: &str) -> Option<&'a String> {
    let others: Vec<&String> = draft.cast.nodes.iter().filter(|other| *other != node).collect();
    dice.pick("neighbour", &others, |other| other).copied()
}

/// Draws a cut between two nodes or a partition of some shape; one node cannot be parted.
fn partition(draft: &Draft<'_>, dice: Dice, node: &str) -> Option<String> {
    let other = neighbour(draft, dice, node)?;
    let oneway = if dice.one_in("oneway", 4) { " oneway" } else { "" };
    if dice.one_in("two", 2) {
        return Some(format!("cut {node} {other}{oneway}"));
    }
    let shape = dice.pick("shape", &SHAPES, |shape| shape)?;
    let which = if *shape == "one" { format!(" {node}") } else { String::new() };
    Some(format!("partition {shape}{which}{oneway}"))
}
