//! The docs as files: `docs/language.md` for people, definitions for editors' Rhai support.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use rhai::Engine;

use super::cursor::{Argument, arguments};
use super::docs::{Doc, Docs};
use crate::options::Field;

/// What stands before the reference: the language in a few pages, with examples that run.
const GUIDE: &str = include_str!("guide.md");

/// `docs/language.md`: the guide, then every function.
pub(super) fn markdown(docs: &Docs) -> String {
    let mut text = format!("{}\n\n# Reference\n\n", GUIDE.trim_end());
    text.push_str("`[, …]` in a signature marks what may be left out, `|` a choice; `()` is nothing. In the examples `music` is a corpus, ");
    text.push_str("`out` the path of a folder to write to, and `run_folder` the folder of a run.\n");
    for chapter in docs.chapters().iter().filter(|chapter| !chapter.docs.is_empty()) {
        let _ = write!(text, "\n- [{}](#{}): ", chapter.title, anchor(chapter.title));
        let mut names: Vec<String> = Vec::new();
        for doc in &chapter.docs {
            let name = if doc.of.is_empty() { format!("`{}`", doc.name) } else { format!("`.{}`", doc.name) };
            if !names.contains(&name) {
                names.push(name);
            }
        }
        text.push_str(&names.join(", "));
    }
    text.push('\n');
    for chapter in docs.chapters().iter().filter(|chapter| !chapter.docs.is_empty()) {
        let _ = write!(text, "\n## {}\n", chapter.title);
        for doc in &chapter.docs {
            entry(&mut text, doc);
        }
    }
    text
}

fn anchor(title: &str) -> String {
    title.to_lowercase().replace(' ', "-")
}

fn entry(text: &mut String, doc: &Doc) {
    let _ = write!(text, "\n### `{}`\n\n{}\n", doc.signature, doc.about);
    if let Some(fields) = doc.options {
        text.push_str("\n| option | type | default | range | meaning |\n|---|---|---|---|---|\n");
        for field in fields() {
            option(text, field);
        }
    }
    if !doc.example.is_empty() {
        let _ = write!(text, "\n```rhai\n{}\n```\n", doc.example);
    }
}

fn option(text: &mut String, field: &Field) {
    let cell = |content: String| content.replace('|', "\\|");
    let _ = writeln!(
        text,
        "| `{}` | {} | `{}` | {} | {} |",
        field.name,
        cell(field.type_word()),
        cell(field.default_text()),
        cell(field.facts()),
        cell(field.about()),
    );
}

/// Definition files by name: Rhai's own, and `wasabi.d.rhai`.
pub(super) fn definitions(docs: &Docs) -> BTreeMap<String, String> {
    let plain = Engine::new();
    let standard = plain.definitions().with_headers(true).include_standard_packages(true);
    let mut files: BTreeMap<String, String> = standard.iter_files().collect();
    let mut own = String::from("module static;\n");
    for doc in docs.iter() {
        define(&mut own, doc);
    }
    files.insert("wasabi.d.rhai".to_owned(), own);
    files
}

fn define(text: &mut String, doc: &Doc) {
    let mut comment: Vec<String> = vec![format!("`{}`", doc.signature), String::new(), doc.about.to_owned()];
    if let Some(fields) = doc.options {
        comment.push(String::new());
        comment.extend(fields().iter().map(|field| {
            let facts = field.facts();
            let facts = if facts.is_empty() { facts } else { format!(", {facts}") };
            format!("- `{}`: {} = `{}`{facts}. {}", field.name, field.type_word(), field.default_text(), field.about())
        }));
    }
    if !doc.example.is_empty() {
        comment.extend([String::new(), "```rhai".to_owned()]);
        comment.extend(doc.example.lines().map(str::to_owned));
        comment.push("```".to_owned());
    }
    let comment: String = comment.iter().map(|line| format!("/// {line}").trim_end().to_owned() + "\n").collect();
    let returns = doc.returns().map_or("?", type_name);
    if doc.is_property() {
        let _ = write!(text, "\n{comment}fn get {}(value: {}) -> {returns};\n", doc.name, type_name(doc.of));
        return;
    }
    let own = (!doc.of.is_empty()).then(|| format!("value: {}", type_name(doc.of)));
    let all = arguments(doc.arguments().unwrap_or_default());
    let optional = all.iter().filter(|argument| argument.optional).count();
    for given in 0..=optional {
        let mut left = given;
        let chosen = all.iter().filter(|argument| {
            let taken = !argument.optional || left > 0;
            left -= usize::from(argument.optional && taken);
            taken
        });
        let parameters: Vec<String> =
            own.iter().cloned().chain(chosen.enumerate().map(|(at, argument)| parameter(at, argument))).collect();
        let _ = write!(text, "\n{comment}fn {}({}) -> {returns};\n", doc.name, parameters.join(", "));
    }
}

/// An argument with a name that is one, and its type.
fn parameter(at: usize, argument: &Argument) -> String {
    if argument.text.starts_with("#{") {
        return "options: Map".to_owned();
    }
    let word: String = argument
        .text
        .chars()
        .skip_while(|c| !c.is_alphabetic())
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect();
    let name = if word.is_empty() { format!("argument_{at}") } else { word };
    let kind = match argument.text.chars().next() {
        Some('[') => "Array",
        Some('"') => "String",
        _ => "?",
    };
    format!("{name}: {kind}")
}

/// A type of ours, or Rhai's name for it.
fn type_name(word: &str) -> &str {
    match word {
        "text" => "String",
        "integer" => "int",
        "real" => "float",
        "array" => "Array",
        "map" => "Map",
        "nothing" => "()",
        "value" => "?",
        array if array.starts_with("array of ") => "Array",
        other => other,
    }
}
