//! Contacts, blocked addresses, copies for one's other clients, files.
//!
//! RFC 6121, 2 and 3; XEP-0191; XEP-0280; XEP-0363.

use super::form::{Before, Form};
use crate::script::capability::{BLOCKING, CARBONS, ROSTERS, UPLOADS};

pub(super) const FORMS: &[Form] = &[
    Form::new(Before::Setting, "contacts WHO...", ROSTERS),
    Form::new(Before::Client, "subscribes to WHO", ROSTERS),
    Form::new(Before::Client, "unsubscribes from WHO", ROSTERS),
    Form::new(Before::Client, "accepts WHO", ROSTERS),
    Form::new(Before::Client, "refuses WHO", ROSTERS),
    Form::new(Before::Client, "puts WHO in its roster [as TEXT] [group TEXT]", ROSTERS),
    Form::new(Before::Client, "removes WHO from its roster", ROSTERS),
    Form::new(
        Before::ExpectClient,
        "roster has WHO [as TEXT] [group TEXT] [subscription none|to|from|both|pending]",
        ROSTERS,
    ),
    Form::new(Before::ExpectClient, "roster lacks WHO", ROSTERS),
    Form::new(Before::Client, "blocks WHO", BLOCKING),
    Form::new(Before::Client, "unblocks WHO", BLOCKING),
    Form::new(Before::ExpectClient, "blocks exactly WHO...", BLOCKING),
    Form::new(Before::Client, "enables carbons", CARBONS),
    Form::new(Before::ExpectClient, "carbon sent|received: BODY", CARBONS),
    Form::new(Before::Client, "uploads N bytes", UPLOADS),
];
