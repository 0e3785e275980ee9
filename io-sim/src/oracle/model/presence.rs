//! What a session has shown of itself, and whether it was to get what is for its account.
//!
//! Written from RFC 6121, sections 4.2 to 4.7 and 8.5.2.

use eyot_core::xml::ns;

use super::conn::Mark;
use super::run::Run;
use super::session::Session;
use super::stanza::{Kind, Stanza, To};

/// Which sessions of an account are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The available ones.
    Available,
    /// The available ones whose priority is not negative.
    NonNegative,
}

/// Returns the priority that a presence of a session gives it: nothing for unavailable, nothing at all for one that
/// says nothing about the session or is refused.
pub fn priority_of(stanza: &Stanza) -> Option<Option<i8>> {
    if stanza.kind != Kind::Presence || stanza.to != To::Nobody {
        return None;
    }
    match stanza.class.as_str() {
        "unavailable" => Some(None),
        "" => match stanza.element.child("priority", ns::CLIENT) {
            None => Some(Some(0)),
            Some(child) => child.text().trim().parse().ok().map(Some),
        },
        _ => None,
    }
}

impl Wanted {
    fn has(self, priority: Option<i8>) -> bool {
        match self {
            Self::Available => priority.is_some(),
            Self::NonNegative => priority.is_some_and(|priority| priority >= 0),
        }
    }
}

/// The presences of a session that may have counted at some time of a span; `None` stands for none at all.
fn in_force(run: &Run<'_>, session: &Session, from: Mark, until: Mark) -> Vec<Option<i8>> {
    let said = session.sent.iter().map(|ix| &run.sent[*ix]);
    let said: Vec<_> = said.filter_map(|sent| Some((sent.mark(), priority_of(sent)?))).collect();
    let mut found = Vec::new();
    let mut state = None;
    for (mark, next) in said {
        if mark > until {
            break;
        }
        // The state before may have counted until the server had surely handled the next.
        if session.handled(mark).is_none_or(|handled| handled > from) {
            found.push(state);
        }
        state = next;
    }
    found.push(state);
    if run.conns[session.conn].is_wild(until.number) {
        // What it has said since may be anything.
        found.extend([None, Some(0)]);
    }
    found
}

/// Returns whether a session may have been wanted at some time of a span.
pub fn maybe_takes(run: &Run<'_>, session: &Session, wanted: Wanted, span: (Mark, Mark)) -> bool {
    session.maybe_bound(span.0, span.1)
        && in_force(run, session, span.0, span.1).into_iter().any(|state| wanted.has(state))
}

/// Returns whether a session was surely wanted all the time.
pub fn surely_takes(run: &Run<'_>, session: &Session, wanted: Wanted, span: (Mark, Mark)) -> bool {
    session.surely_bound(span.0, span.1)
        && in_force(run, session, span.0, span.1).into_iter().all(|state| wanted.has(state))
}

/// Returns whether a session of the address `who` may have told `reader` of its presence directly.
pub fn was_told(run: &Run<'_>, who: &str, reader: &Session, until: Mark) -> bool {
    let sent = run
        .in_reach_of(reader.node, who)
        .iter()
        .flat_map(|ix| &run.sessions[*ix].sent)
        .map(|ix| &run.sent[*ix]);
    sent.filter(|sent| sent.kind == Kind::Presence && sent.mark() <= until)
        .filter_map(Stanza::to_jid)
        .any(|to| to.as_str() == reader.jid || to.as_str() == reader.bare())
}

/// Counts how often the reader of a stanza had asked for the presence of its own account before: it may do so without being
/// available, and each time it may have been shown its own once more (RFC 6121, 4.3.2).
pub fn own_probes(run: &Run<'_>, got: &Stanza) -> usize {
    let Some(reader) = got.session.map(|session| &run.sessions[session]) else { return 0 };
    let sent = reader.sent.iter().map(|ix| &run.sent[*ix]).take_while(|sent| sent.record < got.record);
    let probes = sent.filter(|sent| sent.kind == Kind::Presence && sent.class == "probe");
    probes.filter(|sent| sent.to_jid().is_some_and(|to| to.bare_str() == reader.bare())).count()
}
