//! What people do with their passwords and tokens, and operators with accounts.
//!
//! XEP-0077, 3.3; XEP-0484.

use super::form::{Before, Form};
use crate::script::capability::ACCOUNTS;

pub(super) const FORMS: &[Form] = &[
    Form::new(Before::Client, "changes its password to TEXT", ACCOUNTS),
    Form::new(Before::Client, "asks for a token", ACCOUNTS),
    Form::new(Before::Client, "logs in by token", ACCOUNTS),
    Form::new(Before::Node, "user disable WHO", ACCOUNTS),
    Form::new(Before::Node, "user enable WHO", ACCOUNTS),
    Form::new(Before::ExpectClient, "password changed", ACCOUNTS),
    Form::new(Before::ExpectClient, "given a token", ACCOUNTS),
];
