//! What a cluster on this machine needs before it starts: keys, a secret, a configuration for each node.

use std::fmt::Write as _;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf, absolute};

use super::Wanted;
use crate::peer_tls::show_key;
use crate::real::data_dir::{DataDir, Paths, write_private};
use crate::real::membership::{draw_secret, load_key};

/// The ports of two nodes lie so far apart.
const STEP: u16 = 10;
/// The ports of one node, after its first.
const DIRECT_TLS: u16 = 1;
const PEERS: u16 = 8;

/// Makes what is missing and returns the name and the configuration file of each node.
pub(super) fn prepare(wanted: &Wanted) -> Result<Vec<(String, PathBuf)>, String> {
    let dir = absolute(&wanted.dir).map_err(|error| error.to_string())?;
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&dir);
    made.map_err(|error| format!("{}: {error}", dir.display()))?;
    let file = |at: u16| dir.join(format!("n{at}.toml"));
    let there = (0..).take_while(|at| file(*at).exists()).count();
    if there > 0 && there != usize::from(wanted.nodes) {
        return Err(format!(
            "{} holds a cluster of {there}. Start it with `eyot dev-cluster {there}`, or choose another --data.",
            dir.display()
        ));
    }
    let nodes: Vec<_> = (0..wanted.nodes).map(|at| (format!("n{at}"), file(at))).collect();
    if there == 0 {
        make(wanted, &dir, &nodes)?;
    }
    Ok(nodes)
}

fn make(wanted: &Wanted, dir: &Path, nodes: &[(String, PathBuf)]) -> Result<(), String> {
    if wanted.nodes.checked_mul(STEP).and_then(|ports| ports.checked_add(wanted.port)).is_none() {
        return Err("there are not so many ports above --port".into());
    }
    let secret = dir.join("cluster.secret");
    let drawn = draw_secret().map_err(|error| error.to_string())?;
    write_private(&secret, &drawn).map_err(|error| error.to_string())?;
    let mut members = String::new();
    for (at, (name, _)) in (0..).zip(nodes) {
        let data = DataDir::create(Paths::new(dir.join(name))).map_err(|error| error.to_string())?;
        let key = load_key(data.paths()).map_err(|error| error.to_string())?.key();
        let port = wanted.port + at * STEP + PEERS;
        let number = at + 1;
        write!(
            members,
            "\n[[cluster.member]]\nnumber = {number}\nname = \"{name}\"\nsite = \"here\"\nkey = \"{}\"\n\
             address = \"127.0.0.1:{port}\"\nlink = \"lan\"\n",
            show_key(&key)
        )
        .expect("writing to a String cannot fail");
    }
    for (at, (name, file)) in (0..).zip(nodes) {
        let (data, first) = (dir.join(name), wanted.port + at * STEP);
        let text = format!(
            "# Made by `eyot dev-cluster`, which does not change it.\nnode = \"{name}\"\ndata = {data:?}\n\n\
             [listen]\nstarttls = [\"127.0.0.1:{first}\"]\ndirect_tls = [\"127.0.0.1:{}\"]\n\n\
             [[domain]]\nname = {:?}\n\n\
             [cluster]\nlisten = [\"127.0.0.1:{}\"]\nsecret = {secret:?}\n{members}",
            first + DIRECT_TLS,
            wanted.domain,
            first + PEERS,
        );
        write_private(file, &text).map_err(|error| error.to_string())?;
    }
    Ok(())
}
