//! What every replicated kind has in common, and the laws that each of them keeps.

use core::fmt::Debug;

use minicbor::{Decode, Encode};

use super::{Applied, Dot, Vector};

/// A replicated kind: a value that grows by changes, in whatever order and however often they come.
pub trait Replica: Clone + PartialEq + Debug {
    /// What one write adds, as it travels.
    type Delta: Clone + PartialEq + Debug + Encode<()> + for<'b> Decode<'b, ()>;

    /// Takes one change in.
    fn apply(&mut self, delta: &Self::Delta) -> Applied;

    /// Returns the changes that make this value out of nothing: the live entries, in an order in which they may be sent: a receiver
    /// may get the first of them, count them, and never get the rest. What has changed another entry comes before it.
    fn deltas(&self) -> Vec<Self::Delta>;

    /// Returns whether a live entry only says that something is gone. Such entries do not count when states are compared: some nodes
    /// have dropped them already.
    fn is_removal(&self, _: &Self::Delta) -> bool {
        false
    }

    /// Drops the removals that all nodes have committed (R4). Kinds without removals drop nothing.
    fn collect(&mut self, _floor: &Vector) {}

    /// Drops live entries of cells that somebody else has seen go (R4). Logs have none.
    fn forget(&mut self, _gone: &dyn Fn(Dot) -> bool) {}

    /// Takes in everything that `other` holds.
    fn merge(&mut self, other: &Self) {
        for delta in other.deltas() {
            self.apply(&delta);
        }
    }
}

/// Writes a test of all laws for a kind: `laws!(name, Type, write)`, where `write(&Type, Dot, Hlc, &mut Unstructured)`
/// makes a random change of a node that holds the value.
#[cfg(test)]
macro_rules! laws {
    ($name:ident, $kind:ty, $write:expr) => {
        #[test]
        fn $name() {
            arbtest::arbtest(|u| {
                let (replicas, last) = $crate::replica::law::world::<$kind>(u, $write)?;
                $crate::replica::law::hold(&replicas, last.as_ref());
                Ok(())
            });
        }
    };
}
#[cfg(test)]
pub(super) use laws;

/// What the author of a change held before and after, and what travelled.
#[cfg(test)]
pub(super) type Last<R> = (R, R, <R as Replica>::Delta);

/// Three nodes that write and exchange at random; returns what each holds, and the last change: who made it, what
/// the author held before and after, and what travelled.
#[cfg(test)]
pub(super) fn world<R: Replica + Default>(
    u: &mut arbitrary::Unstructured<'_>,
    write: impl Fn(&R, Dot, super::Hlc, &mut arbitrary::Unstructured<'_>) -> arbitrary::Result<R::Delta>,
) -> arbitrary::Result<(Vec<R>, Option<Last<R>>)> {
    let mut replicas = vec![R::default(); 3];
    let mut dots: Vec<_> =
        (0..3).map(|node| super::Dots::new(super::Origin { node, start: 1, random: 0 })).collect();
    let mut last = None;
    for _ in 0..u.int_in_range(0..=12)? {
        let node = u.choose_index(3)?;
        if u.ratio(1, 3)? {
            let from = u.choose_index(3)?;
            let other = replicas[from].clone();
            replicas[node].merge(&other);
        } else {
            let hlc = super::Hlc { millis: u.int_in_range(0..=3)?, count: 0 };
            let before = replicas[node].clone();
            let delta = write(&before, dots[node].take(), hlc, u)?;
            replicas[node].apply(&delta);
            last = Some((before, replicas[node].clone(), delta));
        }
    }
    Ok((replicas, last))
}

/// Checks the laws.
#[cfg(test)]
pub(super) fn hold<R: Replica + Default>(replicas: &[R], last: Option<&Last<R>>) {
    let join = |parts: &[&R]| {
        let mut whole = R::default();
        for part in parts {
            whole.merge(part);
        }
        whole
    };
    let [a, b, c] = replicas else { panic!("three replicas") };
    assert_eq!(&join(&[a]), a, "a value is made of its changes");
    assert_eq!(join(&[a, a]), join(&[a]), "idempotent");
    assert_eq!(join(&[a, b]), join(&[b, a]), "commutative");
    assert_eq!(join(&[&join(&[a, b]), c]), join(&[a, &join(&[b, c])]), "associative");
    if let Some((before, after, delta)) = last {
        let mut elsewhere = before.clone();
        elsewhere.apply(delta);
        assert_eq!(&elsewhere, after, "what travels makes the same change");
        elsewhere.apply(delta);
        assert_eq!(&elsewhere, after, "and makes it once");
        let bytes = minicbor::to_vec(delta).expect("writing to a Vec cannot fail");
        assert_eq!(minicbor::decode::<R::Delta>(&bytes).ok().as_ref(), Some(delta), "decode after encode");
    }
}
