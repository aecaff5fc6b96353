//! Training as a script watches and steers it: `on_step: |s| …`, `on_eval: |e| …`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rhai::{Dynamic, EvalAltResult, FnPtr, Map, NativeCallContext};

use super::super::Outcome;
use super::super::meter::Meter;
use super::super::parameters;
use super::run::RunValue;
use super::steering::{Step, Validation};
use crate::options::{Field, OptionError, lower_first};
use crate::script::context::Context;
use crate::script::convert::a_type;
use crate::script::fault::Fault;
use crate::script::lexer;
use crate::script::source::Source;
use crate::train::{Control, EvalReport, Evaluation, Observer, StepReport, Weights};

/// The options of `train` that are no settings, for its documentation.
pub(super) const FIELDS: [Field; 3] = [
    Field {
        name: "on_step",
        doc: "Called after each update with a Step, as in `|s| if s.loss < 2 { s.stop() }`. [; function]",
        kind: "Option<Fn>",
        default: || serde_json::Value::Null,
    },
    Field {
        name: "on_eval",
        doc: "Called after each validation with a Validation, as in `|e| generate(e.model, #{ seconds: 1 })`. [; function]",
        kind: "Option<Fn>",
        default: || serde_json::Value::Null,
    },
    Field {
        name: "on_step_every",
        doc: "Updates between calls of on_step. On a CUDA device each call waits for the device to catch up: every 16 costs \
              nothing there. [updates; 1 or more]",
        kind: "u64",
        default: || 1.into(),
    },
];

/// The functions that a script gave.
#[derive(Default)]
pub(super) struct Callbacks {
    on_step: Option<FnPtr>,
    on_eval: Option<FnPtr>,
    every: u64,
    /// What each function says, where that can be known.
    words: BTreeMap<String, String>,
}

impl Callbacks {
    /// Takes the functions out of `options`.
    pub(super) fn take(call: &NativeCallContext<'_>, options: &mut Map) -> Result<Self, Fault> {
        let mut words = BTreeMap::new();
        let mut function = |name: &str| -> Result<Option<FnPtr>, Fault> {
            let Some(given) = options.remove(name).filter(|given| !given.is_unit()) else { return Ok(None) };
            let found = a_type(given.type_name());
            let function = given.try_cast::<FnPtr>().ok_or_else(|| {
                let fault = Fault::new(format!("`{name}` is {found}, but must be a function"));
                of_option(name, fault.with_hint(example(name)))
            })?;
            if let Some(found) = parameters(call, &function).filter(|found| *found != 1) {
                let fault = Fault::new(format!("`{name}` must be a function of one value, and this one takes {found}"));
                return Err(of_option(name, fault.with_hint(example(name))));
            }
            words.insert(name.to_owned(), words_of(call, name, &function));
            Ok(Some(function))
        };
        let (on_step, on_eval) = (function("on_step")?, function("on_eval")?);
        let every = match options.remove("on_step_every").filter(|given| !given.is_unit()) {
            None => 1,
            Some(given) => {
                let every = given.as_int().ok().and_then(|every| u64::try_from(every).ok()).filter(|every| *every > 0);
                every.ok_or_else(|| OptionError::value("on_step_every", given, "a whole number of at least 1"))?
            }
        };
        Ok(Self { on_step, on_eval, every, words })
    }
}

fn of_option(name: &str, fault: Fault) -> Fault {
    Fault { option: Some(name.to_owned()), ..fault }
}

fn example(name: &str) -> &'static str {
    if name == "on_step" { "on_step: |s| print(s.loss)" } else { "on_eval: |e| print(e.bits_per_byte)" }
}

/// A function in its own words: its name, or the text of the closure where it stands in a file as the option's value.
fn words_of(call: &NativeCallContext<'_>, option: &str, function: &FnPtr) -> String {
    const UNKNOWN: &str = "a closure";
    if !function.is_anonymous() {
        return function.fn_name().to_owned();
    }
    let Some(text) = call.call_source().and_then(|path| std::fs::read_to_string(path).ok()) else {
        return UNKNOWN.to_owned();
    };
    let source = Source::new("", &text);
    let value = source.option(call.call_position(), option).map(|key| value_after(&text, key.end));
    value.filter(|text| text.starts_with('|')).map_or_else(|| UNKNOWN.to_owned(), str::to_owned)
}

/// What stands after the `:` of an option whose name ends at byte `from`.
fn value_after(text: &str, from: usize) -> &str {
    let (mut depth, mut begin, mut end) = (0, from, from);
    for token in lexer::tokens(text).iter().filter(|token| token.span.start >= from).skip(1) {
        depth += lexer::nesting(text, token);
        if depth < 0 || (depth == 0 && &text[token.span.clone()] == ",") {
            break;
        }
        begin = if begin == from { token.span.start } else { begin };
        end = token.span.end;
    }
    &text[begin..end]
}

/// Shows training as it goes, and calls the script's functions.
pub(super) struct Watch<'a> {
    context: &'a Context,
    meter: Meter<'a>,
    call: Option<&'a NativeCallContext<'a>>,
    callbacks: Callbacks,
    folder: PathBuf,
    /// What a callback raised; training then stops.
    failed: Option<Box<EvalAltResult>>,
}

impl<'a> Watch<'a> {
    /// Watches for `context`, without callbacks.
    pub(super) fn new(context: &'a Context) -> Self {
        let meter = Meter::new(context, "training");
        Self { context, meter, call: None, callbacks: Callbacks::default(), folder: PathBuf::new(), failed: None }
    }

    /// The same, calling `callbacks` as `call` would.
    pub(super) fn calling(self, call: &'a NativeCallContext<'a>, callbacks: Callbacks) -> Self {
        Self { call: Some(call), callbacks, ..self }
    }

    /// What training came to: the error of a callback before all else.
    pub(super) fn outcome<T>(self, trained: Result<T, Fault>) -> Outcome<T> {
        match self.failed {
            Some(error) => {
                let folder = self.folder.display();
                self.context.host.note(&format!("the run so far is saved: resume(\"{folder}\") goes on with it"));
                Err(error)
            }
            None => {
                // Given up without a run to return: what is on disk is in reach all the same.
                if trained.is_err()
                    && self.context.interrupt.is_set()
                    && let Ok(run) = RunValue::load(&self.folder)
                {
                    self.context.keep_unfinished(run);
                }
                self.context.finish(trained)
            }
        }
    }

    /// Calls `function`. An error is kept and, in a few words, returned: training has to stop.
    fn run(&mut self, name: &str, function: &FnPtr, value: Dynamic) -> Option<String> {
        let error = function.call_within_context::<Dynamic>(self.call?, (value,)).err()?;
        if self.context.interrupt.is_set() {
            return None; // the run ends as interrupted, and stays in reach
        }
        let error = match *error {
            EvalAltResult::ErrorFunctionNotFound(ref signature, _) if signature.starts_with(function.fn_name()) => {
                let fault = Fault::new(format!("`{name}` must be a function of one value"));
                of_option(name, fault.with_hint(example(name))).into()
            }
            _ => error,
        };
        let reason = format!("{name} failed: {}", brief(&error));
        self.failed = Some(error);
        Some(reason)
    }
}

/// What an error says, without where.
fn brief(error: &EvalAltResult) -> String {
    match error.unwrap_inner() {
        EvalAltResult::ErrorTerminated(..) => "it was stopped".to_owned(),
        EvalAltResult::ErrorRuntime(value, _) => {
            value.read_lock::<Fault>().map_or_else(|| value.to_string(), |fault| fault.message.clone())
        }
        // `Unknown property 'bpb' - a getter is not registered for type 'Step'`
        EvalAltResult::ErrorDotExpr(text, _) => {
            let mut quoted = text.split('\'').skip(1).step_by(2);
            match (quoted.next(), quoted.next()) {
                (Some(name), Some(of)) => format!("{} has no property `{name}`", a_type(of)),
                _ => lower_first(text),
            }
        }
        other => {
            let text = other.to_string();
            lower_first(text.rsplit_once(" (line ").map_or(&*text, |(said, _)| said))
        }
    }
}

impl Observer for Watch<'_> {
    fn on_begin(&mut self, run: &Path, done: u64, total: u64) {
        self.folder = run.to_owned();
        self.meter.advance(done, total, "");
    }

    fn on_step(&mut self, report: &StepReport, control: &mut Control) {
        self.meter.advance(report.step, report.total, &format!("{:.3} bits/byte", report.bits_per_byte));
        let Some(function) = self.callbacks.on_step.clone() else { return };
        if self.failed.is_some() || !report.step.is_multiple_of(self.callbacks.every) {
            return;
        }
        let step = Step::new(report.clone(), &self.folder, std::mem::take(control));
        let failure = self.run("on_step", &function, Dynamic::from(step.clone()));
        *control = step.close();
        failure.into_iter().for_each(|reason| control.fail(reason));
    }

    fn on_eval(&mut self, report: &EvalReport, weights: &Weights, control: &mut Control) {
        let Evaluation { bits_per_byte, accuracy, baselines, .. } = &report.evaluation;
        let best = if report.best { ", best so far" } else { "" };
        self.meter.line(&format!(
            "step {}: validation {bits_per_byte:.3} bits/byte (Markov {:.3}), accuracy {:.1} %{best}",
            report.step,
            baselines.markov.per_byte,
            100.0 * accuracy,
        ));
        let Some(function) = self.callbacks.on_eval.clone().filter(|_| self.failed.is_none()) else { return };
        let seen = Validation::new(report.clone(), weights.clone(), &self.folder, std::mem::take(control));
        let failure = self.run("on_eval", &function, Dynamic::from(seen.clone()));
        *control = seen.close();
        failure.into_iter().for_each(|reason| control.fail(reason));
    }

    fn on_eval_progress(&mut self, done: usize, total: usize) {
        self.meter.message(&format!("validating, window {done} of {total}"));
    }

    fn on_note(&mut self, note: &str) {
        self.meter.note(note);
    }

    fn figures_every(&self) -> Option<u64> {
        self.callbacks.on_step.as_ref().map(|_| self.callbacks.every)
    }

    fn callbacks(&self) -> BTreeMap<String, String> {
        self.callbacks.words.clone()
    }
}
