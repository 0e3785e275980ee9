//! The names that the lines above a line have made known.

use std::collections::{BTreeMap, BTreeSet};

use super::scenario::Fixed;
use crate::net::{LinkProfile, builtin};

/// Names known so far while a file is read.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Nodes.
    pub nodes: BTreeSet<String>,
    /// Clients.
    pub clients: BTreeSet<String>,
    /// Those of them that do something.
    pub acting: BTreeSet<String>,
    /// Rooms.
    pub rooms: BTreeSet<String>,
    /// Ways between two nodes or peers.
    pub routes: BTreeSet<String>,
    /// Security labels.
    pub labels: BTreeSet<String>,
    /// Link profiles of the file.
    pub profiles: BTreeMap<String, LinkProfile>,
    /// Whether a line that needs a running node has been read.
    pub begun: bool,
    /// What the file fixes of the way it is run.
    pub fixed: Fixed,
    /// Sites.
    pub sites: BTreeSet<String>,
    /// What the line that is read stands behind, if it is put off: `at`, `when`.
    pub put_off: String,
    /// How often each fault has stood in the lines above.
    pub faults: BTreeMap<String, u64>,
    /// What faults are called in the lines above.
    pub fault_names: BTreeSet<String>,
}

impl Scope {
    /// Returns `name`, or the one node there is when the file names none.
    ///
    /// # Errors
    ///
    /// When there is no such node.
    pub fn node(&self, name: &str) -> Result<String, String> {
        let usual = self.nodes.is_empty() && name == DEFAULT_NODE;
        if usual || self.nodes.contains(name) {
            Ok(name.into())
        } else {
            Err(format!("there is no node {name}"))
        }
    }

    /// Returns `name`.
    ///
    /// # Errors
    ///
    /// When there is no such client.
    pub fn client(&self, name: &str) -> Result<String, String> {
        if self.clients.contains(name) { Ok(name.into()) } else { Err(format!("there is no client {name}")) }
    }

    /// Returns whether `name` is a node.
    pub fn is_node(&self, name: &str) -> bool {
        self.node(name).is_ok()
    }

    /// Returns the profile `name`: one of the file's own or a built-in one.
    ///
    /// # Errors
    ///
    /// When there is no such profile.
    pub fn profile(&self, name: &str) -> Result<LinkProfile, String> {
        self.profiles
            .get(name)
            .cloned()
            .or_else(|| builtin(name))
            .ok_or_else(|| format!("there is no link profile {name}"))
    }
}

/// The name of the node in a file that names none.
pub(super) const DEFAULT_NODE: &str = "a";
