//! What a script author reads: for every function its signature, its meaning, its options and an example. The same
//! text is `help`, and the source of the names that an error suggests.

use std::fmt::Write as _;

use crate::options::{Field, nearest};

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

/// Every documented name, in the order of the rooms.
#[derive(Debug, Default)]
pub struct Docs(Vec<Doc>);

impl Docs {
    pub(super) fn add(&mut self, docs: &[Doc]) {
        self.0.extend_from_slice(docs);
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Doc> {
        self.0.iter()
    }

    /// The entries of that name: a function may exist for several types.
    pub fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Doc> {
        self.0.iter().filter(move |doc| doc.name == name)
    }

    /// The names that values of type `of` have.
    pub fn members<'a>(&'a self, of: &'a str) -> impl Iterator<Item = &'static str> {
        self.0.iter().filter(move |doc| doc.of == of).map(|doc| doc.name)
    }

    /// A line for each name.
    #[must_use]
    pub fn overview(&self) -> String {
        let mut text = String::new();
        let mut of = None;
        let width = self.0.iter().map(|doc| doc.signature.chars().count()).filter(|w| *w <= 44).max().unwrap_or(0);
        for doc in &self.0 {
            if of != Some(doc.of) {
                let heading = if doc.of.is_empty() { "functions" } else { doc.of };
                let gap = if of.is_none() { "" } else { "\n" };
                of = Some(doc.of);
                let _ = writeln!(text, "{gap}{heading}");
            }
            let first = doc.about.split_once(". ").map_or(doc.about, |(first, _)| first).trim_end_matches('.');
            let _ = writeln!(text, "  {:width$}  {first}", doc.signature);
        }
        text.push_str("\nhelp(name) tells more about one of them.");
        text
    }

    /// All about `name`, or the names that it may have meant.
    ///
    /// # Errors
    /// The nearest documented name, when there is one.
    pub fn explain(&self, name: &str) -> Result<String, Option<&'static str>> {
        let pages: Vec<String> = self.named(name).map(page).collect();
        if pages.is_empty() { Err(nearest(name, self.0.iter().map(|doc| doc.name))) } else { Ok(pages.join("\n\n")) }
    }
}

fn page(doc: &Doc) -> String {
    let mut text = format!("{}\n\n{}", doc.signature, indent(doc.about));
    if let Some(fields) = doc.options {
        let _ = write!(text, "\n\n  options{}", table(fields()));
    }
    if !doc.example.is_empty() {
        let _ = write!(text, "\n\n  example\n{}", indent(&indent(doc.example)));
    }
    text
}

/// Name, default and meaning, one option below another.
fn table(fields: &[Field]) -> String {
    let default = |field: &Field| match (field.default)() {
        serde_json::Value::Null => "—".to_owned(),
        value => value.to_string(),
    };
    let name = fields.iter().map(|field| field.name.len()).max().unwrap_or(0);
    let value = fields.iter().map(|field| default(field).chars().count()).max().unwrap_or(0).min(24);
    fields.iter().fold(String::new(), |mut text, field| {
        let doc = one_line(field.doc);
        let _ = write!(text, "\n    {:name$}  {:value$}  {doc}", field.name, default(field));
        text
    })
}

/// A doc comment as one line.
#[must_use]
pub fn one_line(doc: &str) -> String {
    doc.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}
