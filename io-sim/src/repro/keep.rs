//! Turns a Repro into a story that stays: a regression.

use super::lines::Script;

/// Returns the text of a regression: told as `story` if that is given, with what it showed as a comment, fixed to one
/// run. It need not pass yet.
pub fn keep(text: &str, story: Option<&str>) -> String {
    let mut script = Script::parse(text);
    if let Some(story) = story {
        script.head.story = story.into();
    }
    fix(&mut script, 0);
    let (repro, found) = (script.head.repro.take(), script.head.found.take());
    let shown = repro.map(|signature| format!("Showed {signature}"));
    let place = found.map(|found| format!("found in {found}"));
    let note: Vec<String> = [shown, place].into_iter().flatten().collect();
    let kept = script.to_string();
    if note.is_empty() {
        return kept;
    }
    // The note follows the head, which ends with the first blank line.
    let (head, lines) = kept.split_once("\n\n").unwrap_or((&kept, ""));
    format!("{head}\n# {}.\n\n{lines}", note.join("; "))
}

/// Fixes how a script is run: with `seed` and with bytes cut as they arrive, unless it says otherwise.
pub fn fix(script: &mut Script, seed: u64) {
    if script.setting("slices").is_none() {
        script.set("slices", "whole");
    }
    if script.setting("seed").is_none() {
        script.set("seed", &seed.to_string());
    }
    super::simplify::order(script);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Scenario;
    use crate::world::Slices;

    const REPRO: &str = "# Messages swap.\n# RFC 6120, 10.1\n# repro: fifo/swapped\n# found: swarm.scn seed 7\n\n\
        seed 7\nbatch\naccount alice\nclient alice on a\n\nalice logs in\n";

    #[test]
    fn a_kept_story_is_one_run_and_says_where_it_comes_from() {
        let text = keep(REPRO, Some("Found by a sweep: messages swap."));
        assert_eq!(
            text,
            "# Found by a sweep: messages swap.\n# RFC 6120, 10.1\n# Showed fifo/swapped; found in swarm.scn seed 7.\n\n\
            seed 7\nslices whole\nbatch\naccount alice\nclient alice on a\n\nalice logs in\n"
        );
        let scenario = Scenario::parse("kept", &text).unwrap();
        assert_eq!(scenario.pending, None);
        assert_eq!((scenario.fixed.seed, scenario.fixed.slices), (Some(7), Some(Slices::Whole)));
        assert_eq!(scenario.fixed.batch, Some(true));
        assert_eq!(keep(&text, None).lines().next(), text.lines().next());
    }
}
