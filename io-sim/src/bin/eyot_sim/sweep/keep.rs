//! What a sweep writes: plans of failed seeds, its state, the page with the figures. Each error names its file.

use std::fs::{self, OpenOptions};
use std::io::{Error, Result};
use std::path::{Path, PathBuf};

use eyot_io_sim::sweep::{Found, Row, Subject, record};

/// Where plans of failed seeds and the state of sweeps go.
const REPROS: &str = "target/repro";
const STATES: &str = "target/sweep";
const PAGE: &str = "docs/sweeps.md";

/// Tries whether what a sweep will write can be written, before hours are spent on it.
pub(super) fn try_out(program: &str, recording: bool) -> Result<()> {
    for folder in [Path::new(REPROS).into(), Path::new(STATES).join(program)] {
        let probe = folder.join(format!(".probe-{}", std::process::id()));
        fs::create_dir_all(&folder).map_err(at(&folder))?;
        fs::write(&probe, "").map_err(at(&probe))?;
        fs::remove_file(&probe).map_err(at(&probe))?;
    }
    if recording {
        OpenOptions::new().read(true).append(true).open(PAGE).map_err(at(Path::new(PAGE)))?;
    }
    Ok(())
}

/// Returns where the state of a sweep is put aside.
pub(super) fn place(subject: &Subject, program: &str, from: u64) -> PathBuf {
    Path::new(STATES).join(program).join(format!("{}.from-{from}.txt", flat(&subject.name)))
}

/// Writes the plan of a failed seed.
pub(super) fn write_repro(subject: &Subject, found: &Found) -> Result<()> {
    let path = Path::new(REPROS).join(format!("{}-{}.scn", flat(&subject.name), found.seed));
    fs::create_dir_all(REPROS).map_err(at(Path::new(REPROS)))?;
    fs::write(&path, subject.repro(found.seed, &found.failure.signature)).map_err(at(&path))
}

/// Writes a file so that there is always a whole one.
pub(super) fn put_aside(path: &Path, text: &str) -> Result<()> {
    let part = path.with_extension("part");
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).map_err(at(folder))?;
    fs::write(&part, text).map_err(at(&part))?;
    fs::rename(part, path).map_err(at(path))
}

/// Writes a row of figures into the page.
pub(super) fn write_page(core: &str, date: &str, row: &Row) -> Result<()> {
    let page = fs::read_to_string(PAGE).map_err(at(Path::new(PAGE)))?;
    put_aside(Path::new(PAGE), &record(&page, core, date, row))
}

/// Says where an error has happened.
fn at(path: &Path) -> impl FnOnce(Error) -> Error {
    move |error| Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// Makes one name of a path.
fn flat(name: &str) -> String {
    let stem = name.strip_suffix(".scn").unwrap_or(name);
    let parts = stem.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '-'));
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}
