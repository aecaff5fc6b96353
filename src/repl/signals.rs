//! Ctrl-C while work runs: the first asks it to stop at its next step. What the second does depends on who listens.

use std::io::{self, Write};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use crate::interrupt::Interrupt;

/// What a second request means, made before the first was heeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Insistence {
    /// It ends the process, as the system does by default: for scripts and commands.
    Ends,
    /// It makes work give up unsaved, and the prompt come back: for the prompt, whose process lives on.
    Aborts,
}

/// Sets `interrupt` at every Ctrl-C from now on.
///
/// A SIGTERM does the same, and ends the process where nothing is being worked on, or the second time.
///
/// # Errors
/// When the system refuses the handler.
pub fn listen(interrupt: Interrupt, insistence: Insistence) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            let again = interrupt.is_set();
            let ends = signal == SIGTERM || insistence == Insistence::Ends;
            if ends && (again || (signal == SIGTERM && interrupt.is_idle())) {
                drop(emulate_default_handler(signal));
            }
            interrupt.set();
            if interrupt.times() == 3 {
                // Nothing can take a thread out of a call into libtorch: say what can be done.
                let words = "\nstill inside a step that cannot be cut short; Ctrl-\\ ends wasabi at once";
                drop(writeln!(io::stderr().lock(), "{words}"));
            }
        }
    })?;
    Ok(())
}
