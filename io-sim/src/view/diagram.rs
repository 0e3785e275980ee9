//! The picture: lanes, times, arrows, as SVG that needs nothing else.

use super::arrow::{Arrow, Fate, Way};
use super::lanes::{Lane, Side};
use super::life::{Mark, Stretch, Tone, Whose};
use super::list::tale;
use super::markup::{Markup, cut};
use super::plan::{Drawn, Plan};
use super::scale::Gap;
use super::words;
use crate::engine::SimTime;

/// The height of the names above the picture.
const NAMES: u64 = 46;
/// Half the width of a lane.
const HALF: u64 = 5;
/// Where the words of a time end.
const TIME_X: u64 = 74;
/// Two times have to be so far apart to be both written.
const TIME_ROOM: u64 = 14;
/// Times across the letters of the story.
const STORY_LETTERS: usize = 60;
/// So many crosses are drawn for one stanza.
const CROSSES_MAX: usize = 12;
const SVG: &str = "http://www.w3.org/2000/svg";

/// Draws the names that stay in sight above the picture.
pub(super) fn names(out: &mut Markup, plan: &Plan) {
    let lanes = &plan.lanes;
    let view = format!("0 0 {} {NAMES}", lanes.width);
    let size: [(&str, &dyn core::fmt::Display); 6] = [
        ("xmlns", &SVG),
        ("class", &"names"),
        ("viewBox", &view),
        ("width", &lanes.width),
        ("height", &NAMES),
        ("aria-hidden", &"true"),
    ];
    out.open("svg", &size);
    out.leaf(
        "text",
        &[("class", &"what"), ("x", &TIME_X), ("y", &34), ("text-anchor", &"end")],
        "time \u{2193}",
    );
    for (lane, class) in all_lanes(plan) {
        let (x, anchor) = match lane.side {
            Side::Right => (lane.x - 8, "start"),
            Side::Left => (lane.x + 8, "end"),
        };
        let class = format!("name {class}");
        let name = cut(&lane.name, lane.letters);
        out.leaf("text", &[("class", &class), ("x", &x), ("y", &20), ("text-anchor", &anchor)], &name);
        let what = cut(&lane.what, lane.letters);
        out.leaf("text", &[("class", &"what"), ("x", &x), ("y", &36), ("text-anchor", &anchor)], &what);
    }
    let story = lanes.story;
    out.leaf("text", &[("class", &"name story"), ("x", &story), ("y", &20)], "the story");
    out.leaf("text", &[("class", &"what"), ("x", &story), ("y", &36)], "faults, and what had to hold");
    out.close("svg");
}

/// Draws the picture.
pub(super) fn diagram(out: &mut Markup, plan: &Plan) {
    let (width, height) = (plan.lanes.width, plan.scale.bottom);
    let view = format!("0 0 {width} {height}");
    let size: [(&str, &dyn core::fmt::Display); 7] = [
        ("xmlns", &SVG),
        ("class", &"picture"),
        ("viewBox", &view),
        ("width", &width),
        ("height", &height),
        ("role", &"group"),
        ("aria-label", &"Space-time diagram: time runs down, a lane for each node and client"),
    ];
    out.open("svg", &size);
    definitions(out);
    for gap in &plan.scale.gaps {
        squeezed(out, plan, gap);
    }
    faults(out, plan);
    ruler(out, plan);
    for (lane, _) in all_lanes(plan) {
        line(out, "lane", [lane.x, 0, lane.x, height]);
    }
    for stretch in plan.stretches.iter().filter(|stretch| plan.shows(stretch.from, stretch.until)) {
        life(out, plan, stretch);
    }
    for gap in plan.scale.gaps.iter().filter(|gap| gap.long) {
        scale_break(out, plan, gap);
    }
    for arrow in &plan.negotiation {
        chatter(out, plan, arrow);
    }
    for drawn in &plan.stanzas {
        stanza(out, plan, drawn);
    }
    for (mark, y) in &plan.marks {
        words_of(out, plan, mark, *y);
    }
    out.close("svg");
}

fn all_lanes(plan: &Plan) -> impl Iterator<Item = (&Lane, &'static str)> {
    let nodes = plan.lanes.nodes.iter().map(|lane| (lane, "node"));
    plan.lanes.clients.iter().map(|lane| (lane, "client")).chain(nodes)
}

/// Returns the lane of a client or node.
fn lane(plan: &Plan, whose: Whose) -> Option<&Lane> {
    match whose {
        Whose::Client(client) => plan.lanes.clients.get(client),
        Whose::Node(node) => plan.lanes.nodes.get(node),
        Whose::Story => None,
    }
}

fn definitions(out: &mut Markup) {
    out.open("defs", &[]);
    for fate in ["clean", "late", "resent"] {
        let id = format!("head-{fate}");
        let class = format!("head {fate}");
        out.open(
            "marker",
            &[
                ("id", &id),
                ("viewBox", &"0 0 10 10"),
                ("refX", &"9"),
                ("refY", &"5"),
                ("markerWidth", &"8"),
                ("markerHeight", &"8"),
                ("markerUnits", &"userSpaceOnUse"),
                ("orient", &"auto"),
            ],
        );
        out.empty("path", &[("class", &class), ("d", &"M0 1 10 5 0 9z")]);
        out.close("marker");
    }
    out.open(
        "pattern",
        &[
            ("id", &"hatch"),
            ("width", &"8"),
            ("height", &"8"),
            ("patternUnits", &"userSpaceOnUse"),
            ("patternTransform", &"rotate(45)"),
        ],
    );
    out.empty("rect", &[("class", &"hatch-ground"), ("width", &"8"), ("height", &"8")]);
    out.empty("rect", &[("class", &"hatch-line"), ("width", &"2"), ("height", &"8")]);
    out.close("pattern");
    out.close("defs");
}

fn line(out: &mut Markup, class: &str, [x1, y1, x2, y2]: [u64; 4]) {
    out.empty("line", &[("class", &class), ("x1", &x1), ("y1", &y1), ("x2", &x2), ("y2", &y2)]);
}

/// Time that is squeezed has another ground, and says how long it is.
fn squeezed(out: &mut Markup, plan: &Plan, gap: &Gap) {
    let lanes = &plan.lanes;
    let (width, height) = (lanes.right - lanes.left, gap.bottom - gap.top);
    let inner = height.saturating_sub(8);
    out.empty(
        "rect",
        &[
            ("class", &"squeezed"),
            ("x", &lanes.left),
            ("y", &(gap.top + 4)),
            ("width", &width),
            ("height", &inner),
        ],
    );
    if gap.long {
        return;
    }
    let y = gap.top + height / 2 + 4;
    let text = format!("+{}", words::span(gap.until.since(gap.from)));
    out.leaf("text", &[("class", &"pause"), ("x", &TIME_X), ("y", &y), ("text-anchor", &"end")], &text);
    line(out, "pause", [TIME_X + 8, gap.top + 6, TIME_X + 8, gap.bottom - 6]);
}

/// A long pause is torn out: two jagged edges across all lanes, and how long it is.
fn scale_break(out: &mut Markup, plan: &Plan, gap: &Gap) {
    let (left, right) = (TIME_X + 8, plan.lanes.right);
    let middle = (gap.top + gap.bottom) / 2;
    let edge = |y: u64, xs: &mut dyn Iterator<Item = u64>| -> String {
        xs.enumerate()
            .map(|(index, x)| format!("{x} {}", if index.is_multiple_of(2) { y } else { y + 5 }))
            .collect::<Vec<_>>()
            .join(" ")
    };
    let steps: Vec<u64> = (left..=right).step_by(12).collect();
    let upper = edge(middle - 7, &mut steps.iter().copied());
    let lower = edge(middle + 2, &mut steps.iter().copied());
    // The way back has to meet the same teeth.
    let back: Vec<String> = steps
        .iter()
        .enumerate()
        .rev()
        .map(|(index, x)| format!("{x} {}", if index.is_multiple_of(2) { middle + 2 } else { middle + 7 }))
        .collect();
    out.empty("path", &[("class", &"tear"), ("d", &format!("M{upper} {}z", back.join(" ")))]);
    out.empty("path", &[("class", &"jag"), ("d", &format!("M{upper}"))]);
    out.empty("path", &[("class", &"jag"), ("d", &format!("M{lower}"))]);
    let text = words::span(gap.until.since(gap.from));
    out.leaf(
        "text",
        &[("class", &"break"), ("x", &TIME_X), ("y", &(middle + 4)), ("text-anchor", &"end")],
        &text,
    );
}

/// Faults shade the columns of those they touch.
fn faults(out: &mut Markup, plan: &Plan) {
    let shown = plan.bands.iter().filter(|band| plan.shows(band.from, band.until.unwrap_or(plan.until)));
    for band in shown {
        let top = plan.height(band.from);
        let bottom = band.until.map_or(plan.scale.bottom, |until| plan.height(until)).max(top + 4);
        let until = band.until.map_or_else(|| String::from("the end"), words::time);
        let title = format!("{}: {} to {until}", band.words, words::time(band.from));
        for lane in band.whom.iter().filter_map(|whose| lane(plan, *whose)) {
            out.open("g", &[("class", &"fault")]);
            out.leaf("title", &[], &title);
            let (width, height) = (lane.to - lane.from, bottom - top);
            out.empty("rect", &[("x", &lane.from), ("y", &top), ("width", &width), ("height", &height)]);
            line(out, "edge", [lane.from, top, lane.to, top]);
            if band.until.is_some() {
                line(out, "edge", [lane.from, bottom, lane.to, bottom]);
            }
            let room = usize::try_from(height / 7).unwrap_or(usize::MAX);
            if room >= band.words.chars().count() {
                let x = if lane.side == Side::Right { lane.x - 12 } else { lane.x + 18 };
                let turn = format!("rotate(-90 {x} {})", top + 8);
                let place: [(&str, &dyn core::fmt::Display); 4] =
                    [("x", &x), ("y", &(top + 8)), ("transform", &turn), ("text-anchor", &"end")];
                out.leaf("text", &place, &band.words);
            }
            out.close("g");
        }
    }
}

/// Writes the times at the left, and a hair line for each.
fn ruler(out: &mut Markup, plan: &Plan) {
    let (mut free, mut last) = (0, String::new());
    for instant in plan.scale.instants() {
        let x = TIME_X + 8;
        if instant.bottom > instant.top + 3 {
            let bracket = format!("M{} {}h-4V{}h4", x + 3, instant.top, instant.bottom);
            out.empty("path", &[("class", &"instant"), ("d", &bracket)]);
        }
        if instant.top < free {
            continue;
        }
        free = instant.top + TIME_ROOM;
        line(out, "hair", [x, instant.top, plan.lanes.right, instant.top]);
        let short = instant.at.to_string().replace('s', "");
        let full = words::time(instant.at);
        let text = if short == last { full.trim_end_matches(" s") } else { &short };
        let place: [(&str, &dyn core::fmt::Display); 4] =
            [("class", &"time"), ("x", &TIME_X), ("y", &(instant.top + 4)), ("text-anchor", &"end")];
        out.open("text", &place);
        out.leaf("title", &[], &full);
        out.text(text);
        out.close("text");
        last = short;
    }
}

/// Draws a stretch of a life.
fn life(out: &mut Markup, plan: &Plan, stretch: &Stretch) {
    let Some(lane) = lane(plan, stretch.whose) else { return };
    let top = plan.height(stretch.from);
    let bottom = if stretch.until >= plan.until { plan.scale.bottom } else { plan.height(stretch.until) };
    let class = format!("life {}", stretch.state.class());
    let (x, width, height) = (lane.x - HALF, 2 * HALF, bottom.saturating_sub(top).max(2));
    let place: [(&str, &dyn core::fmt::Display); 6] =
        [("class", &class), ("x", &x), ("y", &top), ("width", &width), ("height", &height), ("rx", &2)];
    out.open("rect", &place);
    let (from, until) = (words::time(stretch.from), words::time(stretch.until));
    out.leaf("title", &[], &format!("{}: {}, {from} to {until}", lane.name, stretch.state.word()));
    out.close("rect");
}

/// Draws what belongs to a negotiation: faint, without words.
fn chatter(out: &mut Markup, plan: &Plan, arrow: &Arrow) {
    let (Some(client), Some(node)) = (plan.lanes.clients.get(arrow.client), plan.lanes.nodes.get(arrow.node))
    else {
        return;
    };
    let (from, to) = if arrow.way == Way::Up { (client, node) } else { (node, client) };
    let (x1, y1) = (from.edge(to.x), plan.height(arrow.begun.at));
    match arrow.fate.read() {
        Some(read) => line(out, "chatter", [x1, y1, to.edge(from.x), plan.height(read.at)]),
        None => {
            let x2 = part(x1, to.edge(from.x), 55);
            line(out, "chatter", [x1, y1, x2, y1 + 14]);
            cross(out, "cross", x2, y1 + 14);
        }
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

/// Draws a stanza: its line, what befell it, its words.
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
    let bad = if drawn.words.contains(" error ") { " refusal" } else { "" };
    let class = format!("arrow {}{bad}", arrow.fate.word());
    let (id, href) = (format!("a{}", drawn.number), format!("#m{}", drawn.number));
    out.open("a", &[("id", &id), ("href", &href), ("class", &class)]);
    out.leaf("title", &[], &tale(plan, drawn));
    line(out, "hit", [x1, y1, x2, y2]);
    let head = match arrow.fate {
        Fate::Clean(_) | Fate::Late(_) | Fate::Resent(_) => format!("url(#head-{})", arrow.fate.word()),
        Fate::Unread(_) | Fate::Lost(_) | Fate::Stuck | Fate::Underway => "none".into(),
    };
    let ends: [(&str, &dyn core::fmt::Display); 6] =
        [("class", &"line"), ("x1", &x1), ("y1", &y1), ("x2", &x2), ("y2", &y2), ("marker-end", &head)];
    out.empty("line", &ends);
    ending(out, arrow.fate, x2, y2);
    troubles(out, plan, arrow, (x1, far));
    let label = label(client, drawn);
    let (x, anchor) = client.words();
    let y = match (arrow.way, drawn.end) {
        (Way::Up, _) => y1 - 4,
        (Way::Down, Some(end)) => end + 13,
        (Way::Down, None) => y1 + 14,
    };
    out.open("text", &[("x", &x), ("y", &y), ("text-anchor", &anchor)]);
    out.text(&label.0);
    if let Some(delay) = label.1 {
        out.leaf("tspan", &[("class", &"delay")], &delay);
    }
    out.close("text");
    out.close("a");
}

/// Draws the end of what does not end with a head.
fn ending(out: &mut Markup, fate: Fate, x: u64, y: u64) {
    match fate {
        Fate::Clean(_) | Fate::Late(_) | Fate::Resent(_) => {}
        Fate::Lost(_) => cross(out, "cross", x, y),
        Fate::Unread(_) | Fate::Underway => {
            out.empty("circle", &[("class", &"open"), ("cx", &x), ("cy", &y), ("r", &4)])
        }
        Fate::Stuck => line(out, "bar", [x, y.saturating_sub(6), x, y + 6]),
    }
}

/// Draws where something was lost and when it was sent again.
fn troubles(out: &mut Markup, plan: &Plan, arrow: &Arrow, (from, to): (u64, u64)) {
    let final_loss = |at: &SimTime| matches!(arrow.fate, Fate::Lost(last) if last == *at);
    for at in arrow.lost.iter().filter(|at| !final_loss(at)).take(CROSSES_MAX) {
        let (x, y) = (part(from, to, 12), plan.height(*at));
        line(out, "attempt", [from, y, x, y + 4]);
        cross(out, "cross small", x, y + 4);
    }
    for at in arrow.resent.iter().take(CROSSES_MAX) {
        out.empty("circle", &[("class", &"again"), ("cx", &from), ("cy", &plan.height(*at)), ("r", &2)]);
    }
}

/// Returns the words beside a stanza, and by how much it is late.
fn label(client: &Lane, drawn: &Drawn) -> (String, Option<String>) {
    let delay = match drawn.arrow.fate {
        Fate::Late(read) | Fate::Resent(read) => {
            let due = drawn.arrow.begun.at + drawn.arrow.due;
            Some(format!("  +{}", words::span(read.at.since(due))))
        }
        Fate::Clean(_) | Fate::Unread(_) | Fate::Lost(_) | Fate::Stuck | Fate::Underway => None,
    };
    let room = client.letters - delay.as_ref().map_or(0, |delay| delay.chars().count());
    (cut(&drawn.words, room), delay)
}

/// Writes the words of a mark, with its dot on the lane.
fn words_of(out: &mut Markup, plan: &Plan, mark: &Mark, y: u64) {
    let class = format!("mark {}", mark.tone.word());
    out.open("g", &[("class", &class)]);
    out.leaf("title", &[], &format!("{}  {}", words::time(mark.moment.at), mark.text));
    if let Some(lane) = lane(plan, mark.whose) {
        match mark.tone {
            Tone::Bad => cross(out, "cross", lane.x, y),
            Tone::Step | Tone::Operator | Tone::World | Tone::Holds | Tone::Fails => {
                out.empty("circle", &[("cx", &lane.x), ("cy", &y), ("r", &3)]);
            }
        }
        let (x, anchor) = lane.words();
        let letters = if matches!(mark.whose, Whose::Node(_)) { lane.letters - 1 } else { lane.letters };
        out.leaf("text", &[("x", &x), ("y", &(y + 4)), ("text-anchor", &anchor)], &cut(&mark.text, letters));
    } else {
        let (left, right, story) = (plan.lanes.left, plan.lanes.right, plan.lanes.story);
        let from = if mark.tone == Tone::Holds { right } else { left };
        line(out, "leader", [from, y, story - 6, y]);
        out.leaf("text", &[("x", &story), ("y", &(y + 4))], &cut(&mark.text, STORY_LETTERS));
    }
    out.close("g");
}
