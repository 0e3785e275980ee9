//! Links between documents: each leads to a file of the project, and its anchor to a heading there. The documents
//! that stories and comments name are there too.

use crate::repo::{Finding, Repo, has_ending};

/// Finds links in Markdown files, and names of documents in stories and comments, that lead nowhere.
pub fn check(repo: &Repo) -> Vec<Finding> {
    let mut findings = check_named(repo);
    for (path, text) in repo.texts().filter(|(path, _)| has_ending(path, "md")) {
        for (line, link) in links(text) {
            if let Some(what) = broken(repo, path, link) {
                findings.push(Finding::at(path, line, what));
            }
        }
    }
    findings
}

/// Names of documents in the second line of a story and in comments, from the root or from the file's folder.
fn check_named(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in repo.texts() {
        for (index, line) in text.lines().enumerate() {
            let Some(said) = comment(path, index, line) else { continue };
            for name in documents(said).filter(|name| !repo.has(name) && !repo.has(&resolve(path, name))) {
                findings.push(Finding::at(path, index + 1, format!("`{name}` is no document here")));
            }
        }
    }
    findings
}

/// What a line says to people. In Rust a line of its own: elsewhere two slashes may stand in a literal.
fn comment<'a>(path: &str, index: usize, line: &'a str) -> Option<&'a str> {
    let behind = |mark| line.split_once(mark).map(|(_, said)| said);
    match path.rsplit_once('.') {
        Some((_, "rs")) => line.trim_start().strip_prefix("//"),
        Some((_, "toml" | "py")) => behind("#"),
        Some((_, "scn")) if index == 1 => behind("#"),
        _ if path.starts_with(".ci/") => behind("#"),
        _ => None,
    }
}

/// The names in a text that end with `.md`.
fn documents(text: &str) -> impl Iterator<Item = &str> {
    let part = |c: char| c.is_alphanumeric() || "/._-".contains(c);
    let words = text.split(move |c| !part(c)).map(|word| word.trim_end_matches('.'));
    words.filter(|word| has_ending(word, "md") && *word != ".md")
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
    fn documents_that_stories_and_comments_name_are_looked_for() {
        let found = |path: &str, text: &str| {
            check(&Repo::of(&[(path, text), ("docs/a.md", ""), ("core/b.md", "")]))
                .iter()
                .map(|finding| finding.line)
                .collect::<Vec<_>>()
        };
        assert_eq!(found("a.scn", "# A story.\n# P1; docs/a.md\n"), [0; 0]);
        assert_eq!(found("a.scn", "# gone.md\n# P1; docs/gone.md\nalice says to bob: gone.md\n"), [2]);
        assert_eq!(
            found(
                "core/c.rs",
                "//! See `b.md` and docs/a.md.\n    // docs/gone.md, 3\nlet x = \"//gone.md\";\n"
            ),
            [2]
        );
        assert_eq!(found("core/c.toml", "x = 1 # gone.md\n"), [1]);
    }

    #[test]
    fn code_blocks_hold_no_links() {
        assert_eq!(found("```\n[x](nowhere.md)\n```\n"), 0);
    }
}
