//! Configuration as plain data, validated on the way in. Files and flags are the driver's.

use crate::jid::Domain;
use crate::limits::Limits;

/// The configuration of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The name of the node; shown to operators, never to users.
    pub node: String,
    /// The domains it serves; at least one, no two alike.
    pub domains: Vec<DomainConfig>,
    /// Whether anybody may ask which version runs (XEP-0092).
    pub show_version: ShowVersion,
    /// Where clients are told to come back to their sessions (XEP-0198, 5); nothing: where they find the domain.
    pub location: Option<String>,
    /// Its bounds.
    pub limits: Limits,
}

/// Whether anybody may ask which version runs (XEP-0092).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ShowVersion {
    /// Anybody may.
    #[default]
    Yes,
    /// Nobody is told.
    No,
}

/// The configuration of one domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainConfig {
    /// Its name.
    pub name: Domain,
    /// Who may create accounts.
    pub registration: Registration,
}

/// Who may create accounts in a domain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Registration {
    /// Operators only.
    #[default]
    Closed,
    /// Anybody, by in-band registration (XEP-0077).
    Open,
}

/// A configuration that cannot be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// There is no domain.
    NoDomain,
    /// A domain is named twice.
    DomainTwice(Domain),
}

impl Config {
    /// Creates the configuration of a node that serves `domain` with the default bounds.
    pub fn single(domain: Domain) -> Self {
        Self {
            node: String::from("eyot"),
            domains: vec![DomainConfig { name: domain, registration: Registration::Closed }],
            show_version: ShowVersion::default(),
            location: None,
            limits: Limits::default(),
        }
    }

    /// Checks what the types cannot say.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the first rule that is broken.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.domains.is_empty() {
            return Err(ConfigError::NoDomain);
        }
        for (index, domain) in self.domains.iter().enumerate() {
            if self.domains.iter().take(index).any(|earlier| earlier.name == domain.name) {
                return Err(ConfigError::DomainTwice(domain.name.clone()));
            }
        }
        Ok(())
    }

    /// Returns the configuration of `domain`, if this node serves it.
    pub fn domain(&self, domain: &str) -> Option<&DomainConfig> {
        self.domains.iter().find(|served| served.name.as_str() == domain)
    }
}
