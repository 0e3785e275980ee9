//! Trees and texts from elements that were checked before.

use quick_xml::events::Event;
use quick_xml::reader::Reader;

use super::check::position;
use super::refs;
use super::scope::Bindings;
use super::start::Tags;
use super::tree::{Attr, Node};
use super::{XmlError, XmlLimits};

/// The element was checked; its bounds need no second look.
const CHECKED: XmlLimits = XmlLimits { element_bytes: u32::MAX, depth: u16::MAX, attributes: u16::MAX };

/// Returns the tree of the checked element `text`, which stands under `bindings`.
///
/// # Errors
///
/// None for an element that was checked under the same declarations.
pub(super) fn tree<'a>(text: &'a str, bindings: Bindings<'a>) -> Result<Node, XmlError> {
    const CUT: XmlError = XmlError::NotWellFormed("not one whole element");
    let mut tags = Tags::new(text, CHECKED, bindings);
    let mut open = Vec::new();
    let mut reader = Reader::from_str(text);
    loop {
        let from = position(&reader);
        let event = reader.read_event().map_err(|_| CUT)?;
        let to = position(&reader);
        let ended = match event {
            Event::Start(_) => {
                open.push(node(&mut tags, from, to - 1)?);
                None
            }
            Event::Empty(_) => Some(node(&mut tags, from, to - 2)?),
            Event::End(_) => open.pop(),
            Event::Text(_) | Event::CData(_) | Event::GeneralRef(_) => {
                if let Some(parent) = open.last_mut() {
                    let piece = text.get(from..to).unwrap_or_default();
                    parent.push_text(|out| push_piece(&event, piece, out));
                }
                None
            }
            Event::Comment(_) | Event::PI(_) | Event::DocType(_) | Event::Decl(_) | Event::Eof => {
                return Err(CUT);
            }
        };
        if let Some(ended) = ended {
            tags.bindings.leave();
            match open.last_mut() {
                Some(parent) => parent.push_node(ended),
                None => return Ok(ended),
            }
        }
    }
}

/// Returns the text directly inside the checked element `text`.
pub(super) fn direct_text(text: &str) -> String {
    let mut out = String::new();
    let mut depth = 0_usize;
    let mut reader = Reader::from_str(text);
    loop {
        let from = position(&reader);
        // The element was checked, so that neither an error nor an early end can come.
        let Ok(event) = reader.read_event() else { return out };
        let piece = text.get(from..position(&reader)).unwrap_or_default();
        match event {
            Event::Start(_) => depth += 1,
            Event::End(_) => depth = depth.saturating_sub(1),
            Event::Text(_) | Event::CData(_) | Event::GeneralRef(_) if depth == 1 => {
                push_piece(&event, piece, &mut out);
            }
            Event::Text(_)
            | Event::CData(_)
            | Event::GeneralRef(_)
            | Event::Empty(_)
            | Event::Comment(_)
            | Event::PI(_)
            | Event::DocType(_)
            | Event::Decl(_) => {}
            Event::Eof => return out,
        }
    }
}

fn push_piece(event: &Event<'_>, piece: &str, out: &mut String) {
    if let Event::CData(content) = event {
        refs::push_cdata(content, out);
    } else {
        refs::push_text(piece, out);
    }
}

fn node(tags: &mut Tags<'_>, from: usize, end: usize) -> Result<Node, XmlError> {
    let start = tags.read(from + 1, end)?;
    let mut node = Node::shared(start.name.local(), tags.bindings.shared(start.name.prefix())?);
    for attr in tags.attrs.iter().filter(|attr| attr.name.declares().is_none()) {
        let ns = match attr.name.prefix() {
            "" | "xml" => None,
            prefix => Some(tags.bindings.shared(prefix)?),
        };
        let value = refs::decode_value(attr.value).into_owned();
        node.push_attr(Attr { name: attr.name.whole.to_owned(), ns, value });
    }
    Ok(node)
}
