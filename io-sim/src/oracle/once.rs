//! Once: no session gets the same message or request twice (`docs/promises.md`, P2).

use super::model::{Kind, Run};
use super::{Judged, Oracle};

const NAME: &str = "once";

/// The oracle.
pub(super) struct Once;

impl Oracle for Once {
    fn name(&self) -> &'static str {
        NAME
    }

    fn judge(&self, run: &Run<'_>) -> Judged {
        let copies = run.got.iter().filter(|got| got.copy_of.is_some() && got.kind != Kind::Presence);
        // A node whose disk has lied does not know what it has given.
        let forgot = |got: &super::model::Stanza| {
            let session = got.session.map(|ix| &run.sessions[ix]);
            session.is_some_and(|one| run.troubles.forgot_in(one.node, one.asked, got.mark()))
        };
        let twice = run.got.iter().filter(|got| got.again && !got.is_wrapper() && !forgot(got));
        let tell = |got: &super::model::Stanza| {
            let who = run.client_name(run.conn(got).client);
            let from = got.from.as_deref().unwrap_or_default();
            let what = format!("{who} got {:?} from {from} again", got.id);
            let mut violation = run.violation(NAME, "twice", got.at, what);
            violation.who = vec![who.into()];
            let first = got.copy_of.into_iter().flat_map(|ix| &run.copies[ix]).map(|ix| &run.got[*ix]);
            let own = first.filter(|copy| copy.session == got.session && copy.record <= got.record);
            violation.records = own.map(|copy| copy.record).collect();
            violation
        };
        Judged { count: copies.count(), violations: twice.map(tell).collect() }
    }
}
