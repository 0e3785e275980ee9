//! What is known of one contact, and how little of memory it takes: the rosters of everybody who is logged in are there.
//!
//! Rests on the replication rules R6 (siblings), R9 (identity of names) and R10 (subscriptions).

use bytes::Bytes;
use minicbor::decode::Error;
use minicbor::{Decoder, Encoder};

use super::few::Few;
use super::name::End;
use super::{Item, Life, Met, Value};
use crate::replica::{Applied, Caps, Cell, Dot, Edge, Entry, Hlc, Standing, Vector};

/// What is known of a contact: what the owner wrote, and the edges to and from each of the contact's lives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Contact {
    pub(super) item: Cell<Item>,
    pub(super) edges: Few<Option<Life>, Ends>,
}

/// The edge each way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ends {
    pub(super) towards: Edge,
    pub(super) back: Edge,
}

/// A contact as it is kept. Its cells are read seldom and take three times as much when they are decoded; what presence and
/// the versions of a roster ask for stands beside them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Kept {
    /// The item's cell; then of each life of the contact's its name and the four cells of its edges. Empty when nobody has
    /// written anything.
    block: Box<[u8]>,
    /// What the edges say that count.
    standing: Standing,
    /// The last write of what the roster shows, a removal included.
    changed: Last,
}

/// What of a contact somebody writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The item.
    Item,
    /// An edge: which end of it the owner is, and which life of the contact's is at the other.
    Edge(End, Option<Life>),
}

/// The last live write of a cell.
type Last = Option<(Hlc, Dot)>;

impl Contact {
    /// Takes a write in: of the item, or of an edge to or from one life of the contact's.
    ///
    /// # Panics
    ///
    /// When the value is that of another cell.
    pub(super) fn apply(&mut self, part: Part, entry: &Entry<Value>) -> Applied {
        match (part, &entry.value) {
            (Part::Item, Value::Item(value)) => self.item.apply(entry.with(value.clone())),
            (Part::Edge(end, life), Value::Want(value)) => {
                self.edge_mut(end, life).want.apply(entry.with(value.clone()))
            }
            (Part::Edge(end, life), Value::Allow(value)) => {
                self.edge_mut(end, life).allow.apply(entry.with(*value))
            }
            (part, value) => {
                panic!("{value:?} is of another cell than {part:?}: neither written nor decoded")
            }
        }
    }

    fn edge_mut(&mut self, end: End, life: Option<Life>) -> &mut Edge {
        self.edges.or_default(life).edge_mut(end)
    }

    /// Drops the removals that everybody has.
    pub(super) fn collect(&mut self, floor: &Vector, met: Option<&Met>) {
        self.item.collect(floor, |item| !item.present);
        self.edges.retain(|life, ends| {
            if let (Some(life), Some(met)) = (life, met)
                && !met.living.contains(life)
                && floor.covers(life.uid)
                && ends.is_covered(floor)
            {
                return false;
            }
            for edge in [&mut ends.towards, &mut ends.back] {
                edge.want.collect(floor, |want| !want.on);
                edge.allow.collect(floor, |on| !on);
            }
            !ends.is_empty()
        });
    }

    /// Drops the entries for which `gone` holds.
    pub(super) fn forget(&mut self, gone: &dyn Fn(Dot) -> bool) {
        self.item.forget(gone);
        self.edges.retain(|_, ends| {
            for edge in [&mut ends.towards, &mut ends.back] {
                edge.want.forget(gone);
                edge.allow.forget(gone);
            }
            !ends.is_empty()
        });
    }

    /// Encodes it; `met` decides which edges count, and `caps` which write is the last.
    pub(super) fn keep(&self, met: Option<&Met>, caps: &Caps) -> Kept {
        if self.item.is_empty() && self.edges.is_empty() {
            return Kept::default();
        }
        let mut out = Encoder::new(Vec::new());
        let written = out.encode(&self.item).and_then(|out| {
            self.edges.iter().try_fold(out, |out, (life, Ends { towards, back })| {
                out.encode(life)?.encode(&towards.want)?.encode(&towards.allow)?;
                out.encode(&back.want)?.encode(&back.allow)
            })
        });
        written.expect("writing to a Vec cannot fail");
        let standing = self.ends(met).map(|ends| Standing::of(&ends.towards, &ends.back));
        let (standing, changed) = (standing.unwrap_or_default(), self.changed(met, caps));
        Kept { block: out.into_writer().into(), standing, changed }
    }

    fn changed(&self, met: Option<&Met>, caps: &Caps) -> Last {
        let last_item = last(&self.item, caps);
        let Some(Ends { towards, back }) = self.ends(met) else { return last_item };
        let wanted = towards.want.is_granted();
        let seen = [
            last_item,
            last(&towards.want, caps),
            last(&towards.allow, caps).filter(|_| wanted),
            last(&back.allow, caps),
        ];
        seen.into_iter().flatten().max()
    }

    fn ends(&self, met: Option<&Met>) -> Option<&Ends> {
        self.edges.get(&chosen(met, self.edges.keys().copied()))
    }

    fn decode(block: &[u8]) -> Result<Self, Error> {
        if block.is_empty() {
            return Ok(Self::default());
        }
        let mut input = Decoder::new(block);
        let mut contact = Self { item: input.decode()?, edges: Few::new() };
        while input.position() < block.len() {
            let life = input.decode()?;
            let towards = Edge { want: input.decode()?, allow: input.decode()? };
            let back = Edge { want: input.decode()?, allow: input.decode()? };
            *contact.edges.or_default(life) = Ends { towards, back };
        }
        Ok(contact)
    }
}

impl Ends {
    pub(super) const fn edge(&self, end: End) -> &Edge {
        match end {
            End::Towards => &self.towards,
            End::Back => &self.back,
        }
    }

    const fn edge_mut(&mut self, end: End) -> &mut Edge {
        match end {
            End::Towards => &mut self.towards,
            End::Back => &mut self.back,
        }
    }

    fn is_empty(&self) -> bool {
        self.towards.is_empty() && self.back.is_empty()
    }

    fn is_covered(&self, floor: &Vector) -> bool {
        [&self.towards, &self.back].into_iter().all(|edge| {
            let mut wants = edge.want.siblings().iter().map(|entry| entry.dot);
            let mut allows = edge.allow.siblings().iter().map(|entry| entry.dot);
            wants.all(|dot| floor.covers(dot)) && allows.all(|dot| floor.covers(dot))
        })
    }
}

impl Kept {
    /// Decodes it.
    pub(super) fn open(&self) -> Contact {
        Contact::decode(&self.block).expect("what keep has encoded")
    }

    /// Changes what is kept; `met` decides which edges count, and `caps` which write is the last.
    pub(super) fn change<R>(
        &mut self,
        (met, caps): (Option<&Met>, &Caps),
        change: impl FnOnce(&mut Contact) -> R,
    ) -> R {
        let mut contact = self.open();
        let outcome = change(&mut contact);
        *self = contact.keep(met, caps);
        outcome
    }

    /// Takes note that other edges may count, or another write be the last.
    pub(super) fn refresh(&mut self, met: Option<&Met>, caps: &Caps) {
        *self = self.open().keep(met, caps);
    }

    /// Returns whether nobody has written anything.
    pub(super) const fn is_empty(&self) -> bool {
        self.block.is_empty()
    }

    /// Returns what the edges say that count.
    pub(super) const fn standing(&self) -> Standing {
        self.standing
    }

    /// Returns what the owner wrote, unless it was removed.
    pub(super) fn item(&self, caps: &Caps) -> Option<Item> {
        let cell = || minicbor::decode::<Cell<Item>>(&self.block).expect("what keep has encoded");
        let cell = (!self.is_empty()).then(cell)?;
        cell.newest(caps).map(|entry| &entry.value).filter(|item| item.present).cloned()
    }

    /// Returns the life of the contact's that edges lead to.
    pub(super) fn life(&self, met: Option<&Met>) -> Option<Life> {
        chosen(met, self.open().edges.keys().copied())
    }

    /// Returns the request of the contact, if it was not answered.
    pub(super) fn request(&self, caps: &Caps, met: Option<&Met>) -> Option<Bytes> {
        let contact = self.standing.pending_in.then(|| self.open())?;
        contact.ends(met)?.back.want.newest(caps)?.value.stanza.clone()
    }

    /// Returns the last write of what the roster shows, a removal included.
    pub(super) const fn changed(&self) -> Last {
        self.changed
    }
}

/// Returns the life of a contact's that edges lead to: the one that its name stands for, as far as that is known here; else the
/// last one that any edge leads to.
fn chosen(met: Option<&Met>, lives: impl Iterator<Item = Option<Life>>) -> Option<Life> {
    match met {
        Some(met) => met.current,
        None => lives.flatten().max_by_key(|life| (life.born, life.uid)),
    }
}

/// Returns the last live write of a cell.
fn last<V>(cell: &Cell<V>, caps: &Caps) -> Last {
    cell.newest(caps).map(|entry| (entry.hlc, entry.dot))
}

#[cfg(test)]
mod tests {
    use arbitrary::Unstructured;

    use super::*;
    use crate::replica::{Context, Dots, Origin, Want};

    fn life(node: u32) -> Life {
        let uid = Origin { node, start: 1, random: 0 }.dot(1);
        Life { uid, born: Hlc { millis: i64::from(9 - node), count: 0 } }
    }

    /// A contact with random writes of three nodes, which have seen something of each other or nothing.
    fn any(u: &mut Unstructured<'_>) -> arbitrary::Result<Contact> {
        let mut dots = [1, 2, 3].map(|node| Dots::new(Origin { node, start: 1, random: 0 }));
        let mut contact = Contact::default();
        for _ in 0..u.int_in_range(0..=10)? {
            let lives = [None, Some(life(1)), Some(life(2))];
            let (end, life) = (*u.choose(&[End::Towards, End::Back])?, *u.choose(&lives)?);
            let on: bool = u.arbitrary()?;
            let (part, value) = match u.int_in_range(0..=2)? {
                0 => {
                    let item = Item { name: on.then(|| "Bob".into()), groups: vec!["x".into()], present: on };
                    (Part::Item, Value::Item(item))
                }
                1 => {
                    let stanza = on.then(|| Bytes::from_static(b"<presence/>"));
                    (Part::Edge(end, life), Value::Want(Want { on, stanza }))
                }
                _ => (Part::Edge(end, life), Value::Allow(on)),
            };
            let at = u.choose_index(dots.len())?;
            let mut context = Context::default();
            if let Some(seen) = u.choose(&[None, Some(0), Some(1), Some(2)])? {
                context.see(dots[*seen].origin().dot(dots[*seen].last()));
            }
            let hlc = Hlc { millis: u.int_in_range(0..=9)?, count: 0 };
            contact.apply(part, &Entry { dot: dots[at].take(), hlc, context, value });
        }
        Ok(contact)
    }

    #[test]
    fn what_is_kept_says_what_the_cells_say_and_comes_back() {
        arbtest::arbtest(|u| {
            let (contact, caps) = (any(u)?, Caps::new());
            let current = *u.choose(&[None, Some(life(1)), Some(life(2)), Some(life(3))])?;
            let met = u.arbitrary::<bool>()?.then(|| Met { current, living: Vec::new() });
            let met = met.as_ref();
            let kept = contact.keep(met, &caps);
            assert_eq!(kept.open(), contact);
            let ends = contact.ends(met).cloned().unwrap_or_default();
            assert_eq!(kept.standing(), Standing::of(&ends.towards, &ends.back));
            assert_eq!(kept.request(&caps, met).as_ref(), ends.back.request(&caps));
            let newest = contact.item.newest(&caps).map(|entry| &entry.value);
            assert_eq!(kept.item(&caps).as_ref(), newest.filter(|item| item.present));
            let stamp = |cell: &Cell<bool>| cell.newest(&caps).map(|entry| (entry.hlc, entry.dot));
            let stamps = [
                contact.item.newest(&caps).map(|entry| (entry.hlc, entry.dot)),
                ends.towards.want.newest(&caps).map(|entry| (entry.hlc, entry.dot)),
                stamp(&ends.towards.allow).filter(|_| ends.towards.want.is_granted()),
                stamp(&ends.back.allow),
            ];
            assert_eq!(kept.changed(), stamps.into_iter().flatten().max());
            let mut moved = contact.keep(None, &caps);
            moved.refresh(met, &caps);
            assert_eq!(moved, kept);
            Ok(())
        });
    }

    #[test]
    fn what_is_forgotten_leaves_nothing() {
        let dot = Origin { node: 1, start: 1, random: 0 }.dot(1);
        let entry =
            Entry { dot, hlc: Hlc::default(), context: Context::default(), value: Value::Allow(true) };
        let mut kept = Kept::default();
        let apply = |kept: &mut Kept| {
            kept.change((None, &Caps::new()), |contact| {
                contact.apply(Part::Edge(End::Back, Some(life(1))), &entry)
            })
        };
        assert_eq!([apply(&mut kept), apply(&mut kept)], [Applied::Live, Applied::Known]);
        assert!(kept.standing().approved && !kept.is_empty());
        kept.change((None, &Caps::new()), |contact| contact.forget(&|gone| gone == dot));
        assert_eq!(kept, Kept::default());
    }
}
