//! What a text at the cursor may say: a choice, a column, a run, a module, a path; told by the signature of the call around
//! it, or by the option whose value it is.

use std::path::Path;

use super::complete::{Candidate, Completion};
use super::cursor::{Before, Open, arguments};
use super::docs::Doc;
use super::session::Session;
use crate::options::Field;

/// Words of a signature that stand for columns of the frame at hand; in the latter a column is one word among others.
const COLUMN: &[&str] = &["column", "name", "by", "on"];
const EXPRESSION: &[&str] = &["expression", "condition", "query"];

/// What may stand in a text.
#[derive(Default)]
struct Wanted {
    /// The texts to choose from.
    choices: Vec<String>,
    /// Columns: the whole text, or words of an expression.
    column: bool,
    expression: bool,
    /// Where the frame is that they belong to: the last token of an expression.
    frame: Option<usize>,
    run: bool,
    path: bool,
}

impl Session {
    /// Inside the text of token `at`, at the end of `line`.
    pub(super) fn complete_text(&self, line: &str, before: &Before<'_>, at: usize) -> Completion {
        let start = before.tokens()[at].span.start + 1;
        let typed = line.get(start..).unwrap_or_default();
        if at.checked_sub(1).is_some_and(|import| before.word(import) == "import") {
            let candidates = modules(typed).into_iter().map(Candidate::plain).collect();
            return Completion { start, candidates, path: false };
        }
        let open = before.open(at);
        let wanted = self.wanted(before, &open);
        let word = typed
            .rfind(|c: char| !(c.is_alphanumeric() || c == '_'))
            .map_or(0, |found| found + typed[found..].chars().next().map_or(1, char::len_utf8));
        let columns = || wanted.frame.and_then(|end| before.columns_until(end, self)).unwrap_or_default();
        let mut completion = Completion { start, candidates: Vec::new(), path: wanted.path };
        if wanted.expression {
            completion.start = start + word;
            completion.candidates = fitting(columns(), &typed[word..]);
            return completion;
        }
        let mut choices = wanted.choices.clone();
        let mut seen = std::collections::BTreeSet::new();
        choices.retain(|choice| seen.insert(choice.clone())); // two forms of a function may name the same
        completion.candidates = fitting(choices, typed);
        if wanted.column {
            completion.candidates.extend(fitting(columns(), typed));
        }
        if wanted.run {
            let name = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
            let fits = |path: &String| path.starts_with(typed) || (!typed.is_empty() && name(path).starts_with(typed));
            completion.candidates.extend(self.run_folders().into_iter().filter(fits).map(Candidate::plain));
        }
        completion
    }

    /// The names that may stand in a map that has no options of its own: `agg(#{ column: … })`.
    pub(super) fn columns_as_keys(&self, before: &Before<'_>, open: &[Open]) -> Option<Vec<String>> {
        let [.., call, map] = open else { return None };
        if map.bracket != "#{" || map.key.is_some() {
            return None;
        }
        let docs = before.called(call, self);
        let named = docs.iter().filter_map(|doc| argument(doc, call.finished));
        let takes_columns = named.into_iter().any(|text| text.starts_with("#{ column") || text.starts_with("#{ old"));
        let frame = call.callee.and_then(|callee| callee.checked_sub(2)).filter(|_| takes_columns)?;
        let columns = before.columns_until(frame, self)?;
        Some(columns.into_iter().filter(|name| !map.keys.contains(name)).collect())
    }

    fn wanted(&self, before: &Before<'_>, open: &[Open]) -> Wanted {
        // A text in an array is an element of the argument.
        let arrays = open.iter().rev().take_while(|open| open.bracket == "[").count();
        let open = &open[..open.len() - arrays];
        if let Some((fields, map)) = before.fields_at(open, self) {
            let field = map.key.as_ref().and_then(|key| fields.iter().find(|field| field.name == key));
            let first = open.len().checked_sub(2).and_then(|call| self.frame_of(before, &open[call]));
            return field.map(|field| by_field(field, first)).unwrap_or_default();
        }
        let (call, value) = match open {
            [.., call, map] if map.bracket == "#{" && map.key.is_some() => (call, true),
            [.., call] => (call, false),
            [] => return Wanted::default(),
        };
        let mut wanted = Wanted { frame: self.frame_of(before, call), ..Wanted::default() };
        for doc in before.called(call, self) {
            let Some(argument) = argument(doc, call.finished) else { continue };
            if value && !argument.starts_with("#{") {
                continue;
            }
            for word in argument.split(['|', ':']).map(str::trim) {
                if !value || !word.starts_with("#{") {
                    wanted.add(doc, word);
                }
            }
        }
        wanted
    }

    /// Where the frame of a call stands: before the dot, or its first argument.
    fn frame_of(&self, before: &Before<'_>, call: &Open) -> Option<usize> {
        let callee = call.callee?;
        match callee.checked_sub(1).map(|at| before.word(at)) {
            Some("." | "?.") => callee.checked_sub(2),
            _ => before.end_of_first(callee + 1),
        }
    }
}

impl Wanted {
    /// What `word` of the signature of `doc` stands for.
    fn add(&mut self, doc: &Doc, word: &str) {
        if word.starts_with('"') {
            self.choices.push(word.trim_matches(|c: char| !c.is_alphanumeric()).to_owned());
            return;
        }
        let word = word.trim_matches(|c: char| !(c.is_alphanumeric() || c == '_'));
        let of_frame = matches!(doc.of, "Frame" | "Groups");
        match word {
            "path" | "folder" => self.path = true,
            "run_folder" => (self.run, self.path) = (true, true),
            "aggregate" => self.choices.extend(quoted(doc.about)),
            _ if of_frame && COLUMN.contains(&word) => self.column = true,
            _ if of_frame && EXPRESSION.contains(&word) => self.expression = true,
            _ => {
                let fields = doc.options.map_or(&[][..], |fields| fields());
                match fields.iter().find(|field| field.name == word) {
                    Some(field) => self.choices.extend(field.choices()),
                    // `how: "inner" (…), "left" (…)` in the text.
                    None => {
                        let told = doc.about.split_once(&format!("{word}: \"")).map(|(_, rest)| format!("\"{rest}"));
                        self.choices.extend(told.iter().flat_map(|told| quoted(sentence(told))));
                    }
                }
            }
        }
    }
}

fn by_field(field: &Field, frame: Option<usize>) -> Wanted {
    let is_column = field.range().is_some_and(|range| range.starts_with("a column") || range.starts_with("column"));
    Wanted {
        choices: field.choices(),
        column: is_column,
        frame,
        path: field.type_word().starts_with("path"),
        ..Wanted::default()
    }
}

/// Argument number `at` of a signature; the last stands for all that follow where it is `…`.
fn argument(doc: &Doc, at: usize) -> Option<String> {
    let all = arguments(doc.arguments()?);
    let repeats = all.last().is_some_and(|last| last.text == "…");
    let at = if repeats { at.min(all.len().saturating_sub(2)) } else { at };
    // What may be left out may have been: `pool(factor, inner)`.
    all.get(at).map(|argument| argument.text.clone())
}

fn sentence(text: &str) -> &str {
    text.split(". ").next().unwrap_or(text)
}

/// The single words in quotes.
fn quoted(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in text.split('"').skip(1).step_by(2) {
        let plain = !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || c == '_');
        if plain && !words.iter().any(|known| known == word) {
            words.push(word.to_owned());
        }
    }
    words
}

fn fitting(words: Vec<String>, typed: &str) -> Vec<Candidate> {
    words.into_iter().filter(|word| word.starts_with(typed)).map(Candidate::plain).collect()
}

/// The modules that `typed` may become: files ending in .rhai, without that, and folders.
fn modules(typed: &str) -> Vec<String> {
    let (folder, name) = typed.rfind('/').map_or(("", typed), |at| typed.split_at(at + 1));
    let place = if folder.is_empty() { Path::new(".") } else { Path::new(folder) };
    let entries = std::fs::read_dir(place).into_iter().flatten().filter_map(Result::ok);
    let module = |entry: std::fs::DirEntry| {
        let file = entry.file_name().to_string_lossy().into_owned();
        let is_folder = entry.path().is_dir();
        let stem = if is_folder { format!("{file}/") } else { file.strip_suffix(".rhai")?.to_owned() };
        (stem.starts_with(name) && !(is_folder && stem.starts_with('.'))).then(|| format!("{folder}{stem}"))
    };
    let mut found: Vec<String> = entries.filter_map(module).collect();
    found.sort();
    found
}
