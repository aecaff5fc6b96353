//! Where a name that a text uses gets its value in that text: by `let`, as a loop's variable, as a closure's parameter or a
//! function's.

use super::cursor::Before;
use super::lexer::Kind;

/// Where a name gets its value.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Binding {
    /// It is the value of the expression that ends with this token.
    Value(usize),
    /// It is each element of the expression that ends with this token.
    Element(usize),
    /// It counts: a loop over a range, or the second variable of a loop.
    Count,
    /// It is a parameter, counted from 0, of the closure whose parameters begin with token `bar`.
    Parameter { bar: usize, place: usize },
    /// The text introduces it, and does not tell what it is.
    Unknown,
}

impl Before<'_> {
    /// Where `name`, used at token `at`, gets its value; None where the text before it does not say.
    pub(super) fn binding(&self, name: &str, at: usize) -> Option<Binding> {
        // Brackets that were closed before the name hide what they introduce; so does the end of an argument.
        let (mut closed, mut parted) = (0_i64, false);
        let mut next = at;
        while next > 0 {
            next -= 1;
            match self.nesting(next) {
                -1 => closed += 1,
                1 if closed > 0 => closed -= 1,
                1 => {
                    parted = false;
                    if let Some(found) = self.introduced_by_head(name, next) {
                        return Some(found);
                    }
                }
                _ if closed > 0 => {}
                _ => match self.word(next) {
                    "," | ";" => parted = true,
                    "let" | "const" if self.word(next + 1) == name => {
                        if let Some(found) = self.introduced_by_let(next, at) {
                            return Some(found);
                        }
                    }
                    "|" => {
                        if let Some((bar, names)) = self.parameters(next) {
                            let place = names.iter().position(|parameter| *parameter == name);
                            if let Some(place) = place.filter(|_| !parted) {
                                return Some(Binding::Parameter { bar, place });
                            }
                            next = bar;
                        }
                    }
                    _ => {}
                },
            }
        }
        None
    }

    /// `let name = …;`, finished before token `at`.
    fn introduced_by_let(&self, start: usize, at: usize) -> Option<Binding> {
        let mut depth = 0;
        let end = (start + 2..at).find(|at| {
            depth += self.nesting(*at);
            depth == 0 && self.word(*at) == ";"
        })?;
        Some(if self.word(start + 2) == "=" { Binding::Value(end - 1) } else { Binding::Unknown })
    }

    /// What stands before the `{` of token `brace`: a function's parameters, a loop, a `catch`.
    fn introduced_by_head(&self, name: &str, brace: usize) -> Option<Binding> {
        if self.word(brace) != "{" {
            return None;
        }
        let last = brace.checked_sub(1)?;
        if self.word(last) == ")"
            && let Some(open) = self.opening(last)
        {
            let is_function = open.checked_sub(2).is_some_and(|at| self.word(at) == "fn");
            let catches = open.checked_sub(1).is_some_and(|at| self.word(at) == "catch") && self.word(open + 1) == name;
            if is_function || catches {
                return Some(Binding::Unknown); // a function sees its parameters, and nothing around it
            }
        }
        self.introduced_by_loop(name, last)
    }

    /// `for name in …` or `for (name, count) in …`, whose last token is `last`.
    fn introduced_by_loop(&self, name: &str, last: usize) -> Option<Binding> {
        let (mut depth, mut is_range) = (0, false);
        for at in (0..=last).rev() {
            depth -= self.nesting(at);
            match self.word(at) {
                _ if depth < 0 => return None,
                ".." | "..=" if depth == 0 => is_range = true,
                ";" | "}" if depth == 0 => return None,
                "in" if depth == 0 => {
                    let before = |back: usize| at.checked_sub(back).map_or("", |at| self.word(at));
                    let (first, second) = if before(1) == ")" { (before(4), before(2)) } else { (before(1), "") };
                    return match name {
                        _ if name == second => Some(Binding::Count),
                        _ if name == first && is_range => Some(Binding::Count),
                        _ if name == first => Some(Binding::Element(last)),
                        _ => None,
                    };
                }
                _ => {}
            }
        }
        None
    }

    /// The parameters that end with the bar of token `end`, and the bar that they begin with: `|s|`, `|sum, x|`.
    fn parameters(&self, end: usize) -> Option<(usize, Vec<&str>)> {
        let bar = (0..end).rev().find(|at| self.kind(*at) != Some(Kind::Name) && self.word(*at) != ",")?;
        let follows = bar.checked_sub(1).map_or("", |at| self.word(at));
        let begins = matches!(follows, "" | "(" | "," | ":" | "=" | "{" | "[" | ";" | "=>" | "return");
        let names = (bar + 1..end).filter(|at| self.kind(*at) == Some(Kind::Name)).map(|at| self.word(at));
        (self.word(bar) == "|" && begins).then(|| (bar, names.collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding(text: &str, name: &str) -> Option<Binding> {
        let before = Before::new(text);
        before.binding(name, before.tokens().len())
    }

    #[test]
    fn a_name_is_bound_by_what_encloses_it() {
        assert_eq!(binding("let a = f(1; 2); ", "a"), Some(Binding::Value(8)));
        assert_eq!(binding("let a = ", "a"), None, "not finished");
        assert_eq!(binding("for x in xs { ", "x"), Some(Binding::Element(3)));
        assert_eq!(binding("for x in xs { } ", "x"), None, "after the loop");
        assert_eq!(binding("for (x, n) in xs { g(", "n"), Some(Binding::Count));
        assert_eq!(binding("for i in 0..3 { ", "i"), Some(Binding::Count));
        assert_eq!(binding("let a = 1; fn f(x) { ", "a"), Some(Binding::Unknown), "a function does not see it");
        assert_eq!(binding("xs.map(|x| x + ", "x"), Some(Binding::Parameter { bar: 4, place: 0 }));
        assert_eq!(binding("xs.reduce(|sum, x| { let y = 1; ", "x"), Some(Binding::Parameter { bar: 4, place: 1 }));
        assert_eq!(binding("f(|x| x, ", "x"), None, "the closure has ended");
    }
}
