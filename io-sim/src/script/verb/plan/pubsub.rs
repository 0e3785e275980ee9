//! Published items, of services and of accounts.
//!
//! XEP-0060, XEP-0163. Without `at` a node is one of the client's own account, with `at WHO` of that account; `at
//! pubsub` is the service of the domain.

use super::form::{Before, Form};
use crate::script::capability::PUBSUB;

pub(super) const FORMS: &[Form] = &[
    Form::new(Before::Client, "creates node ID [at WHO] [access open|presence|whitelist]", PUBSUB),
    Form::new(Before::Client, "configures node ID [at WHO] access open|presence|whitelist", PUBSUB),
    Form::new(Before::Client, "deletes node ID [at WHO]", PUBSUB),
    Form::new(Before::Client, "publishes to ID [at WHO] [item ID]: TEXT", PUBSUB),
    Form::new(Before::Client, "retracts item ID from ID [at WHO]", PUBSUB),
    Form::new(Before::Client, "subscribes to node ID [at WHO]", PUBSUB),
    Form::new(Before::Client, "unsubscribes from node ID [at WHO]", PUBSUB),
    Form::new(Before::Client, "follows ID...", PUBSUB),
    Form::new(Before::Client, "fetches items of ID [at WHO] [max N]", PUBSUB),
    Form::new(Before::Client, "fetches configuration of ID [at WHO]", PUBSUB),
    Form::new(Before::ExpectClient, "published item ID [within SPAN]", PUBSUB),
    Form::new(Before::ExpectClient, "event ID item ID [from WHO] [within SPAN]: BODY", PUBSUB),
    Form::new(Before::ExpectClient, "event ID retracts ID [from WHO] [within SPAN]", PUBSUB),
    Form::new(Before::ExpectClient, "saw N events [of ID] [from WHO]", PUBSUB),
    Form::new(Before::ExpectClient, "items empty", PUBSUB),
    Form::new(Before::ExpectClient, "items are ID...", PUBSUB),
    Form::new(Before::ExpectClient, "item ID: BODY", PUBSUB),
    Form::new(Before::ExpectClient, "access open|presence|whitelist", PUBSUB),
];
