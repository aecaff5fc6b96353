//! What rustyline asks while a line is typed: is it complete, what could this word become, which colours.

use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;

use rustyline::completion::{Completer, FilenameCompleter, Pair};
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Helper, Result};

use crate::script::Session;
use crate::script::lexer::{self, Kind};

/// Rustyline's view of the session.
pub(super) struct PromptHelper {
    session: Rc<RefCell<Session>>,
    files: FilenameCompleter,
    colour: bool,
}

impl PromptHelper {
    pub(super) fn new(session: Rc<RefCell<Session>>, colour: bool) -> Self {
        Self { session, files: FilenameCompleter::new(), colour }
    }
}

impl Helper for PromptHelper {}

impl Hinter for PromptHelper {
    type Hint = String;
}

impl Validator for PromptHelper {
    /// Enter continues the input while something is open; two empty lines end it anyway, so that nobody is caught.
    fn validate(&self, context: &mut ValidationContext<'_>) -> Result<ValidationResult> {
        let input = context.input();
        let insists = input.ends_with("\n\n");
        let complete = insists || self.session.borrow().is_complete(input);
        Ok(if complete { ValidationResult::Valid(None) } else { ValidationResult::Incomplete })
    }
}

impl Completer for PromptHelper {
    type Candidate = Pair;

    fn complete(&self, line: &str, at: usize, context: &Context<'_>) -> Result<(usize, Vec<Pair>)> {
        let before = &line[..at];
        if lexer::tokens(before).last().is_some_and(|token| token.kind == Kind::Text && !token.closed) {
            return self.files.complete(line, at, context);
        }
        let start = before
            .rfind(|c: char| !(c.is_alphanumeric() || c == '_'))
            .map_or(0, |found| found + before[found..].chars().next().map_or(1, char::len_utf8));
        let typed = &before[start..];
        let session = self.session.borrow();
        let mut names = if before[..start].ends_with('.') {
            session.docs().iter().filter(|doc| !doc.of.is_empty()).map(|doc| doc.name.to_owned()).collect()
        } else {
            session.names()
        };
        names.sort();
        names.dedup();
        let fitting = names.into_iter().filter(|name| !typed.is_empty() && name.starts_with(typed));
        Ok((start, fitting.map(|name| Pair { display: name.clone(), replacement: name }).collect()))
    }
}

impl Highlighter for PromptHelper {
    fn highlight<'l>(&self, line: &'l str, _at: usize) -> Cow<'l, str> {
        if !self.colour {
            return Cow::Borrowed(line);
        }
        let mut painted = String::with_capacity(line.len() * 2);
        let mut done = 0;
        for token in lexer::tokens(line) {
            painted.push_str(&line[done..token.span.start]);
            let text = &line[token.span.clone()];
            match paint(token.kind) {
                Some(code) => painted.push_str(&format!("\u{1b}[{code}m{text}\u{1b}[0m")),
                None => painted.push_str(text),
            }
            done = token.span.end;
        }
        painted.push_str(&line[done..]);
        Cow::Owned(painted)
    }

    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _default: bool) -> Cow<'b, str> {
        if self.colour { Cow::Owned(format!("\u{1b}[1;32m{prompt}\u{1b}[0m")) } else { Cow::Borrowed(prompt) }
    }

    fn highlight_char(&self, _line: &str, _at: usize, _kind: CmdKind) -> bool {
        self.colour
    }
}

/// The colour of a kind of token, from the terminal's own palette.
fn paint(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Keyword => Some("35"),
        Kind::Number => Some("36"),
        Kind::Text => Some("32"),
        Kind::Comment => Some("2"),
        Kind::Name | Kind::Symbol => None,
    }
}
