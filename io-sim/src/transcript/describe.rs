//! One stanza, one sight, in a few words.

use core::fmt::Write as _;

use bytes::Bytes;
use eyot_core::io::{Answer, CloseCause, Command, Refusal};
use eyot_core::xml::{Element, Node, ns};

use crate::client::{Gs2, Nonza, Over, Sight, condition_of, xmlns};
use crate::world::NodeSight;

/// A body is shown up to so many letters.
const BODY_MAX: usize = 48;

/// Where a text is read: in which domain, and from which side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// Addresses of this domain are written without it.
    pub(crate) domain: &'a str,
}

impl Place<'_> {
    /// Returns an address as people of this domain write it.
    pub(crate) fn address(self, address: &str) -> String {
        let (bare, resource) =
            address.split_once('/').map_or((address, None), |(bare, rest)| (bare, Some(rest)));
        let local = bare.strip_suffix(self.domain).and_then(|local| local.strip_suffix('@'));
        let mut out = String::from(local.unwrap_or(bare));
        if let Some(resource) = resource {
            out.push('/');
            out.push_str(resource);
        }
        out
    }
}

/// Describes what was sent: a stanza, or text that is none.
fn sent(place: Place<'_>, bytes: &Bytes) -> String {
    Element::parse(bytes.clone()).map_or_else(
        |_| format!("text: {}", shown(&String::from_utf8_lossy(bytes))),
        |element| stanza(place, &element, true),
    )
}

/// Describes a stanza that was sent (shown with its `to`) or got (with its `from`).
fn stanza(place: Place<'_>, element: &Element, sent: bool) -> String {
    let mut out = String::from(element.name());
    let kind = element.attr("type").unwrap_or_default();
    let plain = matches!((element.name(), &*kind), ("message", "chat" | "normal") | (_, ""));
    if !plain {
        push(&mut out, &kind);
    }
    if let Some(condition) = condition_of(element) {
        push(&mut out, &condition);
    } else if element.name() == "iq" {
        push(&mut out, &payload(element));
    }
    let (word, other) = if sent { ("to", element.attr("to")) } else { ("from", element.attr("from")) };
    if let Some(other) = other {
        push(&mut out, word);
        push(&mut out, &place.address(&other));
    }
    match element.name() {
        "message" if kind != "error" => {
            let (how, body) = said(place, element);
            push(&mut out, &how);
            if let Some(body) = body {
                out.push_str(": ");
                out.push_str(&shown(&body));
            }
        }
        "presence" => out.push_str(&presence_details(element)),
        _ => {}
    }
    out
}

/// Returns what a message says, and how: itself, as a copy, or out of an archive.
fn said(place: Place<'_>, element: &Element) -> (String, Option<String>) {
    let whole = element.tree();
    let wrapped = whole.children().find_map(|child| match (child.name(), child.ns()) {
        ("result", xmlns::MAM) => Some((child, "archived")),
        ("sent", xmlns::CARBONS) => Some((child, "copy of one sent")),
        ("received", xmlns::CARBONS) => Some((child, "copy of one received")),
        _ => None,
    });
    let inner = wrapped.and_then(|(wrapper, how)| {
        let message = wrapper.child("forwarded", xmlns::FORWARD)?.child("message", ns::CLIENT)?;
        Some((message, how))
    });
    let body = |message: &Node| message.child("body", ns::CLIENT).map(Node::text);
    inner.map_or_else(
        || (String::new(), body(&whole)),
        |(message, how)| {
            let from = message.attr("from").map(|from| format!(" by {}", place.address(from)));
            (format!("({how}{})", from.unwrap_or_default()), body(message))
        },
    )
}

fn presence_details(element: &Element) -> String {
    let details: Vec<String> = ["show", "status", "priority"]
        .iter()
        .filter_map(|name| {
            let text = shown(&element.child(name, ns::CLIENT)?.text());
            Some(if *name == "priority" { format!("priority {text}") } else { text })
        })
        .collect();
    if details.is_empty() { String::new() } else { format!(" ({})", details.join(", ")) }
}

/// Names what an IQ carries, and what is in it.
fn payload(element: &Element) -> String {
    let Some(child) = element.children().find(|child| child.name() != "error") else { return String::new() };
    let mut out = if child.name() == "query" {
        let tail = child.ns().rsplit(['/', ':']).next();
        String::from(tail.unwrap_or_default())
    } else {
        String::from(child.name())
    };
    let tree = child.tree();
    let mut inside: Vec<(&str, u32)> = Vec::new();
    for part in tree.children() {
        match inside.iter_mut().find(|(name, _)| *name == part.name()) {
            Some((_, count)) => *count += 1,
            None => inside.push((part.name(), 1)),
        }
    }
    for (index, (name, count)) in inside.iter().enumerate() {
        out.push_str(if index == 0 { " (" } else { ", " });
        if *count > 1 {
            // Writing to a string cannot fail.
            write!(out, "{count} ").expect("a String takes everything");
        }
        out.push_str(name);
    }
    if !inside.is_empty() {
        out.push(')');
    }
    out
}

/// Describes what a client did or saw: the sign of its direction and the words; nothing for what is not shown.
pub(crate) fn sight(place: Place<'_>, sight: &Sight) -> Option<(char, String)> {
    let told = match sight {
        Sight::Connecting { over } => ('>', format!("connect, {}", over_words(*over))),
        Sight::Refused => ('!', "refused: nobody listens there".into()),
        Sight::StartTls => ('>', "starttls".into()),
        Sight::TlsRefused => ('<', "starttls refused".into()),
        Sight::Secured => ('<', "secured".into()),
        Sight::NotOffered(feature) => ('!', format!("the server does not offer {feature}")),
        Sight::Login { mechanism, gs2 } => ('>', login_words(mechanism, *gs2)),
        Sight::LoggedIn => ('<', "logged in".into()),
        Sight::LoginFailed { condition } => ('<', format!("login failed: {condition}")),
        Sight::ServerDistrusted { why } => ('!', format!("the server is not trusted: {why}")),
        Sight::Bind { resource } => ('>', format!("bind {}", resource.as_deref().unwrap_or_default())),
        Sight::Bound { jid, .. } => ('<', format!("bound {}", place.address(jid))),
        Sight::BindFailed { condition } => ('<', format!("bind failed: {condition}")),
        Sight::Registering { user } => ('>', format!("register {user}")),
        Sight::Registered => ('<', "registered".into()),
        Sight::RegisterFailed { condition } => ('<', format!("registration failed: {condition}")),
        Sight::Sent(bytes) => ('>', sent(place, bytes)),
        Sight::Got(element) => ('<', stanza(place, element, false)),
        Sight::StreamError { condition } => ('<', format!("stream error: {condition}")),
        Sight::Closing => ('>', "close".into()),
        Sight::StreamEnd => ('<', "close".into()),
        Sight::Nonsense(what) => ('!', format!("the server speaks nonsense: {what}")),
        Sight::Closed(cause) => ('!', cause_words(*cause).into()),
        Sight::NotConnected(what) => ('!', format!("cannot {what}: no stream")),
        Sight::Nonza(nonza) => nonza_words(place, nonza),
        Sight::Features(_) | Sight::Wire { .. } => return None,
    };
    Some((told.0, String::from(told.1.trim_end())))
}

fn nonza_words(place: Place<'_>, nonza: &Nonza) -> (char, String) {
    let of = |h: &Option<u32>| h.map(|h| format!(", h {h}")).unwrap_or_default();
    match nonza {
        Nonza::Enabling { resume } => ('>', if *resume { "enable resumption" } else { "enable acks" }.into()),
        Nonza::Enabled { id: None, .. } => ('<', "acks enabled".into()),
        Nonza::Enabled { max: None, .. } => ('<', "resumption enabled".into()),
        Nonza::Enabled { max: Some(max), .. } => ('<', format!("resumption enabled, {max} s")),
        Nonza::NotEnabled { condition } => ('<', format!("acks refused: {condition}")),
        Nonza::Asks => ('>', "ask for ack".into()),
        Nonza::Asked => ('<', "asked for ack".into()),
        Nonza::Answers { h } | Nonza::Says { h } => ('>', format!("ack, h {h}")),
        Nonza::Acked { h } => ('<', format!("acked, h {h}")),
        Nonza::Resuming { h } => ('>', format!("resume, h {h}")),
        Nonza::Resumed { h } => ('<', format!("resumed, h {h}")),
        Nonza::ResumeFailed { condition, h } => ('<', format!("resume failed: {condition}{}", of(h))),
        Nonza::Again(bytes) => ('>', format!("again: {}", sent(place, bytes))),
        Nonza::Active(true) => ('>', "active".into()),
        Nonza::Active(false) => ('>', "inactive".into()),
        Nonza::FormerError { condition } => {
            ('<', format!("stream error on the connection before: {condition}"))
        }
        Nonza::FormerEnded => ('!', "the connection before closed".into()),
    }
}

/// Describes what can be told of a node, if it is of interest.
pub(crate) fn node_sight(place: Place<'_>, sight: &NodeSight) -> Option<(char, String)> {
    Some(match sight {
        NodeSight::Ready(boot) => ('!', format!("ready, start {}", boot.start)),
        NodeSight::Asked(_, command) => ('>', command_words(place, command)),
        NodeSight::Answered(_, answer) => ('<', answer_words(place, answer)),
        NodeSight::Killed => ('!', "killed".into()),
        NodeSight::PowerOff => ('!', "power off".into()),
        NodeSight::Stopped => ('!', "stopped".into()),
        NodeSight::Linked(peer) => ('!', format!("reaches {peer}")),
        NodeSight::Route(peer, route) if route.is_empty() => ('!', format!("reaches {peer} itself")),
        NodeSight::Route(peer, route) if route.starts_with("over ") => {
            ('!', format!("reaches {peer} {route}"))
        }
        NodeSight::Route(peer, route) => ('!', format!("reaches {peer} by {route}")),
        NodeSight::Unlinked(peer, why) => ('!', format!("does not reach {peer}: {why}")),
        NodeSight::Level(domain, level, there) => {
            ('!', format!("durability of {domain} {level}: {there} of {}", level.wanted()))
        }
        NodeSight::Started | NodeSight::Synced(_) => return None,
    })
}

const fn over_words(over: Over) -> &'static str {
    match over {
        Over::StartTls => "STARTTLS",
        Over::DirectTls => "direct TLS",
        Over::Plain => "no TLS",
    }
}

fn login_words(mechanism: &str, gs2: Option<Gs2>) -> String {
    let binding = match gs2 {
        Some(Gs2::Exporter) => " tls-exporter",
        Some(Gs2::ServerEndPoint) => " tls-server-end-point",
        Some(Gs2::ServerCannot) => " (flag y)",
        Some(Gs2::ClientCannot) | None => "",
    };
    format!("login {mechanism}{binding}")
}

const fn cause_words(cause: CloseCause) -> &'static str {
    match cause {
        CloseCause::Closed => "connection closed",
        CloseCause::Reset => "connection reset",
        CloseCause::Tls => "TLS failed",
        CloseCause::TimedOut => "connection timed out",
    }
}

fn command_words(place: Place<'_>, command: &Command) -> String {
    match command {
        Command::UserAdd { user, .. } => format!("user add {}", place.address(user.as_str())),
        Command::UserPasswd { user, .. } => format!("user passwd {}", place.address(user.as_str())),
        Command::UserRemove { user } => format!("user remove {}", place.address(user.as_str())),
        Command::UserList { domain, .. } => format!("user list {domain}"),
        Command::EnsureAdmin { domain } => format!("ensure an admin of {domain}"),
        Command::Shutdown => "stop".into(),
    }
}

fn answer_words(place: Place<'_>, answer: &Answer) -> String {
    match answer {
        Answer::Done => "done".into(),
        Answer::Account { user, drawn: None } => format!("account {}", place.address(user.as_str())),
        Answer::Account { user, drawn: Some(_) } => {
            format!("account {}, with a drawn password", place.address(user.as_str()))
        }
        Answer::Accounts { users, more } => {
            let names: Vec<String> = users.iter().map(|user| place.address(user.as_str())).collect();
            format!("accounts {}{}", names.join(" "), if *more { " and more" } else { "" })
        }
        Answer::Refused(refusal) => format!("refused: {}", refusal_words(*refusal)),
    }
}

/// Names a refusal the way scenarios write it.
pub(crate) const fn refusal_words(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Exists => "exists",
        Refusal::NoSuchUser => "no-such-user",
        Refusal::NoSuchDomain => "no-such-domain",
        Refusal::BadPassword => "bad-password",
        Refusal::Busy => "busy",
        Refusal::Store(_) => "store",
        Refusal::Stopping => "stopping",
    }
}

/// Cuts what is long, shows what is invisible.
fn shown(text: &str) -> String {
    let mut out: String = text.chars().take(BODY_MAX).flat_map(char::escape_debug).collect();
    out = out.replace("\\'", "'").replace("\\\"", "\"");
    if text.chars().nth(BODY_MAX).is_some() {
        write!(out, "... ({} bytes)", text.len()).expect("a String takes everything");
    }
    out
}

fn push(out: &mut String, word: &str) {
    if !word.is_empty() {
        out.push(' ');
        out.push_str(word);
    }
}
