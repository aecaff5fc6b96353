//! The last fence: a panic inside an evaluation becomes an error report, and the session lives on.
//!
//! Reaching it is always a bug of wasabi. The report carries what a developer needs and nothing is printed by Rust's
//! own hook; panics outside a fence go the usual way.

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use super::diagnostic::{Cause, Diagnostic};

thread_local! {
    /// None outside a fence; inside, what the hook saw.
    static SEEN: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs `work`; a panic in it is an error that says where it came from.
pub(super) fn fenced<T>(work: impl FnOnce() -> T) -> Result<T, Diagnostic> {
    install();
    let outer = SEEN.with(|seen| seen.replace(Some(String::new())));
    let outcome = panic::catch_unwind(AssertUnwindSafe(work));
    let seen = SEEN.with(|seen| seen.replace(outer)).unwrap_or_default();
    outcome.map_err(|_| {
        let mut report = Diagnostic::new(seen.lines().next().unwrap_or("a panic without a message"));
        report.cause = Cause::Bug;
        report.notes.extend(seen.lines().skip(1).map(str::to_owned));
        report.notes.push(format!("wasabi {} ({})", env!("CARGO_PKG_VERSION"), env!("WASABI_REVISION")));
        report.with_hint("this is a bug in wasabi, not in your script: please report it with the script that shows it")
    })
}

fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let message = info.payload_as_str().unwrap_or("a panic without a message");
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
}
