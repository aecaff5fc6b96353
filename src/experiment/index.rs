//! What was read of many runs, kept beside them so that it need not be read again. Never the only copy.
//!
//! `.wasabi-index.json`: a line with the layout and the BLAKE3 of what follows, then JSON. Each entry carries the stamps of the
//! files that it was read from (inode, size, time of the last change of any kind); one that differs makes the entry stale. A
//! file that is damaged, of another layout, or whose checksum is another counts as none.

use super::book::Entry;
use super::run_dir::RunDir;
use crate::metrics::atomic;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

/// The index's file in the folder that was searched.
pub const INDEX_NAME: &str = ".wasabi-index.json";

/// Its first words; another layout has another number.
const LAYOUT: &str = "wasabi runs index 1";

/// What the files of a run looked like when they were read: record, status, log, last checkpoint; `None` of an absent one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp([Option<[i64; 4]>; 5]);

impl Stamp {
    pub(super) fn of(run: &RunDir) -> Self {
        let files =
            [run.record_path(), run.status_path(), run.metrics_path(), run.checkpoint("last"), run.checkpoint("best")];
        Self(files.map(|path| fs::symlink_metadata(path).ok().map(|found| mark(&found))))
    }
}

/// The change time is the system's own: nobody sets it back, and a file that is written twice within one tick of the clock is
/// another inode, or another size.
#[cfg(unix)]
fn mark(found: &fs::Metadata) -> [i64; 4] {
    use std::os::unix::fs::MetadataExt;
    [found.ino().cast_signed(), found.len().cast_signed(), found.ctime(), found.ctime_nsec()]
}

#[cfg(not(unix))]
fn mark(found: &fs::Metadata) -> [i64; 4] {
    let time = found.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    let time = time.unwrap_or_default();
    [0, found.len().cast_signed(), time.as_secs().cast_signed(), i64::from(time.subsec_nanos())]
}

/// Entries by the names of their runs.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Index(BTreeMap<String, (Stamp, Entry)>);

impl Index {
    /// The index in `root`, or an empty one.
    pub(super) fn read(root: &Path) -> Self {
        let read = || -> Option<Self> {
            let text = fs::read_to_string(root.join(INDEX_NAME)).ok()?;
            let (head, body) = text.split_once('\n')?;
            let found = head.strip_prefix(LAYOUT)?.trim();
            (found == blake3::hash(body.as_bytes()).to_hex().as_str()).then(|| serde_json::from_str(body).ok())?
        };
        read().unwrap_or_default()
    }

    /// Writes the index into `root`, whole or not at all.
    pub(super) fn write(&self, root: &Path) -> io::Result<()> {
        clear_parts(root);
        let body = serde_json::to_string(self)?;
        let hash = blake3::hash(body.as_bytes());
        atomic::replace(&root.join(INDEX_NAME), |out| write!(out, "{LAYOUT} {}\n{body}", hash.to_hex()))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The entry of a run whose files look as they did.
    pub(super) fn take(&mut self, name: &str, stamp: &Stamp) -> Option<Entry> {
        let (then, entry) = self.0.remove(name)?;
        (then == *stamp).then_some(entry)
    }

    pub(super) fn put(&mut self, name: String, stamp: Stamp, entry: Entry) {
        self.0.insert(name, (stamp, entry));
    }
}

/// Removes what killed processes had half written of an index; what is younger may be somebody's who is writing.
fn clear_parts(root: &Path) {
    /// Writing one takes less than a second.
    const OLD: Duration = Duration::from_secs(600);
    for entry in fs::read_dir(root).into_iter().flatten().filter_map(Result::ok) {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_ours = name.starts_with(&format!(".{INDEX_NAME}.")) && name.ends_with(".part");
        let age = || entry.metadata().and_then(|found| found.modified()).ok()?.elapsed().ok();
        if is_ours && age().is_some_and(|age| age > OLD) {
            // What stays costs room, and nothing else.
            drop(fs::remove_file(entry.path()));
        }
    }
}
