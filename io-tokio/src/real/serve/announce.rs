//! What `eyot serve` tells its operator at the start: what it did, where it listens, what to do next.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, absolute};

use eyot_core::io::{Answer, ConnKind};

use super::Bound;
use crate::real::certificate::Loaded;
use crate::real::cli::say;
use crate::real::config::Settings;
use crate::real::data_dir::DataDir;

/// Says it all on standard output.
pub(super) fn announce(
    settings: &Settings,
    dir: &DataDir,
    certificate: &Loaded,
    bound: &[Bound],
    admin: Option<&Answer>,
) {
    let listeners: Vec<_> = bound.iter().map(|bound| (bound.addr, bound.kind)).collect();
    let domains: Vec<_> = settings.node.domains.iter().map(|domain| domain.name.as_str()).collect();
    let mut text = format!("eyot serves {}\n", domains.join(", "));
    let data = absolute_path(dir.paths().dir());
    line(&mut text, "data", &format!("{data}{}", if dir.was_created() { " (created)" } else { "" }));
    for (addr, kind) in &listeners {
        let name = match kind {
            ConnKind::ClientStartTls => "STARTTLS",
            ConnKind::ClientDirectTls => "direct TLS",
            ConnKind::Peer => "other nodes",
        };
        line(&mut text, "listens on", &format!("{addr} ({name})"));
    }
    if let Some(cluster) = &settings.node.cluster {
        let others: Vec<_> = cluster.members.iter().filter(|member| member.node != cluster.node).collect();
        let names: Vec<_> = others.iter().map(|member| member.name.as_str()).collect();
        line(&mut text, "member", &format!("{} of a cluster with {}", settings.node.node, names.join(", ")));
    }
    let path = absolute_path(&certificate.files.certificate);
    let hint = if certificate.self_made { " (self-made: clients must be told to trust it)" } else { "" };
    line(&mut text, "certificate", &format!("{path}{hint}"));
    line(&mut text, "SHA-256", &certificate.fingerprint);
    if let Some(Answer::Account { user, drawn: Some(password) }) = admin {
        let password = String::from_utf8_lossy(&password.0);
        line(&mut text, "account", &format!("{user}, password {password} (shown this once)"));
        let target = listeners.iter().find(|(_, kind)| *kind == ConnKind::ClientStartTls);
        if let Some((addr, _)) = target {
            let ca = certificate.self_made.then_some(path.as_str());
            line(&mut text, "log in", &client_line(user.as_str(), &password, *addr, ca));
        }
    }
    if let Some(clients) = clients_line(domains.first().copied(), &listeners, certificate.self_made) {
        line(&mut text, "clients", &clients);
    }
    line(&mut text, "add a user", &format!("{} user add alice --data {}", quote(&program()), quote(&data)));
    say(text.trim_end());
}

fn line(text: &mut String, name: &str, value: &str) {
    writeln!(text, "  {name:<12} {value}").expect("writing to a String cannot fail");
}

fn absolute_path(path: &Path) -> String {
    absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

/// This program as a shell finds it from any directory.
fn program() -> String {
    std::env::current_exe().map_or_else(|_| "eyot".into(), |path| path.display().to_string())
}

/// A command that logs in with slixmpp, verifies the certificate, and says so.
fn client_line(user: &str, password: &str, addr: SocketAddr, ca: Option<&str>) -> String {
    let trust = ca.map(|path| format!("c.ca_certs = {path:?}; ")).unwrap_or_default();
    let host = host(addr);
    let script = format!(
        "import slixmpp; c = slixmpp.ClientXMPP({user:?}, {password:?}); {trust}\
         c.add_event_handler(\"session_start\", lambda _: (print(\"logged in as\", c.boundjid), c.disconnect())); \
         c.connect({host:?}, {}); c.loop.run_until_complete(c.disconnected)",
        addr.port()
    );
    format!("python3 -c {}", quote(&script))
}

/// What people type into a client: the domain's own name need not lead here, so host and port are given.
fn clients_line(
    domain: Option<&str>,
    listeners: &[(SocketAddr, ConnKind)],
    self_made: bool,
) -> Option<String> {
    let of_kind = |wanted| listeners.iter().find(move |(_, kind)| *kind == wanted);
    let (addr, kind) =
        of_kind(ConnKind::ClientStartTls).or_else(|| of_kind(ConnKind::ClientDirectTls)).copied()?;
    let (profanity, gajim) = match kind {
        ConnKind::ClientStartTls => ("", ""),
        ConnKind::ClientDirectTls | ConnKind::Peer => (" tls legacy", ", direct TLS"),
    };
    let trust = if self_made { "; trust the certificate with the SHA-256 above" } else { "" };
    let (domain, host, port) = (domain?, host(addr), addr.port());
    Some(format!(
        "profanity: /connect NAME@{domain} server {host} port {port}{profanity}; \
         Gajim: custom host {host}, port {port}{gajim}{trust}"
    ))
}

fn host(addr: SocketAddr) -> String {
    if addr.ip().is_unspecified() { "localhost".into() } else { addr.ip().to_string() }
}

/// Quotes for a POSIX shell.
fn quote(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_a_quoted_text_as_one_word() {
        assert_eq!(quote("/srv/eyot-data"), "/srv/eyot-data");
        assert_eq!(quote("it's"), r"'it'\''s'");
        assert_eq!(quote("$(reboot) `x`"), "'$(reboot) `x`'");
        assert_eq!(quote(""), "''");
    }
    #[test]
    fn people_are_told_how_their_client_finds_the_node_and_what_to_trust() {
        let starttls = ("0.0.0.0:5222".parse().unwrap(), ConnKind::ClientStartTls);
        let direct = ("192.0.2.1:5223".parse().unwrap(), ConnKind::ClientDirectTls);
        let said = |listeners: &[_], self_made| clients_line(Some("river.example"), listeners, self_made);
        assert_eq!(
            said(&[direct, starttls], true).unwrap(),
            "profanity: /connect NAME@river.example server localhost port 5222; \
             Gajim: custom host localhost, port 5222; trust the certificate with the SHA-256 above"
        );
        assert_eq!(
            said(&[direct], false).unwrap(),
            "profanity: /connect NAME@river.example server 192.0.2.1 port 5223 tls legacy; \
             Gajim: custom host 192.0.2.1, port 5223, direct TLS"
        );
    }
}
