//! `domain`, `limit`, `nodes`, `site`, `link`, `slices`: how things are before anything happens.

use eyot_core::config::Registration;
use eyot_core::limits::{Bound, Limits, NoBound};
use eyot_core::time::Span;

use super::needs::needs;
use super::{Act, Parsed, Part, Scope, Stage, Trouble, Words};
use crate::engine::SimSpan;
use crate::net::LinkProfile;
use crate::script::capability::RESUMPTION;
use crate::script::words::span as span_of;
use crate::world::Slices;

/// Linux gives nobody less (`SOCK_MIN_RCVBUF`, in what may be asked for).
const BUFFERS_MIN: u32 = 2_304;
/// More than anybody asks for.
const BUFFERS_MAX: u32 = 16 << 20;

#[derive(Debug)]
struct ServedDomain {
    name: String,
    registration: Registration,
}

/// `domain NAME [registration open]`
pub(super) fn domain(words: &mut Words<'_>, scope: &mut Scope) -> Parsed {
    before_nodes(scope)?;
    let name = words.word("the name of the domain")?.into();
    let open = words.take("registration open");
    let registration = if open { Registration::Open } else { Registration::Closed };
    Ok(Box::new(ServedDomain { name, registration }))
}

impl Act for ServedDomain {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        stage.domains.push((self.name.clone(), self.registration));
        Ok(())
    }

    fn part(&self) -> Part {
        Part::Setting
    }
}

#[derive(Debug)]
struct Limit {
    key: String,
    value: Bound,
}

/// `limit KEY VALUE`, a key of `core/src/limits.rs`
pub(super) fn limit(words: &mut Words<'_>, scope: &mut Scope) -> Parsed {
    before_nodes(scope)?;
    let key = String::from(words.word("the name of the bound")?);
    let text = words.word("its value")?;
    let value = match (text.parse(), span_of(text)) {
        (Ok(number), _) => Bound::Number(number),
        (_, Some(span)) => Bound::Time(micros(span)),
        (Err(_), None) => return Err(format!("{text} is neither a number nor a time")),
    };
    set_limit(&mut Limits::default(), &key, value)?;
    Ok(Box::new(Limit { key, value }))
}

impl Act for Limit {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        Ok(set_limit(&mut stage.limits, &self.key, self.value)?)
    }

    fn part(&self) -> Part {
        Part::Setting
    }
}

fn set_limit(limits: &mut Limits, key: &str, value: Bound) -> Result<(), String> {
    limits.set(key, value).map_err(|why| match why {
        NoBound::Unknown => format!("there is no bound {key}"),
        NoBound::IsNumber => format!("{key} is a number"),
        NoBound::IsTime => format!("{key} is a time"),
    })
}

/// `resume time SPAN`, `resume queue BYTES bytes`: how long and how much is kept for a stream that may be resumed
pub(super) fn resume(words: &mut Words<'_>, scope: &mut Scope) -> Parsed {
    before_nodes(scope)?;
    let (key, value) = match words.word("time or queue")? {
        "time" => ("resume_time", Bound::Time(micros(words.span("how long")?))),
        "queue" => {
            let bytes = words.number("how much")?;
            let bytes = u32::try_from(bytes).map_err(|_| format!("{bytes} bytes are too many"))?;
            if !words.take("bytes") {
                return Err("a queue has so many bytes: resume queue 20000 bytes".into());
            }
            ("unacked_bytes", Bound::Number(bytes))
        }
        other => return Err(format!("what is kept to be resumed has a time and a queue, but no {other}")),
    };
    Ok(needs(RESUMPTION, Limit { key: key.into(), value }))
}

pub(super) fn micros(span: SimSpan) -> Span {
    Span::from_micros(span.as_nanos() / 1_000)
}

#[derive(Debug)]
struct Nodes(Vec<String>);

/// `nodes NAME...`
pub(super) fn nodes(words: &mut Words<'_>, scope: &mut Scope) -> Parsed {
    before_nodes(scope)?;
    let mut names = Vec::new();
    while let Some(name) = words.next() {
        if !scope.nodes.insert(name.into()) {
            return Err(format!("node {name} is named twice"));
        }
        names.push(String::from(name));
    }
    if names.is_empty() {
        return Err("the names of the nodes are missing".into());
    }
    Ok(Box::new(Nodes(names)))
}

impl Act for Nodes {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        stage.node_names.extend(self.0.iter().cloned());
        Ok(())
    }

    fn part(&self) -> Part {
        Part::Setting
    }
}

#[derive(Debug)]
struct Site {
    name: String,
    nodes: Vec<String>,
}

/// `site NAME NODE...`: nodes that lose their power together
pub(super) fn site(words: &mut Words<'_>, scope: &mut Scope) -> Parsed {
    let name = String::from(words.word("the name of the site")?);
    let mut nodes = Vec::new();
    while let Some(node) = words.next() {
        nodes.push(scope.node(node)?);
    }
    if nodes.is_empty() {
        return Err(format!("the nodes of {name} are missing"));
    }
    if !scope.sites.insert(name.clone()) {
        return Err(format!("site {name} is named twice"));
    }
    Ok(Box::new(Site { name, nodes }))
}

impl Act for Site {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        stage.sites.push((self.name.clone(), self.nodes.clone()));
        stage.lay_out()
    }

    fn part(&self) -> Part {
        Part::Setting
    }
}

#[derive(Debug)]
struct Link {
    one: String,
    other: String,
    profile: LinkProfile,
}

/// `link NODE NODE PROFILE`: what the link between two nodes is like; `lan` unless given
pub(super) fn link(words: &mut Words<'_>, scope: &mut Scope) -> Parsed {
    let one = scope.node(words.word("a node")?)?;
    let other = scope.node(words.word("the other node")?)?;
    let profile = scope.profile(words.word("the profile of the link")?)?;
    Ok(Box::new(Link { one, other, profile }))
}

impl Act for Link {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        stage.links.push((self.one.clone(), self.other.clone(), self.profile.clone()));
        stage.lay_out()
    }

    fn part(&self) -> Part {
        Part::Setting
    }
}

/// What the scope has kept; nothing is left to do.
#[derive(Debug)]
pub(super) struct Known;

impl Act for Known {
    fn act(&self, _stage: &mut Stage) -> Result<(), Trouble> {
        Ok(())
    }

    fn part(&self) -> Part {
        Part::Setting
    }
}

/// `seed N`: the seed of this story, however it is run
pub(super) fn seed(words: &mut Words<'_>, scope: &mut Scope) -> Parsed {
    scope.fixed.seed = Some(words.number("the seed")?);
    Ok(Box::new(Known))
}

/// `buffers BYTES`: what both ends of each connection ask their systems for: how much a reader that does not read holds
pub(super) fn buffers(words: &mut Words<'_>, scope: &mut Scope) -> Parsed {
    let bytes = words.number("the size in bytes")?;
    let bytes = u32::try_from(bytes).ok().filter(|bytes| (BUFFERS_MIN..=BUFFERS_MAX).contains(bytes));
    let bytes = bytes.ok_or(format!("buffers have {BUFFERS_MIN} to {BUFFERS_MAX} bytes"))?;
    scope.fixed.buffers = Some(bytes);
    Ok(Box::new(Known))
}

/// `batch`: nodes of this story read late, however it is run
pub(super) fn batch(words: &mut Words<'_>, scope: &mut Scope) -> Parsed {
    words.end()?;
    scope.fixed.batch = Some(true);
    Ok(Box::new(Known))
}

/// `slices whole|random|N`: how bytes are handed over in this story, however it is run
pub(super) fn slices(words: &mut Words<'_>, scope: &mut Scope) -> Parsed {
    let slices = match words.word("whole, random or a number of bytes")? {
        "whole" => Slices::Whole,
        "random" => Slices::Random,
        number => match number.parse() {
            Ok(bytes) if bytes > 0 => Slices::Every(bytes),
            _ => return Err(format!("slices are whole, random or a number of bytes, not {number}")),
        },
    };
    scope.fixed.slices = Some(slices);
    scope.fixed.batch.get_or_insert(false);
    Ok(Box::new(Known))
}

pub(super) fn before_nodes(scope: &Scope) -> Result<(), String> {
    if scope.begun {
        Err("this stands above the first line that needs a running node".into())
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bound_of_core_can_be_set() {
        let all = format!("{:?}", Limits::default());
        let names: Vec<&str> = all.split_whitespace().filter_map(|word| word.strip_suffix(':')).collect();
        assert!(names.contains(&"stanza_bytes") && names.contains(&"login_time"), "{names:?}");
        for name in names {
            let mut limits = Limits::default();
            let set = set_limit(&mut limits, name, Bound::Number(7))
                .or_else(|_| set_limit(&mut limits, name, Bound::Time(Span::from_secs(7))));
            assert_eq!(set, Ok(()), "{name}");
            assert_ne!(limits, Limits::default(), "{name}");
        }
    }
}
