//! What moves and what is said: arrows, what befell them, words beside the lanes.
//!
//! Everything is drawn in two layers, so that no line runs through words.

use super::arrow::{Arrow, Fate, Way};
use super::diagram::lane;
use super::life::{Mark, Tone};
use super::list::tale;
use super::markup::{Attrs, Markup, cut};
use super::plan::{Drawn, Plan};
use super::words;
use crate::engine::SimTime;

/// The story has room for so many letters.
const STORY_LETTERS: usize = 52;
/// So many crosses are drawn for one stanza.
const CROSSES_MAX: usize = 12;

/// Draws all of it.
pub(super) fn strokes(out: &mut Markup, plan: &Plan) {
    for arrow in &plan.negotiation {
        chatter(out, plan, arrow);
    }
    for (mark, y) in &plan.marks {
        sign(out, plan, mark, *y);
    }
    for drawn in &plan.stanzas {
        stanza(out, plan, drawn);
    }
    for drawn in &plan.stanzas {
        label(out, plan, drawn);
    }
    for (mark, y) in &plan.marks {
        remark(out, plan, mark, *y);
    }
}

pub(super) fn line(out: &mut Markup, class: &str, [x1, y1, x2, y2]: [u64; 4]) {
    out.empty("line", &[("class", &class), ("x1", &x1), ("y1", &y1), ("x2", &x2), ("y2", &y2)]);
}

/// Draws what belongs to a negotiation: faint, without words.
fn chatter(out: &mut Markup, plan: &Plan, arrow: &Arrow) {
    let (Some(client), Some(node)) = (plan.lanes.clients.get(arrow.client), plan.lanes.nodes.get(arrow.node))
    else {
        return;
    };
    let (from, to) = if arrow.way == Way::Up { (client, node) } else { (node, client) };
    let (x1, y1) = (from.edge(to.x), plan.height(arrow.begun.at));
    let far = to.edge(from.x);
    match arrow.fate {
        Fate::Clean(read) | Fate::Late(read) | Fate::Resent(read) => {
            line(out, "chatter", [x1, y1, far, plan.height(read.at)]);
        }
        Fate::Unread(at) => line(out, "chatter", [x1, y1, far, plan.height(at)]),
        Fate::Lost(_) => {
            let x2 = part(x1, far, 55);
            line(out, "chatter", [x1, y1, x2, y1 + 14]);
            cross(out, "cross small", x2, y1 + 14);
        }
        Fate::Underway => line(out, "chatter", [x1, y1, part(x1, far, 55), y1 + 14]),
        Fate::Stuck => {}
    }
}

/// Returns a place so many hundredths of the way from one to the other.
const fn part(from: u64, to: u64, hundredths: u64) -> u64 {
    (from * (100 - hundredths) + to * hundredths) / 100
}

fn cross(out: &mut Markup, class: &str, x: u64, y: u64) {
    let path = format!("M{} {}l8 8m0 -8l-8 8", x.saturating_sub(4), y.saturating_sub(4));
    out.empty("path", &[("class", &class), ("d", &path)]);
}

/// Draws a stanza: its line, and what befell it.
fn stanza(out: &mut Markup, plan: &Plan, drawn: &Drawn) {
    let arrow = &drawn.arrow;
    let (Some(client), Some(node)) = (plan.lanes.clients.get(arrow.client), plan.lanes.nodes.get(arrow.node))
    else {
        return;
    };
    let (from, to) = if arrow.way == Way::Up { (client, node) } else { (node, client) };
    let (x1, y1, far) = (from.edge(to.x), drawn.begin, to.edge(from.x));
    let (x2, y2) = match (arrow.fate, drawn.end) {
        (_, Some(end)) => (far, end),
        (Fate::Stuck, None) => (part(x1, far, 8), y1),
        (_, None) => (part(x1, far, 55), y1 + 18),
    };
    let class = format!("arrow {}{}", arrow.fate.word(), if drawn.evidence { " evidence" } else { "" });
    let (id, href) = (format!("a{}", drawn.number), format!("#m{}", drawn.number));
    out.open("a", &[("id", &id), ("href", &href), ("class", &class)]);
    out.leaf("title", &[], &tale(plan, drawn));
    line(out, "hit", [x1, y1, x2, y2]);
    if drawn.evidence {
        line(out, "glow", [x1, y1, x2, y2]);
    }
    let head = match arrow.fate {
        Fate::Clean(_) | Fate::Late(_) | Fate::Resent(_) => format!("url(#head-{})", arrow.fate.word()),
        Fate::Unread(_) | Fate::Lost(_) | Fate::Stuck | Fate::Underway => "none".into(),
    };
    let ends: Attrs<'_> =
        &[("class", &"line"), ("x1", &x1), ("y1", &y1), ("x2", &x2), ("y2", &y2), ("marker-end", &head)];
    out.empty("line", ends);
    ending(out, arrow.fate, x2, y2);
    troubles(out, plan, drawn, (x1, far));
    out.close("a");
}

/// Draws the end of what does not end with a head.
fn ending(out: &mut Markup, fate: Fate, x: u64, y: u64) {
    match fate {
        Fate::Clean(_) | Fate::Late(_) | Fate::Resent(_) => {}
        Fate::Lost(_) => cross(out, "cross", x, y),
        Fate::Unread(_) | Fate::Underway => {
            out.empty("circle", &[("class", &"open"), ("cx", &x), ("cy", &y), ("r", &4)]);
        }
        Fate::Stuck => line(out, "bar", [x, y.saturating_sub(6), x, y + 6]),
    }
}

/// Draws where something was lost and when it was sent again.
fn troubles(out: &mut Markup, plan: &Plan, drawn: &Drawn, (from, to): (u64, u64)) {
    let arrow = &drawn.arrow;
    let height = |at: SimTime| plan.height(at).max(drawn.begin);
    let final_loss = |at: &SimTime| matches!(arrow.fate, Fate::Lost(last) if last == *at);
    for at in arrow.lost.iter().filter(|at| !final_loss(at)).take(CROSSES_MAX) {
        let (x, y) = (part(from, to, 12), height(*at));
        line(out, "attempt", [from, y, x, y + 4]);
        cross(out, "cross small", x, y + 4);
    }
    for at in arrow.resent.iter().take(CROSSES_MAX) {
        out.empty("circle", &[("class", &"again"), ("cx", &from), ("cy", &height(*at)), ("r", &2)]);
    }
}

/// Writes the words beside a stanza, and by how much it is late.
fn label(out: &mut Markup, plan: &Plan, drawn: &Drawn) {
    let Some(client) = plan.lanes.clients.get(drawn.arrow.client) else { return };
    let arrow = &drawn.arrow;
    let delay = match arrow.fate {
        Fate::Late(read) | Fate::Resent(read) => {
            format!("  +{}", words::span(read.at.since(arrow.begun.at + arrow.due)))
        }
        Fate::Clean(_) | Fate::Unread(_) | Fate::Lost(_) | Fate::Stuck | Fate::Underway => String::new(),
    };
    let room = client.letters.saturating_sub(delay.chars().count());
    let (x, anchor) = client.words();
    let y = match (arrow.way, drawn.end) {
        (Way::Up, _) => drawn.begin - 4,
        (Way::Down, Some(end)) => end + 13,
        (Way::Down, None) => drawn.begin + 34,
    };
    let refusal = if drawn.refusal { " refusal" } else { "" };
    let class = format!("label {}{refusal}", arrow.fate.word());
    let href = format!("#m{}", drawn.number);
    let id = format!("l{}", drawn.number);
    // The arrow itself is what the keyboard reaches.
    out.open("a", &[("id", &id), ("href", &href), ("class", &class), ("tabindex", &"-1")]);
    out.leaf("title", &[], &tale(plan, drawn));
    out.open("text", &[("x", &x), ("y", &y), ("text-anchor", &anchor)]);
    out.text(&cut(&drawn.words, room));
    if !delay.is_empty() {
        out.leaf("tspan", &[("class", &"delay")], &delay);
    }
    out.close("text");
    out.close("a");
}

/// Draws the sign of a mark: on its lane, or across all of them.
fn sign(out: &mut Markup, plan: &Plan, mark: &Mark, y: u64) {
    let class = format!("mark {}", mark.tone.word());
    out.open("g", &[("class", &class)]);
    match (lane(plan, mark.whose), mark.tone) {
        (Some(lane), Tone::Bad) => cross(out, "cross", lane.x, y),
        (Some(lane), Tone::Step | Tone::Operator | Tone::World | Tone::Holds | Tone::Fails) => {
            out.empty("circle", &[("cx", &lane.x), ("cy", &y), ("r", &3)]);
        }
        (None, tone) => {
            let lanes = &plan.lanes;
            let from = if tone == Tone::Holds { lanes.right } else { lanes.left };
            line(out, "leader", [from, y, lanes.story - 6, y]);
        }
    }
    out.close("g");
}

/// Writes the words of a mark.
fn remark(out: &mut Markup, plan: &Plan, mark: &Mark, y: u64) {
    let class = format!("mark {}", mark.tone.word());
    out.open("g", &[("class", &class)]);
    out.leaf("title", &[], &format!("{}  {}", words::time(mark.moment.at), mark.text));
    let (x, anchor, letters) =
        lane(plan, mark.whose).map_or((plan.lanes.story, "start", STORY_LETTERS), |lane| {
            let (x, anchor) = lane.words();
            (x, anchor, lane.letters)
        });
    out.leaf("text", &[("x", &x), ("y", &(y + 4)), ("text-anchor", &anchor)], &cut(&mark.text, letters));
    out.close("g");
}
