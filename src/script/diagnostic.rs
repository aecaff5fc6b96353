//! An error as people read it: what is wrong, the line with a caret under the word at fault, and what to try.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet, renderer::DecorStyle};
use rhai::Dynamic;

use super::source::Source;

/// Why an evaluation did not finish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The script is wrong, or what it asked for cannot be done.
    Script,
    /// What stands on the command line is wrong.
    Usage,
    /// Somebody asked it to stop.
    Interrupt,
    /// The script ended itself with `exit`, and this code for whoever ran it.
    Exit(u8),
    /// A panic reached the fence: wasabi is wrong.
    Bug,
}

/// A place in a source, and what to say beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The text it points into.
    pub source: Source,
    /// The bytes to underline.
    pub span: Range<usize>,
    /// What to write beside the line.
    pub label: Option<String>,
}

/// An error with its place and its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Why the evaluation ended.
    pub cause: Cause,
    /// What was found and what was needed.
    pub message: String,
    /// Where; None when there is no script (the command line) or the place is unknown.
    pub mark: Option<Box<Mark>>,
    /// The calls that led there, innermost first.
    pub calls: Vec<Mark>,
    /// Further facts.
    pub notes: Vec<String>,
    /// What to try.
    pub hints: Vec<String>,
}

impl Diagnostic {
    /// An error without a place.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            cause: Cause::Script,
            message: message.into(),
            mark: None,
            calls: Vec::new(),
            notes: Vec::new(),
            hints: Vec::new(),
        }
    }

    /// An end that somebody asked for.
    #[must_use]
    pub fn interrupted(message: impl Into<String>) -> Self {
        Self { cause: Cause::Interrupt, ..Self::new(message) }
    }

    /// An end that the script itself asked for with `exit(value)`: an integer is the code, and anything else is said.
    pub(super) fn exit(value: &Dynamic) -> Self {
        let code = value.as_int().ok().map(|code| u8::try_from(code).unwrap_or(1));
        let (code, message) = match code {
            Some(code) => (code, String::new()),
            None => (1, value.to_string()),
        };
        Self { cause: Cause::Exit(code), ..Self::new(message) }
    }

    /// The same error, blamed on the command line.
    #[must_use]
    pub fn of_usage(mut self) -> Self {
        self.cause = Cause::Usage;
        self
    }

    /// The same error with what to try next.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Line and column, from 1, of the caret.
    #[must_use]
    pub fn position(&self) -> Option<(usize, usize)> {
        let mark = self.mark.as_ref()?;
        let before = &mark.source.text()[..mark.span.start];
        let line = before.rsplit('\n').next().unwrap_or_default();
        Some((before.matches('\n').count() + 1, line.chars().count() + 1))
    }

    /// The error as text for a terminal `width` columns wide, with colours or without.
    #[must_use]
    pub fn render(&self, width: usize, colour: bool) -> String {
        let level = match self.cause {
            Cause::Script | Cause::Usage | Cause::Exit(_) => Level::ERROR,
            Cause::Interrupt => Level::NOTE.with_name("interrupted"),
            Cause::Bug => Level::ERROR.with_name("internal error"),
        };
        let mut group = Group::with_title(level.primary_title(self.message.as_str()));
        group = group.elements(self.snippets());
        group = group.elements(self.notes.iter().map(|note| Level::NOTE.message(note.as_str())));
        group = group.elements(self.hints.iter().map(|hint| Level::HELP.with_name("hint").message(hint.as_str())));
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        renderer.decor_style(DecorStyle::Ascii).term_width(width.max(40)).render(&[group])
    }

    /// One snippet for each source, the one at fault first.
    fn snippets(&self) -> Vec<Snippet<'_, annotate_snippets::Annotation<'_>>> {
        let Some(fault) = self.mark.as_deref() else { return Vec::new() };
        let mut sources = vec![&fault.source];
        for call in &self.calls {
            if !sources.contains(&&call.source) {
                sources.push(&call.source);
            }
        }
        let snippet = |source: &Source| {
            let primary = (*source == fault.source).then_some((AnnotationKind::Primary, fault));
            let calls = self.calls.iter().filter(|call| call.source == *source);
            let marks = primary.into_iter().chain(calls.map(|call| (AnnotationKind::Context, call)));
            let notes = marks.map(|(kind, mark)| kind.span(mark.span.clone()).label(mark.label.clone()));
            let (name, text) = (source.name().to_owned(), source.text().to_owned());
            Snippet::source(text).path(name).annotations(notes.collect::<Vec<_>>())
        };
        sources.into_iter().map(snippet).collect()
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(120, false))
    }
}

impl std::error::Error for Diagnostic {}
