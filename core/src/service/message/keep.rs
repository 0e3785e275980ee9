//! Whether the owner of an archive wants what is exchanged with somebody in it.
//!
//! Implements: XEP-0441 0.2.0, sections 2.1.1 to 2.1.3 and 2.3. Complete.

use crate::jid::Jid;
use crate::replica::{Account, Archiving};

/// Returns whether messages from or to `with` belong into the archive of `account`. Who is on both lists is on `never`.
pub(super) fn wants(account: &Account, with: &Jid) -> bool {
    let Some(prefs) = account.prefs() else { return true };
    let listed = |list: &[Jid]| list.iter().any(|listed| matches_jid(listed, with));
    if listed(&prefs.never) {
        return false;
    }
    if listed(&prefs.always) {
        return true;
    }
    match prefs.default {
        Archiving::Always => true,
        Archiving::Never => false,
        Archiving::Roster => is_in_roster(account, with),
    }
}

/// A listed address without a resource stands for all of its resources.
fn matches_jid(listed: &Jid, jid: &Jid) -> bool {
    if listed.resource().is_some() { listed == jid } else { listed.as_str() == jid.bare_str() }
}

fn is_in_roster(account: &Account, with: &Jid) -> bool {
    let contact = with.bare();
    account.listing(&contact).is_some_and(|listing| listing.is_in_roster())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jid::BareJid;
    use crate::replica::{CellName, Dots, Hlc, Item, Origin, Prefs, Replica as _, Status, Value};

    #[test]
    fn the_lists_come_before_the_default() {
        let jid = |text: &str| Jid::parse(text).unwrap();
        let mut dots = Dots::new(Origin { node: 1, start: 1, random: 1 });
        let mut account = Account::new(BareJid::parse("a@x.example").unwrap());
        assert!(wants(&account, &jid("b@x.example/r")), "nothing is set");
        let mut write = |account: &mut Account, cell, value| {
            let change = account.write(cell, dots.take(), Hlc::default(), value);
            account.apply(&change);
        };
        write(&mut account, CellName::Status, Value::Status(Status::Active));
        let friend = BareJid::parse("friend@x.example").unwrap();
        let item = Item { name: None, groups: Vec::new(), present: true };
        write(&mut account, CellName::Item(friend), Value::Item(item));
        for (default, stranger, known) in [
            (Archiving::Always, true, true),
            (Archiving::Never, false, false),
            (Archiving::Roster, false, true),
        ] {
            let always = vec![jid("b@x.example"), jid("c@x.example/one"), jid("d@x.example")];
            let never = vec![jid("d@x.example"), jid("e@x.example/one")];
            write(&mut account, CellName::Prefs, Value::Prefs(Prefs { default, always, never }));
            for (with, expected) in [
                ("b@x.example/r", true),
                ("c@x.example/one", true),
                ("c@x.example/two", stranger),
                ("d@x.example/r", false),
                ("e@x.example/one", false),
                ("friend@x.example/r", known),
                ("stranger@x.example", stranger),
            ] {
                assert_eq!(wants(&account, &jid(with)), expected, "{default:?} {with}");
            }
        }
    }
}
