//! Verbs that are in the grammar and wait for a capability: a line with one is no error, but pending.

use super::{Act, Stage, Trouble, Words};

/// The verb, where it stands after a name, and what it waits for.
const WAITING: [(&str, &str); 8] = [
    ("joins", "rooms"),
    ("leaves", "rooms"),
    ("publishes", "publish-subscribe"),
    ("subscribes", "rosters"),
    ("resumes", "stream resumption"),
    ("pages", "archives"),
    ("blocks", "blocking"),
    ("uploads", "uploads"),
];

#[derive(Debug)]
struct Waits(&'static str);

/// Reads a line whose second word is such a verb.
/// The rest of it is for the version that knows the verb.
pub(super) fn parse(words: &mut Words<'_>) -> Option<Box<dyn Act>> {
    let mut ahead = *words;
    ahead.next();
    for (verb, capability) in WAITING {
        if ahead.take(verb) {
            words.rest();
            return Some(Box::new(Waits(capability)));
        }
    }
    None
}

impl Act for Waits {
    fn act(&self, _stage: &mut Stage) -> Result<(), Trouble> {
        Err(Trouble::Pending(self.0.into()))
    }
}
