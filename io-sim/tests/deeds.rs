//! Each verb that can be done and that not every server serves is read, in its shortest and its longest line, and says
//! what it needs; what is wrong in it is an error of its line.

#![expect(clippy::unwrap_used, reason = "a failure is a failed test")]

use eyot_io_sim::script::{BUILT, Part, RunOptions, Scenario, Trouble, Waiting, Watched, run};

const HEAD: &str = "# A story.\n# RFC 6120\nnodes a b\nroom ops at rooms.hq.example\n";

/// What a line needs, if anything, and the line.
const LINES: [(&str, &str); 66] = [
    ("rosters", "contacts alice bob"),
    ("resumption", "resume time 60s"),
    ("resumption", "resume queue 20000 bytes"),
    ("rosters", "alice subscribes to bob"),
    ("rosters", "alice unsubscribes from bob@hq.example"),
    ("rosters", "alice accepts bob"),
    ("rosters", "alice pre-approves bob"),
    ("rosters", "alice refuses bob"),
    ("rosters", "alice puts bob in its roster"),
    ("rosters", "alice puts bob in its roster as \"Old Bob\" group Friends group Work"),
    ("rosters", "alice removes bob from its roster"),
    ("rosters", "expect alice roster has bob"),
    ("rosters", "expect alice roster has bob as Robert group Friends subscription pending"),
    ("rosters", "expect alice roster lacks bob"),
    ("blocking", "alice blocks bob carl@hq.example"),
    ("blocking", "alice unblocks bob"),
    ("blocking", "alice unblocks everybody"),
    ("blocking", "expect alice blocks exactly bob carl"),
    ("blocking", "expect alice blocks nobody"),
    ("", "alice asks blocklist"),
    ("carbons", "alice enables carbons"),
    ("carbons", "alice disables carbons"),
    ("carbons", "expect alice carbon sent: two words"),
    ("carbons", "expect alice carbon received: hello"),
    ("archives", "alice pages"),
    ("archives", "alice pages with bob after last before first since 5m max 10 flipped"),
    ("archives", "alice pages after \"two words\" before end"),
    ("archives", "alice pages after id 123"),
    ("rooms", "alice pages of ops max 50"),
    ("rooms", "alice pages after id 123 of ops"),
    ("archives", "alice catches up"),
    ("archives", "alice catches up by time"),
    ("rooms", "alice catches up of ops by back"),
    ("archives", "alice archives roster"),
    ("archives", "alice archives never always bob never eve carl"),
    ("", "alice asks archive preferences"),
    ("", "alice asks archive metadata"),
    ("archives", "expect alice page empty"),
    ("archives", "expect alice page incomplete"),
    ("archives", "expect alice page unstable"),
    ("archives", "expect alice page refused item-not-found"),
    ("archives", "expect alice page like alice"),
    ("archives", "expect alice page holds one \"two words\""),
    ("archives", "expect alice caught up 3 messages"),
    ("archives", "expect alice missed nothing of alice"),
    ("resumption", "alice enables acks"),
    ("resumption", "alice enables resumption max 60s"),
    ("resumption", "alice asks for ack"),
    ("resumption", "alice stops acking"),
    ("resumption", "alice acks h 4294967295"),
    ("resumption", "alice resumes"),
    ("resumption", "alice resumes on b h 7"),
    ("resumption", "alice repeats \"two words\""),
    ("resumption", "expect alice resumable max 60s"),
    ("resumption", "expect alice not resumable"),
    ("resumption", "expect alice resumed h 1 within 500ms"),
    ("resumption", "expect alice resume refused item-not-found h 2"),
    ("resumption", "expect alice acked h 2 within 1s"),
    ("resumption", "expect alice unacked 0"),
    ("resumption", "expect alice asked for ack"),
    ("", "alice active"),
    ("", "alice says headline to bob with no-store no-copy: hello"),
    ("", "alice asks vcard of bob"),
    ("", "alice asks last activity of bob"),
    ("", "alice sets vcard \"Alice A.\""),
    ("", "alice stores private secret"),
];

fn read(line: &str) -> Result<Scenario, String> {
    let client = "client alice on a\n";
    let (before, behind) =
        if line.starts_with("contacts") || line.starts_with("resume ") { (line, "") } else { ("", line) };
    let text = format!("{HEAD}{before}\n{client}{behind}\nalice connects\n");
    Scenario::parse("deed", &text).map_err(|error| error.to_string())
}

#[test]
fn each_line_is_read_and_says_what_it_needs() {
    for (capability, line) in LINES {
        let story = read(line).unwrap_or_else(|error| panic!("{error}"));
        let step = story.steps.iter().find(|step| step.text == line).expect("the line is there");
        let needed = Some(capability).filter(|name| !name.is_empty() && !BUILT.contains(name));
        assert_eq!(step.act.capability(), needed, "{line}");
        assert_eq!(step.act.part() == Part::Expect, line.starts_with("expect"), "{line}");
    }
}

#[test]
fn what_is_wrong_is_an_error() {
    for wrong in [
        "contacts alice",
        "resume time soon",
        "resume queue 5",
        "alice subscribes bob",
        "alice puts bob",
        "alice puts bob in its roster as",
        "alice removes bob",
        "expect alice roster has bob subscription maybe",
        "expect alice roster holds bob",
        "alice blocks",
        "alice pages of nowhere",
        "alice pages max many",
        "alice pages sideways",
        "alice catches up by luck",
        "alice archives sometimes",
        "alice archives roster bob",
        "expect alice page torn",
        "expect alice page holds",
        "expect alice page refused whatever",
        "expect alice caught up all messages",
        "expect alice missed nothing of zoe",
        "expect alice carbon: hello",
        "expect alice carbon sent hello",
        "alice enables everything",
        "alice enables resumption for ever",
        "alice acks 5",
        "alice acks h 4294967296",
        "alice resumes on z",
        "alice asks for ack now",
        "alice repeats",
        "expect alice acked",
        "expect alice resume refused nonsense",
        "alice says to bob with no-hurry: hello",
        "alice asks nonsense",
    ] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn lines_about_contacts_and_blocked_addresses_are_told_to_clients_that_come_online() {
    for (line, watched) in [
        ("expect alice roster lacks bob", Some(Watched::Roster)),
        ("at 5s alice puts bob in its roster", Some(Watched::Roster)),
        ("contacts alice bob", Some(Watched::Roster)),
        ("alice blocks bob", Some(Watched::Blocklist)),
        ("alice pages", None),
    ] {
        let story = read(line).unwrap();
        let step = story.steps.iter().find(|step| step.text == line).unwrap();
        assert_eq!(step.act.watched(), watched, "{line}");
    }
}

/// Runs a story of Alice, whose server need not know what she asks for.
fn story(mark: &str, lines: &str) -> (Scenario, eyot_io_sim::script::Outcome) {
    let text = format!(
        "# A story.\n# RFC 6120\n# pending: {mark}\nnodes a b\naccount alice\n\
        client alice on a resource desk\nalice comes online\nsettle\n{lines}"
    );
    let story = Scenario::parse("story", &text).unwrap();
    let outcome = run(&story, RunOptions::default());
    (story, outcome)
}

#[test]
fn what_cannot_be_done_is_wrong_and_what_waits_for_others_is_pending() {
    for (capability, line) in
        [("resumption", "alice repeats \"never said\"\n"), ("archives", "alice pages after last\n")]
    {
        let (_, outcome) = story(capability, line);
        let trouble = outcome.trouble.map(|(_, trouble)| trouble).expect("it cannot be done");
        let waits = trouble == Trouble::Pending(capability.into());
        assert_eq!(waits, !BUILT.contains(&capability), "{line}: {trouble:?}");
    }
    let (_, outcome) = story("resumption", "alice resumes on b\n");
    assert_eq!(outcome.trouble.map(|(_, trouble)| trouble), Some(Trouble::Pending("cluster".into())));
}

#[test]
fn who_has_nothing_to_resume_does_nothing_and_a_story_that_needs_it_waits() {
    let (pending, outcome) = story("resumption", "alice resumes\nwait 1s\nexpect alice resumed\n");
    assert_eq!(outcome.waiting(&pending), Waiting::Still("resumption"));
    assert!(outcome.transcript.to_string().contains("cannot resume: no stream"), "{}", outcome.transcript);
}
