//! Durability: nobody is told that an account was changed before a disk has made that durable.

use std::collections::BTreeMap;

use eyot_core::io::{Answer, Command, CommandId};
use eyot_core::store::{Key, StoreBatch, Table, Write};

use super::model::{Run, Told, Wish};
use super::registrar::{self, Request};
use super::{Judged, Oracle};
use crate::world::{Actor, NodeSight};

const NAME: &str = "durable";

/// The oracle.
pub(super) struct Durable;

impl Oracle for Durable {
    fn name(&self) -> &'static str {
        NAME
    }

    fn judge(&self, run: &Run<'_>) -> Judged {
        let mut open: BTreeMap<CommandId, (usize, String, Change)> = BTreeMap::new();
        let mut synced: BTreeMap<(String, Change), usize> = BTreeMap::new();
        let mut newcomers: BTreeMap<usize, (usize, String)> = BTreeMap::new();
        let mut requests = registrar::requests(run);
        let mut sessions: BTreeMap<usize, Change> = BTreeMap::new();
        let mut judged = Judged::default();
        for (number, record) in run.evidence.history.iter().enumerate() {
            let promise = match &record.actor {
                Actor::Node(_, NodeSight::Synced(batch)) => {
                    synced.extend(changes(batch).map(|change| (change, number)));
                    None
                }
                Actor::Node(_, NodeSight::Asked(id, command)) => {
                    open.extend(change_of(command).map(|(user, change)| (*id, (number, user, change))));
                    None
                }
                Actor::Node(_, NodeSight::Answered(id, answer)) => {
                    open.remove(id).filter(|_| matches!(answer, Answer::Done | Answer::Account { .. }))
                }
                Actor::Client(client, _) => match requests.remove(&number) {
                    Some(Request::Newcomer { user, .. }) => {
                        newcomers.insert(client.at(), (number, user));
                        None
                    }
                    Some(Request::NewcomerTold(told)) => {
                        let asked = newcomers.remove(&client.at()).filter(|_| told == Told::Done(None));
                        asked.map(|(asked, user)| (asked, user, Change::Put))
                    }
                    Some(Request::Session { wish, .. }) => {
                        sessions
                            .insert(number, if wish == Wish::Remove { Change::Delete } else { Change::Put });
                        None
                    }
                    Some(Request::SessionTold { asked, user, told }) => {
                        let change = sessions.remove(&asked).filter(|_| told == Told::Done(None));
                        change.map(|change| (asked, user, change))
                    }
                    None => None,
                },
                Actor::Node(..) | Actor::World(_) => None,
            };
            let Some((asked, user, change)) = promise else { continue };
            let key = (user, change);
            let early = synced.get(&key).is_none_or(|synced| *synced < asked);
            judged.add(early.then(|| {
                let what = format!("the change of {} was acknowledged and is on no disk", key.0);
                let mut violation = run.violation(NAME, "early-answer", record.at, what);
                violation.records = vec![asked, number];
                violation
            }));
        }
        judged
    }
}

/// What a write does to an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Change {
    Put,
    Delete,
}

/// Returns the accounts that a batch changes.
fn changes(batch: &StoreBatch) -> impl Iterator<Item = (String, Change)> {
    batch.writes.iter().filter_map(|write| match write {
        Write::Put { key, .. } => Some((account_of(key)?, Change::Put)),
        Write::Delete { key } => Some((account_of(key)?, Change::Delete)),
        // An account is removed by its own key: a range that took one proves nothing to who was answered.
        Write::DeleteRange { .. } => None,
    })
}

fn account_of(key: &Key) -> Option<String> {
    if key.as_bytes().first() != Some(&(Table::Account as u8)) {
        return None;
    }
    let mut parts = key.parts();
    let (domain, local) = (parts.next()?, parts.next()?);
    Some(format!("{local}@{domain}"))
}

/// Returns what a command does to which account, where its answer promises that. Whether there is an administrator may
/// be answered without a write.
fn change_of(command: &Command) -> Option<(String, Change)> {
    match command {
        Command::UserAdd { user, .. } | Command::UserPasswd { user, .. } => {
            Some((user.as_str().into(), Change::Put))
        }
        Command::UserRemove { user } => Some((user.as_str().into(), Change::Delete)),
        Command::EnsureAdmin { .. }
        | Command::UserList { .. }
        | Command::Shutdown
        | Command::Cluster { .. } => None,
    }
}
