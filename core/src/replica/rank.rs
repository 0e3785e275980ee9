//! Who may still say so: writes by people whose right to make them was taken away at the same time.
//!
//! Rests on the replication rules R7 (restrictive wins) and R8 (but not by the revoked).

use std::collections::{BTreeMap, BTreeSet};

use super::{Dot, Place};

/// A write that gives somebody a rank, lower ranks being the more restrictive ones. One of the siblings of its cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant<U, R> {
    /// Where it stands.
    pub place: Place,
    /// Who wrote it.
    pub author: U,
    /// The rank of the author, as the author's node knew it.
    pub rank: R,
    /// The least rank that may write it.
    pub needs: R,
    /// Whose rank it is.
    pub subject: U,
    /// The rank that is given.
    pub gives: R,
}

/// Returns which of the live writes of a scope do not count: a concurrent write that does, by an author of strictly higher rank, has
/// taken the right to make them away. `saw` says whether the author of the first dot had seen the second.
pub fn void<U: Ord, R: Ord>(grants: &[Grant<U, R>], saw: impl Fn(Dot, Dot) -> bool) -> BTreeSet<Dot> {
    let mut order: Vec<&Grant<U, R>> = grants.iter().collect();
    // Whether a write counts depends on writes of higher ranks only.
    order.sort_by(|one, other| other.rank.cmp(&one.rank).then(one.place.cmp(&other.place)));
    let mut void = BTreeSet::new();
    let mut counted: Vec<&Grant<U, R>> = Vec::new();
    for grant in order {
        let dot = grant.place.dot;
        let revoked = counted.iter().any(|by| {
            let concurrent = !saw(by.place.dot, dot) && !saw(dot, by.place.dot);
            by.subject == grant.author && by.gives < grant.needs && by.rank > grant.rank && concurrent
        });
        if revoked {
            void.insert(dot);
        } else {
            counted.push(grant);
        }
    }
    void
}

/// Returns the ranks that the live writes of a scope give: of each subject the most restrictive one that counts. When nobody has
/// `top` any more, the earliest of those writers who had it keeps it.
pub fn ranks<U: Ord + Clone, R: Ord + Clone>(
    grants: &[Grant<U, R>],
    top: &R,
    saw: impl Fn(Dot, Dot) -> bool,
) -> BTreeMap<U, R> {
    let void = void(grants, saw);
    let mut ranks: BTreeMap<U, R> = BTreeMap::new();
    for grant in grants.iter().filter(|grant| !void.contains(&grant.place.dot)) {
        let rank = ranks.entry(grant.subject.clone()).or_insert_with(|| grant.gives.clone());
        if grant.gives < *rank {
            *rank = grant.gives.clone();
        }
    }
    if !ranks.values().any(|rank| rank == top) {
        let had = grants.iter().filter(|grant| grant.rank == *top);
        if let Some(first) = had.min_by_key(|grant| grant.place) {
            ranks.insert(first.author.clone(), top.clone());
        }
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replica::{Hlc, Origin};

    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    enum Rank {
        Outcast,
        None,
        Member,
        Admin,
        Owner,
    }
    use Rank::{Admin, Member, None, Outcast, Owner};

    type Case = (&'static str, Rank, &'static str, Rank);

    /// Writes by different nodes, in the order of their stamps; changing owners and admins needs an owner.
    fn grants(cases: &[Case]) -> Vec<Grant<&'static str, Rank>> {
        let grant = |(node, (author, rank, subject, gives)): (u32, &Case)| {
            let dot = Origin { node, start: 1, random: 0 }.dot(1);
            let needs = if *gives >= Admin { Owner } else { Admin };
            let place = Place::new(Hlc { millis: i64::from(node), count: 0 }, Option::None, dot);
            Grant { place, author: *author, rank: *rank, needs, subject: *subject, gives: *gives }
        };
        (1..).zip(cases).map(grant).collect()
    }

    fn concurrent(cases: &[Case]) -> BTreeMap<&'static str, Rank> {
        ranks(&grants(cases), &Owner, |_, _| false)
    }

    #[test]
    fn of_concurrent_writes_the_most_restrictive_counts_whoever_was_first() {
        let cases = [("o", Owner, "o", Owner), ("o", Owner, "x", Member), ("a", Admin, "x", Outcast)];
        assert_eq!(concurrent(&cases)["x"], Outcast);
        let cases = [("o", Owner, "o", Owner), ("a", Admin, "x", Outcast), ("o", Owner, "x", Admin)];
        assert_eq!(concurrent(&cases)["x"], Outcast);
    }

    #[test]
    fn what_a_revoked_admin_did_meanwhile_does_not_count() {
        let cases = [("o", Owner, "o", Owner), ("a", Admin, "x", Outcast), ("o", Owner, "a", None)];
        let ranks = concurrent(&cases);
        assert_eq!((ranks.get("x"), ranks["a"]), (Option::None, None));
    }

    #[test]
    fn what_was_revoked_by_a_void_write_counts() {
        // The owner revokes the admin, who revokes another admin, who bans somebody: the first two cross out each other's.
        let mut all = grants(&[
            ("o", Owner, "a", None),
            ("a", Admin, "m", None),
            ("m", Member, "x", Outcast),
            ("o", Owner, "o", Owner),
        ]);
        all[2].needs = Member;
        let void = void(&all, |_, _| false);
        assert_eq!(void.into_iter().collect::<Vec<_>>(), [all[1].place.dot]);
    }

    #[test]
    fn what_was_done_before_the_revocation_counts() {
        let all = grants(&[("a", Admin, "x", Outcast), ("o", Owner, "a", None)]);
        let saw = |by: Dot, dot: Dot| by == all[1].place.dot && dot == all[0].place.dot;
        assert!(void(&all, saw).is_empty());
    }

    #[test]
    fn only_a_higher_rank_takes_a_right_away_and_only_when_too_little_is_left() {
        let equals = grants(&[("o", Owner, "p", None), ("p", Owner, "x", Outcast)]);
        assert!(void(&equals, |_, _| false).is_empty());
        let enough = grants(&[("o", Owner, "a", Admin), ("a", Admin, "x", Outcast)]);
        assert!(void(&enough, |_, _| false).is_empty(), "an admin may still do so");
    }

    #[test]
    fn equals_do_not_void_each_other_and_the_earliest_owner_stays() {
        let ranks = concurrent(&[("o", Owner, "p", None), ("p", Owner, "o", None)]);
        assert_eq!((ranks["o"], ranks["p"]), (Owner, None));
    }
}
