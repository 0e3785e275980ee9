//! Links between documents: each leads to a file of the project, and its anchor to a heading there.

use crate::repo::{Finding, Repo, has_ending};

/// Finds links in Markdown files that lead nowhere.
pub fn check(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in repo.texts().filter(|(path, _)| has_ending(path, "md")) {
        for (line, link) in links(text) {
            if let Some(what) = broken(repo, path, link) {
                findings.push(Finding::at(path, line, what));
            }
        }
    }
    findings
}

/// The targets of inline links outside code blocks, with their lines.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut fenced = false;
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        fenced ^= line.trim_start().starts_with("```");
        if !fenced {
            let targets = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
            found.extend(targets.map(|target| (index + 1, target)));
        }
    }
    found
}

fn broken(repo: &Repo, path: &str, link: &str) -> Option<String> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = link.split_once('#').map_or((link, None), |(file, anchor)| (file, Some(anchor)));
    let target = if file.is_empty() { path.into() } else { resolve(path, file) };
    if !repo.has(&target) {
        return Some(format!("`{link}` leads to no file"));
    }
    let headings = repo.text(&target)?;
    let anchor = anchor?;
    let found = headings.lines().filter(|line| line.starts_with('#')).any(|line| slug(line) == anchor);
    (!found).then(|| format!("`{link}` leads to no heading"))
}

/// The path that `link` means in a document at `path`.
fn resolve(path: &str, link: &str) -> String {
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "." | "" => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    parts.join("/")
}

/// The anchor that a heading gets.
fn slug(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> usize {
        check(&Repo::of(&[("docs/a.md", text), ("docs/adr/b.md", "# The One, two\n"), ("README.md", "")]))
            .len()
    }

    #[test]
    fn links_to_files_folders_and_headings_are_followed() {
        assert_eq!(
            found(
                "[x](adr/b.md) [y](../README.md) [z](adr) [w](adr/b.md#the-one-two) [v](https://x.example/)"
            ),
            0
        );
        assert_eq!(found("[x](b.md)"), 1);
        assert_eq!(found("[x](adr/b.md#the-two)"), 1);
        assert_eq!(found("# Here\n[x](#here) [y](#there)"), 1);
    }

    #[test]
    fn code_blocks_hold_no_links() {
        assert_eq!(found("```\n[x](nowhere.md)\n```\n"), 0);
    }
}
