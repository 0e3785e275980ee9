//! Whether the lines of a template can ever become a plan that is understood.

use super::cast::{NODES, USERS};
use super::template::{Knob, Range};
use crate::script::Scenario;

/// Makes sure that as many as are asked for have names, and that there is somebody.
pub(super) fn names(nodes: Range, users: Range) -> Result<(), String> {
    for (what, range, names) in [("nodes", nodes, &NODES[..]), ("users", users, &USERS[..])] {
        if range.high > names.len() as u64 {
            return Err(format!("there are no more than {} names for {what}", names.len()));
        }
    }
    Ok(())
}

/// Makes sure that a range begins with one at least.
pub(super) fn some(range: Range) -> Result<Range, String> {
    if range.low == 0 { Err("there is one at least".into()) } else { Ok(range) }
}

/// Makes sure that lines of a plan are understood behind the settings that stand in the template before them.
pub(super) fn understood(settings: &[String], lines: &str) -> Result<(), String> {
    let text = format!("# A plan.\n# A template.\n{}\n{lines}\n", settings.join("\n"));
    Scenario::parse("", &text).map_or_else(|error| Err(error.what), |_| Ok(()))
}

/// Makes sure that a link has a profile.
pub(super) fn link(settings: &[String], link: &str) -> Result<(), String> {
    understood(settings, &format!("client alice on a link {link}\nalice connects"))
}

/// Makes sure that a bound of core may have any value of its range.
pub(super) fn bound(settings: &[String], knob: &Knob) -> Result<(), String> {
    let unit = if knob.is_time { "ms" } else { "" };
    for value in [knob.range.low, knob.range.high] {
        understood(settings, &format!("limit {} {value}{unit}", knob.key))?;
    }
    Ok(())
}
