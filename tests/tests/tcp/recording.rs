//! Recordings: the text of the recorder, read into events and into what the model must be given.

use std::collections::BTreeSet;
use std::path::PathBuf;

use eyot_io_sim::engine::SimSpan;
use eyot_io_sim::net::{Line, LinkProfile, TcpParams};

use crate::seen::first;

/// One thing that happened, in the kernel or in the model.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// Microseconds since the start.
    pub(crate) at: i64,
    /// Who did or saw what: `server read`, `client resent`, `world cut both`.
    pub(crate) what: String,
    /// Bytes so far, where bytes are what it is about.
    pub(crate) bytes: usize,
}

/// A recording: what happened, and what the model must be given to do the same.
#[derive(Debug)]
pub(crate) struct Recording {
    pub(crate) events: Vec<Event>,
    pub(crate) delay_us: u64,
    pub(crate) segment: usize,
    /// The client's segments with data that the rule of the case dropped when they were first sent, counted from one.
    pub(crate) lost: BTreeSet<usize>,
}

pub(crate) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tcp")
}

pub(crate) fn recording(case: &str) -> Recording {
    let path = folder().join("recordings").join(format!("{case}.txt"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| {
        panic!("tests/tcp/recordings/{case}.txt: {error}; `cargo xtask record-tcp {case}` makes it")
    });
    parse(&text).unwrap_or_else(|what| panic!("tests/tcp/recordings/{case}.txt: {what}"))
}

fn parse(text: &str) -> Result<Recording, String> {
    let head = |name: &str| {
        let line =
            text.lines().find_map(|line| line.strip_prefix("# ")?.strip_prefix(name)?.strip_prefix(": "));
        line.ok_or_else(|| format!("its head has no `{name}`"))
    };
    let number = |name: &str| {
        let word = head(name)?.split(' ').next().unwrap_or_default();
        word.parse::<u64>().map_err(|error| format!("{name}: {error}"))
    };
    head("kernel")?;
    let delay_us = number("delay")?;
    let segment = usize::try_from(number("segment")?).map_err(|error| error.to_string())?;
    let mut recording = Recording { events: Vec::new(), delay_us, segment, lost: BTreeSet::new() };
    let mut sent = 0;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split(' ').collect();
        let read = match words.as_slice() {
            [at, "app", rest @ ..] => recording.saw(at, rest),
            [at, way @ (">" | "<"), rest @ ..] => recording.passed(at, way, rest, &mut sent),
            [..] => None,
        };
        read.ok_or_else(|| format!("cannot read `{line}`"))?;
    }
    recording.events.sort_by_key(|event| event.at);
    if recording.events.is_empty() || sent == 0 && first(&recording.events, "client connected").is_none() {
        return Err("nothing happens in it".into());
    }
    Ok(recording)
}

impl Recording {
    /// Takes in a line about an application.
    fn saw(&mut self, at: &str, words: &[&str]) -> Option<()> {
        let (last, before) = words.split_last()?;
        let (what, bytes) = match last.parse() {
            Ok(bytes) => (before.join(" "), bytes),
            Err(_) => (words.join(" "), 0),
        };
        self.events.push(Event { at: at.parse().ok()?, what, bytes });
        Some(())
    }

    /// Takes in a line about a packet; `sent` counts the client's segments with data.
    fn passed(&mut self, at: &str, way: &str, words: &[&str], sent: &mut usize) -> Option<()> {
        let [flags, "seq", _, "len", len, "ack", _, "win", _, marks @ ..] = words else { return None };
        let (at, len): (i64, usize) = (at.parse().ok()?, len.parse().ok()?);
        let (again, lost) = (marks.contains(&"rtx"), marks.contains(&"lost"));
        let mut note = |at, what: &str| self.events.push(Event { at, what: what.into(), bytes: 0 });
        if way == "<" && flags.contains('R') && !lost {
            note(at + i64::try_from(self.delay_us).ok()?, "client reset");
        }
        if way == ">" && len > 0 && again {
            note(at, "client resent");
        }
        if way == ">" && len > 0 && !again {
            *sent += 1;
            let under_cut = self.events.iter().any(|event| event.what.starts_with("world cut"));
            if lost && !under_cut {
                self.lost.insert(*sent);
            }
        }
        Some(())
    }

    pub(crate) fn profile(&self) -> LinkProfile {
        LinkProfile::symmetric(Line { latency: SimSpan::from_micros(self.delay_us), ..Line::PERFECT })
    }

    /// What Linux does, with the segments that the recording's link had room for.
    pub(crate) fn params(&self) -> TcpParams {
        TcpParams { segment_bytes: self.segment, ..TcpParams::LINUX }
    }
}

#[test]
fn a_recording_that_is_empty_or_damaged_is_refused() {
    let head = "# kernel: Linux 6\n# delay: 20000 us each way\n# segment: 1448 bytes\n";
    let packet = "5 > PA seq 1 len 100 ack 1 win 63 lost\n";
    let recording = parse(&format!("{head}4 app client wrote 100\n{packet}")).expect("a whole recording");
    assert_eq!((recording.events.len(), recording.lost), (1, BTreeSet::from([1])));
    assert!(parse("").is_err());
    assert!(parse(head).is_err());
    assert!(parse(&format!("{head}4 app client connects\n")).is_err());
    assert!(parse(packet).is_err());
    assert!(parse(&format!("{head}{packet}nonsense\n")).is_err());
    assert!(parse(&format!("{head}4 app client wrote 100\n5 > PA seq 1\n")).is_err());
}
