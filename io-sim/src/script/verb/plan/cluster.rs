//! Several nodes that serve one domain: what is set, what operators do, what must hold.

use super::form::{Before, Form, Names};
use crate::script::capability::CLUSTER;

pub(super) const FORMS: &[Form] = &[
    Form::new(Before::Setting, "lease SPAN", CLUSTER),
    Form::new(Before::Setting, "forget after SPAN", CLUSTER),
    Form::new(Before::Setting, "drift at most SPAN", CLUSTER),
    Form::new(Before::Setting, "outside NODE", CLUSTER),
    Form::new(Before::Setting, "route NAME PEER PEER PROFILE [priority N] [proven SPAN]", CLUSTER)
        .naming(Names::Routes),
    Form::new(Before::Deed, "cut route ROUTE", CLUSTER),
    Form::new(Before::Deed, "heal route ROUTE", CLUSTER),
    Form::new(Before::Deed, "upgrade NODE", CLUSTER),
    Form::new(Before::Client, "moves to NODE", CLUSTER),
    Form::new(Before::Node, "joins NODE", CLUSTER),
    Form::new(Before::Node, "drains", CLUSTER),
    Form::new(Before::Node, "drains but stops within SPAN", CLUSTER),
    Form::new(Before::Node, "forgets NODE", CLUSTER),
    Form::new(Before::Node, "declares NODE dead", CLUSTER),
    Form::new(Before::Node, "asks cluster status", CLUSTER),
    Form::new(Before::Node, "asks quarantine", CLUSTER),
    Form::new(Before::ExpectNode, "sees NODE dead|forgotten [within SPAN]", CLUSTER),
    Form::new(Before::ExpectNode, "reaches PEER by ROUTE [within SPAN]", CLUSTER),
    Form::new(Before::ExpectNode, "joined [within SPAN]", CLUSTER),
    Form::new(Before::ExpectNode, "drained [within SPAN]", CLUSTER),
    Form::new(Before::ExpectNode, "takes no logins", CLUSTER),
    Form::new(Before::ExpectNode, "takes logins [within SPAN]", CLUSTER),
    Form::new(Before::ExpectNode, "has nothing in quarantine", CLUSTER),
    Form::new(Before::ExpectNode, "quarantines WHO...", CLUSTER),
    Form::new(Before::ExpectNode, "warns clock|degraded|conflict|loop|link|lost [of WHO]", CLUSTER),
    Form::new(Before::ExpectNode, "warns nothing", CLUSTER),
    Form::new(Before::ExpectNode, "speaks version N with NODE", CLUSTER),
    Form::new(Before::ExpectNode, "lost at most SPAN of acknowledged writes", CLUSTER),
    Form::new(Before::Expect, "link PEER PEER carried at most N stanzas|messages|presences|iqs", CLUSTER),
    Form::new(Before::Expect, "link PEER PEER carried at most BYTES bytes", CLUSTER),
    Form::new(Before::Expect, "link PEER PEER carried nothing of CLIENT", CLUSTER),
    Form::new(Before::Expect, "route ROUTE carried nothing", CLUSTER),
];
