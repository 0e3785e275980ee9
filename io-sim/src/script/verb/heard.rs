//! `expect NAME hears|heard|never heard|sees|agrees ...`: what somebody has come to know, in the chapter or in the
//! whole story.

use std::collections::{BTreeMap, BTreeSet};

use eyot_core::xml::{Element, ns};

use super::matching::MUC_USER;
use super::{Act, Part, Scope, Stage, Trouble, Words};
use crate::client::Sight;
use crate::engine::{SimSpan, SimTime};
use crate::world::{Actor, ClientIx, Record};

#[derive(Debug)]
struct Knows {
    who: String,
    what: What,
}

#[derive(Debug)]
enum What {
    Hears { speaker: String, within: SimSpan },
    Heard(Vec<String>),
    NeverHeard(Vec<String>),
    Agrees { other: String, bodies: Vec<String> },
    Occupants { room: String, nicks: BTreeSet<String> },
    Presence { of: String, available: bool },
}

/// `hears NAME within SPAN`, `heard BODY...`, `never heard BODY...`, `agrees with NAME on BODY...`,
/// `sees NICK...|nobody in ROOM`, `sees WHO available|unavailable`; nothing when it is none of these
///
/// # Errors
///
/// What is wrong with it.
pub(super) fn parse(who: &str, words: &mut Words<'_>, scope: &Scope) -> Result<Option<Box<dyn Act>>, String> {
    let what = if words.take("hears") {
        let speaker = scope.client(words.word("who speaks")?)?;
        if !words.take("within") {
            return Err("somebody hears somebody within a time: expect bob hears alice within 50ms".into());
        }
        What::Hears { speaker, within: words.span("how soon")? }
    } else if words.take("heard") {
        What::Heard(bodies(words)?)
    } else if words.take("never heard") {
        What::NeverHeard(bodies(words)?)
    } else if words.take("agrees with") {
        let other = scope.client(words.word("the other client")?)?;
        if !words.take("on") {
            return Err("two agree on messages: expect bob agrees with alice on one two".into());
        }
        What::Agrees { other, bodies: bodies(words)? }
    } else if words.take("sees") {
        sees(bodies(words)?, scope)?
    } else {
        return Ok(None);
    };
    Ok(Some(Box::new(Knows { who: who.into(), what })))
}

fn bodies(words: &mut Words<'_>) -> Result<Vec<String>, String> {
    let mut all = vec![String::from(words.word("what")?)];
    while let Some(word) = words.next() {
        all.push(word.into());
    }
    Ok(all)
}

fn sees(mut words: Vec<String>, scope: &Scope) -> Result<What, String> {
    let last = words.pop().unwrap_or_default();
    match (words.as_slice(), last.as_str()) {
        ([of], "available" | "unavailable") => {
            Ok(What::Presence { of: of.clone(), available: last == "available" })
        }
        ([nicks @ .., within], room) if within == "in" && !nicks.is_empty() => {
            if !scope.rooms.contains(room) {
                return Err(format!("there is no room {room}"));
            }
            let nicks = if nicks == ["nobody"] { BTreeSet::new() } else { nicks.iter().cloned().collect() };
            Ok(What::Occupants { room: room.into(), nicks })
        }
        _ => Err("somebody sees WHO available, WHO unavailable, NICK... in ROOM or nobody in ROOM".into()),
    }
}

impl Act for Knows {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        let client = stage.client(&self.who)?;
        let (met, seen) = match &self.what {
            What::Hears { speaker, within } => hears(stage, client, stage.client(speaker)?, *within),
            What::Heard(bodies) => {
                let seen = heard(stage, client);
                (is_in_order_once(&expand(stage, bodies)?, &seen), seen)
            }
            What::NeverHeard(bodies) => {
                let seen = heard(stage, client);
                (!expand(stage, bodies)?.iter().any(|body| seen.contains(body)), seen)
            }
            What::Agrees { other, bodies } => {
                let bodies = expand(stage, bodies)?;
                let of = |all: Vec<String>| -> Vec<String> {
                    all.into_iter().filter(|body| bodies.contains(body)).collect()
                };
                let (one, two) = (of(heard(stage, client)), of(heard(stage, stage.client(other)?)));
                (one == two && one.len() == bodies.len(), vec![one.join(", "), two.join(", ")])
            }
            What::Occupants { room, nicks } => {
                let seen = occupants(stage, client, &stage.address(room)?);
                (seen == *nicks, vec![seen.into_iter().collect::<Vec<_>>().join(", ")])
            }
            What::Presence { of, available } => {
                let seen = available_resources(stage, client, &stage.address(of)?);
                (seen.is_empty() != *available, seen.into_iter().collect())
            }
        };
        stage.judge(met, seen);
        Ok(())
    }

    fn part(&self) -> Part {
        Part::Expect
    }

    fn texts(&self) -> Vec<&str> {
        match &self.what {
            What::Heard(bodies) | What::NeverHeard(bodies) | What::Agrees { bodies, .. } => {
                bodies.iter().map(String::as_str).collect()
            }
            What::Hears { .. } | What::Occupants { .. } | What::Presence { .. } => Vec::new(),
        }
    }
}

fn expand(stage: &Stage, bodies: &[String]) -> Result<Vec<String>, Trouble> {
    bodies.iter().map(|body| stage.expand(body)).collect()
}

fn of_client(records: &[Record], client: ClientIx) -> impl Iterator<Item = (SimTime, &Sight)> {
    records.iter().filter_map(move |record| match &record.actor {
        Actor::Client(ix, sight) if *ix == client => Some((record.at, sight)),
        Actor::Client(..) | Actor::Node(..) | Actor::World(_) => None,
    })
}

/// Returns the body of a message that is no error.
fn body_of(stanza: &Element) -> Option<String> {
    let is_message = stanza.name() == "message" && stanza.attr("type").as_deref() != Some("error");
    is_message.then(|| stanza.child("body", ns::CLIENT).map(|body| body.text())).flatten()
}

/// Returns the bodies that a client was shown, in the whole story.
fn heard(stage: &Stage, client: ClientIx) -> Vec<String> {
    of_client(stage.world.history(), client).filter_map(|(_, sight)| body_of(sight.got()?)).collect()
}

/// Returns whether each of `wanted` is in `seen` exactly once, in this order.
fn is_in_order_once(wanted: &[String], seen: &[String]) -> bool {
    let found: Vec<&String> = seen.iter().filter(|body| wanted.contains(body)).collect();
    found.into_iter().eq(wanted)
}

/// Returns whether each message that `speaker` sent in this chapter reached `client` in time.
fn hears(stage: &Stage, client: ClientIx, speaker: ClientIx, within: SimSpan) -> (bool, Vec<String>) {
    let key = |stanza: &Element| Some((stanza.attr("id")?.into_owned(), body_of(stanza)?));
    let mut arrived: BTreeMap<(String, String), SimTime> = BTreeMap::new();
    for (at, sight) in of_client(stage.records(), client) {
        if let Some(key) = sight.got().and_then(key) {
            arrived.entry(key).or_insert(at);
        }
    }
    let mut seen = Vec::new();
    let mut met = true;
    for (sent, sight) in of_client(stage.records(), speaker) {
        let Sight::Sent(bytes) = sight else { continue };
        let Some(key) = Element::parse(bytes.clone()).ok().as_ref().and_then(key) else { continue };
        let took = arrived.get(&key).map(|at| at.since(sent));
        met &= took.is_some_and(|took| took <= within);
        seen.push(took.map_or_else(
            || format!("{}: never", key.1),
            |took| format!("{}: after {} us", key.1, took.as_nanos() / 1_000),
        ));
    }
    (met && !seen.is_empty(), seen)
}

/// Returns the senders of available presence below `bare` that a client knows of since it was bound.
fn available_below(stage: &Stage, client: ClientIx, bare: &str) -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    for (_, sight) in of_client(stage.world.history(), client) {
        if matches!(sight, Sight::Bound { .. }) {
            known.clear();
        }
        let Some(stanza) = sight.got().filter(|stanza| stanza.name() == "presence") else { continue };
        let Some(from) = stanza.attr("from") else { continue };
        let below = from.split_once('/').map_or(&*from, |(bare, _)| bare);
        if below != bare && *from != *bare {
            continue;
        }
        match stanza.attr("type").as_deref() {
            None => {
                known.insert(from.into_owned());
            }
            Some("unavailable") if is_own_leave(stanza) => known.clear(),
            Some("unavailable") => {
                known.remove(&*from);
            }
            Some(_) => {}
        }
    }
    known
}

/// Returns whether a room tells an occupant that he himself has left it (XEP-0045, 7.14); a new nick is no leave.
fn is_own_leave(presence: &Element) -> bool {
    let Some(extra) = presence.child("x", MUC_USER).map(|x| x.tree()) else { return false };
    let has = |code: &str| extra.children().any(|child| child.attr("code") == Some(code));
    has("110") && !has("303")
}

fn available_resources(stage: &Stage, client: ClientIx, who: &str) -> BTreeSet<String> {
    let bare = who.split_once('/').map_or(who, |(bare, _)| bare);
    let mut known = available_below(stage, client, bare);
    known.retain(|from| bare == who || from == who);
    known
}

fn occupants(stage: &Stage, client: ClientIx, room: &str) -> BTreeSet<String> {
    let all = available_below(stage, client, room);
    all.iter().filter_map(|from| Some(String::from(from.split_once('/')?.1))).collect()
}

#[cfg(test)]
mod tests {
    use crate::script::{RunOptions, Scenario, run};

    const HEAD: &str = "# A story.\n# RFC 6121\nroom ops\naccount alice\naccount bob\nclient alice on a\n\
        client bob on a\nalice comes online\nbob comes online\nsettle\nalice says to bob: one\n\
        alice says to bob: two words\nsettle\n";

    fn verdict(line: &str) -> bool {
        let story = Scenario::parse("story", &format!("{HEAD}{line}\n")).unwrap();
        let outcome = run(&story, RunOptions::default());
        assert_eq!(outcome.trouble, None, "{line}");
        outcome.verdicts.iter().all(|verdict| verdict.met)
    }

    #[test]
    fn what_was_heard_is_in_order_and_once() {
        for (line, met) in [
            ("expect bob heard one", true),
            ("expect bob heard one \"two words\"", true),
            ("expect bob heard \"two words\" one", false),
            ("expect bob heard one three", false),
            ("expect bob never heard three", true),
            ("expect bob never heard one", false),
            ("expect alice never heard one", true),
        ] {
            assert_eq!(verdict(line), met, "{line}");
        }
        assert!(!verdict("alice says to bob: one\nexpect bob heard one"), "heard twice");
    }

    #[test]
    fn a_message_is_heard_within_its_time() {
        assert!(verdict("expect bob hears alice within 50ms"));
        assert!(!verdict("expect bob hears alice within 5ms"));
        assert!(!verdict("expect alice hears bob within 50ms"), "he said nothing");
        assert!(!verdict("vanish bob\nalice says to bob: three\nwait 1s\nexpect bob hears alice within 2s"));
    }

    #[test]
    fn presence_is_what_was_told_last() {
        let directed = "bob is available to alice\nsettle\n";
        assert!(verdict(&format!("{directed}expect alice sees bob available")));
        assert!(!verdict(&format!("{directed}expect alice sees bob unavailable")));
        assert!(verdict(&format!("{directed}bob is unavailable\nexpect alice sees bob unavailable")));
        assert!(verdict("expect alice sees nobody in ops"));
        assert!(!verdict("expect alice sees Ann in ops"));
    }

    /// An account whose resources stand for the occupants of a room.
    fn among_occupants(line: &str) -> bool {
        let text = format!(
            "# A story.\n# XEP-0045\nroom bob at eyot.example\naccount alice\naccount bob\nclient alice on a\n\
            client ann on a as bob resource Ann\nclient bea on a as bob resource Bea\n\
            alice comes online\nann comes online\nbea comes online\nsettle\n\
            ann is available to alice\nbea is available to alice\nsettle\n{line}\n"
        );
        let outcome = run(&Scenario::parse("story", &text).unwrap(), RunOptions::default());
        assert_eq!(outcome.trouble, None, "{line}");
        outcome.verdicts.iter().all(|verdict| verdict.met)
    }

    #[test]
    fn occupants_are_all_of_whom_presence_was_told_and_nobody_is_after_ones_own_leave() {
        let gone = |code: &str| {
            format!(
                "ann sends xml: <presence type='unavailable' to='{{alice}}'>\
                <x xmlns='http://jabber.org/protocol/muc#user'><status code='{code}'/></x></presence>\n"
            )
        };
        assert!(among_occupants("expect alice sees Ann Bea in bob"));
        assert!(!among_occupants("expect alice sees Ann in bob"));
        assert!(among_occupants(&format!("{}expect alice sees Bea in bob", gone("333"))));
        assert!(among_occupants(&format!("{}expect alice sees nobody in bob", gone("110"))));
    }

    #[test]
    fn two_agree_on_an_order_that_both_heard() {
        let both = "bob says to alice: one\nbob says to alice: two words\nsettle\n";
        assert!(verdict(&format!("{both}expect bob agrees with alice on one \"two words\"")));
        let other = "bob says to alice: two words\nbob says to alice: one\nsettle\n";
        assert!(!verdict(&format!("{other}expect bob agrees with alice on one \"two words\"")));
        assert!(!verdict("expect bob agrees with alice on one"));
    }
}
