//! What the types of the file cannot say.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use eyot_core::config::{
    Config, ConfigError as NodeError, DomainConfig, Durability, Level, Short, ShowVersion,
};
use eyot_core::io::ConnKind;
use eyot_core::jid::Domain;

use super::cluster::{self, Members};
use super::error::{ConfigError, Source};
use super::file::{BelowLevel, DomainSection, File, LOCAL, LimitsSection, TlsSection};
use super::{Listen, Need, Overrides, Settings};
use crate::real::certificate::TlsFiles;
use crate::real::log::{LogSettings, check_filter};

const STARTTLS_PORT: u16 = 5222;
const DIRECT_TLS_PORT: u16 = 5223;
/// Bytes of the queue beside the largest stanza: what the server adds to it, and a few small ones.
const QUEUE_SPARE_BYTES: u64 = 8 * 1024;

pub(super) fn check(source: &Source<'_>, file: File, overrides: Overrides) -> Result<Settings, ConfigError> {
    check_limits(source, &file.limits)?;
    check_location(source, file.location.as_deref())?;
    let members =
        file.cluster.as_ref().map(|section| cluster::check(source, &file.node, section)).transpose()?;
    let (cluster, seat) = match members {
        Some(Members::File(cluster)) => (Some(cluster), None),
        Some(Members::Store(seat)) => (None, Some(seat)),
        None => (None, None),
    };
    let domains = domains(source, &file, &overrides.domains)?;
    let node = Config {
        node: file.node,
        domains,
        show_version: if file.show_version { ShowVersion::Yes } else { ShowVersion::No },
        location: file.location,
        cluster,
        seat,
        limits: file.limits.into(),
    };
    node.check().map_err(|error| {
        let problem = match &error {
            NodeError::NoDomain => "no domain is named".into(),
            NodeError::DomainTwice(domain) => format!("{domain} is named twice"),
            NodeError::Level(domain, there) => {
                return level_beyond(source, (&file.domain, domain), (&node, *there));
            }
            NodeError::NoMember
            | NodeError::TwoWays
            | NodeError::MemberTwice(_)
            | NodeError::MemberName(_)
            | NodeError::Members(_)
            | NodeError::Route(_) => return cluster::broken(source, &error),
        };
        source.value("domain", problem, "Name each domain once, each in a [[domain]] of its own.".into())
    })?;
    let mut listen =
        listeners(overrides.starttls.or(file.listen.starttls), ConnKind::ClientStartTls, STARTTLS_PORT);
    listen.extend(listeners(
        overrides.direct_tls.or(file.listen.direct_tls),
        ConnKind::ClientDirectTls,
        DIRECT_TLS_PORT,
    ));
    if listen.is_empty() {
        let remedy = "Give at least one address to `starttls` or `direct_tls`.";
        return Err(source.value("listen", "there is no listener".into(), remedy.into()));
    }
    let peers = file.cluster.map(|section| section.listen).unwrap_or_default();
    listen.extend(peers.into_iter().map(|addr| Listen { addr, kind: ConnKind::Peer, need: Need::Required }));
    Ok(Settings {
        node,
        data: overrides.data.unwrap_or(file.data),
        listen,
        tls: tls_files(source, file.tls)?,
        log: LogSettings { level: level(source, file.log.level, overrides.log)?, format: file.log.format },
        record: overrides.record,
    })
}

fn domains(source: &Source<'_>, file: &File, flags: &[String]) -> Result<Vec<DomainConfig>, ConfigError> {
    const REMEDY: &str = "Write a host name, such as example.org.";
    let sections = &file.domain;
    let config = |name: Domain, index: Option<usize>, section: &DomainSection| {
        let durability = durability(source, file, (index, section))?;
        Ok(DomainConfig { name, registration: section.registration.into(), durability })
    };
    if flags.is_empty() {
        let sections = sections.iter().enumerate();
        return sections
            .map(|(index, section)| {
                let problem = |error| format!("{:?} is no domain ({error:?})", section.name);
                let name = Domain::parse(&section.name).map_err(|error| {
                    source.value(&format!("domain[{index}].name"), problem(error), REMEDY.into())
                })?;
                config(name, Some(index), section)
            })
            .collect();
    }
    flags
        .iter()
        .map(|flag| {
            let name = Domain::parse(flag).map_err(|error| {
                ConfigError::flag("--domain", format!("{flag:?} is no domain ({error:?})"), REMEDY)
            })?;
            // A flag says which domains, the file what is special about them.
            match sections.iter().position(|section| section.name == *flag) {
                Some(index) => config(name, Some(index), &sections[index]),
                None => config(name, None, &DomainSection::new(flag)),
            }
        })
        .collect()
}

/// Returns where what is said in a domain has to be before it is acknowledged: as its section says, or the file.
fn durability(
    source: &Source<'_>,
    file: &File,
    (index, section): (Option<usize>, &DomainSection),
) -> Result<Durability, ConfigError> {
    let (key, text) = match (&section.durability, index) {
        (Some(text), Some(index)) => (format!("domain[{index}].durability"), text),
        (Some(_), None) | (None, _) => ("durability".into(), &file.durability),
    };
    let level = Level::parse(text).ok_or_else(|| {
        let remedy = "Use \"local\", or \"cluster:N\" or \"site:N\" with an N of 1 or more.";
        source.value(&key, format!("{text:?} is no level"), remedy.into())
    })?;
    let time = file.hold.0;
    if !(100_000..=300_000_000).contains(&time.as_micros()) {
        let problem = format!("{} is too short or too long", file.hold);
        return Err(source.value("hold", problem, "Use 100ms to 5min.".into()));
    }
    let short = match section.below_level.unwrap_or(file.below_level) {
        BelowLevel::Hold => Short::Hold { time },
        BelowLevel::Degrade => Short::Degrade,
    };
    Ok(Durability { level, short })
}

/// The level of a domain counts more than there are.
fn level_beyond(
    source: &Source<'_>,
    (sections, domain): (&[DomainSection], &Domain),
    (node, there): (&Config, usize),
) -> ConfigError {
    let own = |section: &DomainSection| section.name == domain.as_str() && section.durability.is_some();
    let key = sections.iter().position(own).map(|index| format!("domain[{index}].durability"));
    let level = node.domain(domain.as_str()).map_or(Level::Local, |domain| domain.durability.level);
    let (problem, remedy) = match (&node.cluster, level) {
        (None, _) => (
            format!("\"{level}\" counts other nodes, and this one is alone"),
            format!("Use {LOCAL:?}, or name the nodes in [cluster]."),
        ),
        (Some(_), Level::Site { .. }) => (
            format!("\"{level}\" counts more sites than the {there} of the members"),
            format!("Use \"site:{there}\" or less, or add members in other sites."),
        ),
        (Some(_), Level::Local | Level::Cluster { .. }) => (
            format!("\"{level}\" counts more members than the {there} there are"),
            format!("Use \"cluster:{there}\" or less, or add members."),
        ),
    };
    source.value(key.as_deref().unwrap_or("durability"), problem, remedy)
}

fn listeners(given: Option<Vec<SocketAddr>>, kind: ConnKind, port: u16) -> Vec<Listen> {
    if let Some(given) = given {
        return given.into_iter().map(|addr| Listen { addr, kind, need: Need::Required }).collect();
    }
    vec![
        Listen { addr: (Ipv4Addr::LOCALHOST, port).into(), kind, need: Need::Required },
        Listen { addr: (Ipv6Addr::LOCALHOST, port).into(), kind, need: Need::IfPossible },
    ]
}

fn tls_files(source: &Source<'_>, section: TlsSection) -> Result<Option<TlsFiles>, ConfigError> {
    let (present, missing) = match (section.certificate, section.key) {
        (None, None) => return Ok(None),
        (Some(certificate), Some(key)) => return Ok(Some(TlsFiles { certificate, key })),
        (Some(_), None) => ("tls.certificate", "key"),
        (None, Some(_)) => ("tls.key", "certificate"),
    };
    let remedy = format!("Add `{missing}`, or remove both and let a certificate be made.");
    Err(source.value(present, format!("`{missing}` is missing beside it"), remedy))
}

fn level(source: &Source<'_>, file: String, flag: Option<String>) -> Result<String, ConfigError> {
    const REMEDY: &str =
        "Use off, error, warn, info, debug, trace, or a filter such as \"info,eyot_io_tokio=debug\".";
    if let Some(level) = flag {
        return match check_filter(&level) {
            Ok(()) => Ok(level),
            Err(error) => Err(ConfigError::flag("--log", error, REMEDY)),
        };
    }
    match check_filter(&file) {
        Ok(()) => Ok(file),
        Err(error) => Err(source.value("log.level", error, REMEDY.into())),
    }
}

/// Checks each bound by itself.
fn check_bounds(source: &Source<'_>, limits: &LimitsSection) -> Result<(), ConfigError> {
    let least = [
        ("element_bytes_unauthenticated", limits.element_bytes_unauthenticated, 1024, "a login needs it"),
        ("elements_unauthenticated", limits.elements_unauthenticated, 8, "a login needs that many"),
        ("stanza_bytes", limits.stanza_bytes, 10_000, "RFC 6120, 13.12"),
        ("sasl_attempts", limits.sasl_attempts, 1, "nobody could log in"),
        ("sessions_per_account", limits.sessions_per_account, 1, "nobody could log in"),
        ("unauthenticated_per_peer", limits.unauthenticated_per_peer, 1, "nobody could log in"),
        ("connections", limits.connections, 1, "nobody could log in"),
        ("scram_iterations", limits.scram_iterations, 4096, "RFC 7677, 4"),
        ("derivations", limits.derivations, 1, "nobody could get a password"),
        ("undurable_bytes", limits.undurable_bytes, 1, "nothing could be read"),
        ("hot_accounts", limits.hot_accounts, 1, "accounts in use are in memory"),
        ("archive_page", limits.archive_page, 1, "no archive could be read"),
        ("archive_step", limits.archive_step, 1, "nothing old would be removed"),
        ("accounts_page", limits.accounts_page, 1, "accounts could not be listed"),
    ];
    for (name, value, least, why) in least {
        if value < least {
            let key = format!("limits.{name}");
            return Err(source.value(
                &key,
                format!("{value} is too small: {why}"),
                format!("Use at least {least}."),
            ));
        }
    }
    // Beyond these, core would have to read more rows at once than it does.
    let most = [
        ("contacts_known", limits.contacts_known, 10_000, "of one account"),
        ("tombstones", limits.tombstones, 128, "of one account"),
        ("unacked_bytes", limits.unacked_bytes, 32 * 1024 * 1024, "of one session"),
    ];
    for (name, value, most, of) in most {
        if value > most {
            let key = format!("limits.{name}");
            let problem = format!("{value} is too large: the rows {of} could not be read at once");
            return Err(source.value(&key, problem, format!("Use at most {most}.")));
        }
    }
    for (name, time) in [
        ("login_time", limits.login_time),
        ("close_time", limits.close_time),
        ("flush_again", limits.flush_again),
        ("archive_sweep", limits.archive_sweep),
    ] {
        if time.0.as_micros() < 100_000 {
            let key = format!("limits.{name}");
            return Err(source.value(&key, format!("{time} is too short"), "Use at least 100ms.".into()));
        }
    }
    Ok(())
}

fn check_limits(source: &Source<'_>, limits: &LimitsSection) -> Result<(), ConfigError> {
    check_bounds(source, limits)?;
    check_queue(source, limits)?;
    if limits.unacked_bytes < limits.stanza_bytes {
        let key = source.written(["limits.unacked_bytes", "limits.stanza_bytes"]);
        let problem = format!(
            "an unacked_bytes of {} is smaller than a stanza_bytes of {}: one stanza could end a session",
            limits.unacked_bytes, limits.stanza_bytes
        );
        let remedy = format!("Use an unacked_bytes of at least {}.", limits.stanza_bytes);
        return Err(source.value(key, problem, remedy));
    }
    Ok(())
}

/// A location is a host, and a port where it is not the usual one (XEP-0198, 5).
fn check_location(source: &Source<'_>, location: Option<&str>) -> Result<(), ConfigError> {
    let Some(location) = location else { return Ok(()) };
    let (host, port) = match location.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        Some(_) | None => (location, None),
    };
    let is_port = |port: &str| port.parse::<u16>().is_ok_and(|port| port > 0);
    if Domain::parse(host).is_ok() && port.is_none_or(is_port) {
        return Ok(());
    }
    let problem = format!("{location:?} is no host with a port");
    Err(source.value("location", problem, "Write chat1.example.org, or [2001:db8::1]:5222.".into()))
}

/// The largest stanza has to fit in the queue of a reader who is prompt.
fn check_queue(source: &Source<'_>, limits: &LimitsSection) -> Result<(), ConfigError> {
    // Up to an eighth of the queue is written and not told yet, so seven eighths are there for certain.
    let least = (u64::from(limits.stanza_bytes) * 8).div_ceil(7) + QUEUE_SPARE_BYTES;
    if u64::from(limits.send_queue_bytes) >= least {
        return Ok(());
    }
    Err(source.value(
        source.written(["limits.send_queue_bytes", "limits.stanza_bytes"]),
        format!(
            "a send_queue_bytes of {} is too small for a stanza_bytes of {}: a prompt reader could be taken \
             for a slow one",
            limits.send_queue_bytes, limits.stanza_bytes
        ),
        format!("Use a send_queue_bytes of at least {least}, or a smaller stanza_bytes."),
    ))
}
