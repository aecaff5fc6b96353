//! What a script author reads: for every function its signature, its meaning, its options and an example. The same
//! text is `help`, the hints and completions of the prompt, `docs/language.md`, the definitions that editors read, and
//! the source of the names that an error suggests.

use crate::options::Field;

/// One function, method or property.
#[derive(Debug, Clone, Copy)]
pub struct Doc {
    /// The name as called.
    pub name: &'static str,
    /// The type whose method or property it is; empty for a function.
    pub of: &'static str,
    /// How it is called: `train(model, corpus, #{ … }) -> Run`.
    pub signature: &'static str,
    /// What it does, with units.
    pub about: &'static str,
    /// The options that its map takes.
    pub options: Option<fn() -> &'static [Field]>,
    /// Lines that run.
    pub example: &'static str,
}

impl Doc {
    /// The type that it returns, or has: the word after `->`; None where the signature does not say.
    #[must_use]
    pub fn returns(&self) -> Option<&'static str> {
        let (_, after) = self.signature.split_once("->")?;
        after.split(['|', ',']).next().map(str::trim).filter(|word| !word.is_empty())
    }

    /// Whether it is a property, and not called with brackets.
    #[must_use]
    pub fn is_property(&self) -> bool {
        !self.of.is_empty() && !self.signature.split("->").next().unwrap_or_default().contains('(')
    }

    /// What stands between the brackets of its signature: `model, corpus[, #{ … }]`; None for a property.
    #[must_use]
    pub fn arguments(&self) -> Option<&'static str> {
        let call = self.signature.split("->").next()?;
        let (open, close) = (call.find('(')?, call.rfind(')')?);
        call.get(open + 1..close)
    }

    /// The first sentence of what it does.
    #[must_use]
    pub fn summary(&self) -> &'static str {
        self.about.split_once(". ").map_or(self.about, |(first, _)| first).trim_end_matches('.')
    }
}

/// Pages that belong together.
#[derive(Debug)]
pub(super) struct Chapter {
    pub(super) title: &'static str,
    pub(super) docs: Vec<Doc>,
}

/// Every documented name, in the order of the chapters.
#[derive(Debug, Default)]
pub struct Docs(Vec<Chapter>);

impl Docs {
    /// Begins a chapter: what is added from here on belongs to it.
    pub(super) fn chapter(&mut self, title: &'static str) {
        self.0.push(Chapter { title, docs: Vec::new() });
    }

    pub(super) fn add(&mut self, docs: &[Doc]) {
        match self.0.last_mut() {
            Some(chapter) => chapter.docs.extend_from_slice(docs),
            None => self.0.push(Chapter { title: "Language", docs: docs.to_vec() }),
        }
    }

    pub(super) fn chapters(&self) -> &[Chapter] {
        &self.0
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Doc> {
        self.0.iter().flat_map(|chapter| &chapter.docs)
    }

    /// The entries of that name: a function may exist for several types.
    pub fn named<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a Doc> + use<'a, 'n> {
        self.iter().filter(move |doc| doc.name == name)
    }

    /// The entry of the function `name`, or of the member `name` of values of type `of`.
    #[must_use]
    pub fn find(&self, of: &str, name: &str) -> Option<&Doc> {
        self.iter().find(|doc| doc.of == of && doc.name == name)
    }

    /// The names that values of type `of` have.
    pub fn members<'a, 'n>(&'a self, of: &'n str) -> impl Iterator<Item = &'static str> + use<'a, 'n> {
        self.iter().filter(move |doc| doc.of == of).map(|doc| doc.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOC: Doc = Doc {
        name: "train",
        of: "",
        signature: "train(model, corpus[, #{ … }]) -> Run",
        about: "Trains. And more.",
        options: None,
        example: "",
    };

    #[test]
    fn a_signature_tells_arguments_and_what_comes_back() {
        assert_eq!(DOC.arguments(), Some("model, corpus[, #{ … }]"));
        assert_eq!((DOC.returns(), DOC.is_property(), DOC.summary()), (Some("Run"), false, "Trains"));
        let height = Doc { name: "height", of: "Frame", signature: "frame.height -> integer", ..DOC };
        assert_eq!((height.returns(), height.is_property(), height.arguments()), (Some("integer"), true, None));
        let map = Doc { signature: "curves([[label, xs, ys], …], x) -> Figure | array", ..DOC };
        assert_eq!((map.arguments(), map.returns()), (Some("[[label, xs, ys], …], x"), Some("Figure")));
    }
}
