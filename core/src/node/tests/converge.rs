//! Nodes that hear of each other in any order, with disks that fail, hold the same in the end.

use super::crash::Dice;
use super::taking::{KINDS, hear, node, rows, written};
use crate::io::{Command, ConnId, Secret};
use crate::node::harness::{HEADER, World};
use crate::store::{StoreError, Table};
use crate::sync::check::{Told, agree};

const NODES: [u32; 3] = [7, 8, 9];
pub(super) const PEOPLE: [&str; 3] = ["alice", "bob", "carol"];
const BIND: &str = "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>\
    <iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq><presence/>";

/// Draws a number up to `most`.
pub(super) fn up_to(dice: &mut Dice, most: usize) -> usize {
    usize::try_from(dice.roll(most as u64 + 1)).unwrap()
}

pub(super) struct Storm {
    /// Archives are the same in the end: no account is made twice or goes, and no message is only owed.
    pub(super) keeps: bool,
    pub(super) nodes: [World; 3],
    pub(super) people: [[Option<ConnId>; 3]; 3],
}

impl Storm {
    fn new(keeps: bool) -> Self {
        let mut storm = Self { keeps, nodes: NODES.map(node), people: [[None; 3]; 3] };
        if keeps {
            let [first, others @ ..] = &mut storm.nodes;
            for user in PEOPLE {
                first.add(user);
            }
            for other in others {
                hear(other, KINDS[0], written(first, KINDS[0]));
            }
        }
        for world in &mut storm.nodes {
            (world.waiting, world.slow_reads) = (Some(Vec::new()), true);
        }
        storm
    }

    /// A node hears some of what another one has written, in any order.
    fn carry(&mut self, dice: &mut Dice) {
        let (from, to) = (dice.pick(&[0, 1, 2]), dice.pick(&[0, 1, 2]));
        if from == to {
            return;
        }
        let group = dice.pick(&KINDS);
        let mut entries = written(&self.nodes[from], group);
        match dice.roll(4) {
            0 => entries.reverse(),
            1 => entries.truncate(up_to(dice, entries.len())),
            2 => _ = entries.drain(..up_to(dice, entries.len())),
            _ => {}
        }
        hear(&mut self.nodes[to], group, entries);
    }

    fn connect(&mut self, at: usize, who: usize) {
        let world = &mut self.nodes[at];
        let (waiting, slow) = (world.waiting.take(), core::mem::take(&mut world.slow_reads));
        let conn = world.open();
        world.send(conn, HEADER);
        world.auth(conn, PEOPLE[who], "pw");
        (world.waiting, world.slow_reads) = (waiting, slow);
        world.send(conn, HEADER);
        world.send(conn, BIND);
        self.people[at][who] = Some(conn);
    }

    pub(super) fn say(&mut self, dice: &mut Dice) {
        let (at, who) = (dice.pick(&[0, 1, 2]), dice.pick(&[0, 1, 2]));
        let Some(conn) = self.people[at][who].filter(|conn| !self.nodes[at].closed.contains(conn)) else {
            return self.connect(at, who);
        };
        let to = dice.pick(&PEOPLE);
        let set = |payload: &str| format!("<iq type='set' id='s'>{payload}</iq>");
        let text = match dice.roll(8) {
            0 | 1 => {
                let hint = "<no-permanent-store xmlns='urn:xmpp:hints'/>";
                let hint = if self.keeps { "" } else { dice.pick(&["", "", hint]) };
                format!("<message type='chat' to='{to}@x.example'><body>m</body>{hint}</message>")
            }
            2 | 3 => {
                let kind = dice.pick(&["subscribe", "subscribed", "unsubscribe", "unsubscribed"]);
                format!("<presence to='{to}@x.example' type='{kind}'/>")
            }
            4 | 5 => {
                let what = dice.pick(&["name='one'", "name='two'", "subscription='remove'"]);
                set(&format!("<query xmlns='jabber:iq:roster'><item jid='{to}@x.example' {what}/></query>"))
            }
            6 => {
                let what = dice.pick(&["block", "unblock"]);
                set(&format!("<{what} xmlns='urn:xmpp:blocking'><item jid='{to}@x.example'/></{what}>"))
            }
            _ => set(&format!("<vCard xmlns='vcard-temp'><FN>{}</FN></vCard>", dice.roll(9))),
        };
        self.nodes[at].send(conn, &text);
    }

    fn step(&mut self, dice: &mut Dice) {
        let at = dice.pick(&[0, 1, 2]);
        let world = &mut self.nodes[at];
        match dice.roll(20) {
            0..=5 => self.say(dice),
            6..=9 => self.carry(dice),
            10..=15 => drop(world.answer_next()),
            16 => world.disk = dice.pick(&[Ok(()), Err(StoreError::Full), Err(StoreError::Io)]),
            17 => world.disk = Ok(()),
            18 => world.pass(dice.pick(&[1_000, 1_000_000])),
            _ => self.order(dice),
        }
    }

    /// An operator does something with an account.
    pub(super) fn order(&mut self, dice: &mut Dice) {
        let world = &mut self.nodes[dice.pick(&[0, 1, 2])];
        let user = super::jid(&format!("{}@x.example", dice.pick(&PEOPLE)));
        let password = Some(Secret("pw".into()));
        let deed = if self.keeps { 1 } else { dice.roll(6) };
        world.command(match deed {
            0 => Command::UserRemove { user },
            1 => Command::UserPasswd { user, password },
            _ => Command::UserAdd { user, password },
        });
    }

    /// All nodes hold the same rows.
    pub(super) fn same(&self, seed: u64) -> Told {
        let first = &self.nodes[0];
        let told = agree(&first.store);
        let archives: &[Table] =
            if self.keeps { &[Table::Dot, Table::Message, Table::Log, Table::LogId] } else { &[] };
        for world in &self.nodes[1..] {
            let other = agree(&world.store);
            assert!(!self.keeps || other.unnamed + told.unnamed == 0, "seed {seed}");
            for table in [Table::Cell, Table::Large, Table::Account].iter().chain(archives) {
                let (one, other) = (rows(world, *table), rows(first, *table));
                let lacks: Vec<_> =
                    other.iter().filter(|row| !one.contains(row)).map(|row| (&row.key, &row.value)).collect();
                let more: Vec<_> =
                    one.iter().filter(|row| !other.contains(row)).map(|row| (&row.key, &row.value)).collect();
                assert!(lacks.is_empty() && more.is_empty(), "seed {seed} {table:?}: {lacks:?} {more:?}");
            }
            assert_eq!((other.cells, other.large), (told.cells, told.large), "seed {seed}");
        }
        told
    }

    /// Disks work, and everybody hears everything, until there is nothing more to hear.
    fn heal(&mut self) {
        for world in &mut self.nodes {
            world.disk = Ok(());
        }
        for _ in 0..6 {
            for world in &mut self.nodes {
                world.pass(5_000_000);
                while world.answer_next() {}
            }
            for (from, to) in [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)] {
                for group in KINDS {
                    let entries = written(&self.nodes[from], group);
                    hear(&mut self.nodes[to], group, entries);
                    while self.nodes[to].answer_next() {}
                }
            }
        }
    }
}

#[test]
fn nodes_that_have_heard_the_same_hold_the_same() {
    let (mut letters, mut cells, mut large, mut voids) = (0, 0, 0, 0);
    for seed in 0..60 {
        let mut dice = Dice(seed);
        let mut storm = Storm::new(seed % 2 == 0);
        for _ in 0..400 {
            storm.step(&mut dice);
        }
        storm.heal();
        let told = storm.same(seed);
        (letters, cells) = (letters + told.letters, cells + told.cells);
        (large, voids) = (large + told.large, voids + told.void);
    }
    assert!(letters > 300 && cells > 900 && large > 50 && voids > 100, "{letters} {cells} {large} {voids}");
}
