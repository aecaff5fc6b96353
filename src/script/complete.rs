//! What a word at the cursor could become, and what the call around it still wants.

use super::cursor::{Before, Open, arguments, head_of};
use super::docs::Doc;
use super::lexer::{Kind, keywords};
use super::session::Session;

/// One way to finish what is being typed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Candidate {
    /// What takes the place of the word.
    pub text: String,
    /// What a list of candidates shows.
    pub shown: String,
}

impl Candidate {
    pub(super) fn plain(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { shown: text.clone(), text }
    }

    /// Of something that is called: with the bracket that its arguments follow, closed where there are none.
    fn call(name: impl Into<String>, has_arguments: bool) -> Self {
        let shown = name.into();
        Self { text: format!("{shown}{}", if has_arguments { "(" } else { "()" }), shown }
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
        if let Some((fields, map)) = before.fields_at(&open, self)
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
        if let Some(columns) = self.columns_as_keys(&before, &open) {
            let fitting = columns.into_iter().filter(|name| name.starts_with(typed));
            let candidates = fitting.map(|name| Candidate { text: format!("{name}: "), shown: name });
            return Completion { start, candidates: candidates.collect(), path: false };
        }
        if typed.is_empty() {
            return Completion { start, ..Completion::default() };
        }
        let mut candidates: Vec<Candidate> = self
            .names()
            .into_iter()
            .filter(|name| name.starts_with(typed))
            .filter_map(|name| self.beginning(name))
            .collect();
        candidates.extend(keywords().iter().filter(|word| word.starts_with(typed)).map(|word| Candidate::plain(*word)));
        candidates.sort();
        candidates.dedup();
        Completion { start, candidates, path: false }
    }

    /// `name` where an expression begins; None for what only follows a dot.
    fn beginning(&self, name: String) -> Option<Candidate> {
        if !self.is_function(&name) {
            return Some(Candidate::plain(name));
        }
        if let Some(parameters) = self.parameters_of(&name) {
            return Some(Candidate::call(name, !parameters.is_empty()));
        }
        if let Some(doc) = self.docs().find("", &name) {
            return Some(Candidate::call(name, doc.arguments() != Some("")));
        }
        (!self.is_only_method(&name)).then(|| Candidate::call(name, true))
    }

    /// The members of the value before the dot at token `end - 1`. Where its type cannot be told: nothing until a letter is
    /// typed, then what begins with it in any type.
    fn members(&self, before: &Before<'_>, end: usize, typed: &str) -> Vec<Candidate> {
        let last = end.checked_sub(2);
        let of = last.and_then(|at| before.type_until(at, self, 0));
        if of.is_none() && typed.is_empty() {
            return Vec::new();
        }
        let of = of.as_deref().map(head_of);
        let docs = self.docs().iter().filter(|doc| match of {
            Some(of) => doc.of == of,
            None => !doc.of.is_empty(),
        });
        let fitting = docs.filter(|doc| doc.name.starts_with(typed));
        let mut candidates: Vec<Candidate> = fitting.map(member).collect();
        if let Some(of) = of {
            let own = self.built_in_members(of).iter().filter(|(name, _)| name.starts_with(typed));
            candidates.extend(own.map(|(name, has_arguments)| Candidate::call(name, *has_arguments)));
        }
        let fields = last.filter(|_| of == Some("map")).map(|at| self.keys_of(before.word(at))).unwrap_or_default();
        candidates.extend(fields.into_iter().filter(|name| name.starts_with(typed)).map(Candidate::plain));
        candidates.sort();
        candidates.dedup();
        candidates
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
        let wanted = match before.called(innermost, self).first() {
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
        let (fields, _) = before.fields_at(open, self)?;
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
    if doc.is_property() {
        return Candidate::plain(doc.name);
    }
    Candidate::call(doc.name, doc.arguments() != Some(""))
}
