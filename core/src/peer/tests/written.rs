//! What nodes have written, and who waits for it.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::exchange::{About, Crowd, GroupId, Haste, Sealed, Supply};
use crate::jid::BareJid;
use crate::replica::Dot;

/// Entries of a node.
#[derive(Default)]
pub(super) struct Written(pub(super) BTreeMap<(GroupId, Dot), Sealed>);

impl Supply for Written {
    fn sealed(&self, group: GroupId, dot: Dot) -> Option<Sealed> {
        self.0.get(&(group, dot)).cloned()
    }

    fn about(&self, _: GroupId, _: Dot) -> Option<&About> {
        Some(&WANTED)
    }
}

/// Somebody waits for everything.
static WANTED: LazyLock<About> = LazyLock::new(|| {
    let account = BareJid::parse("bob@x.example").unwrap();
    About { accounts: core::iter::once(account).collect(), talker: None, haste: Haste::Live }
});

impl Crowd for Written {
    fn has_session(&self, _: u32, account: &str) -> bool {
        account == "bob@x.example"
    }
}
