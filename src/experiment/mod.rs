//! The lab book: a run is a folder that survives anything.
//!
//! Lives here: the layout of a run's folder, its record `run.toml` (every setting, the seed, the code revision, the
//! versions), where it stands, which runs there are ([`find_runs`]), and the lab book: all of them with settings and
//! figures ([`Book`], with an index beside them), what differs between two, and their figures at equal points ([`compare()`]). Sweeps and launchers will live here too. Does not:
//! tensors, training (`train`, which writes into a run), drawing, printing. A run can be listed and read without libtorch.
//! May use: `metrics`.
//!
//! ```text
//! run/
//!   run.toml         every setting, seed, revision, device, versions   (Record)
//!   status.json      where it stands, for lists of runs                (Status)
//!   metrics.jsonl    one line for each step and evaluation, flushed    (metrics::Log)
//!   metrics.parquet  the same, compacted
//!   checkpoints/     last.safetensors, best.safetensors, top-STEP.safetensors where wanted, a manifest beside each
//!   .lock            locked while it is trained, and .owner.json: by whom      (RunLock)
//!   samples/         generated sound
//!   figures/         curves and spectra
//! ```

mod book;
mod compare;
mod error;
mod export;
mod index;
mod lock;
mod record;
mod run_dir;
mod settings;
mod status;
mod summary;

use std::time::{SystemTime, UNIX_EPOCH};

pub use book::{Book, Entry, Origin, problems_in};
pub use compare::{At, Comparison, compare, differing};
pub use error::ExperimentError;
pub use export::{Form, TRASH, discard, export};
pub use index::INDEX_NAME;
pub use lock::{BEAT, DEAD_AFTER, OWNER_NAME, Owner, RunLock};
pub use record::{ForkOrigin, RECORD_SCHEMA, Record, Versions};
pub use run_dir::{Existing, RunDir, make_way};
pub use settings::{Settings, flatten};
pub use status::{State, Status};
pub use summary::{RunSummary, find_runs, summarize};

/// Now, in seconds since 1970.
fn unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
