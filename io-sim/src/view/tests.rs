//! What the page of a run must hold.

use std::fmt::Write as _;

use eyot_core::xml::Element;

use super::{Shown, page};
use crate::client::Sight;
use crate::oracle::{Signature, Violation};
use crate::script::{Outcome, RunOptions, Scenario, run};
use crate::world::{Actor, Options, Record};

const PAIR: &str = "account alice\naccount bob\nclient alice on a resource desk\nclient bob on a resource desk\n\
    alice comes online\nbob comes online\nsettle\n";
const HOSTILE: &str = "</title></svg><script>alert(1)</script> \"x\" 'y' & --> ]]> onload=";

fn told(lines: &str) -> (Scenario, Outcome) {
    let scenario = Scenario::parse("story.scn", &format!("# A story.\n# RFC 6121\n{PAIR}{lines}")).unwrap();
    let world = Options { wire: true, ..Options::default() };
    let outcome = run(&scenario, RunOptions { world, ..RunOptions::default() });
    assert_eq!(outcome.trouble, None);
    (scenario, outcome)
}

fn drawn(lines: &str) -> String {
    let (scenario, outcome) = told(lines);
    page(&Shown { scenario: &scenario, outcome: &outcome, options: Options::default() }).unwrap()
}

/// Returns everything from each `begin` to the next `end`.
fn parts<'a>(page: &'a str, begin: &str, end: &str) -> Vec<&'a str> {
    let part = |(at, _): (usize, &str)| {
        let rest = page.get(at..).unwrap();
        let length = rest.find(end).unwrap() + end.len();
        rest.get(..length).unwrap()
    };
    page.match_indices(begin).map(part).collect()
}

/// Returns the arrow and the entry of each stanza whose words hold a text.
fn stanzas<'a>(page: &'a str, text: &str) -> Vec<(&'a str, &'a str)> {
    let arrows = parts(page, "<a id=\"a", "</a>");
    let entries = parts(page, "<li id=\"m", "</li>");
    assert_eq!(arrows.len(), entries.len(), "each arrow has its entry");
    arrows.into_iter().zip(entries).filter(|(_, entry)| entry.contains(text)).collect()
}

#[test]
fn the_same_run_is_the_same_page_and_watching_it_changes_nothing() {
    let lines = "cut bob\nalice says to bob: hello\nwait 3s\nheal bob\n";
    assert_eq!(drawn(lines), drawn(lines));
    let (scenario, watched) = told(lines);
    let unwatched = run(&scenario, RunOptions::default());
    assert_eq!(unwatched.hash, watched.hash);
    let shown = Shown { scenario: &scenario, outcome: &unwatched, options: Options::default() };
    assert_eq!(page(&shown), None, "without a film there is nothing to draw");
}

#[test]
fn a_stanza_cannot_leave_its_place_in_the_page() {
    let page = drawn(&format!(
        "alice says to bob: {HOSTILE}\nalice sends xml: <message to='{{bob}}'><body>{HOSTILE}\n"
    ));
    assert_eq!(page.matches("<script").count(), 1, "the page's own");
    assert_eq!(page.matches("</script").count(), 1);
    assert!(!page.contains("alert(1)</"), "only as text");
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(!page.contains("http:") || !page.replace("http://www.w3.org/2000/svg", "").contains("src="));
}

#[test]
fn the_pictures_are_well_formed() {
    let page = drawn(&format!(
        "cut bob\nalice says to bob: {HOSTILE}\nwait 9s\nheal bob\nexpect bob got 1 message\n"
    ));
    let pictures = parts(&page, "<svg", "</svg>");
    assert!(pictures.len() > 10, "the names, the picture, the samples of the legend");
    for picture in pictures {
        assert!(Element::parse(picture.to_owned().into()).is_ok(), "{picture}");
    }
}

#[test]
fn every_stanza_that_anybody_wrote_or_got_is_in_the_page() {
    let lines = "alice says to bob: one\nbob says to nobody: two\nalice pings bob\nsettle\nalice drops\nalice says to bob: late\n";
    let (scenario, outcome) = told(lines);
    let page = page(&Shown { scenario: &scenario, outcome: &outcome, options: Options::default() }).unwrap();
    let film = outcome.film.as_ref().unwrap();
    let entries = parts(&page, "<li id=\"m", "</li>");
    let mut expected = 0;
    for record in &film.history {
        let (bytes, arrow) = match &record.actor {
            Actor::Client(client, Sight::Sent(bytes)) => {
                (bytes, format!("{} \u{2192} a", film.cast.clients[client.at()]))
            }
            Actor::Client(client, Sight::Got(got)) => {
                (got.raw(), format!("a \u{2192} {}", film.cast.clients[client.at()]))
            }
            Actor::Client(..) | Actor::Node(..) | Actor::World(_) => continue,
        };
        let text = String::from_utf8_lossy(bytes).replace('<', "&lt;").replace('>', "&gt;");
        let text = text.replace('"', "&quot;").replace('\'', "&#39;");
        let found = entries.iter().filter(|entry| entry.contains(&text) && entry.contains(&arrow)).count();
        assert!(found > 0, "{text} {arrow}");
        expected += 1;
    }
    assert!(expected >= 10, "{expected}");
    assert_eq!(entries.len(), expected, "and nothing else is");
}

#[test]
fn what_is_lost_for_good_is_a_cross_and_what_is_sent_again_is_dashed_and_says_by_how_much_it_is_late() {
    let page = drawn("vanish bob\nalice says to bob: gone\nwait 2s\n");
    let found = stanzas(&page, "gone");
    assert_eq!(found.len(), 2);
    assert!(found[0].0.contains("class=\"arrow clean\"") && !found[0].0.contains("cross"), "{}", found[0].0);
    assert!(
        found[1].0.contains("class=\"arrow lost\"") && found[1].0.contains("class=\"cross\""),
        "{}",
        found[1].0
    );

    let page = drawn("cut bob\nalice says to bob: knock\nwait 2s\nheal bob\nsettle\n");
    let found = stanzas(&page, "knock");
    assert!(found[1].0.contains("class=\"arrow resent\""), "{}", found[1].0);
    let labels = parts(&page, "<a id=\"l", "</a>");
    assert!(
        labels.iter().any(|label| label.contains("knock") && label.contains("class=\"delay\">  +")),
        "{labels:?}"
    );
    assert!(page.contains("<g class=\"fault\">"), "the cut shades the lane");
}

#[test]
fn what_nobody_reads_ends_in_a_circle_and_what_never_leaves_at_a_bar() {
    let page = drawn(
        "bob stops reading\nalice says to bob: {x*40000}\nalice says to bob: {y*60000}\nalice says to bob: {z*9000}\n\
        settle\nreset bob\nsettle\n",
    );
    let of = |letter: &str| stanzas(&page, &letter.repeat(99)).last().unwrap().0;
    assert!(
        of("x").contains("class=\"arrow unread\"") && of("x").contains("<circle class=\"open\""),
        "{}",
        of("x")
    );
    assert!(of("z").contains("class=\"arrow stuck\"") && of("z").contains("class=\"bar\""), "{}", of("z"));
}

#[test]
fn what_an_oracle_names_as_evidence_stands_out() {
    let (scenario, mut outcome) = told("alice says to bob: this\nalice says to bob: that\n");
    let history = &outcome.film.as_ref().unwrap().history;
    let got_this = |record: &Record| {
        let Actor::Client(_, Sight::Got(got)) = &record.actor else { return false };
        String::from_utf8_lossy(got.raw()).contains("this")
    };
    let records = vec![history.iter().position(got_this).unwrap()];
    let (at, what) = (history[records[0]].at, "bob got what he should not".into());
    let signature = Signature::new("origin", "forged");
    outcome.violations.push(Violation { at, signature, who: Vec::new(), what, records });
    let page = page(&Shown { scenario: &scenario, outcome: &outcome, options: Options::default() }).unwrap();
    assert_eq!(stanzas(&page, "this").iter().filter(|found| found.0.contains("glow")).count(), 1);
    assert!(!stanzas(&page, "that").iter().any(|found| found.0.contains("glow")));
    assert!(page.contains("origin/forged: bob got what he should not") && page.contains("1 violation found"));
}

#[test]
fn a_flood_is_bounded_and_what_is_left_out_is_said() {
    let mut lines = String::new();
    for number in 0..760 {
        writeln!(lines, "alice says to bob: {number}").unwrap();
    }
    let page = drawn(&lines);
    assert_eq!(parts(&page, "<a id=\"a", "</a>").len(), 1_500);
    assert!(
        page.contains("Only a part is drawn: stanzas 1 to 1500 of 1524"),
        "{}",
        parts(&page, "<p class=\"left-out\"", "</p>")[0]
    );
}

fn waiting(lines: &str) -> String {
    let text = format!("# A story.\n# RFC 6121\n# pending: cluster\n{lines}");
    let scenario = Scenario::parse("story.scn", &text).unwrap();
    let world = Options { wire: true, ..Options::default() };
    let outcome = run(&scenario, RunOptions { world, ..RunOptions::default() });
    page(&Shown { scenario: &scenario, outcome: &outcome, options: Options::default() }).unwrap()
}

#[test]
fn a_story_that_waits_is_no_failure_and_nothing_is_drawn_where_nothing_is() {
    let page = waiting(&format!("lease 5s\n{PAIR}"));
    assert!(page.contains("pending: cluster") && page.contains("class=\"verdict pending\""));
    for wrong in
        ["FAILED", "0 of 0", "0 nodes", "0 stanzas", "class=\"verdict bad\"", "<main", "<svg", "<script"]
    {
        assert!(!page.contains(wrong), "{wrong}");
    }
    assert_eq!(page.matches("<header").count(), page.matches("</header").count());

    let page = waiting(&format!("{PAIR}alice says to bob: hello\nexpect nothing bob\nexpect a drained\n"));
    assert!(page.contains("class=\"verdict pending\"") && !page.contains("FAILED"));
    assert!(page.contains("class=\"failures waits\"") && page.contains("does not hold: expect nothing bob"));
    assert!(page.contains("<main") && page.contains("in full"), "what was done is drawn");
}

#[test]
fn a_story_that_waits_for_nothing_has_a_mark_too_many() {
    let page = waiting(&format!("{PAIR}alice says to bob: hello\nexpect bob got 1 message\n"));
    assert!(page.contains("class=\"verdict bad\"") && page.contains("passes: remove the mark"));
}

#[test]
fn what_does_not_hold_comes_first() {
    let page = drawn("alice says to bob: hello\nexpect nothing bob\nexpect bob got 1 message\n");
    assert!(page.contains("FAILED: 1 of 2 expectations met"));
    let failures = parts(&page, "<section class=\"failures\"", "</section>");
    assert!(failures[0].contains("expect nothing bob") && !failures[0].contains("got 1 message"));
    assert!(page.contains("class=\"mark fails\""));
}
