//! What every binding shares: who listens, who may interrupt, where tensors live, what `--set` gave.

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::path::PathBuf;
use std::rc::Rc;

use rhai::{Dynamic, EvalAltResult, Position};

use super::diagnostic::Diagnostic;
use super::fault::Fault;
use super::host::Host;
use super::params::Params;
use super::source::Source;
use crate::device::Selection;
use crate::interrupt::Interrupt;
use crate::plot::Theme;

/// Where the prompt saves figures unless told otherwise.
const FIGURES: &str = "reports/prompt";

/// A run that an interrupt cut short.
#[derive(Debug, Clone)]
pub struct Unfinished {
    /// The run, as a script has it.
    pub run: Dynamic,
    /// Its folder.
    pub folder: String,
    /// The updates that its last checkpoint holds.
    pub steps: u64,
}

impl Unfinished {
    /// Says where the run stands, and how to go on with it.
    pub(super) fn tell(&self, diagnostic: Diagnostic, given_up: bool) -> Diagnostic {
        let hint = format!("go on with it: resume(\"{}\")", self.folder);
        self.stand(diagnostic, given_up).with_hint(hint)
    }

    /// The same where it is in reach as `last_run`.
    pub(super) fn tell_named(&self, diagnostic: Diagnostic, given_up: bool) -> Diagnostic {
        let mut diagnostic = self.stand(diagnostic, given_up);
        diagnostic.notes.push("last_run.resume() goes on with it".to_owned());
        diagnostic
    }

    fn stand(&self, mut diagnostic: Diagnostic, given_up: bool) -> Diagnostic {
        let Self { folder, steps, .. } = self;
        diagnostic.notes.push(if given_up {
            format!("asked twice, so the step under way is given up: {folder} holds the run up to step {steps}")
        } else {
            format!("the run so far is saved in {folder}, up to step {steps}")
        });
        diagnostic
    }
}

/// The outside, as bindings see it.
pub struct Context {
    /// Prints, and watches long work.
    pub host: Rc<dyn Host>,
    /// Asks long work to stop.
    pub interrupt: Interrupt,
    /// Where models are built.
    pub device: Cell<Selection>,
    /// What `--set` gave.
    pub params: RefCell<Params>,
    /// The colours of figures that the prompt shows; None leaves each in its own.
    pub theme: Cell<Option<Theme>>,
    /// Where figures that the prompt shows are saved.
    pub figures: RefCell<PathBuf>,
    /// The text that is being evaluated: a script's, or all that was typed at the prompt.
    pub(super) source: RefCell<Option<Source>>,
    /// The run that an interrupt cut short, for whoever handles the interrupt.
    pub unfinished: RefCell<Option<Unfinished>>,
}

impl Context {
    /// A context for `host` with nothing set, on `device`.
    #[must_use]
    pub fn new(host: Rc<dyn Host>, interrupt: Interrupt, device: Selection) -> Self {
        Self {
            host,
            interrupt,
            device: Cell::new(device),
            params: RefCell::default(),
            theme: Cell::default(),
            figures: RefCell::new(PathBuf::from(FIGURES)),
            source: RefCell::default(),
            unfinished: RefCell::default(),
        }
    }

    /// A room's error as Rhai's: an interrupt when that is why the room gave up.
    pub(super) fn raise(&self, fault: impl Into<Fault>) -> Box<EvalAltResult> {
        if self.interrupt.is_set() { interrupted() } else { fault.into().into() }
    }

    /// What a room answered, as a binding returns it.
    pub(super) fn finish<T>(&self, outcome: Result<T, Fault>) -> Result<T, Box<EvalAltResult>> {
        outcome.map_err(|fault| self.raise(fault))
    }
}

/// Ends the evaluation without a `catch` being able to hold it.
pub(super) fn interrupted() -> Box<EvalAltResult> {
    EvalAltResult::ErrorTerminated(Dynamic::UNIT, Position::NONE).into()
}

/// Any error of the standard library's kind as a fault with a hint of our own.
pub(super) fn plain(error: &dyn Error, hint: Option<&str>) -> Fault {
    Fault::of(error, hint.map(str::to_owned))
}
