//! What a text leaves open: `{bob}`, `{domain}`, `{x*300}`, `{noise*300}`.

/// A part of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// It stands for itself.
    Plain(&'a str),
    /// The first domain.
    Domain,
    /// The address of somebody.
    Address(&'a str),
    /// A letter so many times.
    Repeated(&'a str, usize),
    /// So many letters that no compression makes shorter.
    Noise(usize),
}

impl Piece<'_> {
    /// Returns how many bytes a brace with a number becomes; nothing of what is written out or looked up.
    pub(super) const fn grown(self) -> usize {
        match self {
            Self::Plain(_) | Self::Domain | Self::Address(_) => 0,
            Self::Repeated(letter, count) => letter.len().saturating_mul(count),
            Self::Noise(count) => count,
        }
    }
}

/// Returns the parts of a text.
///
/// # Errors
///
/// When a brace is not closed or its count is no number.
pub(super) fn pieces(text: &str) -> Result<Vec<Piece<'_>>, String> {
    let mut all = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, behind) = after.split_once('}').ok_or("a brace is not closed")?;
        all.push(Piece::Plain(before));
        all.push(match name.split_once('*') {
            Some((letter, count)) => {
                let count = count.parse().map_err(|_| format!("{{{name}}}: {count} is no number"))?;
                if letter == "noise" { Piece::Noise(count) } else { Piece::Repeated(letter, count) }
            }
            None if name == "domain" => Piece::Domain,
            None => Piece::Address(name),
        });
        rest = behind;
    }
    all.push(Piece::Plain(rest));
    Ok(all)
}

/// Returns `count` letters without a pattern, others for each `count` (`SplitMix64`).
pub(super) fn noise(count: usize) -> String {
    const LETTERS: [char; 32] = [
        'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r', 's', 't',
        'u', 'v', 'w', 'x', 'y', 'z', '2', '3', '4', '5', '6', '7',
    ];
    let mut state = count as u64;
    let letter = |_| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        LETTERS[((mixed ^ (mixed >> 31)) & 31) as usize]
    };
    (0..count).map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_has_its_length_and_no_pattern() {
        assert_eq!(noise(40).len(), 40);
        assert_eq!(noise(40), noise(40));
        assert!(!noise(41).starts_with(&noise(40)));
        let text = noise(4_096);
        for letter in "abcxyz27".chars() {
            let found = text.matches(letter).count();
            assert!((80..180).contains(&found), "{letter} {found} times");
        }
    }

    #[test]
    fn braces_stand_between_plain_text() {
        let Ok(found) = pieces("to {bob/desk} of {domain}: {\u{e9}*3}{noise*4}") else {
            panic!("well written")
        };
        let braces: Vec<Piece<'_>> =
            found.into_iter().filter(|piece| !matches!(piece, Piece::Plain(_))).collect();
        let expected =
            [Piece::Address("bob/desk"), Piece::Domain, Piece::Repeated("\u{e9}", 3), Piece::Noise(4)];
        assert_eq!(braces, expected);
        assert_eq!(expected.map(Piece::grown), [0, 0, 6, 4]);
        for wrong in ["{bob", "{x*}", "{x*-1}", "{x*many}", "{x*99999999999999999999999}"] {
            assert!(pieces(wrong).is_err(), "{wrong}");
        }
    }
}
