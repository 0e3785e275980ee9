//! Events of the node as log lines. People are named at debug only; what they say, nowhere.

use eyot_core::trace::Event;
use tracing::{debug, error, info, trace, warn};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// How lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// What is logged, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// A level, or a filter as of `tracing-subscriber`: `info`, `eyot=debug`.
    pub level: String,
    /// How lines look.
    pub format: Format,
}

/// Checks a filter.
///
/// # Errors
///
/// What is wrong with it.
pub fn check_filter(filter: &str) -> Result<(), String> {
    EnvFilter::try_new(filter).map(drop).map_err(|error| error.to_string())
}

/// Sends all lines of the process to standard error.
///
/// # Errors
///
/// When the filter is none, or lines are sent somewhere already.
pub fn start(settings: &LogSettings) -> Result<(), String> {
    let writer = std::io::stderr;
    tracing::subscriber::set_global_default(subscriber(settings, writer)?).map_err(|error| error.to_string())
}

fn subscriber<W>(
    settings: &LogSettings,
    writer: W,
) -> Result<Box<dyn tracing::Subscriber + Send + Sync>, String>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(&settings.level).map_err(|error| error.to_string())?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(false)
        .with_target(false);
    Ok(match settings.format {
        Format::Text => Box::new(lines.finish()),
        Format::Json => Box::new(lines.json().flatten_event(true).finish()),
    })
}

/// Writes one event of the node. `Pii::reveal` stands here only, and only below `debug!`.
pub fn observe(event: &Event) {
    match event {
        Event::Started { start } => info!(start, "node is ready"),
        Event::LimitReached { conn, limit } => warn!(conn = conn.0, limit, "limit reached"),
        Event::StreamError { conn, condition, detail } => {
            debug!(conn = conn.0, condition, detail, "stream error");
        }
        Event::LoginFailed { conn, condition } => debug!(conn = conn.0, condition, "login failed"),
        Event::Bound { conn, who } => debug!(conn = conn.0, who = %who.reveal(), "session began"),
        Event::Detached { who } => debug!(who = %who.reveal(), "session waits to be resumed"),
        Event::Resumed { conn, who } => debug!(conn = conn.0, who = %who.reveal(), "session resumed"),
        Event::Unbound { who, why } => debug!(who = %who.reveal(), why, "session ended"),
        Event::Closed { conn, cause } => debug!(conn = conn.0, ?cause, "connection closed"),
        Event::AccountChanged { who, what } => {
            info!(what, "account changed");
            debug!(what, who = %who.reveal(), "this account changed");
        }
        Event::Routed { kind, copies } => trace!(kind, copies, "stanza routed"),
        Event::StoreFailed { error } => error!(?error, "the store failed"),
        Event::Unrestored { who } => {
            error!("a stored session is damaged and is left as it is; the others are served");
            if let Some(who) = who {
                debug!(who = %who.reveal(), "the session of this address is damaged, or its account");
            }
        }
        Event::KeptBack { who } => {
            error!("something of an account is damaged; what other nodes write for it is kept and not shown");
            debug!(who = %who.reveal(), "something of this account is damaged");
        }
        Event::PeerUp { peer, origin } => info!(%peer, start = origin.start, "node can be reached"),
        Event::PeerMoved { peer } => debug!(%peer, "node is reached over another connection"),
        Event::PeerRoute { peer, route } => info!(%peer, %route, "node is reached this way, or itself"),
        Event::PeerDown { peer, why } => info!(%peer, why, "node cannot be reached"),
        Event::PeerBehind { peer } => warn!(%peer, "node takes less than is written here"),
        Event::PeerTooSmall { peer } => {
            warn!(%peer, "something is longer than the limits of this node allow; it is not sent there");
        }
        Event::PeerRefused { peer, why } => {
            warn!(peer = peer.as_deref().unwrap_or("unknown"), why, "connection of a node refused");
        }
        Event::Level { domain, level, there } if *there >= level.wanted() => {
            info!(%domain, %level, "durability is met");
        }
        Event::Level { domain, level, there } => {
            warn!(%domain, %level, there, "durability is not met: too few nodes have what is said, or can be reached");
        }
        Event::Stopping => info!("node is stopping"),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use eyot_core::config::Level;
    use eyot_core::io::{CloseCause, ConnId};
    use eyot_core::jid::Jid;
    use eyot_core::replica::Origin;
    use eyot_core::store::StoreError;
    use eyot_core::trace::{Pii, Severity};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().map_err(|_| io::ErrorKind::Other)?.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn log(level: &str, format: Format, event: &Event) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let settings = LogSettings { level: level.into(), format };
        let subscriber = subscriber(&settings, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, || observe(event));
        String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
    }

    /// One event of each kind. The `match` makes a new kind a compile error here.
    fn every_event() -> Vec<Event> {
        let who = || Pii::new(Jid::parse("romeo@verona.example/orchard").unwrap());
        let conn = ConnId(7);
        let all = vec![
            Event::Started { start: 3 },
            Event::LimitReached { conn, limit: "connections" },
            Event::StreamError { conn, condition: "not-well-formed", detail: "a comment" },
            Event::LoginFailed { conn, condition: "not-authorized" },
            Event::Bound { conn, who: who() },
            Event::Detached { who: who() },
            Event::Resumed { conn, who: who() },
            Event::Unbound { who: who(), why: "closed" },
            Event::Closed { conn, cause: CloseCause::Reset },
            Event::AccountChanged { who: who(), what: "added" },
            Event::Routed { kind: "message", copies: 2 },
            Event::StoreFailed { error: StoreError::Full },
            Event::Unrestored { who: Some(who()) },
            Event::KeptBack { who: who() },
            Event::PeerUp { peer: "b".into(), origin: Origin { node: 2, start: 3, random: 4 } },
            Event::PeerMoved { peer: "b".into() },
            Event::PeerRoute { peer: "b".into(), route: "sat".into() },
            Event::PeerDown { peer: "b".into(), why: "nothing came back" },
            Event::PeerBehind { peer: "b".into() },
            Event::PeerTooSmall { peer: "b".into() },
            Event::PeerRefused { peer: None, why: "it is no member" },
            Event::Level { domain: "x.example".into(), level: Level::Cluster { nodes: 2 }, there: 1 },
            Event::Level { domain: "x.example".into(), level: Level::Site { sites: 2 }, there: 2 },
            Event::Stopping,
        ];
        for event in &all {
            match event {
                Event::Started { .. }
                | Event::LimitReached { .. }
                | Event::StreamError { .. }
                | Event::LoginFailed { .. }
                | Event::Bound { .. }
                | Event::Detached { .. }
                | Event::Resumed { .. }
                | Event::Unbound { .. }
                | Event::Closed { .. }
                | Event::AccountChanged { .. }
                | Event::Routed { .. }
                | Event::StoreFailed { .. }
                | Event::Unrestored { .. }
                | Event::KeptBack { .. }
                | Event::PeerUp { .. }
                | Event::PeerMoved { .. }
                | Event::PeerRoute { .. }
                | Event::PeerDown { .. }
                | Event::PeerBehind { .. }
                | Event::PeerTooSmall { .. }
                | Event::PeerRefused { .. }
                | Event::Level { .. }
                | Event::Stopping => {}
            }
        }
        all
    }

    #[test]
    fn nobody_is_named_above_debug() {
        for event in every_event() {
            for format in [Format::Text, Format::Json] {
                let line = log("info", format, &event);
                assert!(!line.contains("romeo") && !line.contains("verona"), "{line}");
                assert_eq!(line.is_empty(), event.severity() < Severity::Info, "{event:?}: {line}");
            }
        }
    }

    #[test]
    fn people_are_named_at_debug_where_the_event_names_them() {
        for event in every_event() {
            let named = matches!(
                event,
                Event::Bound { .. }
                    | Event::Detached { .. }
                    | Event::Resumed { .. }
                    | Event::Unbound { .. }
                    | Event::AccountChanged { .. }
                    | Event::Unrestored { .. }
                    | Event::KeptBack { .. }
            );
            let line = log("trace", Format::Text, &event);
            assert_eq!(line.contains("romeo@verona.example/orchard"), named, "{line}");
        }
    }

    #[test]
    fn a_line_is_as_loud_as_its_event() {
        for event in every_event() {
            let line = log("trace", Format::Text, &event);
            let word = format!("{:?}", event.severity()).to_uppercase();
            assert!(line.split_whitespace().nth(1) == Some(&word), "{event:?}: {line}");
        }
    }

    #[test]
    fn json_lines_are_json() {
        let line = log("info", Format::Json, &Event::Started { start: 3 });
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&value["start"], &value["level"]), (&3.into(), &"INFO".into()));
    }
}
