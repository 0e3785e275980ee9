//! The stanzas of a picture as a list: every byte and every time, for whoever wants to know it exactly.

use super::arrow::{Fate, Way};
use super::markup::Markup;
use super::plan::{Drawn, Plan};
use super::words;

/// So much of a stanza is shown.
const XML_MAX: usize = 6_000;

/// Tells what became of a stanza, one line each.
pub(super) fn tale(plan: &Plan, drawn: &Drawn) -> String {
    let arrow = &drawn.arrow;
    let (from, to) = ends(plan, drawn);
    let mut told =
        vec![drawn.words.clone(), format!("{from} \u{2192} {to}, {}", words::bytes(arrow.bytes.len()))];
    told.push(format!("written {}", words::time(arrow.begun.at)));
    let read = |at| {
        let (took, due) =
            (words::span(crate::engine::SimTime::since(at, arrow.begun.at)), words::span(arrow.due));
        format!("read {}, after {took}; the path takes {due} at most", words::time(at))
    };
    told.push(match arrow.fate {
        Fate::Clean(moment) => read(moment.at),
        Fate::Late(moment) => format!("{}: late", read(moment.at)),
        Fate::Resent(moment) => format!("{}: sent again on the way", read(moment.at)),
        Fate::Unread(at) => format!("arrived {}; nobody read it", words::time(at)),
        Fate::Lost(at) => format!("lost {}, for good", words::time(at)),
        Fate::Stuck => "never left: its connection ended first, or the story".into(),
        Fate::Underway => "left, and did not arrive before its connection or the story ended".into(),
    });
    if !arrow.lost.is_empty() {
        told.push(format!("segments lost {}, sent again {}", arrow.lost.len(), arrow.resent.len()));
    }
    told.join("\n")
}

/// Writes the list.
pub(super) fn list(out: &mut Markup, plan: &Plan) {
    out.open("ol", &[("class", &"stanzas"), ("id", &"stanzas")]);
    for drawn in &plan.stanzas {
        entry(out, plan, drawn);
    }
    out.close("ol");
}

fn entry(out: &mut Markup, plan: &Plan, drawn: &Drawn) {
    let fate = drawn.arrow.fate;
    let (id, back) = (format!("m{}", drawn.number), format!("#a{}", drawn.number));
    out.open("li", &[("id", &id), ("class", &fate.word()), ("value", &drawn.number)]);
    out.open("details", &[]);
    out.open("summary", &[]);
    out.leaf("span", &[("class", &"number")], &drawn.number.to_string());
    out.leaf("span", &[("class", &"when")], &words::time(drawn.arrow.begun.at));
    let (from, to) = ends(plan, drawn);
    out.leaf("span", &[("class", &"who")], &format!("{from} \u{2192} {to}"));
    out.leaf("span", &[("class", &"fate")], fate.word());
    out.leaf("span", &[("class", &"gist")], &drawn.words);
    if drawn.evidence {
        out.leaf("span", &[("class", &"evidence")], "evidence of a violation");
    }
    out.close("summary");
    let tale = tale(plan, drawn);
    let told = tale.lines().skip(1).collect::<Vec<_>>().join("\n");
    out.leaf("p", &[("class", &"tale")], &told);
    let text = String::from_utf8_lossy(&drawn.arrow.bytes);
    let shown: String = text.chars().take(XML_MAX).collect();
    let rest = text.len() - shown.len();
    out.open("pre", &[]);
    out.text(&shown);
    if rest > 0 {
        out.leaf("i", &[], &format!("\u{2026} and {} more", words::bytes(rest)));
    }
    out.close("pre");
    out.leaf("a", &[("href", &back), ("class", &"back")], "to the picture");
    out.close("details");
    out.close("li");
}

/// Returns the names at both ends, the writer's first.
fn ends<'a>(plan: &'a Plan, drawn: &Drawn) -> (&'a str, &'a str) {
    let client = plan.lanes.clients.get(drawn.arrow.client).map_or("", |lane| &lane.name);
    let node = plan.lanes.nodes.get(drawn.arrow.node).map_or("", |lane| &lane.name);
    match drawn.arrow.way {
        Way::Up => (client, node),
        Way::Down => (node, client),
    }
}
