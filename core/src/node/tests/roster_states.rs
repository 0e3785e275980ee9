//! Every state of RFC 6121, appendix A, times every subscription stanza, at both ends.
//!
//! The tables are those of the text, word for word. Alice sends; her account is judged by tables 2 to 5, Bob's by tables 6
//! to 9.

use super::jid;
use crate::io::ConnId;
use crate::node::harness::World;
use crate::replica::Standing;

/// A table: the stanza it is about, and a row for each state.
type Table = (&'static str, [(&'static str, &'static str, &'static str); 9]);

/// Tables 2 to 5: the stanza, then for each state whether it is routed and the new state.
const OUTBOUND: [Table; 4] = [
    (
        "subscribe",
        [
            ("None", "MUST", "None + Pending Out"),
            ("None + Pending Out", "MUST", "no state change"),
            ("None + Pending In", "MUST", "None + Pending Out+In"),
            ("None + Pending Out+In", "MUST", "no state change"),
            ("To", "MUST", "no state change"),
            ("To + Pending In", "MUST", "no state change"),
            ("From", "MUST", "From + Pending Out"),
            ("From + Pending Out", "MUST", "no state change"),
            ("Both", "MUST", "no state change"),
        ],
    ),
    (
        "unsubscribe",
        [
            ("None", "MUST", "no state change"),
            ("None + Pending Out", "MUST", "None"),
            ("None + Pending In", "MUST", "no state change"),
            ("None + Pending Out+In", "MUST", "None + Pending In"),
            ("To", "MUST", "None"),
            ("To + Pending In", "MUST", "None + Pending In"),
            ("From", "MUST", "no state change"),
            ("From + Pending Out", "MUST", "From"),
            ("Both", "MUST", "From"),
        ],
    ),
    (
        "subscribed",
        [
            ("None", "M.N.", "pre-approval"),
            ("None + Pending Out", "M.N.", "pre-approval"),
            ("None + Pending In", "MUST", "From"),
            ("None + Pending Out+In", "MUST", "From + Pending Out"),
            ("To", "M.N.", "pre-approval"),
            ("To + Pending In", "MUST", "Both"),
            ("From", "M.N.", "no state change"),
            ("From + Pending Out", "M.N.", "no state change"),
            ("Both", "M.N.", "no state change"),
        ],
    ),
    (
        "unsubscribed",
        [
            ("None", "S.N.", "no state change"),
            ("None + Pending Out", "S.N.", "no state change"),
            ("None + Pending In", "MUST", "None"),
            ("None + Pending Out+In", "MUST", "None + Pending Out"),
            ("To", "S.N.", "no state change"),
            ("To + Pending In", "MUST", "To"),
            ("From", "MUST", "None"),
            ("From + Pending Out", "MUST", "None + Pending Out"),
            ("Both", "MUST", "To"),
        ],
    ),
];

/// Tables 6 to 9: the stanza, then for each state whether it is delivered and the new state.
const INBOUND: [Table; 4] = [
    (
        "subscribe",
        [
            ("None", "MUST", "None + Pending In"),
            ("None + Pending Out", "MUST", "None + Pending Out+In"),
            ("None + Pending In", "S.N.", "no state change"),
            ("None + Pending Out+In", "S.N.", "no state change"),
            ("To", "MUST", "To + Pending In"),
            ("To + Pending In", "S.N.", "no state change"),
            ("From", "S.N.", "no state change"),
            ("From + Pending Out", "S.N.", "no state change"),
            ("Both", "S.N.", "no state change"),
        ],
    ),
    (
        "unsubscribe",
        [
            ("None", "S.N.", "no state change"),
            ("None + Pending Out", "S.N.", "no state change"),
            ("None + Pending In", "MUST", "None"),
            ("None + Pending Out+In", "MUST", "None + Pending Out"),
            ("To", "S.N.", "no state change"),
            ("To + Pending In", "MUST", "To"),
            ("From", "MUST", "None"),
            ("From + Pending Out", "MUST", "None + Pending Out"),
            ("Both", "MUST", "To"),
        ],
    ),
    (
        "subscribed",
        [
            ("None", "S.N.", "no state change"),
            ("None + Pending Out", "MUST", "To"),
            ("None + Pending In", "S.N.", "no state change"),
            ("None + Pending Out+In", "MUST", "To + Pending In"),
            ("To", "S.N.", "no state change"),
            ("To + Pending In", "S.N.", "no state change"),
            ("From", "S.N.", "no state change"),
            ("From + Pending Out", "MUST", "Both"),
            ("Both", "S.N.", "no state change"),
        ],
    ),
    (
        "unsubscribed",
        [
            ("None", "S.N.", "no state change"),
            ("None + Pending Out", "MUST", "None"),
            ("None + Pending In", "S.N.", "no state change"),
            ("None + Pending Out+In", "MUST", "None + Pending In"),
            ("To", "MUST", "None"),
            ("To + Pending In", "MUST", "None + Pending In"),
            ("From", "S.N.", "no state change"),
            ("From + Pending Out", "MUST", "From"),
            ("Both", "MUST", "From"),
        ],
    ),
];

fn row(tables: &'static [Table], kind: &str, state: &'static str) -> (bool, &'static str) {
    let (_, table) = tables.iter().find(|(name, _)| *name == kind).unwrap();
    let (_, word, new) = table.iter().find(|(from, ..)| *from == state).unwrap();
    (*word == "MUST", if *new == "no state change" { state } else { new })
}

fn name(standing: Standing) -> &'static str {
    let Standing { to, from, pending_out, pending_in, approved: _ } = standing;
    match (to, from, pending_out, pending_in) {
        (false, false, false, false) => "None",
        (false, false, true, false) => "None + Pending Out",
        (false, false, false, true) => "None + Pending In",
        (false, false, true, true) => "None + Pending Out+In",
        (true, false, false, false) => "To",
        (true, false, false, true) => "To + Pending In",
        (false, true, false, false) => "From",
        (false, true, true, false) => "From + Pending Out",
        (true, true, false, false) => "Both",
        other => panic!("{other:?} is no state"),
    }
}

/// Where one end is: the state, and whether it has pre-approved the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct End {
    state: &'static str,
    approved: bool,
}

/// What the tables say of a stanza from one end to the other: both ends after it, and what each is given.
fn expected(kind: &'static str, alice: End, bob: End) -> ([End; 2], [Vec<&'static str>; 2]) {
    let (routed, new) = row(&OUTBOUND, kind, alice.state);
    let (mut here, mut there) = (alice, bob);
    let (mut to_alice, mut to_bob) = (Vec::new(), Vec::new());
    if new == "pre-approval" {
        here.approved = true;
    } else {
        here =
            End { state: new, approved: alice.approved && kind != "unsubscribed" && !new.contains("From") };
    }
    if routed && kind == "subscribe" && bob.approved {
        // Table 6, note 1, in the words of 3.4: answered on his behalf.
        there = End { state: with_from(bob.state), approved: false };
        let (delivered, new) = row(&INBOUND, "subscribed", here.state);
        to_alice.extend(delivered.then_some("subscribed"));
        here.state = new;
    } else if routed {
        let (delivered, new) = row(&INBOUND, kind, bob.state);
        to_bob.extend(delivered.then_some(kind));
        there.state = new;
        // Table 6, note 2, and table 7, note 1: the automatic answers.
        let reply = match (kind, delivered) {
            ("subscribe", false) if bob.state.contains("From") || bob.state == "Both" => Some("subscribed"),
            ("unsubscribe", true) => Some("unsubscribed"),
            _ => None,
        };
        if let Some(reply) = reply {
            let (delivered, new) = row(&INBOUND, reply, here.state);
            to_alice.extend(delivered.then_some(reply));
            here.state = new;
        }
    }
    ([here, there], [to_alice, to_bob])
}

fn with_from(state: &str) -> &'static str {
    match state {
        "None" => "From",
        "None + Pending Out" => "From + Pending Out",
        "To" => "Both",
        other => panic!("{other} has no pre-approval"),
    }
}

fn end(world: &World, user: &str, contact: &str) -> End {
    let account = world.node.accounts.get(jid(user).as_str()).unwrap();
    let standing = account.standing(&jid(contact));
    End { state: name(standing), approved: standing.approved }
}

fn ends(world: &World) -> [End; 2] {
    [end(world, "alice@x.example", "bob@x.example"), end(world, "bob@x.example", "alice@x.example")]
}

fn send(world: &mut World, from: ConnId, kind: &str, to: &str) {
    world.send(from, &format!("<presence type='{kind}' to='{to}@x.example'/>"));
}

/// Alice and Bob with these edges: Alice wants, Bob allows, Bob wants, Alice allows.
fn world(bits: u8) -> (World, [ConnId; 2]) {
    let mut world = World::new();
    let mut conns = ["alice", "bob"].map(|user| {
        world.add(user);
        let conn = world.login(user, "r", Some(0));
        world.send(conn, "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>");
        conn
    });
    let [alice, bob] = conns;
    for (bit, from, kind, to) in [
        (1, alice, "subscribe", "bob"),
        (2, bob, "subscribed", "alice"),
        (4, bob, "subscribe", "alice"),
        (8, alice, "subscribed", "bob"),
    ] {
        if bits & bit != 0 {
            send(&mut world, from, kind, to);
        }
    }
    for conn in &mut conns {
        world.read(*conn);
    }
    (world, conns)
}

#[test]
fn every_stanza_in_every_state_does_at_both_ends_what_the_tables_say() {
    let mut states = Vec::new();
    for bits in 0..16 {
        for (kind, _) in OUTBOUND {
            let (mut world, [alice, bob]) = world(bits);
            let before = ends(&world);
            states.push(before[0]);
            let (after, [to_alice, to_bob]) = expected(kind, before[0], before[1]);
            send(&mut world, alice, kind, "bob");
            let what = format!("{kind} in {before:?}");
            assert_eq!(ends(&world), after, "{what}");
            for (conn, given, from, to) in [(alice, to_alice, "bob", "alice"), (bob, to_bob, "alice", "bob")]
            {
                let said = world.read(conn);
                for (kind, _) in OUTBOUND {
                    let addresses = [
                        format!("<presence type='{kind}' to='{to}@x.example' from='{from}@x.example'"),
                        format!("<presence type='{kind}' from='{from}@x.example' to='{to}@x.example'"),
                    ];
                    let count: usize = addresses.iter().map(|text| said.matches(text.as_str()).count()).sum();
                    assert_eq!(count, usize::from(given.contains(&kind)), "{what}: {kind} to {to}: {said}");
                }
                check_push(&mut world, (conn, to), &said, (before, after), &what);
            }
            // And it is on the disk.
            world.kill();
            for user in ["alice", "bob"] {
                world.login(user, "r", None);
            }
            assert_eq!(ends(&world), after, "{what}, after a restart");
        }
    }
    states.sort_unstable_by_key(|end| (end.state, end.approved));
    states.dedup();
    assert_eq!(states.len(), 12, "nine states, three of them with pre-approval");
}

/// A roster that shows a change has been pushed, as it stands; one that shows none has not.
fn check_push(
    world: &mut World,
    (conn, user): (ConnId, &str),
    said: &str,
    (before, after): ([End; 2], [End; 2]),
    what: &str,
) {
    let at = usize::from(user == "bob");
    let shown = |End { state, approved }: End| {
        (state.replace("+ Pending In", "").replace("Out+In", "Out").trim().to_owned(), approved)
    };
    let changed = shown(before[at]) != shown(after[at]);
    let pushes = said.matches("<iq type='set'").count();
    assert_eq!(pushes, usize::from(changed), "{what}: pushes to {user}: {said}");
    world.send(conn, "<iq type='get' id='all'><query xmlns='jabber:iq:roster'/></iq>");
    let roster = world.read(conn);
    let other = if user == "bob" { "alice" } else { "bob" };
    let End { state, approved } = after[at];
    let subscription = match state.split(' ').next() {
        Some("None") => "none",
        Some("To") => "to",
        Some("From") => "from",
        Some("Both") => "both",
        other => panic!("{other:?}"),
    };
    let ask = if state.contains("Out") { " ask='subscribe'" } else { "" };
    let approved = if approved { " approved='true'" } else { "" };
    let item = format!("<item jid='{other}@x.example' subscription='{subscription}'{ask}{approved}/>");
    if changed {
        assert!(said.contains(&item), "{what}: push to {user}: {said}");
    }
    // Who was never listed and only asks is not in the roster (A.1, 3).
    assert!(roster.contains(&item) || !roster.contains(other), "{what}: roster of {user}: {roster}");
    if changed {
        assert!(roster.contains(&item), "{what}: roster of {user}: {roster}");
    }
}
