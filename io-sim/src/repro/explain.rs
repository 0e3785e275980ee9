//! What led to a failure: from what shows it back over causes, and nothing else.

use core::fmt;
use std::collections::BTreeSet;

use eyot_core::xml::Element;

use super::causes::Causes;
use super::trial::attempt_and_look;
use crate::client::Sight;
use crate::oracle::Violation;
use crate::script::{ParseError, RunOptions, Stage, Verdict};
use crate::transcript::{Form, Transcript};
use crate::world::{Actor, ClientIx};

/// The story of a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What failed, one line each.
    pub failures: Vec<String>,
    /// What led to it, as lines of a transcript; empty after a panic, which leaves no world.
    pub lines: Vec<String>,
    /// How many records the whole run has.
    pub records: usize,
    /// How many of them are told.
    pub told: usize,
}

/// Runs a text and explains how it fails; nothing when it does not.
///
/// # Errors
///
/// [`ParseError`] when it is no scenario.
pub fn explain(name: &str, text: &str) -> Result<Option<Explanation>, ParseError> {
    let mut found = None;
    let trial = attempt_and_look(name, text, RunOptions::default(), |stage, violations| {
        found = Some(of_stage(stage, violations));
    })?;
    if let Some(panic) = trial.panic {
        return Ok(Some(Explanation { failures: vec![panic], lines: Vec::new(), records: 0, told: 0 }));
    }
    Ok(found.filter(|_| trial.signature.is_some()))
}

fn of_stage(stage: &Stage, violations: &[Violation]) -> Explanation {
    let history = stage.world.history();
    let causes = Causes { history, cast: &stage.cast };
    let unmet = stage.verdicts.iter().find(|verdict| !verdict.met);
    let (failure, begin) = if let Some(violation) = violations.first() {
        (violation.to_string(), of_violation(&causes, stage, violation))
    } else if let Some(verdict) = unmet {
        (format!("does not hold: {}", verdict.text), of_verdict(&causes, stage, verdict))
    } else {
        (String::from("fails"), of_complaint(&causes))
    };
    let slice = back(&causes, begin);
    let told = Transcript::some(&stage.world, stage.domain(), Form::Short, &slice);
    Explanation {
        failures: vec![failure],
        lines: told.to_string().lines().map(String::from).collect(),
        records: history.len(),
        told: told.lines().count(),
    }
}

/// All records from which one of `begin` is reached over causes, and these.
fn back(causes: &Causes<'_>, begin: BTreeSet<usize>) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let mut open: Vec<usize> = begin.into_iter().collect();
    while let Some(number) = open.pop() {
        if found.insert(number) {
            open.extend(causes.of(number));
        }
    }
    found
}

/// The records that show a violation. What is missing has no record: so also what happened to those it is about while it
/// was due.
fn of_violation(causes: &Causes<'_>, stage: &Stage, violation: &Violation) -> BTreeSet<usize> {
    let mut begin: BTreeSet<usize> = violation.records.iter().copied().collect();
    let history = causes.history;
    let to = history.iter().take_while(|record| record.at <= violation.at).count();
    let from = begin.first().copied().unwrap_or(to);
    let shown = violation.records.iter().filter_map(|number| history.get(*number));
    let addressees = shown.filter_map(|record| addressee(&record.actor));
    let who: Vec<String> = violation.who.iter().cloned().chain(addressees).collect();
    for client in who.iter().flat_map(|name| clients_of(stage, name)) {
        begin.extend(causes.session(client, to));
        begin.extend(causes.troubles(client, from, to));
        begin.extend(causes.sessions(client, from, to));
    }
    begin
}

/// The clients that a name or an address means: a bare address all of its owner.
fn clients_of(stage: &Stage, name: &str) -> Vec<ClientIx> {
    if let Some(client) = stage.clients.get(name) {
        return vec![*client];
    }
    let bare = name.split('/').next().unwrap_or_default();
    let cast = stage.cast.clients.iter().zip(&stage.cast.users);
    cast.filter(|(_, user)| *user == bare)
        .filter_map(|(client, _)| stage.clients.get(client).copied())
        .collect()
}

/// Whom a stanza was sent to.
fn addressee(actor: &Actor) -> Option<String> {
    let Actor::Client(_, Sight::Sent(bytes)) = actor else { return None };
    Some(Element::parse(bytes.clone()).ok()?.attr("to")?.into_owned())
}

/// What a client or a node saw where an expectation looked, what was sent to it there, and what happened to it.
fn of_verdict(causes: &Causes<'_>, stage: &Stage, verdict: &Verdict) -> BTreeSet<usize> {
    let (history, text) = (causes.history, &verdict.text);
    let to = history.iter().take_while(|record| record.at <= verdict.at).count();
    let from = stage.chapters.iter().copied().filter(|chapter| *chapter < to).max().unwrap_or(0);
    let clients = || text.split_whitespace().filter_map(|word| stage.clients.get_key_value(word));
    let nodes: BTreeSet<usize> =
        text.split_whitespace().filter_map(|word| stage.nodes.get(word)).map(|node| node.at()).collect();
    let users: Vec<&String> = clients().filter_map(|(_, client)| stage.cast.users.get(client.at())).collect();
    let mut begin = BTreeSet::new();
    for (number, record) in history.iter().enumerate().take(to).skip(from) {
        let wanted = match &record.actor {
            Actor::Client(_, Sight::Sent(bytes)) => {
                let sent = String::from_utf8_lossy(bytes);
                clients().any(|(_, client)| of_actor(&record.actor, *client))
                    || users.iter().any(|user| sent.contains(user.as_str()))
            }
            Actor::Client(..) => clients().any(|(_, client)| of_actor(&record.actor, *client)),
            Actor::Node(node, _) => nodes.contains(&node.at()),
            Actor::World(_) => false,
        };
        if wanted {
            begin.insert(number);
        }
    }
    for (_, client) in clients() {
        let session = causes.session(*client, to);
        begin.extend(session);
        begin.extend(causes.troubles(*client, session.unwrap_or(0), to));
    }
    begin
}

fn of_actor(actor: &Actor, client: ClientIx) -> bool {
    matches!(actor, Actor::Client(ix, _) if *ix == client)
}

/// What is no XMPP, or, where a node complains of something itself, the last that happened.
fn of_complaint(causes: &Causes<'_>) -> BTreeSet<usize> {
    let nonsense = |actor: &Actor| matches!(actor, Actor::Client(_, Sight::Nonsense(_)));
    let history = causes.history.iter().enumerate();
    let found: BTreeSet<usize> =
        history.filter(|(_, record)| nonsense(&record.actor)).map(|(number, _)| number).collect();
    if found.is_empty() { causes.history.len().checked_sub(1).into_iter().collect() } else { found }
}

impl fmt::Display for Explanation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for failure in &self.failures {
            writeln!(out, "{failure}")?;
        }
        for line in &self.lines {
            writeln!(out, "{line}")?;
        }
        if self.records > 0 {
            writeln!(out, "({} of {} records led to it)", self.told, self.records)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAST: &str = "# S.\n# R\naccount alice\naccount bob\naccount carol\nclient alice on a\nclient bob on a\n\
        client carol on a\nalice comes online\nbob comes online\ncarol comes online\nsettle\n";

    fn explained(lines: &str) -> Explanation {
        explain("x", &format!("{CAST}{lines}")).unwrap().unwrap()
    }

    /// Whether the explanation has such a line.
    fn has(found: &Explanation, part: &str) -> bool {
        found.lines.iter().any(|line| line.contains(part))
    }

    #[test]
    fn what_led_to_a_failure_is_told_and_nothing_else() {
        let found = explained(
            "carol says to alice: weather\nwait 1s\ncut bob\nalice says to bob: lost\ncarol says to alice: more\n\
            expect bob < message body lost\n",
        );
        assert_eq!(found.failures, ["does not hold: expect bob < message body lost"]);
        for part in
            ["link of bob cut", "alice > message to bob: lost", "< bound alice", "< bound bob", "> connect"]
        {
            assert!(has(&found, part), "{part}: {found}");
        }
        assert!(!has(&found, "carol"), "{found}");
        assert!(found.told < found.records / 3, "{found}");
    }

    #[test]
    fn a_stanza_leads_back_to_who_sent_it_and_an_end_to_what_broke_it() {
        let found = explained(
            "alice says to bob: hello\nsettle\nkill a\nexpect bob got 0 messages\nexpect bob online\n",
        );
        for part in ["! killed", "bob ! connection closed"] {
            assert!(has(&found, part), "{part}: {found}");
        }
        let found = explained("carol says to bob: one\nalice says to bob: two\nexpect bob got 1 messages\n");
        for part in
            ["carol > message to bob: one", "alice > message to bob: two", "bob   < message from alice"]
        {
            assert!(has(&found, part), "{part}: {found}");
        }
    }

    #[test]
    fn a_fault_that_is_in_force_is_told_and_one_of_somebody_else_is_not() {
        let found = explained(
            "fault cut bob down for 60s\nfault cut carol\nwait 2s\nalice says to bob: lost\nwait 1s\n\
            expect bob got 1 messages\n",
        );
        for part in ["fault cut bob down", "alice > message to bob: lost"] {
            assert!(has(&found, part), "{part}: {found}");
        }
        assert!(!has(&found, "carol"), "{found}");
    }

    #[test]
    fn an_answer_leads_back_to_the_question() {
        let found =
            explained("a user add dave password \"x\"\nalice says to bob: hello\nexpect a answers nothing\n");
        for part in ["> user add dave", "< account dave"] {
            assert!(has(&found, part), "{part}: {found}");
        }
        assert!(!has(&found, "hello"), "{found}");
    }

    #[test]
    fn an_expectation_in_the_middle_is_explained_by_what_came_before_it() {
        let found = explained(
            "alice says to bob: early\nexpect bob got 2 messages\nwait 1s\nalice says to bob: late\nwait 1s\n",
        );
        assert!(has(&found, "bob: early") && !has(&found, "late"), "{found}");
    }

    #[test]
    fn what_does_not_fail_has_nothing_to_explain() {
        assert_eq!(explain("x", &format!("{CAST}expect bob online\n")).unwrap(), None);
    }
}
