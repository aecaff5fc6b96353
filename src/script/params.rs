//! `param("steps", 900)` in a script, `--set steps=50` on the command line.

use std::collections::BTreeMap;

use rhai::{Dynamic, Engine};
use serde_json::Value;

use super::fault::Fault;
use super::lexer::{self, Kind};
use crate::options::nearest;

/// The values given from outside, and which names the script asked for.
#[derive(Debug, Default)]
pub struct Params {
    given: BTreeMap<String, String>,
    asked: Vec<String>,
}

impl Params {
    /// Params with `given` set: name and text, as typed.
    #[must_use]
    pub fn new(given: BTreeMap<String, String>) -> Self {
        Self { given, asked: Vec::new() }
    }

    /// The value of `name`: the given one, read as the default's type, or the default.
    pub(super) fn get(&mut self, engine: &Engine, name: &str, default: Dynamic) -> Result<Dynamic, Fault> {
        if !self.asked.iter().any(|asked| asked == name) {
            self.asked.push(name.to_owned());
        }
        let Some(text) = self.given.get(name) else { return Ok(default) };
        let wrong = |needed: &str| {
            Fault::new(format!("parameter `{name}` is `{text}`, but must be {needed}"))
                .with_hint(format!("its default is {default}: give `--set {name}=…` a value of that kind"))
        };
        if default.is_int() {
            text.parse::<i64>().map(Dynamic::from).map_err(|_| wrong("a whole number"))
        } else if default.is_float() {
            text.parse::<f64>().map(Dynamic::from).map_err(|_| wrong("a number"))
        } else if default.is_bool() {
            text.parse::<bool>().map(Dynamic::from).map_err(|_| wrong("true or false"))
        } else if default.is_array() || default.is_map() {
            let needed = if default.is_array() { "an array, as in `[4, 4]`" } else { "a map, as in `{\"a\": 1}`" };
            let value: Value = serde_json::from_str(text).map_err(|_| wrong(needed))?;
            if value.is_array() != default.is_array() || !(value.is_array() || value.is_object()) {
                return Err(wrong(needed));
            }
            rhai::serde::to_dynamic(value).map_err(|_| wrong(needed))
        } else if default.is_string() || default.is_unit() {
            Ok(Dynamic::from(text.clone()))
        } else {
            let found = engine.map_type_name(default.type_name()).to_owned();
            Err(Fault::new(format!(
                "a parameter's default must be a number, text, bool, array or map, but `{name}`'s is a {found}"
            )))
        }
    }

    /// Refuses, before anything runs, a given name that `script` never asks for; silent when the script computes the
    /// names that it asks for, and so only the end can tell.
    pub(super) fn check_before(&self, script: &str) -> Result<(), Fault> {
        match names_in(script) {
            Some(names) => self.check(&names),
            None => Ok(()),
        }
    }

    /// Refuses a given name that the script did not ask for.
    pub(super) fn check_after(&self) -> Result<(), Fault> {
        self.check(&self.asked)
    }

    fn check(&self, names: &[String]) -> Result<(), Fault> {
        let Some(stray) = self.given.keys().find(|given| !names.contains(given)) else { return Ok(()) };
        let hint = match nearest(stray, names.iter().map(String::as_str)) {
            Some(name) => format!("did you mean `--set {name}=…`?"),
            None if names.is_empty() => "the script reads no parameter: it has no `param(…)`".to_owned(),
            None => format!("the script's parameters are {}", names.join(", ")),
        };
        Err(Fault::new(format!("no parameter `{stray}` in this script")).with_hint(hint))
    }
}

/// A parameter that a script reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// The name that `--set` takes.
    pub name: String,
    /// Its default, as the script has it.
    pub default: String,
    /// The comment at the end of its line.
    pub about: String,
}

/// The parameters that `script` reads with their names written out, in its order, each once; and whether it computes the
/// names of others.
pub(super) fn listed(script: &str) -> (Vec<Parameter>, bool) {
    let tokens: Vec<_> = lexer::tokens(script);
    let word = |at: usize| tokens.get(at).map_or("", |token| &script[token.span.clone()]);
    let mut found: Vec<Parameter> = Vec::new();
    let mut computed = false;
    for at in
        (0..tokens.len()).filter(|at| tokens[*at].kind == Kind::Name && word(*at) == "param" && word(at + 1) == "(")
    {
        let name = word(at + 2).strip_prefix('"').and_then(|name| name.strip_suffix('"'));
        let Some(name) = name.filter(|_| word(at + 3) == ",") else {
            computed = true;
            continue;
        };
        let mut depth = 1;
        let close = (at + 3..tokens.len()).find(|at| {
            depth += lexer::nesting(script, &tokens[*at]);
            depth == 0
        });
        let Some(close) = close else { continue };
        let default = script[tokens[at + 3].span.end..tokens[close].span.start].trim();
        let line_end = script[tokens[close].span.end..].find('\n').map_or(script.len(), |n| tokens[close].span.end + n);
        let comment = tokens[close..].iter().find(|token| token.kind == Kind::Comment && token.span.start < line_end);
        let about = comment.map_or("", |token| script[token.span.clone()].trim_start_matches('/').trim());
        if !found.iter().any(|known| known.name == name) {
            let default = default.split_whitespace().collect::<Vec<_>>().join(" ");
            found.push(Parameter { name: name.to_owned(), default, about: about.to_owned() });
        }
    }
    (found, computed)
}

/// Every name that `script` asks for, when they are all written out and nothing is imported.
fn names_in(script: &str) -> Option<Vec<String>> {
    let tokens: Vec<_> = lexer::tokens(script).into_iter().filter(|token| token.kind != Kind::Comment).collect();
    let word = |at: usize| tokens.get(at).map_or("", |token| &script[token.span.clone()]);
    let mut names = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        match (token.kind, word(at)) {
            (Kind::Keyword, "import") | (Kind::Name, "eval") => return None,
            (Kind::Name, "param") => {
                let name = word(at + 2).strip_prefix('"').and_then(|name| name.strip_suffix('"'));
                names.push(name.filter(|_| word(at + 1) == "(" && word(at + 3) == ",")?.to_owned());
            }
            _ => {}
        }
    }
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(name: &str, text: &str) -> Params {
        Params::new(BTreeMap::from([(name.to_owned(), text.to_owned())]))
    }

    #[test]
    fn a_given_value_takes_the_type_of_the_default() {
        let engine = Engine::new_raw();
        let read = |text: &str, default: Dynamic| given("p", text).get(&engine, "p", default);
        assert_eq!(read("7", Dynamic::from(1_i64)).map(|v| v.as_int()), Ok(Ok(7)));
        assert_eq!(read("7", Dynamic::from(1.0)).map(|v| v.as_float()), Ok(Ok(7.0)));
        assert_eq!(read("7", Dynamic::from("x")).map(|v| v.into_string().ok()), Ok(Some("7".to_owned())));
        let array = read("[4, 2]", Dynamic::from(rhai::Array::new())).expect("an array");
        assert_eq!(array.into_array().map(|array| array.len()), Ok(2));
        assert!(read("many", Dynamic::from(1_i64)).is_err());
        assert!(read("{}", Dynamic::from(rhai::Array::new())).is_err());
    }

    #[test]
    fn a_stray_name_is_refused_before_the_script_runs() {
        let fault = given("stpes", "3").check_before("let n = param(\"steps\", 900);").expect_err("stray");
        assert_eq!(fault.hint.as_deref(), Some("did you mean `--set steps=…`?"));
    }

    #[test]
    fn parameters_are_listed_with_their_defaults_and_what_their_line_says() {
        let script = "let a = param(\"steps\", 9 * (1 + 1));  // updates\nlet b = [param(\"pool\", [4, 4])];\nparam(\"x\" + a, 1);";
        let (found, computed) = listed(script);
        let short: Vec<_> = found.iter().map(|p| (p.name.as_str(), p.default.as_str(), p.about.as_str())).collect();
        assert_eq!(short, [("steps", "9 * (1 + 1)", "updates"), ("pool", "[4, 4]", "")]);
        assert!(computed);
    }

    #[test]
    fn a_computed_name_leaves_the_check_to_the_end() {
        let mut params = given("a1", "3");
        assert_eq!(params.check_before("param(\"a\" + i, 0)"), Ok(()));
        assert!(params.check_after().is_err());
        assert!(params.get(&Engine::new_raw(), "a1", Dynamic::from(0_i64)).is_ok());
        assert_eq!(params.check_after(), Ok(()));
    }
}
