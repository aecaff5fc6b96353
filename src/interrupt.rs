//! A flag that asks long work to stop at its next step: set by Ctrl-C, polled by every native loop over a second.
//!
//! May use: no room.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A stop request shared between whoever asks and whoever works. Clones share the flag.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Asks the work to stop at its next step.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Forgets an earlier request, before new work starts.
    pub fn clear(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// Whether somebody asked.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
