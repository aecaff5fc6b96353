//! SQL as text: its words, what is written differently here than polars reads it, and lists cut at their commas.
//!
//! Two things are rewritten before polars parses: `1e-3`, which its numbers cannot be (they need a point), becomes `1.0e-3`;
//! and `mean` and `std`, which everybody calls them, become SQL's `avg` and `stddev`. [`Rewritten`] remembers where every
//! character came from, so that an error still points into what was typed.

/// What a word of SQL is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name, a keyword, a function.
    Word,
    /// `64`, `0.5`, `1e-3`.
    Number,
    /// `'text'`.
    Text,
    /// `"a name"`.
    Name,
    /// Blanks and comments.
    Space,
    /// Anything else, one character at a time.
    Sign,
}

/// A word of SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
    /// Byte offset of its beginning.
    pub(super) at: usize,
}

/// The words of `sql`, blanks included: put together they are `sql` again.
pub(super) fn tokens(sql: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = sql[at..].chars().next() {
        let (kind, length) = next(&sql[at..], first);
        tokens.push(Token { kind, text: &sql[at..at + length], at });
        at += length;
    }
    tokens
}

fn next(rest: &str, first: char) -> (Kind, usize) {
    let second = rest.chars().nth(1);
    match first {
        '\'' => (Kind::Text, quoted(rest, '\'')),
        '"' | '`' => (Kind::Name, quoted(rest, first)),
        '-' if second == Some('-') => (Kind::Space, rest.find('\n').map_or(rest.len(), |end| end + 1)),
        '/' if second == Some('*') => (Kind::Space, rest.find("*/").map_or(rest.len(), |end| end + 2)),
        _ if first.is_whitespace() => (Kind::Space, span(rest, char::is_whitespace)),
        _ if first.is_ascii_digit() || (first == '.' && second.is_some_and(|c| c.is_ascii_digit())) => {
            (Kind::Number, number(rest))
        }
        _ if first.is_alphabetic() || first == '_' => (Kind::Word, span(rest, |c| c.is_alphanumeric() || c == '_')),
        _ => (Kind::Sign, first.len_utf8()),
    }
}

fn span(rest: &str, inside: impl Fn(char) -> bool) -> usize {
    rest.find(|c| !inside(c)).unwrap_or(rest.len())
}

/// Up to the closing quote; a doubled one stands for itself.
fn quoted(rest: &str, quote: char) -> usize {
    let mut at = 1;
    while let Some(found) = rest[at..].find(quote) {
        at += found + 1;
        if !rest[at..].starts_with(quote) {
            return at;
        }
        at += 1;
    }
    rest.len()
}

fn number(rest: &str) -> usize {
    let digits = |from: usize| from + span(&rest[from..], |c| c.is_ascii_digit());
    let mut end = digits(0);
    if rest[end..].starts_with('.') {
        end = digits(end + 1);
    }
    let Some(exponent) = rest[end..].strip_prefix(['e', 'E']) else { return end };
    let sign = usize::from(exponent.starts_with(['+', '-']));
    let last = digits(end + 1 + sign);
    if last > end + 1 + sign { last } else { end }
}

/// SQL as polars reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rewritten {
    pub(super) text: String,
    /// For each character of `text`, the byte of the original that it stands for.
    origin: Vec<usize>,
    length: usize,
}

/// Names of functions as people write them, and as polars knows them.
const ALIASES: [(&str, &str); 3] = [("mean", "avg"), ("std", "stddev"), ("stdev", "stddev")];

impl Rewritten {
    /// `sql` with its exponents and its function names as polars reads them.
    pub(super) fn of(sql: &str) -> Self {
        let tokens = tokens(sql);
        let mut rewritten = Self { text: String::with_capacity(sql.len()), origin: Vec::new(), length: sql.len() };
        for (index, token) in tokens.iter().enumerate() {
            match token.kind {
                Kind::Number if !token.text.contains('.') && token.text.contains(['e', 'E']) => {
                    let exponent = token.text.find(['e', 'E']).unwrap_or(token.text.len());
                    rewritten.push(&token.text[..exponent], token.at);
                    rewritten.stand_in(".0", token.at);
                    rewritten.push(&token.text[exponent..], token.at + exponent);
                }
                Kind::Word if is_called(&tokens[index + 1..]) => {
                    match ALIASES.iter().find(|(name, _)| name.eq_ignore_ascii_case(token.text)) {
                        Some((_, known)) => rewritten.stand_in(known, token.at),
                        None => rewritten.push(token.text, token.at),
                    }
                }
                _ => rewritten.push(token.text, token.at),
            }
        }
        rewritten
    }

    fn push(&mut self, text: &str, at: usize) {
        self.origin.extend(text.char_indices().map(|(offset, _)| at + offset));
        self.text.push_str(text);
    }

    /// Text that is not in the original, and stands for what is at `at`.
    fn stand_in(&mut self, text: &str, at: usize) {
        self.origin.extend(text.chars().map(|_| at));
        self.text.push_str(text);
    }

    /// The byte of the original at `line` and `column` (from 1, in characters) of the rewritten text.
    pub(super) fn original(&self, line: usize, column: usize) -> usize {
        let before: usize =
            self.text.split_inclusive('\n').take(line.saturating_sub(1)).map(|l| l.chars().count()).sum();
        self.origin.get(before + column.saturating_sub(1)).copied().unwrap_or(self.length)
    }
}

/// Whether a bracket follows.
fn is_called(rest: &[Token<'_>]) -> bool {
    rest.iter().find(|token| token.kind != Kind::Space).is_some_and(|token| token.text == "(")
}

/// A call of `greatest` or `least` without arguments, which polars cannot survive.
pub(super) fn call_of_nothing(sql: &str) -> Option<&str> {
    let words: Vec<Token<'_>> = tokens(sql).into_iter().filter(|token| token.kind != Kind::Space).collect();
    let found = words.windows(3).find(|three| {
        let is_known = ["greatest", "least"].iter().any(|name| name.eq_ignore_ascii_case(three[0].text));
        is_known && three[1].text == "(" && three[2].text == ")"
    });
    found.map(|three| three[0].text)
}

/// A list cut at the commas that lie in no bracket, without the blanks around its parts.
pub(super) fn split_list(sql: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut from) = (Vec::new(), 0_usize, 0);
    for token in tokens(sql).iter().filter(|token| token.kind == Kind::Sign) {
        match token.text {
            "(" | "[" => depth += 1,
            ")" | "]" => depth = depth.saturating_sub(1),
            "," if depth == 0 => {
                parts.push(sql[from..token.at].trim());
                from = token.at + 1;
            }
            _ => {}
        }
    }
    let last = sql[from..].trim();
    if !last.is_empty() || parts.is_empty() {
        parts.push(last); // a comma at the end is no item
    }
    parts
}

/// An item of ORDER BY: what is ordered by, and what it says itself about its direction and its nulls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Order<'a> {
    pub(super) by: &'a str,
    pub(super) descending: Option<bool>,
    pub(super) nulls_last: bool,
}

/// `abs(a - b) DESC NULLS FIRST`. A column may well be called `desc`.
pub(super) fn order_item(sql: &str) -> Order<'_> {
    let words: Vec<Token<'_>> = tokens(sql).into_iter().filter(|token| token.kind != Kind::Space).collect();
    let is = |at: usize, word: &str| words[at].kind == Kind::Word && words[at].text.eq_ignore_ascii_case(word);
    let mut end = words.len();
    let mut order = Order { by: sql, descending: None, nulls_last: true };
    if end > 2 && is(end - 2, "nulls") && (is(end - 1, "first") || is(end - 1, "last")) {
        order.nulls_last = is(end - 1, "last");
        end -= 2;
    }
    if end > 1 && (is(end - 1, "desc") || is(end - 1, "asc")) {
        order.descending = Some(is(end - 1, "desc"));
        end -= 1;
    }
    order.by = words.get(end).map_or(sql, |next| sql[..next.at].trim());
    order
}

/// Whether `text` is one bare name: letters, digits and underscores.
pub(super) fn is_name(text: &str) -> bool {
    matches!(tokens(text).as_slice(), [Token { kind: Kind::Word, .. }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_sql_are_sql_again() {
        for sql in ["a >= 1e-3 AND b = 'it''s, (' -- end", "\"x y\" /* , */ + .5e+2", "näme(1.e)", "'open", "1e", "a--"]
        {
            assert_eq!(tokens(sql).iter().map(|token| token.text).collect::<String>(), sql);
        }
    }

    #[test]
    fn exponents_get_a_point_and_functions_their_sql_name() {
        let rewritten = |sql| Rewritten::of(sql).text;
        assert_eq!(rewritten("lr < 1e-3 OR x1e5 = 1.5e2 OR s = '1e3'"), "lr < 1.0e-3 OR x1e5 = 1.5e2 OR s = '1e3'");
        assert_eq!(rewritten("mean (a) - std(b) + mean"), "avg (a) - stddev(b) + mean");
    }

    #[test]
    fn a_place_in_the_rewritten_text_is_found_in_the_original() {
        let sql = "a = 1e3 AND\nmean(b) < < 2";
        let rewritten = Rewritten::of(sql);
        assert_eq!(&sql[rewritten.original(1, 11)..][..3], "AND");
        assert_eq!(&sql[rewritten.original(2, 10)..], "< 2");
        assert_eq!(rewritten.original(7, 1), sql.len());
    }

    #[test]
    fn a_list_is_cut_at_its_own_commas_only() {
        assert_eq!(split_list("a, round(b, 2) AS c ,'x,y', [1, 2]"), ["a", "round(b, 2) AS c", "'x,y'", "[1, 2]"]);
        assert_eq!(split_list("a,"), ["a"]);
        assert_eq!(split_list("a,,b"), ["a", "", "b"]);
        assert_eq!(split_list(""), [""]);
    }

    #[test]
    fn an_order_says_its_direction_at_its_end() {
        let order = |sql| {
            let Order { by, descending, nulls_last } = order_item(sql);
            (by, descending, nulls_last)
        };
        assert_eq!(order("a DESC"), ("a", Some(true), true));
        assert_eq!(order("abs(a - b) asc nulls first"), ("abs(a - b)", Some(false), false));
        assert_eq!(order("a nulls last"), ("a", None, true));
        assert_eq!(order("desc"), ("desc", None, true));
        assert_eq!(order("\"a desc\""), ("\"a desc\"", None, true));
    }
}
