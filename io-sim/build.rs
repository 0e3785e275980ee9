//! Names the sources that the program is built of, so that two builds know whether they are of the same.

#[path = "src/bin/eyot_sim/sources.rs"]
mod sources;

use std::path::Path;

fn main() -> std::io::Result<()> {
    let repository = Path::new("..");
    for root in sources::roots(repository) {
        println!("cargo:rerun-if-changed={}", root.display());
    }
    println!("cargo:rustc-env=EYOT_SOURCES={}", sources::fingerprint(repository)?);
    Ok(())
}
