//! What is done in a plan: by clients and by operators.

use super::cast::{Manner, Person};
use super::dice::Dice;
use super::odd;
use super::plan::Draft;
use crate::engine::Purpose;

/// What can be done, as templates name it.
pub(super) const KINDS: [&str; 21] = [
    "says",
    "comes",
    "closes",
    "drops",
    "pings",
    "presence",
    "asks",
    "operator",
    "registers",
    "storm",
    "xml",
    "resumption",
    "acks",
    "resumes",
    "roams",
    "catches",
    "contacts",
    "carbons",
    "attention",
    "hints",
    "blocks",
];

/// A storm has so many connections, and begins one each so many milliseconds; it leaves each after so many.
const STORM: (u64, u64) = (6, 24);
const STORM_EACH: u64 = 30;
const STORM_LEAVES: u64 = 20;

const SHOWS: [&str; 5] = ["", " away", " chat", " dnd", " xa"];
const REQUESTS: [&str; 5] =
    ["disco#info of DOMAIN", "disco#items of DOMAIN", "roster", "disco#info", "disco#info of PEER"];

/// Draws deed `number`: its lines, each with its time in milliseconds.
pub(super) fn lines(draft: &Draft<'_>, number: u64) -> Vec<(u64, String)> {
    let dice = Dice::new(draft.seed, Purpose::SwarmDeed, "deed", number);
    let kinds = draft.template.deeds.iter().map(|(kind, weight)| (kind.as_str(), *weight, kind.as_str()));
    let at = draft.acts.when(dice);
    let Some(kind) = dice.weighted("kind", kinds) else { return Vec::new() };
    let speakers = draft.cast.speakers();
    let Some(who) = dice.pick("who", &speakers, |person| &person.name) else { return Vec::new() };
    let name = &who.name;
    let line = match kind {
        "says" => says(draft, dice, number, who),
        "comes" => return vec![(at, comes(draft, dice))],
        "closes" | "drops" => return leaves(dice, at, who, kind),
        "pings" => format!("{name} pings{}", whom(draft, dice)),
        "presence" => format!("{name} is {}", presence(draft, dice, number)),
        "asks" => {
            let request = dice.pick("request", &REQUESTS, |request| request).map_or("roster", |found| *found);
            let request = request.replace("PEER", &peer(draft, dice).account);
            format!("{name} asks {}", request.replace("DOMAIN", domain(draft, dice)))
        }
        "operator" => operator(draft, dice, number),
        "registers" => return registers(dice, at, number),
        "storm" => return storm(dice, at),
        "resumption" => format!("{name} enables resumption max {}s", dice.scaled("max", 20, 900)),
        "acks" => format!("{name} asks for ack"),
        "resumes" => format!("{name} resumes"),
        "roams" => {
            let node = dice.pick("node", &draft.cast.nodes, |name| name).map_or("a", String::as_str);
            format!("{name} resumes on {node}")
        }
        "catches" => format!("{name} catches up by cursor"),
        "contacts" => contacts(draft, dice, name),
        "carbons" => format!("{name} {}ables carbons", if dice.one_in("off", 3) { "dis" } else { "en" }),
        "attention" => format!("{name} {}active", if dice.one_in("away", 2) { "in" } else { "" }),
        "blocks" => blocks(draft, dice, name),
        "hints" => hinted(draft, dice, number, name),
        _ => format!("{name} sends xml: {}", odd::text(dice, number, &peer(draft, dice).account)),
    };
    vec![(at, line)]
}

fn peer<'a>(draft: &'a Draft<'_>, dice: Dice) -> &'a Person {
    let people = &draft.cast.people;
    let with_account = people.iter().filter(|person| person.has_account());
    let named = with_account.map(|person| (person.name.as_str(), 1, person));
    dice.weighted("peer", named).unwrap_or(&people[0])
}

/// Returns one of the domains.
fn domain<'a>(draft: &'a Draft<'_>, dice: Dice) -> &'a str {
    dice.pick("domain", &draft.template.domains, |domain| domain).map_or("", String::as_str)
}

fn says(draft: &Draft<'_>, dice: Dice, number: u64, who: &Person) -> String {
    let peer = peer(draft, dice);
    let to = match dice.below("to", 100) {
        0..45 => peer.account.clone(),
        45..80 => peer.address(),
        80..86 => "nobody".into(),
        86..90 => domain(draft, dice).into(),
        90..94 => who.account.clone(),
        _ => format!("{}/elsewhere", peer.account),
    };
    let kind = match dice.below("type", 10) {
        0 => "headline ",
        1..3 => "normal ",
        _ => "",
    };
    let long = if dice.one_in("long", 10) { dice.scaled("length", 100, 40_000) } else { 0 };
    let tail = if long > 0 { format!(" {{x*{long}}}") } else { String::new() };
    format!("{} says {kind}to {to}: m{number}{tail}", who.name)
}

/// Somebody changes who follows whom.
fn contacts(draft: &Draft<'_>, dice: Dice, name: &str) -> String {
    let peer = &peer(draft, dice).account;
    match dice.below("what", 8) {
        0..3 => format!("{name} subscribes to {peer}"),
        3..6 => format!("{name} accepts {peer}"),
        6 => format!("{name} refuses {peer}"),
        _ => format!("{name} unsubscribes from {peer}"),
    }
}

/// Somebody does not want to hear of somebody, or does again.
fn blocks(draft: &Draft<'_>, dice: Dice, name: &str) -> String {
    let peer = peer(draft, dice);
    match dice.below("what", 6) {
        0..3 => format!("{name} blocks {}", peer.account),
        3 => format!("{name} blocks {}", peer.address()),
        4 => format!("{name} unblocks {}", peer.account),
        _ => format!("{name} unblocks everybody"),
    }
}

/// Somebody says something that is to be kept, or not to be.
fn hinted(draft: &Draft<'_>, dice: Dice, number: u64, name: &str) -> String {
    let hint =
        dice.pick("hint", &["no-store", "no-copy", "store"], |hint| hint).map_or("store", |hint| *hint);
    format!("{name} says to {} with {hint}: m{number}", peer(draft, dice).account)
}

/// Somebody appears: most often one who has sessions.
fn comes(draft: &Draft<'_>, dice: Dice) -> String {
    let people = &draft.cast.people;
    let weight = |person: &Person| match person.manner {
        Manner::Usual => 4,
        Manner::Rival => 6,
        Manner::Odd(_) => 5,
        Manner::Guest => 1,
        Manner::Storm => 0,
    };
    let weighted = people.iter().map(|person| (person.name.as_str(), weight(person), person));
    dice.weighted("appears", weighted).map(Person::appears).unwrap_or_default()
}

fn leaves(dice: Dice, at: u64, who: &Person, how: &str) -> Vec<(u64, String)> {
    let mut lines = vec![(at, format!("{} {how}", who.name))];
    if !dice.one_in("for good", 4) {
        lines.push((at + dice.scaled("away", 50, 20_000), who.appears()));
    }
    lines
}

fn whom(draft: &Draft<'_>, dice: Dice) -> String {
    let peer = peer(draft, dice);
    match dice.below("whom", 4) {
        0 => format!(" {}", peer.account),
        1 => format!(" {}", peer.address()),
        _ => String::new(),
    }
}

fn presence(draft: &Draft<'_>, dice: Dice, number: u64) -> String {
    if dice.one_in("unavailable", 8) {
        return "unavailable".into();
    }
    let show = dice.pick("show", &SHOWS, |show| show).copied().unwrap_or_default();
    let sign = if dice.one_in("negative", 6) { "-" } else { "" };
    let details = [
        dice.one_in("priority", 3).then(|| format!(" priority {sign}{}", dice.below("which priority", 128))),
        dice.one_in("status", 2).then(|| format!(" status \"s{number}\"")),
        dice.one_in("directed", 2).then(|| format!(" to {}", peer(draft, dice).address())),
    ];
    let details: Vec<String> = details.into_iter().flatten().collect();
    format!("available{show}{}", details.concat())
}

/// An operator works on accounts of his own, or on the one that is his to take away.
fn operator(draft: &Draft<'_>, dice: Dice, number: u64) -> String {
    let node = dice.pick("node", &draft.cast.nodes, |name| name).map_or("a", String::as_str);
    let domain = domain(draft, dice);
    let own = format!("extra{}@{domain}", dice.below("account", 4));
    let mortal = draft.cast.mortal.as_ref().filter(|_| dice.one_in("mortal", 5));
    let name = mortal.unwrap_or(&own);
    match dice.below("wish", 5) {
        0 => format!("{node} user list {domain}"),
        1 => format!("{node} user passwd {name} password \"new {number}\""),
        2 => format!("{node} user remove {name}"),
        _ => format!("{node} user add {own} password \"p{number}\""),
    }
}

fn registers(dice: Dice, at: u64, number: u64) -> Vec<(u64, String)> {
    let name = format!("visitor{}", dice.below("name", 5));
    let leaves = if dice.one_in("drops", 3) { "drops" } else { "closes" };
    let away = at + dice.scaled("stay", 100, 10_000);
    vec![(at, format!("guest registers {name} password \"v{number}\"")), (away, format!("guest {leaves}"))]
}

/// Connections of one machine that dies and starts again: the node hears of none of them any more.
fn storm(dice: Dice, at: u64) -> Vec<(u64, String)> {
    let connections =
        (0..dice.between("connections", STORM.0, STORM.1)).map(|number| at + number * STORM_EACH);
    let one = |at| {
        let leaves = at + STORM_LEAVES;
        [(at, "storm connects"), (leaves, "vanish storm"), (leaves, "heal storm")]
    };
    connections.flat_map(one).map(|(at, line)| (at, line.into())).collect()
}

#[cfg(test)]
mod tests {
    use crate::script::{RunOptions, Scenario, run};
    use crate::swarm::Template;

    #[test]
    fn a_storm_reaches_the_bound_on_connections_without_a_session() {
        let template = "# A storm.\n# RFC 6120\nswarm chaos 20s\nswarm ops 3\nswarm do storm 1\n\
            swarm limits login_time 30s unauthenticated_per_peer 2..4\n";
        for seed in 0..8 {
            let plan = Template::parse("t", template).unwrap().plan(seed);
            let outcome = run(&Scenario::parse("plan", &plan.text).unwrap(), RunOptions::default());
            assert!(outcome.is_good(), "{:?}", outcome.violations);
            assert!(outcome.properties.contains_key("node-limit-unauthenticated-per-peer"), "{}", plan.text);
        }
    }
}
