//! `param("steps", 900)` in a script, `--set steps=50` on the command line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rhai::{Dynamic, Engine};
use serde_json::Value;

use super::fault::Fault;
use super::lexer::{self, Kind, Token};
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

    /// Refuses, before anything runs, a given name that the script never asks for; silent where `declared` may not be all
    /// that it asks for, and so only the end can tell.
    pub(super) fn check_before(&self, declared: &Declared) -> Result<(), Fault> {
        if !declared.complete {
            return Ok(());
        }
        self.check(&declared.parameters.iter().map(|parameter| parameter.name.clone()).collect::<Vec<_>>())
    }

    /// Refuses a given name that the script did not ask for, nor would have asked for on another way through it.
    pub(super) fn check_after(&self, declared: &Declared) -> Result<(), Fault> {
        let declared = declared.parameters.iter().map(|parameter| &parameter.name);
        self.check(&self.asked.iter().chain(declared).cloned().collect::<Vec<_>>())
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

/// What a script and the modules that it imports say of their parameters, without being run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// Those whose names are written out, in order, each once.
    pub parameters: Vec<Parameter>,
    /// Whether these are all: no name is computed, nothing is evaluated as text, every module was found.
    pub complete: bool,
}

impl Declared {
    /// What `script` says, whose modules lie in `modules`; without that folder an import leaves the list incomplete.
    pub(super) fn of(script: &str, modules: Option<&Path>) -> Self {
        let mut declared = Self { parameters: Vec::new(), complete: true };
        declared.read(script, modules, &mut Vec::new());
        declared
    }

    fn read(&mut self, script: &str, modules: Option<&Path>, seen: &mut Vec<PathBuf>) {
        let all = lexer::tokens(script);
        let tokens: Vec<&Token> = all.iter().filter(|token| token.kind != Kind::Comment).collect();
        let word = |at: usize| tokens.get(at).map_or("", |token| &script[token.span.clone()]);
        let text = |at: usize| word(at).strip_prefix('"').and_then(|name| name.strip_suffix('"'));
        for (at, token) in tokens.iter().enumerate() {
            match (token.kind, word(at)) {
                (Kind::Keyword, "import") => self.read_module(text(at + 1), modules, seen),
                (Kind::Name, "eval") => self.complete = false,
                (Kind::Name, "param") => match text(at + 2).filter(|_| word(at + 1) == "(" && word(at + 3) == ",") {
                    Some(name) => self.add(name, script, &tokens[at + 3..], &all),
                    None => self.complete = false,
                },
                _ => {}
            }
        }
    }

    fn read_module(&mut self, name: Option<&str>, modules: Option<&Path>, seen: &mut Vec<PathBuf>) {
        let Some(path) = name.zip(modules).map(|(name, folder)| folder.join(name).with_extension("rhai")) else {
            self.complete = false;
            return;
        };
        if seen.contains(&path) {
            return;
        }
        seen.push(path.clone());
        match std::fs::read_to_string(path) {
            Ok(text) => self.read(&text, modules, seen),
            Err(_) => self.complete = false,
        }
    }

    /// Adds the parameter `name`, whose default follows the comma that `rest` begins with.
    fn add(&mut self, name: &str, script: &str, rest: &[&Token], all: &[Token]) {
        let mut depth = 1;
        let close = rest.iter().find(|token| {
            depth += lexer::nesting(script, token);
            depth == 0
        });
        let Some(close) = close.filter(|_| !self.parameters.iter().any(|known| known.name == name)) else { return };
        let default = &script[rest[0].span.end..close.span.start];
        let after = close.span.end;
        let line_end = script[after..].find('\n').map_or(script.len(), |length| after + length);
        let comment =
            all.iter().find(|token| token.kind == Kind::Comment && (after..line_end).contains(&token.span.start));
        let about = comment.map_or("", |token| script[token.span.clone()].trim_start_matches('/').trim());
        self.parameters.push(Parameter {
            name: name.to_owned(),
            default: default.split_whitespace().collect::<Vec<_>>().join(" "),
            about: about.to_owned(),
        });
    }
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
        let fault =
            given("stpes", "3").check_before(&Declared::of("let n = param(\"steps\", 900);", None)).expect_err("stray");
        assert_eq!(fault.hint.as_deref(), Some("did you mean `--set steps=…`?"));
    }

    #[test]
    fn parameters_are_listed_with_their_defaults_and_what_their_line_says() {
        let script = "let a = param(\"steps\", 9 * (1 + 1));  // updates\nlet b = [param(\"pool\", [4, 4])];\nparam(\"x\" + a, 1);";
        let Declared { parameters: found, complete } = Declared::of(script, None);
        let short: Vec<_> = found.iter().map(|p| (p.name.as_str(), p.default.as_str(), p.about.as_str())).collect();
        assert_eq!(short, [("steps", "9 * (1 + 1)", "updates"), ("pool", "[4, 4]", "")]);
        assert!(!complete, "one name is computed");
    }

    #[test]
    fn a_computed_name_leaves_the_check_to_the_end() {
        let mut params = given("a1", "3");
        let declared = Declared::of("if false { param(\"b\", 0) }; param(\"a\" + i, 0)", None);
        assert_eq!(params.check_before(&declared), Ok(()));
        assert!(params.check_after(&declared).is_err());
        assert!(params.get(&Engine::new_raw(), "a1", Dynamic::from(0_i64)).is_ok());
        assert_eq!(params.check_after(&declared), Ok(()));
        assert_eq!(given("b", "1").check_after(&declared), Ok(()), "another way through the script reads it");
    }
}
