//! `cut`, `heal`, `reset`, `swallow`, `vanish`, `mitm`, `disk`, `stops reading`: what goes wrong.

use super::{Act, Parsed, Scope, Stage, Trouble, Words};
use crate::engine::SimSpan;

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
    if scope.is_node(name) && scope.is_node(words.word("the other node")?) {
        return Ok(Box::new(BetweenNodes));
    }
    Ok(Box::new(OnClient { client: scope.client(name)?, fault }))
}

/// `cut CLIENT`, `cut NODE NODE`: the link loses everything and nobody is told
pub(super) fn cut(words: &mut Words<'_>, scope: &mut Scope) -> Parsed {
    on_client(words, scope, Fault::Cut)
}

/// `heal CLIENT`, `heal NODE NODE`
pub(super) fn heal(words: &mut Words<'_>, scope: &mut Scope) -> Parsed {
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
struct BetweenNodes;

impl Act for BetweenNodes {
    fn act(&self, _stage: &mut Stage) -> Result<(), Trouble> {
        Err(Trouble::Pending("several nodes".into()))
    }
}

#[derive(Debug)]
struct Disk {
    node: String,
    state: DiskState,
}

#[derive(Clone, Copy, Debug)]
enum DiskState {
    Full,
    Ok,
    Slow(SimSpan),
}

/// `disk NODE full|ok|slow SPAN`
pub(super) fn disk(words: &mut Words<'_>, scope: &mut Scope) -> Parsed {
    let node = scope.node(words.word("the node")?)?;
    let state = match words.word("full, ok or slow")? {
        "full" => DiskState::Full,
        "ok" => DiskState::Ok,
        "slow" => DiskState::Slow(words.span("how slow")?),
        other => return Err(format!("a disk is full, ok or slow, not {other}")),
    };
    Ok(Box::new(Disk { node, state }))
}

impl Act for Disk {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        let node = stage.node(&self.node)?;
        let words = match self.state {
            DiskState::Full => "is full".into(),
            DiskState::Ok => "is well again".into(),
            DiskState::Slow(span) => format!("takes {} ms longer", span.as_nanos() / 1_000_000),
        };
        stage.disk_broken |= matches!(self.state, DiskState::Full);
        let disk = stage.world.disk_mut(node);
        match self.state {
            DiskState::Full => disk.set_full(true),
            DiskState::Slow(span) => disk.set_delay(span),
            DiskState::Ok => {
                disk.set_full(false);
                disk.set_delay(SimSpan::ZERO);
            }
        }
        stage.world.note_world(&format!("disk of {} {words}", self.node));
        Ok(())
    }
}
