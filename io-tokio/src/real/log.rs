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
    let lines =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(false).with_target(false);
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
        Event::Unbound { who, why } => debug!(who = %who.reveal(), why, "session ended"),
        Event::Closed { conn, cause } => debug!(conn = conn.0, ?cause, "connection closed"),
        Event::AccountChanged { who, what } => {
            info!(what, "account changed");
            debug!(what, who = %who.reveal(), "this account changed");
        }
        Event::Routed { kind, copies } => trace!(kind, copies, "stanza routed"),
        Event::StoreFailed { error } => error!(?error, "the store failed"),
        Event::Stopping => info!("node is stopping"),
    }
}
