//! Hello: who speaks, and what it can.
//!
//! It is read before a version is agreed upon, so fields are only ever added behind the others.

use super::field::{Fields, put_number, put_text};
use super::frame::Malformed;
use crate::exchange::Hello;
use crate::time::Span;

/// The versions of the frames that this node speaks.
pub(super) const VERSIONS: (u16, u16) = (1, 2);
/// From this version on marks are answered.
pub(super) const MARKS: u16 = 2;

/// Bytes of a name.
const NAME_BYTES_MAX: usize = 64;
/// Bytes of the name of a way.
const ROUTE_BYTES_MAX: usize = 32;
/// Whoever is silent for longer than an hour may as well be away.
const SILENT_MAX: Span = Span::from_secs(3_600);
/// Bytes of the smallest frame that everybody takes: a Hello has room in it.
const FRAME_MIN: u16 = 256;
/// Bytes of something in parts that everybody takes: what is said of sessions is cut into half of that.
pub(super) const PART_MIN: u32 = 64 * 1024;

/// Appends the body of the frame.
pub(super) fn write(hello: &Hello, out: &mut Vec<u8>) {
    put_number(out, hello.versions.0.into());
    put_number(out, hello.versions.1.into());
    out.extend_from_slice(&hello.cluster);
    out.extend_from_slice(&hello.origin.to_bytes());
    put_text(out, &hello.name);
    put_text(out, &hello.site);
    put_number(out, hello.heartbeat.as_micros() / 1_000);
    put_number(out, hello.silent.as_micros() / 1_000);
    put_number(out, hello.frame_max.into());
    put_number(out, hello.part_max.into());
    if !hello.route.is_empty() {
        put_text(out, &hello.route);
    }
}

/// Reads the body of a frame. What follows the fields that this version knows is a later version's.
pub(super) fn read(body: &[u8]) -> Result<Hello, Malformed> {
    let mut fields = Fields(body);
    let versions = (fields.number_16()?, fields.number_16()?);
    let cluster = fields.bytes()?;
    let origin = fields.origin()?;
    let (name, site) = (fields.text(NAME_BYTES_MAX)?.into(), fields.text(NAME_BYTES_MAX)?.into());
    let (heartbeat, silent) = (span(&mut fields)?, span(&mut fields)?);
    let frame_max = fields.number_16()?;
    let part_max = u32::try_from(fields.number()?).map_err(|_| Malformed::Number)?;
    if versions.0 > versions.1 || frame_max < FRAME_MIN || part_max < PART_MIN {
        return Err(Malformed::Value);
    }
    // Where there is one way alone, and in versions that know of no other, it has no name.
    let route = if fields.0.is_empty() { "" } else { fields.text(ROUTE_BYTES_MAX)? }.into();
    Ok(Hello { versions, cluster, origin, name, site, heartbeat, silent, frame_max, part_max, route })
}

/// Takes a span in milliseconds.
fn span(fields: &mut Fields<'_>) -> Result<Span, Malformed> {
    let span = Span::from_millis(fields.number()?);
    if span.as_micros() == 0 || span > SILENT_MAX { Err(Malformed::Value) } else { Ok(span) }
}

#[cfg(test)]
mod tests {
    use arbitrary::Unstructured;
    use arbtest::arbtest;

    use super::*;
    use crate::replica::Origin;

    fn draw(data: &mut Unstructured<'_>) -> arbitrary::Result<Hello> {
        let low = data.arbitrary()?;
        let name = |data: &mut Unstructured<'_>, most: usize| -> arbitrary::Result<Box<str>> {
            let text: String = data.arbitrary()?;
            let fits = text.char_indices().take_while(|(at, letter)| at + letter.len_utf8() <= most);
            Ok(fits.map(|(_, letter)| letter).collect())
        };
        Ok(Hello {
            versions: (low, data.int_in_range(low..=u16::MAX)?),
            cluster: data.arbitrary()?,
            origin: Origin { node: data.arbitrary()?, start: data.arbitrary()?, random: data.arbitrary()? },
            name: name(data, NAME_BYTES_MAX)?,
            site: name(data, NAME_BYTES_MAX)?,
            heartbeat: Span::from_millis(data.int_in_range(1..=3_600_000)?),
            silent: Span::from_millis(data.int_in_range(1..=3_600_000)?),
            frame_max: data.int_in_range(FRAME_MIN..=u16::MAX)?,
            part_max: data.int_in_range(PART_MIN..=u32::MAX)?,
            route: name(data, ROUTE_BYTES_MAX)?,
        })
    }

    #[test]
    fn every_hello_comes_back_and_has_room_in_the_smallest_frame() {
        arbtest(|data| {
            let hello = draw(data)?;
            let mut out = Vec::new();
            write(&hello, &mut out);
            assert!(out.len() <= usize::from(FRAME_MIN));
            let (mut nameless, named) = (Vec::new(), out.len());
            write(&Hello { route: "".into(), ..hello.clone() }, &mut nameless);
            for short in (0..named).filter(|short| *short != nameless.len()) {
                assert_eq!(read(&out[..short]), Err(Malformed::Short));
            }
            assert_eq!(read(&nameless), Ok(Hello { route: "".into(), ..hello.clone() }));
            assert_eq!(read(&out), Ok(hello.clone()));
            if !hello.route.is_empty() {
                out.extend_from_slice(data.bytes(data.len())?);
                assert_eq!(read(&out), Ok(hello), "what a later version adds is skipped");
            }
            Ok(())
        });
    }

    #[test]
    fn garbage_is_an_error_or_written_as_it_was() {
        arbtest(|data| {
            let bytes = data.bytes(data.len())?;
            if let Ok(hello) = read(bytes) {
                let mut again = Vec::new();
                write(&hello, &mut again);
                assert!(bytes.starts_with(&again));
            }
            Ok(())
        });
    }

    #[test]
    fn values_out_of_their_range_are_refused() {
        let origin = Origin { node: 1, start: 1, random: 1 };
        let (heartbeat, silent) = (Span::from_millis(500), Span::from_millis(1_800));
        let (name, site): (Box<str>, Box<str>) = ("a".into(), "".into());
        let good = Hello {
            versions: (1, 2),
            cluster: [7; 16],
            origin,
            name,
            site,
            heartbeat,
            silent,
            frame_max: 512,
            part_max: PART_MIN,
            route: "sat".into(),
        };
        let checked = |hello: Hello| {
            let mut out = Vec::new();
            write(&hello, &mut out);
            read(&out).map(|_| ())
        };
        assert_eq!(checked(good.clone()), Ok(()));
        for bad in [
            Hello { versions: (2, 1), ..good.clone() },
            Hello { heartbeat: Span::from_micros(0), ..good.clone() },
            Hello { silent: Span::from_secs(3_601), ..good.clone() },
            Hello { frame_max: 255, ..good.clone() },
            Hello { part_max: PART_MIN - 1, ..good.clone() },
        ] {
            assert_eq!(checked(bad), Err(Malformed::Value));
        }
        assert_eq!(checked(Hello { name: "n".repeat(65).into(), ..good }), Err(Malformed::Text));
    }
}
