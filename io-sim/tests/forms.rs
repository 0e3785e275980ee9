//! Each form of a verb that is to come is reachable, typed, and shown where verbs are listed.

use eyot_io_sim::script::{Before, Form, Names, Scenario, forms};

const HEAD: &str = "# A story.\n# RFC 6120\nnodes a b\nroom ops at rooms.hq.example\n\
    route sat hq.example ship.example lan\nlabels OPEN SECRET\nclient alice on a\n";

/// Returns a value of the type of a place, or the word itself.
fn value(word: &str) -> &str {
    match word {
        "CLIENT" => "alice",
        "NODE" | "PEER" => "a",
        "PROFILE" => "lan",
        "ROOM" => "ops",
        "ROUTE" => "sat",
        "LABEL" => "SECRET",
        "CONDITION" => "conflict",
        "DOMAIN" => "hq.example",
        "LEVEL" => "cluster:2",
        "SPAN" => "5s",
        "SIZE" | "N" | "BYTES" => "3",
        place if place.starts_with(|c: char| c.is_ascii_uppercase()) => "\"two words\"",
        word => word,
    }
}

/// Returns a line of the form: the shortest, or the longest.
fn line(form: &Form, longest: bool) -> String {
    let mut words = Vec::new();
    let mut inside = false;
    for token in form.text.split_whitespace() {
        inside |= token.starts_with('[');
        let colon = if token.ends_with(':') { ":" } else { "" };
        if inside && !longest {
            words.push(colon.into());
        } else {
            let bare = token.trim_matches(['[', ']', ':']).trim_end_matches("...");
            let choice = if longest { bare.rsplit('|').next() } else { bare.split('|').next() };
            words.push(format!("{}{colon}", value(choice.unwrap_or_default())));
            if longest && token.ends_with("...") {
                words.push(value(bare).into());
            }
        }
        inside &= !token.trim_end_matches(':').ends_with(']');
    }
    let words = words.join(" ").replace(" :", ":");
    format!("{}{}", before(form.before), words.split_whitespace().collect::<Vec<_>>().join(" "))
}

const fn before(before: Before) -> &'static str {
    match before {
        Before::Setting | Before::Deed => "",
        Before::Client => "alice ",
        Before::Node => "a ",
        Before::Expect => "expect ",
        Before::ExpectClient => "expect alice ",
        Before::ExpectNode => "expect a ",
    }
}

fn read(line: &str) -> Result<Option<&'static str>, String> {
    let story = Scenario::parse("form", &format!("{HEAD}{line}\nalice connects\n"));
    let story = story.map_err(|error| error.to_string())?;
    Ok(story.steps.iter().find(|step| step.text == line).and_then(|step| step.act.capability()))
}

#[test]
fn each_form_is_read_in_its_shortest_and_its_longest_line() {
    for form in forms() {
        for longest in [false, true] {
            let line = line(form, longest);
            assert_eq!(read(&line), Ok(Some(form.capability)), "{line}");
        }
    }
}

#[test]
fn what_is_missing_left_over_or_of_another_type_is_an_error_of_that_line() {
    for form in forms() {
        let whole = line(form, false);
        let open = form.text.ends_with("...");
        if !open && !form.text.contains(": ") {
            assert!(read(&format!("{whole} and more of it")).is_err(), "{whole} and more of it");
        }
    }
    for wrong in [
        "alice joins nowhere as Ann",
        "alice joins ops as",
        "alice joins ops",
        "alice joins ops as Ann history soon",
        "alice says in ops hello",
        "alice says in ops:",
        "alice says under TOP to bob: x",
        "alice configures ops members-only maybe",
        "alice resumes on z",
        "durability cluster:0",
        "grace soon",
        "cut route hf",
        "peers hq.example ship.example over carrier-pigeons",
        "peers hq ship over dialback",
        "expect alice resume refused nonsense",
        "expect alice acked h many",
        "expect a sees z reachable",
        "expect a sees b asleep",
        "expect nodes disagree",
        "expect alice page refused whatever",
    ] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_setting_stands_above_what_is_done() {
    let late = format!("{HEAD}alice connects\ngrace 5s\n");
    assert!(Scenario::parse("late", &late).is_err());
}

#[test]
fn names_are_made_known_by_the_forms_that_say_so_alone() {
    let naming: Vec<&str> =
        forms().filter(|form| form.names != Names::Nothing).map(|form| form.text).collect();
    assert!(naming.iter().all(|text| text.contains("NAME")), "{naming:?}");
    assert_eq!(naming.len(), 2);
}

#[test]
fn each_form_stands_in_the_list_of_verbs() {
    let list = include_str!("../../scenarios/VERBS.md");
    for form in forms() {
        let line = format!("{}{}", before(form.before), form.text);
        assert!(list.lines().any(|found| found.split("  ").next() == Some(&line)), "{line}");
    }
}
