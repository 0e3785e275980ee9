//! XML that no client library would send.

use super::dice::Dice;

/// Name, weight, text. `NUMBER` becomes a number of its own, `PEER` an account.
const TEXTS: [(&str, u64, &str); 17] = [
    ("to oneself", 2, "<message id='xNUMBER'><body>xNUMBER</body></message>"),
    (
        "unknown request",
        3,
        "<iq type='get' id='xNUMBER' to='{domain}'><query xmlns='urn:example:unknown'/></iq>",
    ),
    ("to nobody in particular", 2, "<iq type='set' id='xNUMBER'><order xmlns='urn:example:pizza'/></iq>"),
    (
        "request of a peer",
        3,
        "<iq type='get' id='xNUMBER' to='{PEER}'><query xmlns='urn:example:unknown'/></iq>",
    ),
    ("answer to nothing", 2, "<iq type='result' id='xNUMBER' to='{PEER}'/>"),
    ("request without type", 1, "<iq id='xNUMBER'/>"),
    (
        "two payloads",
        1,
        "<iq type='get' id='xNUMBER'><a xmlns='urn:example:a'/><b xmlns='urn:example:b'/></iq>",
    ),
    (
        "extension",
        3,
        "<message to='{PEER}' id='xNUMBER'><a xmlns='urn:example:a'><b><c x='1'/></b></a></message>",
    ),
    ("bad address", 2, "<message to='a@b@c' id='xNUMBER'><body>xNUMBER</body></message>"),
    ("probe", 1, "<presence type='probe' to='{PEER}'/>"),
    ("subscription", 2, "<presence type='subscribe' to='{PEER}'/>"),
    ("space", 1, " "),
    ("forged", 1, "<message from='mallory@example.net' to='{PEER}'><body>xNUMBER</body></message>"),
    ("malformed", 1, "<message to='{PEER}'><body>xNUMBER</message>"),
    ("comment", 1, "<message to='{PEER}'><!-- xNUMBER --></message>"),
    ("no stanza", 1, "<order xmlns='urn:example:pizza'/>"),
    ("doctype", 1, "<!DOCTYPE x>"),
];

/// Draws a text.
pub(super) fn text(dice: Dice, number: u64, peer: &str) -> String {
    let texts = TEXTS.iter().map(|(name, weight, text)| (*name, *weight, *text));
    let text = dice.weighted("xml", texts).unwrap_or_default();
    text.replace("NUMBER", &number.to_string()).replace("PEER", peer)
}
