//! `expect ...`: what must hold. The world settles first; then everything since the first deed after the last
//! `settle`, `wait` or `expect` is looked at.

use eyot_core::io::{Answer, CloseCause};

use super::matching::Pattern;
use super::{
    Act, Parsed, Part, Scope, Stage, Trouble, Words, acks, agree, blocking, carbons, heard, history, linked,
    plan, roster, route,
};
use crate::client::{Nonza, Sight};
use crate::transcript::{Place, refusal_words};
use crate::world::{Actor, ClientIx, Life, NodeIx, Record};

#[derive(Debug)]
struct Expect {
    who: String,
    want: Want,
}

#[derive(Debug)]
enum Want {
    Stanza(Box<Pattern>),
    Count {
        least: u64,
        most: u64,
        pattern: Box<Pattern>,
    },
    Nothing,
    /// A refusal of any kind.
    Error(String),
    LoginFails(String),
    BindFails(String),
    RegistrationFails(String),
    StreamError(String),
    LoggedIn(Option<String>),
    Bound(Option<String>),
    Sight(Simple),
    Online(bool),
    Connected,
    Offered {
        feature: String,
        offered: bool,
    },
    Answers(String),
    /// One of these.
    Life(&'static [Life]),
}

/// Takes an error condition of RFC 6120, 8.3.3.
///
/// # Errors
///
/// When it is none.
pub(super) fn condition(words: &mut Words<'_>) -> Result<String, String> {
    let word = words.word("the condition")?;
    plan::check("CONDITION", word, &Scope::default())?;
    Ok(word.into())
}

/// Sights without details.
#[derive(Clone, Copy, Debug)]
enum Simple {
    Registered,
    Secured,
    Refused,
    Distrusts,
    TlsRefused,
    StreamEnds,
    Closed,
    Reset,
    TimesOut,
    TlsFails,
}

/// Lines of one form: the words, and what they mean.
const SIMPLE: [(&str, Simple); 10] = [
    ("registered", Simple::Registered),
    ("secured", Simple::Secured),
    ("refused", Simple::Refused),
    ("distrusts the server", Simple::Distrusts),
    ("starttls refused", Simple::TlsRefused),
    ("stream ends", Simple::StreamEnds),
    ("closed", Simple::Closed),
    ("reset", Simple::Reset),
    ("times out", Simple::TimesOut),
    ("tls fails", Simple::TlsFails),
];

pub(super) fn expect(words: &mut Words<'_>, scope: &mut Scope) -> Parsed {
    if words.take("nothing") {
        let who = scope.client(words.word("a client")?)?;
        return Ok(Box::new(Expect { who, want: Want::Nothing }));
    }
    if let Some(act) = route::expect(words, scope)? {
        return Ok(act);
    }
    if let Some(act) = plan::expect(words, scope)? {
        return Ok(act);
    }
    if let Some(act) = agree::expect(words, scope)? {
        return Ok(act);
    }
    let who = String::from(words.word("a client or a node")?);
    if scope.is_node(&who) {
        if let Some(act) = route::expect_node(&who, words, scope)? {
            return Ok(act);
        }
        if let Some(act) = linked::expect(&who, words, scope)? {
            return Ok(act);
        }
        if let Some(act) = plan::expect_node(words, scope)? {
            return Ok(act);
        }
        if let Some(act) = linked::expect_level(&who, words)? {
            return Ok(act);
        }
        let want = node_want(words)?;
        return Ok(Box::new(Expect { who, want }));
    }
    let who = scope.client(&who)?;
    if let Some(act) = plan::expect_client(words, scope)? {
        return Ok(act);
    }
    for read in [acks::expect, roster::expect, blocking::expect, carbons::expect] {
        if let Some(act) = read(&who, words)? {
            return Ok(act);
        }
    }
    if let Some(act) = history::expect(&who, words, scope)? {
        return Ok(act);
    }
    if let Some(act) = heard::parse(&who, words, scope)? {
        return Ok(act);
    }
    let want = client_want(words)?;
    Ok(Box::new(Expect { who, want }))
}

fn node_want(words: &mut Words<'_>) -> Result<Want, String> {
    if words.take("answers") {
        Ok(Want::Answers(words.rest().into()))
    } else if words.take("running") {
        Ok(Want::Life(&[Life::Up]))
    } else if words.take("down") {
        Ok(Want::Life(&[Life::Down, Life::Dark]))
    } else if words.take("dark") {
        Ok(Want::Life(&[Life::Dark]))
    } else {
        Err(format!("a node answers, is running, down or dark, but not {}", words.rest()))
    }
}

fn client_want(words: &mut Words<'_>) -> Result<Want, String> {
    for (text, simple) in SIMPLE {
        if words.take(text) {
            return Ok(Want::Sight(simple));
        }
    }
    let condition = |words: &mut Words<'_>| words.word("the condition").map(String::from);
    Ok(if words.take("<") {
        Want::Stanza(Box::new(Pattern::parse(words)?))
    } else if words.take("got") {
        count(words)?
    } else if words.take("no") {
        Want::Count { least: 0, most: 0, pattern: Box::new(Pattern::parse(words)?) }
    } else if words.take("nothing") {
        Want::Nothing
    } else if words.take("error") {
        Want::Error(condition(words)?)
    } else if words.take("login fails") {
        Want::LoginFails(condition(words)?)
    } else if words.take("bind fails") {
        Want::BindFails(condition(words)?)
    } else if words.take("registration fails") {
        Want::RegistrationFails(condition(words)?)
    } else if words.take("stream error") {
        Want::StreamError(condition(words)?)
    } else if words.take("logged in") {
        Want::LoggedIn(if words.take("with") { Some(words.word("the mechanism")?.into()) } else { None })
    } else if words.take("bound") {
        Want::Bound(words.next().map(String::from))
    } else if words.take("connected") {
        Want::Connected
    } else if words.take("online") {
        Want::Online(true)
    } else if words.take("offline") {
        Want::Online(false)
    } else if words.take("not offered") {
        Want::Offered { feature: words.rest().into(), offered: false }
    } else if words.take("offered") {
        Want::Offered { feature: words.rest().into(), offered: true }
    } else {
        return Err(format!("nothing of a client is called {}", words.rest()));
    })
}

/// `got [at least|at most] N messages|presences|iqs|stanzas ...`
fn count(words: &mut Words<'_>) -> Result<Want, String> {
    let (at_least, at_most) = (words.take("at least"), words.take("at most"));
    let count = words.number("how many")?;
    let (least, most) = (if at_most { 0 } else { count }, if at_least { u64::MAX } else { count });
    let name = match words.word("of what")? {
        "message" | "messages" => Some("message"),
        "presence" | "presences" => Some("presence"),
        "iq" | "iqs" => Some("iq"),
        "stanza" | "stanzas" => None,
        other => return Err(format!("messages, presences, iqs and stanzas are counted, not {other}")),
    };
    Ok(Want::Count { least, most, pattern: Box::new(Pattern::of(name, words)?) })
}

impl Act for Expect {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        let (met, seen) = if let Want::Answers(text) = &self.want {
            answers(stage, stage.node(&self.who)?, text)
        } else if let Want::Life(lives) = &self.want {
            let found = stage.world.life(stage.node(&self.who)?);
            (lives.contains(&found), vec![format!("{} is {found:?}", self.who)])
        } else {
            let client = stage.client(&self.who)?;
            (self.want.holds(stage, client)?, seen(stage, client))
        };
        stage.judge(met, seen);
        Ok(())
    }

    fn part(&self) -> Part {
        Part::Expect
    }

    fn texts(&self) -> Vec<&str> {
        if let Want::Stanza(pattern) | Want::Count { pattern, .. } = &self.want {
            pattern.texts()
        } else {
            Vec::new()
        }
    }
}

impl Want {
    fn holds(&self, stage: &Stage, client: ClientIx) -> Result<bool, Trouble> {
        let mut sights = sights(stage, client);
        Ok(match self {
            Self::Stanza(pattern) => matching(stage, client, pattern)? > 0,
            Self::Count { least, most, pattern } => {
                (*least..=*most).contains(&matching(stage, client, pattern)?)
            }
            Self::Nothing => !sights.any(|sight| sight.got().is_some()),
            Self::Error(wanted) => sights.any(|sight| sight.refusal().as_ref() == Some(wanted)),
            Self::LoginFails(wanted) => {
                sights.any(|sight| matches!(sight, Sight::LoginFailed { condition } if condition == wanted))
            }
            Self::BindFails(wanted) => {
                sights.any(|sight| matches!(sight, Sight::BindFailed { condition } if condition == wanted))
            }
            Self::RegistrationFails(wanted) => sights
                .any(|sight| matches!(sight, Sight::RegisterFailed { condition } if condition == wanted)),
            Self::StreamError(wanted) => sights.any(|sight| {
                let (Sight::StreamError { condition } | Sight::Nonza(Nonza::FormerError { condition })) =
                    sight
                else {
                    return false;
                };
                condition == wanted
            }),
            Self::LoggedIn(mechanism) => logged_in(sights, mechanism.as_deref()),
            Self::Bound(resource) => sights.any(|sight| {
                let Sight::Bound { jid, .. } = sight else { return false };
                let given = jid.split_once('/').map(|(_, given)| given);
                resource.is_none() || resource.as_deref() == given
            }),
            Self::Sight(simple) => sights.any(|sight| simple.is(sight)),
            Self::Online(online) => stage.world.client(client).jid().is_some() == *online,
            Self::Connected => stage.world.client(client).is_connected(),
            Self::Offered { feature, offered } => {
                let last = sights
                    .filter_map(|sight| if let Sight::Features(all) = sight { Some(all) } else { None });
                last.last().is_some_and(|all| all.contains(feature) == *offered)
            }
            Self::Answers(_) | Self::Life(_) => false,
        })
    }
}

impl Simple {
    fn is(self, sight: &Sight) -> bool {
        match self {
            Self::Registered => matches!(sight, Sight::Registered),
            Self::Secured => matches!(sight, Sight::Secured),
            Self::Refused => matches!(sight, Sight::Refused),
            Self::Distrusts => matches!(sight, Sight::ServerDistrusted { .. }),
            Self::TlsRefused => matches!(sight, Sight::TlsRefused),
            Self::StreamEnds => matches!(sight, Sight::StreamEnd),
            Self::Closed => matches!(sight, Sight::Closed(_)),
            Self::Reset => matches!(sight, Sight::Closed(CloseCause::Reset)),
            Self::TimesOut => matches!(sight, Sight::Closed(CloseCause::TimedOut)),
            Self::TlsFails => matches!(sight, Sight::Closed(CloseCause::Tls)),
        }
    }
}

/// Returns how many stanzas of the chapter are as `pattern` says.
fn matching(stage: &Stage, client: ClientIx, pattern: &Pattern) -> Result<u64, Trouble> {
    let pattern = pattern.resolve(stage)?;
    let fits = |record: &&Record| match &record.actor {
        Actor::Client(ix, sight) if *ix == client => {
            pattern.is_timely(record.at.since(stage.begun))
                && sight.got().is_some_and(|stanza| pattern.matches(stanza))
        }
        Actor::Client(..) | Actor::Node(..) | Actor::World(_) => false,
    };
    Ok(stage.records().iter().filter(fits).count() as u64)
}

fn logged_in<'a>(sights: impl Iterator<Item = &'a Sight>, wanted: Option<&str>) -> bool {
    let mut tried = None;
    for sight in sights {
        if let Sight::Login { mechanism, .. } = sight {
            tried = Some(mechanism.as_str());
        }
        if matches!(sight, Sight::LoggedIn) && (wanted.is_none() || wanted == tried) {
            return true;
        }
    }
    false
}

fn sights(stage: &Stage, client: ClientIx) -> impl Iterator<Item = &Sight> {
    stage.records().iter().filter_map(move |record| match &record.actor {
        Actor::Client(ix, sight) if *ix == client => Some(sight),
        Actor::Client(..) | Actor::Node(..) | Actor::World(_) => None,
    })
}

/// Tells what a client saw, for a verdict that is not met.
pub(super) fn seen(stage: &Stage, client: ClientIx) -> Vec<String> {
    let place = Place { domain: stage.domain() };
    sights(stage, client)
        .filter_map(|sight| crate::transcript::sight(place, sight))
        .map(|(sign, text)| format!("{sign} {text}"))
        .collect()
}

/// `answers done|refused REASON|account NAME|accounts NAME...|nothing`, the way the transcript writes it.
fn answers(stage: &Stage, node: NodeIx, text: &str) -> (bool, Vec<String>) {
    let Some(answer) = stage.answered(node, stage.block) else { return (text == "nothing", Vec::new()) };
    let place = Place { domain: stage.domain() };
    let found = match answer {
        Answer::Done => String::from("done"),
        Answer::Account { user, .. } => format!("account {}", place.address(user.as_str())),
        Answer::Accounts { users, .. } => {
            let names: Vec<String> = users.iter().map(|user| place.address(user.as_str())).collect();
            format!("accounts {}", names.join(" "))
        }
        Answer::Token(_) => "token".into(),
        Answer::Cluster(status) => {
            let names: Vec<&str> = status.members.iter().map(|member| &*member.name).collect();
            format!("members {}", names.join(" "))
        }
        Answer::Refused(refusal) => format!("refused {}", refusal_words(*refusal)),
    };
    (found == text, vec![format!("< {found}")])
}
