//! A small tree for the elements that handlers read deeply or make themselves.

/// An element with its attributes and content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    name: String,
    ns: String,
    attrs: Vec<(String, String)>,
    content: Vec<Content>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    Node(Node),
    Text(String),
}

impl Node {
    /// Creates an empty element.
    pub fn new(name: &str, ns: &str) -> Self {
        Self { name: name.into(), ns: ns.into(), attrs: Vec::new(), content: Vec::new() }
    }

    /// Adds an attribute.
    #[must_use]
    pub fn with_attr(mut self, name: &str, value: &str) -> Self {
        self.attrs.push((name.into(), value.into()));
        self
    }

    /// Adds a child element.
    #[must_use]
    pub fn with_child(mut self, child: Self) -> Self {
        self.content.push(Content::Node(child));
        self
    }

    /// Adds text.
    #[must_use]
    pub fn with_text(mut self, text: &str) -> Self {
        self.content.push(Content::Text(text.into()));
        self
    }

    /// Returns the local name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the namespace.
    pub fn ns(&self) -> &str {
        &self.ns
    }

    /// Returns the value of an attribute. A prefixed attribute is named with its usual prefix (`xml:lang`).
    pub fn attr(&self, name: &str) -> Option<&str> {
        self.attrs.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
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
        self.children().find(|child| child.name == name && child.ns == ns)
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

    /// Writes the element; declares its namespace when it differs from `outer_ns`.
    pub fn write(&self, outer_ns: &str, out: &mut Vec<u8>) {
        unimplemented!("{outer_ns} {out:?}")
    }
}
