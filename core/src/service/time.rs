//! What time it is at the server.
//!
//! Implements: XEP-0202 2.0, section 2; XEP-0082 1.1.1, section 3.2, writing. Complete: the server lives in UTC.
//!
//! Shown by: scenarios/service/version-and-time.scn, core/src/node/tests/small.rs.

use super::cx::Cx;
use super::service::{At, IqRequest, Service, Set};
use crate::stanza::{Stanza, StanzaError};
use crate::time::UnixTime;
use crate::xml::{Node, ns};

/// The time service. Keeps nothing.
#[derive(Debug, Default)]
pub(crate) struct Time;

impl Service for Time {
    const CLAIMS: &'static [(At, &'static str)] = &[(At::Server, ns::TIME)];
    const FEATURES: &'static [&'static str] = &[ns::TIME];

    fn handle_iq(&mut self, cx: &mut Cx<'_>, request: &IqRequest<'_>) -> Result<Option<Stanza>, StanzaError> {
        match (request.set, request.payload.name()) {
            (Set::Get, "time") => {
                let text = |name, text: &str| Node::new(name, ns::TIME).with_text(text);
                let time = Node::new("time", ns::TIME)
                    .with_child(text("tzo", "+00:00"))
                    .with_child(text("utc", &date_time(cx.now.wall)));
                Ok(Some(request.stanza.result(&[time])))
            }
            (Set::Set, "time") => Err(StanzaError::NotAllowed),
            (Set::Get | Set::Set, _) => Err(StanzaError::BadRequest),
        }
    }
}

/// Writes a time as people and XML schemas do, in UTC, to the second (XEP-0082, 3.2).
fn date_time(time: UnixTime) -> String {
    let secs = time.as_millis().div_euclid(1000);
    let (days, of_day) = (secs.div_euclid(86_400), secs.rem_euclid(86_400));
    // Civil from days: years begin in March, so that the leap day is their last.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (secs, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_166_554_715, "2006-12-19T18:58:35Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(date_time(UnixTime::from_millis(secs * 1000 + 999)), text);
        }
    }
}
