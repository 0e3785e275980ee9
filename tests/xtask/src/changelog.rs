//! The form of the changelog: releases, four sections in order, each line with the number it came from.

use crate::repo::{Finding, Repo};

const PATH: &str = "CHANGELOG.md";
const SECTIONS: &[&str] = &["Safety", "Features", "Operations", "Internals"];

/// Finds what departs from the form.
pub fn check(repo: &Repo) -> Vec<Finding> {
    let Some(text) = repo.text(PATH) else { return vec![Finding::of(PATH, "is missing")] };
    let mut findings = Vec::new();
    let mut last_section = None;
    let mut entry: Option<(usize, String)> = None;
    for (index, line) in text.lines().chain([""]).enumerate() {
        let line_no = index + 1;
        if let Some((start, entry)) = entry.take_if(|_| !line.starts_with("  ")) {
            findings.extend(numberless(&entry).map(|what| Finding::at(PATH, start, what)));
        }
        if let Some(release) = line.strip_prefix("## ") {
            last_section = None;
            if !is_release(release) {
                findings.push(Finding::at(PATH, line_no, "not `Unreleased` or `x.y.z, YYYY-MM-DD`"));
            }
        } else if let Some(section) = line.strip_prefix("### ") {
            let place = SECTIONS.iter().position(|known| *known == section);
            if place.is_none() || place <= last_section {
                findings.push(Finding::at(
                    PATH,
                    line_no,
                    format!("sections are {} in this order", SECTIONS.join(", ")),
                ));
            }
            last_section = place;
        } else if line.starts_with("- ") {
            entry = Some((line_no, line.into()));
        } else if let Some((_, entry)) = &mut entry {
            entry.push_str(line);
        }
    }
    findings
}

fn is_release(title: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    let dated = title.split_once(", ").is_some_and(|(version, date)| {
        version.split('.').count() == 3
            && version.split('.').all(number)
            && date.split('-').map(str::len).eq([4, 2, 2])
            && date.split('-').all(number)
    });
    title == "Unreleased" || dated
}

fn numberless(entry: &str) -> Option<&'static str> {
    let number = entry.trim_end().strip_suffix(')').and_then(|entry| entry.rsplit_once("(#"));
    let good =
        number.is_some_and(|(_, digits)| !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit()));
    (!good).then_some("the entry does not end with its number, `(#n)`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> usize {
        check(&Repo::of(&[(PATH, text)])).len()
    }

    #[test]
    fn the_form_is_accepted() {
        assert_eq!(
            found(
                "# Changelog\n\n## Unreleased\n\n### Safety\n\n- a\n  b (#2)\n\n### Internals\n- c (#12)\n\n## 0.1.0, 2026-11-22\n### Features\n- d (#1)\n"
            ),
            0
        );
    }

    #[test]
    fn departures_are_found() {
        assert_eq!(found("## Unreleased\n### Features\n- no number\n"), 1);
        assert_eq!(found("## Unreleased\n### Features\n### Safety\n"), 1);
        assert_eq!(found("## Unreleased\n### Misc\n"), 1);
        assert_eq!(found("## 0.1\n"), 1);
        assert_eq!(check(&Repo::of(&[])).len(), 1);
    }
}
