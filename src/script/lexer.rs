//! A script's text as tokens, with where each begins and ends: just enough to put a caret under the right word, to find
//! an option inside a call, to see whether a line is finished, and to colour it.
//!
//! Rhai's own tokenizer reports only where a token begins. This one never fails: what it does not know is a symbol.

use std::ops::Range;

/// What a piece of a script is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A name: variable, function, option.
    Name,
    /// A word of the language: `let`, `fn`, `for`.
    Keyword,
    /// An integer or a real.
    Number,
    /// Text or a character, with its quotes.
    Text,
    /// A comment.
    Comment,
    /// An operator, bracket or separator.
    Symbol,
}

/// A piece of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// Its bytes.
    pub span: Range<usize>,
    /// Whether its end was found: false for text or a comment that runs to the end of the script.
    pub closed: bool,
}

const KEYWORDS: &[&str] = &[
    "let", "const", "fn", "if", "else", "switch", "while", "loop", "do", "until", "for", "in", "continue", "break",
    "return", "throw", "try", "catch", "import", "export", "as", "private", "global", "this", "true", "false",
];

const SYMBOLS: &[&str] = &[
    "<<=", ">>=", "**=", "..=", "#{", "**", "+=", "-=", "*=", "/=", "%=", "==", "!=", "<=", ">=", "&&", "||", "??",
    "?.", "::", "=>", "<<", ">>", "..", "&=", "|=", "^=",
];

/// The words of the language itself.
#[must_use]
pub fn keywords() -> &'static [&'static str] {
    KEYWORDS
}

/// Every token of `text`, comments included, in order.
#[must_use]
pub fn tokens(text: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        }
        let (kind, length, closed) = token(&text[at..], first);
        found.push(Token { kind, span: at..at + length, closed });
        at += length;
    }
    found
}

/// The kind, the length in bytes and the completeness of the token that `rest` begins with.
fn token(rest: &str, first: char) -> (Kind, usize, bool) {
    if rest.starts_with("//") {
        return (Kind::Comment, rest.find('\n').unwrap_or(rest.len()), true);
    }
    if rest.starts_with("/*") {
        let (length, closed) = block_comment(rest);
        return (Kind::Comment, length, closed);
    }
    if let Some((length, closed)) = quoted(rest, first) {
        return (Kind::Text, length, closed);
    }
    if first.is_alphabetic() || first == '_' {
        let length = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let kind = if KEYWORDS.contains(&&rest[..length]) { Kind::Keyword } else { Kind::Name };
        return (kind, length, true);
    }
    if first.is_ascii_digit() {
        return (Kind::Number, number(rest), true);
    }
    let length = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)).map_or(first.len_utf8(), |s| s.len());
    (Kind::Symbol, length, true)
}

/// `12`, `0xff`, `1_000`, `1.5e-3`; `1..3` is the number `1` and a range.
fn number(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        let fraction = byte == b'.' && bytes.get(at + 1).is_some_and(u8::is_ascii_digit);
        let exponent_sign = matches!(byte, b'+' | b'-') && at > 0 && matches!(bytes[at - 1], b'e' | b'E');
        let hexadecimal = rest.starts_with("0x");
        if !(byte.is_ascii_alphanumeric() || byte == b'_' || fraction || (exponent_sign && !hexadecimal)) {
            break;
        }
        at += 1;
    }
    at
}

fn block_comment(rest: &str) -> (usize, bool) {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return (at, true);
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    (rest.len(), false)
}

/// The length of the text or character that `rest` begins with, and whether its closing quote was found.
fn quoted(rest: &str, first: char) -> Option<(usize, bool)> {
    if first == '#' {
        let hashes = rest.bytes().take_while(|b| *b == b'#').count();
        if rest.as_bytes().get(hashes) != Some(&b'"') {
            return None;
        }
        let end = format!("\"{}", "#".repeat(hashes));
        let body = hashes + 1;
        return Some(rest[body..].find(&end).map_or((rest.len(), false), |at| (body + at + end.len(), true)));
    }
    if !matches!(first, '"' | '\'' | '`') {
        return None;
    }
    let mut chars = rest.char_indices().skip(1);
    let mut inside = 0_usize; // depth of `${ … }` in a template
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' if first != '`' => drop(chars.next()),
            '$' if first == '`' && rest[at..].starts_with("${") => {
                inside += 1;
                chars.next();
            }
            '{' if inside > 0 => inside += 1,
            '}' if inside > 0 => inside -= 1,
            '\n' if first == '\'' => return Some((at, false)),
            _ if c == first && inside == 0 => return Some((at + c.len_utf8(), true)),
            _ => {}
        }
    }
    Some((rest.len(), false))
}

/// Whether `text` stops inside a bracket, text or comment, so that more must follow.
#[must_use]
pub fn is_open(text: &str) -> bool {
    let tokens = tokens(text);
    let depth: i64 = tokens.iter().map(|token| nesting(text, token)).sum();
    // Plain text cannot span lines, unless its line ends in `\\`: what is not closed is a mistake, and no more may follow.
    let may_go_on = |token: &Token| !text[token.span.clone()].starts_with('"') || text.trim_end().ends_with('\\');
    match tokens.last().filter(|token| !token.closed) {
        Some(token) => may_go_on(token),
        None => depth > 0,
    }
}

/// How many brackets are open at the end of `text`.
#[must_use]
pub fn depth(text: &str) -> usize {
    let depth: i64 = tokens(text).iter().map(|token| nesting(text, token)).sum();
    usize::try_from(depth).unwrap_or(0)
}

/// +1 for an opening bracket, −1 for a closing one, 0 for everything else.
#[must_use]
pub fn nesting(text: &str, token: &Token) -> i64 {
    match (token.kind, &text[token.span.clone()]) {
        (Kind::Symbol, "(" | "[" | "{" | "#{") => 1,
        (Kind::Symbol, ")" | "]" | "}") => -1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<&str> {
        tokens(text).into_iter().map(|token| &text[token.span]).collect()
    }

    #[test]
    fn every_token_ends_where_the_next_may_begin() {
        assert_eq!(
            words(r#"let net = s4(#{ d_state: 1e-3, r: 0..2 }); // "no""#),
            [
                "let",
                "net",
                "=",
                "s4",
                "(",
                "#{",
                "d_state",
                ":",
                "1e-3",
                ",",
                "r",
                ":",
                "0",
                "..",
                "2",
                "}",
                ")",
                ";",
                "// \"no\""
            ]
        );
    }

    #[test]
    fn brackets_inside_text_and_comments_do_not_count() {
        assert!(!is_open(r#"print("(["); /* { */ x(`${ #{a: "}"} }`)"#));
        assert!(is_open("train(net, "));
        assert!(is_open("let s = `several\nlines"));
        assert!(is_open("/* /* */"));
        assert!(!is_open("print(\"abc"), "plain text ends with its line");
        assert!(is_open("print(\"abc\\"), "unless the line says that it goes on");
    }

    #[test]
    fn raw_text_ends_at_its_own_hashes() {
        assert_eq!(words("##\"a\"# b\"## + 1"), ["##\"a\"# b\"##", "+", "1"]);
    }
}
