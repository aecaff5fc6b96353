//! A flag that asks long work to stop at its next step: set by Ctrl-C, polled by every native loop over a second.
//!
//! Asked once, work stops where it can be gone on with, and saves. Asked again, it gives up as soon as it looks.
//! May use: no room.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// A stop request shared between whoever asks and whoever works. Clones share the flag.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<State>);

#[derive(Debug, Default)]
struct State {
    asked: AtomicU8,
    idle: AtomicBool,
}

impl Interrupt {
    /// Asks the work to stop at its next step.
    pub fn set(&self) {
        // Does not wrap around: a request made 256 times is still one.
        let more = |asked: u8| Some(asked.saturating_add(1));
        let _ = self.0.asked.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    }

    /// How often somebody asked.
    #[must_use]
    pub fn times(&self) -> u8 {
        self.0.asked.load(Ordering::Relaxed)
    }

    /// Forgets an earlier request, before new work starts.
    pub fn clear(&self) {
        self.0.asked.store(0, Ordering::Relaxed);
    }

    /// Whether somebody asked.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.times() > 0
    }

    /// Whether somebody asked again: what is under way is not worth finishing.
    #[must_use]
    pub fn is_urgent(&self) -> bool {
        self.times() > 1
    }

    /// Says that nothing is being worked on, or that something is again: an idle program can be ended at once.
    pub fn set_idle(&self, idle: bool) {
        self.0.idle.store(idle, Ordering::Relaxed);
    }

    /// Whether nothing is being worked on.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.0.idle.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asking_twice_is_urgent_until_it_is_forgotten() {
        let (asker, worker) = {
            let shared = Interrupt::default();
            (shared.clone(), shared)
        };
        asker.set();
        assert_eq!((worker.times(), worker.is_set(), worker.is_urgent()), (1, true, false));
        asker.set();
        assert!(worker.is_urgent());
        worker.clear();
        assert!(!asker.is_set() && !asker.is_urgent());
        for _ in 0..300 {
            asker.set();
        }
        assert!(worker.is_urgent(), "the count does not wrap around");
    }
}
