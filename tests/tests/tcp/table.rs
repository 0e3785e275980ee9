//! How far the model may be from Linux, and where it is known to differ: `tests/tcp/tolerances.txt`.

use std::collections::BTreeMap;

use crate::recording::folder;

/// How far the model may be from Linux.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tolerance {
    /// A difference in the quantity's own unit.
    Of(i64),
    /// Hundredths of what Linux did.
    Percent(i64),
}

/// What the table says of one quantity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Allowed {
    tolerance: Tolerance,
    /// What the model lacks, where it is known to differ.
    pending: Option<String>,
}

pub(crate) type Table = BTreeMap<(String, String), Allowed>;

impl Tolerance {
    fn parse(word: &str) -> Option<Self> {
        if let Some(millis) = word.strip_suffix("ms") {
            return Some(Self::Of(millis.parse::<i64>().ok()? * 1_000));
        }
        match word.strip_suffix('%') {
            Some(percent) => Some(Self::Percent(percent.parse().ok()?)),
            None => Some(Self::Of(word.parse().ok()?)),
        }
    }

    fn holds(self, linux: i64, model: i64) -> bool {
        let most = match self {
            Self::Of(most) => most,
            Self::Percent(percent) => linux.abs() * percent / 100,
        };
        (linux - model).abs() <= most
    }
}

fn tolerances(text: &str) -> Result<Table, String> {
    let mut table = Table::new();
    let mut last = None;
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let bad = || format!("cannot read `{line}`");
        if let Some(lack) = line.strip_prefix("  pending: ").filter(|lack| !lack.is_empty()) {
            let allowed: &mut Allowed = last.take().and_then(|key| table.get_mut(&key)).ok_or_else(bad)?;
            allowed.pending = Some(lack.into());
            continue;
        }
        let (rule, _) = line.split_once(": ").filter(|(_, reason)| !reason.is_empty()).ok_or_else(bad)?;
        let [case, name, "within", tolerance] = rule.split(' ').collect::<Vec<_>>()[..] else {
            return Err(bad());
        };
        let key = (case.to_owned(), name.to_owned());
        let tolerance = Tolerance::parse(tolerance).ok_or_else(bad)?;
        if table.insert(key.clone(), Allowed { tolerance, pending: None }).is_some() {
            return Err(format!("{case} {name} stands twice"));
        }
        last = Some(key);
    }
    Ok(table)
}

pub(crate) fn table() -> Table {
    let text = std::fs::read_to_string(folder().join("tolerances.txt")).expect("the table of tolerances");
    tolerances(&text).unwrap_or_else(|what| panic!("tests/tcp/tolerances.txt: {what}"))
}

/// Returns what is wrong: a difference that nobody expects, or an expected one that is none.
pub(crate) fn judge(allowed: &Allowed, linux: &[i64], model: &[i64]) -> Result<(), String> {
    if linux.is_empty() {
        return Err("the recording does not show it".into());
    }
    let near = linux.iter().zip(model).all(|(linux, model)| allowed.tolerance.holds(*linux, *model));
    let agrees = near && linux.len() == model.len();
    match (&allowed.pending, agrees) {
        (None, true) | (Some(_), false) => Ok(()),
        (None, false) => Err(format!("Linux {linux:?}, model {model:?}, within {:?}", allowed.tolerance)),
        (Some(lack), true) => {
            Err(format!("Linux {linux:?}, model {model:?}: now agrees: remove the mark `{lack}`"))
        }
    }
}

#[test]
fn a_difference_needs_a_mark_and_a_mark_a_difference() {
    let allowed =
        |pending: Option<&str>| Allowed { tolerance: Tolerance::Of(5), pending: pending.map(Into::into) };
    assert!(judge(&allowed(None), &[100], &[105]).is_ok());
    assert!(judge(&allowed(None), &[100], &[106]).is_err());
    assert!(judge(&allowed(None), &[100, 200], &[100]).is_err());
    assert!(judge(&allowed(None), &[], &[]).is_err());
    assert!(judge(&allowed(Some("windows")), &[100], &[]).is_ok());
    let agrees = judge(&allowed(Some("windows")), &[100], &[95]).expect_err("the mark is stale");
    assert!(agrees.contains("now agrees: remove the mark `windows`"), "{agrees}");
    assert!(Tolerance::Percent(13).holds(1_000, 870) && !Tolerance::Percent(13).holds(1_000, 869));
}

#[test]
fn a_tolerance_without_reason_or_unit_is_refused() {
    let one = tolerances("a b within 5ms: why\n  pending: c\n").expect("a whole table");
    let allowed = Allowed { tolerance: Tolerance::Of(5_000), pending: Some("c".into()) };
    assert_eq!(one, Table::from([(("a".into(), "b".into()), allowed)]));
    for bad in ["a b within 5ms", "a b within 5ms: ", "a b within 5km: why", "  pending: c", "a b 5ms: why"] {
        assert!(tolerances(bad).is_err(), "{bad}");
    }
    assert!(tolerances("a b within 5ms: why\na b within 5ms: why").is_err());
}
