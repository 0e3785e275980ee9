//! The page that keeps the figures of sweeps: one block for each tree of the node, one row for each template.

/// What the blocks of the page begin with.
const BLOCK: &str = "## core ";
const COLUMNS: &str = "| template | seeds | do not count | wall time | seeds per core-hour | medians: chaos, operations, faults, touching | failures | properties hit |\n\
    |---|---|---|---|---|---|---|---|\n";

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The template.
    pub template: String,
    /// The first seed.
    pub from: u64,
    /// What its sweep came to.
    pub state: super::State,
}

impl Row {
    /// What stays the same when a sweep goes on: its row is replaced.
    fn begin(&self) -> String {
        format!("| {} | from {}: ", self.template, self.from)
    }

    fn line(&self) -> String {
        let tally = &self.state.tally;
        let medians = tally.medians().map_or_else(
            || String::from("no swarm"),
            |[chaos, operations, faults, touching]| format!("{chaos} s, {operations}, {faults}, {touching}"),
        );
        let (hit, all) = tally.properties();
        let kinds: Vec<String> =
            tally.found.iter().map(|found| found.failure.signature.to_string()).collect();
        let failures =
            if kinds.is_empty() { "0".into() } else { format!("{}: {}", tally.failed(), kinds.join(", ")) };
        format!(
            "{}{} | {} | {} s | {} | {medians} | {failures} | {hit} of {all} |",
            self.begin(),
            tally.seeds(),
            tally.uncounted(),
            self.state.wall_millis / 1_000,
            tally.seeds() * 3_600_000 / self.state.core_millis.max(1),
        )
    }
}

/// Puts a row into the page, into the block of `core`: in place of an older row of the same sweep, or behind the others. A
/// new block stands above the older ones.
pub fn record(page: &str, core: &str, date: &str, row: &Row) -> String {
    let head = format!("{BLOCK}{core}, ");
    let mut blocks: Vec<String> = Vec::new();
    for line in page.lines() {
        if line.starts_with(BLOCK) || blocks.is_empty() {
            blocks.push(String::new());
        }
        if let Some(block) = blocks.last_mut() {
            block.push_str(line);
            block.push('\n');
        }
    }
    if let Some(block) = blocks.iter_mut().find(|block| block.starts_with(&head)) {
        *block = with_row(block, row);
    } else {
        let at = blocks.iter().position(|block| block.starts_with(BLOCK)).unwrap_or(blocks.len());
        blocks.insert(at, format!("{head}{date}\n\n{COLUMNS}{}\n", row.line()));
    }
    let blocks: Vec<&str> = blocks.iter().map(|block| block.trim_end()).collect();
    blocks.join("\n\n") + "\n"
}

fn with_row(block: &str, row: &Row) -> String {
    let (begin, new) = (row.begin(), row.line());
    let mut lines: Vec<&str> = block.trim_end().lines().filter(|line| !line.starts_with(&begin)).collect();
    lines.push(&new);
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::{State, Told};

    fn row(template: &str, seeds: u64) -> Row {
        let mut state = State { core_millis: 7_200_000, wall_millis: 3_600_000, ..State::default() };
        for seed in 0..seeds {
            state.tally.add(&Told { seed, ..Told::default() });
        }
        Row { template: template.into(), from: 1, state }
    }

    #[test]
    fn a_sweep_that_goes_on_replaces_its_row_and_another_template_gets_its_own() {
        let page = record("# Sweeps\n\nWords.\n", "aaa", "2026-01-01", &row("t.scn", 10));
        let page = record(&page, "aaa", "2026-01-02", &row("u.scn", 5));
        let page = record(&page, "aaa", "2026-01-03", &row("t.scn", 40));
        assert!(page.starts_with("# Sweeps\n\nWords.\n\n## core aaa, 2026-01-01\n\n| template"), "{page}");
        assert_eq!(page.matches("| t.scn | from 1: 40 | 0 | 3600 s | 20 |").count(), 1, "{page}");
        assert_eq!((page.matches("t.scn").count(), page.matches("u.scn").count()), (1, 1));
    }

    #[test]
    fn a_newer_tree_stands_above_an_older_one() {
        let page = record("# Sweeps\n", "aaa", "2026-01-01", &row("t.scn", 1));
        let page = record(&page, "bbb", "2026-01-02", &row("t.scn", 1));
        assert!(page.find("## core bbb") < page.find("## core aaa"), "{page}");
        assert!(page.contains("|\n\n## core aaa"), "{page}");
        assert_eq!(page.matches("| t.scn |").count(), 2);
    }
}
