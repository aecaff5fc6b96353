//! The last fence: a panic inside an evaluation becomes an error report, and the session lives on.
//!
//! Reaching it is always a bug of wasabi. The report carries what a developer needs and nothing is printed by Rust's
//! own hook; panics outside a fence go the usual way.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use super::diagnostic::{Cause, Diagnostic};
use super::fault::without_stack;

thread_local! {
    /// None outside a fence; inside, what the hook saw.
    static SEEN: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs `work`; a panic in it is an error that says where it came from. One that began on another thread (a worker of
/// rayon's) and went on here brings its message only.
pub(crate) fn fenced<T>(work: impl FnOnce() -> T) -> Result<T, Diagnostic> {
    install();
    let outer = SEEN.with(|seen| seen.replace(Some(String::new())));
    let outcome = panic::catch_unwind(AssertUnwindSafe(work));
    let seen = SEEN.with(|seen| seen.replace(outer)).unwrap_or_default();
    outcome.map_err(|payload| {
        let message = message_of(payload.as_ref()).unwrap_or(WORDLESS);
        let mut report = Diagnostic::new(without_stack(message).lines().next().unwrap_or(WORDLESS));
        report.cause = Cause::Bug;
        // What the hook saw last may be another panic, which somebody caught.
        let seen = if seen.starts_with(message) { seen.as_str() } else { message };
        report.notes.extend(seen.lines().skip(1).map(str::to_owned));
        report.notes.push(format!("wasabi {} ({})", env!("CARGO_PKG_VERSION"), env!("WASABI_REVISION")));
        report.with_hint("this is a bug in wasabi: please report it with the script or the command line that shows it")
    })
}

/// In place of what a panic did not say.
const WORDLESS: &str = "a panic without a message";

/// What `panic!` was given.
fn message_of(payload: &dyn Any) -> Option<&str> {
    payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}

fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let message = message_of(info.payload()).unwrap_or(WORDLESS);
            let place = info.location().map(|place| format!("\nat {}:{}", place.file(), place.line()));
            let fenced = SEEN.with(|seen| {
                let mut seen = seen.borrow_mut();
                seen.as_mut().map(|seen| *seen = format!("{message}{}", place.unwrap_or_default())).is_some()
            });
            if !fenced {
                usual(info);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_a_report_that_names_its_place() {
        let report = fenced(|| panic!("shapes do not match\nC++ frames")).expect_err("it panicked");
        assert_eq!(report.cause, Cause::Bug);
        assert_eq!(report.message, "shapes do not match");
        assert!(report.notes.iter().any(|note| note.contains("fence.rs:")), "{report}");
        assert_eq!(fenced(|| 7).map_err(|report| report.message), Ok(7), "the fence can be used again");
    }

    #[test]
    fn a_panic_on_another_thread_keeps_its_message() {
        let work = || std::thread::spawn(|| panic!("in a worker")).join();
        let report =
            fenced(|| work().unwrap_or_else(|payload| panic::resume_unwind(payload))).expect_err("it panicked");
        assert_eq!((report.cause, report.message.as_str()), (Cause::Bug, "in a worker"));
    }

    #[test]
    fn libtorchs_stack_is_no_part_of_the_message() {
        let torch = "shapes\nException raised from check at a.cpp:1\nframe #0: f()";
        // As `expect` shows it.
        let report = fenced(|| panic!("libtorch: {torch:?}")).expect_err("it panicked");
        assert!(report.message.contains("shapes") && !report.message.contains("frame #"), "{}", report.message);
    }
}
