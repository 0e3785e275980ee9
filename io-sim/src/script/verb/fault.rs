//! `cut`, `heal`, `reset`, `swallow`, `vanish`, `mitm`, `disk`, `stops reading`: what goes wrong.

use super::{Act, Parsed, Scope, Stage, Trouble, Words};
use crate::fault::DiskFault;

#[derive(Debug)]
struct OnClient {
    client: String,
    fault: Fault,
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    Cut,
    Heal,
    Reset,
    Swallow,
    Vanish,
    Mitm,
    StopsReading,
    ReadsAgain,
}

fn on_client(words: &mut Words<'_>, scope: &Scope, fault: Fault) -> Parsed {
    let name = words.word("a client")?;
    if scope.is_node(name) {
        let (one, other) = (scope.node(name)?, scope.node(words.word("the other node")?)?);
        let cut = match fault {
            Fault::Cut => true,
            Fault::Heal => false,
            Fault::Reset
            | Fault::Swallow
            | Fault::Vanish
            | Fault::Mitm
            | Fault::StopsReading
            | Fault::ReadsAgain => return Err(format!("{name} is a node")),
        };
        return Ok(Box::new(BetweenNodes { one, other, cut }));
    }
    Ok(Box::new(OnClient { client: scope.client(name)?, fault }))
}

/// `cut CLIENT`, `cut NODE NODE`: the link loses everything and nobody is told
pub(super) fn cut(words: &mut Words<'_>, scope: &mut Scope) -> Parsed {
    on_client(words, scope, Fault::Cut)
}

/// `heal CLIENT`, `heal NODE NODE`: what was cut by hand; `heal all`: everything that is wrong
pub(super) fn heal(words: &mut Words<'_>, scope: &mut Scope) -> Parsed {
    if words.take("all") {
        return Ok(Box::new(HealAll));
    }
    on_client(words, scope, Fault::Heal)
}

/// `reset CLIENT`: both ends of its connection get a reset
pub(super) fn reset(words: &mut Words<'_>, scope: &mut Scope) -> Parsed {
    on_client(words, scope, Fault::Reset)
}

/// `swallow CLIENT`: its connection, and only that one, leads nowhere from here on
pub(super) fn swallow(words: &mut Words<'_>, scope: &mut Scope) -> Parsed {
    on_client(words, scope, Fault::Swallow)
}

/// `vanish CLIENT`: its machine dies, the server hears nothing
pub(super) fn vanish(words: &mut Words<'_>, scope: &mut Scope) -> Parsed {
    on_client(words, scope, Fault::Vanish)
}

/// `mitm CLIENT`: somebody sits in the middle of its next TLS session
pub(super) fn mitm(words: &mut Words<'_>, scope: &mut Scope) -> Parsed {
    on_client(words, scope, Fault::Mitm)
}

/// `NAME stops reading`
pub(super) fn stops_reading(client: String, words: &mut Words<'_>, _scope: &Scope) -> Parsed {
    words.end()?;
    Ok(Box::new(OnClient { client, fault: Fault::StopsReading }))
}

/// `NAME reads again`
pub(super) fn reads_again(client: String, words: &mut Words<'_>, _scope: &Scope) -> Parsed {
    words.end()?;
    Ok(Box::new(OnClient { client, fault: Fault::ReadsAgain }))
}

impl Act for OnClient {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        let client = stage.client(&self.client)?;
        let world = &mut stage.world;
        match self.fault {
            Fault::Cut => world.cut(client),
            Fault::Heal => world.heal(client),
            Fault::Reset => world.reset(client),
            Fault::Swallow => world.black_hole(client),
            Fault::Vanish => world.vanish(client),
            Fault::Mitm => world.set_mitm(client),
            Fault::StopsReading => world.set_paused(client, true),
            Fault::ReadsAgain => world.set_paused(client, false),
        }
        Ok(())
    }
}

#[derive(Debug)]
struct BetweenNodes {
    one: String,
    other: String,
    cut: bool,
}

impl Act for BetweenNodes {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        let (one, other) = (stage.node(&self.one)?, stage.node(&self.other)?);
        stage.world.set_cut_between(one, other, self.cut);
        Ok(())
    }
}

#[derive(Debug)]
struct HealAll;

impl Act for HealAll {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        stage.world.heal_all();
        Ok(())
    }
}

#[derive(Debug)]
struct Disk {
    node: String,
    /// What is wrong with it; well again when absent.
    what: Option<DiskFault>,
}

/// `disk NODE full|ok|slow SPAN|read-error|error|torn|lying`, `disk NODE damages ACCOUNT`
pub(super) fn disk(words: &mut Words<'_>, scope: &mut Scope) -> Parsed {
    let node = scope.node(words.word("the node")?)?;
    if words.take("damages") {
        return Ok(Box::new(Damages { node, account: words.word("the account")?.into() }));
    }
    let what = if words.take("ok") { None } else { Some(super::inject::disk(words)?) };
    Ok(Box::new(Disk { node, what }))
}

impl Act for Disk {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        let node = stage.node(&self.node)?;
        let words = match self.what {
            None => "is well again".into(),
            Some(DiskFault::Full) => "is full".into(),
            Some(DiskFault::Slow(span)) => format!("takes {} ms longer", span.as_nanos() / 1_000_000),
            Some(DiskFault::ReadError) => "cannot be read".into(),
            Some(DiskFault::WriteError) => "cannot be written".into(),
            Some(DiskFault::Torn) => "will tear".into(),
            Some(DiskFault::Lying) => "lies".into(),
        };
        match self.what {
            Some(what) => {
                let fault = crate::fault::Fault::Disk { node: self.node.clone(), what };
                stage.disk_broken |= fault.is_reported();
                stage.world.break_disk(node, what);
            }
            None => stage.world.mend_disk(node),
        }
        stage.world.note_world(&format!("disk of {} {words}", self.node));
        Ok(())
    }
}

#[derive(Debug)]
struct Damages {
    node: String,
    account: String,
}

impl Act for Damages {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        let (node, owner) = (stage.node(&self.node)?, stage.bare(&self.account)?);
        stage.disk_broken = true;
        stage.world.damage_account(node, &owner);
        stage.world.note_world(&format!("disk of {} damages {owner}", self.node));
        Ok(())
    }
}
