//! What nodes have written, and who waits for it.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::exchange::{About, Crowd, GroupId, Haste, Sealed, Supply};
use crate::jid::BareJid;
use crate::replica::Dot;

/// Entries of a node, whom they are about where that is not bob, and who is there besides bob.
#[derive(Default)]
pub(super) struct Written(
    pub(super) BTreeMap<(GroupId, Dot), Sealed>,
    pub(super) BTreeMap<(GroupId, Dot), About>,
    pub(super) Vec<&'static str>,
);

impl Supply for Written {
    fn sealed(&self, group: GroupId, dot: Dot) -> Option<Sealed> {
        self.0.get(&(group, dot)).cloned()
    }

    fn about(&self, group: GroupId, dot: Dot) -> Option<&About> {
        self.1.get(&(group, dot)).or(Some(&WANTED))
    }
}

/// Somebody waits for everything.
static WANTED: LazyLock<About> = LazyLock::new(|| About { talker: None, ..about("bob", Haste::Bulk) });

/// Something of one account, which is so urgent where that has no session.
pub(super) fn about(account: &str, apart: Haste) -> About {
    let account = BareJid::parse(&format!("{account}@x.example")).unwrap();
    let accounts = core::iter::once(account.clone()).collect();
    About { accounts, talker: Some(account), haste: Haste::Live, apart, past: Box::default() }
}

impl Crowd for Written {
    fn has_session(&self, _: u32, account: &str) -> bool {
        account == "bob@x.example" || self.2.contains(&account)
    }
}
