//! `profile`: a link of one's own.

use super::topology::Known;
use super::{Parsed, Scope, Words};
use crate::net::{BUILTIN, Line, LinkProfile, Loss, Phase, Queue};
use crate::script::words::span as span_of;

const MILLION: u64 = 1_000_000;

/// `profile NAME latency T [jitter T] [rate BIT/S] [queue BYTES|T] [loss PPM | gilbert WORSEN RECOVER GOOD BAD] [down ...]`,
/// where properties behind `down` are those of the way from the server, which is else like the other;
/// or `profile NAME schedule T PROFILE T PROFILE ...`, one after the other and round again
pub(super) fn profile(words: &mut Words<'_>, scope: &mut Scope) -> Parsed {
    let name = String::from(words.word("the name of the profile")?);
    if BUILTIN.contains(&name.as_str()) {
        return Err(format!("there is a link profile {name} already"));
    }
    let profile = if words.take("schedule") { schedule(words, scope)? } else { both_ways(words)? };
    scope.profiles.insert(name, profile);
    Ok(Box::new(Known))
}

fn schedule(words: &mut Words<'_>, scope: &Scope) -> Result<LinkProfile, String> {
    let mut phases = Vec::new();
    while !words.is_empty() {
        let lasts = words.span("how long the link is so")?;
        let name = words.word("the profile")?;
        let LinkProfile { up, down, schedule } = scope.profile(name)?;
        if schedule.is_some() {
            return Err(format!("{name} is a schedule itself"));
        }
        phases.push(Phase { lasts, up, down });
    }
    LinkProfile::scheduled(&phases)
        .ok_or_else(|| "a schedule takes some time, and all its phases less than 500 years".into())
}

fn both_ways(words: &mut Words<'_>) -> Result<LinkProfile, String> {
    let up = line(words, Line::PERFECT)?;
    let down = if words.take("down") { line(words, up)? } else { up };
    Ok(LinkProfile { up, down, schedule: None })
}

/// Reads properties up to `down` or the end.
fn line(words: &mut Words<'_>, mut line: Line) -> Result<Line, String> {
    let end = |words: &Words<'_>| words.is_empty() || { *words }.take("down");
    while !end(words) {
        match words.word("a property")? {
            "latency" => line.latency = words.span("the latency")?,
            "jitter" => line.jitter = words.span("the jitter")?,
            "rate" => line.rate = words.number("the rate in bit/s")?,
            "queue" => line.queue = queue(words.word("the queue")?)?,
            "loss" => line.loss = Loss::Random(millionths(words, "the loss")?),
            "gilbert" => {
                line.loss = Loss::Gilbert {
                    worsen: millionths(words, "how probably it turns bad")?,
                    recover: millionths(words, "how probably it turns good")?,
                    good: millionths(words, "the loss while it is good")?,
                    bad: millionths(words, "the loss while it is bad")?,
                };
            }
            other => {
                return Err(format!(
                    "a link has latency, jitter, rate, queue, loss or gilbert, and down, but no {other}"
                ));
            }
        }
    }
    Ok(line)
}

fn queue(word: &str) -> Result<Queue, String> {
    let span = span_of(word).map(Queue::Span);
    let bytes = word.parse().ok().map(Queue::Bytes);
    span.or(bytes).ok_or_else(|| format!("a queue is a number of bytes or a time, not {word}"))
}

fn millionths(words: &mut Words<'_>, what: &str) -> Result<u32, String> {
    let number = words.number(what)?;
    let number = u32::try_from(number).ok().filter(|number| u64::from(*number) <= MILLION);
    number.ok_or_else(|| format!("{what} is of a million"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{SimSpan, SimTime};
    use crate::net::Direction;

    fn read(lines: &[&str]) -> Result<Scope, String> {
        let mut scope = Scope::default();
        for line in lines {
            let mut words = Words::new(line);
            profile(&mut words, &mut scope)?;
            words.end()?;
        }
        Ok(scope)
    }

    #[test]
    fn a_link_differs_in_its_directions_where_it_is_said() {
        let scope = read(&[
            "dsl latency 10ms jitter 1ms rate 1000 queue 500 loss 7 down rate 9000 queue 2s gilbert 1 2 3 4",
        ]);
        let dsl = scope.unwrap().profile("dsl").unwrap();
        let up = Line {
            latency: SimSpan::from_millis(10),
            jitter: SimSpan::from_millis(1),
            rate: 1_000,
            queue: Queue::Bytes(500),
            loss: Loss::Random(7),
        };
        let loss = Loss::Gilbert { worsen: 1, recover: 2, good: 3, bad: 4 };
        let down = Line { rate: 9_000, queue: Queue::Span(SimSpan::from_secs(2)), loss, ..up };
        assert_eq!(dsl, LinkProfile { up, down, schedule: None });
    }

    #[test]
    fn a_schedule_is_made_of_profiles() {
        let scope = read(&["gone latency 1ms loss 1000000", "tunnel schedule 20s lan 3s gone"]).unwrap();
        let tunnel = scope.profile("tunnel").unwrap();
        let loss = |seconds| tunnel.line(Direction::Up, SimTime::ZERO + SimSpan::from_secs(seconds)).loss;
        assert_eq!([19, 20, 23].map(loss), [Loss::None, Loss::Random(1_000_000), Loss::None]);
    }

    #[test]
    fn what_is_no_link_is_refused() {
        for wrong in [
            "lan latency 1ms",
            "x latency",
            "x latency 1",
            "x loss 1000001",
            "x queue many",
            "x gilbert 1 2 3",
            "x colour blue",
            "x down latency 1ms down latency 1ms",
            "x schedule",
            "x schedule 0s lan",
            "x schedule 1s",
            "x schedule 1s nowhere",
            "x schedule 1s lte-moving",
            "x schedule 300000000m lan 300000000m home",
        ] {
            assert!(read(&[wrong]).is_err(), "{wrong}");
        }
    }
}
