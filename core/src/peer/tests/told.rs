//! What links tell their nodes, in words.

use super::*;
use crate::exchange::OwnedSince;

impl Net {
    /// What a node was told of another one since the last time, in words, and when.
    pub(super) fn told(&mut self, end: usize) -> Vec<(u64, String)> {
        let words = |said: FromPeer| match said {
            FromPeer::Up(node, hello) => format!("up {node}.{}", hello.origin.start),
            FromPeer::Moved(node) => format!("moved {node}"),
            FromPeer::Over(node, route) => format!("over {node} {route}"),
            FromPeer::Down(node, why) => format!("down {node}: {why}"),
            FromPeer::Refused(node, why) => format!("refused {node:?}: {why}"),
            FromPeer::Entries(node, _, entries) => {
                let seqs: Vec<_> = entries.iter().map(|sealed| sealed.dot.seq.to_string()).collect();
                format!("entries {node}: {}", seqs.join(" "))
            }
            FromPeer::Behind(node, newly) => format!("behind {node}{}", if newly { "" } else { " still" }),
            FromPeer::Have(node, ..) => format!("{node} has something"),
            FromPeer::Commit(node, _, commit) => format!("{node} commits {}", commit.step),
            FromPeer::Granted(node, _, granted) => format!("{node} grants {}", granted.step),
            FromPeer::Durable(..) => String::new(),
            FromPeer::Outdated(known) => format!("outdated {}", known.start),
            FromPeer::TooLong(node) => format!("too long {node}"),
            FromPeer::Owned(node, frame) => format!("{node} says {}", frame.report.seq),
            FromPeer::OwnedSince(node, OwnedSince(heard)) => format!("{node} has heard {heard:?}"),
            FromPeer::RollSum(node, sum) => format!("{node} has the roll {sum:?}"),
            FromPeer::Roll(node, _) => format!("{node} says its roll"),
            FromPeer::Forgotten => "forgotten".into(),
            FromPeer::Guest(guest) => format!("a guest says {} bytes", guest.said.len()),
            FromPeer::Routed(node, what) => format!("{node} says {what:?}"),
        };
        let told = self.ends[end].told.drain(..).map(|(when, said)| (when, words(said)));
        told.filter(|(_, words)| !words.is_empty()).collect()
    }

    pub(super) fn words(&mut self, end: usize) -> Vec<String> {
        self.told(end).into_iter().map(|(_, words)| words).collect()
    }
}
