//! The text that an error points into: a script's file, or everything typed at the prompt so far.

use std::ops::Range;
use std::path::Path;
use std::rc::Rc;

use rhai::Position;

use super::lexer::{self, Kind};

/// A named text. Clones share it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    name: Rc<str>,
    text: Rc<str>,
}

impl Source {
    /// The text of `name`: a path, or `prompt`.
    #[must_use]
    pub fn new(name: &str, text: &str) -> Self {
        Self { name: name.into(), text: text.into() }
    }

    /// What to call it in front of a line number.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// All of it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The bytes of the word at `position`, at most to the end of its line; None when the position is unknown.
    pub(super) fn word(&self, position: Position) -> Option<Range<usize>> {
        let at = self.offset(position)?;
        let rest = &self.text[at..];
        let word = lexer::tokens(&self.text).into_iter().find(|token| token.span.contains(&at));
        let end = word.map_or(at + rest.chars().next().map_or(0, char::len_utf8), |token| token.span.end);
        let line_end = at + rest.find('\n').unwrap_or(rest.len());
        Some(at..end.min(line_end).max(at))
    }

    /// The bytes of the name of option `key` inside the call whose name is at `position`.
    ///
    /// The nearest such option counts: `sashimi(#{ ff: 2 })` inside another call's brackets is its own call.
    pub(super) fn option(&self, position: Position, key: &str) -> Option<Range<usize>> {
        let at = self.offset(position)?;
        let tokens = lexer::tokens(&self.text);
        let mut found: Option<(i64, Range<usize>)> = None;
        let mut depth = 0;
        let call = tokens.iter().filter(|token| token.kind != Kind::Comment).skip_while(|token| token.span.start < at);
        let mut call = call.peekable();
        while let Some(token) = call.next() {
            depth += lexer::nesting(&self.text, token);
            let word = &self.text[token.span.clone()];
            if depth == 0 && word == ")" || depth < 0 || (depth == 0 && word == ";") {
                break;
            }
            let names = word == key || word.trim_matches('"') == key;
            let is_key = names && call.peek().is_some_and(|next| &self.text[next.span.clone()] == ":");
            if is_key && found.as_ref().is_none_or(|(level, _)| depth < *level) {
                found = Some((depth, token.span.clone()));
            }
        }
        found.map(|(_, span)| span)
    }

    /// The names that the text itself introduces: variables, constants, functions' parameters.
    pub(super) fn introduced(&self) -> Vec<String> {
        let tokens = lexer::tokens(&self.text);
        let word = |token: &lexer::Token| &self.text[token.span.clone()];
        tokens
            .windows(2)
            .filter(|pair| matches!(word(&pair[0]), "let" | "const" | "for" | "fn" | "as"))
            .filter(|pair| pair[1].kind == Kind::Name)
            .map(|pair| word(&pair[1]).to_owned())
            .collect()
    }

    /// The file of the module that is imported as `path`, looked for where Rhai looks: beside this one.
    pub(super) fn module(&self, path: &str) -> Option<Self> {
        let beside = Path::new(self.name()).parent().unwrap_or(Path::new(""));
        let file = beside.join(path).with_extension("rhai"); // as Rhai does: what follows a dot is taken for an extension
        let text = std::fs::read_to_string(&file).ok()?;
        Some(Self::new(&file.display().to_string(), &text))
    }

    /// The functions of the module that the text imports as `name`, where its file is found.
    pub(super) fn functions_of(&self, name: &str) -> Option<Vec<String>> {
        let tokens = lexer::tokens(&self.text);
        let word = |at: usize| tokens.get(at).map_or("", |token: &lexer::Token| &self.text[token.span.clone()]);
        let mut imports =
            (0..tokens.len()).filter(|at| word(*at) == "import" && word(at + 2) == "as" && word(at + 3) == name);
        let import = imports.next()?;
        if imports.any(|other| word(other + 1) != word(import + 1)) {
            return None; // which of them is meant depends on where one stands
        }
        let module = self.module(word(import + 1).strip_prefix('"')?.strip_suffix('"')?)?;
        let tokens = lexer::tokens(&module.text);
        let word = |at: usize| tokens.get(at).map_or("", |token: &lexer::Token| &module.text[token.span.clone()]);
        let public = (0..tokens.len()).filter(|at| word(*at) == "fn" && (*at == 0 || word(at - 1) != "private"));
        Some(public.map(|at| word(at + 1).to_owned()).collect())
    }

    /// The tokens around `position`: what stands before it, nearest first, and the word there.
    pub(super) fn words_before(&self, position: Position) -> Vec<&str> {
        let Some(at) = self.offset(position) else { return Vec::new() };
        let tokens = lexer::tokens(&self.text).into_iter().filter(|token| token.kind != Kind::Comment);
        let mut words: Vec<&str> =
            tokens.take_while(|token| token.span.start <= at).map(|token| &self.text[token.span]).collect();
        words.reverse();
        words
    }

    /// The call, and the option, where `position` lies at an option that was written as `f(option: 4)` or `f({ option: 4 })`.
    pub(super) fn option_without_map(&self, position: Position) -> Option<(&str, &str)> {
        let at = self.offset(position)?;
        let mut tokens = lexer::tokens(&self.text);
        tokens.retain(|token| token.kind != Kind::Comment);
        let word = |at: usize| tokens.get(at).map_or("", |token| &self.text[token.span.clone()]);
        let found = tokens.iter().position(|token| token.span.contains(&at))?;
        let name = if word(found) == ":" { found.checked_sub(1)? } else { found };
        if tokens[name].kind != Kind::Name || word(name + 1) != ":" {
            return None;
        }
        let mut depth = 0;
        let opens = |at: &usize| {
            depth += lexer::nesting(&self.text, &tokens[*at]);
            depth > 0
        };
        let open = (0..name).rev().find(opens)?;
        let bracket = if word(open) == "{" { open.checked_sub(1)? } else { open };
        let callee = bracket.checked_sub(1).filter(|callee| tokens[*callee].kind == Kind::Name)?;
        let is_definition = callee.checked_sub(1).is_some_and(|before| word(before) == "fn");
        (word(bracket) == "(" && !is_definition).then(|| (word(callee), word(name)))
    }

    /// Whether `position` lies in the body of an `fn`.
    pub(super) fn is_in_function(&self, position: Position) -> bool {
        let Some(at) = self.offset(position) else { return false };
        let (mut depth, mut function) = (0, None);
        for token in lexer::tokens(&self.text).iter().take_while(|token| token.span.start < at) {
            let word = &self.text[token.span.clone()];
            depth += lexer::nesting(&self.text, token);
            match word {
                "fn" => function = Some(depth),
                "}" if function == Some(depth) => function = None,
                _ => {}
            }
        }
        function.is_some_and(|level| depth > level)
    }

    fn offset(&self, position: Position) -> Option<usize> {
        let (line, column) = (position.line()?, position.position()?);
        let start = line_start(&self.text, line)?;
        let rest = &self.text[start..];
        Some(rest.char_indices().nth(column - 1).map_or(self.text.len(), |(byte, _)| start + byte))
    }
}

/// Where line `line` (from 1) of `text` begins.
fn line_start(text: &str, line: usize) -> Option<usize> {
    match line {
        0 => None,
        1 => Some(0),
        _ => text.match_indices('\n').nth(line - 2).map(|(at, _)| at + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_by_line_and_column() {
        let source = Source::new("a", "let é = 1;\nprint(é + whole);");
        assert_eq!(source.word(Position::new(2, 11)).map(|s| source.text()[s].to_owned()).as_deref(), Some("whole"));
        assert_eq!(source.word(Position::new(9, 1)), None);
    }

    #[test]
    fn an_option_is_looked_for_in_its_own_call_and_no_further() {
        let text = "train(sashimi(#{ seed: 1 }), c, #{ steps: 2 }); f(#{ lr: 1 });";
        let source = Source::new("a", text);
        let find = |column, key| source.option(Position::new(1, column), key).map(|span| span.start);
        assert_eq!(find(1, "steps"), text.find("steps"));
        assert_eq!(find(7, "seed"), text.find("seed"));
        assert_eq!(find(7, "steps"), None, "belongs to the outer call");
        assert_eq!(find(1, "lr"), None, "belongs to the next call");
    }
}
