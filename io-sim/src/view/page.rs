//! The page around the picture: what was run, how it went, the picture, the list. It loads nothing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::diagram::{diagram, names};
use super::legend::legend;
use super::list::list;
use super::markup::{Attrs, Markup};
use super::plan::Plan;
use super::words;
use crate::engine::SimTime;
use crate::script::{Film, Outcome, Scenario, Trouble, Waiting};
use crate::world::{Options, Slices};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
/// A letter of the name in the tab.
const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath \
    d='M3 0v16M13 0v16M3 4l10 5' stroke='%232f6fde' stroke-width='2'/%3E%3C/svg%3E";

/// What is shown.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// The story.
    pub scenario: &'a Scenario,
    /// How it went.
    pub outcome: &'a Outcome,
    /// How it was run.
    pub options: Options,
}

/// Writes the page of a run; nothing when its film was not kept.
pub fn page(shown: &Shown<'_>) -> Option<String> {
    let film = shown.outcome.film.as_ref()?;
    let mut out = Markup::default();
    out.raw("<!DOCTYPE html>\n");
    out.open("html", &[("lang", &"en")]);
    head(&mut out, &shown.scenario.story);
    out.open("body", &[]);
    out.open("header", &[]);
    title(&mut out, shown, film);
    failures(&mut out, shown);
    story(&mut out, shown);
    if film.cast.nodes.is_empty() {
        out.leaf(
            "p",
            &[("class", &"left-out"), ("role", &"note")],
            "It ended before a node was started: nothing is drawn.",
        );
        out.close("header");
    } else {
        let plan = Plan::of(film, shown.outcome);
        legend(&mut out);
        left_out(&mut out, &plan);
        out.close("header");
        picture(&mut out, &plan);
    }
    out.close("body");
    out.close("html");
    Some(out.finish())
}

/// Says what the picture leaves out.
fn left_out(out: &mut Markup, plan: &Plan) {
    if let Some(left) = &plan.left_out {
        let first = plan.stanzas.first().map_or(0, |drawn| drawn.number);
        let last = plan.stanzas.last().map_or(0, |drawn| drawn.number);
        let text = format!(
            "Only a part is drawn: stanzas {first} to {last} of {}, {} to {}. {} left out, and {} of {} other marks.",
            left.stanzas,
            words::time(plan.from),
            words::time(plan.until),
            left.stanzas - plan.stanzas.len(),
            left.marks_left,
            left.marks,
        );
        out.leaf("p", &[("class", &"left-out"), ("role", &"note")], &text);
    }
}

/// The picture, the list, and the script that moves them.
fn picture(out: &mut Markup, plan: &Plan) {
    tools(out);
    out.open("main", &[]);
    out.open("div", &[("class", &"sticky")]);
    names(out, plan);
    out.close("div");
    diagram(out, plan);
    if !plan.stanzas.is_empty() {
        out.open("section", &[("class", &"list")]);
        out.leaf("h2", &[], &format!("{} in full", words::count(plan.stanzas.len(), "stanza")));
        list(out, plan);
        out.close("section");
    }
    out.close("main");
    let panel: Attrs<'_> =
        &[("id", &"panel"), ("role", &"region"), ("aria-label", &"The chosen stanza"), ("hidden", &"hidden")];
    out.leaf("aside", panel, "");
    out.open("script", &[]);
    out.raw(SCRIPT);
    out.close("script");
}

fn head(out: &mut Markup, title: &str) {
    out.open("head", &[]);
    out.empty("meta", &[("charset", &"utf-8")]);
    let policy = format!(
        "default-src 'none'; img-src data:; style-src 'sha256-{}'; script-src 'sha256-{}'",
        digest(STYLE),
        digest(SCRIPT)
    );
    out.empty("meta", &[("http-equiv", &"Content-Security-Policy"), ("content", &policy)]);
    out.empty("meta", &[("name", &"viewport"), ("content", &"width=device-width, initial-scale=1")]);
    out.empty("meta", &[("name", &"color-scheme"), ("content", &"light dark")]);
    out.leaf("title", &[], &format!("{title} \u{b7} eyot"));
    out.empty("link", &[("rel", &"icon"), ("href", &ICON)]);
    out.open("style", &[]);
    out.raw(STYLE);
    out.close("style");
    out.close("head");
}

fn digest(text: &str) -> String {
    STANDARD.encode(Sha256::digest(text.as_bytes()))
}

fn title(out: &mut Markup, shown: &Shown<'_>, film: &Film) {
    let (scenario, outcome) = (shown.scenario, shown.outcome);
    out.leaf("p", &[("class", &"from")], &scenario.name);
    out.leaf("h1", &[], &scenario.story);
    out.leaf("p", &[("class", &"section")], &scenario.section);
    let options = scenario.fixed.over(shown.options);
    out.open("dl", &[("class", &"facts")]);
    let (class, verdict) = verdict(scenario, outcome);
    fact(out, class, "verdict", &verdict);
    fact(out, "", "seed", &options.seed.to_string());
    match options.slices {
        Slices::Whole => {}
        Slices::Every(bytes) => fact(out, "", "slices", &words::bytes(bytes)),
        Slices::Random => fact(out, "", "slices", "random"),
    }
    if options.batch {
        fact(out, "", "nodes", "read late");
    }
    if outcome.ended > SimTime::ZERO {
        fact(out, "", "length", &words::span(outcome.ended.since(SimTime::ZERO)));
    }
    let cast = [(film.cast.nodes.len(), "node"), (film.cast.clients.len(), "client")];
    let cast: Vec<String> = cast
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| words::count(*number, what))
        .collect();
    if !cast.is_empty() {
        fact(out, "", "cast", &cast.join(", "));
    }
    fact(out, "hash", "hash", &outcome.hash.to_string());
    out.close("dl");
}

/// Returns how the run went, in a few words, with their class.
fn verdict(scenario: &Scenario, outcome: &Outcome) -> (&'static str, String) {
    let met = outcome.verdicts.iter().filter(|verdict| verdict.met).count();
    let all = outcome.verdicts.len();
    let broken = outcome.violations.len() + outcome.complaints.len();
    let mut found = Vec::new();
    if broken > 0 {
        found.push(format!("{} found", words::count(broken, "violation")));
    }
    if all > 0 {
        found.push(format!("{met} of {} met", words::count(all, "expectation")));
    }
    let found = if found.is_empty() { String::new() } else { format!(": {}", found.join(", ")) };
    match outcome.waiting(scenario) {
        Waiting::Still(capability) => ("verdict pending", format!("pending: {capability}")),
        Waiting::Over => ("verdict bad", "\u{2717} passes: remove the mark".into()),
        Waiting::No if !outcome.is_good() => ("verdict bad", format!("\u{2717} FAILED{found}")),
        Waiting::No if all == 0 => ("verdict good", "\u{2713} holds".into()),
        Waiting::No => ("verdict good", format!("\u{2713} {}, all hold", words::count(all, "expectation"))),
    }
}

fn fact(out: &mut Markup, class: &str, name: &str, value: &str) {
    out.open("div", &[("class", &class)]);
    out.leaf("dt", &[], name);
    out.leaf("dd", &[], value);
    out.close("div");
}

/// Says first what went wrong.
fn failures(out: &mut Markup, shown: &Shown<'_>) {
    let (scenario, outcome) = (shown.scenario, shown.outcome);
    if outcome.is_good() {
        return;
    }
    let (class, label) = match outcome.waiting(scenario) {
        Waiting::Still(_) => ("failures waits", "What it waits for"),
        Waiting::No | Waiting::Over => ("failures", "What went wrong"),
    };
    out.open("section", &[("class", &class), ("aria-label", &label)]);
    for verdict in outcome.verdicts.iter().filter(|verdict| !verdict.met) {
        let text = format!("line {}, {}: does not hold: {}", verdict.line, verdict.at, verdict.text);
        out.leaf("p", &[], &text);
        for seen in &verdict.seen {
            out.leaf("p", &[("class", &"seen")], &format!("seen: {seen}"));
        }
    }
    for violation in &outcome.violations {
        out.leaf("p", &[], &violation.to_string());
    }
    for complaint in &outcome.complaints {
        out.leaf("p", &[], complaint);
    }
    match &outcome.trouble {
        Some((line, Trouble::Pending(what))) => {
            out.leaf("p", &[], &format!("line {line} needs what is not there yet: {what}"));
        }
        Some((line, Trouble::Wrong(what))) => out.leaf("p", &[], &format!("line {line}: {what}")),
        None => {}
    }
    if let Some(capability) = &scenario.pending {
        out.leaf("p", &[("class", &"seen")], &format!("The story waits for: {capability}"));
    }
    out.close("section");
}

/// Shows the text of the story, each expectation with what became of it.
fn story(out: &mut Markup, shown: &Shown<'_>) {
    out.open("details", &[("class", &"script")]);
    out.leaf("summary", &[], "The story, line by line");
    out.open("ol", &[]);
    for step in &shown.scenario.steps {
        let verdict = shown.outcome.verdicts.iter().find(|verdict| verdict.line == step.line);
        let (class, sign) = match verdict {
            Some(verdict) if verdict.met => ("holds", " \u{2713}"),
            Some(_) => ("fails", " \u{2717}"),
            None => ("", ""),
        };
        out.leaf("li", &[("value", &step.line), ("class", &class)], &format!("{}{sign}", step.text));
    }
    out.close("ol");
    out.close("details");
}

/// The tools stay hidden until the script that moves them runs.
fn tools(out: &mut Markup) {
    out.open(
        "div",
        &[("id", &"tools"), ("role", &"toolbar"), ("aria-label", &"Picture"), ("hidden", &"hidden")],
    );
    out.open("label", &[]);
    out.text("Filter ");
    out.empty(
        "input",
        &[("id", &"filter"), ("type", &"search"), ("placeholder", &"text, address, id \u{2026}")],
    );
    out.close("label");
    out.leaf("output", &[("id", &"found")], "");
    for (id, sign, what) in [
        ("out", "\u{2212}", "Smaller"),
        ("one", "1:1", "Full size"),
        ("in", "+", "Larger"),
        ("fit", "fit", "Fit the width"),
    ] {
        out.leaf(
            "button",
            &[("id", &id), ("type", &"button"), ("title", &what), ("aria-label", &what)],
            sign,
        );
    }
    out.open("label", &[]);
    out.empty("input", &[("id", &"chatter"), ("type", &"checkbox"), ("checked", &"checked")]);
    out.text(" negotiation");
    out.close("label");
    out.close("div");
}
