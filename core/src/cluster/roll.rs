//! The roll of a cluster: who is a member, what all members know, who may still join.
//!
//! It is small and told whole, and two rolls of one cluster merge whatever came first: of each member the later word counts, and
//! whoever is forgotten stays so. It is no group of entries: who may speak has to be known before anything is synchronised.
//!
//! Rests on the replication rules R4 (a forgotten node stays known) and R26 (two clusters never merge).

use std::collections::BTreeMap;

use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};
use sha2::{Digest as _, Sha256};

use super::token::{Token, is_shown, link_number, link_of};
use crate::config::{ClusterSecret, MEMBERS_MAX, NAME_BYTES_MAX, Seat, StaticCluster, StaticMember};

/// Tokens that are remembered. Beyond: no more are made before one expires.
const TOKENS_MAX: usize = 64;
/// Members that were forgotten and are remembered. Beyond: nobody is forgotten any more, and the cluster is to be made anew.
const FORGOTTEN_MAX: usize = 1_024;
/// A token is remembered for so long after it has expired: who was told that it is a member, and died before it wrote that, asks again.
const REMEMBERED_MS: i64 = 24 * 3_600_000;
/// Bytes of an address.
const ROUTE_BYTES_MAX: usize = 255;

/// What a cluster is, since it was founded. `Debug` hides its secrets.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Founding {
    /// Tells the cluster from others.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub(crate) id: [u8; 16],
    /// Keys the ids of archived messages.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub(crate) archive_secret: Vec<u8>,
    /// Keys the answers given to unknown users.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub(crate) decoy_secret: Vec<u8>,
}

/// A member, as it was said last.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Seated {
    /// Its name.
    #[n(0)]
    pub(crate) name: String,
    /// Its site.
    #[n(1)]
    pub(crate) site: String,
    /// SHA-256 of the public key in its certificate.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub(crate) key: [u8; 32],
    /// Where it listens for other nodes.
    #[n(3)]
    pub(crate) route: String,
    /// What the way there is like.
    #[n(4)]
    link: u8,
    /// How often it was said anew, and by whom last: the greater counts.
    #[n(5)]
    version: (u64, u32),
    /// It is no member any more. That stays.
    #[n(6)]
    pub(crate) forgotten: bool,
}

/// A token that was given out.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Pass {
    /// With this a member shows who joins that it knows of the token.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub(crate) key: [u8; 32],
    /// Until when it lets somebody in, in milliseconds since 1970.
    #[n(1)]
    pub(crate) expires: i64,
    /// In which site who joins with it is; nothing where that is said by who joins.
    #[n(2)]
    pub(crate) site: Option<String>,
    /// Who has joined with it.
    #[n(3)]
    pub(crate) used: Option<u32>,
    /// By this a member knows who has the token; nobody can show with it that it has. Tokens of the first version have none, and let
    /// nobody in.
    #[n(4)]
    pub(crate) verifier: Option<ByteArray<32>>,
    /// A member was forgotten since it was given out: it lets nobody in any more.
    #[n(5)]
    #[cbor(default)]
    pub(crate) closed: bool,
}

/// The roll.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Roll {
    /// What does not change.
    #[n(0)]
    pub(crate) founding: Founding,
    #[n(1)]
    members: BTreeMap<u32, Seated>,
    #[n(2)]
    passes: BTreeMap<u64, Pass>,
}

/// Why somebody does not get on the roll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unseated {
    /// Another member has the name.
    Name,
    /// The name, the site or the address is empty or too long.
    Words,
    /// There are as many members as there may be.
    Full,
}

impl Roll {
    /// Creates the roll of a cluster with one member.
    pub(crate) fn found(founding: Founding, node: u32, own: Seated) -> Self {
        Self { founding, members: BTreeMap::from([(node, own)]), passes: BTreeMap::new() }
    }

    /// Encodes the roll.
    pub(crate) fn encode(&self) -> Vec<u8> {
        minicbor::to_vec(self).expect("writing to a Vec cannot fail")
    }

    /// Reads a roll; nothing when it is none, or one that is larger than a roll may be.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut input = minicbor::Decoder::new(bytes);
        let roll: Self = input.decode().ok()?;
        let whole = input.position() == bytes.len();
        let bounded =
            roll.members.len() <= MEMBERS_MAX * 2 + FORGOTTEN_MAX && roll.passes.len() <= TOKENS_MAX * 8;
        let sound = roll.members.values().all(|member| link_of(member.link).is_some() && member.is_worded());
        (whole && bounded && sound).then_some(roll)
    }

    /// Returns what two rolls have in common exactly when they are alike.
    pub(crate) fn sum(&self) -> [u8; 8] {
        let hash = Sha256::digest(self.encode());
        core::array::from_fn(|at| hash[at])
    }

    /// Returns the members that count.
    pub(crate) fn members(&self) -> impl Iterator<Item = (u32, &Seated)> {
        let there = self.members.iter().filter(|(_, member)| !member.forgotten);
        there.map(|(node, member)| (*node, member))
    }

    /// Returns a member, also one that is forgotten.
    pub(crate) fn member(&self, node: u32) -> Option<&Seated> {
        self.members.get(&node)
    }

    /// Returns whether somebody with this key was a member, and nobody with it is one.
    pub(crate) fn has_forgotten(&self, key: &[u8; 32]) -> bool {
        let mut known = self.members.values().filter(|member| member.key == *key).peekable();
        known.peek().is_some() && known.all(|member| member.forgotten)
    }

    /// Notes that this node itself was forgotten. Whoever says so knows it from a roll.
    pub(crate) fn be_forgotten(&mut self, own: u32) {
        if let Some(own) = self.members.get_mut(&own) {
            own.forgotten = true;
        }
    }

    /// Returns the token with this number.
    pub(crate) fn pass(&self, id: u64) -> Option<&Pass> {
        self.passes.get(&id)
    }

    /// Returns whether somebody may still join, or be told again that it has.
    pub(crate) fn is_open(&self, now_ms: i64) -> bool {
        let mut passes = self.passes.values();
        passes.any(|pass| if pass.used.is_some() { !pass.is_over(now_ms) } else { !pass.is_closed(now_ms) })
    }

    /// Returns the members as this node sees them. Of several with one name all but the one with the least number are shown with it.
    pub(crate) fn view(&self, node: u32, seat: &Seat) -> StaticCluster {
        let mut members: Vec<StaticMember> = Vec::new();
        for (number, Seated { name, site, key, route, link, .. }) in self.members() {
            let taken = members.iter().any(|earlier| earlier.name == *name);
            let name = if taken { shortened(name, number) } else { name.clone() };
            let (site, key, route) = (site.clone(), *key, route.clone());
            let link = link_of(*link).unwrap_or(seat.link);
            members.push(StaticMember { node: number, name, site, key, route, link, rate: None });
        }
        StaticCluster {
            id: self.founding.id,
            node,
            members,
            routes: Vec::new(),
            grace: seat.grace,
            hysteresis: seat.hysteresis,
            // What is made of it stands in the founding.
            secret: ClusterSecret([0; 32]),
        }
    }

    /// Seats a new member. One with the same key that is a member already keeps its number, and its words become these.
    ///
    /// # Errors
    ///
    /// [`Unseated`]; nothing has changed.
    pub(crate) fn seat(&mut self, number: u32, mut new: Seated, by: u32) -> Result<u32, Unseated> {
        if !new.is_worded() {
            return Err(Unseated::Words);
        }
        let known = self.members().find(|(_, member)| member.key == new.key).map(|(node, _)| node);
        if self.members().any(|(node, member)| member.name == new.name && Some(node) != known) {
            return Err(Unseated::Name);
        }
        if known.is_none() && self.members().count() >= MEMBERS_MAX {
            return Err(Unseated::Full);
        }
        let number = known.unwrap_or(number);
        let before = self.members.get(&number);
        if let Some(before) = before {
            new.version = (before.version.0, before.version.1);
            if *before == new {
                return Ok(number);
            }
        }
        new.version = (new.version.0.saturating_add(1), by);
        self.members.insert(number, new);
        Ok(number)
    }

    /// Takes what a member says of itself at its start. A name that another one has got stays what it was.
    pub(crate) fn reseat(&mut self, node: u32, mut new: Seated) {
        let Some(before) = self.members.get(&node).filter(|member| !member.forgotten) else { return };
        if self.members().any(|(other, member)| other != node && member.name == new.name) {
            new.name.clone_from(&before.name);
        }
        new.version = before.version;
        if new.is_worded() && *before != new {
            new.version = (new.version.0.saturating_add(1), node);
            self.members.insert(node, new);
        }
    }

    /// Returns the number of whoever has this key: the same one whichever member is asked, so that two of them make one seat.
    pub(crate) fn number_for(&self, key: &[u8; 32]) -> u32 {
        let number = |turn: u32| {
            let hash = Sha256::new().chain_update(b"eyot member").chain_update(self.founding.id);
            let hash = hash.chain_update(key).chain_update(turn.to_be_bytes()).finalize();
            u32::from_be_bytes(core::array::from_fn(|at| hash[at]))
        };
        let mut turn = 0;
        while !self.is_free(number(turn)) {
            turn += 1;
        }
        number(turn)
    }

    /// Returns whether a number was never given to a node.
    fn is_free(&self, number: u32) -> bool {
        number != 0 && !self.members.contains_key(&number)
    }

    /// Forgets a member. Returns whether it was one, and may be forgotten. Tokens that nobody has used let nobody in from here on: it
    /// may have made them.
    pub(crate) fn forget(&mut self, node: u32) -> bool {
        let forgotten = self.members.values().filter(|member| member.forgotten).count();
        let member =
            self.members.get_mut(&node).filter(|member| !member.forgotten && forgotten < FORGOTTEN_MAX);
        let Some(member) = member else { return false };
        member.forgotten = true;
        let open = self.passes.values_mut().filter(|pass| pass.used.is_none());
        open.for_each(|pass| pass.closed = true);
        true
    }

    /// Takes note of a token. Returns whether there is room for it.
    pub(crate) fn issue(&mut self, id: u64, pass: Pass, now_ms: i64) -> bool {
        self.drop_old(now_ms);
        let room = self.passes.len() < TOKENS_MAX;
        if room {
            self.passes.insert(id, pass);
        }
        room
    }

    /// Takes note of who has joined with a token.
    pub(crate) fn use_pass(&mut self, id: u64, node: u32) {
        if let Some(pass) = self.passes.get_mut(&id) {
            pass.used = Some(node);
        }
    }

    /// Takes in what another member knows. Returns whether anything was new.
    pub(crate) fn merge(&mut self, other: &Self, now_ms: i64) -> bool {
        if other.founding.id != self.founding.id {
            return false;
        }
        let before = self.clone();
        for (node, theirs) in &other.members {
            let Some(ours) = self.members.get_mut(node) else {
                self.members.insert(*node, theirs.clone());
                continue;
            };
            let forgotten = ours.forgotten || theirs.forgotten;
            if theirs.order() > ours.order() {
                ours.clone_from(theirs);
            }
            ours.forgotten = forgotten;
        }
        for (id, theirs) in other.passes.iter().filter(|(_, pass)| !pass.is_over(now_ms)) {
            let ours = self.passes.entry(*id).or_insert_with(|| theirs.clone());
            // On both sides of a cut one token may let in one node each. Both are members; the lesser number is remembered.
            ours.used = match (ours.used, theirs.used) {
                (Some(ours), Some(theirs)) => Some(ours.min(theirs)),
                (ours, theirs) => ours.or(theirs),
            };
            ours.closed |= theirs.closed;
        }
        self.drop_old(now_ms);
        *self != before
    }

    /// Forgets tokens that nobody asks for any more.
    pub(crate) fn drop_old(&mut self, now_ms: i64) {
        self.passes.retain(|_, pass| !pass.is_over(now_ms));
    }
}

impl Seated {
    /// Creates what a node says of itself.
    pub(crate) fn new(name: &str, site: &str, seat: &Seat) -> Self {
        Self {
            name: name.into(),
            site: site.into(),
            key: seat.key,
            route: seat.route.clone(),
            link: link_number(seat.link),
            version: (0, 0),
            forgotten: false,
        }
    }

    /// Returns it as the words of somebody new who has shown this key.
    pub(crate) fn shown(self, key: [u8; 32]) -> Self {
        Self { key, version: (0, 0), forgotten: false, ..self }
    }

    /// Returns what decides which of two words about one member counts. A node whose disk was set back may say two things with one
    /// version.
    fn order(&self) -> impl Ord + '_ {
        let Self { name, site, key, route, link, version, forgotten: _ } = self;
        (*version, name, site, key, route, *link)
    }

    fn is_worded(&self) -> bool {
        let fits = |text: &str, most: usize| {
            !text.is_empty() && text.len() <= most && !text.contains(char::is_control)
        };
        fits(&self.name, NAME_BYTES_MAX)
            && fits(&self.site, NAME_BYTES_MAX)
            && fits(&self.route, ROUTE_BYTES_MAX)
            && link_of(self.link).is_some()
    }
}

impl Pass {
    /// Creates what members keep of a token.
    pub(crate) fn new(token: &Token, expires: i64, site: Option<String>) -> Self {
        let verifier = Some(token.verifier().into());
        Self { key: token.key(), expires, site, used: None, verifier, closed: false }
    }

    /// Returns whether who said this in a TLS session has the token.
    pub(crate) fn is_shown(&self, exporter: &[u8; 32], said: [u8; 32]) -> bool {
        self.verifier.as_ref().is_some_and(|verifier| is_shown(verifier, exporter, said))
    }

    /// Returns whether nobody new joins with it.
    pub(crate) fn is_closed(&self, now_ms: i64) -> bool {
        self.expires < now_ms || self.closed
    }

    /// Returns whether nobody joins with it any more, and nobody who has is told so again.
    const fn is_over(&self, now_ms: i64) -> bool {
        self.expires.saturating_add(REMEMBERED_MS) < now_ms
    }
}

/// Returns a name with the number of its node, within the bound.
fn shortened(name: &str, number: u32) -> String {
    let tail = format!("~{number}");
    let room = NAME_BYTES_MAX.saturating_sub(tail.len());
    let fits = name.char_indices().take_while(|(at, letter)| at + letter.len_utf8() <= room);
    fits.map(|(_, letter)| letter).chain(tail.chars()).collect()
}

impl core::fmt::Debug for Founding {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.debug_struct("Founding").field("id", &self.id).finish_non_exhaustive()
    }
}

impl core::fmt::Debug for Pass {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { key: _, expires, site, used, verifier: _, closed } = self;
        let mut out = out.debug_struct("Pass");
        out.field("expires", expires).field("site", site).field("used", used).field("closed", closed).finish()
    }
}

impl core::fmt::Debug for Roll {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.debug_struct("Roll").field("members", &self.members).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use arbitrary::Unstructured;
    use arbtest::arbtest;

    use super::*;
    use crate::config::LinkKind;

    fn seat(key: u8) -> Seat {
        let (grace, hysteresis) = (StaticCluster::GRACE, StaticCluster::HYSTERESIS);
        Seat {
            key: [key; 32],
            site: "hq".into(),
            route: "n:5230".into(),
            link: LinkKind::Lan,
            grace,
            hysteresis,
        }
    }

    fn seated(name: &str, key: u8) -> Seated {
        Seated::new(name, "hq", &seat(key))
    }

    fn pass(secret: u8, expires: i64) -> Pass {
        let token = Token { cluster: [7; 16], secret: [secret; 16], seeds: Vec::new() };
        Pass::new(&token, expires, None)
    }

    fn founded() -> Roll {
        let founding = Founding { id: [7; 16], archive_secret: vec![1; 32], decoy_secret: vec![2; 32] };
        let mut roll = Roll::found(founding, 1, seated("a", 1));
        assert!(roll.issue(5, pass(3, 1_000), 0));
        roll
    }

    /// Does one thing that a member can do to its roll.
    fn change(u: &mut Unstructured<'_>, roll: &mut Roll, by: u32) -> arbitrary::Result<()> {
        let number = u.int_in_range(1..=4)?;
        match u.int_in_range(0..=3)? {
            0 => {
                let name = *u.choose(&["a", "b", "c", "d"])?;
                _ = roll.seat(number, seated(name, u.int_in_range(1..=4)?), by);
            }
            1 => _ = roll.forget(number),
            2 => roll.use_pass(5, number),
            _ => {
                _ = roll.issue(u.int_in_range(6..=9)?, pass(4, 9), 0);
            }
        }
        Ok(())
    }

    #[test]
    fn rolls_merge_alike_in_any_order_and_come_back() {
        arbtest(|u| {
            let mut rolls = [founded(), founded(), founded()];
            for step in 0..u.int_in_range(0..=12)? {
                let at = u.int_in_range(0..=2)?;
                // No two nodes say anything with one version.
                change(u, &mut rolls[at], u32::try_from(at).unwrap_or_default() + 10 * step)?;
            }
            let mut merged = Vec::new();
            for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [1, 2, 0]] {
                let mut roll = rolls[order[0]].clone();
                for at in order {
                    roll.merge(&rolls[at], 0);
                }
                assert!(!order.iter().any(|at| roll.merge(&rolls[*at], 0)), "twice is once");
                assert_eq!(Roll::decode(&roll.encode()).as_ref(), Some(&roll));
                merged.push(roll);
            }
            assert!(merged.windows(2).all(|two| two[0] == two[1] && two[0].sum() == two[1].sum()));
            for roll in &rolls {
                for (node, was) in roll.members.iter().filter(|(_, was)| was.forgotten) {
                    assert!(merged[0].members[node].forgotten, "{was:?}");
                }
            }
            let view = merged[0].view(1, &seat(1));
            for (at, member) in view.members.iter().enumerate() {
                assert!(view.members.iter().skip(at + 1).all(|other| other.name != member.name));
            }
            Ok(())
        });
    }

    #[test]
    fn garbage_is_no_roll() {
        arbtest(|u| {
            let mut bytes = founded().encode();
            let at = u.choose_index(bytes.len())?;
            bytes[at] = u.arbitrary()?;
            if let Some(roll) = Roll::decode(&bytes) {
                assert_eq!(Roll::decode(&roll.encode()), Some(roll));
            }
            Ok(())
        });
        assert!(Roll::decode(&[]).is_none());
        assert!(Roll::decode(&[founded().encode(), vec![0]].concat()).is_none());
    }

    #[test]
    fn who_has_a_seat_keeps_it_and_no_name_is_given_twice() {
        let mut roll = founded();
        assert_eq!(roll.seat(2, seated("b", 2), 1), Ok(2));
        assert_eq!(roll.seat(9, seated("b", 2), 1), Ok(2), "told again");
        assert_eq!(roll.seat(3, seated("b", 3), 1), Err(Unseated::Name));
        assert_eq!(roll.seat(3, seated("", 3), 1), Err(Unseated::Words));
        assert!(roll.forget(2) && !roll.forget(2) && !roll.forget(8));
        assert!(!roll.is_free(2) && !roll.is_free(0) && roll.is_free(3));
        assert_eq!(roll.seat(3, seated("b", 2), 1), Ok(3), "who was forgotten joins as somebody else");
        for number in 4..=64 {
            let seated = seated(&number.to_string(), u8::try_from(number).unwrap());
            assert_eq!(roll.seat(number, seated, 1), Ok(number));
        }
        assert_eq!(roll.seat(99, seated("z", 99), 1), Ok(99));
        assert_eq!(roll.seat(100, seated("y", 100), 1), Err(Unseated::Full));
    }

    #[test]
    fn tokens_are_bounded_and_forgotten_a_day_after_they_expire() {
        let mut roll = founded();
        let pass = |expires| pass(4, expires);
        for id in 100..100 + TOKENS_MAX as u64 - 1 {
            assert!(roll.issue(id, pass(2_000), 0));
        }
        assert!(!roll.issue(1, pass(2_000), 1_001 + REMEMBERED_MS - 10));
        assert!(roll.issue(1, pass(REMEMBERED_MS), 1_001 + REMEMBERED_MS), "one was over");
        let now = 1_001 + REMEMBERED_MS;
        assert!(!roll.is_open(now) && roll.pass(5).is_none(), "all but the new one have expired");
        let mut later = roll.clone();
        assert!(later.merge(&founded(), 2_001 + REMEMBERED_MS), "its own old ones go");
        assert!(later.pass(5).is_none() && later.pass(100).is_none());
    }

    #[test]
    fn a_key_has_one_number_whoever_is_asked_and_another_when_it_was_forgotten() {
        let (mut one, mut other) = (founded(), founded());
        let number = one.number_for(&[2; 32]);
        assert_eq!(other.number_for(&[2; 32]), number);
        assert_ne!(one.number_for(&[3; 32]), number);
        assert_eq!(one.seat(number, seated("b", 2), 1), Ok(number));
        assert_eq!(other.seat(number, seated("b", 2), 7), Ok(number));
        assert!(other.merge(&one, 0) || one.merge(&other, 0));
        assert_eq!(other.members().count(), 2);
        assert!(!one.has_forgotten(&[2; 32]) && one.forget(number) && one.has_forgotten(&[2; 32]));
        let again = one.number_for(&[2; 32]);
        assert_ne!(again, number);
        assert_eq!(one.seat(again, seated("b", 2), 1), Ok(again));
        assert!(!one.has_forgotten(&[2; 32]) && !one.has_forgotten(&[9; 32]));
    }

    #[test]
    fn who_has_the_name_of_another_still_says_where_it_is() {
        let mut roll = founded();
        assert!(roll.seat(2, seated("b", 2), 1).is_ok());
        let moved = Seated { route: "m:1".into(), ..seated("a", 2) };
        roll.reseat(2, moved);
        let member = roll.member(2).unwrap();
        assert_eq!((member.name.as_str(), member.route.as_str(), member.version), ("b", "m:1", (2, 2)));
        let before = roll.clone();
        roll.reseat(2, Seated { route: "m:1".into(), ..seated("b", 2) });
        roll.reseat(9, seated("z", 9));
        assert_eq!(roll, before);
    }

    #[test]
    fn who_is_forgotten_closes_what_nobody_has_used() {
        let mut roll = founded();
        assert!(roll.seat(2, seated("b", 2), 1).is_ok() && roll.seat(3, seated("c", 3), 1).is_ok());
        assert!(roll.issue(6, pass(6, 1_000), 0) && roll.is_open(1_000) && !roll.is_open(1_001));
        roll.use_pass(6, 2);
        assert!(roll.is_open(1_001), "who has used one may ask again");
        let mut elsewhere = roll.clone();
        assert!(roll.forget(3));
        let closed = |roll: &Roll| [5, 6].map(|id| roll.pass(id).unwrap().is_closed(0));
        assert_eq!(closed(&roll), [true, false]);
        assert!(elsewhere.merge(&roll, 0));
        assert_eq!(closed(&elsewhere), [true, false]);
        assert_eq!(Roll::decode(&roll.encode()), Some(roll));
    }

    #[test]
    fn another_cluster_is_not_merged() {
        let mut roll = founded();
        let mut other = founded();
        other.founding.id = [8; 16];
        assert!(other.seat(2, seated("b", 2), 1).is_ok());
        assert!(!roll.merge(&other, 0));
        assert_eq!(roll, founded());
    }
}
