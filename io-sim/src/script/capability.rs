//! Capabilities that stories may wait for, in the order in which the roadmap brings them.

/// Rosters and presence subscriptions (RFC 6121, 2 and 3).
pub(super) const ROSTERS: &str = "rosters";
/// Blocked addresses (XEP-0191).
pub(super) const BLOCKING: &str = "blocking";
/// Copies of messages for one's other clients (XEP-0280).
pub(super) const CARBONS: &str = "carbons";
/// Archives of messages (XEP-0313).
pub(super) const ARCHIVES: &str = "archives";
/// Acknowledged and resumed streams (XEP-0198).
pub(super) const RESUMPTION: &str = "resumption";
/// What people and operators do with accounts: own passwords, closed accounts, tokens (XEP-0077, XEP-0484).
pub(super) const ACCOUNTS: &str = "accounts";
/// Several nodes that serve one domain.
pub(super) const CLUSTER: &str = "cluster";
/// Rooms (XEP-0045).
pub(super) const ROOMS: &str = "rooms";
/// Published items, of services and of accounts (XEP-0060, XEP-0163).
pub(super) const PUBSUB: &str = "pubsub";
/// Servers of other people (RFC 6120, 4 and 10; XEP-0220).
pub(super) const S2S: &str = "s2s";
/// Rooms that federate (XEP-0289).
pub(super) const FMUC: &str = "fmuc";
/// Labels and clearances (XEP-0258).
pub(super) const LABELS: &str = "labels";
/// Peers over links with few bits and long round trips (XEP-0361, XEP-0365, XEP-0478).
pub(super) const CONSTRAINED: &str = "constrained-links";
/// Files (XEP-0363).
pub(super) const UPLOADS: &str = "uploads";

/// All of them, the first one first: a story that needs several waits for the last.
pub const ROADMAP: [&str; 14] = [
    ROSTERS,
    BLOCKING,
    CARBONS,
    ARCHIVES,
    RESUMPTION,
    ACCOUNTS,
    CLUSTER,
    ROOMS,
    PUBSUB,
    S2S,
    FMUC,
    LABELS,
    CONSTRAINED,
    UPLOADS,
];

/// Those of them that servers have. Verbs that need one of the others can be done as well, where they can be done at all:
/// a story that needs them is only expected to fail.
pub const BUILT: &[&str] = &[ROSTERS, BLOCKING, CARBONS, ARCHIVES, RESUMPTION];

/// Returns `capability`, unless servers have it.
pub(super) fn missing(capability: &'static str) -> Option<&'static str> {
    (!BUILT.contains(&capability)).then_some(capability)
}

/// Returns where `capability` stands in [`ROADMAP`].
pub(super) fn rank(capability: &str) -> Option<usize> {
    ROADMAP.iter().position(|known| *known == capability)
}

/// Checks the mark of a story against what its lines need: the last of it.
///
/// # Errors
///
/// What is wrong with the mark.
pub(super) fn check_mark<'a>(mark: &str, needed: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let Some(marked) = rank(mark) else {
        return Err(format!("there is no capability {mark}; there are {}", ROADMAP.join(", ")));
    };
    match needed.filter_map(rank).max() {
        Some(last) if last != marked => {
            Err(format!("the last capability that these lines wait for is {}, not {mark}", ROADMAP[last]))
        }
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_names_the_last_that_is_missing() {
        assert!(check_mark(ROOMS, [CLUSTER, ROOMS, ROSTERS].into_iter()).is_ok());
        assert!(check_mark(CLUSTER, [].into_iter()).is_ok());
        for (mark, needed) in [(CLUSTER, ROOMS), (ROOMS, CLUSTER), ("publish-subscribe", CLUSTER)] {
            assert!(check_mark(mark, [needed].into_iter()).is_err(), "{mark} for {needed}");
        }
    }
}
