//! What a cluster on this machine needs before it starts: keys, a secret, a configuration for each node.

use std::fs::DirBuilder;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf, absolute};

use eyot_core::config::StaticCluster;
use eyot_core::jid::Domain;
use serde::Serialize;

use super::Wanted;
use crate::peer_tls::show_key;
use crate::real::config::cluster::{ClusterSection, Link, MemberSection};
use crate::real::config::file::{DomainSection, ListenSection};
use crate::real::config::time::Time;
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
    let there = (0..=u16::MAX).take_while(|at| file(*at).exists()).count();
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
    if Domain::parse(&wanted.domain).is_err() {
        return Err(format!("{:?} is no domain. Write a host name, such as example.org.", wanted.domain));
    }
    let secret = dir.join("cluster.secret");
    let drawn = draw_secret().map_err(|error| error.to_string())?;
    write_private(&secret, &drawn).map_err(|error| error.to_string())?;
    let mut members = Vec::new();
    for (at, (name, _)) in (0..).zip(nodes) {
        let data = DataDir::create(Paths::new(dir.join(name))).map_err(|error| error.to_string())?;
        let key = load_key(data.paths()).map_err(|error| error.to_string())?.key();
        members.push(MemberSection {
            number: u32::from(at) + 1,
            name: name.clone(),
            site: "here".into(),
            key: show_key(&key),
            address: at_loopback(wanted.port + at * STEP + PEERS).to_string(),
            link: Link::Lan,
            rate: None,
        });
    }
    for (at, (name, file)) in (0..).zip(nodes) {
        let first = wanted.port + at * STEP;
        let text = Written {
            node: name,
            data: dir.join(name),
            listen: ListenSection {
                starttls: Some(vec![at_loopback(first)]),
                direct_tls: Some(vec![at_loopback(first + DIRECT_TLS)]),
            },
            domain: [DomainSection::new(&wanted.domain)],
            cluster: ClusterSection {
                listen: vec![at_loopback(first + PEERS)],
                secret: Some(secret.clone()),
                address: None,
                site: None,
                link: None,
                grace: Time(StaticCluster::GRACE),
                hysteresis: Time(StaticCluster::HYSTERESIS),
                route: Vec::new(),
                member: members.clone(),
            },
        };
        let text = toml::to_string(&text).map_err(|error| error.to_string())?;
        let text = format!("# Made by `eyot dev-cluster`, which does not change it.\n{text}");
        write_private(file, &text).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// What is written into a file; all else is at its default.
#[derive(Serialize)]
struct Written<'a> {
    node: &'a str,
    data: PathBuf,
    listen: ListenSection,
    domain: [DomainSection; 1],
    cluster: ClusterSection,
}

fn at_loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}
