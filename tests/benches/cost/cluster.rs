//! What nodes of a cluster say to each other, and what they do for it. Time is simulated.

use std::collections::BTreeMap;

use eyot_core::peer::Kind;
use eyot_io_sim::engine::SimSpan;
use eyot_io_sim::load::ClusterLoad;
use eyot_io_sim::net::{LinkProfile, builtin};

use crate::heap::leaked;
use crate::instructions;
use crate::report::{Report, fail};

const SECOND: SimSpan = SimSpan::from_secs(1);
/// Things said one after the other for one figure.
const TURNS: u64 = 200;
/// Sizes of clusters.
const SIZES: [usize; 4] = [1, 3, 6, 12];
/// Messages of the two counted runs.
const FEW: u64 = 50;
const MANY: u64 = 250;
/// How long the links are cut, and how often somebody says something at each side meanwhile.
const CUT_SECONDS: u64 = 3_600;
const EVERY_SECONDS: u64 = 2;
/// Sessions at the other node in the two counted runs.
const FEW_SESSIONS: u64 = 50;
const MANY_SESSIONS: u64 = 350;

/// Frames of each kind, and the bytes of their bodies.
type Kinds = BTreeMap<u8, (u64, u64)>;

/// Measures bytes, time, instructions and memory.
pub(crate) fn run(report: &mut Report) {
    bytes(report);
    costs(report);
    catch_up(report);
    let [few, many] = [FEW_SESSIONS, MANY_SESSIONS].map(|turns| leaked(&["cluster-sessions"], turns));
    let [bytes, blocks] = [0, 1].map(|at| (many[at] - few[at]) / (MANY_SESSIONS - FEW_SESSIONS));
    report.add(
        "cluster: a node's heap per session of another node",
        format!("{bytes} B in {blocks} blocks (DHAT)"),
    );
}

/// Runs the loop of one figure and nothing else; returns whether there is one of that name.
pub(crate) fn run_loop(words: &[&str]) -> bool {
    match words {
        ["cluster-loop", nodes, turns] => {
            let nodes = nodes.parse().unwrap_or(1);
            let mut load = load(nodes, 2, "lan");
            talk(&mut load, nodes, turns.parse().unwrap_or(0));
        }
        ["cluster-sessions", turns] => {
            let mut load = load(2, turns.parse().unwrap_or(1), "lan");
            load.pass(SECOND);
            load.leak(0);
        }
        _ => return false,
    }
    true
}

/// The bytes that a message and a presence take on the link between two nodes, beside what passes when nothing happens.
fn bytes(report: &mut Report) {
    for way in ["lan", "wan-80ms"] {
        let mut load = load(2, 1, way);
        load.befriend(0, 1);
        let idle = spent(&mut load, |_, _| ());
        let before = load.kinds();
        let message = spent(&mut load, |load, turn| load.say(0, 1, turn));
        let kinds = kinds(&before, &load.kinds());
        let presence = spent(&mut load, |load, turn| load.show(0, turn));
        let each = |bytes: u64| bytes.saturating_sub(idle) / TURNS;
        report.add(
            format!("cluster, {way}: bytes between two nodes for a message of 282 B, and for a presence"),
            format!("{} B and {} B", each(message), each(presence)),
        );
        report.add(format!("cluster, {way}: of a message, the bodies of frames"), kinds);
        report.add(format!("cluster, {way}: bytes between two idle nodes"), format!("{} B/s", idle / TURNS));
    }
}

/// Returns what there is more of each kind of frame for a message, but for heartbeats and what is less than a byte.
fn kinds(before: &Kinds, after: &Kinds) -> String {
    let of = |kind: &u8| before.get(kind).map_or(0, |(_, bytes)| *bytes);
    let more = after.iter().filter_map(|(kind, (_, bytes))| {
        let (kind, each) = (Kind::from_number(*kind)?, (bytes - of(kind)) / TURNS);
        (kind != Kind::Beat && each > 0).then(|| format!("{kind:?} {each} B"))
    });
    more.collect::<Vec<_>>().join(", ")
}

/// Does something once a second; returns what nodes have said to each other meanwhile.
fn spent(load: &mut ClusterLoad, turn: impl Fn(&mut ClusterLoad, u64)) -> u64 {
    let before = load.said();
    for number in 0..TURNS {
        turn(load, number);
        load.pass(SECOND);
    }
    load.said() - before
}

/// Instructions of a message at each node of clusters that grow.
fn costs(report: &mut Report) {
    for nodes in SIZES {
        let size = nodes.to_string();
        let all = instructions::difference(["cluster-loop", &size], FEW, MANY);
        report.add(
            format!("cluster of {nodes}: a message, at all nodes together, with simulated clients and links"),
            format!("{all} instructions (callgrind), {} a node", all / nodes as u64),
        );
    }
}

/// Lets people of one node say something to somebody at the next one, or at their own where there is one only.
fn talk(load: &mut ClusterLoad, nodes: usize, turns: u64) {
    let got = load.got(1);
    for turn in 0..turns {
        load.say(0, 1, turn);
        load.pass(SimSpan::from_millis(100));
    }
    load.pass(SECOND);
    if load.got(1) - got < turns {
        fail(&format!("of {turns} messages in a cluster of {nodes} not all have come"));
    }
}

/// How long two nodes take that were cut off from each other for an hour, beside what the line needs for it.
fn catch_up(report: &mut Report) {
    for way in ["wan-80ms", "satcom-geo", "hf-2400"] {
        let mut load = load(2, 2, way);
        load.set_cut(true);
        let turns = if way == "hf-2400" { 120 } else { CUT_SECONDS / EVERY_SECONDS };
        for turn in 0..turns {
            load.say(0, 2, turn);
            load.say(1, 3, turn);
            load.pass(SimSpan::from_secs(CUT_SECONDS / turns));
        }
        let before = load.said();
        load.set_cut(false);
        let took = load
            .agree(SimSpan::from_secs(4 * 3_600))
            .unwrap_or_else(|| fail(&format!("two nodes do not agree over {way}")));
        let said = load.said() - before;
        let profile = profile(way);
        let limit = profile.up.serialisation(said / 2).max(profile.down.serialisation(said / 2));
        report.add(
            format!("cluster, {way}: an hour apart, {turns} messages at each side, until both disks agree"),
            format!(
                "{} ms; the line alone needs {} ms for {said} B, and {} ms for a round trip",
                took.as_nanos() / 1_000_000,
                limit.as_nanos() / 1_000_000,
                (profile.up.latency.as_nanos() + profile.down.latency.as_nanos()) / 1_000_000,
            ),
        );
    }
}

fn load(nodes: usize, people: usize, way: &str) -> ClusterLoad {
    ClusterLoad::new(1, nodes, people, &profile(way))
        .unwrap_or_else(|error| fail(&format!("no load: {error:?}")))
}

fn profile(way: &str) -> LinkProfile {
    builtin(way).unwrap_or_else(|| fail(&format!("there is no profile {way}")))
}
