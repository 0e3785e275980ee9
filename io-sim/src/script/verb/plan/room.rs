//! Rooms.
//!
//! XEP-0045, XEP-0249, XEP-0410, XEP-0425.

use super::form::{Before, Form};
use crate::script::capability::ROOMS;

pub(super) const FORMS: &[Form] = &[
    Form::new(Before::Client, "joins ROOM as NICK [password TEXT] [history none|SIZE] [since BODY]", ROOMS),
    Form::new(Before::Client, "leaves ROOM [status TEXT]", ROOMS),
    Form::new(Before::Client, "says in ROOM: TEXT", ROOMS),
    Form::new(Before::Client, "says privately in ROOM to NICK: TEXT", ROOMS),
    Form::new(Before::Client, "types in ROOM", ROOMS),
    Form::new(Before::Client, "sets subject of ROOM: TEXT", ROOMS),
    Form::new(Before::Client, "calls itself NICK in ROOM", ROOMS),
    Form::new(Before::Client, "kicks NICK from ROOM [reason TEXT]", ROOMS),
    Form::new(Before::Client, "bans WHO from ROOM [reason TEXT]", ROOMS),
    Form::new(Before::Client, "makes WHO owner|admin|member|none in ROOM", ROOMS),
    Form::new(Before::Client, "makes NICK moderator|participant|visitor in ROOM", ROOMS),
    Form::new(
        Before::Client,
        "configures ROOM members-only|moderated|persistent|hidden|anonymous on|off",
        ROOMS,
    ),
    Form::new(Before::Client, "configures ROOM ordering local|total [primary NODE]", ROOMS),
    Form::new(Before::Client, "configures ROOM password TEXT", ROOMS),
    Form::new(Before::Client, "configures ROOM title TEXT", ROOMS),
    Form::new(Before::Client, "invites WHO to ROOM [reason TEXT]", ROOMS),
    Form::new(Before::Client, "destroys ROOM [reason TEXT]", ROOMS),
    Form::new(Before::Client, "retracts BODY in ROOM", ROOMS),
    Form::new(Before::Client, "asks whether it is in ROOM", ROOMS),
    Form::new(Before::Client, "asks for owners|admins|members|outcasts of ROOM", ROOMS),
    Form::new(Before::ExpectClient, "list empty", ROOMS),
    Form::new(Before::ExpectClient, "list holds WHO...", ROOMS),
    Form::new(Before::ExpectClient, "told that it is in ROOM", ROOMS),
    Form::new(Before::ExpectClient, "told that it is not in ROOM", ROOMS),
    Form::new(Before::ExpectClient, "told that nobody knows whether it is in ROOM", ROOMS),
];
