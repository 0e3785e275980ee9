//! How long and how much a server keeps for streams that may be resumed.
//!
//! XEP-0198.

use super::form::{Before, Form};
use crate::script::capability::RESUMPTION;

pub(super) const FORMS: &[Form] = &[
    Form::new(Before::Setting, "resume time SPAN", RESUMPTION),
    Form::new(Before::Setting, "resume queue BYTES bytes", RESUMPTION),
];
