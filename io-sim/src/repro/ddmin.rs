//! Delta debugging: the fewest of many things that are enough.

/// Leaves out of `0..count` as many as can be left out while `enough` holds for the rest: whole runs of neighbours
/// first, single ones at last, until none of the rest can be left out alone. `enough` is never asked about all of them.
pub(super) fn ddmin(count: usize, mut enough: impl FnMut(&[usize]) -> bool) -> Vec<usize> {
    let mut kept: Vec<usize> = (0..count).collect();
    if count == 0 || enough(&[]) {
        return Vec::new();
    }
    let mut size = count.div_ceil(2);
    loop {
        let mut removed = false;
        let mut at = 0;
        while at < kept.len() {
            let end = (at + size).min(kept.len());
            let mut rest = kept.clone();
            rest.drain(at..end);
            // Nothing at all was tried first.
            if !rest.is_empty() && enough(&rest) {
                kept = rest;
                removed = true;
            } else {
                at = end;
            }
        }
        if size == 1 && !removed {
            return kept;
        }
        if size > 1 {
            size = size.div_ceil(2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minimum(count: usize, needed: &[usize]) -> (Vec<usize>, usize) {
        let mut runs = 0;
        let left = ddmin(count, |kept| {
            runs += 1;
            needed.iter().all(|one| kept.contains(one))
        });
        (left, runs)
    }

    #[test]
    fn what_is_needed_is_left_and_nothing_else() {
        for needed in [&[][..], &[0], &[199], &[17], &[3, 17, 100], &[5, 6, 7, 8]] {
            let (left, runs) = minimum(200, needed);
            assert_eq!(left, needed);
            assert!(runs < 100, "{runs} runs for {needed:?}");
        }
        assert_eq!(minimum(1, &[0]).0, [0]);
        assert_eq!(minimum(0, &[]).0, [0; 0]);
    }

    #[test]
    fn things_of_which_one_of_two_is_enough_leave_one() {
        let left = ddmin(10, |kept| kept.contains(&2) || kept.contains(&7));
        assert_eq!(left.len(), 1);
    }

    #[test]
    fn what_comes_free_only_after_another_is_left_out_too() {
        // 4 is needed while 1 is there.
        let left = ddmin(6, |kept| kept.contains(&5) && (!kept.contains(&1) || kept.contains(&4)));
        assert_eq!(left, [5]);
    }
}
