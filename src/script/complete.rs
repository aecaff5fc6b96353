//! What a word at the cursor could become, and what the call around it still wants.

use super::cursor::{Before, Open, arguments};
use super::docs::Doc;
use super::lexer::{Kind, keywords};
use super::session::Session;
use crate::options::Field;

/// One way to finish what is being typed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Candidate {
    /// What takes the place of the word.
    pub text: String,
    /// What a list of candidates shows.
    pub shown: String,
}

impl Candidate {
    fn plain(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { shown: text.clone(), text }
    }

    /// Of something that is called: with the bracket that its arguments follow.
    fn call(name: impl Into<String>) -> Self {
        let shown = name.into();
        Self { text: format!("{shown}("), shown }
    }
}

/// What could stand at the cursor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Completion {
    /// The byte at which the word begins that candidates replace.
    pub start: usize,
    /// In alphabetical order; options in the order of their table.
    pub candidates: Vec<Candidate>,
    /// The cursor is in a text where a path may stand.
    pub path: bool,
}

/// Functions whose text is the folder of a run.
const TAKE_RUNS: &[&str] = &["load_run", "resume", "load_model", "read_frame", "evaluate"];

impl Session {
    /// What could stand at the end of `line`, the part of an input before the cursor.
    #[must_use]
    pub fn complete(&self, line: &str) -> Completion {
        let before = Before::new(line);
        if let Some(at) = before.open_text() {
            return self.complete_text(line, &before, at);
        }
        let typing = before.typing();
        let end = typing.unwrap_or(before.tokens().len());
        let start = typing.map_or(line.len(), |at| before.tokens()[at].span.start);
        let typed = &line[start..];
        let follows = end.checked_sub(1).map_or("", |at| before.word(at));
        if matches!(follows, "." | "?.") {
            return Completion { start, candidates: self.members(&before, end, typed), path: false };
        }
        if follows == "::" || matches!(before.tokens().get(end.wrapping_sub(1)).map(|t| t.kind), Some(Kind::Number)) {
            return Completion { start, ..Completion::default() };
        }
        let open = before.open(end);
        if let Some((fields, map)) = self.fields_at(&before, &open)
            && map.key.is_none()
        {
            let missing = fields.iter().filter(|field| !map.keys.iter().any(|key| key == field.name));
            let fitting = missing.filter(|field| field.name.starts_with(typed));
            let candidates = fitting.map(|field| Candidate {
                text: format!("{}: ", field.name),
                shown: format!("{} = {}", field.name, field.default_text()),
            });
            return Completion { start, candidates: candidates.collect(), path: false };
        }
        if typed.is_empty() {
            return Completion { start, ..Completion::default() };
        }
        let mut candidates: Vec<Candidate> = self
            .names()
            .into_iter()
            .filter(|name| name.starts_with(typed))
            .map(|name| if self.is_function(&name) { Candidate::call(name) } else { Candidate::plain(name) })
            .collect();
        candidates.extend(keywords().iter().filter(|word| word.starts_with(typed)).map(|word| Candidate::plain(*word)));
        candidates.sort();
        candidates.dedup();
        Completion { start, candidates, path: false }
    }

    /// Inside a text: the choices of the option whose value it is, or runs and paths.
    fn complete_text(&self, line: &str, before: &Before<'_>, at: usize) -> Completion {
        let quote = before.tokens()[at].span.start;
        let start = quote + 1;
        let typed = line.get(start..).unwrap_or_default();
        let open = before.open(at);
        if let Some((fields, map)) = self.fields_at(before, &open)
            && let Some(key) = &map.key
        {
            let choices = fields.iter().find(|field| field.name == key).map(Field::choices).unwrap_or_default();
            if !choices.is_empty() {
                let fitting = choices.into_iter().filter(|choice| choice.starts_with(typed));
                return Completion { start, candidates: fitting.map(Candidate::plain).collect(), path: false };
            }
        }
        let callee = open.last().and_then(|open| open.callee).map(|at| before.word(at));
        let mut candidates = Vec::new();
        if callee.is_some_and(|name| TAKE_RUNS.contains(&name)) {
            let name = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
            let fits = |path: &String| path.starts_with(typed) || (!typed.is_empty() && name(path).starts_with(typed));
            candidates.extend(self.run_folders().into_iter().filter(fits).map(Candidate::plain));
        }
        Completion { start, candidates, path: true }
    }

    /// The members of the value before the dot at token `end - 1`; of every type where that cannot be told.
    fn members(&self, before: &Before<'_>, end: usize, typed: &str) -> Vec<Candidate> {
        let of = end.checked_sub(2).and_then(|at| before.type_until(at, self, 0));
        let docs = self.docs().iter().filter(|doc| match &of {
            Some(of) => doc.of == of.as_str(),
            None => !doc.of.is_empty(),
        });
        let fitting = docs.filter(|doc| doc.name.starts_with(typed));
        let mut candidates: Vec<Candidate> = fitting.map(member).collect();
        if let Some(of) = &of {
            let own = self.built_in_members(of).iter().filter(|name| name.starts_with(typed));
            candidates.extend(own.map(Candidate::call));
        }
        candidates.sort();
        candidates.dedup();
        candidates
    }

    /// The options of the call that the innermost open map is an argument of, and that map.
    fn fields_at<'o>(&self, before: &Before<'_>, open: &'o [Open]) -> Option<(&'static [Field], &'o Open)> {
        let [.., call, map] = open else { return None };
        if map.bracket != "#{" {
            return None;
        }
        let doc = self.called(before, call)?;
        Some((doc.options?(), map))
    }

    /// What the bracket `call` calls.
    fn called<'s>(&'s self, before: &Before<'_>, call: &Open) -> Option<&'s Doc> {
        let callee = call.callee?;
        let name = before.word(callee);
        match before.owner(callee, self) {
            Some(of) => self.docs().find(&of, name),
            None => {
                let mut methods = self.docs().named(name).filter(|doc| !doc.of.is_empty());
                let first = methods.next();
                first.filter(|_| methods.next().is_none())
            }
        }
    }

    /// What the call around the end of `line` still wants: `corpus, #{ … })`, or of an option `real = 0.004, above 0`.
    #[must_use]
    pub fn hint(&self, line: &str) -> Option<String> {
        let before = Before::new(line);
        if before.open_text().is_some() {
            return None;
        }
        let open = before.open(usize::MAX);
        let innermost = open.last()?;
        if innermost.bracket == "#{" {
            return self.hint_option(&before, &open, innermost);
        }
        let callee = innermost.callee?;
        let wanted = match self.called(&before, innermost) {
            Some(doc) => arguments(doc.arguments()?).into_iter().map(|argument| argument.text).collect(),
            None if before.owner(callee, self).is_some_and(|of| of.is_empty()) => {
                self.parameters_of(before.word(callee))?
            }
            None => return None,
        };
        let from = innermost.finished + usize::from(innermost.begun);
        let rest = wanted.get(from..)?;
        let lead = if innermost.begun && !rest.is_empty() { ", " } else { "" };
        let space = if line.ends_with(',') { " " } else { "" };
        Some(format!("{space}{lead}{})", rest.join(", ")))
    }

    fn hint_option(&self, before: &Before<'_>, open: &[Open], map: &Open) -> Option<String> {
        let (fields, _) = self.fields_at(before, open)?;
        let Some(key) = &map.key else {
            if map.begun {
                return None;
            }
            let missing: Vec<&str> =
                fields.iter().map(|field| field.name).filter(|name| !map.keys.iter().any(|key| key == name)).collect();
            const SHOWN: usize = 6;
            let more = if missing.len() > SHOWN { ", …" } else { "" };
            return Some(format!("  {}{more}", missing[..missing.len().min(SHOWN)].join(", ")));
        };
        if map.begun {
            return None;
        }
        let field = fields.iter().find(|field| field.name == key)?;
        let facts = field.facts();
        let facts = if facts.is_empty() { facts } else { format!(", {facts}") };
        Some(format!("  {} = {}{facts}", field.type_word(), field.default_text()))
    }
}

fn member(doc: &Doc) -> Candidate {
    if doc.is_property() { Candidate::plain(doc.name) } else { Candidate::call(doc.name) }
}
