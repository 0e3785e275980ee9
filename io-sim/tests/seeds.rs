//! Every story in other worlds: other delays, other slices, other moments of death, and other losses where the
//! story has a link that loses. What the story expects holds in all of them; only the transcript may differ.
//!
//! `EYOT_SEED` is a text that the seeds are drawn from (CI gives the hash of the tree, so that a tree that was green
//! stays green), `EYOT_SEEDS` says how many worlds each story is told in.

use std::path::{Path, PathBuf};

use eyot_io_sim::script::{RunOptions, is_template, run};
use eyot_io_sim::swarm::{Template, tell};
use eyot_io_sim::transcript::Form;
use eyot_io_sim::world::{Options, Slices};
use libtest_mimic::{Arguments, Failed, Trial};

/// Worlds for each story unless told otherwise.
const SEEDS: u64 = 10;
/// A run that finds fewer has looked in the wrong place.
const STORIES_MIN: usize = 12;

fn main() {
    let arguments = Arguments::from_args();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let base = first_seed(&std::env::var("EYOT_SEED").unwrap_or_default());
    let count =
        std::env::var("EYOT_SEEDS").map_or(SEEDS, |text| text.parse().expect("EYOT_SEEDS is a number"));
    let mut files = Vec::new();
    collect(&root, &mut files).expect("the scenarios can be read");
    let stories = files.len();
    let mut trials: Vec<Trial> = files
        .into_iter()
        .map(|file| {
            let name = file.strip_prefix(&root).unwrap_or(&file).display().to_string();
            // A template that waits for something is told when it is named: it is shown as ignored.
            let waits = is_waiting(&name, &file);
            let trial =
                Trial::test(format!("{name} from seed {base}"), move || check(&name, &file, base, count));
            trial.with_ignored_flag(waits)
        })
        .collect();
    trials.push(Trial::test("the_stories_are_there", move || {
        if stories >= STORIES_MIN { Ok(()) } else { Err(format!("only {stories} stories").into()) }
    }));
    libtest_mimic::run(&arguments, trials).exit();
}

fn is_waiting(name: &str, file: &Path) -> bool {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    is_template(&text) && Template::parse(name, &text).is_ok_and(|template| template.pending.is_some())
}

fn check(name: &str, file: &Path, base: u64, count: u64) -> Result<(), Failed> {
    let text = std::fs::read_to_string(file)?;
    for seed in (base..).take(usize::try_from(count)?) {
        // A template is another story with each seed, and its plan says itself how bytes are cut.
        let scenario = tell(name, &text, seed)?;
        if scenario.pending.is_some() {
            return Ok(());
        }
        let (slices, cut) =
            if seed % 2 == 0 { (Slices::Whole, "") } else { (Slices::Random, " --slices random") };
        let (batch, gather) = if seed % 3 == 0 { (true, " --batch") } else { (false, "") };
        let world = Options { seed, slices, batch, ..Options::default() };
        let outcome = run(&scenario, RunOptions { world, form: Form::Short });
        if !outcome.is_good() {
            let unmet: Vec<_> = outcome.verdicts.iter().filter(|verdict| !verdict.met).collect();
            return Err(format!(
                "eyot-sim run scenarios/{name} --seed {seed}{cut}{gather}\n{unmet:#?}\n{:?}\n{:?}\n{:#?}\n{}",
                outcome.trouble, outcome.complaints, outcome.violations, outcome.transcript
            )
            .into());
        }
    }
    Ok(())
}

/// Draws the first seed from a text (FNV-1a), small enough to be typed.
fn first_seed(text: &str) -> u64 {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    if text.is_empty() { 1 } else { hash % 1_000_000_000 }
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "scn") {
            found.push(path);
        }
    }
    Ok(())
}
