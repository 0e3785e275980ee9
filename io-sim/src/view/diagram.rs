//! The picture: lanes, times, arrows, as SVG that needs nothing else.

use std::collections::BTreeMap;

use super::lanes::{Lane, Side};
use super::life::{Stretch, Whose};
use super::markup::{Attrs, Markup, cut};
use super::plan::{Extent, Plan};
use super::scale::Gap;
use super::stroke::{line, strokes};
use super::words;

/// The height of the names above the picture.
const NAMES: u64 = 46;
/// Half the width of a lane.
const HALF: u64 = 5;
/// Where the words of a time end.
const TIME_X: u64 = 74;
/// Two times have to be so far apart to be both written.
const TIME_ROOM: u64 = 14;
const SVG: &str = "http://www.w3.org/2000/svg";

/// Draws the names that stay in sight above the picture.
pub(super) fn names(out: &mut Markup, plan: &Plan) {
    let lanes = &plan.lanes;
    let view = format!("0 0 {} {NAMES}", lanes.width);
    let size: Attrs<'_> = &[
        ("xmlns", &SVG),
        ("class", &"names"),
        ("viewBox", &view),
        ("width", &lanes.width),
        ("height", &NAMES),
        ("aria-hidden", &"true"),
    ];
    out.open("svg", size);
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
        let name = cut(&lane.name, lane.name_letters);
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
    let size: Attrs<'_> = &[
        ("xmlns", &SVG),
        ("class", &"picture"),
        ("viewBox", &view),
        ("width", &width),
        ("height", &height),
        ("role", &"group"),
        ("aria-label", &"Space-time diagram: time runs down, a lane for each node and client"),
    ];
    out.open("svg", size);
    definitions(out);
    for gap in &plan.scale.gaps {
        squeezed(out, plan, gap);
    }
    faults(out, plan);
    ruler(out, plan);
    for (lane, _) in all_lanes(plan) {
        line(out, "lane", [lane.x, 0, lane.x, height]);
    }
    for (stretch, extent) in &plan.stretches {
        life(out, plan, stretch, *extent);
    }
    for gap in plan.scale.gaps.iter().filter(|gap| gap.long) {
        scale_break(out, plan, gap);
    }
    fault_words(out, plan);
    strokes(out, plan);
    out.close("svg");
}

fn all_lanes(plan: &Plan) -> impl Iterator<Item = (&Lane, &'static str)> {
    let nodes = plan.lanes.nodes.iter().map(|lane| (lane, "node"));
    plan.lanes.clients.iter().map(|lane| (lane, "client")).chain(nodes)
}

/// Returns the lane of a client or node.
pub(super) fn lane(plan: &Plan, whose: Whose) -> Option<&Lane> {
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
    let middle = u64::midpoint(gap.top, gap.bottom);
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
    for (band, extent) in &plan.bands {
        let (top, bottom) = (extent.top, extent.bottom.max(extent.top + 4));
        let until = band.until.map_or_else(|| String::from("the end"), |until| words::time(until.at));
        let hit = band.hit.map_or_else(String::new, |hit| format!("; it hit {hit} live things"));
        let title = format!("{}: {} to {until}{hit}", band.words, words::time(band.from.at));
        for lane in band.whom.iter().filter_map(|whose| lane(plan, *whose)) {
            out.open("g", &[("class", &"fault")]);
            out.leaf("title", &[], &title);
            let (width, height) = (lane.to - lane.from, bottom - top);
            out.empty("rect", &[("x", &lane.from), ("y", &top), ("width", &width), ("height", &height)]);
            line(out, "edge", [lane.from, top, lane.to, top]);
            if band.until.is_some() {
                line(out, "edge", [lane.from, bottom, lane.to, bottom]);
            }
            out.close("g");
        }
    }
}

/// Writes what faults are called along the lanes that they touch, below each other where they overlap.
fn fault_words(out: &mut Markup, plan: &Plan) {
    let mut free: BTreeMap<Whose, u64> = BTreeMap::new();
    for (band, extent) in &plan.bands {
        let length = u64::try_from(band.words.chars().count()).unwrap_or(u64::MAX).saturating_mul(7);
        for whose in &band.whom {
            let Some(lane) = lane(plan, *whose) else { continue };
            let free = free.entry(*whose).or_default();
            let top = (extent.top + 8).max(*free);
            // The story has the words too.
            if top.saturating_add(length) > extent.bottom {
                continue;
            }
            *free = top + length + 8;
            let x = if lane.side == Side::Right { lane.x - 12 } else { lane.x + 19 };
            let turn = format!("rotate(-90 {x} {top})");
            let place: Attrs<'_> = &[
                ("class", &"fault-words"),
                ("x", &x),
                ("y", &top),
                ("transform", &turn),
                ("text-anchor", &"end"),
            ];
            out.leaf("text", place, &band.words);
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
        let place: Attrs<'_> =
            &[("class", &"time"), ("x", &TIME_X), ("y", &(instant.top + 4)), ("text-anchor", &"end")];
        out.open("text", place);
        out.leaf("title", &[], &full);
        out.text(text);
        out.close("text");
        last = short;
    }
}

/// Draws a stretch of a life.
fn life(out: &mut Markup, plan: &Plan, stretch: &Stretch, Extent { top, bottom }: Extent) {
    let Some(lane) = lane(plan, stretch.whose) else { return };
    let class = format!("life {}", stretch.state.class());
    let (x, width, height) = (lane.x - HALF, 2 * HALF, bottom.saturating_sub(top).max(2));
    let place: Attrs<'_> =
        &[("class", &class), ("x", &x), ("y", &top), ("width", &width), ("height", &height), ("rx", &2)];
    out.open("rect", place);
    let (from, until) = (words::time(stretch.from.at), words::time(stretch.until.at));
    out.leaf("title", &[], &format!("{}: {}, {from} to {until}", lane.name, stretch.state.word()));
    out.close("rect");
}
