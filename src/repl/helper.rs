//! What rustyline asks while a line is typed: is it complete, what could this word become, what does the call still want,
//! which colours.

use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustyline::completion::{Completer, FilenameCompleter, Pair};
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::{Hint, Hinter};
use rustyline::history::SearchDirection;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Cmd, ConditionalEventHandler, Context, Event, EventContext, Helper, RepeatCount, Result};

use super::commands::{COMMANDS, SETTINGS, is_command};
use crate::script::Session;
use crate::script::lexer::{self, Kind};

/// Rustyline's view of the session.
pub(super) struct PromptHelper {
    session: Rc<RefCell<Session>>,
    files: FilenameCompleter,
    colour: bool,
    /// A [`Brace`] was typed, and not Tab.
    closing: Arc<AtomicBool>,
}

impl PromptHelper {
    pub(super) fn new(session: Rc<RefCell<Session>>, colour: bool) -> Self {
        Self { session, files: FilenameCompleter::new(), colour, closing: Arc::default() }
    }

    /// What a `}` does that begins its line.
    pub(super) fn brace(&self) -> Brace {
        Brace(Arc::clone(&self.closing))
    }

    /// The files that the word at the cursor may become.
    fn complete_file(&self, line: &str, at: usize, context: &Context<'_>) -> Result<(usize, Vec<Pair>)> {
        let (start, mut pairs) = self.files.complete(line, at, context)?;
        fit(&mut pairs, line.get(start..at).unwrap_or_default());
        Ok((start, pairs))
    }

    /// After `:`: a command, or what it takes.
    fn complete_command(&self, line: &str, at: usize, context: &Context<'_>) -> Result<(usize, Vec<Pair>)> {
        let before = &line[..at];
        let start = before.rfind(char::is_whitespace).map_or(0, |found| found + 1);
        let typed = &before[start..];
        let given: Vec<&str> = before[..start].split_whitespace().collect();
        let words: Vec<String> = match given.as_slice() {
            [] => COMMANDS.iter().map(|command| command.name.to_owned()).collect(),
            [":load" | ":save" | ":runs" | ":l" | ":s"] | [":set", "figures"] => {
                return self.complete_file(line, at, context);
            }
            [":help" | ":h"] => self.topics(typed),
            [":device"] => ["auto", "cpu", "cuda"].map(str::to_owned).to_vec(),
            [":set"] => SETTINGS.iter().map(|(name, _)| (*name).to_owned()).collect(),
            [":set", name] => choices_of(name),
            _ => Vec::new(),
        };
        let mut fitting: Vec<String> = words.into_iter().filter(|word| word.starts_with(typed)).collect();
        fitting.sort();
        fitting.dedup();
        Ok((start, fitting.into_iter().map(|word| Pair { display: word.clone(), replacement: word }).collect()))
    }
}

impl PromptHelper {
    /// What can be asked about: functions, types, and the members of the type or variable before a dot.
    fn topics(&self, typed: &str) -> Vec<String> {
        let session = self.session.borrow();
        if let Some((of, _)) = typed.split_once('.') {
            let live = session.variables_shown().into_iter().find(|variable| variable.name == of);
            let kind = live.map_or_else(|| of.to_owned(), |variable| variable.kind);
            let members = session.docs().iter().filter(|doc| doc.of.eq_ignore_ascii_case(&kind));
            return members.map(|doc| format!("{of}.{}", doc.name)).collect();
        }
        let docs = session.docs().iter();
        docs.flat_map(|doc| [doc.name, doc.of]).filter(|name| !name.is_empty()).map(str::to_owned).collect()
    }
}

/// The values of a setting, as its line of help lists them after the colon.
fn choices_of(setting: &str) -> Vec<String> {
    let about = SETTINGS.iter().find(|(name, _)| *name == setting).and_then(|(_, about)| about.split_once(": "));
    about.map(|(_, choices)| choices.split(", ").map(str::to_owned).collect()).unwrap_or_default()
}

impl Helper for PromptHelper {}

/// What stands faintly behind the cursor; `completion` is what the right arrow takes from it.
pub(super) struct Faint {
    shown: String,
    taken: Option<String>,
}

impl Hint for Faint {
    fn display(&self) -> &str {
        &self.shown
    }

    fn completion(&self) -> Option<&str> {
        self.taken.as_deref()
    }
}

impl Hinter for PromptHelper {
    type Hint = Faint;

    fn hint(&self, line: &str, at: usize, context: &Context<'_>) -> Option<Faint> {
        if at < line.len() || line.trim().is_empty() {
            return None;
        }
        if !is_command(line)
            && let Some(shown) = self.session.borrow().hint(line).filter(|hint| !hint.is_empty())
        {
            return Some(Faint { shown, taken: None });
        }
        // What was typed before and begins like this.
        let last = context.history_index().checked_sub(1)?;
        let found = context.history().starts_with(line, last, SearchDirection::Reverse).ok()??;
        let rest = found.entry.get(line.len()..).filter(|rest| !rest.is_empty() && !rest.contains('\n'))?.to_owned();
        Some(Faint { shown: rest.clone(), taken: Some(rest) })
    }
}

impl Validator for PromptHelper {
    /// Enter continues the input while something is open; two empty lines end it anyway, so that nobody is caught.
    fn validate(&self, context: &mut ValidationContext<'_>) -> Result<ValidationResult> {
        let complete = is_finished(&self.session.borrow(), context.input());
        Ok(if complete { ValidationResult::Valid(None) } else { ValidationResult::Incomplete })
    }
}

fn is_finished(session: &Session, input: &str) -> bool {
    let code = input.trim_start().strip_prefix(":time").unwrap_or(input);
    insists(input) || is_command(input) || session.is_complete(code)
}

/// Two empty lines at the end of an input: whoever typed it wants out.
fn insists(input: &str) -> bool {
    input.matches('\n').count() > 1 && input.rsplit('\n').take(2).all(|line| line.trim().is_empty())
}

/// Enter inside brackets begins a new line, indented by how many are open. Rustyline wants it free of the session.
pub(super) struct Enter;

impl ConditionalEventHandler for Enter {
    fn handle(&self, _event: &Event, _times: RepeatCount, _positive: bool, context: &EventContext<'_>) -> Option<Cmd> {
        let line = context.line();
        if context.pos() < line.len() || is_command(line) || !lexer::is_open(line) || insists(line) {
            return None;
        }
        Some(Cmd::Insert(1, format!("\n{}", " ".repeat(STEP * lexer::depth(line)))))
    }
}

/// A `}` that begins its line stands one step further out, under what it closes.
///
/// Rustyline has no command that replaces an indentation and leaves the cursor behind what it puts there, but completion
/// does just that: the flag tells the completer that it is a brace which asks.
pub(super) struct Brace(pub(super) Arc<AtomicBool>);

impl ConditionalEventHandler for Brace {
    fn handle(&self, _event: &Event, _times: RepeatCount, _positive: bool, context: &EventContext<'_>) -> Option<Cmd> {
        closed_line(&context.line()[..context.pos()])?;
        self.0.store(true, Ordering::Relaxed);
        Some(Cmd::Complete)
    }
}

/// Where the last line of `before` begins, and what it becomes by a `}`; None unless it is an indentation and nothing more.
fn closed_line(before: &str) -> Option<(usize, String)> {
    let start = before.rfind('\n')? + 1;
    let indent = &before[start..];
    let outer = indent.len().checked_sub(STEP).filter(|_| indent.chars().all(|c| c == ' '))?;
    Some((start, format!("{}}}", " ".repeat(outer))))
}

/// What an open bracket indents by.
const STEP: usize = 4;

impl Completer for PromptHelper {
    type Candidate = Pair;

    fn complete(&self, line: &str, at: usize, context: &Context<'_>) -> Result<(usize, Vec<Pair>)> {
        let before = &line[..at];
        if self.closing.swap(false, Ordering::Relaxed)
            && let Some((start, closed)) = closed_line(before)
        {
            return Ok((start, vec![Pair { display: String::new(), replacement: closed }]));
        }
        if before.trim_start().starts_with(':') && !before.trim_start().starts_with(":time ") {
            return self.complete_command(line, at, context);
        }
        let marks = before.len() - before.trim_start_matches('?').len();
        if marks > 0 {
            let typed = &before[marks..];
            let (start, pairs) =
                self.complete_command(&format!(":help {typed}"), ":help ".len() + typed.len(), context)?;
            return Ok((start + marks - ":help ".len(), pairs));
        }
        if is_command(line) {
            return self.complete_file(line, at, context); // a line of the shell
        }
        // In an empty line of a longer input, Tab indents.
        if before.rsplit_once('\n').is_some_and(|(_, last)| last.trim().is_empty()) {
            return Ok((at, vec![Pair { display: String::new(), replacement: " ".repeat(STEP) }]));
        }
        let found = self.session.borrow().complete(before);
        let called = line[at..].starts_with('(');
        let pair = |candidate: crate::script::Candidate| {
            // The bracket may stand there already.
            let text = if called { candidate.text.trim_end_matches(['(', ')']).to_owned() } else { candidate.text };
            Pair { display: candidate.shown, replacement: text }
        };
        let mut pairs: Vec<Pair> = found.candidates.into_iter().map(pair).collect();
        if found.path && pairs.is_empty() {
            return self.complete_file(line, at, context);
        }
        fit(&mut pairs, &line[found.start..at]);
        Ok((found.start, pairs))
    }
}

/// Keeps a list on one screen: a longer one would stop in its middle for a key, and take what is typed next for it.
fn fit(pairs: &mut Vec<Pair>, typed: &str) {
    let (rows, columns) = console::Term::stdout().size_checked().map_or((24, 80), |(r, c)| (r.into(), c.into()));
    let widest = pairs.iter().map(|pair| pair.display.chars().count()).max().unwrap_or(0) + 2;
    let room = usize::max(columns / widest.clamp(1, columns), 1) * usize::saturating_sub(rows, 3).max(1);
    if pairs.len() > room {
        let left = pairs.len() + 1 - room;
        pairs.truncate(room - 1);
        // Its text is what stands there, so that nothing is completed beyond what all have in common.
        pairs.push(Pair { display: format!("… {left} more"), replacement: typed.to_owned() });
    }
}

impl Highlighter for PromptHelper {
    fn highlight<'l>(&self, line: &'l str, _at: usize) -> Cow<'l, str> {
        if !self.colour {
            return Cow::Borrowed(line);
        }
        if is_command(line) {
            return Cow::Owned(format!("\u{1b}[36m{line}\u{1b}[0m"));
        }
        let session = self.session.borrow();
        let mut painted = String::with_capacity(line.len() * 2);
        let mut done = 0;
        for token in lexer::tokens(line) {
            painted.push_str(&line[done..token.span.start]);
            let text = &line[token.span.clone()];
            let called = line[token.span.end..].trim_start().starts_with('(');
            let colour = match token.kind {
                Kind::Name if called && session.docs().named(text).next().is_some() => Some("34"),
                kind => paint(kind),
            };
            match colour {
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

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        if self.colour { Cow::Owned(format!("\u{1b}[2m{hint}\u{1b}[0m")) } else { Cow::Borrowed(hint) }
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
