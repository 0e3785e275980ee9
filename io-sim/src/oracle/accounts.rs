//! Accounts: what operators and newcomers were told stays so, whatever dies (`docs/promises.md`, P1), and decides who
//! gets in.

use std::collections::BTreeMap;

use eyot_core::io::{Answer, Command, CommandId, Refusal};
use eyot_core::jid::BareJid;

use super::model::{Account, Ledger, Question, Run, States, Told, Wish};
use super::registrar::{self, Request};
use super::{Judged, Oracle};
use crate::client::{Gs2, Sight};
use crate::world::{Actor, NodeSight};

const NAME: &str = "accounts";
/// Marks questions that another node of the cluster was asked.
const ELSEWHERE: u8 = 16;
/// Where questions come from: operators, connections that register, sessions, logins.
const OPERATOR: u8 = 0;
const NEWCOMER: u8 = 1;
const SESSION: u8 = 2;
const LOGIN: u8 = 3;

/// The oracle.
pub(super) struct Accounts;

impl Oracle for Accounts {
    fn name(&self) -> &'static str {
        NAME
    }

    fn judge(&self, run: &Run<'_>) -> Judged {
        let mut judge = Judge {
            run,
            ledgers: vec![Ledger::default(); run.evidence.cast.nodes.len()],
            commands: BTreeMap::new(),
            requests: registrar::requests(run),
            asked: BTreeMap::new(),
            logins: BTreeMap::new(),
            elsewhere: Vec::new(),
            judged: Judged::default(),
        };
        let mut checks = run.evidence.checks.iter().map(|check| check.number).peekable();
        let blind = (0..run.evidence.cast.nodes.len()).filter_map(|node| run.troubles.forgot(node)).min();
        for (number, record) in run.evidence.history.iter().enumerate() {
            // A disk that lost what it had acknowledged is not the node's fault, and all bets are off.
            if blind.is_some_and(|blind| record.at >= blind) {
                break;
            }
            while checks.next_if(|check| *check <= number).is_some() {
                judge.arrive();
            }
            match &record.actor {
                Actor::Node(node, sight) => judge.node(number, node.at(), sight),
                Actor::Client(client, sight) => judge.client(number, client.at(), sight),
                Actor::World(_) => {}
            }
        }
        judge.judged
    }
}

struct Judge<'r, 'a> {
    run: &'r Run<'a>,
    /// What each node may know. In a cluster it may know what was done elsewhere from when somebody asked for that, and does where
    /// everything due has been done.
    ledgers: Vec<Ledger>,
    /// What was done on one node and others may not know.
    elsewhere: Vec<News>,
    commands: BTreeMap<CommandId, Command>,
    /// What newcomers and sessions ask of their accounts, by the record with which they do and that of the answer.
    requests: BTreeMap<usize, Request>,
    /// The open registrations of clients, by client.
    asked: BTreeMap<usize, (u64, String)>,
    /// The account of the open login of each client.
    logins: BTreeMap<usize, (usize, String)>,
    judged: Judged,
}

/// What was done on one node and another one may not know.
struct News {
    /// The other one.
    node: usize,
    question: Question,
    user: String,
    told: Told,
    /// That one has been told since that something was done there: which of the two counts is not known.
    is_doubtful: bool,
}

impl Judge<'_, '_> {
    fn node(&mut self, number: usize, node: usize, sight: &NodeSight) {
        match sight {
            NodeSight::Asked(id, command) => self.ask(node, *id, command),
            NodeSight::Answered(id, answer) => self.answer((number, node), *id, answer),
            NodeSight::Killed | NodeSight::PowerOff | NodeSight::Stopped => {
                self.ledgers[node].crash();
                let elsewhere = |client: &usize| self.run.home(*client) != node;
                self.asked.retain(|client, _| elsewhere(client));
            }
            NodeSight::Started
            | NodeSight::Ready(_)
            | NodeSight::Synced(_)
            | NodeSight::Linked(_)
            | NodeSight::Route(..)
            | NodeSight::Unlinked(..)
            | NodeSight::Level(..) => {}
        }
    }

    fn ask(&mut self, node: usize, id: CommandId, command: &Command) {
        let question = (OPERATOR, id.0);
        match command {
            Command::UserList { .. } => self.ledgers[node].watch(question, None),
            Command::UserAdd { .. }
            | Command::UserPasswd { .. }
            | Command::UserRemove { .. }
            | Command::EnsureAdmin { .. } => {
                if let Some((user, wish)) = wish_of(command) {
                    self.ask_of(node, question, &user, &wish);
                }
            }
            Command::Shutdown | Command::Cluster { .. } => {}
        }
        self.commands.insert(id, command.clone());
    }

    fn answer(&mut self, (number, node): (usize, usize), id: CommandId, answer: &Answer) {
        let question = (OPERATOR, id.0);
        let Some(command) = self.commands.remove(&id) else { return };
        if let Command::UserList { domain, after } = &command {
            let seen = self.ledgers[node].end_watch(question).unwrap_or_default();
            if let Answer::Accounts { users, more } = answer {
                self.judged.count += 1;
                self.judge_list(number, (domain, after.as_deref()), (users, *more), &seen);
            }
            return;
        }
        let Some((user, _)) = wish_of(&command) else { return };
        let told = match answer {
            Answer::Done if matches!(command, Command::EnsureAdmin { .. }) => Told::Nothing,
            Answer::Done => Told::Done(None),
            Answer::Account { drawn, .. } => Told::Done(drawn.as_ref().map(|secret| secret.0.to_vec())),
            Answer::Refused(Refusal::Exists) => Told::Exists,
            Answer::Refused(Refusal::NoSuchUser) => Told::NoSuchUser,
            Answer::Refused(
                Refusal::NoSuchDomain
                | Refusal::BadPassword
                | Refusal::Busy
                | Refusal::Store(_)
                | Refusal::Cluster(_)
                | Refusal::Stopping,
            )
            | Answer::Accounts { .. }
            | Answer::Token(_)
            | Answer::Cluster(_) => Told::Nothing,
        };
        self.judged.count += usize::from(told != Told::Nothing);
        if let Some(kind) = self.told_of(node, question, &user, &told) {
            self.tell(number, kind, format!("an operator was told {answer:?} of {user}"));
        }
    }

    fn judge_list(
        &mut self,
        number: usize,
        (domain, after): (&str, Option<&str>),
        (users, more): (&[BareJid], bool),
        seen: &BTreeMap<String, States>,
    ) {
        let local = |user: &BareJid| String::from(user.local().unwrap_or_default());
        let named: Vec<String> = users.iter().map(local).collect();
        let sorted = named.windows(2).all(|pair| pair[0] < pair[1]);
        if !sorted || after.is_some_and(|after| named.first().is_some_and(|first| first.as_str() <= after)) {
            self.tell(number, "list-disordered", format!("accounts {named:?}"));
        }
        let listed: Vec<&str> = users.iter().map(BareJid::as_str).collect();
        for (account, states) in seen {
            let Some((name, _)) = account.split_once('@').filter(|(_, own)| *own == domain) else { continue };
            let here = listed.contains(&account.as_str());
            let covered = after.is_none_or(|after| name > after)
                && (!more || named.last().is_some_and(|last| name <= last.as_str()));
            if covered && !here && !states.contains(&Account::Absent) {
                self.tell(number, "list-lacks", format!("{account} is not among {listed:?}"));
            }
            if here && states.iter().all(|state| *state == Account::Absent) {
                self.tell(number, "list-invents", format!("{account} is among {listed:?}"));
            }
        }
        for unknown in listed.iter().filter(|listed| !seen.contains_key(**listed)) {
            self.tell(number, "list-invents", format!("{unknown} is among {listed:?}"));
        }
    }

    fn client(&mut self, number: usize, client: usize, sight: &Sight) {
        if let Some(request) = self.requests.remove(&number) {
            self.request(number, client, request);
        }
        if let Sight::Login { mechanism, gs2 } = sight {
            self.begin_login(number, client, mechanism, *gs2);
        } else if matches!(sight, Sight::LoggedIn) {
            self.login(number, client, true);
        } else if matches!(sight, Sight::LoginFailed { condition } if condition == "not-authorized") {
            self.login(number, client, false);
        } else if matches!(sight, Sight::LoginFailed { .. } | Sight::Closed(_) | Sight::StreamError { .. }) {
            self.logins.remove(&client);
        }
    }

    /// Somebody tries to log in. What they say about channel binding must be right, or they are refused for that.
    fn begin_login(&mut self, number: usize, client: usize, mechanism: &str, gs2: Option<Gs2>) {
        let usual = match gs2 {
            None => mechanism == "PLAIN",
            Some(Gs2::Exporter | Gs2::ServerEndPoint) => mechanism.ends_with("-PLUS"),
            Some(Gs2::ClientCannot) => !mechanism.ends_with("-PLUS"),
            Some(Gs2::ServerCannot) => false,
        };
        let user = self.run.evidence.cast.users.get(client).and_then(|user| BareJid::parse(user).ok());
        self.logins.remove(&client);
        if let (true, Some(user)) = (usual, user) {
            self.ledger(client).watch((LOGIN, client as u64), Some(user.as_str()));
            self.logins.insert(client, (number, user.as_str().into()));
        }
    }

    fn login(&mut self, number: usize, client: usize, taken: bool) {
        let Some((begun, user)) = self.logins.remove(&client) else { return };
        let seen = self.ledger(client).end_watch((LOGIN, client as u64));
        let Some(states) = seen.and_then(|mut seen| seen.remove(&user)) else { return };
        let Some(password) = self.run.evidence.cast.password(client, begun) else { return };
        let at = self.run.record(number).map_or(self.run.evidence.ended, |record| record.at);
        let right = Account::Present(Some(password.as_bytes().to_vec()));
        let opens = |state: &Account| *state == right || *state == Account::Present(None);
        self.judged.count += 1;
        if taken {
            if !states.iter().any(opens) {
                self.tell(number, "let-in", format!("somebody was let in as {user}"));
            } else if states == self.ledger(client).states(&user) {
                self.ledger(client).settle(&user, right);
            }
        } else if states.iter().all(|state| *state == right) && !self.run.troubles.overheard(client, at) {
            self.tell(number, "kept-out", format!("{user} was refused with the right password"));
        }
    }

    fn request(&mut self, number: usize, client: usize, request: Request) {
        match request {
            Request::Newcomer { user, password } => {
                let question = number as u64;
                let home = self.run.home(client);
                self.ask_of(home, (NEWCOMER, question), &user, &Wish::Add(password));
                self.asked.insert(client, (question, user));
            }
            Request::NewcomerTold(told) => {
                let Some((question, user)) = self.asked.remove(&client) else { return };
                self.judged.count += usize::from(told != Told::Nothing);
                let home = self.run.home(client);
                if let Some(kind) = self.told_of(home, (NEWCOMER, question), &user, &told) {
                    self.tell(number, kind, format!("a newcomer was told {told:?} of {user}"));
                }
            }
            Request::Session { user, wish } => {
                let home = self.run.home(client);
                self.ask_of(home, (SESSION, number as u64), &user, &wish);
            }
            Request::SessionTold { asked, user, told } => {
                self.judged.count += usize::from(told != Told::Nothing);
                let home = self.run.home(client);
                if let Some(kind) = self.told_of(home, (SESSION, asked as u64), &user, &told) {
                    self.tell(number, kind, format!("{user} was told {told:?}"));
                }
            }
        }
    }

    /// A node is asked for something; the others of its cluster may hear of it from here on.
    fn ask_of(&mut self, node: usize, question: Question, user: &str, wish: &Wish) {
        for (other, ledger) in self.ledgers.iter_mut().enumerate() {
            if other == node {
                ledger.ask(question, user, wish.clone());
            } else if self.run.evidence.cast.cluster.is_some() {
                ledger.ask(elsewhere(question), user, wish.clone());
            }
        }
    }

    /// A node has answered. What it has done the others may not know before the next check.
    fn told_of(&mut self, node: usize, question: Question, user: &str, told: &Told) -> Option<&'static str> {
        let mut wrong = None;
        for (other, ledger) in self.ledgers.iter_mut().enumerate() {
            if other == node {
                wrong = ledger.tell(question, user, told);
                let is_done = matches!(told, Told::Done(_));
                for news in self.elsewhere.iter_mut().filter(|news| news.node == node && news.user == user) {
                    news.is_doubtful |= is_done;
                }
            } else if matches!(told, Told::Done(_)) {
                let (question, user, told) = (elsewhere(question), user.into(), told.clone());
                self.elsewhere.push(News { node: other, question, user, told, is_doubtful: false });
            } else {
                ledger.tell(elsewhere(question), user, &Told::Nothing);
            }
        }
        wrong
    }

    /// Everything due has been done: what was done elsewhere is known.
    fn arrive(&mut self) {
        for News { node, question, user, told, is_doubtful } in core::mem::take(&mut self.elsewhere) {
            // Two nodes may have done different things: what is wrong there was told where it was asked.
            if is_doubtful {
                self.ledgers[node].doubt(question, &user, &told);
            } else {
                self.ledgers[node].tell(question, &user, &told);
            }
        }
    }

    /// Returns the accounts of the node that a client is near.
    fn ledger(&mut self, client: usize) -> &mut Ledger {
        &mut self.ledgers[self.run.home(client)]
    }

    fn tell(&mut self, number: usize, kind: &str, what: String) {
        let at = self.run.record(number).map_or(self.run.evidence.ended, |record| record.at);
        let mut violation = self.run.violation(NAME, kind, at, what);
        violation.records = vec![number];
        self.judged.violations.push(violation);
    }
}

const fn elsewhere((from, number): Question) -> Question {
    (from | ELSEWHERE, number)
}

/// Returns which account a command is about, and what is to become of it.
fn wish_of(command: &Command) -> Option<(String, Wish)> {
    let text = |password: &Option<eyot_core::io::Secret>| password.as_ref().map(|secret| secret.0.to_vec());
    match command {
        Command::UserAdd { user, password } => Some((user.as_str().into(), Wish::Add(text(password)))),
        Command::UserPasswd { user, password } => Some((user.as_str().into(), Wish::Passwd(text(password)))),
        Command::UserRemove { user } => Some((user.as_str().into(), Wish::Remove)),
        Command::EnsureAdmin { domain } => Some((format!("admin@{domain}"), Wish::Add(None))),
        Command::UserList { .. } | Command::Shutdown | Command::Cluster { .. } => None,
    }
}
