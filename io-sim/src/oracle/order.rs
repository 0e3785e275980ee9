//! Order: what one session sends to another arrives in the order in which it was sent (`docs/promises.md`, P3).

use std::collections::BTreeMap;

use super::model::{Kind, Run, Session, To};
use super::{Oracle, Violation};

const NAME: &str = "order";

/// The oracle.
pub(super) struct Order;

impl Oracle for Order {
    fn name(&self) -> &'static str {
        NAME
    }

    fn judge(&self, run: &Run<'_>) -> Vec<Violation> {
        run.sessions.iter().flat_map(|reader| judge(run, reader)).collect()
    }
}

fn judge(run: &Run<'_>, reader: &Session) -> Vec<Violation> {
    let mut last: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
    let mut found = Vec::new();
    for got in reader.got.iter().map(|ix| &run.got[*ix]).filter(|got| !got.again) {
        let Some(ix) = got.copy_of else { continue };
        let sent = &run.sent[ix];
        // Presence that is not for somebody is shown again to whoever comes online later.
        let (Some(sender), false) = (sent.session, sent.kind == Kind::Presence && sent.to == To::Nobody)
        else {
            continue;
        };
        let before = last.insert(sender, (ix, got.record));
        if let Some((later, seen)) = before.filter(|(before, _)| *before > ix) {
            let who = [run.client_name(run.sessions[sender].client), run.client_name(reader.client)];
            let names = (&run.sent[later].id, &sent.id);
            let what = format!(
                "{} got {:?} of {} before {:?}, which was sent first",
                who[1], names.0, who[0], names.1
            );
            let mut violation = run.violation(NAME, "overtaken", got.at, what);
            violation.who = who.map(String::from).to_vec();
            violation.records = vec![sent.record, run.sent[later].record, seen, got.record];
            found.push(violation);
        }
    }
    found
}
