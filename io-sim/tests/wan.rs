//! The WAN failures W1 to W34 are written down as stories, each marked with what it waits for.

use std::collections::BTreeSet;
use std::path::PathBuf;

use eyot_io_sim::script::{Part, ROADMAP, RunOptions, Scenario, Trouble, Waiting, run};

fn stories() -> Vec<Scenario> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../scenarios/wan");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the WAN stories are there")
        .map(|entry| entry.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|found| found == "scn"))
        .collect();
    paths.sort();
    let read = |path: &PathBuf| {
        let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a name");
        let text = std::fs::read_to_string(path).expect("a text");
        Scenario::parse(name, &text).unwrap_or_else(|error| panic!("{error}"))
    };
    paths.iter().map(read).collect()
}

#[test]
fn each_of_the_34_failures_is_told_and_says_which_it_is() {
    let mut told = BTreeSet::new();
    for story in stories() {
        let (number, capability) = story.name.split_once('-').expect("a number and a capability");
        let number: u32 =
            number.strip_prefix('w').and_then(|digits| digits.parse().ok()).expect("w and a number");
        told.insert(number);
        assert!(
            story.section.starts_with(&format!("W{number};")),
            "{} rests on {}",
            story.name,
            story.section
        );
        if let Some(mark) = &story.pending {
            assert!(capability.starts_with(mark.as_str()), "{} waits for {mark}", story.name);
        }
    }
    assert_eq!(told, (1..=34).collect());
}

#[test]
fn each_story_expects_something_before_during_and_after() {
    for story in stories() {
        let mut phases = 0;
        let mut expects = 0;
        let mut before = Part::Setting;
        for step in &story.steps {
            let part = step.act.part();
            expects += u32::from(part == Part::Expect);
            phases += u32::from(part == Part::Expect && before != Part::Expect);
            before = part;
        }
        assert!(phases >= 3, "{} looks {phases} times", story.name);
        assert!(expects >= 9, "{} expects {expects} things", story.name);
    }
}

#[test]
fn no_story_passes_by_accident() {
    for story in stories() {
        let Some(mark) = story.pending.as_deref() else { continue };
        assert!(ROADMAP.contains(&mark), "{} waits for {mark}", story.name);
        let outcome = run(&story, RunOptions::default());
        assert_eq!(outcome.waiting(&story), Waiting::Still(mark), "{}: {:?}", story.name, outcome.trouble);
        let needs: BTreeSet<&str> = story.steps.iter().filter_map(|step| step.act.capability()).collect();
        let unmet = outcome.verdicts.iter().filter(|verdict| !verdict.met).count();
        assert!(
            needs.contains(mark) || unmet > 0,
            "{} needs {needs:?}, and all that is asked holds",
            story.name
        );
        if let Some((_, Trouble::Pending(capability))) = &outcome.trouble {
            assert!(ROADMAP.contains(&capability.as_str()), "{} stops for {capability}", story.name);
        }
    }
}

#[test]
fn a_story_waits_for_expectations_and_not_for_its_first_lines_alone() {
    let mut thin = Vec::new();
    for story in stories() {
        let Some(mark) = story.pending.as_deref() else { continue };
        let begun = story.steps.iter().skip_while(|step| step.act.part() == Part::Setting);
        // What is looked at behind the first line that cannot be done, and what can be asked and is not so yet.
        let behind = begun.skip_while(|step| step.act.capability() != Some(mark));
        let looks = behind.filter(|step| step.act.part() == Part::Expect).count();
        let unmet = run(&story, RunOptions::default()).verdicts.iter().filter(|verdict| !verdict.met).count();
        if looks + unmet < 2 {
            thin.push(story.name);
        }
    }
    assert_eq!(thin, Vec::<String>::new());
}
