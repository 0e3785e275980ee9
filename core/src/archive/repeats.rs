//! The messages that an account has sent lately: one that its client sends again after its session is known by them.
//!
//! Rests on the replication rule R16 (one stanza, one message).

use minicbor::{Decode, Encode};
use sha2::{Digest as _, Sha256};

use super::keys::sent_key;
use crate::jid::BareJid;
use crate::stanza::Stanza;
use crate::store::StoreBatch;
use crate::store::encode;
use crate::time::{Span, UnixTime};
use crate::xml::ns;

/// Rows of one account: a message writes one of them anew, and that is small.
pub(crate) const SENT_ROWS: usize = 8;

/// What names a message that is sent again: recipient, id and content. Only its own sender can make two with one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub(crate) struct Name(#[n(0)] u64);

/// One message that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(crate) struct Sent {
    /// What names it.
    #[n(0)]
    pub(crate) name: Name,
    /// The mark of the session that has sent it last.
    #[n(1)]
    pub(crate) session: u64,
    /// Wall-clock milliseconds since 1970, when it was sent first.
    #[n(2)]
    pub(crate) at_ms: i64,
}

/// The last messages of an account, in rows by their names; in each row the oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Repeats {
    rows: [Vec<Sent>; SENT_ROWS],
    /// Which rows differ from what is stored, by bits.
    dirty: u8,
}

impl Name {
    /// Returns the name of a message; nothing for one without an id.
    pub(crate) fn of(stanza: &Stanza) -> Option<Self> {
        let origin = stanza.child("origin-id", ns::SID).and_then(|child| child.attr("id"));
        let (kind, id) = match origin {
            Some(id) => (b'o', id),
            None => (b'i', stanza.id()?),
        };
        // A client may say when it sent it first.
        let content = stanza.clone().without(|child| child.name() == "delay" && child.ns() == ns::DELAY);
        let to = stanza.to.as_ref().map_or("", |to| to.as_str());
        let mut hash = Sha256::new();
        // Neither addresses nor attributes hold U+0000.
        for part in [to.as_bytes(), &[0, kind], id.as_bytes(), &[0], &content.plain_body()] {
            hash.update(part);
        }
        let digest = hash.finalize();
        Some(Self(digest.iter().take(8).fold(0, |name, byte| name << 8 | u64::from(*byte))))
    }

    /// Returns the row that the message is in.
    fn row(self) -> usize {
        let [.., last] = self.0.to_be_bytes();
        usize::from(last) % SENT_ROWS
    }
}

impl Sent {
    /// Returns whether it was sent less than `time` before `now`, or after it: a clock may have been set back.
    pub(crate) fn is_recent(&self, now: UnixTime, time: Span) -> bool {
        let age = now.as_millis().saturating_sub(self.at_ms);
        u64::try_from(age).unwrap_or(0) < time.as_micros() / 1_000
    }
}

impl Repeats {
    /// Takes a row in.
    pub(super) fn load(&mut self, row: usize, sent: Vec<Sent>) {
        if let Some(known) = self.rows.get_mut(row) {
            *known = sent;
        }
    }

    /// Returns the message of this name.
    pub(super) fn get(&self, name: Name) -> Option<Sent> {
        self.rows.get(name.row())?.iter().find(|sent| sent.name == name).copied()
    }

    /// Adds a message, in the place of an older one of the same name; of `max` messages, the oldest of its row goes.
    pub(super) fn add(&mut self, sent: Sent, max: u32) {
        self.remove(sent.name);
        let (at, most) = (sent.name.row(), (max as usize).div_ceil(SENT_ROWS));
        let Some(row) = self.rows.get_mut(at).filter(|_| most > 0) else { return };
        let surplus = (row.len() + 1).saturating_sub(most);
        row.drain(..surplus);
        row.push(sent);
        self.dirty |= 1 << at;
    }

    /// Takes note of the session that has sent a message again.
    pub(super) fn renew(&mut self, name: Name, session: u64) {
        let at = name.row();
        let known = self.rows.get_mut(at).and_then(|row| row.iter_mut().find(|sent| sent.name == name));
        if let Some(sent) = known {
            sent.session = session;
            self.dirty |= 1 << at;
        }
    }

    /// Removes a message: it was not stored.
    pub(super) fn remove(&mut self, name: Name) {
        self.retain(|sent| sent.name != name);
    }

    /// Removes messages.
    pub(super) fn retain(&mut self, keep: impl Fn(&Sent) -> bool) {
        for (at, row) in self.rows.iter_mut().enumerate() {
            let before = row.len();
            row.retain(&keep);
            self.dirty |= u8::from(row.len() != before) << at;
        }
    }

    /// Returns whether a row differs from what is stored.
    pub(super) const fn is_dirty(&self) -> bool {
        self.dirty != 0
    }

    /// Lets `rows` be written again, by bits: they were not stored.
    pub(super) const fn unsaved(&mut self, rows: u8) {
        self.dirty |= rows;
    }

    /// Adds the rows that have changed. Returns which, by bits.
    pub(super) fn save(&mut self, user: &BareJid, batch: &mut StoreBatch) -> u8 {
        let dirty = core::mem::take(&mut self.dirty);
        for (at, row) in self.rows.iter().enumerate().filter(|(at, _)| dirty >> at & 1 == 1) {
            if row.is_empty() {
                batch.add_delete(sent_key(user, at));
            } else {
                batch.add_put(sent_key(user, at), encode(row));
            }
        }
        dirty
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn name(attributes: &str, content: &str) -> Option<Name> {
        let text = format!("<message from='a@x.example/r' {attributes}>{content}</message>");
        Name::of(&Stanza::parse(Bytes::from(text))?)
    }

    fn sent(name: u64, session: u64) -> Sent {
        Sent { name: Name(name), session, at_ms: 0 }
    }

    #[test]
    fn recipient_id_and_content_name_a_message_and_nothing_else_does() {
        let one = name("to='b@x.example' id='1'", "<body>x</body>");
        let delayed = "<body>x</body><delay xmlns='urn:xmpp:delay' stamp='2002-09-10T23:08:25Z'/>";
        assert_eq!(name("to='b@x.example' id='1'", delayed), one, "the client says that it is late");
        assert_eq!(name("id='1' to='b@x.example'", "<body>x</body>"), one);
        let origin = |id: &str| format!("<body>x</body><origin-id xmlns='urn:xmpp:sid:0' id='{id}'/>");
        let named = name("to='b@x.example' id='1'", &origin("o"));
        assert_eq!(name("to='b@x.example' id='2'", &origin("o")), named, "the origin-id comes first");
        let all = [
            one,
            named,
            name("to='b@x.example' id='2'", "<body>x</body>"),
            name("to='b@x.example' id='1'", "<body>y</body>"),
            name("to='b@x.example/r' id='1'", "<body>x</body>"),
            name("to='b@x.example' id='1'", &origin("p")),
            name("id='1'", "<body>x</body>"),
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(one.is_some() && !all[at + 1..].contains(one), "{at}");
        }
        assert_eq!(name("to='b@x.example'", "<body>x</body>"), None, "nothing names it");
    }

    #[test]
    fn a_name_is_stored_and_stays_what_it_is() {
        let one = name("to='b@x.example' id='1'", "<body>x</body>");
        assert_eq!(
            one,
            Some(Name(0x1b51_d4c0_6e06_eca9)),
            "SHA-256 of: b@x.example 00 i1 00 ><body>x</body></message>"
        );
    }

    #[test]
    fn as_many_are_kept_as_there_is_room_for_and_the_oldest_goes() {
        let mut repeats = Repeats::default();
        for round in 0..3 {
            repeats.add(sent(8 * round, round), 16);
        }
        assert_eq!(repeats.get(Name(0)), None);
        assert!(repeats.get(Name(8)).is_some() && repeats.get(Name(16)).is_some());
        repeats.add(sent(8, 7), 16);
        assert_eq!(repeats.get(Name(8)), Some(sent(8, 7)), "in the place of the one before");
        repeats.add(sent(24, 8), 16);
        assert_eq!(repeats.get(Name(16)), None, "it was the oldest then");
        repeats.add(sent(1, 1), 0);
        assert_eq!(repeats.get(Name(1)), None, "no room at all");
    }

    #[test]
    fn rows_that_have_changed_are_written_and_empty_ones_go() {
        let user = BareJid::parse("a@x.example").unwrap();
        let mut repeats = Repeats::default();
        let writes = |repeats: &mut Repeats| {
            let mut batch = StoreBatch::new();
            let rows = repeats.save(&user, &mut batch);
            assert_eq!(batch.writes.len(), rows.count_ones() as usize);
            batch.writes.len()
        };
        repeats.add(sent(1, 1), 16);
        repeats.add(sent(9, 1), 16);
        assert_eq!((writes(&mut repeats), writes(&mut repeats)), (1, 0));
        repeats.renew(Name(9), 2);
        repeats.renew(Name(10), 2);
        assert_eq!(writes(&mut repeats), 1);
        repeats.retain(|sent| sent.session != 2);
        assert_eq!(repeats.get(Name(1)), Some(sent(1, 1)));
        repeats.remove(Name(1));
        assert_eq!((writes(&mut repeats), repeats.is_dirty()), (1, false));
        repeats.unsaved(0b10);
        repeats.add(sent(1, 1), 16);
        repeats.add(sent(2, 1), 16);
        assert_eq!(writes(&mut repeats), 2, "what was not stored, and what is new");
    }
}
