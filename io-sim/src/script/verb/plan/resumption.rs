//! Acknowledgements and resumed streams.
//!
//! XEP-0198. `unacked` counts what the client sent and the server did not acknowledge with `h`.

use super::form::{Before, Form};
use crate::script::capability::RESUMPTION;

pub(super) const FORMS: &[Form] = &[
    Form::new(Before::Setting, "resume time SPAN", RESUMPTION),
    Form::new(Before::Setting, "resume queue BYTES bytes", RESUMPTION),
    Form::new(Before::Client, "enables acks", RESUMPTION),
    Form::new(Before::Client, "enables resumption [max SPAN]", RESUMPTION),
    Form::new(Before::Client, "asks for ack", RESUMPTION),
    Form::new(Before::Client, "repeats BODY", RESUMPTION),
    Form::new(Before::Client, "stops acking", RESUMPTION),
    Form::new(Before::Client, "acks h N", RESUMPTION),
    Form::new(Before::Client, "resumes [on NODE] [h N]", RESUMPTION),
    Form::new(Before::ExpectClient, "resumable [max SPAN]", RESUMPTION),
    Form::new(Before::ExpectClient, "not resumable", RESUMPTION),
    Form::new(Before::ExpectClient, "resumed [h N] [within SPAN]", RESUMPTION),
    Form::new(Before::ExpectClient, "resume refused CONDITION [h N]", RESUMPTION),
    Form::new(Before::ExpectClient, "acked h N [within SPAN]", RESUMPTION),
    Form::new(Before::ExpectClient, "unacked N", RESUMPTION),
    Form::new(Before::ExpectClient, "asked for ack", RESUMPTION),
];
