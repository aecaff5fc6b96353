//! What was typed at a prompt, as a script that does the same.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

use super::lexer::{self, Kind, Token};

/// The name under which the prompt keeps the last value that it showed; `_` stands for it.
pub(super) const LAST_VALUE: &str = "last_value";

/// The inputs of a session that went well, in order.
#[derive(Debug, Default)]
pub(super) struct Transcript(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    text: String,
    kind: Kept,
}

#[derive(Debug, PartialEq, Eq)]
enum Kept {
    /// As it was typed.
    Typed,
    /// Its value was shown, and the whole input is one expression.
    Shown,
    /// It introduces this variable, which later inputs may use or not.
    IfUsed(&'static str),
}

impl Transcript {
    /// Keeps an input. `shown`: it is one expression whose value the prompt showed.
    pub(super) fn keep(&mut self, text: &str, shown: bool) {
        self.0.push(Entry { text: text.trim().to_owned(), kind: if shown { Kept::Shown } else { Kept::Typed } });
    }

    /// Keeps what introduces `name`, for the case that a later input uses it.
    pub(super) fn keep_if_used(&mut self, name: &'static str, text: &str) {
        self.0.push(Entry { text: text.to_owned(), kind: Kept::IfUsed(name) });
    }

    /// Whether an input after `at` uses `name` as it is there, before another of that kind gives it anew.
    fn is_used(&self, name: &str, at: usize) -> bool {
        let later = self.0.iter().skip(at + 1);
        for entry in later {
            if entry.kind == self.0[at].kind && entry.kind != Kept::Shown {
                return false;
            }
            if uses(&entry.text, name) {
                return true;
            }
            if entry.kind == Kept::Shown && self.0[at].kind == Kept::Shown {
                return false;
            }
        }
        false
    }

    /// All of it as a script: values that were shown are printed, and of a function defined anew only the last stays.
    pub(super) fn script(&self) -> String {
        let mut last: HashMap<String, usize> = HashMap::new();
        for (at, entry) in self.0.iter().enumerate() {
            last.extend(definitions(&entry.text).into_iter().map(|(name, _)| (name, at)));
        }
        let mut script = String::new();
        for (at, entry) in self.0.iter().enumerate() {
            let mut text = entry.text.clone();
            for (name, span) in definitions(&entry.text).into_iter().rev() {
                if last.get(&name) != Some(&at) {
                    text.replace_range(span, "");
                }
            }
            let text = text.trim();
            if text.is_empty() {
                continue;
            }
            match entry.kind {
                Kept::IfUsed(name) if !self.is_used(name, at) => {}
                Kept::Shown if self.is_used(LAST_VALUE, at) => {
                    let (value, end) = (text.trim_end_matches(';'), line_end(text));
                    script.push_str(&format!("let {LAST_VALUE} = {value}{end};\nprint({LAST_VALUE});\n"));
                }
                // A comment at its end must not swallow the bracket.
                Kept::Shown => script.push_str(&format!("print({}{});\n", text.trim_end_matches(';'), line_end(text))),
                Kept::Typed | Kept::IfUsed(_) => {
                    script.push_str(text);
                    script.push_str(if ends_itself(text) { "\n" } else { ";\n" });
                }
            }
        }
        script
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn uses(text: &str, name: &str) -> bool {
    lexer::tokens(text).iter().any(|token| token.kind == Kind::Name && &text[token.span.clone()] == name)
}

/// `line` parted before its last statement.
pub(super) fn last_statement(line: &str) -> (&str, &str) {
    let tokens = lexer::tokens(line);
    let (mut depth, mut from) = (0, 0);
    for (at, token) in tokens.iter().enumerate() {
        depth += lexer::nesting(line, token);
        let more = tokens[at + 1..].iter().any(|token| token.kind != Kind::Comment);
        if depth == 0 && more && &line[token.span.clone()] == ";" {
            from = token.span.end;
        }
    }
    line.split_at(from)
}

/// `line` with [`LAST_VALUE`] for each `_`, in texts with values in them too; except where it is the rest of a `switch`, or a
/// name that is introduced and never used.
pub(super) fn with_last_value(line: &str) -> String {
    let tokens = lexer::tokens(line);
    let mut text = line.to_owned();
    for (at, token) in tokens.iter().enumerate().rev() {
        let word = |at: usize| tokens.get(at).map_or("", |token| &line[token.span.clone()]);
        let (before, next) = (at.checked_sub(1).map_or("", word), word(at + 1));
        let introduced = matches!(before, "let" | "const" | "for" | "|") || matches!(next, "=>" | "if" | "|" | "=");
        if word(at) == "_" && token.kind == Kind::Name && !introduced {
            text.replace_range(token.span.clone(), LAST_VALUE);
        } else if word(at).starts_with('`') {
            text.replace_range(token.span.clone(), &with_values(word(at)));
        }
    }
    text
}

/// A text with values in it, those rewritten as [`with_last_value`] does.
fn with_values(text: &str) -> String {
    let mut parts = text.split("${");
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (value, rest) = part.split_once('}').unwrap_or((part, ""));
        let closed = if part.contains('}') { "}" } else { "" };
        whole.push_str(&format!("${{{}{closed}{rest}", with_last_value(value)));
    }
    whole
}

/// A new line where `text` ends in a comment that would go on.
fn line_end(text: &str) -> &'static str {
    let last = lexer::tokens(text).pop();
    if last.is_some_and(|last| last.kind == Kind::Comment && text[last.span].starts_with("//")) { "\n" } else { "" }
}

/// Whether another statement may follow as it stands: it ends in `;`, or is a function.
fn ends_itself(text: &str) -> bool {
    let tokens: Vec<Token> = lexer::tokens(text).into_iter().filter(|token| token.kind != Kind::Comment).collect();
    let Some(last) = tokens.last() else { return true };
    let function = definitions(text).last().is_some_and(|(_, span)| span.end == last.span.end);
    &text[last.span.clone()] == ";" || function
}

/// The functions that `text` defines at its outermost level: `name/arity`, and where.
fn definitions(text: &str) -> Vec<(String, Range<usize>)> {
    let tokens: Vec<Token> = lexer::tokens(text).into_iter().filter(|token| token.kind != Kind::Comment).collect();
    let word = |at: usize| tokens.get(at).map_or("", |token| &text[token.span.clone()]);
    let mut found = Vec::new();
    let (mut depth, mut begun): (i64, Option<(usize, String)>) = (0, None);
    for at in 0..tokens.len() {
        if depth == 0 && word(at) == "fn" {
            let start = if at > 0 && word(at - 1) == "private" { at - 1 } else { at };
            let close = (at..tokens.len()).find(|at| word(*at) == ")").unwrap_or(at);
            let parameters = (at + 2..close).filter(|at| tokens[*at].kind == Kind::Name).count();
            begun = Some((start, format!("{}/{parameters}", word(at + 1))));
        }
        depth += lexer::nesting(text, &tokens[at]);
        if depth == 0
            && word(at) == "}"
            && let Some((start, name)) = begun.take()
        {
            found.push((name, tokens[start].span.start..tokens[at].span.end));
        }
    }
    found
}

/// The `import` statements of `text` at its outermost level, without what follows them.
pub(super) fn imports(text: &str) -> Vec<&str> {
    let tokens = lexer::tokens(text);
    let mut found = Vec::new();
    let (mut depth, mut begun) = (0, None);
    for token in &tokens {
        let word = &text[token.span.clone()];
        match word {
            "import" if depth == 0 && token.kind == Kind::Keyword => begun = Some(token.span.start),
            ";" if depth == 0 => found.extend(begun.take().map(|start| &text[start..token.span.start])),
            _ => {}
        }
        depth += lexer::nesting(text, token);
    }
    found.extend(begun.map(|start| text[start..].trim_end()));
    found
}

/// `text` with the modules that it imports named from here, where it lies in `folder`.
pub(super) fn beside(text: &str, folder: &Path) -> String {
    let tokens = lexer::tokens(text);
    let mut moved = text.to_owned();
    for pair in tokens.windows(2).rev() {
        let span = pair[1].span.clone();
        let name = text[span.clone()].strip_prefix('"').and_then(|name| name.strip_suffix('"'));
        if let Some(name) = name.filter(|_| &text[pair[0].span.clone()] == "import" && pair[0].kind == Kind::Keyword) {
            moved.replace_range(span, &format!("{:?}", folder.join(name).display().to_string()));
        }
    }
    moved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transcript_is_a_script_with_its_values_printed() {
        let mut typed = Transcript::default();
        typed.keep("let a = 40", false);
        typed.keep("fn add(x) { x + 1 }", false);
        typed.keep("let b = #{ n: 1 }", false);
        typed.keep("fn add(x) { x + 2 } // better", false);
        typed.keep("add(a)", true);
        assert_eq!(typed.script(), "let a = 40;\nlet b = #{ n: 1 };\nfn add(x) { x + 2 } // better\nprint(add(a));\n");
    }

    #[test]
    fn what_an_interrupt_left_and_what_was_shown_are_named_where_they_are_used() {
        let mut typed = Transcript::default();
        typed.keep_if_used("last_run", "let last_run = load_run(\"a\")");
        typed.keep_if_used("last_run", "let last_run = load_run(\"b\")");
        typed.keep("last_run.steps", true);
        typed.keep("last_value + 1", true);
        typed.keep_if_used("last_run", "let last_run = load_run(\"c\")");
        let lines = [
            "let last_run = load_run(\"b\");",
            "let last_value = last_run.steps;",
            "print(last_value);",
            "print(last_value + 1);\n",
        ];
        assert_eq!(typed.script(), lines.join("\n"));
        assert_eq!(with_last_value("_ + f(_)"), "last_value + f(last_value)");
        for kept in ["switch a { _ => a_b }", "let _ = 4", "for _ in 0..3 { }", "xs.map(|_| 1)", "a_b + __"] {
            assert_eq!(with_last_value(kept), kept);
        }
        assert_eq!(with_last_value("`${_} of ${n + _}`"), "`${last_value} of ${n + last_value}`");
        assert_eq!(last_statement("let a = #{ b: 1 }; a.b + 1 // two"), ("let a = #{ b: 1 };", " a.b + 1 // two"));
        assert_eq!(last_statement("f(1); "), ("", "f(1); "));
    }

    #[test]
    fn a_function_is_told_by_name_and_number_of_parameters() {
        let names: Vec<String> = definitions("fn f(a, b) { if a { b } } private fn g() {} let h = |x| x;")
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(names, ["f/2", "g/0"]);
    }

    #[test]
    fn a_comment_behind_a_shown_value_leaves_the_bracket_and_modules_lie_beside_their_script() {
        let mut typed = Transcript::default();
        typed.keep("3 + 4 // seven", true);
        assert_eq!(typed.script(), "print(3 + 4 // seven\n);\n");
        let text = "import \"lib/nets\" as nets; print(\"import\");";
        assert_eq!(beside(text, Path::new("my")), "import \"my/lib/nets\" as nets; print(\"import\");");
    }

    #[test]
    fn imports_are_found_at_the_outermost_level() {
        assert_eq!(
            imports("import \"a\" as a; let x = 1; import \"b;c\" as b"),
            ["import \"a\" as a", "import \"b;c\" as b"]
        );
        assert!(imports("fn f() { import \"a\" as a; }").is_empty());
    }
}
