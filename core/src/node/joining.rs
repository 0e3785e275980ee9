//! Joining a cluster: the node that asks, and the one that is asked. Nothing is written before everything is there.
//!
//! Rests on the replication rule R26 (two populated clusters never merge; the `admin` of a first start counts for nothing).

use subtle::ConstantTimeEq as _;

use super::Node;
use super::membership::Wrote;
use crate::cluster::{Admitted, JoinRequest, Roll, Seated, Side, Token, Unseated, proof};
use crate::config::{ClusterSecret, Seat, StaticCluster};
use crate::exchange::Guest;
use crate::io::{Answer, CommandId, Input, NoCluster, OpId, Refusal, Secret};
use crate::peer::{Around, Asked, Bye, Joiner, PeerCx};
use crate::replica::{Account, CellName, Credentials, Value};
use crate::service::ops::Owner;
use crate::store::{
    AccountRecord, AccountSource, Key, MembershipRecord, NodeRecord, Row, Stage, StoreBatch, StoreError,
    StoreQuery, Table, Write,
};
use crate::time::Now;
use crate::timers::Timer;

/// Rows that a first start leaves, and more: a node with as many has been used.
const UNTOUCHED_ROWS: u32 = 64;

/// This node is on its way to be a member.
#[derive(Debug)]
pub(super) struct Joining {
    id: CommandId,
    token: Token,
    seat: Seat,
    /// Nobody is a member as yet.
    view: StaticCluster,
    joiner: Option<Joiner>,
    /// What the TLS session with whoever is asked is known by.
    exporter: [u8; 32],
    /// What it has said, once it is believed.
    admitted: Option<Admitted>,
    /// It is a member, once that is written: the connection is to end.
    is_done: bool,
    /// The look whether the node holds anything, while it is under way.
    looking: Option<OpId>,
}

impl Joining {
    /// Returns whether nothing of it is under way outside.
    fn is_idle(&self) -> bool {
        self.joiner.as_ref().is_none_or(Joiner::is_idle)
    }
}

impl Node {
    /// Gives up joining, as the node stops. Nothing was written, or all of it is.
    pub(super) fn stop_joining(&mut self) {
        _ = self.with_joiner(|joiner, cx| {
            joiner.end(cx);
            None
        });
        let joining = self.membership.joining.take_if(|joining| !joining.is_done);
        if let Some(joining) = joining {
            self.reply(joining.id, Answer::Refused(Refusal::Stopping));
            let left = Joining { is_done: true, ..joining };
            self.membership.joining = Some(left).filter(|left| !left.is_idle());
        }
    }

    /// Begins to join. The look at what the node holds comes first: whoever is asked does not have to take anything back.
    pub(super) fn begin_join(&mut self, now: Now, id: CommandId, token: &Secret) -> Result<(), NoCluster> {
        let seat = self.vacant_seat()?;
        let text = core::str::from_utf8(&token.0).ok();
        let token = text.and_then(Token::parse).ok_or(NoCluster::BadToken)?;
        if self.membership.joining.is_some() || self.directory.len() > 0 {
            return Err(NoCluster::Populated);
        }
        let view = StaticCluster {
            id: token.cluster,
            node: 0,
            members: Vec::new(),
            routes: Vec::new(),
            grace: seat.grace,
            hysteresis: seat.hysteresis,
            secret: ClusterSecret([0; 32]),
        };
        let (joiner, looking, admitted) = (None, None, None);
        let is_done = false;
        let joining =
            Joining { id, token, seat, view, joiner, exporter: [0; 32], admitted, is_done, looking };
        self.membership.joining = Some(joining);
        self.look_whether_untouched(now);
        Ok(())
    }

    fn look_whether_untouched(&mut self, now: Now) {
        let (from, to) = (Key::new(Table::Account, &[]), Key::new(Table::Kept, &[]).table_end());
        let mut op = None;
        self.with_services(now, |_, cx| {
            op = Some(cx.load(Owner::Membership, StoreQuery::Range { from, to, limit: UNTOUCHED_ROWS }));
        });
        if let Some(joining) = &mut self.membership.joining {
            joining.looking = op;
        }
    }

    /// It is known what the node holds.
    pub(super) fn handle_looked(
        &mut self,
        now: Now,
        op: OpId,
        outcome: Result<Vec<Row>, StoreError>,
    ) -> bool {
        let Some(joining) = self.membership.joining.as_mut().filter(|joining| joining.looking == Some(op))
        else {
            return false;
        };
        joining.looking = None;
        let rows = match outcome {
            Ok(rows) => rows,
            Err(error) => {
                self.end_joining(Err(Refusal::Store(error)));
                return true;
            }
        };
        // Who has come meanwhile may write at any time.
        if !is_untouched(&rows) || self.directory.len() > 0 {
            self.end_joining(Err(Refusal::Cluster(NoCluster::Populated)));
        } else if joining.admitted.is_some() {
            self.write_joined(now, rows);
        } else {
            let seeds: Vec<_> =
                joining.token.seeds.iter().map(|seed| (seed.route.clone(), seed.link)).collect();
            let joiner = self.with_view(|_, cx| Joiner::begin(cx, seeds));
            if let Some(joining) = &mut self.membership.joining {
                joining.joiner = joiner;
            }
            self.arm_joining();
        }
        true
    }

    /// Everything is there: the node is a member from its next start on, and what the first start has left is gone.
    fn write_joined(&mut self, now: Now, rows: Vec<Row>) {
        let Some(joining) = &mut self.membership.joining else { return };
        let (Some(Admitted { number, roll, .. }), Some(record)) = (joining.admitted.take(), &self.record)
        else {
            return;
        };
        joining.is_done = true;
        let id = joining.id;
        let membership = Some(MembershipRecord { roll: roll.encode(), stage: Stage::Joined });
        let record = NodeRecord { node: number, before: Vec::new(), membership, ..record.clone() };
        let mut batch = StoreBatch::new();
        batch.writes.extend(rows.into_iter().map(|row| Write::Delete { key: row.key }));
        let batch = batch.put(Key::new(Table::Node, &[]), record.encode());
        self.membership.roll = Some(roll);
        self.write_membership(now, batch, Wrote::Turned(id));
        self.timers.disarm(Timer::Join);
        self.membership.joining = self.membership.joining.take().filter(|joining| !joining.is_idle());
    }

    /// Joining has come to nothing.
    fn end_joining(&mut self, outcome: Result<(), Refusal>) {
        let Some(joining) = self.membership.joining.take() else { return };
        self.timers.disarm(Timer::Join);
        if let Err(refusal) = outcome {
            self.reply(joining.id, Answer::Refused(refusal));
        }
    }

    /// Runs what asks, as a member of nothing.
    fn with_view<T>(&mut self, run: impl FnOnce(Option<&mut Joiner>, &mut PeerCx<'_>) -> T) -> Option<T> {
        let Joining { joiner, view, .. } = self.membership.joining.as_mut()?;
        let (ops, origin) = (&mut self.ops, self.ledger.origin());
        let mut number = || ops.number();
        let around = Around {
            cluster: view,
            domains: &self.config.domains,
            origin,
            part_max: super::peers::PART_MAX,
            is_open: false,
            is_forgotten: &|_| false,
            supply: &self.groups,
            crowd: &self.elsewhere,
        };
        let mut cx = PeerCx::new(self.mono, around, &mut number, &mut self.outputs);
        Some(run(joiner.as_mut(), &mut cx))
    }

    fn arm_joining(&mut self) {
        let joiner = self.membership.joining.as_ref().and_then(|joining| joining.joiner.as_ref());
        self.timers.set(Timer::Join, joiner.map(Joiner::late).filter(|late| *late > self.mono));
    }

    /// Gives an input to what asks, if it is for it; returns it if not.
    pub(super) fn offer_to_joiner(&mut self, now: Now, input: Input) -> Option<Input> {
        let joiner = self.membership.joining.as_ref().and_then(|joining| joining.joiner.as_ref());
        let Some(joiner) = joiner else { return Some(input) };
        let asked = match input {
            Input::Connected { op, outcome } if joiner.has_call(op) => {
                self.with_joiner(|joiner, cx| joiner.handle_connected(cx, outcome))
            }
            Input::Secured { conn, tls } if joiner.has(conn) => {
                self.with_joiner(|joiner, cx| joiner.handle_secured(cx, &tls))
            }
            Input::Received { conn, bytes } if joiner.has(conn) => {
                self.with_joiner(|joiner, cx| joiner.handle_bytes(cx, &bytes))
            }
            Input::Ended { conn } if joiner.has(conn) => {
                self.with_joiner(|joiner, cx| joiner.give_up(cx, NoCluster::Unreachable))
            }
            Input::Closed { conn, .. } if joiner.has(conn) => self.with_joiner(Joiner::handle_closed),
            other @ (Input::Opened { .. }
            | Input::Connected { .. }
            | Input::Secured { .. }
            | Input::Received { .. }
            | Input::Flushed { .. }
            | Input::Ended { .. }
            | Input::Closed { .. }
            | Input::Stored { .. }
            | Input::Loaded { .. }
            | Input::Derived { .. }
            | Input::Command { .. }
            | Input::Tick) => return Some(other),
        };
        self.arm_joining();
        self.handle_asked(now, asked);
        None
    }

    fn with_joiner(
        &mut self,
        run: impl FnOnce(&mut Joiner, &mut PeerCx<'_>) -> Option<Asked>,
    ) -> Option<Asked> {
        self.with_view(|joiner, cx| run(joiner?, cx)).flatten()
    }

    /// Whoever is asked has taken too long.
    pub(super) fn tick_joining(&mut self, now: Now) {
        self.change_next(now);
        let asked = self.with_joiner(Joiner::handle_late);
        self.handle_asked(now, asked);
    }

    fn handle_asked(&mut self, now: Now, asked: Option<Asked>) {
        match asked {
            None => {}
            Some(Asked::Ready(exporter)) => self.ask_to_join(exporter),
            Some(Asked::Refused(why)) => {
                // Who has answered has gone: what it has said is being written, or about to be.
                let joining = self.membership.joining.as_ref();
                if joining.is_some_and(|joining| joining.is_done) {
                    self.end_joining(Ok(()));
                } else if joining.is_some_and(|joining| joining.admitted.is_none()) {
                    self.end_joining(Err(Refusal::Cluster(why)));
                }
            }
            Some(Asked::Said(said)) => {
                let believed = Admitted::decode(&said).filter(|said| self.is_believed(said));
                if let Some(joining) = self.membership.joining.as_mut().filter(|_| believed.is_some()) {
                    joining.admitted = believed;
                    _ = self.with_joiner(|joiner, cx| {
                        joiner.end(cx);
                        None
                    });
                    self.look_whether_untouched(now);
                } else {
                    _ = self.with_joiner(|joiner, cx| joiner.give_up(cx, NoCluster::Untrusted));
                }
            }
        }
    }

    /// Says what this node wants to whoever is asked.
    fn ask_to_join(&mut self, exporter: [u8; 32]) {
        let Some(joining) = &mut self.membership.joining else { return };
        joining.exporter = exporter;
        let seat = Seated::new(&self.config.node, &joining.seat.site, &joining.seat);
        let request = JoinRequest {
            token: joining.token.id(),
            proof: joining.token.show(&exporter),
            cluster: joining.token.cluster,
            domains: self.domain_names(),
            seat,
        };
        _ = self.with_joiner(|joiner, cx| {
            joiner.ask(cx, request.encode());
            None
        });
    }

    fn domain_names(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.config.domains.iter().map(|domain| domain.name.as_str().into()).collect();
        names.sort();
        names
    }

    /// Returns whether what came is from somebody who has the token, and makes this node a member.
    fn is_believed(&self, said: &Admitted) -> bool {
        let Some(Joining { token, seat, exporter, .. }) = &self.membership.joining else { return false };
        let expected = proof(&token.key(), Side::Seed, exporter);
        let own = said.roll.member(said.number);
        bool::from(expected.ct_eq(&said.proof))
            && said.roll.founding.id == token.cluster
            && own.is_some_and(|own| own.key == seat.key && !own.forgotten)
    }

    /// Somebody wants to be a member.
    pub(super) fn handle_guest(&mut self, now: Now, guest: &Guest) {
        match self.admit(now, guest) {
            Ok((roll, said)) => self.change_roll(now, roll, Wrote::Admitted(guest.conn, said)),
            Err(why) => _ = self.with_peers(|peers, cx| peers.answer_guest(cx, guest.conn, Err(why))),
        }
    }

    /// Puts somebody on the roll; who was told so already is told again. Nothing is looked at before the proof is.
    fn admit(&self, now: Now, guest: &Guest) -> Result<(Roll, Vec<u8>), Bye> {
        let domains = self.domain_names();
        let own = self.ledger.origin().node;
        let no = |why| Err(Bye::NotJoined(why));
        let request = JoinRequest::decode(&guest.said);
        let (Some(request), Some(mut roll)) = (request, self.membership.roll.clone()) else {
            return Err(Bye::Malformed);
        };
        roll.drop_old(now.wall.as_millis());
        if request.cluster != roll.founding.id {
            return Err(Bye::OtherCluster);
        }
        let Some(pass) = roll.pass(request.token).cloned() else { return no(NoCluster::UnknownToken) };
        if !pass.is_shown(&guest.exporter, request.proof) {
            return no(NoCluster::UnknownToken);
        }
        let by = pass.used.and_then(|node| roll.member(node));
        let is_again = by.is_some_and(|member| member.key == guest.key && !member.forgotten);
        if pass.used.is_some() && !is_again {
            return no(NoCluster::Used);
        }
        if !is_again && pass.is_closed(now.wall.as_millis()) {
            return no(NoCluster::Expired);
        }
        if request.domains != domains {
            return no(NoCluster::OtherDomains);
        }
        let number = roll.number_for(&guest.key);
        let mut seat = request.seat.shown(guest.key);
        if let Some(site) = pass.site {
            seat.site = site;
        }
        let number = roll.seat(number, seat, own).map_err(|why| {
            Bye::NotJoined(match why {
                Unseated::Name => NoCluster::NameTaken,
                Unseated::Words => NoCluster::BadWords,
                Unseated::Full => NoCluster::Full,
            })
        })?;
        roll.use_pass(request.token, number);
        let said =
            Admitted { proof: proof(&pass.key, Side::Seed, &guest.exporter), number, roll: roll.clone() };
        Ok((roll, said.encode()))
    }
}

/// Returns whether these rows are what a first start leaves, and nobody has used.
fn is_untouched(rows: &[Row]) -> bool {
    if rows.len() >= UNTOUCHED_ROWS as usize {
        return false;
    }
    let table = |row: &Row| row.key.as_bytes().first().copied().unwrap_or_default();
    let is = |row: &Row, kind: Table| table(row) == kind as u8;
    let accounts = rows.iter().filter(|row| is(row, Table::Account)).count();
    let others = |row: &&Row| !is(row, Table::Account) && !is(row, Table::Vector) && !is(row, Table::Clock);
    accounts <= 1 && rows.iter().filter(others).all(|row| is(row, Table::Cell) && is_first(row))
}

/// Returns whether a row is one of those that make an account which nobody has touched.
fn is_first(row: &Row) -> bool {
    let mut parts = row.key.parts();
    let (Some(domain), Some(local)) = (parts.next(), parts.next()) else { return false };
    let Ok(owner) = crate::jid::BareJid::parse(&format!("{local}@{domain}")) else { return false };
    let rest: Vec<&str> = parts.collect();
    match CellName::parse(&owner, &rest) {
        Some(CellName::Status) => true,
        Some(CellName::Credentials) => {
            let of_first = |value: &Value| {
                let Value::Credentials(Credentials { record, .. }) = value else { return false };
                AccountRecord::decode(record).is_ok_and(|record| record.source == AccountSource::FirstStart)
            };
            let changes = Account::changes(&CellName::Credentials, &row.value);
            changes.is_ok_and(|changes| changes.iter().all(|change| of_first(&change.entry.value)))
        }
        Some(_) | None => false,
    }
}
