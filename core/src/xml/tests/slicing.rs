//! The same bytes in any slicing give the same tokens and the same error.

use bytes::Bytes;

use super::super::{Element, Parser, Token, XmlError, ns};
use super::{HEADER, LIMITS, Outcome, hostile, read, take_tokens};

/// Correct streams; what hostile inputs do to them is added from there.
const STREAMS: &[&str] = &[
    "",
    " \n",
    "<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams'> </stream:stream> ",
    "\n<?xml version=\"1.0\" encoding='utf-8' standalone='yes'?>\n<a xmlns='urn:a'><b/> <c></c>\n</a>\n",
    "<a/>",
    "<a b='/>' c=\"'>\" ><d e='>'/><f>g</f></a >",
    "<a><b><c>d</c ><e/></b>\t<f g = 'h' /><i><![CDATA[<j>]]]]><![CDATA[>]]></i></a>",
    "<a><m>Привет &amp; 你好 🙂&#x1F642;</m><п х='ц'>]]&gt;</п>",
    "<a xmlns:p='urn:p'><p:b p:c='d'>e</p:b><b xml:lang='en'/><b><c>x</c><half",
    "<a><b><![CDATA[ ]",
];

/// A generator whose numbers are the same in every run.
struct Numbers(u64);

impl Numbers {
    /// Returns a number from 1 to `most`.
    fn up_to(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        1 + usize::try_from(self.0 >> 33).unwrap() % most
    }
}

fn corpus() -> Vec<Vec<u8>> {
    let mut corpus: Vec<Vec<u8>> = STREAMS.iter().map(|stream| stream.as_bytes().to_vec()).collect();
    corpus.extend(hostile::STREAMS.iter().map(|(stream, _)| stream.to_vec()));
    for (element, _) in hostile::ELEMENTS {
        corpus.push([HEADER.as_bytes(), b"<ok>1</ok>\n", element, b"<ok/></stream:stream>"].concat());
    }
    corpus
}

/// Reads `stream` in pieces that `next_len` chooses.
fn sliced(stream: &[u8], mut next_len: impl FnMut(usize) -> usize) -> Outcome {
    let mut rest = stream;
    let pieces = std::iter::from_fn(|| {
        if rest.is_empty() {
            return None;
        }
        let (piece, behind) = rest.split_at(next_len(rest.len()));
        rest = behind;
        Some(piece)
    });
    read(LIMITS, pieces)
}

#[test]
fn the_correct_streams_are_correct() {
    for stream in STREAMS {
        assert_eq!(read(LIMITS, [stream.as_bytes()]).error, None, "for {stream}");
    }
}

#[test]
fn a_cut_at_any_position_changes_nothing() {
    for stream in corpus() {
        let whole = read(LIMITS, [stream.as_slice()]);
        for at in 1..stream.len() {
            let (left, right) = stream.split_at(at);
            assert_eq!(read(LIMITS, [left, right]), whole, "cut at {at} of {}", stream.escape_ascii());
        }
    }
}

#[test]
fn single_bytes_change_nothing() {
    for stream in corpus() {
        let whole = read(LIMITS, [stream.as_slice()]);
        assert_eq!(sliced(&stream, |_| 1), whole, "for {}", stream.escape_ascii());
    }
}

#[test]
fn pieces_of_any_lengths_change_nothing() {
    let corpus = corpus();
    for seed in 0..40 {
        let mut numbers = Numbers(seed);
        let most = numbers.up_to(40);
        for stream in &corpus {
            let whole = read(LIMITS, [stream.as_slice()]);
            let outcome = sliced(stream, |left| numbers.up_to(most.min(left)));
            assert_eq!(outcome, whole, "seed {seed} for {}", stream.escape_ascii());
        }
    }
}

/// Puts single bytes that mean something to XML, and some that mean nothing, over `stream`.
fn damaged(stream: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let bytes = b"<>/='\"&;:!?[]-#xa \t\x00\x80\xC3\xEF\xBF\xBE\xFF";
    let mut damaged = stream.to_vec();
    for _ in 0..numbers.up_to(3) {
        let at = numbers.up_to(stream.len()) - 1;
        damaged[at] = bytes[numbers.up_to(bytes.len()) - 1];
    }
    damaged
}

#[test]
fn damaged_streams_give_the_same_in_any_slicing() {
    let corpus: Vec<_> = corpus().into_iter().filter(|stream| !stream.is_empty()).collect();
    for seed in 0..30 {
        let mut numbers = Numbers(seed);
        for stream in &corpus {
            let stream = damaged(stream, &mut numbers);
            let whole = read(LIMITS, [stream.as_slice()]);
            let outcome = sliced(&stream, |left| numbers.up_to(left.min(20)));
            assert_eq!(outcome, whole, "seed {seed} for {}", stream.escape_ascii());
        }
    }
}

#[test]
fn what_passes_damaged_is_still_an_element_that_means_what_its_tree_means() {
    let corpus: Vec<_> = corpus().into_iter().filter(|stream| !stream.is_empty()).collect();
    let mut passed = 0;
    for seed in 0..60 {
        let mut numbers = Numbers(seed);
        for stream in &corpus {
            let mut parser = Parser::new(LIMITS);
            parser.push(damaged(stream, &mut numbers).into());
            while let Ok(Some(token)) = parser.next_token() {
                let Token::Element(element) = token else { continue };
                let again = Element::parse(element.raw().clone()).unwrap();
                assert_eq!(again.tree(), element.tree(), "for {element:?}");
                let mut written = Vec::new();
                element.tree().write(ns::CLIENT, &mut written);
                let rewritten = Element::parse(written.into()).unwrap();
                assert_eq!(rewritten.tree(), element.tree(), "for {element:?}");
                passed += 1;
            }
        }
    }
    assert!(passed > 1000, "only {passed} elements passed");
}

#[test]
fn pushing_ahead_of_reading_changes_nothing() {
    for stream in corpus() {
        let whole = read(LIMITS, [stream.as_slice()]);
        let mut parser = Parser::new(LIMITS);
        for piece in stream.chunks(7) {
            parser.push(Bytes::copy_from_slice(piece));
        }
        let mut outcome = Outcome { tokens: Vec::new(), error: None, pending: 0 };
        take_tokens(&mut parser, &mut outcome);
        outcome.pending = parser.pending_bytes();
        assert_eq!(outcome, whole, "for {}", stream.escape_ascii());
    }
}

#[test]
fn of_two_faults_the_framer_sees_its_own_first_and_the_reader_the_first_in_the_text() {
    let check = |element: &str, expected| {
        let stream = [HEADER, element].concat();
        let whole = read(LIMITS, [stream.as_bytes()]);
        assert_eq!(whole.error, Some(expected), "for {element}");
        assert_eq!(sliced(stream.as_bytes(), |_| 1), whole);
    };
    // The name is wrong as well, but is read only when the element is complete, and it never is.
    check("<a,b><!--", XmlError::Restricted("comment"));
    check("<a,b></a,b><!--", XmlError::NotWellFormed("character not allowed in a name"));
    check("<a b='&c;'>&#0;</a>", XmlError::Restricted("entity that XML does not predefine"));
    check("<a b='&c;'>\u{1}</a>", XmlError::Characters("control character"));
    check("<p:a b='1' b='2'/>", XmlError::NotWellFormed("attribute given twice"));
}
