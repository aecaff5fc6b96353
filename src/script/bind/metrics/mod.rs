//! `metrics`: frames. One file for values (`values`), questions (`query`), shapes (`shape`) and files (`io`); `docs` says
//! what there is.

mod docs;
mod io;
mod query;
mod shape;
mod values;

use std::panic::resume_unwind;
use std::rc::Rc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use rhai::{Dynamic, Engine};

use super::{Outcome, texts};
use crate::metrics::{Frame, Groups, MetricsError};
use crate::script::context::{Context, interrupted};
use crate::script::convert::a_type;
use crate::script::docs::Docs;
use crate::script::fault::Fault;
use crate::script::fence::fenced;
use crate::script::table::show_table;

/// A frame. Clones share its columns.
pub(crate) type FrameValue = Frame;

pub(super) fn register(engine: &mut Engine, docs: &mut Docs, context: &Rc<Context>) {
    docs.add(docs::DOCS);
    engine.register_type_with_name::<FrameValue>("Frame").register_type_with_name::<Groups>("Groups");
    values::register(engine, context);
    query::register(engine, context);
    shape::register(engine, context);
    io::register(engine, context);
    for name in ["to_string", "to_debug"] {
        let host = Rc::clone(&context.host);
        engine.register_fn(name, move |frame: &mut FrameValue| show_table(frame, host.width()));
        engine.register_fn(name, |groups: &mut Groups| {
            format!("Groups by {}: `.agg(#{{ column: \"mean\" }})` makes a frame of them", groups.keys().join(", "))
        });
    }
}

/// How long a look at the interrupt may be away.
const POLL: Duration = Duration::from_millis(20);

/// The stack of a query: its expressions may be nested deeply.
const STACK: usize = 32 << 20;

/// Runs `work`, in which polars may be busy for long, on a thread of its own, so that Ctrl-C is answered at once. Polars
/// cannot be stopped in the middle: what was begun goes on unseen until it is done, and its answer is dropped.
fn patiently<T: Send + 'static>(
    context: &Context,
    work: impl FnOnce() -> Result<T, MetricsError> + Send + 'static,
) -> Outcome<T> {
    let (sender, answer) = channel();
    let thread = std::thread::Builder::new().name("query".into()).stack_size(STACK);
    let begun = thread.spawn(move || {
        let outcome = fenced(work).map_err(|report| {
            let place = report.notes.first().map(|note| format!("\n{note}")).unwrap_or_default();
            format!("{}{place}", report.message)
        });
        drop(sender.send(outcome)); // nobody listens any more after an interrupt
    });
    begun.map_err(|error| Fault::new(format!("cannot begin a thread: {error}")))?;
    loop {
        match answer.recv_timeout(POLL) {
            Ok(Ok(outcome)) => return Ok(outcome.map_err(Fault::from)?),
            // A panic goes on here, where the session's own fence reports it.
            Ok(Err(report)) => resume_unwind(Box::new(report)),
            Err(RecvTimeoutError::Timeout) if context.interrupt.is_set() => return Err(interrupted()),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(Fault::new("a query ended without an answer").into()),
        }
    }
}

/// One text, or an array of texts.
fn names(found: &Dynamic, what: &str) -> Result<Vec<String>, Fault> {
    if let Ok(text) = found.as_immutable_string_ref() {
        return Ok(vec![text.to_string()]);
    }
    match found.as_array_ref() {
        Ok(array) => texts(&array, what),
        Err(_) => {
            Err(Fault::new(format!("{what} is {}, but must be a text or an array of texts", a_type(found.type_name()))))
        }
    }
}

/// Owned texts as a room takes them.
fn borrowed(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}
