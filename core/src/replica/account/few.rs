//! A map of few entries, in the order of their keys: it takes no more memory than they do.

/// A sorted list of keys and values. A tree has room for eleven in its first node; an account has one life, and most contacts have
/// one, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Few<K, V>(Vec<(K, V)>);

impl<K: Ord, V> Few<K, V> {
    /// Creates an empty one.
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Returns the value of a key.
    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.place(key).ok().map(|at| &self.0[at].1)
    }

    /// Returns the value of a key, which is made where there is none.
    pub(super) fn or_default(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        let at = self.place(&key).unwrap_or_else(|at| {
            self.0.reserve_exact(1);
            self.0.insert(at, (key, V::default()));
            at
        });
        &mut self.0[at].1
    }

    /// Drops all for which `keep` does not hold.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        self.0.retain_mut(|(key, value)| keep(key, value));
    }

    /// Returns all, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.0.iter().map(|(key, value)| (key, value))
    }

    /// Returns the keys, in order.
    pub(super) fn keys(&self) -> impl Iterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    /// Returns the values, in the order of their keys.
    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// Returns the values, in the order of their keys, to be changed.
    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.0.iter_mut().map(|(_, value)| value)
    }

    /// Returns whether there is none.
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn place(&self, key: &K) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| known.cmp(key))
    }
}

impl<K, V> Default for Few<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn it_holds_what_a_tree_holds() {
        arbtest::arbtest(|u| {
            let (mut few, mut tree) = (Few::<u8, u8>::new(), BTreeMap::<u8, u8>::new());
            for _ in 0..u.int_in_range(0..=20)? {
                let (key, value) = (u.int_in_range(0..=9)?, u.arbitrary()?);
                if u.ratio(1, 4)? {
                    few.retain(|known, _| *known != key);
                    tree.retain(|known, _| *known != key);
                } else {
                    *few.or_default(key) = value;
                    tree.insert(key, value);
                }
                assert_eq!(few.get(&key), tree.get(&key));
            }
            assert!(
                few.iter().eq(tree.iter()) && few.keys().eq(tree.keys()) && few.values().eq(tree.values())
            );
            assert!(few.values_mut().eq(tree.values_mut()));
            assert_eq!(few.is_empty(), tree.is_empty());
            Ok(())
        });
    }
}
