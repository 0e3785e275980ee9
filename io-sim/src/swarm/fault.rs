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

/// One fault of a plan.
#[derive(Clone, Debug)]
pub(super) struct Strike {
    /// When it begins, in milliseconds.
    pub(super) at: u64,
    pub(super) line: String,
    /// The client whose connection leads nowhere and who will not notice by itself.
    pub(super) stranded: Option<String>,
}

/// Draws which families a seed has: each with one half.
pub(super) fn families(draft: &Draft<'_>) -> Vec<Family> {
    let on = |family: &Family| {
        Dice::new(draft.seed, Purpose::SwarmFault, "family", 0).below(family.name(), 2) == 0
    };
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
    let family = *dice.pick("family", families, |family| family.name())?;
    let people = draft.cast.speakers();
    let who: &Person = dice.pick("who", &people, |person| &person.name).copied()?;
    let node = dice.pick("node", &draft.cast.nodes, |name| name)?;
    let name = &who.name;
    let lasts = dice.scaled("lasts", 200, 40_000);
    let mut stranded = None;
    let what = match family {
        Family::Cut => format!("cut {name}{}", way(dice)),
        Family::Flap => format!("flap {name} every {}ms", dice.scaled("every", 100, 4_000)),
        Family::Reset => {
            let line = format!("fault reset {name} as f{number}");
            return Some(Strike { at: draft.bursts.when(dice), line, stranded });
        }
        Family::Swallow => {
            stranded = Some(name.clone());
            format!("swallow {name}")
        }
        Family::Vanish => {
            stranded = Some(name.clone());
            format!("vanish {name}")
        }
        Family::Stall => format!("stall {name}"),
        Family::Kill => format!("kill {node}"),
        Family::PowerOff => format!("poweroff {node}"),
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
    };
    // By its name it draws the same wherever it stands, whatever else is left out and however times are rounded.
    let line = format!("fault {what} for {lasts}ms as f{number}");
    Some(Strike { at: draft.bursts.when(dice), line, stranded })
}

/// Draws whether only one direction is struck.
fn way(dice: Dice) -> &'static str {
    match dice.below("way", 4) {
        0 => " up",
        1 => " down",
        _ => "",
    }
}

/// Draws a shape of a partition; one node cannot be parted.
fn partition(draft: &Draft<'_>, dice: Dice, node: &str) -> Option<String> {
    if draft.cast.nodes.len() < 2 {
        return None;
    }
    let shape = dice.pick("shape", &SHAPES, |shape| shape)?;
    let which = if *shape == "one" { format!(" {node}") } else { String::new() };
    let oneway = if dice.one_in("oneway", 4) { " oneway" } else { "" };
    Some(format!("partition {shape}{which}{oneway}"))
}
