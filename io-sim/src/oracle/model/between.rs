//! When what happened at one node of a cluster was surely known at another.

use std::collections::BTreeMap;

use super::conn::Mark;
use super::run::Run;
use super::session::FOREVER;
use crate::engine::{SimSpan, SimTime};
use crate::oracle::{Check, Evidence};
use crate::world::{Actor, NodeSight};

/// When each node said that it reached each other one, as spans, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Reaches(BTreeMap<(usize, usize), Vec<(SimTime, SimTime)>>);

impl Reaches {
    /// Reads them out of a history.
    pub(super) fn of(evidence: &Evidence<'_>) -> Self {
        let mut found = Self::default();
        if evidence.cast.cluster.is_none() {
            return found;
        }
        let place = |name: &str| evidence.cast.nodes.iter().position(|known| known == name);
        for record in evidence.history {
            let Actor::Node(node, sight) = &record.actor else { continue };
            match sight {
                NodeSight::Linked(to) => {
                    if let Some(to) = place(to) {
                        found.0.entry((node.at(), to)).or_default().push((record.at, FOREVER));
                    }
                }
                NodeSight::Unlinked(to, _) => found.ends(record.at, node.at(), place(to)),
                NodeSight::Started | NodeSight::Killed | NodeSight::PowerOff | NodeSight::Stopped => {
                    found.ends(record.at, node.at(), None);
                }
                NodeSight::Ready(_)
                | NodeSight::Route(..)
                | NodeSight::Level(..)
                | NodeSight::Synced(_)
                | NodeSight::Asked(..)
                | NodeSight::Answered(..) => {}
            }
        }
        found
    }

    /// A node reaches another one no more; none of them, where nobody is named.
    fn ends(&mut self, at: SimTime, node: usize, to: Option<usize>) {
        let own = self.0.iter_mut().filter(|((of, peer), _)| *of == node && to.is_none_or(|to| to == *peer));
        for (_, until) in own.flat_map(|(_, spans)| spans).filter(|(_, until)| *until == FOREVER) {
            *until = at;
        }
    }

    /// Returns whether one of the two said all the time that it reached the other.
    fn held(&self, pair: (usize, usize), from: SimTime, until: SimTime) -> bool {
        let spans = self.0.get(&pair).map_or(&[][..], Vec::as_slice);
        spans.iter().any(|(begun, ended)| *begun <= from && until <= *ended)
    }
}

impl Run<'_> {
    /// Returns whether both nodes said all the time that they reached each other; a node reaches itself.
    pub fn were_linked(&self, (one, other): (usize, usize), from: SimTime, until: SimTime) -> bool {
        let held = |pair| self.reaches.held(pair, from, until);
        one == other || (held((one, other)) && held((other, one)))
    }

    /// Returns whether two nodes were surely of one mind: linked for so long before `from` that each showed the other's people, and
    /// nothing that went wrong touched one of them until `until`. They say late that they do not reach each other.
    pub fn were_together(&self, (one, other): (usize, usize), from: SimTime, until: SimTime) -> bool {
        if one == other {
            return true;
        }
        let Some(patience) = self.evidence.cast.cluster else { return false };
        let since = before(from, patience.hysteresis);
        let calm = |node| !self.troubles.touched(usize::MAX, node, since, until);
        self.were_linked((one, other), since, until) && calm(one) && calm(other)
    }

    /// Returns by when what happened at one node was surely known at another: at once where it is the same one; soon where the two were
    /// together; else where everything due has been done (`docs/promises.md`, P5).
    pub fn known_at(&self, (one, other): (usize, usize), mark: Mark) -> Option<Mark> {
        if one == other {
            return Some(mark);
        }
        let patience = self.evidence.cast.cluster?;
        let due = mark.at + patience.notice;
        let soon = self.were_together((one, other), mark.at, due).then(|| self.place(due));
        let check = self.evidence.checks.iter().map(Check::mark).find(|check| *check >= mark);
        soon.into_iter().chain(check).min()
    }

    /// Returns the place so long before a mark.
    pub fn earlier(&self, mark: Mark, span: SimSpan) -> Mark {
        self.place(before(mark.at, span))
    }

    /// Returns the place so long behind a mark.
    pub fn later(&self, mark: Mark, span: SimSpan) -> Mark {
        self.place(mark.at + span)
    }
}

fn before(at: SimTime, span: SimSpan) -> SimTime {
    SimTime::from_nanos(at.as_nanos().saturating_sub(span.as_nanos()))
}
