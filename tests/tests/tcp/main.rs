//! The stream model against recordings of real Linux TCP.
//!
//! `tests/tcp/recordings` holds what a kernel did when packets were late or lost; `cargo xtask record-tcp` makes it anew.
//! Each recording is played again on the model: the same writes at the same instants, the same segments lost. What both
//! sides show becomes the same list of events, and one function takes a quantity out of either. How far
//! the two may be apart, and where the model is known to differ, stands in `tests/tcp/tolerances.txt`.

mod model;
mod recording;
mod seen;
mod table;

use std::collections::BTreeSet;

use model::{connect, half_close, replay, slow_reader, user_timeout};
use recording::{Event, Recording, folder, recording};
use seen::{
    between, caught_up, connect_duration, delivered, expiry, held, latency_before_cut, read_while_cut,
    recovery, retransmissions, taken,
};
use table::{judge, table};

/// What is compared: its case, its name, and how it is taken out of what happened.
struct Quantity {
    case: &'static str,
    name: &'static str,
    of: fn(&[Event]) -> Vec<i64>,
    model: fn(&Recording) -> Vec<Event>,
}

const fn quantity(
    case: &'static str,
    name: &'static str,
    of: fn(&[Event]) -> Vec<i64>,
    model: fn(&Recording) -> Vec<Event>,
) -> Quantity {
    Quantity { case, name, of, model }
}

const QUANTITIES: &[Quantity] = &[
    quantity("connect", "duration", connect_duration, |recording| connect(recording, 0)),
    quantity("syn-lost-1", "duration", connect_duration, |recording| connect(recording, 1)),
    quantity("syn-lost-3", "duration", connect_duration, |recording| connect(recording, 3)),
    quantity("middle-lost", "delivered", delivered, replay),
    quantity("tail-lost", "delivered", delivered, replay),
    quantity("lone-lost", "delivered", delivered, replay),
    quantity("bulk", "delivered", delivered, replay),
    quantity("black-hole", "latency", latency_before_cut, replay),
    quantity("black-hole", "retransmissions", retransmissions, replay),
    quantity("black-hole", "after-heal", caught_up, replay),
    quantity("acks-lost", "latency", latency_before_cut, replay),
    quantity("acks-lost", "while-cut", read_while_cut, replay),
    quantity("acks-lost", "after-heal", caught_up, replay),
    quantity("half-close", "server-end", |seen| between(seen, "client finishes", "server end"), half_close),
    quantity("half-close", "answer", |seen| between(seen, "server wrote", "client read"), half_close),
    quantity("half-close", "client-end", |seen| between(seen, "server finishes", "client end"), half_close),
    quantity("write-to-closed", "reset", |seen| between(seen, "client wrote", "client reset"), replay),
    quantity("slow-reader", "held", held, slow_reader),
    quantity("slow-reader", "taken", taken, slow_reader),
    quantity("slow-reader", "recovery", recovery, slow_reader),
    quantity("user-timeout", "expiry", expiry, user_timeout),
];

/// Compares all quantities of one case.
#[expect(
    clippy::print_stdout,
    reason = "both sides' numbers, for who asks with --show-output or sees a failure"
)]
fn hold(case: &str) {
    let (recording, table) = (recording(case), table());
    let mut wrong = Vec::new();
    for quantity in QUANTITIES.iter().filter(|quantity| quantity.case == case) {
        let allowed = table.get(&(case.to_owned(), quantity.name.to_owned()));
        let allowed =
            allowed.unwrap_or_else(|| panic!("tests/tcp/tolerances.txt has no {case} {}", quantity.name));
        let (linux, model) = ((quantity.of)(&recording.events), (quantity.of)(&(quantity.model)(&recording)));
        println!("{case} {}: Linux {linux:?}, model {model:?}", quantity.name);
        wrong.extend(
            judge(allowed, &linux, &model).err().map(|what| format!("{case} {}: {what}", quantity.name)),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

macro_rules! cases {
    ($($test:ident: $case:literal,)*) => {
        const CASES: &[&str] = &[$($case),*];
        $(#[test] fn $test() { hold($case); })*
    };
}

cases! {
    a_connection_takes_a_round_trip: "connect",
    a_lost_syn_costs_its_first_time_out: "syn-lost-1",
    three_lost_syns_cost_three_time_outs: "syn-lost-3",
    a_segment_lost_in_the_middle_comes_again: "middle-lost",
    the_last_segment_lost_comes_again: "tail-lost",
    a_lone_segment_lost_comes_again: "lone-lost",
    a_bulk_of_bytes_takes_its_time: "bulk",
    a_black_hole_holds_a_flow_up: "black-hole",
    lost_acknowledgements_hold_a_flow_up: "acks-lost",
    a_half_closed_connection_carries_the_answer: "half-close",
    a_write_to_a_closed_peer_is_answered_by_a_reset: "write-to-closed",
    a_slow_reader_stops_the_writer: "slow-reader",
    a_user_timeout_ends_the_connection: "user-timeout",
}

#[test]
fn cases_recordings_quantities_and_tolerances_are_the_same_set() {
    let cases: BTreeSet<String> = CASES.iter().map(|case| (*case).to_owned()).collect();
    let files = std::fs::read_dir(folder().join("recordings")).expect("the folder of recordings");
    let files = files.map(|file| file.expect("a file").file_name().into_string().expect("a name in ASCII"));
    let recorded: BTreeSet<String> = files.map(|name| name.trim_end_matches(".txt").to_owned()).collect();
    assert_eq!(recorded, cases);
    let compared: BTreeSet<(String, String)> =
        QUANTITIES.iter().map(|quantity| (quantity.case.into(), quantity.name.into())).collect();
    assert_eq!(table().into_keys().collect::<BTreeSet<_>>(), compared);
    assert_eq!(compared.into_iter().map(|(case, _)| case).collect::<BTreeSet<_>>(), cases);
}
