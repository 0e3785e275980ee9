//! Streams: never nonsense, nothing after the end, no stanza before a resource is bound.
//!
//! Written from RFC 6120, sections 4.4, 4.9 and 7.1.

use super::model::{Conn, Mark, Run};
use super::{Judged, Oracle, Violation};
use crate::client::{Nonza, Sight};
use crate::engine::SimTime;
use crate::world::Actor;

const NAME: &str = "stream";

/// The oracle.
pub(super) struct Streams;

impl Oracle for Streams {
    fn name(&self) -> &'static str {
        NAME
    }

    fn judge(&self, run: &Run<'_>) -> Judged {
        let heard = run.conns.iter().filter(|conn| conn.heard.is_some()).count();
        Judged { count: heard, violations: run.conns.iter().flat_map(|conn| judge(run, conn)).collect() }
    }
}

/// How far the server's side of a stream is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Said {
    Open,
    Error,
    End,
}

fn judge(run: &Run<'_>, conn: &Conn) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut said = Said::Open;
    let mut bound = false;
    for number in &conn.records {
        let Some(record) = run.record(*number) else { continue };
        let Actor::Client(_, sight) = &record.actor else { continue };
        bound |= matches!(sight, Sight::Bound { .. } | Sight::Nonza(Nonza::Resumed { .. }));
        let kind = match (sight, said) {
            // A server whose disk has lied knows less than it has said.
            (Sight::Nonsense(what), _) if what.starts_with("h ") && forgot(run, conn, record.at, *number) => {
                None
            }
            (Sight::Nonsense(_), _) => Some("nonsense"),
            (Sight::StreamError { .. }, Said::Open) => {
                said = Said::Error;
                None
            }
            (Sight::StreamEnd, Said::Open | Said::Error) => {
                said = Said::End;
                None
            }
            // An error makes itself heard before it is understood, and the end likewise.
            (Sight::Wire { sent: false, bytes }, Said::Error) if bytes.starts_with(b"</stream:stream") => {
                None
            }
            (_, Said::Error) if is_said_by_server(sight) => Some("after-error"),
            (_, Said::End) if is_said_by_server(sight) => Some("after-end"),
            (Sight::Got(_), Said::Open) if !bound && !conn.is_wild(*number) => Some("stanza-before-bind"),
            _ => None,
        };
        if let Some(kind) = kind {
            let who = run.client_name(conn.client);
            let mut violation = run.violation(NAME, kind, record.at, format!("{who} was sent {sight:?}"));
            violation.who = vec![who.into()];
            violation.records = vec![*number];
            found.push(violation);
        }
    }
    found
}

/// Returns whether the node of a session has lost what it had said of it.
fn forgot(run: &Run<'_>, conn: &Conn, at: SimTime, number: usize) -> bool {
    let session = conn.session.map(|ix| &run.sessions[ix]);
    session.is_some_and(|one| run.troubles.forgot_in(one.node, one.asked, Mark { at, number }))
}

/// Returns whether the sight comes of something that the server said.
fn is_said_by_server(sight: &Sight) -> bool {
    match sight {
        Sight::Nonza(nonza) => nonza.is_said_by_server(),
        Sight::Features(_)
        | Sight::TlsRefused
        | Sight::LoggedIn
        | Sight::LoginFailed { .. }
        | Sight::Bound { .. }
        | Sight::BindFailed { .. }
        | Sight::Registered
        | Sight::RegisterFailed { .. }
        | Sight::Got(_)
        | Sight::StreamError { .. }
        | Sight::StreamEnd
        | Sight::Wire { sent: false, .. } => true,
        Sight::Connecting { .. }
        | Sight::Refused
        | Sight::StartTls
        | Sight::Secured
        | Sight::NotOffered(_)
        | Sight::Login { .. }
        | Sight::ServerDistrusted { .. }
        | Sight::Bind { .. }
        | Sight::Registering { .. }
        | Sight::Sent(_)
        | Sight::Closing
        | Sight::Nonsense(_)
        | Sight::Closed(_)
        | Sight::NotConnected(_)
        | Sight::Wire { sent: true, .. } => false,
    }
}
