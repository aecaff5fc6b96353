//! What stands around a cursor: the calls and maps that are open there, and the type of what a dot follows.

use super::docs::Docs;
use super::lexer::{self, Kind, Token};

/// The text before the cursor, as tokens without comments.
pub(super) struct Before<'a> {
    text: &'a str,
    tokens: Vec<Token>,
}

/// A bracket that is open at the cursor.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Open {
    /// `(`, `[`, `{` or `#{`.
    pub(super) bracket: String,
    /// For `(`: which token is the name of what is called.
    pub(super) callee: Option<usize>,
    /// How many arguments, elements or fields stand finished before the cursor.
    pub(super) finished: usize,
    /// Whether something of the next one has been typed.
    pub(super) begun: bool,
    /// For `#{`: the names that have been given.
    pub(super) keys: Vec<String>,
    /// For `#{`: the name whose value is being typed.
    pub(super) key: Option<String>,
}

/// What the types of an expression's parts can be asked of.
pub(super) trait Types {
    /// The documentation.
    fn docs(&self) -> &Docs;
    /// The type of a variable that lives already.
    fn variable(&self, name: &str) -> Option<String>;
}

impl<'a> Before<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let tokens = lexer::tokens(text).into_iter().filter(|token| token.kind != Kind::Comment).collect();
        Self { text, tokens }
    }

    pub(super) fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    pub(super) fn word(&self, at: usize) -> &'a str {
        self.tokens.get(at).map_or("", |token| &self.text[token.span.clone()])
    }

    fn kind(&self, at: usize) -> Option<Kind> {
        self.tokens.get(at).map(|token| token.kind)
    }

    /// The token that the cursor is at the end of, when it is a word being typed.
    pub(super) fn typing(&self) -> Option<usize> {
        let last = self.tokens.len().checked_sub(1)?;
        let token = &self.tokens[last];
        (token.span.end == self.text.len() && matches!(token.kind, Kind::Name | Kind::Keyword)).then_some(last)
    }

    /// The text that is open at the cursor.
    pub(super) fn open_text(&self) -> Option<usize> {
        let last = self.tokens.len().checked_sub(1)?;
        let token = &self.tokens[last];
        (token.kind == Kind::Text && !token.closed).then_some(last)
    }

    /// The brackets open at the cursor, the outermost first. Looks no further than token `end`.
    pub(super) fn open(&self, end: usize) -> Vec<Open> {
        let mut stack: Vec<Open> = Vec::new();
        for at in 0..end.min(self.tokens.len()) {
            let word = self.word(at);
            match lexer::nesting(self.text, &self.tokens[at]) {
                1 => {
                    if let Some(outer) = stack.last_mut() {
                        outer.begun = true;
                    }
                    let named =
                        at.checked_sub(1).filter(|before| word == "(" && self.kind(*before) == Some(Kind::Name));
                    stack.push(Open { bracket: word.to_owned(), callee: named, ..Open::default() });
                }
                -1 => drop(stack.pop()),
                _ => match stack.last_mut() {
                    Some(open) if word == "," => {
                        open.finished += 1;
                        (open.begun, open.key) = (false, None);
                    }
                    Some(open) if word == ":" && open.bracket == "#{" && open.key.is_none() && at > 0 => {
                        let key = self.word(at - 1).trim_matches('"').to_owned();
                        open.keys.push(key.clone());
                        (open.key, open.begun) = (Some(key), false);
                    }
                    Some(open) => open.begun = true,
                    None => {}
                },
            }
        }
        stack
    }

    /// The type whose method or property the name in token `at` is; empty for a function. None where it cannot be told.
    pub(super) fn owner(&self, at: usize, types: &impl Types) -> Option<String> {
        match at.checked_sub(1).map(|before| self.word(before)) {
            Some("." | "?.") => self.type_until(at.checked_sub(2)?, types, 0),
            _ => Some(String::new()),
        }
    }

    /// The type of the expression that ends with token `at`.
    pub(super) fn type_until(&self, at: usize, types: &impl Types, depth: usize) -> Option<String> {
        /// Expressions nest no deeper than this at a prompt.
        const DEEPEST: usize = 32;
        if depth > DEEPEST {
            return None;
        }
        match (self.kind(at)?, self.word(at)) {
            (Kind::Text, _) => Some("text".to_owned()),
            (Kind::Number, number) => Some(if number.contains('.') { "real" } else { "integer" }.to_owned()),
            (Kind::Symbol, ")") => self.type_of_call(self.opening(at)?, types, depth),
            (Kind::Symbol, "]") => {
                let before = self.opening(at)?.checked_sub(1);
                let indexed =
                    before.filter(|b| matches!(self.kind(*b), Some(Kind::Name)) || matches!(self.word(*b), ")" | "]"));
                match indexed {
                    None => Some("array".to_owned()),
                    Some(base) => match self.type_until(base, types, depth + 1)?.as_str() {
                        "Takes" => Some("Take".to_owned()),
                        "text" => Some("text".to_owned()),
                        _ => None,
                    },
                }
            }
            (Kind::Symbol, "}") => (self.word(self.opening(at)?) == "#{").then(|| "map".to_owned()),
            (Kind::Name, name) => match self.owner(at, types)?.as_str() {
                "" => types.variable(name).or_else(|| self.introduced(name, at, types, depth)),
                of => types.docs().find(of, name)?.returns().map(str::to_owned),
            },
            _ => None,
        }
    }

    fn type_of_call(&self, open: usize, types: &impl Types, depth: usize) -> Option<String> {
        let callee = open.checked_sub(1)?;
        if self.kind(callee) != Some(Kind::Name) {
            return None;
        }
        let owner = match callee.checked_sub(1).map(|before| self.word(before)) {
            Some("." | "?.") => self.type_until(callee.checked_sub(2)?, types, depth + 1)?,
            _ => String::new(),
        };
        types.docs().find(&owner, self.word(callee))?.returns().map(str::to_owned)
    }

    /// The type of a variable that the text itself introduces before token `before`: `let run = train(…);`.
    fn introduced(&self, name: &str, before: usize, types: &impl Types, depth: usize) -> Option<String> {
        let is_let = |at: &usize| {
            matches!(self.word(*at), "let" | "const") && self.word(at + 1) == name && self.word(at + 2) == "="
        };
        let start = (0..before.checked_sub(3)?).rev().find(is_let)?;
        let end = (start + 3..before).find(|at| self.word(*at) == ";")?;
        self.type_until(end - 1, types, depth + 1)
    }

    /// The token that opens the bracket which token `close` closes.
    fn opening(&self, close: usize) -> Option<usize> {
        let mut depth = 0;
        (0..=close).rev().find(|at| {
            depth -= lexer::nesting(self.text, &self.tokens[*at]);
            depth == 0
        })
    }
}

/// An argument as a signature names it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Argument {
    /// `corpus`, `#{ … }`, `[block, …]`.
    pub(super) text: String,
    /// It may be left out.
    pub(super) optional: bool,
}

/// The arguments of a signature, one by one, without the brackets that mean "may be left out":
/// `factor[, #{ … }], inner` is `factor`, `#{ … }`, `inner`.
pub(super) fn arguments(text: &str) -> Vec<Argument> {
    let chars: Vec<char> = text.chars().collect();
    let mut parts = vec![Argument::default()];
    let mut stack: Vec<bool> = Vec::new(); // true: a bracket of the language, false: "may be left out"
    for (at, c) in chars.iter().enumerate() {
        let inside = stack.iter().any(|real| *real);
        let mut kept = true;
        match c {
            '[' => {
                kept = inside || !is_optional(&chars[at..]);
                stack.push(kept);
            }
            '(' | '{' => stack.push(true),
            ']' | ')' | '}' => kept = stack.pop() != Some(false),
            ',' if !inside => {
                parts.push(Argument { optional: !stack.is_empty(), ..Argument::default() });
                continue;
            }
            _ => {}
        }
        if let Some(part) = parts.last_mut().filter(|_| kept) {
            part.text.push(*c);
        }
        if let Some(part) = parts.last_mut().filter(|part| !kept && *c == '[' && part.text.trim().is_empty()) {
            part.optional = true;
        }
    }
    for part in &mut parts {
        part.text = part.text.trim().to_owned();
    }
    parts.retain(|part| !part.text.is_empty());
    parts
}

/// Whether the bracket that `rest` begins with means "may be left out", and not an array: `[, steps]`, `[steps]`.
fn is_optional(rest: &[char]) -> bool {
    let mut depth = 0;
    let mut inside = String::new();
    for c in rest {
        match c {
            '[' => depth += 1,
            ']' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        inside.push(*c);
    }
    let inside = &inside[1.min(inside.len())..];
    let own = inside.trim_start();
    own.starts_with(',') || own.starts_with("#{") || !inside.replace("[,", "").contains([',', '…', '['])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_brackets_around_a_cursor_are_known_with_what_was_typed_in_them() {
        let before = Before::new("train(net, music, #{ steps: 3, lr: ");
        let open = before.open(usize::MAX);
        assert_eq!(open.len(), 2);
        assert_eq!((open[0].callee, open[0].finished), (Some(0), 2));
        assert_eq!(
            (open[1].keys.clone(), open[1].key.as_deref()),
            (vec!["steps".to_owned(), "lr".to_owned()], Some("lr"))
        );
        assert_eq!(Before::new("f(g(1), [2, 3], ").open(usize::MAX)[0].finished, 2);
        assert!(Before::new("f(1)").open(usize::MAX).is_empty());
    }

    #[test]
    fn the_arguments_of_a_signature_are_told_apart() {
        let of = |text| arguments(text).into_iter().map(|argument| argument.text).collect::<Vec<_>>();
        assert_eq!(of("model, corpus[, #{ … }]"), ["model", "corpus", "#{ … }"]);
        assert_eq!(of("factor[, #{ … }], inner"), ["factor", "#{ … }", "inner"]);
        assert_eq!(of("[[label, xs, ys], …], x_label"), ["[[label, xs, ys], …]", "x_label"]);
        assert_eq!(of("[floor[, steps]]"), ["floor", "steps"]);
        assert_eq!(of("n, [block, …]"), ["n", "[block, …]"]);
        assert_eq!(of("[#{ … }]"), ["#{ … }"]);
        assert!(of("").is_empty());
        let optional = |text| arguments(text).into_iter().map(|argument| argument.optional).collect::<Vec<_>>();
        assert_eq!(optional("factor[, #{ … }], inner"), [false, true, false]);
        assert_eq!(optional("[floor[, steps]]"), [true, true]);
        assert_eq!(optional("n, [block, …]"), [false, false]);
    }
}
