//! Every state of RFC 6121, appendix A, times every subscription stanza, at both ends.
//!
//! The tables are those of the text. Alice sends; her account is judged by tables 2 to 5, Bob's by tables 6
//! to 9.

use super::jid;
use crate::io::ConnId;
use crate::node::harness::World;
use crate::replica::Standing;

const KINDS: [&str; 4] = ["subscribe", "unsubscribe", "subscribed", "unsubscribed"];

/// Tables 2 to 5, a column for each stanza: the new state, `=` for no state change. `M.N.` (MUST NOT) and `S.N.` (SHOULD
/// NOT) stand where the stanza is not routed.
const OUTBOUND: &str = "\
state                 | subscribe             | unsubscribe       | subscribed         | unsubscribed
None                  | None + Pending Out    | =                 | M.N. pre-approval  | S.N. =
None + Pending Out    | =                     | None              | M.N. pre-approval  | S.N. =
None + Pending In     | None + Pending Out+In | =                 | From               | None
None + Pending Out+In | =                     | None + Pending In | From + Pending Out | None + Pending Out
To                    | =                     | None              | M.N. pre-approval  | S.N. =
To + Pending In       | =                     | None + Pending In | Both               | To
From                  | From + Pending Out    | =                 | M.N. =             | None
From + Pending Out    | =                     | From              | M.N. =             | None + Pending Out
Both                  | =                     | From              | M.N. =             | To";

/// Tables 6 to 9 in the same form: `S.N.` stands where the stanza is not delivered.
const INBOUND: &str = "\
state                 | subscribe             | unsubscribe        | subscribed      | unsubscribed
None                  | None + Pending In     | S.N. =             | S.N. =          | S.N. =
None + Pending Out    | None + Pending Out+In | S.N. =             | To              | None
None + Pending In     | S.N. =                | None               | S.N. =          | S.N. =
None + Pending Out+In | S.N. =                | None + Pending Out | To + Pending In | None + Pending In
To                    | To + Pending In       | S.N. =             | S.N. =          | None
To + Pending In       | S.N. =                | To                 | S.N. =          | None + Pending In
From                  | S.N. =                | None               | S.N. =          | S.N. =
From + Pending Out    | S.N. =                | None + Pending Out | Both            | From
Both                  | S.N. =                | To                 | S.N. =          | From";

/// Whether a stanza passes in this state, and the state after it.
fn row(table: &'static str, kind: &str, state: &'static str) -> (bool, &'static str) {
    let mut rows = table.lines().map(|line| line.split('|').map(str::trim));
    let column = rows.next().unwrap().position(|name| name == kind).unwrap();
    let mut row = rows.find(|row| row.clone().next() == Some(state)).unwrap();
    let cell = row.nth(column).unwrap();
    let stopped = ["M.N. ", "S.N. "].iter().find_map(|word| cell.strip_prefix(word));
    let new = stopped.unwrap_or(cell);
    (stopped.is_none(), if new == "=" { state } else { new })
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
    let (routed, new) = row(OUTBOUND, kind, alice.state);
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
        let (delivered, new) = row(INBOUND, "subscribed", here.state);
        to_alice.extend(delivered.then_some("subscribed"));
        here.state = new;
    } else if routed {
        let (delivered, new) = row(INBOUND, kind, bob.state);
        to_bob.extend(delivered.then_some(kind));
        there.state = new;
        // Table 6, note 2, and table 7, note 1: the automatic answers.
        let reply = match (kind, delivered) {
            ("subscribe", false) if bob.state.contains("From") || bob.state == "Both" => Some("subscribed"),
            ("unsubscribe", true) => Some("unsubscribed"),
            _ => None,
        };
        if let Some(reply) = reply {
            let (delivered, new) = row(INBOUND, reply, here.state);
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
        for kind in KINDS {
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
                for kind in KINDS {
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
