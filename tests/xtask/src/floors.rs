//! Floors: a module of core imports from lower floors only, and the drivers from a list.
//!
//! `core/layers.txt` is the table; its head explains the form.

use std::collections::BTreeMap;

use crate::repo::{Finding, Repo};
use crate::source;

const TABLE: &str = "core/layers.txt";

/// The table of floors.
#[derive(Debug, Default)]
pub struct Floors {
    /// The floor and the room of each module of core.
    modules: BTreeMap<String, (u32, usize)>,
    /// The modules each other crate may use, by the crate's folder.
    outside: BTreeMap<String, Vec<String>>,
}

impl Floors {
    /// Reads the table.
    ///
    /// # Errors
    ///
    /// A finding at the line that cannot be read.
    pub fn parse(text: &str) -> Result<Self, Finding> {
        let mut floors = Self::default();
        let mut room = 0;
        for (index, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default();
            let mut words = line.split_whitespace();
            let Some(first) = words.next() else { continue };
            if let Ok(floor) = first.parse() {
                for word in words {
                    room += 1;
                    for module in word.split('+') {
                        if floors.modules.insert(module.into(), (floor, room)).is_some() {
                            return Err(Finding::at(TABLE, index + 1, format!("`{module}` stands twice")));
                        }
                    }
                }
            } else if floors.outside.insert(first.into(), words.map(Into::into).collect()).is_some() {
                return Err(Finding::at(TABLE, index + 1, format!("`{first}` stands twice")));
            }
        }
        Ok(floors)
    }

    /// Returns the module of the table that a path leads to, and where it stands.
    fn module(&self, path: &[String]) -> Option<(String, (u32, usize))> {
        let [first, rest @ ..] = path else { return None };
        if let Some(second) = rest.first().filter(|second| second.starts_with(char::is_lowercase)) {
            let name = format!("{first}::{second}");
            if let Some(place) = self.modules.get(&name) {
                return Some((name, *place));
            }
            if let Some((floor, _)) = self.modules.get(&format!("{first}::*")) {
                // Each child is a room of its own: strangers on one floor.
                return Some((name, (*floor, usize::MAX)));
            }
        }
        self.modules.get(first).map(|place| (first.clone(), *place))
    }

    fn may_use(&self, own: &[String], other: &[String]) -> Result<(), String> {
        let absent = |path: &[String]| format!("`{}` stands not in {TABLE}", path.join("::"));
        let (own, (floor, room)) = self.module(own).ok_or_else(|| absent(own))?;
        let (other, (below, other_room)) = self.module(other).ok_or_else(|| absent(other))?;
        let one_room = room == other_room && room != usize::MAX;
        if own == other || below < floor || one_room {
            return Ok(());
        }
        Err(format!("`{own}` (floor {floor}) uses `{other}` (floor {below}): only lower floors"))
    }
}

/// Finds imports that go sideways or up, and modules that are in one of table and source only.
pub fn check(repo: &Repo) -> Vec<Finding> {
    let floors = match Floors::parse(repo.text(TABLE).unwrap_or_default()) {
        Ok(floors) => floors,
        Err(finding) => return vec![finding],
    };
    let mut findings = Vec::new();
    let mut seen = Vec::new();
    for (path, text) in repo.rust("core/src/") {
        let own = module_path(path);
        if own.is_empty() {
            continue;
        }
        seen.extend(floors.module(&own).map(|(name, _)| name));
        for (line, used) in uses(&own, &source::code(&source::before_tests(text))) {
            findings.extend(floors.may_use(&own, &used).err().map(|what| Finding::at(path, line, what)));
        }
        if floors.module(&own).is_none() {
            findings.push(Finding::of(path, format!("`{}` stands not in {TABLE}", own.join("::"))));
        }
    }
    for module in floors.modules.keys() {
        let there = match module.strip_suffix('*') {
            Some(parent) => seen.iter().any(|name| name.starts_with(parent)),
            None => seen.contains(module),
        };
        if !there {
            findings.push(Finding::of(TABLE, format!("there is no module `{module}`")));
        }
    }
    for (folder, allowed) in &floors.outside {
        findings.extend(check_outside(repo, folder, allowed));
    }
    findings.sort();
    findings.dedup();
    findings
}

fn check_outside(repo: &Repo, folder: &str, allowed: &[String]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in repo.rust(&format!("{folder}/src/")) {
        for (line, used) in source::paths(&source::code(&source::before_tests(text)), "eyot_core") {
            if !used.first().is_some_and(|module| allowed.contains(module)) {
                let what =
                    format!("uses `eyot_core::{}`: {TABLE} gives {folder} other modules", used.join("::"));
                findings.push(Finding::at(path, line, what));
            }
        }
    }
    findings
}

/// The path of a file's module below the crate: empty for `lib.rs`.
fn module_path(path: &str) -> Vec<String> {
    let inner = path.trim_start_matches("core/src/").trim_end_matches(".rs").trim_end_matches("/mod");
    inner.split('/').filter(|part| *part != "lib").map(Into::into).collect()
}

/// Every path of the crate that a file mentions, from the crate's root.
fn uses(own: &[String], code: &str) -> Vec<(usize, Vec<String>)> {
    let mut found = source::paths(code, "crate");
    for (line, path) in source::paths(code, "super") {
        let ups = 1 + path.iter().take_while(|part| *part == "super").count();
        let parents = own.get(..own.len().saturating_sub(ups)).unwrap_or_default();
        let rest = path.iter().skip(ups - 1).cloned();
        found.push((line, parents.iter().cloned().chain(rest).collect()));
    }
    // `$crate` of a macro is followed in the files that call it; `self` stays at home.
    found.retain(|(_, path)| path.first().is_some_and(|part| part != "self"));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOORS: &str = "\
# words
2  top  service::*
1  io+trace  jid
0  time
io-x  io
";

    fn found(path: &str, text: &str) -> Vec<String> {
        let mut files = vec![
            (TABLE, FLOORS),
            ("core/src/lib.rs", "pub use crate::top::T;"),
            ("core/src/time.rs", ""),
            ("core/src/jid/mod.rs", "use super::time::T;"),
            ("core/src/io.rs", "use crate::trace::E;"),
            ("core/src/trace.rs", "use crate::io::E;"),
            ("core/src/top.rs", "use crate::{io::E, jid::J};"),
            ("core/src/service/disco.rs", "use crate::jid::J;\n#[cfg(test)]\nuse crate::top::T;"),
            ("core/src/service/ping/mod.rs", ""),
        ];
        files.retain(|(own, _)| *own != path);
        files.push((path, text));
        check(&Repo::of(&files)).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn a_house_in_order_has_no_findings() {
        assert_eq!(found("core/src/time.rs", ""), Vec::<String>::new());
    }

    #[test]
    fn nobody_looks_up_or_sideways() {
        assert_eq!(found("core/src/time.rs", "use crate::jid::J;").len(), 1);
        assert_eq!(found("core/src/jid/part.rs", "use super::super::io::E;").len(), 1);
        assert_eq!(found("core/src/service/ping/mod.rs", "use crate::service::disco::D;").len(), 1);
        assert_eq!(found("core/src/service/ping/wire.rs", "fn f(e: crate::service::disco::D) {}").len(), 1);
        assert_eq!(
            found("core/src/service/ping/wire.rs", "use super::D; use crate::service::ping::E;").len(),
            0
        );
    }

    #[test]
    fn strangers_to_the_table_are_found_on_both_sides() {
        assert_eq!(found("core/src/new.rs", "").len(), 1);
        let gone = check(&Repo::of(&[(TABLE, "0 gone\n")]));
        assert_eq!(gone.len(), 1);
    }

    #[test]
    fn a_driver_keeps_to_its_list() {
        assert_eq!(found("io-x/src/a.rs", "use eyot_core::io::E;").len(), 0);
        assert_eq!(found("io-x/src/a.rs", "use eyot_core::{io::E, jid::J};").len(), 1);
    }
}
