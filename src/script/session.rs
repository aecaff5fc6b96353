//! A session: variables and functions that live from one evaluation to the next, and errors that point into what was
//! typed.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::rc::Rc;

use rhai::module_resolvers::FileModuleResolver;
use rhai::{AST, Dynamic, Engine, EvalAltResult, ParseErrorType, Scope};

use super::bind;
use super::check::Names;
use super::context::{self, Context};
use super::convert::type_word;
use super::cursor::Types;
use super::diagnostic::{Cause, Diagnostic};
use super::docs::Docs;
use super::engine;
use super::explain::Known;
use super::fence::fenced;
use super::lexer;
use super::manual;
use super::params::{Declared, Params};
use super::source::Source;
use super::transcript::{self, Transcript};
use crate::device::Selection;
use crate::metrics::{Frame, atomic};
use crate::plot::Figure;

/// What the prompt's lines are called in front of a line number.
const PROMPT: &str = "prompt";

/// The path that stands for standard input.
const STDIN: &str = "-";

/// Rhai counts lines in 16 bits; a prompt that reaches this begins to count again.
const MOST_LINES: usize = 60_000;

/// Functions that are part of the language itself, and so in no list of registered ones.
const BUILT_IN: &[&str] = &[
    "print",
    "debug",
    "type_of",
    "eval",
    "Fn",
    "call",
    "curry",
    "is_def_var",
    "is_def_fn",
    "is_shared",
    "is_anonymous",
];

/// One conversation with the language.
pub struct Session {
    engine: Engine,
    docs: Docs,
    scope: Scope<'static>,
    functions: AST,
    typed: String,
    /// `import` statements of earlier inputs: Rhai forgets modules from one evaluation to the next.
    imports: Vec<String>,
    transcript: Transcript,
    /// The variables that lines which were interrupted would have introduced, and the folder of the run that they left.
    interrupted: Vec<(String, Option<String>)>,
    context: Rc<Context>,
    callable: Vec<String>,
    /// Rhai's own functions by the type of their first parameter, in our words (`array`, `text`), and whether they take more.
    built_in: BTreeMap<String, Vec<(String, bool)>>,
}

/// A variable as a list of them shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its type, in a script author's words.
    pub kind: String,
    /// Its value on one line.
    pub value: String,
}

impl Session {
    /// A session with every binding and nothing defined.
    #[must_use]
    pub fn new(context: Context) -> Self {
        let context = Rc::new(context);
        let mut engine = engine::engine(&context);
        let mut docs = Docs::default();
        bind::register(&mut engine, &mut docs, &context);
        let mut callable: Vec<String> = engine.gen_fn_signatures(true).iter().map(|text| name_of(text)).collect();
        callable.extend(BUILT_IN.iter().map(|name| (*name).to_owned()));
        callable.retain(|name| is_name(name));
        callable.sort();
        callable.dedup();
        let built_in = by_first_type(&engine.gen_fn_signatures(true), &docs);
        Self {
            engine,
            docs,
            scope: Scope::new(),
            functions: AST::empty(),
            typed: String::new(),
            imports: Vec::new(),
            transcript: Transcript::default(),
            interrupted: Vec::new(),
            context,
            callable,
            built_in,
        }
    }

    /// Runs the script at `path` with the parameters in `given`.
    ///
    /// # Errors
    /// What is wrong with the script, with its parameters, or with what it asked for.
    pub fn run_file(&mut self, path: &Path, given: BTreeMap<String, String>) -> Result<(), Diagnostic> {
        let text = read_script(path)?;
        if let Some(folder) = path.parent() {
            self.engine.set_module_resolver(FileModuleResolver::new_with_path(folder));
        }
        let name = if path == Path::new(STDIN) { "standard input".to_owned() } else { path.display().to_string() };
        self.run_beside(&Source::new(&name, &text), given, path.parent())
    }

    /// The parameters that the script at `path` reads, those of the modules that it imports among them.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn parameters(path: &Path) -> Result<Declared, Diagnostic> {
        Ok(Declared::of(&read_script(path)?, path.parent()))
    }

    /// Runs a whole script.
    ///
    /// # Errors
    /// As [`Session::run_file`].
    pub fn run(&mut self, source: &Source, given: BTreeMap<String, String>) -> Result<(), Diagnostic> {
        self.run_beside(source, given, None)
    }

    /// Runs `source`, whose modules lie in `modules`.
    fn run_beside(
        &mut self,
        source: &Source,
        given: BTreeMap<String, String>,
        modules: Option<&Path>,
    ) -> Result<(), Diagnostic> {
        let (params, declared) = (Params::new(given), Declared::of(source.text(), modules));
        // Rhai skips a `#!` line by itself, and keeps counting.
        params.check_before(&declared).map_err(|fault| Diagnostic::from(fault).of_usage())?;
        self.context.params.replace(params);
        // A script's last value is of no interest: it prints what it wants seen.
        let done = self.evaluate_in(source, 0).map(drop);
        done.map_err(|diagnostic| match self.context.unfinished.take() {
            Some(unfinished) => unfinished.tell(diagnostic, self.context.interrupt.is_urgent()),
            None => diagnostic,
        })?;
        self.context.params.borrow().check_after(&declared).map_err(|fault| Diagnostic::from(fault).of_usage())
    }

    /// Evaluates what was typed at the prompt; a value to show, if there is one.
    ///
    /// # Errors
    /// What is wrong with it. Variables and functions of earlier lines, and of the part that ran, stay.
    pub fn evaluate(&mut self, line: &str) -> Result<Option<String>, Diagnostic> {
        if self.typed.matches('\n').count() + line.matches('\n').count() > MOST_LINES {
            self.typed.clear();
        }
        if self.typed.is_empty() && !self.imports.is_empty() {
            self.typed.push('\n'); // a line for them to stand on
        }
        let typed = line;
        let line = &transcript::with_last_value(typed);
        if line != typed && self.scope.get(transcript::LAST_VALUE).is_none() {
            return Err(Diagnostic::new("`_` is the last value that the prompt showed, and it has shown none yet"));
        }
        let from = self.typed.len();
        self.typed.push_str(line);
        self.typed.push('\n');
        let source = Source::new(PROMPT, &self.typed);
        let value = self.evaluate_in(&source, from).map_err(|diagnostic| {
            let folder = self.context.unfinished.borrow().as_ref().map(|unfinished| unfinished.folder.clone());
            let diagnostic = self.keep_unfinished(diagnostic);
            self.remember_interrupted(line, &diagnostic, folder.as_deref());
            diagnostic
        })?;
        self.imports.extend(transcript::imports(line).into_iter().map(str::to_owned));
        let is_expression =
            !line.trim_end().ends_with(';') && self.engine.compile_expression_with_scope(&self.scope, line).is_ok();
        if value.is_unit() {
            self.transcript.keep(line, false);
            return Ok(None);
        }
        // What was shown is the value of the last statement.
        let (before, last) = if is_expression { ("", line.as_str()) } else { transcript::last_statement(line) };
        if !before.trim().is_empty() {
            self.transcript.keep(before, false);
        }
        self.transcript.keep(last, true);
        self.scope.set_or_push(transcript::LAST_VALUE, value.clone());
        self.show(value).map(Some)
    }

    /// Evaluates the script at `path` as if it had been typed here: its variables and functions stay.
    ///
    /// # Errors
    /// As [`Session::evaluate`]; and when the file cannot be read.
    pub fn load(&mut self, path: &Path) -> Result<(), Diagnostic> {
        let text = read(path)?;
        let source = Source::new(&path.display().to_string(), &text);
        drop(self.evaluate_in(&source, 0).map_err(|diagnostic| self.keep_unfinished(diagnostic))?);
        // What it imports lies beside it, and not beside the prompt.
        let text = transcript::beside(&text, path.parent().unwrap_or(Path::new("")));
        self.imports.extend(transcript::imports(&text).into_iter().map(str::to_owned));
        self.transcript.keep(&text, false);
        Ok(())
    }

    /// Writes what was typed so far to `path` as a script that does the same, whole or not at all; returns how many lines.
    ///
    /// # Errors
    /// When nothing was typed, or the file cannot be written; a former file then stays whole.
    pub fn save(&self, path: &Path) -> Result<usize, Diagnostic> {
        if self.transcript.is_empty() {
            return Err(Diagnostic::new("nothing has been typed yet that could be saved"));
        }
        let script = self.transcript.script();
        let head = format!("// A wasabi session, saved by `:save`. Run it with: wasabi run {}\n\n", path.display());
        atomic::replace(path, |file| file.write_all(format!("{head}{script}").as_bytes())).map_err(|error| {
            Diagnostic::new(format!("cannot write {}: {error}", path.display()))
                .with_hint("choose a folder that exists and that you may write to")
        })?;
        Ok(script.lines().count())
    }

    /// The variables that live, in the order of their names.
    pub fn variables_shown(&self) -> Vec<Variable> {
        let mut shown: BTreeMap<String, Variable> = BTreeMap::new();
        for (name, _, value) in self.scope.iter() {
            let kind = self.word_of(&value);
            let value = self.show_short(value);
            shown.insert(name.to_owned(), Variable { name: name.to_owned(), kind, value });
        }
        shown.into_values().collect()
    }

    /// The functions that were defined here, as they are called: `add(x)`.
    #[must_use]
    pub fn functions_shown(&self) -> Vec<String> {
        let mut shown: Vec<String> = self
            .functions
            .iter_functions()
            .filter(|function| is_name(function.name))
            .map(|function| format!("{}({})", function.name, function.params.join(", ")))
            .collect();
        shown.sort();
        shown.dedup();
        shown
    }

    /// Where models are built from now on.
    pub fn set_device(&self, device: Selection) {
        self.context.device.set(device);
    }

    /// Rhai's own functions that take a value of type `of` first, and whether they take more.
    pub(super) fn built_in_members(&self, of: &str) -> &[(String, bool)] {
        self.built_in.get(of).map_or(&[], Vec::as_slice)
    }

    /// Whether the function `name` is one that only follows a dot: of values with parts, and not of numbers.
    pub(super) fn is_only_method(&self, name: &str) -> bool {
        let has = |of: &&String| self.built_in[*of].iter().any(|(known, _)| known == name);
        let mut of = self.built_in.keys().filter(has).peekable();
        let own = self.docs.named(name).next().is_some();
        (own || of.peek().is_some()) && of.all(|of| !matches!(of.as_str(), "integer" | "real" | "value"))
    }

    /// The keys of the map that lives under `name`.
    pub(super) fn keys_of(&self, name: &str) -> Vec<String> {
        let map = self.scope.get(name).and_then(|value| value.as_map_ref().ok());
        map.map(|map| map.keys().map(ToString::to_string).collect()).unwrap_or_default()
    }

    /// Whether `name` can be called.
    pub(super) fn is_function(&self, name: &str) -> bool {
        self.callable.iter().any(|known| known == name)
            || self.functions.iter_functions().any(|function| function.name == name)
    }

    /// The parameters of a function that was defined here.
    pub(super) fn parameters_of(&self, name: &str) -> Option<Vec<String>> {
        let function = self.functions.iter_functions().find(|function| function.name == name)?;
        Some(function.params.iter().map(|name| (*name).to_owned()).collect())
    }

    /// The folders of the runs below `experiments`, as paths from here.
    pub(super) fn run_folders(&self) -> Vec<String> {
        bind::run_folders()
    }

    /// The runs below `folder` (experiments, where it is empty) as a table, the newest last.
    ///
    /// # Errors
    /// When there are none.
    pub fn runs_shown(&self, folder: &str) -> Result<String, Diagnostic> {
        let folder = if folder.is_empty() { "experiments" } else { folder };
        let frame = bind::runs_table(Path::new(folder))?;
        Ok(super::table::show_table(&frame, self.context.host.width()))
    }

    fn word_of(&self, value: &Dynamic) -> String {
        type_word(self.engine.map_type_name(value.type_name())).to_owned()
    }

    /// A value on one line of a few words.
    fn show_short(&self, value: Dynamic) -> String {
        /// Longer values are cut.
        const LONGEST: usize = 60;
        let kind = self.word_of(&value);
        if let Some(frame) = value.read_lock::<Frame>() {
            let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
            return format!("{} × {}", count(frame.height(), "row"), count(frame.width(), "column"));
        }
        let text = match (value.as_array_ref().map(|array| array.len()), value.as_map_ref().map(|map| map.len())) {
            (Ok(items), _) => format!("{items} elements"),
            (_, Ok(fields)) => format!("{fields} fields"),
            _ => {
                let mut scope = Scope::new();
                scope.push_dynamic("value", value);
                let shown = fenced(|| self.engine.eval_with_scope::<String>(&mut scope, "to_string(value)"));
                shown.ok().and_then(Result::ok).unwrap_or_default()
            }
        };
        let line = text.lines().next().unwrap_or_default();
        let line =
            line.strip_prefix(&format!("{kind}: ")).or_else(|| line.strip_prefix(&format!("{kind} "))).unwrap_or(line);
        super::table::shorten_end(line, LONGEST)
    }

    /// Whether `line` can be evaluated as it stands, or more must follow.
    #[must_use]
    pub fn is_complete(&self, line: &str) -> bool {
        if lexer::is_open(line) {
            return false;
        }
        let unfinished = |error: &rhai::ParseError| matches!(*error.0, ParseErrorType::UnexpectedEOF);
        !self.engine.compile_with_scope(&self.scope, line).is_err_and(|error| unfinished(&error))
    }

    /// The documentation of every function.
    #[must_use]
    pub fn docs(&self) -> &Docs {
        &self.docs
    }

    /// `docs/language.md`: the language in a few pages, then every function.
    #[must_use]
    pub fn manual(&self) -> String {
        manual::markdown(&self.docs)
    }

    /// Definition files for editors' Rhai support, by name.
    #[must_use]
    pub fn definitions(&self) -> BTreeMap<String, String> {
        manual::definitions(&self.docs)
    }

    /// The listener, the interrupt and the device of this session.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// The functions that wasabi adds to the language.
    #[must_use]
    pub fn own_functions(&self) -> Vec<String> {
        let mut names: Vec<String> = self.engine.gen_fn_signatures(false).iter().map(|text| name_of(text)).collect();
        names.retain(|name| is_name(name) && !matches!(name.as_str(), "to_string" | "to_debug"));
        names.sort();
        names.dedup();
        names
    }

    /// Every name that can begin an expression: functions, then variables.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut names = self.functions_in_reach();
        names.extend(self.variables());
        names.sort();
        names.dedup();
        names
    }

    /// The variables that live.
    pub fn variables(&self) -> Vec<String> {
        self.scope.iter().map(|(name, ..)| name.to_owned()).collect()
    }

    fn functions_in_reach(&self) -> Vec<String> {
        let own = self.functions.iter_functions().map(|function| function.name.to_owned());
        self.callable.iter().cloned().chain(own).collect()
    }

    /// Compiles and evaluates `source` from byte `from` on; its lines keep the numbers that they have in the whole.
    fn evaluate_in(&mut self, source: &Source, from: usize) -> Result<Dynamic, Diagnostic> {
        self.context.interrupt.clear();
        self.context.source.replace(Some(source.clone()));
        let lines = source.text()[..from].matches('\n').count();
        let imported: String =
            if lines > 0 { self.imports.iter().map(|text| format!("{text}; ")).collect() } else { String::new() };
        let mut text = format!("{imported}{}", "\n".repeat(lines));
        text.push_str(&source.text()[from..]);
        let compiled = fenced(|| self.engine.compile_with_scope(&self.scope, &text))?;
        let mut ast = compiled.map_err(|error| self.explain(source, &error.into()))?;
        ast.set_source(source.name());
        self.functions = self.functions.merge(&ast.clone_functions_only());
        let (functions, variables) = (self.functions_in_reach(), self.variables());
        Names { docs: &self.docs, functions: &functions, variables: &variables, types: self }.check(source, from)?;
        let whole = self.functions.merge(&ast);
        let evaluated = fenced(|| self.engine.eval_ast_with_scope::<Dynamic>(&mut self.scope, &whole));
        evaluated?.map_err(|error| self.explain(source, &error))
    }

    /// Keeps what an interrupted `line` would have introduced, for errors about it; and for `:save`, where its run lies.
    /// `folder` is that of the run.
    fn remember_interrupted(&mut self, line: &str, error: &Diagnostic, folder: Option<&str>) {
        if error.cause != Cause::Interrupt {
            return;
        }
        let introduced = Source::new(PROMPT, line).introduced();
        self.interrupted.extend(introduced.into_iter().map(|name| (name, folder.map(str::to_owned))));
        if let Some(folder) = folder {
            self.transcript.keep_if_used("last_run", &format!("let last_run = load_run({folder:?})"));
        }
    }

    /// An interrupted run stays reachable as `last_run`.
    fn keep_unfinished(&mut self, diagnostic: Diagnostic) -> Diagnostic {
        let Some(unfinished) = self.context.unfinished.take() else { return diagnostic };
        self.scope.set_or_push("last_run", unfinished.run.clone());
        unfinished.tell_named(diagnostic, self.context.interrupt.is_urgent())
    }

    fn explain(&self, source: &Source, error: &EvalAltResult) -> Diagnostic {
        if let EvalAltResult::ErrorTerminated(value, _) = error.unwrap_inner()
            && !value.is_unit()
        {
            return Diagnostic::exit(value);
        }
        let functions = self.functions_in_reach();
        let last = self.scope.get("last_run").and_then(bind::folder_of);
        let next = |folder: &Option<String>| match folder {
            None => "; type it again".to_owned(),
            Some(folder) if last.as_ref() == Some(folder) => ": the run so far is in `last_run`".to_owned(),
            Some(folder) => format!(": the run so far is load_run({folder:?})"),
        };
        let interrupted: Vec<(String, String)> =
            self.interrupted.iter().map(|(name, folder)| (name.clone(), next(folder))).collect();
        let known =
            Known { source, docs: &self.docs, functions, variables: self.variables(), interrupted: &interrupted };
        known.explain(error)
    }

    /// A value as the prompt shows it.
    fn show(&self, value: Dynamic) -> Result<String, Diagnostic> {
        if let Some(figure) = value.read_lock::<Figure>() {
            return fenced(|| bind::plot::show_figure(&self.context, &figure))?.map_err(Diagnostic::from);
        }
        let length = value.as_array_ref().map_or(0, |array| array.len());
        let value = if length > LONGEST_ARRAY { shortened(&value) } else { value };
        let mut scope = Scope::new();
        scope.push_dynamic("value", value);
        let source = Source::new(PROMPT, "to_debug(value)");
        let shown = fenced(|| self.engine.eval_with_scope::<String>(&mut scope, source.text()))?;
        let shown = shown.map_err(|error| self.explain(&source, &error))?;
        if length <= LONGEST_ARRAY {
            return Ok(shown);
        }
        Ok(format!("{}, … {length} values]", shown.trim_end_matches(']')))
    }
}

impl Types for Session {
    fn docs(&self) -> &Docs {
        &self.docs
    }

    fn variable(&self, name: &str) -> Option<String> {
        let value = self.scope.get(name)?;
        let first = value.as_array_ref().ok().and_then(|array| array.first().map(|first| self.word_of(first)));
        Some(first.map_or_else(|| self.word_of(value), |first| format!("array of {first}")))
    }

    fn columns(&self, name: &str) -> Option<Vec<String>> {
        bind::columns_of(self.scope.get(name)?)
    }
}

/// The script at `path`; `-` is standard input, which the prompt reads itself.
fn read_script(path: &Path) -> Result<String, Diagnostic> {
    if path == Path::new("-") {
        std::io::read_to_string(std::io::stdin())
            .map_err(|error| Diagnostic::new(format!("cannot read a script from standard input: {error}")).of_usage())
    } else {
        read(path)
    }
}

/// The most elements of an array that the prompt shows whole, and how many it shows of a longer one.
const LONGEST_ARRAY: usize = 100;
const FIRST: usize = 12;

/// The first elements of an array.
fn shortened(array: &Dynamic) -> Dynamic {
    let first = array.as_array_ref().map(|array| array.iter().take(FIRST).cloned().collect::<rhai::Array>());
    first.map_or(Dynamic::UNIT, Dynamic::from)
}

fn read(path: &Path) -> Result<String, Diagnostic> {
    std::fs::read_to_string(path).map_err(|error| {
        let fault = context::plain(&error, None);
        Diagnostic::new(format!("cannot read script {}: {}", path.display(), fault.message)).of_usage()
    })
}

/// The functions in `signatures` that our docs do not tell of, by the type of their first parameter.
fn by_first_type(signatures: &[String], docs: &Docs) -> BTreeMap<String, Vec<(String, bool)>> {
    let mut found: BTreeMap<String, Vec<(String, bool)>> = BTreeMap::new();
    for signature in signatures {
        let (name, rest) = signature.split_once('(').unwrap_or((signature, ""));
        let first = rest.split([',', ')']).next().unwrap_or_default();
        let of = first.rsplit(": ").next().unwrap_or_default().trim_start_matches("&mut ").trim();
        if is_name(name) && !of.is_empty() && !matches!(name, "to_string" | "to_debug" | "print" | "debug") {
            let of = type_word(of);
            if docs.find(of, name).is_none() && docs.find("", name).is_none() {
                found.entry(of.to_owned()).or_default().push((name.to_owned(), rest.contains(',')));
            }
        }
    }
    for names in found.values_mut() {
        names.sort();
        // Of several forms, the one that takes more counts.
        names.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            kept.1 |= same && next.1;
            same
        });
    }
    found
}

/// Whether a function can be called by this name: operators and the accessors of properties cannot.
fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_alphabetic() || c == '_') && !name.contains('$')
}

/// The name in a signature such as `max(x: i64, y: i64) -> i64`.
fn name_of(signature: &str) -> String {
    signature.split(['(', ' ']).next().unwrap_or_default().to_owned()
}
