//! The docs as `:help` shows them: an overview, a topic, a type, a function; each fitted to the terminal.

use std::fmt::Write as _;

use super::docs::{Chapter, Doc, Docs};
use super::lexer::{self, Kind};
use super::table::wrap;
use crate::options::{Field, nearest};

/// What the examples are given, and what it is.
const GIVEN: &[(&str, &str)] =
    &[("music", "a corpus"), ("out", "a folder to write to"), ("run_folder", "the folder of a run")];

/// The widest signature beside which its meaning stands.
const WIDEST_SIGNATURE: usize = 44;

/// The widest default that a column is made for.
const WIDEST_DEFAULT: usize = 16;

/// The least room for a meaning beside what it belongs to; with less it goes on a line of its own.
const LEAST_ROOM: usize = 32;

impl Docs {
    /// The functions and types of each topic, at most `width` columns wide.
    #[must_use]
    pub fn overview(&self, width: usize) -> String {
        let mut text = String::new();
        for chapter in self.chapters().iter().filter(|chapter| !chapter.docs.is_empty()) {
            let _ = writeln!(text, "{}", chapter.title);
            let functions = distinct(chapter.docs.iter().filter(|doc| doc.of.is_empty()).map(|doc| doc.name));
            if !functions.is_empty() {
                let _ = writeln!(text, "{}", hanging(&functions.join(", "), width, 2, 2));
            }
            let types = distinct(chapter.docs.iter().filter(|doc| !doc.of.is_empty()).map(|doc| doc.of));
            if !types.is_empty() {
                let _ = writeln!(text, "{}", hanging(&format!("types: {}", types.join(", ")), width, 2, 9));
            }
        }
        let more = "`:help train` tells all about a function, `:help Frame` what a type has, `:help frames` lists a topic; \
                    `?train` is short, `??train` long; docs/language.md has it all";
        let _ = write!(text, "\n{}", wrap(more, width));
        text
    }

    /// All about `name`: a function, a method (`frame.filter`), a type with what it has, or a topic; at most `width` columns
    /// wide.
    ///
    /// # Errors
    /// The nearest documented name, when there is one.
    pub fn explain(&self, name: &str, width: usize) -> Result<String, Option<&'static str>> {
        let found = self.asked(name);
        let mut pages: Vec<String> = found.iter().map(|doc| page(doc, width)).collect();
        if let Some(note) = given(&found) {
            pages.push(wrap(&note, width));
        }
        let of = self
            .iter()
            .map(|doc| doc.of)
            .find(|of| !of.is_empty() && (*of == name || pages.is_empty() && of.eq_ignore_ascii_case(name)));
        pages.extend(of.map(|of| self.type_page(of, width)));
        pages.extend(self.options_page(name, width));
        if pages.is_empty() {
            pages.extend(self.topic(name).map(|chapter| topic_page(chapter, width)));
        }
        if !pages.is_empty() {
            return Ok(pages.join("\n\n"));
        }
        let types = self.iter().map(|doc| doc.of).filter(|of| !of.is_empty());
        Err(nearest(name, self.iter().map(|doc| doc.name).chain(types)))
    }

    /// The signature and the first sentence of `name`, a line for each function of that name.
    ///
    /// # Errors
    /// As [`Docs::explain`].
    pub fn brief(&self, name: &str, width: usize) -> Result<String, Option<&'static str>> {
        let found = self.asked(name);
        if found.is_empty() {
            return self.explain(name, width);
        }
        let options = self.options_page(name, width);
        let line = |doc: &&Doc| format!("{}\n{}", doc.signature, hanging(&format!("{}.", doc.summary()), width, 2, 2));
        Ok(found.iter().map(line).chain(options).collect::<Vec<_>>().join("\n"))
    }

    /// The functions and methods that `name` asks about: `train`, `frame.filter`, `Frame.filter`.
    fn asked(&self, name: &str) -> Vec<&Doc> {
        let Some((of, member)) = name.split_once('.') else { return self.named(name).collect() };
        let of = of.trim();
        let fits = |doc: &&Doc| {
            doc.of.eq_ignore_ascii_case(of) || doc.signature.split_once('.').is_some_and(|(value, _)| value == of)
        };
        self.named(member.trim()).filter(fits).collect()
    }

    /// The options called `name`, or `train.lr`, with the functions that take them.
    fn options_page(&self, name: &str, width: usize) -> Option<String> {
        let (of, name) = name.split_once('.').map_or((None, name), |(of, name)| (Some(of.trim()), name.trim()));
        let takers = self.iter().filter(|doc| of.is_none_or(|of| doc.name == of));
        let mut pages: Vec<(String, Vec<&str>)> = Vec::new();
        for doc in takers {
            let Some(field) = doc.options.and_then(|fields| fields().iter().find(|field| field.name == name)) else {
                continue;
            };
            let facts: Vec<String> =
                std::iter::once(field.type_word()).chain(field.unit()).chain(field.range()).collect();
            let about = format!("{} [{}]", field.about(), facts.join("; "));
            match pages.iter_mut().find(|(known, _)| *known == about) {
                Some((_, names)) if names.contains(&doc.name) => {}
                Some((_, names)) => names.push(doc.name),
                None => pages.push((about, vec![doc.name])),
            }
        }
        let page = |(about, takers): &(String, Vec<&str>)| {
            format!("{name}, an option of {}\n{}", takers.join(", "), hanging(about, width, 2, 2))
        };
        (!pages.is_empty()).then(|| pages.iter().map(page).collect::<Vec<_>>().join("\n"))
    }

    fn topic(&self, name: &str) -> Option<&Chapter> {
        let name = name.to_lowercase();
        let words = |chapter: &&Chapter| {
            let title = chapter.title.to_lowercase();
            title == name || title.split(' ').any(|word| word == name || word.trim_end_matches('s') == name)
        };
        self.chapters().iter().filter(|chapter| !chapter.docs.is_empty()).find(words)
    }

    /// What makes a value of type `of`, and what it has, by what comes of it.
    fn type_page(&self, of: &str, width: usize) -> String {
        let makers =
            distinct(self.iter().filter(|doc| doc.of.is_empty() && doc.returns() == Some(of)).map(|doc| doc.name));
        let mut text = of.to_owned();
        if !makers.is_empty() {
            let _ = write!(text, ": made by {}", makers.join(", "));
        }
        let mut text = wrap(&text, width);
        let members = || self.iter().filter(|doc| doc.of == of);
        let sections: [(String, Vec<&Doc>); 3] = [
            ("Properties".to_owned(), members().filter(|doc| doc.is_property()).collect()),
            (
                format!("Methods that make another {of}"),
                members().filter(|doc| !doc.is_property() && doc.returns() == Some(of)).collect(),
            ),
            ("Methods".to_owned(), members().filter(|doc| !doc.is_property() && doc.returns() != Some(of)).collect()),
        ];
        for (title, docs) in sections.iter().filter(|(_, docs)| !docs.is_empty()) {
            let _ = write!(text, "\n\n{title}\n{}", list(docs, width));
        }
        text
    }
}

fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut found: Vec<&str> = Vec::new();
    for name in names {
        if !found.contains(&name) {
            found.push(name);
        }
    }
    found
}

fn topic_page(chapter: &Chapter, width: usize) -> String {
    let mut text = chapter.title.to_owned();
    let owners = distinct(chapter.docs.iter().map(|doc| doc.of));
    for of in owners {
        let docs: Vec<&Doc> = chapter.docs.iter().filter(|doc| doc.of == of).collect();
        let title = if of.is_empty() { String::new() } else { format!("\n{of}") };
        let _ = write!(text, "{title}\n{}", list(&docs, width));
    }
    text
}

/// A signature and a summary for each.
fn list(docs: &[&Doc], width: usize) -> String {
    let lengths = docs.iter().map(|doc| doc.signature.chars().count());
    let column = lengths.filter(|length| *length <= WIDEST_SIGNATURE).max().unwrap_or(0);
    let line = |doc: &&Doc| beside(&format!("  {}", doc.signature), doc.summary(), column + 4, width);
    docs.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// `left`, and `right` from `column` on; below it where there is too little room.
fn beside(left: &str, right: &str, column: usize, width: usize) -> String {
    if column + LEAST_ROOM > width {
        return format!("{left}\n{}", hanging(right, width, 6, 6));
    }
    let below = hanging(right, width, column, column);
    let length = left.chars().count();
    if length + 2 > column {
        return format!("{left}\n{below}");
    }
    format!("{left}{}", below.get(length..).unwrap_or_default())
}

/// `text` in lines of at most `width` columns, the first indented by `first`, the others by `rest`.
fn hanging(text: &str, width: usize, first: usize, rest: usize) -> String {
    let lines = wrap(text, width.saturating_sub(rest).max(20));
    let indent = |(at, line): (usize, &str)| format!("{:1$}{line}", "", if at == 0 { first } else { rest });
    lines.lines().enumerate().map(indent).collect::<Vec<_>>().join("\n")
}

fn page(doc: &Doc, width: usize) -> String {
    let mut text = format!("{}\n\n{}", doc.signature, hanging(doc.about, width, 2, 2));
    if let Some(fields) = doc.options {
        let _ = write!(text, "\n\n  options{}", table(fields(), width));
    }
    if !doc.example.is_empty() {
        let lines = doc.example.lines().map(|line| format!("    {line}").trim_end().to_owned());
        let _ = write!(text, "\n\n  example\n{}", lines.collect::<Vec<_>>().join("\n"));
    }
    text
}

/// What the examples of `docs` are given.
fn given(docs: &[&Doc]) -> Option<String> {
    let used = |name: &str| {
        docs.iter().any(|doc| {
            let tokens = lexer::tokens(doc.example);
            tokens.iter().any(|token| token.kind == Kind::Name && &doc.example[token.span.clone()] == name)
        })
    };
    let said: Vec<String> =
        GIVEN.iter().filter(|(name, _)| used(name)).map(|(name, what)| format!("`{name}` is {what}")).collect();
    (!said.is_empty()).then(|| format!("In examples {}.", said.join(", ")))
}

/// Name, type, default and meaning, one option below another.
fn table(fields: &[Field], width: usize) -> String {
    let longest = |cell: &dyn Fn(&Field) -> String| fields.iter().map(|f| cell(f).chars().count()).max().unwrap_or(0);
    let name = longest(&|field| field.name.to_owned());
    let kind = longest(&Field::type_word);
    let value = longest(&Field::default_text).min(WIDEST_DEFAULT);
    fields.iter().fold(String::new(), |mut text, field| {
        let (word, default, facts) = (field.type_word(), field.default_text(), field.facts());
        let facts = if facts.is_empty() { facts } else { format!(" [{facts}]") };
        let left = format!("    {:name$}  {word:kind$}  {default:value$}", field.name);
        let meaning = format!("{}{facts}", field.about());
        let _ = write!(text, "\n{}", beside(left.trim_end(), &meaning, 4 + name + 2 + kind + 2 + value + 2, width));
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn docs() -> Docs {
        let doc = |of, name, signature, example| Doc {
            name,
            of,
            signature,
            about: "Does one thing and then another thing, for long enough to be wrapped. And more.",
            options: None,
            example,
        };
        let mut docs = Docs::default();
        docs.chapter("Frames");
        docs.add(&[
            doc("", "table", "table(rows) -> Frame", "print(music);"),
            doc("Frame", "height", "frame.height -> integer", ""),
            doc("Frame", "sort", "frame.sort(by) -> Frame", ""),
            doc("Frame", "save", "frame.save(path)", ""),
            doc("Report", "save", "page.save(path)", ""),
        ]);
        docs
    }

    #[test]
    fn a_type_lists_what_makes_it_and_what_it_has_by_section() {
        insta::assert_snapshot!(docs().explain("frame", 60).expect("a type"), @r"
        Frame: made by table

        Properties
          frame.height -> integer  Does one thing and then another
                                   thing, for long enough to be
                                   wrapped

        Methods that make another Frame
          frame.sort(by) -> Frame  Does one thing and then another
                                   thing, for long enough to be
                                   wrapped

        Methods
          frame.save(path)  Does one thing and then another thing,
                            for long enough to be wrapped
        ");
    }

    #[test]
    fn a_method_is_asked_for_with_its_type_and_a_topic_by_its_title() {
        let text = docs().brief("Frame.save", 80).expect("a method");
        assert!(text.starts_with("frame.save(path)") && !text.contains("page"), "{text}");
        assert_eq!(docs().explain("page.save", 80).map(|text| text.starts_with("page.save")), Ok(true));
        assert!(docs().explain("frames", 80).is_ok_and(|text| text.starts_with("Frames\n  table(rows)")));
        assert!(docs().explain("table", 80).is_ok_and(|text| text.ends_with("In examples `music` is a corpus.")));
        assert_eq!(docs().explain("tabel", 80), Err(Some("table")));
        let widest = docs().overview(40).lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(40), "{}", docs().overview(40));
    }
}
