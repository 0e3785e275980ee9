//! Servers of other people, rooms that federate with theirs, links with few bits.
//!
//! RFC 6120; XEP-0220, XEP-0288, XEP-0289, XEP-0361, XEP-0365, XEP-0478.

use super::form::{Before, Form};
use crate::script::capability::{CONSTRAINED, FMUC, S2S};

pub(super) const FORMS: &[Form] = &[
    Form::new(Before::Setting, "cluster NAME NODE... serves DOMAIN...", S2S),
    Form::new(Before::Setting, "peers DOMAIN DOMAIN over dialback|external [bidi] [acks] [timer SPAN]", S2S),
    Form::new(Before::Setting, "peers DOMAIN DOMAIN refuse", S2S),
    Form::new(
        Before::Setting,
        "peers DOMAIN DOMAIN over zero-handshake|stanag [opened by DOMAIN|both] [acks] [timer SPAN] [idle SPAN] \
         [pings SPAN] [keep SPAN] [queue BYTES]",
        CONSTRAINED,
    ),
    Form::new(Before::Setting, "pace PEER PEER frames BYTES bytes", CONSTRAINED),
    Form::new(Before::Setting, "stanza limit of DOMAIN for DOMAIN BYTES bytes", CONSTRAINED),
    Form::new(Before::Setting, "shed chat-states|presence between PEER PEER at BYTES bytes", CONSTRAINED),
    Form::new(Before::Setting, "federate ROOM with ROOM as primary|replica [pinned|lazy] [timer SPAN]", FMUC),
    Form::new(Before::Deed, "rehome DOMAIN to NODE", CONSTRAINED),
    Form::new(Before::Deed, "forge dialback key of DOMAIN at DOMAIN", S2S),
    Form::new(Before::Deed, "reset stream of DOMAIN to DOMAIN", S2S),
    Form::new(Before::Deed, "swallow stream of DOMAIN to DOMAIN", S2S),
    Form::new(Before::ExpectNode, "connected to DOMAIN [by dialback|external] [within SPAN]", S2S),
    Form::new(Before::ExpectNode, "no connection to DOMAIN [within SPAN]", S2S),
    Form::new(Before::ExpectNode, "queue for DOMAIN empty", S2S),
    Form::new(Before::ExpectNode, "queue for DOMAIN at most BYTES bytes", S2S),
    Form::new(Before::ExpectNode, "keeps N connections to DOMAIN", CONSTRAINED),
    Form::new(Before::Expect, "set-up DOMAIN DOMAIN took at most N round trips", CONSTRAINED),
    Form::new(Before::Expect, "federation ROOM ROOM up|down|refused [within SPAN]", FMUC),
    Form::new(Before::Expect, "federation ROOM ROOM owned by one node of NODE...", FMUC),
    Form::new(Before::Expect, "federation ROOM ROOM carried at most N stanzas|messages|presences", FMUC),
    Form::new(Before::ExpectClient, "told that ROOM is split|whole [within SPAN]", FMUC),
    Form::new(Before::ExpectClient, "shown pending|confirmed: BODY", CONSTRAINED),
];
