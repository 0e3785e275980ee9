//! One change of one account at a time: look, derive, write, answer.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::list::{self, Read};
use crate::account;
use crate::archive::Archives;
use crate::exchange::{Condition, ToStream};
use crate::io::{Answer, Command, CommandId, ConnId, KeyDerivation, OpId, Refusal, ScramHash, Secret};
use crate::jid::{BareJid, Domain, prepare_password};
use crate::replica::{Account, Author, CellName, Credentials, Status, Value};
use crate::sasl;
use crate::service::cx::{Cx, Request};
use crate::service::effect::Effect;
use crate::service::ops::Owner;
use crate::service::roster::{leave, may_leave, tell_left};
use crate::stanza::StanzaError;
use crate::store::{AccountRecord, AccountSource, Row, ScramRecord, StoreBatch, StoreError, StoreQuery};
use crate::trace::{Event, Pii};

/// Changes and reads under way; beyond, [`Refusal::Busy`].
const UNDER_WAY_MAX: usize = 256;

/// The account service.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    changes: BTreeMap<BareJid, Progress>,
    by_op: BTreeMap<OpId, BareJid>,
    reads: BTreeMap<OpId, Read>,
}

/// A change that somebody wants.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// Who is answered.
    pub(crate) asker: Asker,
    /// The account.
    pub(crate) user: BareJid,
    /// What is to become of it.
    pub(crate) wish: Wish,
}

/// What is to become of an account.
#[derive(Clone, Debug)]
pub(crate) enum Wish {
    /// It is created.
    Add {
        /// Its password; drawn when absent.
        password: Option<Secret>,
        /// Who makes it.
        source: AccountSource,
    },
    /// It gets another password.
    Passwd {
        /// The password; drawn when absent.
        password: Option<Secret>,
    },
    /// It is removed.
    Remove,
}

/// Who is answered.
#[derive(Clone, Debug)]
pub(crate) enum Asker {
    /// An operator.
    Operator(CommandId),
    /// A client that has not logged in.
    Stream {
        /// Its connection.
        conn: ConnId,
        /// The `id` of its request.
        id: Box<str>,
    },
    /// A session, about its own account.
    Session(Box<Request>),
}

/// How far a change has come.
#[derive(Debug)]
struct Progress {
    asker: Asker,
    step: Step,
}

#[derive(Debug)]
enum Step {
    /// Waits for the account's row.
    Looking(Wish),
    /// Waits for the derivations.
    Deriving(Box<Deriving>),
    /// Waits for the disk.
    Writing,
}

#[derive(Debug)]
struct Deriving {
    /// What is known of the account.
    account: Account,
    created_ms: i64,
    source: AccountSource,
    drawn: Option<Secret>,
    what: &'static str,
    /// There was none before.
    is_new: bool,
    salts: (Bytes, Bytes),
    iterations: u32,
    sha1_op: OpId,
    sha1: Option<ScramRecord>,
    sha256: Option<ScramRecord>,
}

impl Accounts {
    /// Takes an operator's command in. Shutdown is the node's.
    pub(crate) fn handle_command(&mut self, cx: &mut Cx<'_>, id: CommandId, command: Command) {
        let asker = Asker::Operator(id);
        match command {
            Command::UserAdd { user, password } => {
                let wish = Wish::Add { password, source: AccountSource::Operator };
                self.handle_change(cx, Change { asker, user, wish });
            }
            Command::UserPasswd { user, password } => {
                self.handle_change(cx, Change { asker, user, wish: Wish::Passwd { password } });
            }
            Command::UserRemove { user } => {
                self.handle_change(cx, Change { asker, user, wish: Wish::Remove });
            }
            Command::UserList { domain, after } => {
                let limit = cx.config.limits.accounts_page;
                self.read(cx, id, &domain, |domain| {
                    // What is no localpart stands behind nobody.
                    let after = after.and_then(|after| BareJid::from_local(&after, &domain).ok());
                    let after = after.as_ref().and_then(BareJid::local);
                    (list::query(&domain, after, limit), Read::Page { id, domain, limit })
                });
            }
            Command::EnsureAdmin { domain } => {
                self.read(cx, id, &domain, |domain| {
                    (list::query(&domain, None, 0), Read::EnsureAdmin { id, domain })
                });
            }
            Command::Shutdown | Command::Cluster { .. } => {}
        }
    }

    fn read(
        &mut self,
        cx: &mut Cx<'_>,
        id: CommandId,
        domain: &str,
        make: impl FnOnce(Domain) -> (StoreQuery, Read),
    ) {
        let Some(domain) =
            Domain::parse(domain).ok().filter(|name| cx.config.domain(name.as_str()).is_some())
        else {
            cx.reply(id, Answer::Refused(Refusal::NoSuchDomain));
            return;
        };
        if self.reads.len() >= UNDER_WAY_MAX {
            cx.reply(id, Answer::Refused(Refusal::Busy));
            return;
        }
        let (query, read) = make(domain);
        let op = cx.load(Owner::Account, query);
        self.reads.insert(op, read);
    }

    /// Begins a change.
    pub(crate) fn handle_change(&mut self, cx: &mut Cx<'_>, change: Change) {
        let Change { asker, user, wish } = change;
        let refusal = if cx.config.domain(user.domain()).is_none() || user.local().is_none() {
            Some(Refusal::NoSuchDomain)
        } else if self.changes.contains_key(&user) || self.changes.len() >= UNDER_WAY_MAX {
            Some(Refusal::Busy)
        } else {
            None
        };
        if let Some(refusal) = refusal {
            answer(cx, &asker, Err(refusal));
            return;
        }
        // A removal tells the contacts, too.
        let query = match wish {
            Wish::Remove => account::query(&user),
            Wish::Add { .. } | Wish::Passwd { .. } => account::login_query(&user),
        };
        let op = cx.load(Owner::Account, query);
        self.by_op.insert(op, user.clone());
        // What other nodes write meanwhile is found there.
        cx.accounts.pin(user.as_str());
        self.changes.insert(user, Progress { asker, step: Step::Looking(wish) });
    }

    /// Takes rows in.
    pub(crate) fn handle_loaded(&mut self, cx: &mut Cx<'_>, op: OpId, outcome: Result<Vec<Row>, StoreError>) {
        match self.reads.remove(&op) {
            Some(Read::Page { id, domain, limit }) => cx.reply(id, list::page(&domain, limit, outcome)),
            Some(Read::EnsureAdmin { id, domain }) => self.handle_counted(cx, id, &domain, outcome),
            None => {
                if let Some(user) = self.by_op.remove(&op) {
                    self.handle_found(cx, user, outcome);
                }
            }
        }
    }

    fn handle_counted(
        &mut self,
        cx: &mut Cx<'_>,
        id: CommandId,
        domain: &Domain,
        outcome: Result<Vec<Row>, StoreError>,
    ) {
        let user = BareJid::from_local("admin", domain);
        match (outcome, user) {
            (Err(error), _) => cx.reply(id, Answer::Refused(Refusal::Store(error))),
            (Ok(rows), Ok(user)) if rows.is_empty() => {
                let wish = Wish::Add { password: None, source: AccountSource::FirstStart };
                self.handle_change(cx, Change { asker: Asker::Operator(id), user, wish });
            }
            (Ok(_), _) => cx.reply(id, Answer::Done),
        }
    }

    /// The row of the account has been read: decides whether the change can be made.
    fn handle_found(&mut self, cx: &mut Cx<'_>, user: BareJid, outcome: Result<Vec<Row>, StoreError>) {
        let Some(Progress { asker, step: Step::Looking(wish) }) = self.changes.remove(&user) else { return };
        let known = match outcome.and_then(|rows| account::read(&user, &rows)) {
            Ok(account) => account,
            Err(error) => {
                cx.accounts.unpin(user.as_str());
                return answer(cx, &asker, Err(Refusal::Store(error)));
            }
        };
        let exists = account::exists(&known);
        let begun = match (wish, exists) {
            (Wish::Add { .. }, true) => Err(Refusal::Exists),
            (Wish::Passwd { .. } | Wish::Remove, false) => Err(Refusal::NoSuchUser),
            (Wish::Remove, true) => self.remove(cx, known, &asker),
            (Wish::Add { password, source }, false) => {
                let created_ms = cx.now.wall.as_millis();
                self.derive(cx, known, password, (created_ms, source, "added"))
            }
            (Wish::Passwd { password }, true) => match record_of(&known) {
                Some(old) => {
                    // Somebody cares for it now, whoever made it.
                    let source = match old.source {
                        AccountSource::FirstStart | AccountSource::Operator => AccountSource::Operator,
                        AccountSource::Registration => AccountSource::Registration,
                    };
                    self.derive(cx, known, password, (old.created_ms, source, "password"))
                }
                None => Err(Refusal::Store(StoreError::Damaged)),
            },
        };
        match begun {
            Ok(step) => {
                self.changes.insert(user, Progress { asker, step });
            }
            Err(refusal) => {
                cx.accounts.unpin(user.as_str());
                answer(cx, &asker, Err(refusal));
            }
        }
    }

    /// Draws what is missing and asks for the key derivations.
    fn derive(
        &mut self,
        cx: &mut Cx<'_>,
        account: Account,
        password: Option<Secret>,
        (created_ms, source, what): (i64, AccountSource, &'static str),
    ) -> Result<Step, Refusal> {
        let (user, is_new) = (account.owner().clone(), !account::exists(&account));
        let (password, drawn) = if let Some(given) = password {
            let text = core::str::from_utf8(&given.0).map_err(|_| Refusal::BadPassword)?;
            (Secret(prepare_password(text).map_err(|_| Refusal::BadPassword)?.into()), None)
        } else {
            let drawn = Secret(cx.entropy.secret_id().into());
            (drawn.clone(), Some(drawn))
        };
        let iterations = cx.config.limits.scram_iterations;
        let mut begin = |hash| {
            let salt = Bytes::copy_from_slice(&cx.entropy.secret_bytes::<{ sasl::SALT_BYTES }>());
            let request = KeyDerivation { hash, password: password.clone(), salt: salt.clone(), iterations };
            let op = cx.derive(Owner::Account, request);
            self.by_op.insert(op, user.clone());
            (op, salt)
        };
        let (sha1_op, sha1_salt) = begin(ScramHash::Sha1);
        let (_, sha256_salt) = begin(ScramHash::Sha256);
        Ok(Step::Deriving(Box::new(Deriving {
            account,
            created_ms,
            source,
            drawn,
            what,
            is_new,
            salts: (sha1_salt, sha256_salt),
            iterations,
            sha1_op,
            sha1: None,
            sha256: None,
        })))
    }

    /// Takes a salted password in; with both, writes the account.
    pub(crate) fn handle_derived(&mut self, cx: &mut Cx<'_>, op: OpId, salted: &Secret) {
        let Some(user) = self.by_op.remove(&op) else { return };
        let Some(Progress { asker, step: Step::Deriving(deriving) }) = self.changes.get_mut(&user) else {
            return;
        };
        if op == deriving.sha1_op {
            let salt = &deriving.salts.0;
            deriving.sha1 = Some(sasl::record(ScramHash::Sha1, &salted.0, salt, deriving.iterations));
        } else {
            let salt = &deriving.salts.1;
            deriving.sha256 = Some(sasl::record(ScramHash::Sha256, &salted.0, salt, deriving.iterations));
        }
        let (Some(scram_sha1), Some(scram_sha256)) = (&deriving.sha1, &deriving.sha256) else { return };
        if cx.groups.is_on() {
            let met = meet_known(cx, &mut deriving.account);
            // Another node was faster, or the disk has failed meanwhile.
            let exists = deriving.is_new && account::exists(&deriving.account);
            if let Err(refusal) = met.and(if exists { Err(Refusal::Exists) } else { Ok(()) }) {
                let asker = asker.clone();
                self.changes.remove(&user);
                cx.accounts.unpin(user.as_str());
                return answer(cx, &asker, Err(refusal));
            }
        }
        let record = AccountRecord {
            scram_sha1: scram_sha1.clone(),
            scram_sha256: scram_sha256.clone(),
            created_ms: deriving.created_ms,
            source: deriving.source,
        };
        let (drawn, what, asker) = (deriving.drawn.clone(), deriving.what, asker.clone());
        let mut batch = StoreBatch::new().put(account::account_key(&user), Bytes::new());
        let by = asker.author();
        cx.forget_nobody(&user);
        let account = &mut deriving.account;
        let credentials = Value::Credentials(Credentials { record: record.encode(), by });
        if !account::exists(account) {
            if !cx.groups.is_on() {
                // No other node can write for a life that has ended here.
                account.bury();
            }
            cx.write_to(account, CellName::Status, Value::Status(Status::Active), &mut batch);
        }
        cx.write_to(account, CellName::Credentials, credentials, &mut batch);
        let op = cx.persist(Owner::Account, batch, |cx| {
            cx.trace(Event::AccountChanged { who: Pii::new(user.as_jid().clone()), what });
            answer(cx, &asker, Ok(Answer::Account { user: user.clone(), drawn }));
            cx.effect(Effect::EndSessions {
                user: user.clone(),
                except: asker.own_connection(cx),
                condition: Condition::Reset,
            });
        });
        self.by_op.insert(op, user.clone());
        self.changes.insert(user, Progress { asker, step: Step::Writing });
    }

    fn remove(&mut self, cx: &mut Cx<'_>, mut account: Account, asker: &Asker) -> Result<Step, Refusal> {
        let user = &account.owner().clone();
        let mut batch = StoreBatch::new();
        meet_known(cx, &mut account)?;
        if !may_leave(cx, &account) {
            return Err(Refusal::Busy);
        }
        let left = leave(cx, &mut account, &mut batch);
        cx.write_to(&mut account, CellName::Status, Value::Status(Status::Deleted), &mut batch);
        account::unlist(user, &mut batch);
        if account::exists(&account) {
            // Somebody had made another one elsewhere at the same time, which is found now.
            batch.add_put(account::account_key(user), Bytes::new());
        }
        if !cx.groups.is_on() {
            account::remove(user, &mut batch);
        }
        Archives::remove_sent(user, &mut batch);
        let floor = cx.ledger.stamp(cx.now.wall);
        Archives::write_floor(user, floor, &mut batch);
        let gate = cx.journal.gate();
        // Of what else there is, another node may not know yet that it is over.
        let left_over = if cx.groups.is_on() { account } else { account::remains(&account) };
        cx.accounts.replace(left_over, gate);
        let op = cx.persist(Owner::Account, batch, |cx| {
            cx.trace(Event::AccountChanged { who: Pii::new(user.as_jid().clone()), what: "removed" });
            answer(cx, asker, Ok(Answer::Done));
            tell_left(cx, user, &left);
            cx.effect(Effect::EndSessions {
                user: user.clone(),
                except: None,
                condition: Condition::NotAuthorized,
            });
            cx.effect(Effect::Emptied(user.clone(), floor));
        });
        self.by_op.insert(op, user.clone());
        Ok(Step::Writing)
    }

    /// Takes the outcome of a write in. What waited for a success has been released already.
    pub(crate) fn handle_stored(&mut self, cx: &mut Cx<'_>, op: OpId, outcome: Result<(), StoreError>) {
        let Some(user) = self.by_op.remove(&op) else { return };
        cx.accounts.unpin(user.as_str());
        if let (Some(change), Err(error)) = (self.changes.remove(&user), outcome) {
            answer(cx, &change.asker, Err(Refusal::Store(error)));
        }
    }
}

impl Asker {
    /// Returns who writes the password.
    const fn author(&self) -> Author {
        match self {
            Self::Operator(_) => Author::Admin,
            Self::Stream { .. } | Self::Session(_) => Author::User,
        }
    }

    /// Returns the connection that goes on after the change of its own password.
    fn own_connection(&self, cx: &Cx<'_>) -> Option<ConnId> {
        match self {
            Self::Operator(_) => None,
            Self::Stream { conn, .. } => Some(*conn),
            Self::Session(request) => cx.directory.get(request.session).and_then(|session| session.conn),
        }
    }
}

/// Takes what is in memory of an account: it is newer than what was read.
///
/// # Errors
///
/// [`Refusal::Busy`] while that may never have been written: the account is about to be read again.
fn meet_known(cx: &Cx<'_>, account: &mut Account) -> Result<(), Refusal> {
    let user = account.owner().as_str();
    let known = if cx.groups.is_on() { cx.accounts.known(user) } else { cx.accounts.get(user) };
    if let Some(known) = known {
        if cx.accounts.is_former(user) {
            return Err(Refusal::Busy);
        }
        *account = known.clone();
    }
    Ok(())
}

/// Returns the record of an account that exists.
fn record_of(account: &Account) -> Option<AccountRecord> {
    AccountRecord::decode(account.credentials()?.record).ok()
}

/// Tells the asker what came of it.
fn answer(cx: &mut Cx<'_>, asker: &Asker, outcome: Result<Answer, Refusal>) {
    match asker {
        Asker::Operator(id) => {
            let answer = outcome.unwrap_or_else(Answer::Refused);
            cx.reply(*id, answer);
        }
        Asker::Stream { conn, id } => {
            let outcome = outcome.map(|_| None).map_err(in_band);
            cx.tell_stream(*conn, ToStream::Registered { id: Some(id.clone()), outcome });
        }
        Asker::Session(request) => {
            match outcome.map_err(in_band) {
                // Whose account is gone waits for nothing any more.
                Ok(Answer::Done) => cx.answer(request, Some(request.stanza.result(&[]))),
                Ok(_) => cx.promise(request, request.stanza.result(&[])),
                Err(error) => cx.answer(request, request.stanza.error(error)),
            }
        }
    }
}

/// Returns the stanza error for a refusal (XEP-0077, 3).
const fn in_band(refusal: Refusal) -> StanzaError {
    match refusal {
        Refusal::Exists => StanzaError::Conflict,
        Refusal::NoSuchUser => StanzaError::ItemNotFound,
        Refusal::NoSuchDomain => StanzaError::ServiceUnavailable,
        Refusal::BadPassword => StanzaError::NotAcceptable,
        Refusal::Busy | Refusal::Stopping | Refusal::Store(StoreError::Full) => {
            StanzaError::ResourceConstraint
        }
        Refusal::Store(StoreError::Io | StoreError::Damaged) | Refusal::Cluster(_) => {
            StanzaError::InternalServerError
        }
    }
}
