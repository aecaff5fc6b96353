//! What was typed at a prompt, as a script that does the same.

use std::collections::HashMap;
use std::ops::Range;

use super::lexer::{self, Kind, Token};

/// The inputs of a session that went well, in order.
#[derive(Debug, Default)]
pub(super) struct Transcript(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    text: String,
    /// Its value was shown, and the whole input is one expression.
    shown: bool,
}

impl Transcript {
    /// Keeps an input. `shown`: it is one expression whose value the prompt showed.
    pub(super) fn keep(&mut self, text: &str, shown: bool) {
        self.0.push(Entry { text: text.trim().to_owned(), shown });
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
            if entry.shown {
                script.push_str(&format!("print({});\n", text.trim_end_matches(';')));
            } else {
                script.push_str(text);
                script.push_str(if ends_itself(text) { "\n" } else { ";\n" });
            }
        }
        script
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
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
    fn a_function_is_told_by_name_and_number_of_parameters() {
        let names: Vec<String> = definitions("fn f(a, b) { if a { b } } private fn g() {} let h = |x| x;")
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(names, ["f/2", "g/0"]);
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
