//! One seed, named streams: every random number of a run is a function of (seed, stream, counter) and of nothing else.
//!
//! There is no generator to carry along, so any step of a run can be repeated alone, and resuming needs no random
//! state. The bits come from ChaCha8 (a counter-based generator), keyed by BLAKE3 of the seed and the stream's name.
//! May use: no room.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// The seed of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seed(pub u64);

impl Seed {
    /// A generator for draw number `counter` of the stream `name`: `seed.stream("shuffle", epoch)`.
    #[must_use]
    pub fn stream(self, name: &str, counter: u64) -> ChaCha8Rng {
        let mut hasher = blake3::Hasher::new_derive_key("wasabi 2026 random stream");
        hasher.update(&self.0.to_le_bytes());
        hasher.update(name.as_bytes());
        let mut rng = ChaCha8Rng::from_seed(*hasher.finalize().as_bytes());
        rng.set_stream(counter);
        rng
    }

    /// A seed for somebody else's generator (libtorch's), drawn from the stream `name` at `counter`.
    #[must_use]
    pub fn derive(self, name: &str, counter: u64) -> u64 {
        use rand::RngCore;
        self.stream(name, counter).next_u64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_depends_on_seed_name_and_counter_alone() {
        let draw = |seed, name, counter| Seed(seed).derive(name, counter);
        assert_eq!(draw(1, "a", 0), draw(1, "a", 0));
        assert_ne!(draw(1, "a", 0), draw(2, "a", 0));
        assert_ne!(draw(1, "a", 0), draw(1, "b", 0));
        assert_ne!(draw(1, "a", 0), draw(1, "a", 1));
    }
}
