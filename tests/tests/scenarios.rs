//! Every story under `scenarios/` is a test: its expectations hold, its transcript is the one beside it, two runs
//! are one run, and neither the cutting nor the gathering of bytes changes what anybody saw.

use std::path::{Path, PathBuf};

use eyot_io_sim::engine::SimTime;
use eyot_io_sim::script::{Outcome, RunOptions, Scenario, Waiting, is_template, run};
use eyot_io_sim::swarm::tell;
use eyot_io_sim::transcript::Form;
use eyot_io_sim::world::{Options, Slices};
use libtest_mimic::{Arguments, Failed, Trial};

/// Ways of handing the same bytes over.
const OTHER_WAYS: [(&str, Slices, bool); 4] = [
    ("byte by byte", Slices::Every(1), false),
    ("in random slices", Slices::Random, false),
    ("gathered", Slices::Whole, true),
    ("gathered, then in random slices", Slices::Random, true),
];

/// So many plans of a template are told here; `io-sim/tests/seeds.rs` and `eyot-sim sweep` tell more.
const TEMPLATE_SEEDS: u64 = 3;

fn main() {
    let arguments = Arguments::from_args();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let mut files = Vec::new();
    collect(&root, &mut files).expect("the scenarios can be read");
    let stories: Vec<PathBuf> = files.iter().filter(|file| has_extension(file, "scn")).cloned().collect();
    let mut trials: Vec<Trial> = stories
        .into_iter()
        .map(|file| {
            let name = file.strip_prefix(&root).unwrap_or(&file).display().to_string();
            Trial::test(name.clone(), move || check(&name, &file))
        })
        .collect();
    trials.push(Trial::test("every_transcript_has_its_story", move || orphans(&files)));
    trials.push(Trial::test("a_story_that_is_not_true_fails", untrue_stories_fail));
    libtest_mimic::run(&arguments, trials).exit();
}

fn check(name: &str, file: &Path) -> Result<(), Failed> {
    let text = std::fs::read_to_string(file)?;
    if is_template(&text) {
        return check_template(name, &text);
    }
    let scenario = Scenario::parse(name, &text)?;
    let outcome = run(&scenario, RunOptions::default());
    match outcome.waiting(&scenario) {
        Waiting::No => {}
        Waiting::Still(_) => return Ok(()),
        Waiting::Over => return Err("now passes: remove the mark".into()),
    }
    holds("as it is", &outcome)?;

    let again = run(&scenario, RunOptions::default());
    if again.hash != outcome.hash {
        return Err(format!("two runs differ: {}", first_difference(&outcome, &again)).into());
    }
    for (way, slices, batch) in OTHER_WAYS {
        let world = Options { slices, batch, ..Options::default() };
        let other = run(&scenario, RunOptions { world, form: Form::Short });
        holds(way, &other)?;
        same_views(way, &outcome, &other)?;
    }
    snapshot(file, &scenario, &outcome);
    Ok(())
}

/// A template has no transcript: its plans are many. Some of them are told, each twice.
fn check_template(name: &str, text: &str) -> Result<(), Failed> {
    for seed in 1..=TEMPLATE_SEEDS {
        let scenario = tell(name, text, seed)?;
        let outcome = run(&scenario, RunOptions::default());
        holds(&format!("with seed {seed}"), &outcome)?;
        let again = run(&scenario, RunOptions::default());
        if again.hash != outcome.hash {
            return Err(
                format!("seed {seed}: two runs differ: {}", first_difference(&outcome, &again)).into()
            );
        }
    }
    Ok(())
}

fn holds(way: &str, outcome: &Outcome) -> Result<(), Failed> {
    if outcome.is_good() {
        return Ok(());
    }
    let unmet: Vec<String> = outcome
        .verdicts
        .iter()
        .filter(|verdict| !verdict.met)
        .map(|verdict| format!("line {}: {}\n  saw {:?}", verdict.line, verdict.text, verdict.seen))
        .collect();
    let trouble = outcome.trouble.as_ref().map(|trouble| format!("{trouble:?}"));
    Err(format!(
        "run {way}:\n{}\n{:?}\n{:?}\n{}\n{}",
        unmet.join("\n"),
        trouble,
        outcome.complaints,
        outcome.violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        outcome.transcript
    )
    .into())
}

/// What each connection saw must not depend on how its bytes were handed over.
fn same_views(way: &str, one: &Outcome, other: &Outcome) -> Result<(), Failed> {
    for (who, view) in &one.views {
        let found = other.views.get(who);
        if found != Some(view) {
            return Err(format!("{who} sees something else {way}:\n{view:#?}\n{found:#?}").into());
        }
    }
    Ok(())
}

fn first_difference(one: &Outcome, other: &Outcome) -> String {
    one.transcript
        .lines()
        .zip(other.transcript.lines())
        .find(|(left, right)| left != right)
        .map_or_else(|| "not in what was seen".into(), |(left, right)| format!("{left:?} and {right:?}"))
}

/// Compares the transcript with the one beside the story; `INSTA_UPDATE=always` rewrites it.
fn snapshot(file: &Path, scenario: &Scenario, outcome: &Outcome) {
    let mut settings = insta::Settings::new();
    settings.set_snapshot_path(file.parent().unwrap_or(file));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_description(scenario.story.clone());
    let name = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    settings.bind(|| insta::assert_snapshot!(name, outcome.transcript.to_string()));
}

fn orphans(files: &[PathBuf]) -> Result<(), Failed> {
    let lonely: Vec<&PathBuf> = files
        .iter()
        .filter(|file| has_extension(file, "snap") && !file.with_extension("scn").exists())
        .collect();
    if lonely.is_empty() { Ok(()) } else { Err(format!("transcripts of no story: {lonely:?}").into()) }
}

/// The checks above can fail: each of these stories has one line that is not true.
fn untrue_stories_fail() -> Result<(), Failed> {
    let head = "# A story.\n# RFC 6121\naccount alice\nclient alice on a resource desk\nalice comes online\n";
    for line in [
        "expect nothing alice",
        "expect alice bound phone",
        "expect alice got 2 presences",
        "expect alice < presence from alice/phone",
        "expect alice login fails not-authorized",
        "expect alice offline",
        "expect a down",
        "expect a answers done",
        "expect alice stream error conflict",
    ] {
        let outcome = run(&Scenario::parse(line, &format!("{head}{line}\n"))?, RunOptions::default());
        if outcome.is_good() || outcome.ended == SimTime::ZERO {
            return Err(format!("held, and must not: {line}").into());
        }
    }
    Ok(())
}

fn has_extension(file: &Path, extension: &str) -> bool {
    file.extension().is_some_and(|found| found == extension)
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        entries.push(entry?.path());
    }
    entries.sort();
    for entry in entries {
        if entry.is_dir() {
            collect(&entry, found)?;
        } else {
            found.push(entry);
        }
    }
    Ok(())
}
