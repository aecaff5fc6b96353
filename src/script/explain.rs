//! From Rhai's errors to diagnostics: the innermost place, the calls that led there, and the name that was meant.

use rhai::{EvalAltResult, ParseErrorType, Position};

use super::check::{unknown_method, unknown_of_module};
use super::convert::{a_type, type_word};
use super::cursor::arguments;
use super::diagnostic::{Diagnostic, Mark};
use super::docs::{Doc, Docs};
use super::fault::Fault;
use super::source::Source;
use crate::options::{lower_first, nearest};

/// What an explanation may look at.
pub(super) struct Known<'a> {
    /// The text that was evaluated.
    pub source: &'a Source,
    /// Our own functions.
    pub docs: &'a Docs,
    /// Every function that can be called, Rhai's and the script's own among them.
    pub functions: Vec<String>,
    /// Every variable in reach.
    pub variables: Vec<String>,
    /// The variables that a line would have introduced, had it not been interrupted, and what to do about that.
    pub interrupted: &'a [(String, String)],
}

impl Known<'_> {
    /// The diagnostic for `error`.
    pub(super) fn explain(&self, error: &EvalAltResult) -> Diagnostic {
        let mut calls = Vec::new();
        let mut source = self.source.clone();
        let mut inner = error;
        loop {
            match inner {
                EvalAltResult::ErrorInFunctionCall(name, from, next, position) => {
                    let label = if name.starts_with("anon$") {
                        "in this call of a closure".to_owned()
                    } else {
                        format!("in this call of `{name}`")
                    };
                    calls.extend(mark(&source, *position).map(|mark| Mark { label: Some(label), ..mark }));
                    source = self.source_of(&source, from);
                    inner = next.as_ref();
                }
                EvalAltResult::ErrorInModule(name, next, position) => {
                    let label = Some("imported here".to_owned());
                    calls.extend(mark(&source, *position).map(|mark| Mark { label, ..mark }));
                    source = self.source_of(&source, name);
                    inner = next.as_ref();
                }
                _ => break,
            }
        }
        calls.reverse();
        calls.truncate(4); // a deep recursion says the same thing many times
        let mut diagnostic = match inner {
            EvalAltResult::ErrorParsing(ParseErrorType::VariableUndefined(name), _)
            | EvalAltResult::ErrorVariableNotFound(name, _) => match source.option_without_map(inner.position()) {
                Some((call, option)) => options_without_map(call, option),
                None => self.unknown_variable(name, inner.position()),
            },
            EvalAltResult::ErrorParsing(kind, position) => match source.option_without_map(*position) {
                Some((call, option)) => options_without_map(call, option),
                None => syntax(kind),
            },
            EvalAltResult::ErrorFunctionNotFound(signature, position) => {
                self.unknown_function(signature, &source, &source.words_before(*position))
            }
            other => self.describe(other),
        };
        let position = inner.position();
        let option = match inner {
            EvalAltResult::ErrorRuntime(value, _) => value.read_lock::<Fault>().and_then(|fault| fault.option.clone()),
            _ => None,
        };
        let call = mark(&source, position);
        let at_option = option.and_then(|key| source.option(position, &key));
        diagnostic.mark = match (at_option, call) {
            (Some(span), Some(call)) => {
                calls.insert(0, Mark { label: None, ..call });
                Some(Box::new(Mark { source, span, label: None }))
            }
            (_, call) => call.map(Box::new),
        };
        diagnostic.calls = calls;
        diagnostic
    }

    /// The source called `name`: the one at hand, or a module's file.
    fn source_of(&self, at_hand: &Source, name: &str) -> Source {
        if name.is_empty() || name == at_hand.name() {
            return at_hand.clone();
        }
        if name == self.source.name() {
            return self.source.clone();
        }
        // Rhai names a module by its file, or as it was imported.
        let file = || std::fs::read_to_string(name).ok().map(|text| Source::new(name, &text));
        let found = file().or_else(|| at_hand.module(name)).or_else(|| self.source.module(name));
        found.unwrap_or_else(|| at_hand.clone())
    }

    fn describe(&self, error: &EvalAltResult) -> Diagnostic {
        use EvalAltResult as E;
        match error {
            E::ErrorRuntime(value, _) => match value.read_lock::<Fault>() {
                Some(fault) => with_hint(Diagnostic::new(&fault.message), fault.hint.clone()),
                None if value.is_unit() => Diagnostic::new("the script threw an error"),
                None => Diagnostic::new(value.to_string()),
            },
            E::ErrorParsing(kind, _) => syntax(kind),
            E::ErrorPropertyNotFound(name, _) => Diagnostic::new(format!("the map has no `{name}`"))
                .with_hint(format!("`\"{name}\" in map` asks whether it has")),
            E::ErrorDotExpr(text, _) => self.unknown_property(text),
            E::ErrorMismatchDataType(needed, found, _) if needed.is_empty() => {
                Diagnostic::new(format!("{} cannot be used here", a_type(found)))
            }
            E::ErrorMismatchDataType(needed, found, _) | E::ErrorMismatchOutputType(needed, found, _) => {
                Diagnostic::new(format!("expected {}, found {}", a_type(needed), a_type(found)))
            }
            E::ErrorModuleNotFound(name, _) => Diagnostic::new(format!("module `{name}` was not found"))
                .with_hint("modules are files ending in .rhai, looked for beside the script"),
            E::ErrorIndexingType(name, _) => Diagnostic::new(format!("cannot index {}", a_type(name))),
            E::ErrorArrayBounds(length, index, _) => {
                Diagnostic::new(format!("index {index} is outside an array of {length}"))
            }
            E::ErrorStringBounds(length, index, _) => {
                Diagnostic::new(format!("index {index} is outside a text of {length} characters"))
            }
            E::ErrorFor(_) => Diagnostic::new("`for` needs something to go through: an array, a range, a map or takes"),
            E::ErrorStackOverflow(_) => Diagnostic::new("functions call each other too deeply")
                .with_hint("a recursion without an end? 64 nested calls are the limit"),
            E::ErrorAssignmentToConstant(name, _) => {
                Diagnostic::new(format!("`{name}` is a constant and cannot be assigned"))
                    .with_hint("declare it with `let` to change it")
            }
            E::ErrorTerminated(..) => Diagnostic::interrupted("stopped as asked"),
            other => {
                let mut bare = other.to_string();
                if let Some(at) = bare.rfind(" (line ") {
                    bare.truncate(at);
                }
                Diagnostic::new(lower_first(&bare))
            }
        }
    }

    fn unknown_variable(&self, name: &str, position: Position) -> Diagnostic {
        let unknown = Diagnostic::new(format!("unknown variable `{name}`"));
        if self.functions.iter().any(|known| known == name) {
            return unknown.with_hint(format!("`{name}` is a function: call it as `{name}(…)`"));
        }
        let introduced = self.source.introduced();
        let exists = self.variables.iter().chain(&introduced).any(|known| known == name);
        if exists && self.source.is_in_function(position) {
            return unknown.with_hint(format!("a function sees only its parameters: pass `{name}` as an argument"));
        }
        if let Some((_, next)) = self.interrupted.iter().rev().find(|(known, _)| known == name) {
            return unknown.with_hint(format!("the line that was to introduce `{name}` was interrupted{next}"));
        }
        if let Some((_, ours)) = ELSEWHERE.iter().find(|(theirs, _)| *theirs == name) {
            return unknown.with_hint(*ours);
        }
        if let Some((module, constant)) = name.rsplit_once("::") {
            return unknown
                .with_hint(format!("`{module}` gives what its file exports: `export const {constant} = …;`"));
        }
        let names = self.variables.iter().chain(&introduced).map(String::as_str).filter(|known| *known != name);
        match nearest(name, names) {
            Some(meant) => unknown.with_hint(format!("did you mean `{meant}`?")),
            None => unknown.with_hint(format!("introduce it first: `let {name} = …;`")),
        }
    }

    /// `signature` as Rhai gives it: `tier (i64, map)`; `words` are those before it in `source`, its name first.
    fn unknown_function(&self, signature: &str, source: &Source, words: &[&str]) -> Diagnostic {
        let (name, arguments) = match signature.split_once(" (") {
            Some((name, rest)) => (name, rest.trim_end_matches(')')),
            // Rhai says other things by this error, too.
            None if signature.contains(' ') => return Diagnostic::new(lower_first(signature)),
            None => (signature, ""),
        };
        if let Some((_, ours)) = ELSEWHERE.iter().find(|(theirs, _)| *theirs == name) {
            return Diagnostic::new(format!("unknown function `{name}`")).with_hint(*ours);
        }
        let types: Vec<&str> = arguments.split(", ").filter(|word| !word.is_empty()).map(type_word).collect();
        if let Some((module, function)) = name.rsplit_once("::") {
            let functions = source.functions_of(module).unwrap_or_default();
            if !functions.iter().any(|known| known == function) {
                return unknown_of_module(module, function, &functions);
            }
        }
        let found = if types.is_empty() { "nothing".to_owned() } else { types.join(", ") };
        if !name.starts_with(|c: char| c.is_alphabetic() || c == '_') {
            let wrong = Diagnostic::new(format!("`{name}` has no meaning between {}", found.replace(", ", " and ")));
            return match operator_meant(name, &types) {
                Some(meant) => wrong.with_hint(meant),
                None => wrong,
            };
        }
        let is_method = words.first() == Some(&name) && matches!(words.get(1), Some(&("." | "?.")));
        let of = types.first().copied().unwrap_or_default();
        let all: Vec<&Doc> = self.docs.named(name).collect();
        // A method of one type says nothing of another's with the same name.
        let mut docs: Vec<&Doc> = all.iter().copied().filter(|doc| is_method && doc.of == of).collect();
        if docs.is_empty() && is_method && self.docs.members(of).next().is_some() {
            return unknown_method(self.docs, of, name);
        }
        if docs.is_empty() {
            docs = all.iter().copied().filter(|doc| doc.of.is_empty()).collect();
        }
        if docs.is_empty() && !is_method {
            docs = all.iter().copied().filter(|doc| doc.of == of).collect();
        }
        let wrong = Diagnostic::new(format!("`{name}` cannot be called with ({found})"));
        if !docs.is_empty() {
            if let Some(first) = docs.iter().find_map(|doc| comes_first(doc, &types)) {
                return wrong.with_hint(format!("the {first} comes first: {}", docs[0].signature));
            }
            return docs.iter().fold(wrong, |wrong, doc| wrong.with_hint(format!("call it as {}", doc.signature)));
        }
        if self.functions.iter().any(|known| known == name) {
            return wrong;
        }
        let unknown = Diagnostic::new(format!("unknown function `{name}`"));
        if self.variables.iter().any(|known| known == name) {
            return unknown.with_hint(format!("`{name}` is a variable that holds no function"));
        }
        match nearest(name, self.docs.iter().map(|doc| doc.name).chain(self.functions.iter().map(String::as_str))) {
            Some(meant) => unknown.with_hint(format!("did you mean `{meant}`?")),
            None => unknown.with_hint("`help` lists the functions there are"),
        }
    }

    /// `text` as Rhai gives it: `Unknown property 'x' - a getter is not registered for type 'Run'`.
    fn unknown_property(&self, text: &str) -> Diagnostic {
        let mut quoted = text.split('\'').skip(1).step_by(2);
        let (Some(name), Some(of)) = (quoted.next(), quoted.next()) else {
            return Diagnostic::new(lower_first(text));
        };
        let of = type_word(of);
        let unknown = Diagnostic::new(format!("{} has no property `{name}`", a_type(of)));
        let members: Vec<&str> = self.docs.members(of).collect();
        if members.contains(&name) {
            return unknown.with_hint(format!("`{name}` is a method: call it as `.{name}(…)`"));
        }
        match nearest(name, members.iter().copied()) {
            Some(meant) => unknown.with_hint(format!("did you mean `{meant}`?")),
            None if members.is_empty() => unknown,
            None => unknown.with_hint(format!("it has {}", members.join(", "))),
        }
    }
}

/// Names of other languages, and what they are called here.
const ELSEWHERE: &[(&str, &str)] = &[
    ("None", "nothing is written `()`"),
    ("null", "nothing is written `()`"),
    ("nil", "nothing is written `()`"),
    ("undefined", "nothing is written `()`"),
    ("True", "it is written `true`"),
    ("False", "it is written `false`"),
    ("range", "a range is written `0..3`, as in `for i in 0..3`"),
    ("f", "text with values in it stands in backticks: `loss ${run.loss}`"),
];

/// What is wrong with the text.
fn syntax(kind: &ParseErrorType) -> Diagnostic {
    use ParseErrorType as P;
    match kind {
        P::UnexpectedEOF => Diagnostic::new("the script ends in the middle of something")
            .with_hint("is a bracket, a quote or an expression unfinished?"),
        P::MissingToken(token, purpose) => {
            let missing = Diagnostic::new(format!("expected `{token}` {}", lower_first(purpose).trim_end_matches('.')));
            if token == ";" { missing.with_hint("does the line above end with a `;`?") } else { missing }
        }
        P::ExprTooDeep => {
            Diagnostic::new("this expression is nested too deeply").with_hint("give its parts names with `let`")
        }
        P::Reserved(name) => Diagnostic::new(format!("`{name}` is a reserved word and cannot be a name")),
        other => Diagnostic::new(lower_first(&other.to_string())),
    }
}

fn options_without_map(call: &str, option: &str) -> Diagnostic {
    Diagnostic::new("options were found without their map")
        .with_hint(format!("options go in `#{{ … }}`: {call}(#{{ {option}: … }})"))
}

/// What was meant by an operator between two values of ours.
fn operator_meant(operator: &str, types: &[&str]) -> Option<String> {
    match (operator, types) {
        ("+", ["Schedule", "Schedule"]) => {
            Some("`.then(…)` puts one schedule after another: warmup(10).then(cosine())".to_owned())
        }
        ("*", ["Schedule", _] | [_, "Schedule"]) => Some("`.scaled(factor)` multiplies a schedule".to_owned()),
        ("+", ["Frame", "Frame"]) => Some("`concat([a, b])` puts frames below one another".to_owned()),
        _ => None,
    }
}

/// The first argument of `doc`, where the first two were given the wrong way round: `model` of `train(corpus, model)`.
fn comes_first(doc: &Doc, types: &[&str]) -> Option<String> {
    let wanted = arguments(doc.arguments()?);
    let fits = |argument: usize, given: usize| {
        let given = types.get(given).map(|word| word.to_lowercase());
        let words = wanted.get(argument).map_or("", |argument| &argument.text);
        given.is_some_and(|given| words.split('|').any(|word| word.trim() == given))
    };
    let swapped = fits(0, 1) && fits(1, 0) && !fits(0, 0);
    swapped.then(|| types[1].to_lowercase())
}

fn with_hint(diagnostic: Diagnostic, hint: Option<String>) -> Diagnostic {
    match hint {
        Some(hint) => diagnostic.with_hint(hint),
        None => diagnostic,
    }
}

fn mark(source: &Source, position: Position) -> Option<Mark> {
    Some(Mark { source: source.clone(), span: source.word(position)?, label: None })
}
