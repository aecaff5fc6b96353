//! What went wrong in a room, on its way through Rhai to the line that asked for it.

use std::error::Error;

use rhai::{Dynamic, EvalAltResult, Position};

use super::diagnostic::Diagnostic;
use crate::options::{OptionError, nearest};

/// A room's error as a script value: `try { … } catch (fault) { print(fault.message) }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What was found and what was needed.
    pub message: String,
    /// What to try next.
    pub hint: Option<String>,
    /// The option at fault, so that the caret can point at it.
    pub option: Option<String>,
}

impl Fault {
    /// A fault in the script's own words.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, option: None }
    }

    /// The same fault with what to try next.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// A room's error with everything that caused it, and its hint.
    pub(super) fn of(error: &dyn Error, hint: Option<String>) -> Self {
        let mut message = without_stack(&error.to_string()).to_owned();
        let mut option = None;
        let mut hint = hint;
        let mut cause = error.source();
        while let Some(inner) = cause {
            if let Some(inner) = inner.downcast_ref::<OptionError>() {
                option = Some(inner.key.clone());
                if let Some((plain, meant)) = variants(&inner.message) {
                    message = message.replace(&inner.message, &plain);
                    hint = meant.or(hint);
                    break;
                }
            }
            let text = inner.to_string();
            let text = without_stack(&text);
            // A room that quotes its cause quotes the first line at least.
            if !message.contains(text.lines().next().unwrap_or_default()) {
                message = format!("{message}: {text}");
            }
            cause = inner.source();
        }
        Self { message: plain_types(&message), hint, option }
    }
}

impl From<OptionError> for Fault {
    fn from(error: OptionError) -> Self {
        let (message, hint) = match variants(&error.message) {
            Some((message, meant)) => (message, meant.or(error.hint)),
            None => (plain_types(&error.message), error.hint),
        };
        Self { message, hint, option: Some(error.key) }
    }
}

impl From<Fault> for Box<EvalAltResult> {
    fn from(fault: Fault) -> Self {
        EvalAltResult::ErrorRuntime(Dynamic::from(fault), Position::NONE).into()
    }
}

impl From<Fault> for Diagnostic {
    fn from(fault: Fault) -> Self {
        let diagnostic = Self::new(fault.message);
        match fault.hint {
            Some(hint) => diagnostic.with_hint(hint),
            None => diagnostic,
        }
    }
}

/// A room whose errors know what to try next.
macro_rules! faults {
    ($($error:path),* $(,)?) => {
        $(impl From<$error> for Fault {
            fn from(error: $error) -> Self {
                let hint = error.hint();
                Self::of(&error, hint)
            }
        })*
    };
}

faults!(
    crate::audio::AudioError,
    crate::device::DeviceError,
    crate::experiment::ExperimentError,
    crate::generate::GenerateError,
    crate::metrics::MetricsError,
    crate::model::ModelError,
    crate::plot::PlotError,
    crate::report::ReportError,
    crate::train::ScheduleError,
    crate::train::TrainError,
);

/// A message without the C++ stack that libtorch appends, be it quoted as it is or as Rust shows it for debugging.
pub(super) fn without_stack(message: &str) -> &str {
    const STACK: [&str; 4] = ["\nException raised from", "\\nException raised from", "\nframe #", "\\nframe #"];
    let from = STACK.iter().filter_map(|mark| message.find(mark)).min();
    message[..from.unwrap_or(message.len())].trim_end()
}

/// A closed set's complaint in a person's words: `…: unknown variant X, expected one of A, B`, and the nearest of them.
fn variants(message: &str) -> Option<(String, Option<String>)> {
    let (before, after) = message.split_once(": unknown variant `")?;
    let (typed, expected) = after.split_once("`, expected ")?;
    let known: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
    let list = known.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    let meant = nearest(typed, known).map(|name| format!("did you mean \"{name}\"?"));
    Some((format!("{before}; there are {list}"), meant))
}

/// serde's words for types, in the script's words.
fn plain_types(message: &str) -> String {
    const WORDS: &[(&str, &str)] = &[
        ("expected usize", "expected a whole number"),
        ("expected u64", "expected a whole number"),
        ("expected u32", "expected a whole number"),
        ("expected u8", "expected a whole number below 256"),
        ("expected i64", "expected an integer"),
        ("expected f64", "expected a number"),
        ("expected f32", "expected a number"),
        ("expected a boolean", "expected true or false"),
        ("expected a string", "expected text"),
        ("expected path string", "expected a path"),
        ("expected a sequence", "expected an array"),
        ("invalid type: string", "found text"),
        ("invalid type: integer", "found the integer"),
        ("invalid type: floating point", "found the real"),
        ("invalid type: boolean", "found"),
        ("invalid type: sequence", "found an array"),
        ("invalid type: map", "found a map"),
        ("invalid type: null", "found nothing"),
        ("invalid value: integer", "found the integer"),
    ];
    let plain = WORDS.iter().fold(message.to_owned(), |text, (from, to)| text.replace(from, to));
    // What was found stands before it already.
    match (plain.split_once(": found "), plain.rsplit_once(", expected ")) {
        (Some((before, _)), Some((_, needed))) => format!("{before}: expected {needed}"),
        _ => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Torch(String);

    #[derive(Debug, thiserror::Error)]
    #[error("{told}")]
    struct Room {
        told: &'static str,
        source: Torch,
    }

    #[test]
    fn libtorchs_stack_is_in_no_message() {
        let stack =
            "sizes 3 and 4 differ\nException raised from check at a.cpp:1 (most recent call first):\nframe #0: f()";
        let of = |told| Fault::of(&Room { told, source: Torch(stack.to_owned()) }, None).message;
        assert_eq!(of("libtorch: sizes 3 and 4 differ"), "libtorch: sizes 3 and 4 differ");
        assert_eq!(of("the layer refused"), "the layer refused: sizes 3 and 4 differ");
        assert_eq!(Fault::of(&Torch(stack.to_owned()), None).message, "sizes 3 and 4 differ");
        assert_eq!(Fault::of(&Torch("a\nb".to_owned()), None).message, "a\nb", "other lines stay");
    }
}
