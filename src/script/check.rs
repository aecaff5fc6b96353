//! Mistakes that can be seen before anything runs: a call of a function that does not exist, an option that its function
//! does not take. A misspelt name on the last line is then found before the two minutes of training, not after.

use super::diagnostic::{Diagnostic, Mark};
use super::docs::{Doc, Docs};
use super::lexer::{self, Kind, Token};
use super::source::Source;
use crate::options::nearest;

/// What a text can be checked against.
pub(super) struct Names<'a> {
    /// Our own functions, with their options.
    pub docs: &'a Docs,
    /// Every function that can be called.
    pub functions: &'a [String],
    /// Every variable in reach: one that holds a function can be called.
    pub variables: &'a [String],
}

impl Names<'_> {
    /// The first call in `source`, from byte `from` on, that cannot be right.
    pub(super) fn check(&self, source: &Source, from: usize) -> Result<(), Diagnostic> {
        let text = source.text();
        let tokens: Vec<Token> = lexer::tokens(text).into_iter().filter(|token| token.kind != Kind::Comment).collect();
        let introduced = source.introduced();
        let word = |at: usize| tokens.get(at).map_or("", |token: &Token| &text[token.span.clone()]);
        for at in (0..tokens.len()).filter(|at| tokens[*at].kind == Kind::Name && word(at + 1) == "(") {
            let name = word(at);
            let before = if at == 0 { "" } else { word(at - 1) };
            if tokens[at].span.start < from || matches!(before, "fn" | "::") {
                continue;
            }
            let known =
                [self.functions, self.variables, &introduced].iter().any(|names| names.iter().any(|n| n == name));
            if !known {
                return Err(self.unknown(source, &tokens[at], name));
            }
            self.check_options(source, &tokens[at..], before == ".")?;
        }
        Ok(())
    }

    fn unknown(&self, source: &Source, token: &Token, name: &str) -> Diagnostic {
        let names = self.docs.iter().map(|doc| doc.name).chain(self.functions.iter().map(String::as_str));
        let mut unknown = match self.docs.named(name).next() {
            Some(_) => Diagnostic::new(format!("`{name}` is a property and cannot be called"))
                .with_hint(format!("write `.{name}` without brackets")),
            None => {
                let meant = nearest(name, names).map(|near| format!("did you mean `{near}`?"));
                let hint = meant.unwrap_or_else(|| "`help` lists the functions there are".to_owned());
                Diagnostic::new(format!("unknown function `{name}`")).with_hint(hint)
            }
        };
        unknown.mark = Some(Box::new(Mark { source: source.clone(), span: token.span.clone(), label: None }));
        unknown
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
                let hint = match nearest(key, names()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("{name} takes {}", names().collect::<Vec<_>>().join(", ")),
                };
                let mut unknown = Diagnostic::new(format!("unknown option `{key}` for {name}")).with_hint(hint);
                unknown.mark = Some(Box::new(Mark { source: source.clone(), span: token.span.clone(), label: None }));
                unknown.calls.push(Mark { source: source.clone(), span: tokens[0].span.clone(), label: None });
                return Err(unknown);
            }
        }
        Ok(())
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
