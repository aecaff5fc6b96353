//! Ctrl-C while work runs: the first asks it to stop at its next step, the second ends the process.

use std::io;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use crate::interrupt::Interrupt;

/// Sets `interrupt` at every Ctrl-C from now on.
///
/// A second one, before the first was heeded, or a SIGTERM after it, does what the system does by default.
///
/// # Errors
/// When the system refuses the handler.
pub fn listen(interrupt: Interrupt) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            if interrupt.is_set() {
                drop(emulate_default_handler(signal));
            }
            interrupt.set();
        }
    })?;
    Ok(())
}
