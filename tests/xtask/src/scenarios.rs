//! Dead scenarios: every story has its transcript, every transcript its story.

use crate::repo::{Finding, Repo};

/// The words in the head of a story that has no transcript yet, followed by the reason.
const PENDING: &str = "# pending:";

/// Finds stories without transcript and transcripts without story.
pub fn check(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in repo.texts().filter(|(path, _)| path.starts_with("scenarios/")) {
        if let Some(stem) = path.strip_suffix(".scn") {
            let pending =
                text.lines().take_while(|line| line.starts_with('#')).any(|line| line.starts_with(PENDING));
            // A template is drawn from, and is no story itself.
            if text.lines().any(|line| line.starts_with("swarm ")) {
                continue;
            }
            let told = repo.text(&format!("{stem}.snap")).is_some();
            if told == pending {
                let what =
                    if told { "is pending and has a transcript" } else { "has no transcript beside it" };
                findings.push(Finding::of(path, what));
            }
        }
        let story = path.strip_suffix(".snap").map(|stem| format!("{stem}.scn"));
        if story.is_some_and(|story| repo.text(&story).is_none()) {
            findings.push(Finding::of(path, "is the transcript of no story"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_story_and_its_transcript_need_each_other() {
        let found = |files: &[(&str, &str)]| check(&Repo::of(files)).len();
        assert_eq!(found(&[("scenarios/a/b.scn", "# x\n"), ("scenarios/a/b.snap", "")]), 0);
        assert_eq!(found(&[("scenarios/b.scn", "# x\n")]), 1);
        assert_eq!(found(&[("scenarios/b.snap", "")]), 1);
        assert_eq!(found(&[("scenarios/b.scn", "# x\n# pending: needs rooms\n")]), 0);
        assert_eq!(found(&[("scenarios/swarm.scn", "# x\nswarm users 2\n")]), 0);
        assert_eq!(found(&[("scenarios/b.scn", "# pending: x\n"), ("scenarios/b.snap", "")]), 1);
    }
}
