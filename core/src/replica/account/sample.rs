//! Accounts, cells and writes for tests.

use arbitrary::Unstructured;
use bytes::Bytes;

use super::{Account, Archiving, Author, CellName, Credentials, Item, Prefs, Status, Value};
use crate::jid::{BareJid, Jid};
use crate::replica::{Hlc, Mark, Origin, Replica as _, Runs, Want};

pub(super) fn bare(text: &str) -> BareJid {
    BareJid::parse(text).unwrap()
}

pub(super) fn jid(text: &str) -> Jid {
    Jid::parse(text).unwrap()
}

impl Default for Account {
    fn default() -> Self {
        Self::new(bare("alice@a.example"))
    }
}

impl Account {
    /// Creates it.
    pub(crate) fn begin(&mut self) {
        let dot = Origin { node: 100, start: 1, random: 0 }.dot(1);
        let value = Value::Status(Status::Active);
        self.apply(&self.write(CellName::Status, dot, Hlc::default(), value));
    }
}

pub(super) fn want(on: bool) -> Value {
    Value::Want(Want { on, stanza: on.then(|| Bytes::from_static(b"<presence type='subscribe'/>")) })
}

pub(super) fn edge(subscriber: &str, publisher: &str) -> [CellName; 2] {
    let (subscriber, publisher) = (bare(subscriber), bare(publisher));
    let want = CellName::Want { subscriber: subscriber.clone(), publisher: publisher.clone() };
    [want, CellName::Allow { subscriber, publisher }]
}

pub(super) fn any(u: &mut Unstructured<'_>) -> arbitrary::Result<(CellName, Value)> {
    let (me, bob) = ("alice@a.example", "bob@a.example");
    let [towards_want, towards_allow] = edge(me, bob);
    let [back_want, back_allow] = edge(bob, me);
    let on: bool = u.arbitrary()?;
    Ok(match u.int_in_range(0..=9)? {
        0 => (CellName::Status, Value::Status(*u.choose(&[Status::Active, Status::Deleted])?)),
        1 => {
            let by = *u.choose(&[Author::User, Author::Admin])?;
            let record = Bytes::copy_from_slice(&[u.arbitrary()?]);
            (CellName::Credentials, Value::Credentials(Credentials { record, by }))
        }
        2 => {
            let item = Item { name: on.then(|| "Bob".into()), groups: vec!["x".into()], present: on };
            (CellName::Item(bare(bob)), Value::Item(item))
        }
        3 => (towards_want, want(on)),
        4 => (towards_allow, Value::Allow(on)),
        5 => (back_want, want(on)),
        6 => (back_allow, Value::Allow(on)),
        7 => (CellName::Block(jid("c.example")), Value::Block(on)),
        8 => {
            let (mut mark, mut runs) = (Mark::default(), Runs::new());
            runs.add(1, u.int_in_range(1..=9)?);
            mark.add(Origin { node: 1, start: 1, random: 0 }, &runs);
            (CellName::Mark, Value::Mark(mark))
        }
        _ => {
            let never = vec![jid("bob@a.example/x")];
            let prefs = Prefs { default: Archiving::Roster, always: vec![], never };
            (CellName::Prefs, Value::Prefs(prefs))
        }
    })
}
