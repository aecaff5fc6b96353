//! What stands around a cursor: the calls and maps that are open there, and the type of what a dot follows.

use super::bound::Binding;
use super::docs::{Doc, Docs};
use super::lexer::{self, Kind, Token};
use crate::options::Field;

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
    /// The type of a variable that lives already; of an array with what it holds, `array of Run`, where that is known.
    fn variable(&self, name: &str) -> Option<String>;
    /// The columns of a frame, or of a run's metrics, that lives already under `name`.
    fn columns(&self, name: &str) -> Option<Vec<String>>;
}

/// Methods of a frame whose result has the columns of the frame.
const KEEP_COLUMNS: &[&str] =
    &["filter", "sort", "head", "tail", "slice", "unique", "with_column", "drop", "vstack", "group_by"];

/// The type itself: `array` of `array of Run`.
pub(super) fn head_of(kind: &str) -> &str {
    kind.split(" of ").next().unwrap_or(kind)
}

/// What a value of this type holds, where its type tells.
fn element_of(kind: &str) -> Option<String> {
    match kind {
        "Takes" => Some("Take".to_owned()),
        _ => kind.strip_prefix("array of ").map(str::to_owned),
    }
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

    pub(super) fn kind(&self, at: usize) -> Option<Kind> {
        self.tokens.get(at).map(|token| token.kind)
    }

    /// +1 where token `at` opens a bracket, −1 where it closes one.
    pub(super) fn nesting(&self, at: usize) -> i64 {
        self.tokens.get(at).map_or(0, |token| lexer::nesting(self.text, token))
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
            Some("." | "?.") => self.type_until(at.checked_sub(2)?, types, 0).map(|kind| head_of(&kind).to_owned()),
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
            (Kind::Symbol, ")") => self.type_of_call(self.opening(at)?, at, types, depth),
            (Kind::Symbol, "]") => self.type_of_brackets(self.opening(at)?, types, depth),
            (Kind::Symbol, "}") => (self.word(self.opening(at)?) == "#{").then(|| "map".to_owned()),
            (Kind::Name, name) => match self.owner(at, types)?.as_str() {
                "" => self.type_of_variable(name, at, types, depth + 1),
                of => types.docs().find(of, name)?.returns().map(str::to_owned),
            },
            _ => None,
        }
    }

    fn type_of_variable(&self, name: &str, at: usize, types: &impl Types, depth: usize) -> Option<String> {
        match self.binding(name, at) {
            None => types.variable(name),
            Some(Binding::Value(end)) => self.type_until(end, types, depth),
            Some(Binding::Element(end)) => element_of(&self.type_until(end, types, depth)?),
            Some(Binding::Count) => Some("integer".to_owned()),
            Some(Binding::Parameter { bar, place }) => self.type_of_parameter(bar, place, types, depth),
            Some(Binding::Unknown) => None,
        }
    }

    /// Of an array written out, or of an element: `[` is token `open`.
    fn type_of_brackets(&self, open: usize, types: &impl Types, depth: usize) -> Option<String> {
        let indexed =
            open.checked_sub(1).filter(|b| self.kind(*b) == Some(Kind::Name) || matches!(self.word(*b), ")" | "]"));
        if let Some(base) = indexed {
            return element_of(&self.type_until(base, types, depth + 1)?);
        }
        let first = self.end_of_first(open).and_then(|end| self.type_until(end, types, depth + 1));
        Some(first.map_or_else(|| "array".to_owned(), |first| format!("array of {first}")))
    }

    /// The last token of the first element or argument after the bracket of token `open`.
    pub(super) fn end_of_first(&self, open: usize) -> Option<usize> {
        let mut depth = 0;
        let after = (open + 1..self.tokens.len()).find(|at| {
            depth += self.nesting(*at);
            depth < 0 || (depth == 0 && self.word(*at) == ",")
        });
        let end = after.unwrap_or(self.tokens.len()) - 1;
        (end > open).then_some(end)
    }

    /// Of the call, or the expression in brackets, from token `open` to token `close`.
    fn type_of_call(&self, open: usize, close: usize, types: &impl Types, depth: usize) -> Option<String> {
        let callee = open.checked_sub(1).filter(|callee| self.kind(*callee) == Some(Kind::Name));
        let Some(callee) = callee else { return self.type_until(close.checked_sub(1)?, types, depth + 1) };
        let name = self.word(callee);
        let owner = match callee.checked_sub(1).map(|before| self.word(before)) {
            Some("." | "?.") => self.type_until(callee.checked_sub(2)?, types, depth + 1)?,
            _ => String::new(),
        };
        match (head_of(&owner), name) {
            ("array", "filter" | "drain" | "splice" | "extract") => Some(owner),
            ("array", "find" | "pop" | "shift" | "remove") => element_of(&owner),
            // What the closure comes to.
            ("array", "map") => Some(match self.type_until(close.checked_sub(1)?, types, depth + 1) {
                Some(element) => format!("array of {element}"),
                None => "array".to_owned(),
            }),
            ("map", "keys") => Some("array of text".to_owned()),
            (of, _) => types.docs().find(of, name)?.returns().map(str::to_owned),
        }
    }

    /// Of parameter `place` of the closure whose parameters begin with token `bar`: what it is handed.
    fn type_of_parameter(&self, bar: usize, place: usize, types: &impl Types, depth: usize) -> Option<String> {
        let open = self.open(bar);
        if let Some((fields, map)) = self.fields_at(&open, types)
            && let Some(key) = &map.key
        {
            let field = fields.iter().find(|field| field.name == key).filter(|_| place == 0)?;
            return handed(field, types.docs());
        }
        let callee = open.last()?.callee?;
        let owner = self.type_until(callee.checked_sub(2)?, types, depth + 1)?;
        match (self.word(callee), place) {
            ("reduce" | "reduce_rev", 0) => None,
            ("reduce" | "reduce_rev", 1) | ("sort" | "dedup", _) | (_, 0) => element_of(&owner),
            _ => Some("integer".to_owned()),
        }
    }

    /// The columns of the frame, or of the run, that the expression which ends with token `at` comes to.
    pub(super) fn columns_until(&self, at: usize, types: &impl Types) -> Option<Vec<String>> {
        let follows = at.checked_sub(1).map_or("", |before| self.word(before));
        if self.kind(at) == Some(Kind::Name) && !matches!(follows, "." | "?.") {
            return match self.binding(self.word(at), at) {
                Some(Binding::Value(end)) => self.columns_until(end, types),
                Some(_) => None,
                None => types.columns(self.word(at)),
            };
        }
        let open = self.opening(at).filter(|_| self.word(at) == ")")?;
        let callee = open.checked_sub(1)?;
        match (callee.checked_sub(1).map_or("", |before| self.word(before)), self.word(callee)) {
            (".", "frame") => self.columns_until(callee.checked_sub(2)?, types),
            (".", name) if KEEP_COLUMNS.contains(&name) => self.columns_until(callee.checked_sub(2)?, types),
            (_, "table") if self.word(open + 1) == "[" => {
                let names = (open + 2..self.end_of_first(open)?).filter(|at| self.kind(*at) == Some(Kind::Text));
                Some(names.map(|at| self.word(at).trim_matches('"').to_owned()).collect())
            }
            _ => None,
        }
    }

    /// The options of the call that the innermost open map is an argument of, and that map.
    pub(super) fn fields_at<'o>(&self, open: &'o [Open], types: &impl Types) -> Option<(&'static [Field], &'o Open)> {
        let [.., call, map] = open else { return None };
        if map.bracket != "#{" {
            return None;
        }
        let docs = self.called(call, types);
        Some((docs.iter().find_map(|doc| doc.options)?(), map))
    }

    /// What the bracket `call` may call; nothing where a method's owner is not known and several types have one.
    pub(super) fn called<'s>(&self, call: &Open, types: &'s impl Types) -> Vec<&'s Doc> {
        let Some(callee) = call.callee else { return Vec::new() };
        let name = self.word(callee);
        match self.owner(callee, types) {
            Some(of) => types.docs().named(name).filter(|doc| doc.of == head_of(&of)).collect(),
            None => {
                let methods: Vec<&Doc> = types.docs().named(name).filter(|doc| !doc.of.is_empty()).collect();
                let one = methods.iter().all(|doc| doc.of == methods[0].of);
                if one { methods } else { Vec::new() }
            }
        }
    }

    /// The token that opens the bracket which token `close` closes.
    pub(super) fn opening(&self, close: usize) -> Option<usize> {
        let mut depth = 0;
        (0..=close).rev().find(|at| {
            depth -= lexer::nesting(self.text, &self.tokens[*at]);
            depth == 0
        })
    }
}

/// The type that a function given as this option is handed: its text says `with a Step`.
fn handed(field: &Field, docs: &Docs) -> Option<String> {
    let about = field.about();
    let after = about.split("with a ").skip(1).chain(about.split("with an ").skip(1));
    let word = |rest: &str| rest.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned();
    after.map(word).find(|word| docs.members(word).next().is_some())
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
