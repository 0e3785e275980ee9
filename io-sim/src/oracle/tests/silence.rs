//! The stories of `scenarios/` are true: no oracle may object, in any world.

use std::path::{Path, PathBuf};

use super::case::Case;
use crate::script::{RunOptions, run};
use crate::swarm::tell;
use crate::world::{Options, Slices};

const WAYS: [(Slices, bool); 5] = [
    (Slices::Whole, false),
    (Slices::Every(1), false),
    (Slices::Random, false),
    (Slices::Whole, true),
    (Slices::Random, true),
];

/// Collects the stories; a template of a swarm is none.
fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|end| end == "scn") && !path.ends_with("swarm.scn") {
            files.push(path);
        }
    }
}

/// Plays every story with so many seeds, each in its own way; more with `EYOT_SEEDS`.
#[test]
fn no_oracle_objects_to_a_story() {
    let mut files = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios"), &mut files);
    files.sort();
    assert!(files.len() > 30, "the stories are found");
    let seeds = std::env::var("EYOT_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(10);
    let mut objections = Vec::new();
    for file in &files {
        let text = std::fs::read_to_string(file).unwrap();
        for (seed, (slices, batch)) in (0..seeds).zip(WAYS.into_iter().cycle()) {
            let scenario = tell("story", &text, seed).unwrap();
            if scenario.pending.is_some() {
                break;
            }
            let world = Options { seed, slices, batch, ..Options::default() };
            let outcome = run(&scenario, RunOptions { world, ..RunOptions::default() });
            let name = file.file_name().unwrap_or_default().display();
            objections.extend(outcome.violations.iter().map(|one| format!("{name} seed {seed}: {one}")));
        }
    }
    assert!(objections.is_empty(), "{}", objections.join("\n"));
}

#[test]
fn what_comes_at_once_is_one_input_however_it_is_cut() {
    let inputs = |slices: &str| {
        let case = Case::of(&format!("{slices}\nnodes a b\nmembers\nwait 60s\ncheck\n"));
        case.inputs.values().sum::<u32>()
    };
    assert_eq!(inputs("slices 1"), inputs("slices whole"));
}
