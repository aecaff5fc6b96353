//! Mistakes that can be seen before anything runs: a call of a function that does not exist, an option that its function
//! does not take. A misspelt name on the last line is then found before the two minutes of training, not after.

use super::convert::a_type;
use super::cursor::{Before, Types, head_of};
use super::diagnostic::{Diagnostic, Mark};
use super::docs::{Doc, Docs};
use super::lexer::{self, Kind, Token};
use super::source::Source;
use crate::options::{meant, nearest};

/// What a text can be checked against.
pub(super) struct Names<'a, T> {
    /// Our own functions, with their options.
    pub docs: &'a Docs,
    /// Every function that can be called.
    pub functions: &'a [String],
    /// Every variable in reach: one that holds a function can be called.
    pub variables: &'a [String],
    /// What the variables are.
    pub types: &'a T,
}

impl<T: Types> Names<'_, T> {
    /// The first call in `source`, from byte `from` on, that cannot be right.
    pub(super) fn check(&self, source: &Source, from: usize) -> Result<(), Diagnostic> {
        let text = source.text();
        let tokens: Vec<Token> = lexer::tokens(text).into_iter().filter(|token| token.kind != Kind::Comment).collect();
        let introduced = source.introduced();
        let word = |at: usize| tokens.get(at).map_or("", |token: &Token| &text[token.span.clone()]);
        for at in (0..tokens.len()).filter(|at| tokens[*at].kind == Kind::Name && word(at + 1) == "(") {
            let name = word(at);
            let before = if at == 0 { "" } else { word(at - 1) };
            if tokens[at].span.start < from || before == "fn" {
                continue;
            }
            if before == "::" {
                let of_module = at >= 2 && (at < 3 || word(at - 3) != "::");
                let module = of_module.then(|| source.functions_of(word(at - 2))).flatten();
                if let Some(functions) = module.filter(|functions| !functions.iter().any(|known| known == name)) {
                    return Err(at_token(unknown_of_module(word(at - 2), name, &functions), source, &tokens[at]));
                }
                continue;
            }
            let known =
                [self.functions, self.variables, &introduced].iter().any(|names| names.iter().any(|n| n == name));
            if !known {
                let owner = if matches!(before, "." | "?.") { self.owner(text, tokens[at].span.start) } else { None };
                let unknown = match owner.filter(|of| self.docs.members(of).next().is_some()) {
                    Some(of) => unknown_method(self.docs, &of, name),
                    None => self.unknown(name, matches!(before, "." | "?.")),
                };
                return Err(at_token(unknown, source, &tokens[at]));
            }
            self.check_options(source, &tokens[at..], before == ".")?;
        }
        Ok(())
    }

    /// The type of what stands before the dot in front of byte `at`.
    fn owner(&self, text: &str, at: usize) -> Option<String> {
        let before = Before::new(&text[..at]);
        let value = before.tokens().len().checked_sub(2)?;
        before.type_until(value, self.types, 0).map(|of| head_of(&of).to_owned())
    }

    fn unknown(&self, name: &str, is_method: bool) -> Diagnostic {
        if is_method && self.docs.named(name).next().is_some() {
            return Diagnostic::new(format!("`{name}` is a property and cannot be called"))
                .with_hint(format!("write `.{name}` without brackets"));
        }
        let own = self.docs.iter().filter(|doc| doc.of.is_empty() != is_method).map(|doc| doc.name);
        // Rhai's list of functions holds our methods too.
        let callable = |function: &&str| {
            let mut docs = self.docs.named(function).peekable();
            is_method || docs.peek().is_none() || docs.any(|doc| doc.of.is_empty())
        };
        let others = self.functions.iter().map(String::as_str).filter(callable);
        let meant = nearest(name, own.chain(others)).map(|near| format!("did you mean `{near}`?"));
        let hint = meant.unwrap_or_else(|| "`help` lists the functions there are".to_owned());
        Diagnostic::new(format!("unknown function `{name}`")).with_hint(hint)
    }

    /// Refuses an unknown option in a map that is written out as an argument of the call that `tokens` begins with.
    fn check_options(&self, source: &Source, tokens: &[Token], method: bool) -> Result<(), Diagnostic> {
        let text = source.text();
        let name = &text[tokens[0].span.clone()];
        let docs: Vec<&Doc> = self.docs.named(name).filter(|doc| doc.of.is_empty() != method).collect();
        let Some(fields) = docs.first().and_then(|doc| doc.options) else { return Ok(()) };
        if docs.len() > 1 {
            return Ok(()); // several types have a method of this name: only the value tells which it is
        }
        let mut depth = 0;
        for (at, token) in tokens.iter().enumerate().skip(1) {
            depth += lexer::nesting(text, token);
            if depth == 0 {
                break;
            }
            let key = text[token.span.clone()].trim_matches('"');
            let is_key = matches!(token.kind, Kind::Name | Kind::Text)
                && tokens.get(at + 1).is_some_and(|next| &text[next.span.clone()] == ":");
            if depth == 2 && is_key && inside_map(text, &tokens[..at]) && !fields().iter().any(|f| f.name == key) {
                let names = || fields().iter().map(|field| field.name);
                let hint = match meant(key, names()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("{name} takes {}", names().collect::<Vec<_>>().join(", ")),
                };
                let mut unknown = Diagnostic::new(format!("unknown option `{key}` for {name}")).with_hint(hint);
                unknown = at_token(unknown, source, token);
                unknown.calls.push(Mark { source: source.clone(), span: tokens[0].span.clone(), label: None });
                return Err(unknown);
            }
        }
        Ok(())
    }
}

fn at_token(mut unknown: Diagnostic, source: &Source, token: &Token) -> Diagnostic {
    unknown.mark = Some(Box::new(Mark { source: source.clone(), span: token.span.clone(), label: None }));
    unknown
}

/// That values of type `of` have no method `name`, and the nearest that they have.
pub(super) fn unknown_method(docs: &Docs, of: &str, name: &str) -> Diagnostic {
    let members = || docs.iter().filter(|doc| doc.of == of);
    if members().any(|doc| doc.name == name && doc.is_property()) {
        return Diagnostic::new(format!("`{name}` is a property and cannot be called"))
            .with_hint(format!("write `.{name}` without brackets"));
    }
    let unknown = Diagnostic::new(format!("{} has no method `{name}`", a_type(of)));
    let methods: Vec<&str> = members().filter(|doc| !doc.is_property()).map(|doc| doc.name).collect();
    match nearest(name, members().map(|doc| doc.name)) {
        Some(near) if methods.contains(&near) => unknown.with_hint(format!("did you mean `{near}`?")),
        Some(near) => unknown.with_hint(format!("did you mean the property `{near}`, without brackets?")),
        None if methods.is_empty() => unknown,
        None => unknown.with_hint(format!("it has {}", methods.join(", "))),
    }
}

/// That the module imported as `module` has no function `name`, and the nearest that it has.
pub(super) fn unknown_of_module(module: &str, name: &str, functions: &[String]) -> Diagnostic {
    let unknown = Diagnostic::new(format!("the module `{module}` has no function `{name}`"));
    match nearest(name, functions.iter().map(String::as_str)) {
        Some(near) => unknown.with_hint(format!("did you mean `{module}::{near}`?")),
        None if functions.is_empty() => unknown,
        None => unknown.with_hint(format!("it has {}", functions.join(", "))),
    }
}

/// Whether the innermost bracket left open by `tokens` is a map's.
fn inside_map(text: &str, tokens: &[Token]) -> bool {
    let mut closed = 0;
    for token in tokens.iter().rev() {
        match lexer::nesting(text, token) {
            1 if closed == 0 => return &text[token.span.clone()] == "#{",
            change => closed -= change,
        }
    }
    false
}
