//! How long archives are kept, and how one is lost.
//!
//! XEP-0313.

use super::form::{Before, Form};
use crate::script::capability::ARCHIVES;

pub(super) const FORMS: &[Form] = &[
    Form::new(Before::Setting, "retention SPAN [of ROOM]", ARCHIVES),
    Form::new(Before::Deed, "lose archive of NODE", ARCHIVES),
];
