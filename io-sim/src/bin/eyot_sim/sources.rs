//! Which sources a program is of. The build script and the program use this same file: what a program was built of can be
//! compared with what lies in a directory.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// What decides how seeds go: the node, the simulator, what they are built with.
const ROOTS: [&str; 7] = [
    "io-sim/src",
    "io-sim/build.rs",
    "io-sim/Cargo.toml",
    "core/src",
    "core/Cargo.toml",
    "Cargo.toml",
    "Cargo.lock",
];

/// Returns all of them below the folder that holds `core/` and `io-sim/`.
pub(crate) fn roots(repository: &Path) -> Vec<PathBuf> {
    ROOTS.iter().map(|root| repository.join(root)).collect()
}

/// Returns the number that stands for the names and contents of the sources below a folder (FNV-1a).
pub(crate) fn fingerprint(repository: &Path) -> io::Result<String> {
    let mut files = Vec::new();
    for root in roots(repository) {
        collect(&root, &mut files)?;
    }
    files.sort();
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut add = |bytes: &[u8]| {
        for byte in (bytes.len() as u64).to_be_bytes().iter().chain(bytes) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    for file in files {
        let name = file.strip_prefix(repository).unwrap_or(&file);
        add(name.to_string_lossy().as_bytes());
        add(&fs::read(&file)?);
    }
    Ok(format!("{hash:016x}"))
}

fn collect(path: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            collect(&entry?.path(), found)?;
        }
    } else {
        found.push(path.into());
    }
    Ok(())
}
