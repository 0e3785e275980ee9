//! Names for what the server made up: `id#1` reads better than sixteen letters, and two runs with different
//! seeds tell the same story.

/// Aliases in the order in which the originals were first seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Aliases {
    known: Vec<String>,
}

impl Aliases {
    /// Gives `original` the next alias, unless it has one.
    pub(crate) fn learn(&mut self, original: &str) {
        if !original.is_empty() && !self.known.iter().any(|known| known == original) {
            self.known.push(original.into());
        }
    }

    /// Writes `text` with every original replaced.
    pub(crate) fn apply(&self, text: &str) -> String {
        let mut out = String::from(text);
        for (index, original) in self.known.iter().enumerate() {
            if out.contains(original.as_str()) {
                out = out.replace(original.as_str(), &format!("id#{}", index + 1));
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_original_keeps_its_alias() {
        let mut aliases = Aliases::default();
        for original in ["qwerty", "asdf", "qwerty"] {
            aliases.learn(original);
        }
        assert_eq!(aliases.apply("asdf to qwerty to asdf"), "id#2 to id#1 to id#2");
    }
}
