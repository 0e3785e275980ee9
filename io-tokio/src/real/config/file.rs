//! The configuration file as it is written. `docs/eyot.example.toml` explains each key; a test compares.

use std::net::SocketAddr;
use std::path::PathBuf;

use eyot_core::config::{Durability, Registration as CoreRegistration};
use eyot_core::limits::Limits;
use serde::{Deserialize, Serialize};

use super::cluster::ClusterSection;
use super::error::{ConfigError, Source};
use super::time::Time;
use crate::real::log::Format;

/// The level at which a stanza is safe when this node has it on its disk.
pub(super) const LOCAL: &str = "local";

/// The whole file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct File {
    /// Name of the node.
    pub node: String,
    /// The data directory.
    pub data: PathBuf,
    /// Where to listen.
    pub listen: ListenSection,
    /// The certificate.
    pub tls: TlsSection,
    /// What is logged.
    pub log: LogSection,
    /// Whether anybody may ask which version runs (XEP-0092).
    pub show_version: bool,
    /// Where clients are told to come back to their sessions (XEP-0198).
    pub location: Option<String>,
    /// Where a stanza has to be before it is acknowledged.
    pub durability: String,
    /// What is done while it cannot be there.
    pub below_level: BelowLevel,
    /// How long nothing is acknowledged then.
    pub hold: Time,
    /// All bounds.
    pub limits: LimitsSection,
    /// The nodes that serve the same domains; none where this node is alone.
    pub cluster: Option<ClusterSection>,
    /// The domains.
    pub domain: Vec<DomainSection>,
}

/// Where to listen. Absent lists stand for the loopback addresses, which are not required to exist.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ListenSection {
    /// Where TLS begins with STARTTLS.
    pub starttls: Option<Vec<SocketAddr>>,
    /// Where TLS comes first.
    pub direct_tls: Option<Vec<SocketAddr>>,
}

/// The certificate: both files or none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsSection {
    /// The chain.
    pub certificate: Option<PathBuf>,
    /// The key.
    pub key: Option<PathBuf>,
}

/// What is logged.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogSection {
    /// The filter.
    pub level: String,
    /// How lines look.
    pub format: Format,
}

/// One domain.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DomainSection {
    /// Its name.
    pub name: String,
    /// Who may create accounts.
    #[serde(default)]
    pub registration: Registration,
    /// Where a stanza has to be before it is acknowledged, where that differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub durability: Option<String>,
    /// What is done while it cannot be there, where that differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub below_level: Option<BelowLevel>,
}

/// What is done with what is stored and not where it has to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum BelowLevel {
    /// It is not acknowledged for some time; then its sender is told.
    #[default]
    Hold,
    /// It is acknowledged all the same.
    Degrade,
}

/// Who may create accounts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Registration {
    /// Operators.
    #[default]
    Closed,
    /// Anybody.
    Open,
}

/// Reads the text of a file.
pub(super) fn parse(source: &Source<'_>) -> Result<File, ConfigError> {
    toml::from_str(source.text).map_err(|error| source.syntax(&error))
}

impl Default for File {
    fn default() -> Self {
        Self {
            node: "eyot".into(),
            data: "eyot-data".into(),
            listen: ListenSection::default(),
            tls: TlsSection::default(),
            log: LogSection::default(),
            show_version: true,
            location: None,
            durability: LOCAL.into(),
            below_level: BelowLevel::Hold,
            hold: Time(Durability::HOLD),
            limits: LimitsSection::default(),
            cluster: None,
            domain: vec![DomainSection::new("localhost")],
        }
    }
}

impl DomainSection {
    /// Creates the section of a domain about which nothing is special.
    pub fn new(name: &str) -> Self {
        Self { name: name.into(), registration: Registration::Closed, durability: None, below_level: None }
    }
}

impl Default for LogSection {
    fn default() -> Self {
        Self { level: "info".into(), format: Format::Text }
    }
}

impl Default for LimitsSection {
    fn default() -> Self {
        Self::from(Limits::default())
    }
}

impl From<Registration> for CoreRegistration {
    fn from(registration: Registration) -> Self {
        match registration {
            Registration::Closed => Self::Closed,
            Registration::Open => Self::Open,
        }
    }
}

// Both conversions name every field, so that a new limit cannot be forgotten here.
macro_rules! limits_section {
    ($($name:ident),*; $($time:ident),*) => {
        /// All bounds, named as in `core/src/limits.rs`.
        #[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
        #[serde(default, deny_unknown_fields)]
        #[expect(missing_docs, reason = "`core/src/limits.rs` explains each, under the same name")]
        pub struct LimitsSection {
            $(pub $name: u32,)*
            $(pub $time: Time,)*
        }

        impl From<Limits> for LimitsSection {
            fn from(limits: Limits) -> Self {
                let Limits { $($name,)* $($time,)* } = limits;
                Self { $($name,)* $($time: Time($time),)* }
            }
        }

        impl From<LimitsSection> for Limits {
            fn from(section: LimitsSection) -> Self {
                let LimitsSection { $($name,)* $($time,)* } = section;
                Self { $($name,)* $($time: $time.0,)* }
            }
        }
    };
}

limits_section!(
    session_below_level_bytes, below_level_bytes,
    element_bytes_unauthenticated, elements_unauthenticated, stanza_bytes, sasl_attempts, send_queue_bytes,
    sessions_per_account, unauthenticated_per_peer, connections, directed_presence, scram_iterations,
    roster_items, contacts_known, roster_groups, roster_name_bytes, requests, request_bytes,
    blocked_addresses, held_stanzas, held_bytes, private_bytes, private_elements, vcard_bytes,
    derivations, undurable_bytes, unacked_bytes, tombstones, hot_accounts, accounts_page, registrations_per_peer,
    archive_bytes, archive_page, archive_page_bytes, archive_names, archive_step, owed_messages, repeats;
    login_time, close_time, resume_time, tombstone_time, flush_again, archive_time, archive_sweep,
    repeat_time
);
