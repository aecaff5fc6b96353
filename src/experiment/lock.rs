//! Who trains a run: the system's lock, and beside it a record of the owner with a heartbeat.
//!
//! The lock on `.lock` is given up by the system when its process dies, at once. Some file systems know no locks, or keep
//! those of each host to themselves: there `.owner.json` decides, which the owner writes anew every [`BEAT`]. An owner whose
//! heart has not beaten for [`DEAD_AFTER`] is dead, and its run is taken over. Ages are differences of the file system's own
//! times, so clocks of hosts that disagree do no harm.

use super::ExperimentError;
use crate::metrics::atomic;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The lock's file in a run's folder.
const LOCK_NAME: &str = ".lock";
/// The owner's file in a run's folder.
pub const OWNER_NAME: &str = ".owner.json";
/// Between two beats of an owner's heart.
pub const BEAT: Duration = Duration::from_secs(10);
/// After so long without a beat an owner counts as dead.
pub const DEAD_AFTER: Duration = Duration::from_secs(60);

/// How often a lock is asked for before it counts as taken: a list of runs holds it for a moment.
const TRIES: u32 = 4;
/// Where there are no locks, two may take over a dead owner's run at once; after this, the later one sees which it was.
const SETTLED: Duration = Duration::from_millis(200);

/// Who trains a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The machine's name.
    pub host: String,
    /// The process.
    pub pid: u32,
    /// When it began, in nanoseconds since 1970: with host and process, another owner is never taken for this one.
    pub since_unix_ns: u64,
    /// When its heart last beat, in seconds since 1970 by its own clock.
    pub beat_unix_s: u64,
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {} on {}", self.pid, self.host)
    }
}

impl Owner {
    /// This process.
    fn here() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let since = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        Self { host: host(), pid: std::process::id(), since_unix_ns: since, beat_unix_s: now.as_secs() }
    }

    /// The owner that a run's folder names; `None` where there is none, or no such record.
    #[must_use]
    pub fn of(run: &Path) -> Option<Self> {
        serde_json::from_str(&fs::read_to_string(run.join(OWNER_NAME)).ok()?).ok()
    }

    fn is(&self, other: &Self) -> bool {
        (&self.host, self.pid, self.since_unix_ns) == (&other.host, other.pid, other.since_unix_ns)
    }

    fn beat(&self, run: &Path) -> io::Result<()> {
        let beat_unix_s = super::unix_s();
        let text = serde_json::to_string(&Self { beat_unix_s, ..self.clone() })?;
        atomic::replace(&run.join(OWNER_NAME), |out| writeln!(out, "{text}"))
    }

    /// Whether the owner lives, as far as its heart tells.
    fn is_alive(&self, run: &Path) -> bool {
        // The file system's own now: the time of a file that is made now. Where none can be made, this host's.
        let now = tempfile::tempfile_in(run).and_then(|file| file.metadata()).and_then(|found| found.modified());
        let beat = fs::metadata(run.join(OWNER_NAME)).and_then(|found| found.modified());
        let Ok(beat) = beat else { return false };
        let age = now.unwrap_or_else(|_| SystemTime::now()).duration_since(beat).unwrap_or_default();
        age < DEAD_AFTER
    }
}

/// The name of this machine.
fn host() -> String {
    let told = fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let told = told.or_else(|| std::env::var("HOSTNAME").ok());
    told.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).unwrap_or_else(|| "this machine".to_owned())
}

/// The lock on a run that is being trained: held as long as this lives, and given up by the system when the process dies.
#[derive(Debug)]
pub struct RunLock {
    run: PathBuf,
    owner: Owner,
    /// `None` where the file system knows no locks: then the owner's record alone keeps others out.
    file: Option<File>,
    /// Dropped, it ends the heartbeat.
    heart: Option<Sender<()>>,
}

impl Drop for RunLock {
    fn drop(&mut self) {
        self.heart = None;
        if Owner::of(&self.run).is_some_and(|now| now.is(&self.owner)) {
            // Left behind, it names a process that is gone.
            drop(fs::remove_file(self.run.join(OWNER_NAME)));
        }
        // By word, and not by closing the file: a program that is just being started (a player, a browser) holds it open,
        // too, for a moment.
        if let Some(file) = &self.file {
            // It ends with the file at the latest.
            drop(file.unlock());
        }
    }
}

pub(super) fn lock(run: &Path) -> Result<RunLock, ExperimentError> {
    let path = run.join(LOCK_NAME);
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|source| ExperimentError::Write { path, source })?;
    let file = system_lock(file).ok_or_else(|| busy(run))?;
    let owner = Owner::here();
    if let Some(other) = Owner::of(run) {
        // With the lock in hand, an owner on this host is gone: the system would have kept it otherwise.
        let is_gone = file.is_some() && other.host == owner.host;
        if !is_gone && other.is_alive(run) {
            return Err(busy(run));
        }
    }
    owner.beat(run).map_err(|source| ExperimentError::Write { path: run.join(OWNER_NAME), source })?;
    if file.is_none() {
        std::thread::sleep(SETTLED);
        if Owner::of(run).is_some_and(|now| !now.is(&owner)) {
            return Err(busy(run));
        }
    }
    let heart = beating(run.to_owned(), owner.clone());
    Ok(RunLock { run: run.to_owned(), owner, file, heart })
}

/// The system's lock on `file`: `None` when somebody has it, `Some(None)` where there are no locks.
fn system_lock(file: File) -> Option<Option<File>> {
    for again in 1..=TRIES {
        match file.try_lock() {
            Ok(()) => return Some(Some(file)),
            Err(TryLockError::WouldBlock) if again < TRIES => std::thread::sleep(Duration::from_millis(10)),
            Err(TryLockError::WouldBlock) => break,
            Err(TryLockError::Error(_)) => return Some(None),
        }
    }
    None
}

/// The heart of an owner, which beats until what is returned is dropped, or the run is another's.
fn beating(run: PathBuf, owner: Owner) -> Option<Sender<()>> {
    let (heart, stopped) = channel::<()>();
    let beat = move || {
        while stopped.recv_timeout(BEAT) == Err(RecvTimeoutError::Timeout) {
            if Owner::of(&run).is_some_and(|now| !now.is(&owner)) {
                break;
            }
            // A beat that fails is made up for by the next.
            drop(owner.beat(&run));
        }
    };
    std::thread::Builder::new().name("heartbeat".into()).spawn(beat).ok().map(|_| heart)
}

pub(super) fn busy(run: &Path) -> ExperimentError {
    ExperimentError::Busy { path: run.to_owned(), owner: Owner::of(run).map(|owner| owner.to_string()) }
}

/// Whether somebody trains `run`.
pub(super) fn is_locked(run: &Path) -> bool {
    let Ok(file) = File::open(run.join(LOCK_NAME)) else { return false };
    let here = match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => return true,
        Ok(()) => true,
        Err(TryLockError::Error(_)) => false,
    };
    Owner::of(run).is_some_and(|owner| !(here && owner.host == host()) && owner.is_alive(run))
}
