//! Archives and their pages.
//!
//! XEP-0313, XEP-0359. A message is named by its body: the id meant is the one that this client was given with it.

use super::form::{Before, Form};
use crate::script::capability::ARCHIVES;

pub(super) const FORMS: &[Form] = &[
    Form::new(Before::Setting, "retention SPAN [of ROOM]", ARCHIVES),
    Form::new(Before::Deed, "lose archive of NODE", ARCHIVES),
    Form::new(
        Before::Client,
        "pages [of ROOM] [with WHO] [after last|BODY] [before first|BODY] [since SPAN] [max N]",
        ARCHIVES,
    ),
    Form::new(Before::Client, "pages after id ID [of ROOM]", ARCHIVES),
    Form::new(Before::Client, "catches up [of ROOM] [by cursor|id|time|back]", ARCHIVES),
    Form::new(Before::ExpectClient, "page empty", ARCHIVES),
    Form::new(Before::ExpectClient, "page complete|incomplete", ARCHIVES),
    Form::new(Before::ExpectClient, "page stable|unstable", ARCHIVES),
    Form::new(Before::ExpectClient, "page refused CONDITION", ARCHIVES),
    Form::new(Before::ExpectClient, "page like CLIENT", ARCHIVES),
    Form::new(Before::ExpectClient, "page holds BODY...", ARCHIVES),
    Form::new(Before::ExpectClient, "caught up N messages", ARCHIVES),
    Form::new(Before::ExpectClient, "missed nothing of CLIENT", ARCHIVES),
];
