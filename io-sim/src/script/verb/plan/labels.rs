//! Security labels, and who is cleared for which.
//!
//! XEP-0258.

use super::form::{Before, Form, Names};
use crate::script::capability::LABELS;

pub(super) const FORMS: &[Form] = &[
    Form::new(Before::Setting, "labels NAME...", LABELS).naming(Names::Labels),
    Form::new(Before::Setting, "clearance of WHO LABEL", LABELS),
    Form::new(Before::Setting, "clearance of room ROOM LABEL", LABELS),
    Form::new(Before::Setting, "clearance of peer DOMAIN LABEL", LABELS),
    Form::new(Before::Setting, "clearance of route ROUTE LABEL", LABELS),
    Form::new(Before::Setting, "default label LABEL [in ROOM]", LABELS),
    Form::new(Before::Client, "says under LABEL to WHO: TEXT", LABELS),
    Form::new(Before::Client, "says under LABEL in ROOM: TEXT", LABELS),
    Form::new(Before::Client, "asks for labels of WHO", LABELS),
    Form::new(Before::ExpectClient, "labels LABEL...", LABELS),
    Form::new(Before::ExpectClient, "heard under LABEL: BODY", LABELS),
];
