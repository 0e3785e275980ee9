//! What the signs of the picture mean.

use super::markup::Markup;

/// How a sample is drawn: a line with a class, an end, and what it means.
const ARROWS: [(&str, &str, &str); 8] = [
    ("clean", "M26 1 36 5 26 9z", "arrived as soon as the path allows"),
    ("late", "M26 1 36 5 26 9z", "arrived later than that"),
    ("resent", "M26 1 36 5 26 9z", "sent again on the way, and by how much it is late"),
    ("lost", "M22 1l8 8m0 -8l-8 8", "lost for good"),
    ("unread", "M34 5a4 4 0 1 1 -8 0a4 4 0 1 1 8 0z", "arrived, or on its way, and nobody read it"),
    ("stuck", "M28 0v10", "never left: its connection ended first"),
    ("evidence", "", "evidence of something that must not be"),
    ("chatter", "", "negotiation: TLS, login, binding"),
];
const LIVES: [(&str, &str); 5] = [
    ("s-connecting", "connecting, no TLS"),
    ("s-secured", "TLS is up"),
    ("s-logged-in", "logged in"),
    ("s-bound", "bound"),
    ("s-closing", "closing"),
];
const NODES: [(&str, &str); 4] = [
    ("s-starting", "node starts"),
    ("s-runs", "node runs"),
    ("s-down", "killed or stopped"),
    ("s-without-power", "without power"),
];

/// Writes the legend.
pub(super) fn legend(out: &mut Markup) {
    out.open("details", &[("class", &"legend")]);
    out.leaf("summary", &[], "Legend");
    out.open("ul", &[]);
    for (class, end, meaning) in ARROWS {
        out.open("li", &[]);
        out.open(
            "svg",
            &[("width", &38), ("height", &10), ("viewBox", &"0 0 38 10"), ("aria-hidden", &"true")],
        );
        let group = format!("arrow {class}");
        out.open("g", &[("class", &group)]);
        let line = match class {
            "chatter" => class,
            "evidence" => "glow",
            _ => "line",
        };
        out.empty("line", &[("class", &line), ("x1", &0), ("y1", &5), ("x2", &28), ("y2", &5)]);
        let filled = matches!(class, "clean" | "late" | "resent");
        let shape = if filled { format!("head {class}") } else { "cross".into() };
        if !end.is_empty() {
            out.empty("path", &[("class", &shape), ("d", &end)]);
        }
        out.close("g");
        out.close("svg");
        out.leaf("span", &[], meaning);
        out.close("li");
    }
    for (class, meaning) in LIVES.iter().chain(&NODES) {
        sample(out, &format!("life {class}"), meaning);
    }
    sample(out, "hatch", "a fault in force");
    sample(out, "squeezed", "time is squeezed; its length stands at the left");
    out.close("ul");
    out.leaf(
        "p",
        &[],
        "Time runs down. Where much happens it runs evenly; pauses are squeezed, long ones torn out (jagged edges). \
         A bracket at the times is one instant, stretched so that all of it can be read. Each way of a stanza is an \
         arrow: from its client to the node, and from the node to whom it is for. Click an arrow for every byte and time.",
    );
    out.close("details");
}

fn sample(out: &mut Markup, class: &str, meaning: &str) {
    out.open("li", &[]);
    out.open("svg", &[("width", &38), ("height", &10), ("viewBox", &"0 0 38 10"), ("aria-hidden", &"true")]);
    out.empty("rect", &[("class", &class), ("width", &38), ("height", &10), ("rx", &2)]);
    out.close("svg");
    out.leaf("span", &[], meaning);
    out.close("li");
}
