//! The names that the lines above a line have made known.

use std::collections::{BTreeMap, BTreeSet};

use super::scenario::Fixed;
use super::text::{Piece, pieces};
use super::verb::{Act, Pace, Part};
use super::words::SPAN_MAX;
use crate::engine::{SimSpan, SimTime};
use crate::net::{LinkProfile, builtin};

/// What braces with a number may become in all the texts of a file, in bytes.
const GROWN_MAX: usize = 16 << 20;

/// Names known so far while a file is read.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Nodes.
    pub nodes: BTreeSet<String>,
    /// Clients.
    pub clients: BTreeSet<String>,
    /// Those of them that do something.
    pub acting: BTreeSet<String>,
    /// Localparts of people: with accounts, or whom a client claims to be.
    pub people: BTreeSet<String>,
    /// Rooms.
    pub rooms: BTreeSet<String>,
    /// Ways between two nodes or peers.
    pub routes: BTreeSet<String>,
    /// Those of them that lead from one node to another.
    pub ways: BTreeSet<String>,
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
    /// How much time has passed at least in the lines above.
    pub passed: SimSpan,
    /// What the braces with a number in the lines above become, in bytes.
    pub grown: usize,
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

    /// Takes note of a line that has been read.
    ///
    /// # Errors
    ///
    /// When its texts name somebody unknown or become too long, when it would have to be done in the past, or when the
    /// story takes too long with it.
    pub(super) fn follow(&mut self, act: &dyn Act) -> Result<(), String> {
        for text in act.texts() {
            self.check_text(text)?;
        }
        self.people.extend(act.introduces().map(localpart));
        match act.part() {
            Part::Time(Pace::For(span)) => {
                self.passed = (SimTime::ZERO + self.passed + span).since(SimTime::ZERO);
                if self.passed > SPAN_MAX {
                    return Err("a story takes at most 100 years".into());
                }
            }
            Part::Later(at) | Part::LaterUpon { at, .. } => {
                let now = SimTime::ZERO + self.passed;
                if at < now {
                    return Err(format!("{at} is past: the lines above take {now} at least"));
                }
            }
            Part::Setting
            | Part::Deed
            | Part::Time(Pace::Settle)
            | Part::Upon { .. }
            | Part::Expect
            | Part::Check => {}
        }
        Ok(())
    }

    fn check_text(&mut self, text: &str) -> Result<(), String> {
        for piece in pieces(text)? {
            if let Piece::Address(who) = piece
                && !self.is_somebody(who)
            {
                return Err(format!("{{{who}}}: nobody above is called so"));
            }
            self.grown = self.grown.saturating_add(piece.grown());
        }
        if self.grown > GROWN_MAX {
            return Err(format!("the braces of a story become at most {GROWN_MAX} bytes in all"));
        }
        Ok(())
    }

    fn is_somebody(&self, who: &str) -> bool {
        let name = who.split_once('/').map_or(who, |(name, _)| name);
        name.contains(['@', '.'])
            || self.people.contains(name)
            || self.rooms.contains(name)
            || self.clients.contains(who)
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

fn localpart(user: &str) -> String {
    user.split_once('@').map_or(user, |(local, _)| local).into()
}

/// The name of the node in a file that names none.
pub(super) const DEFAULT_NODE: &str = "a";
