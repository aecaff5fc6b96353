//! A session: variables and functions that live from one evaluation to the next, and errors that point into what was
//! typed.

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use rhai::module_resolvers::FileModuleResolver;
use rhai::{AST, Dynamic, Engine, EvalAltResult, ParseErrorType, Scope};

use super::bind;
use super::check::Names;
use super::context::{self, Context};
use super::diagnostic::{Cause, Diagnostic};
use super::docs::Docs;
use super::engine;
use super::explain::Known;
use super::fence::fenced;
use super::lexer;
use super::params::Params;
use super::source::Source;

/// What the prompt's lines are called in front of a line number.
const PROMPT: &str = "prompt";

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
    context: Rc<Context>,
    callable: Vec<String>,
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
        Self { engine, docs, scope: Scope::new(), functions: AST::empty(), typed: String::new(), context, callable }
    }

    /// Runs the script at `path` with the parameters in `given`.
    ///
    /// # Errors
    /// What is wrong with the script, with its parameters, or with what it asked for.
    pub fn run_file(&mut self, path: &Path, given: BTreeMap<String, String>) -> Result<(), Diagnostic> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            let fault = context::plain(&error, None);
            Diagnostic::new(format!("cannot read script {}: {}", path.display(), fault.message)).of_usage()
        })?;
        if let Some(folder) = path.parent() {
            self.engine.set_module_resolver(FileModuleResolver::new_with_path(folder));
        }
        self.run(&Source::new(&path.display().to_string(), &text), given)
    }

    /// Runs a whole script.
    ///
    /// # Errors
    /// As [`Session::run_file`].
    pub fn run(&mut self, source: &Source, given: BTreeMap<String, String>) -> Result<(), Diagnostic> {
        let params = Params::new(given);
        // Rhai skips a `#!` line by itself, and keeps counting.
        params.check_before(source.text()).map_err(|fault| Diagnostic::from(fault).of_usage())?;
        self.context.params.replace(params);
        // A script's last value is of no interest: it prints what it wants seen.
        drop(self.evaluate_in(source, 0)?);
        self.context.params.borrow().check_after().map_err(|fault| Diagnostic::from(fault).of_usage())
    }

    /// Evaluates what was typed at the prompt; a value to show, if there is one.
    ///
    /// # Errors
    /// What is wrong with it. Variables and functions of earlier lines, and of the part that ran, stay.
    pub fn evaluate(&mut self, line: &str) -> Result<Option<String>, Diagnostic> {
        if self.typed.matches('\n').count() + line.matches('\n').count() > MOST_LINES {
            self.typed.clear();
        }
        let from = self.typed.len();
        self.typed.push_str(line);
        self.typed.push('\n');
        let source = Source::new(PROMPT, &self.typed);
        let value = self.evaluate_in(&source, from)?;
        if value.is_unit() { Ok(None) } else { self.show(value).map(Some) }
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

    fn variables(&self) -> Vec<String> {
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
        let mut text = "\n".repeat(source.text()[..from].matches('\n').count());
        text.push_str(&source.text()[from..]);
        let compiled = fenced(|| self.engine.compile_with_scope(&self.scope, &text))?;
        let mut ast = compiled.map_err(|error| self.explain(source, &error.into()))?;
        ast.set_source(source.name());
        self.functions = self.functions.merge(&ast.clone_functions_only());
        let (functions, variables) = (self.functions_in_reach(), self.variables());
        Names { docs: &self.docs, functions: &functions, variables: &variables }.check(source, from)?;
        let whole = self.functions.merge(&ast);
        let evaluated = fenced(|| self.engine.eval_ast_with_scope::<Dynamic>(&mut self.scope, &whole));
        let outcome = evaluated?.map_err(|error| self.explain(source, &error));
        outcome.map_err(|diagnostic| self.keep_unfinished(diagnostic))
    }

    /// An interrupted run stays reachable as `last_run`.
    fn keep_unfinished(&mut self, mut diagnostic: Diagnostic) -> Diagnostic {
        let unfinished = self.context.unfinished.take();
        if let Some(run) = unfinished.filter(|_| diagnostic.cause == Cause::Interrupt) {
            self.scope.set_or_push("last_run", run);
            diagnostic.notes.push("the run so far is saved, and is in the variable `last_run`".to_owned());
        }
        diagnostic
    }

    fn explain(&self, source: &Source, error: &EvalAltResult) -> Diagnostic {
        let functions = self.functions_in_reach();
        Known { source, docs: &self.docs, functions, variables: self.variables() }.explain(error)
    }

    /// A value as the prompt shows it.
    fn show(&self, value: Dynamic) -> Result<String, Diagnostic> {
        let mut scope = Scope::new();
        scope.push_dynamic("value", value);
        let source = Source::new(PROMPT, "to_debug(value)");
        let shown = fenced(|| self.engine.eval_with_scope::<String>(&mut scope, source.text()))?;
        shown.map_err(|error| self.explain(&source, &error))
    }
}

/// Whether a function can be called by this name: operators and the accessors of properties cannot.
fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_alphabetic() || c == '_') && !name.contains('$')
}

/// The name in a signature such as `max(x: i64, y: i64) -> i64`.
fn name_of(signature: &str) -> String {
    signature.split(['(', ' ']).next().unwrap_or_default().to_owned()
}
