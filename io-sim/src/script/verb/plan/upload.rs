//! Files.
//!
//! XEP-0363.

use super::form::{Before, Form};
use crate::script::capability::UPLOADS;

pub(super) const FORMS: &[Form] = &[Form::new(Before::Client, "uploads N bytes", UPLOADS)];
