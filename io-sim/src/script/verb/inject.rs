//! `fault KIND ...`, `budget KIND N`: what goes wrong by plan.

use super::{Act, Parsed, Part, Scope, Stage, Trouble, Words};
use crate::engine::SimSpan;
use crate::fault::{
    ClockFault, Date, DiskFault, Fault, FaultId, Profile, Scarce, Shape, Shift, Way, span_text,
};

#[derive(Debug)]
struct Inject {
    id: FaultId,
    fault: Fault,
    lasts: Option<SimSpan>,
}

/// `fault KIND ... [for SPAN] [as NAME]`: something goes wrong; with `for`, it is put right after so long; with `as`, what
/// it draws depends on that name, and not on its line
pub(super) fn fault(words: &mut Words<'_>, scope: &mut Scope) -> Parsed {
    let fault = read(words, scope)?;
    let lasts = if words.take("for") { Some(words.span("how long")?) } else { None };
    if lasts.is_some() && fault.is_instant() {
        return Err(format!("{fault} takes no time"));
    }
    if words.take("as") {
        return Ok(Box::new(Inject { id: named(words, scope)?, fault, lasts }));
    }
    // Else its name is its line, so that another line more or less does not rename it unless it reads the same.
    let lasting = lasts.map(|span| format!(" for {}", span_text(span))).unwrap_or_default();
    let line = format!("{}{fault}{lasting}", scope.put_off);
    let before = scope.faults.entry(line.clone()).or_default();
    let id = FaultId::of(&line, *before);
    *before += 1;
    Ok(Box::new(Inject { id, fault, lasts }))
}

fn named(words: &mut Words<'_>, scope: &mut Scope) -> Result<FaultId, String> {
    let name = words.word("the name of the fault")?;
    // A name that looks like a time or a number would be shortened or rounded with these.
    if !name.starts_with(|letter: char| letter.is_ascii_alphabetic()) {
        return Err(format!("the name of a fault begins with a letter, unlike {name}"));
    }
    if !scope.fault_names.insert(name.into()) {
        return Err(format!("another fault is called {name} already"));
    }
    Ok(FaultId::named(name))
}

impl Act for Inject {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        stage.disk_broken |= self.fault.is_reported();
        Ok(stage.world.inject(self.id, &self.fault, self.lasts)?)
    }

    fn breaks(&self) -> bool {
        true
    }
}

fn read(words: &mut Words<'_>, scope: &mut Scope) -> Result<Fault, String> {
    let kind = words.word("what goes wrong")?;
    Ok(match kind {
        "cut" => cut(words, scope)?,
        "partition" => Fault::Partition { shape: shape(words, scope)?, oneway: words.take("oneway") },
        "swizzle" => Fault::Swizzle { percent: percent(words)? },
        "flap" => {
            let client = client(words, scope)?;
            if !words.take("every") {
                return Err("a link flaps every so often: flap alice every 2s".into());
            }
            let every = words.span("how often")?;
            if every == SimSpan::ZERO {
                return Err("a link cannot flap without time between".into());
            }
            Fault::Flap { client, every }
        }
        "link" => link(words, scope)?,
        "reset" => Fault::Reset { client: client(words, scope)? },
        "swallow" => Fault::Swallow { client: client(words, scope)? },
        "vanish" => Fault::Vanish { client: client(words, scope)? },
        "stall" => Fault::Stall { client: client(words, scope)? },
        "kill" => Fault::Kill { node: node(words, scope)? },
        "poweroff" => Fault::PowerOff { node: node(words, scope)? },
        "pause" => Fault::Pause { node: node(words, scope)? },
        "wipe" => Fault::Wipe { node: node(words, scope)? },
        "slow" => Fault::Slow { node: node(words, scope)?, by: words.span("how slow")? },
        "clock" => Fault::Clock { node: node(words, scope)?, what: clock(words)? },
        "disk" => Fault::Disk { node: node(words, scope)?, what: disk(words)? },
        "site" => {
            let site = words.word("the site")?;
            if !scope.sites.contains(site) {
                return Err(format!("there is no site {site}"));
            }
            Fault::Site { site: site.into() }
        }
        other => return Err(format!("there is no fault {other}")),
    })
}

fn client(words: &mut Words<'_>, scope: &mut Scope) -> Result<String, String> {
    let name = scope.client(words.word("a client")?)?;
    scope.acting.insert(name.clone());
    Ok(name)
}

fn node(words: &mut Words<'_>, scope: &Scope) -> Result<String, String> {
    scope.node(words.word("a node")?)
}

/// Returns the two nodes of a link, if it is one between nodes.
fn ends(words: &mut Words<'_>, scope: &Scope) -> Result<Option<(String, String)>, String> {
    let mut ahead = *words;
    if !ahead.next().is_some_and(|name| scope.is_node(name)) {
        return Ok(None);
    }
    let (from, to) = (node(words, scope)?, node(words, scope)?);
    if from == to {
        return Err(format!("there is no link from {from} to itself"));
    }
    Ok(Some((from, to)))
}

fn way(words: &mut Words<'_>) -> Option<Way> {
    if words.take("up") { Some(Way::Up) } else { words.take("down").then_some(Way::Down) }
}

fn cut(words: &mut Words<'_>, scope: &mut Scope) -> Result<Fault, String> {
    Ok(match ends(words, scope)? {
        Some((from, to)) => Fault::CutNodes { from, to, oneway: words.take("oneway") },
        None => Fault::Cut { client: client(words, scope)?, way: way(words) },
    })
}

fn link(words: &mut Words<'_>, scope: &mut Scope) -> Result<Fault, String> {
    let profile = |words: &mut Words<'_>, scope: &Scope| -> Result<Profile, String> {
        let name = words.word("the profile of the link")?;
        Ok(Profile { name: name.into(), link: scope.profile(name)? })
    };
    if let Some((from, to)) = ends(words, scope)? {
        return Ok(Fault::LinkNodes { from, to, profile: profile(words, scope)? });
    }
    let client = client(words, scope)?;
    Ok(Fault::Link { client, profile: profile(words, scope)?, way: way(words) })
}

fn shape(words: &mut Words<'_>, scope: &Scope) -> Result<Shape, String> {
    Ok(match words.word("the shape of the partition")? {
        "one" => Shape::One(node(words, scope)?),
        "minority" => Shape::Minority,
        "majority" => Shape::Majority,
        "majorities-ring" => Shape::MajoritiesRing,
        "bridge" => Shape::Bridge,
        "random" => Shape::Random,
        "groups" => groups(words, scope)?,
        other => return Err(format!("there is no partition {other}")),
    })
}

fn groups(words: &mut Words<'_>, scope: &Scope) -> Result<Shape, String> {
    let mut groups = vec![Vec::new()];
    loop {
        let mut ahead = *words;
        match ahead.next() {
            None | Some("for" | "oneway" | "as") => break,
            Some("/") => groups.push(Vec::new()),
            Some(name) => {
                let name = scope.node(name)?;
                if groups.iter().flatten().any(|known| *known == name) {
                    return Err(format!("{name} is in two groups"));
                }
                groups.last_mut().expect("there is a first group").push(name);
            }
        }
        *words = ahead;
    }
    if groups.len() < 2 || groups.iter().any(Vec::is_empty) {
        return Err("groups are nodes with a / between: groups a b / c".into());
    }
    Ok(Shape::Groups(groups))
}

fn percent(words: &mut Words<'_>) -> Result<u8, String> {
    let mut ahead = *words;
    let Some(percent) = ahead.next().and_then(|word| word.parse().ok()) else { return Ok(100) };
    *words = ahead;
    if (1..=100).contains(&percent) { Ok(percent) } else { Err("a swizzle takes 1 to 100 percent".into()) }
}

fn clock(words: &mut Words<'_>) -> Result<ClockFault, String> {
    let what = words.word("step, drift, freeze or set")?;
    let mut text = |what: &str| words.word(what);
    Ok(match what {
        "step" => {
            let text = text("how far")?;
            let shift = Shift::parse(text);
            ClockFault::Step(shift.ok_or_else(|| format!("a clock steps by +365d or -1h, not {text}"))?)
        }
        "drift" => {
            let text = text("how many millionths")?;
            let drift = text.parse().ok().and_then(ClockFault::drift);
            drift.ok_or_else(|| format!("a clock drifts by -900000 to 1000000 millionths, not {text}"))?
        }
        "freeze" => ClockFault::Freeze,
        "set" => {
            let text = text("the day")?;
            let day = Date::parse(text);
            ClockFault::Set(day.ok_or_else(|| format!("{text} is no day from 0001-01-01 to 9999-12-31"))?)
        }
        other => return Err(format!("a clock steps, drifts, freezes or is set, but not {other}")),
    })
}

/// What may be wrong with a disk: `full`, `slow SPAN`, `read-error`, `error`, `torn`, `lying`
pub(super) fn disk(words: &mut Words<'_>) -> Result<DiskFault, String> {
    Ok(match words.word("full, slow, read-error, error, torn or lying")? {
        "full" => DiskFault::Full,
        "slow" => DiskFault::Slow(words.span("how slow")?),
        "read-error" => DiskFault::ReadError,
        "error" => DiskFault::WriteError,
        "torn" => DiskFault::Torn,
        "lying" => DiskFault::Lying,
        other => return Err(format!("a disk is full, slow, read-error, error, torn or lying, not {other}")),
    })
}

#[derive(Debug)]
struct Allowed {
    what: Scarce,
    most: u32,
}

/// `budget wipe|down|lying N`: at most so many faults of a kind are in force at once; what goes beyond is refused
pub(super) fn budget(words: &mut Words<'_>, _scope: &mut Scope) -> Parsed {
    let text = words.word("wipe, down or lying")?;
    let what = Scarce::parse(text).ok_or_else(|| format!("there is no budget {text}"))?;
    let most = u32::try_from(words.number("how many")?).map_err(|_| "a budget is a small number")?;
    Ok(Box::new(Allowed { what, most }))
}

impl Act for Allowed {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        stage.world.allow(self.what, self.most);
        Ok(())
    }

    fn part(&self) -> Part {
        Part::Setting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> Scope {
        let mut scope = Scope::default();
        scope.nodes.extend(["a", "b", "c"].map(String::from));
        scope.clients.insert("alice".into());
        scope.sites.insert("hq".into());
        scope
    }

    fn reread(text: &str) -> Result<String, String> {
        let mut words = Words::new(text);
        let fault = read(&mut words, &mut scope())?;
        words.end()?;
        Ok(fault.to_string())
    }

    #[test]
    fn every_kind_is_written_as_it_is_read() {
        for text in [
            "cut alice",
            "cut alice up",
            "cut alice down",
            "cut a b",
            "cut a b oneway",
            "partition one b",
            "partition minority",
            "partition majority oneway",
            "partition majorities-ring",
            "partition bridge",
            "partition random oneway",
            "partition groups a b / c",
            "partition groups a / b / c oneway",
            "swizzle",
            "swizzle 40",
            "flap alice every 1500ms",
            "link alice satcom",
            "link alice slow up",
            "link alice lan down",
            "link a b wan-80ms",
            "reset alice",
            "swallow alice",
            "vanish alice",
            "stall alice",
            "kill a",
            "poweroff b",
            "pause c",
            "wipe a",
            "slow a 250us",
            "clock a step +365d",
            "clock a step -1h",
            "clock a drift -200",
            "clock a freeze",
            "clock a set 1970-01-01",
            "disk a full",
            "disk a slow 2s",
            "disk a read-error",
            "disk a error",
            "disk a torn",
            "disk a lying",
            "site hq",
        ] {
            assert_eq!(reread(text).as_deref(), Ok(text));
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for text in [
            "",
            "rain",
            "cut",
            "cut bob",
            "cut a",
            "cut a a",
            "cut a b up",
            "partition one",
            "partition one z",
            "partition groups a b",
            "partition groups a / ",
            "partition groups a / a",
            "swizzle 0",
            "swizzle 101",
            "flap alice",
            "flap alice every 0s",
            "link alice warp",
            "clock a step 1h",
            "clock a drift fast",
            "clock a set yesterday",
            "clock a set 99999999999-01-01",
            "disk a wet",
            "site moon",
            "kill alice",
        ] {
            assert!(reread(text).is_err(), "{text}");
        }
    }
}
