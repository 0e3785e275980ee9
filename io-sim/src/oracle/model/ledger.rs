//! The accounts there may be: a reference model with as many worlds as answers are missing.

use std::collections::{BTreeMap, BTreeSet};

/// What an account may be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Account {
    /// It is not there.
    Absent,
    /// It is there, with this password where that is known.
    Present(Option<Vec<u8>>),
}

/// All that an account may be at a time.
pub type States = BTreeSet<Account>;

/// What somebody wants done to an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// That it be there, if it is not.
    Add(Option<Vec<u8>>),
    /// That it have this password, if it is there.
    Passwd(Option<Vec<u8>>),
    /// That it not be there.
    Remove,
}

/// What somebody was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// It is done; the password that was drawn for it.
    Done(Option<Vec<u8>>),
    /// The account is there already.
    Exists,
    /// There is no such account.
    NoSuchUser,
    /// It was not done.
    Nothing,
}

/// A question, by where it came from and its number there.
pub type Question = (u8, u64);

/// The accounts.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    books: BTreeMap<String, Book>,
    watches: BTreeMap<Question, Watch>,
}

/// One account.
#[derive(Clone, Debug)]
struct Book {
    base: States,
    pending: BTreeMap<Question, Wish>,
}

/// What accounts may have been while a question was open.
#[derive(Clone, Debug, Default)]
struct Watch {
    /// The account, or all of them.
    account: Option<String>,
    seen: BTreeMap<String, States>,
    /// What the asker wants does not answer its own question.
    except: Option<Question>,
}

impl Default for Book {
    fn default() -> Self {
        Self { base: States::from([Account::Absent]), pending: BTreeMap::new() }
    }
}

impl Wish {
    fn apply(&self, state: &Account) -> Account {
        match (self, state) {
            (Self::Add(password), Account::Absent) | (Self::Passwd(password), Account::Present(_)) => {
                Account::Present(password.clone())
            }
            (Self::Add(_), Account::Present(_)) | (Self::Passwd(_), Account::Absent) => state.clone(),
            (Self::Remove, _) => Account::Absent,
        }
    }
}

impl Book {
    /// Returns what the account may be, whatever became of what was asked.
    fn states(&self, except: Option<Question>) -> States {
        let mut all = self.base.clone();
        let wishes = self.pending.iter().filter(|(question, _)| Some(**question) != except);
        let wishes: Vec<&Wish> = wishes.map(|(_, wish)| wish).collect();
        loop {
            let more: Vec<Account> =
                all.iter().flat_map(|state| wishes.iter().map(|wish| wish.apply(state))).collect();
            let before = all.len();
            all.extend(more);
            if all.len() == before {
                return all;
            }
        }
    }
}

impl Ledger {
    /// Begins to watch what an account, or each account, may be.
    pub fn watch(&mut self, question: Question, account: Option<&str>) {
        let mut watch = Watch { account: account.map(String::from), ..Watch::default() };
        match account {
            Some(name) => {
                self.books.entry(name.into()).or_default();
                watch.look(name, &self.books);
            }
            None => self.books.keys().for_each(|name| watch.look(name, &self.books)),
        }
        self.watches.insert(question, watch);
    }

    /// Ends a watch; returns what each account may have been meanwhile.
    pub fn end_watch(&mut self, question: Question) -> Option<BTreeMap<String, States>> {
        self.watches.remove(&question).map(|watch| watch.seen)
    }

    /// Returns what an account may be.
    pub fn states(&self, account: &str) -> States {
        self.books.get(account).map_or_else(|| Book::default().base, |book| book.states(None))
    }

    /// Somebody asks for something: it may be done at any time from here on.
    pub fn ask(&mut self, question: Question, account: &str, wish: Wish) {
        self.watch(question, Some(account));
        if let Some(watch) = self.watches.get_mut(&question) {
            watch.except = Some(question);
        }
        self.books.entry(account.into()).or_default().pending.insert(question, wish);
        self.changed(account);
    }

    /// Somebody is told what came of it. What is wrong with that, if anything is.
    pub fn tell(&mut self, question: Question, account: &str, told: &Told) -> Option<&'static str> {
        let seen = self.end_watch(question).and_then(|mut seen| seen.remove(account))?;
        let book = self.books.entry(account.into()).or_default();
        let wish = book.pending.remove(&question)?;
        let present = seen.iter().any(|state| *state != Account::Absent);
        let absent = seen.contains(&Account::Absent);
        let wrong = match (told, &wish) {
            (Told::Done(_), Wish::Add(_)) if !absent => Some("added-over-another"),
            (Told::Done(_), Wish::Passwd(_) | Wish::Remove) if !present => Some("changed-nobody"),
            (Told::Exists, _) if !present => Some("taken-by-nobody"),
            (Told::NoSuchUser, _) if !absent => Some("forgotten"),
            _ => None,
        };
        let alone = book.pending.is_empty();
        match (told, wish) {
            (Told::Done(drawn), Wish::Add(password) | Wish::Passwd(password)) => {
                book.base = States::from([Account::Present(drawn.clone().or(password))]);
            }
            (Told::Done(_), Wish::Remove) => book.base = States::from([Account::Absent]),
            (Told::Exists, _) if alone && present => book.base.retain(|state| *state != Account::Absent),
            (Told::NoSuchUser, _) if alone && absent => book.base = States::from([Account::Absent]),
            (Told::Exists | Told::NoSuchUser | Told::Nothing, _) => {}
        }
        if book.base.is_empty() {
            book.base.insert(Account::Present(None));
        }
        self.changed(account);
        wrong
    }

    /// Somebody is told what came of it, and something else was done here since it was: either may count.
    pub fn doubt(&mut self, question: Question, account: &str, told: &Told) {
        let before = self.books.get(account).map(|book| book.base.clone()).unwrap_or_default();
        self.tell(question, account, told);
        if let Some(book) = self.books.get_mut(account) {
            book.base.extend(before);
        }
        self.changed(account);
    }

    /// The node dies: what it was asked was done or not, and nobody will be told.
    pub fn crash(&mut self) {
        let names: Vec<String> = self.books.keys().cloned().collect();
        for name in names {
            if let Some(book) = self.books.get_mut(&name) {
                book.base = book.states(None);
                book.pending.clear();
            }
            self.changed(&name);
        }
    }

    /// An account has been seen to be so while nothing about it was under way.
    pub fn settle(&mut self, account: &str, state: Account) {
        if let Some(book) = self.books.get_mut(account).filter(|book| book.pending.is_empty()) {
            book.base = States::from([state]);
        }
    }

    fn changed(&mut self, account: &str) {
        for watch in self.watches.values_mut() {
            if watch.account.as_deref().is_none_or(|only| only == account) {
                watch.look(account, &self.books);
            }
        }
    }
}

impl Watch {
    fn look(&mut self, account: &str, books: &BTreeMap<String, Book>) {
        if let Some(book) = books.get(account) {
            self.seen.entry(account.into()).or_default().extend(book.states(self.except));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str) -> Vec<u8> {
        text.as_bytes().to_vec()
    }

    #[test]
    fn what_was_promised_is_certain_and_what_was_asked_is_not() {
        let mut ledger = Ledger::default();
        ledger.ask((0, 1), "a@x", Wish::Add(Some(word("one"))));
        assert_eq!(ledger.states("a@x").len(), 2);
        assert_eq!(ledger.tell((0, 1), "a@x", &Told::Done(None)), None);
        assert_eq!(ledger.states("a@x"), States::from([Account::Present(Some(word("one")))]));
        ledger.ask((0, 2), "a@x", Wish::Remove);
        ledger.crash();
        assert_eq!(ledger.states("a@x").len(), 2);
        ledger.ask((0, 3), "a@x", Wish::Passwd(Some(word("two"))));
        assert_eq!(ledger.tell((0, 3), "a@x", &Told::NoSuchUser), None);
        assert_eq!(ledger.states("a@x"), States::from([Account::Absent]));
    }

    #[test]
    fn what_was_done_elsewhere_does_not_undo_what_was_done_here_since() {
        let mut ledger = Ledger::default();
        let word = |text| Account::Present(Some(word(text)));
        ledger.ask((16, 1), "a@x", Wish::Add(Some(b"one".to_vec())));
        ledger.ask((0, 2), "a@x", Wish::Passwd(Some(b"two".to_vec())));
        assert_eq!(ledger.tell((0, 2), "a@x", &Told::Done(None)), None);
        ledger.doubt((16, 1), "a@x", &Told::Done(None));
        assert_eq!(ledger.states("a@x"), States::from([word("one"), word("two")]));
        ledger.settle("a@x", word("two"));
        assert_eq!(ledger.states("a@x"), States::from([word("two")]), "a login tells");
    }

    #[test]
    fn answers_that_cannot_be_are_found() {
        let mut ledger = Ledger::default();
        for (number, (wish, told, wrong)) in [
            (Wish::Remove, Told::Done(None), Some("changed-nobody")),
            (Wish::Add(None), Told::Exists, Some("taken-by-nobody")),
            (Wish::Add(None), Told::Done(None), None),
            (Wish::Add(None), Told::Done(None), Some("added-over-another")),
            (Wish::Passwd(None), Told::NoSuchUser, Some("forgotten")),
            (Wish::Passwd(None), Told::Nothing, None),
        ]
        .into_iter()
        .enumerate()
        {
            let question = (0, number as u64);
            ledger.ask(question, "a@x", wish);
            assert_eq!(ledger.tell(question, "a@x", &told), wrong, "{number}");
        }
    }
}
