//! Purity: core reads no clock, socket, file, environment or system entropy, and the production server
//! holds no simulator.

use crate::repo::{Finding, Repo};
use crate::run;
use crate::source;

/// Modules of the standard library that core must not name.
const STD_MODULES: &[&str] = &["time", "net", "fs", "env", "process", "thread"];
/// Types whose order of iteration depends on system entropy.
const RANDOM_TYPES: &[&str] = &["HashMap", "HashSet", "RandomState"];
/// Packages that bring an impurity with them.
const CORE_PACKAGES: &[&str] = &["getrandom", "tokio", "mio", "socket2", "madsim", "madsim-tokio"];
/// Packages of the simulator's second tier.
const SIMULATOR_PACKAGES: &[&str] = &["madsim", "madsim-tokio", "madsim-macros"];

/// Finds impure names in the sources of core.
pub fn check_sources(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in repo.rust("core/src/") {
        let code = source::code(text);
        for (line, used) in source::paths(&code, "std") {
            if used.first().is_some_and(|module| STD_MODULES.contains(&module.as_str())) {
                let what = format!("`std::{}`: core gets this as a value, from the driver", used.join("::"));
                findings.push(Finding::at(path, line, what));
            }
        }
        for (line, token) in source::tokens(&code) {
            if RANDOM_TYPES.contains(&token) {
                let what = format!("`{token}`: its order is random; use a BTreeMap or an order-keeping map");
                findings.push(Finding::at(path, line, what));
            }
        }
    }
    findings
}

/// Finds impure packages under core, and the simulator under the server.
pub fn check_packages(repo: &Repo) -> Vec<Finding> {
    let core = tree(repo, &["-p", "eyot-core", "-e", "normal"], "core/Cargo.toml", CORE_PACKAGES);
    let server =
        tree(repo, &["-p", "eyot-io-tokio", "-e", "normal,build"], "io-tokio/Cargo.toml", SIMULATOR_PACKAGES);
    let mut findings: Vec<_> = core.into_iter().chain(server).collect();
    findings.extend(check_flags(repo));
    findings
}

/// Finds the simulator's flag where it would reach the production build.
fn check_flags(repo: &Repo) -> Vec<Finding> {
    let config = ".cargo/config.toml";
    let text = repo.text(config).unwrap_or_default();
    let flagged = text.lines().position(|line| line.contains("madsim"));
    flagged
        .map(|index| Finding::at(config, index + 1, "the simulator's flag belongs to `cargo xtask stack`"))
        .into_iter()
        .collect()
}

fn tree(repo: &Repo, args: &[&str], manifest: &str, forbidden: &[&str]) -> Vec<Finding> {
    let mut all = vec!["tree", "--prefix", "none", "--format", "{p}"];
    all.extend(args);
    match run::output(run::cargo(), &all, repo.root()) {
        Ok(listed) => packages(&listed, forbidden)
            .map(|name| {
                Finding::of(manifest, format!("`{name}` is in its dependency tree (cargo tree -i {name})"))
            })
            .collect(),
        Err(error) => vec![Finding::of(manifest, error)],
    }
}

/// The forbidden packages in what `cargo tree` printed, each once.
fn packages<'a>(listed: &'a str, forbidden: &'a [&str]) -> impl Iterator<Item = &'a str> {
    forbidden.iter().copied().filter(|name| listed.lines().any(|line| line.split(' ').next() == Some(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_sockets_and_random_maps_are_found() {
        let bad = "use std::time::Instant;\nuse std::{fs::File, sync::Arc};\nlet x: std::collections::HashMap<u8, u8>;";
        let found = check_sources(&Repo::of(&[("core/src/a.rs", bad)]));
        assert_eq!(found.iter().map(|finding| finding.line).collect::<Vec<_>>(), [1, 2, 3]);
    }

    #[test]
    fn words_in_comments_and_our_own_time_are_no_offence() {
        let good = "// std::time and HashMap\nuse crate::time::Instant; use std::sync::Arc;";
        assert_eq!(
            check_sources(&Repo::of(&[("core/src/a.rs", good), ("io-tokio/src/b.rs", "std::fs::File")])),
            []
        );
    }

    #[test]
    fn an_impure_package_is_found_by_its_whole_name() {
        let listed = "eyot-core v0.1.0\ntokio-macros v2.0.0\ngetrandom v0.4.0\nrand v0.10.0 (*)\n";
        assert_eq!(packages(listed, CORE_PACKAGES).collect::<Vec<_>>(), ["getrandom"]);
    }

    #[test]
    fn the_simulators_flag_in_the_common_configuration_is_found() {
        let config = "[build]\nrustflags = [\"--cfg\", \"madsim\"]\n";
        assert_eq!(check_flags(&Repo::of(&[(".cargo/config.toml", config)])).len(), 1);
    }
}
