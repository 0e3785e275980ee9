//! The form in which a client says what it wants to know.
//!
//! Implements: XEP-0313 1.1.4, section 4.1; XEP-0004 2.13.1, section 3.2 (values of a submitted form). Complete.

use crate::stanza::StanzaError;
use crate::xml::{Node, ns};

/// The fields that a question may have, and their types.
const FIELDS: &[(&str, &str)] = &[
    ("with", "jid-single"),
    ("start", "text-single"),
    ("end", "text-single"),
    ("before-id", "text-single"),
    ("after-id", "text-single"),
    ("ids", "list-multi"),
];

/// Returns the form with all fields. None is required, and `ids` is open.
pub(super) fn blank() -> Node {
    let kind = Node::new("field", ns::DATA).with_attr("type", "hidden").with_attr("var", "FORM_TYPE");
    let kind = kind.with_child(Node::new("value", ns::DATA).with_text(ns::MAM));
    let form = Node::new("x", ns::DATA).with_attr("type", "form").with_child(kind);
    let form = FIELDS.iter().fold(form, |form, (var, field_type)| {
        let field = Node::new("field", ns::DATA).with_attr("type", field_type).with_attr("var", var);
        let open = || {
            Node::new("validate", ns::DATA_VALIDATE)
                .with_attr("datatype", "xs:string")
                .with_child(Node::new("open", ns::DATA_VALIDATE))
        };
        form.with_child(if *var == "ids" { field.with_child(open()) } else { field })
    });
    Node::new("query", ns::MAM).with_child(form)
}

/// A submitted form.
pub(super) struct Form<'a>(Option<&'a Node>);

impl<'a> Form<'a> {
    /// Reads the form of a question, which may have none.
    ///
    /// # Errors
    ///
    /// [`StanzaError::BadRequest`] when it is another form or not submitted, [`StanzaError::FeatureNotImplemented`] when it
    /// has a field that is not known (XEP-0313, 4.1.5).
    pub(super) fn read(query: &'a Node) -> Result<Self, StanzaError> {
        let Some(form) = query.child("x", ns::DATA) else { return Ok(Self(None)) };
        if form.attr("type") != Some("submit") {
            return Err(StanzaError::BadRequest);
        }
        for field in fields(form) {
            match field.attr("var") {
                Some("FORM_TYPE") if values(field).eq([ns::MAM.to_owned()]) => {}
                Some("FORM_TYPE") | None => return Err(StanzaError::BadRequest),
                Some(var) if FIELDS.iter().any(|(known, _)| *known == var) => {}
                Some(_) => return Err(StanzaError::FeatureNotImplemented),
            }
        }
        if fields(form).all(|field| field.attr("var") != Some("FORM_TYPE")) {
            return Err(StanzaError::BadRequest);
        }
        Ok(Self(Some(form)))
    }

    /// Returns whether nothing is said in it.
    pub(super) fn is_empty(&self) -> bool {
        FIELDS.iter().all(|(var, _)| self.all(var).is_empty())
    }

    /// Returns the values of a field, in order.
    pub(super) fn all(&self, var: &str) -> Vec<String> {
        let fields = self.0.into_iter().flat_map(fields);
        fields.filter(|field| field.attr("var") == Some(var)).flat_map(values).collect()
    }

    /// Returns the value of a field that has at most one.
    ///
    /// # Errors
    ///
    /// [`StanzaError::BadRequest`] when there are more.
    pub(super) fn one(&self, var: &str) -> Result<Option<String>, StanzaError> {
        let mut all = self.all(var);
        match all.len() {
            0 | 1 => Ok(all.pop()),
            _ => Err(StanzaError::BadRequest),
        }
    }
}

fn fields(form: &Node) -> impl Iterator<Item = &Node> {
    form.children().filter(|child| child.name() == "field" && child.ns() == ns::DATA)
}

fn values(field: &Node) -> impl Iterator<Item = String> {
    field.children().filter(|child| child.name() == "value" && child.ns() == ns::DATA).map(Node::text)
}
