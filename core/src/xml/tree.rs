//! A small tree for the elements that handlers read deeply or make themselves.

use std::sync::Arc;

use super::{escape_text, ns, write_attr};

/// An element with its attributes and content.
///
/// Names and namespaces are kept, prefixes of elements and unused declarations are not. Two texts never stand
/// side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    name: String,
    /// Shared by all nodes below one declaration, so that a tree is never much larger than its text.
    ns: Arc<str>,
    attrs: Vec<Attr>,
    content: Vec<Content>,
}

/// An attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attr {
    /// With its prefix.
    pub(super) name: String,
    /// What the prefix means; nothing for none and for `xml`.
    pub(super) ns: Option<Arc<str>>,
    /// References resolved.
    pub(super) value: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    Node(Node),
    Text(String),
}

impl Node {
    /// Creates an empty element.
    pub fn new(name: &str, ns: &str) -> Self {
        Self::shared(name, Arc::from(ns))
    }

    pub(super) fn shared(name: &str, ns: Arc<str>) -> Self {
        Self { name: name.into(), ns, attrs: Vec::new(), content: Vec::new() }
    }

    /// Adds an attribute; one of the same name gives way. The name has no prefix, or `xml`.
    #[must_use]
    pub fn with_attr(mut self, name: &str, value: &str) -> Self {
        self.attrs.retain(|attr| attr.name != name);
        self.attrs.push(Attr { name: name.into(), ns: None, value: value.into() });
        self
    }

    /// Adds a child element.
    #[must_use]
    pub fn with_child(mut self, child: Self) -> Self {
        self.push_node(child);
        self
    }

    /// Adds text.
    #[must_use]
    pub fn with_text(mut self, text: &str) -> Self {
        self.push_text(|out| out.push_str(text));
        self
    }

    pub(super) fn push_attr(&mut self, attr: Attr) {
        self.attrs.push(attr);
    }

    pub(super) fn push_node(&mut self, node: Self) {
        self.content.push(Content::Node(node));
    }

    /// Lets `append` add to the text at the end.
    pub(super) fn push_text(&mut self, append: impl FnOnce(&mut String)) {
        if let Some(Content::Text(last)) = self.content.last_mut() {
            append(last);
            return;
        }
        let mut text = String::new();
        append(&mut text);
        if !text.is_empty() {
            self.content.push(Content::Text(text));
        }
    }

    /// Returns the local name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the namespace.
    pub fn ns(&self) -> &str {
        &self.ns
    }

    /// Returns the value of an attribute. A prefixed attribute is named as it was written, `xml:lang`.
    pub fn attr(&self, name: &str) -> Option<&str> {
        self.attrs.iter().find(|own| own.name == name).map(|own| own.value.as_str())
    }

    /// Returns the child elements in order.
    pub fn children(&self) -> impl Iterator<Item = &Self> {
        self.content.iter().filter_map(|content| match content {
            Content::Node(node) => Some(node),
            Content::Text(_) => None,
        })
    }

    /// Returns the first child of that name and namespace.
    pub fn child(&self, name: &str, ns: &str) -> Option<&Self> {
        self.children().find(|child| child.name == name && child.ns.as_ref() == ns)
    }

    /// Returns the text directly inside.
    pub fn text(&self) -> String {
        self.content
            .iter()
            .filter_map(|content| match content {
                Content::Text(text) => Some(text.as_str()),
                Content::Node(_) => None,
            })
            .collect()
    }

    /// Writes the element; declares its namespace when it differs from `outer_ns`, the default namespace
    /// where it will stand.
    pub fn write(&self, outer_ns: &str, out: &mut Vec<u8>) {
        // No default namespace can be that of the prefix `xml`.
        let is_xml = self.ns.as_ref() == ns::XML;
        let inner_ns = if is_xml { outer_ns } else { self.ns() };
        let prefix = if is_xml { "xml:" } else { "" };
        out.push(b'<');
        out.extend_from_slice(prefix.as_bytes());
        out.extend_from_slice(self.name.as_bytes());
        if inner_ns != outer_ns {
            write_attr("xmlns", inner_ns, out);
        }
        self.write_attrs(out);
        if self.content.is_empty() {
            out.extend_from_slice(b"/>");
            return;
        }
        out.push(b'>');
        for content in &self.content {
            match content {
                Content::Node(node) => node.write(inner_ns, out),
                Content::Text(text) => escape_text(text, out),
            }
        }
        out.extend_from_slice(b"</");
        out.extend_from_slice(prefix.as_bytes());
        out.extend_from_slice(self.name.as_bytes());
        out.push(b'>');
    }

    fn write_attrs(&self, out: &mut Vec<u8>) {
        let mut declared: Vec<&str> = Vec::new();
        for attr in &self.attrs {
            if let (Some(ns), Some((prefix, _))) = (&attr.ns, attr.name.split_once(':'))
                && !declared.contains(&prefix)
            {
                declared.push(prefix);
                write_attr(&format!("xmlns:{prefix}"), ns, out);
            }
            write_attr(&attr.name, &attr.value, out);
        }
    }
}
