//! The log of a run: rows appended to `metrics.jsonl`, each flushed, so that a killed process loses no finished row.

use super::{Frame, MetricsError, Row, columns};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Name of the log in a run's folder.
pub const LOG_NAME: &str = "metrics.jsonl";
/// Name of the compacted log in a run's folder.
pub const PARQUET_NAME: &str = "metrics.parquet";

/// A last line that was only partly written when its process died.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Torn {
    /// The log.
    pub path: PathBuf,
    /// One-based.
    pub line: usize,
    /// How many bytes of it had been written.
    pub bytes: usize,
}

impl std::fmt::Display for Torn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { path, line, bytes } = self;
        write!(f, "line {line} of {} was cut off after {bytes} bytes and is left out", path.display())
    }
}

/// Rows appended to a file, one line of JSON each.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    file: File,
    /// Bytes of whole rows: where the next row begins.
    length: u64,
    torn: Option<Torn>,
    dropped: usize,
}

impl Log {
    /// Begins the log of a new run in `folder`, which is made if need be.
    ///
    /// # Errors
    /// [`MetricsError::Exists`] if the folder holds a log already, [`MetricsError::Io`] if it cannot be written.
    pub fn create(folder: &Path) -> Result<Self, MetricsError> {
        std::fs::create_dir_all(folder).map_err(MetricsError::io("create", folder))?;
        let path = folder.join(LOG_NAME);
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => Ok(Self { path, file, length: 0, torn: None, dropped: 0 }),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Err(MetricsError::Exists { path }),
            Err(error) => Err(MetricsError::io("create", &path)(error)),
        }
    }

    /// Continues the log of an earlier run.
    ///
    /// A torn last line is dropped and named by [`Log::torn`]. With `upto_step`, everything from the first row of a later
    /// step on is dropped too: those steps are about to be done again.
    ///
    /// # Errors
    /// [`MetricsError::Io`] if there is no log or it cannot be written, [`MetricsError::Line`] if a line other than the
    /// last cannot be read.
    pub fn reopen(folder: &Path, upto_step: Option<u64>) -> Result<Self, MetricsError> {
        let path = folder.join(LOG_NAME);
        let bytes = std::fs::read(&path).map_err(MetricsError::io("read", &path))?;
        let read = parse(&path, &bytes)?;
        let later = upto_step.and_then(|step| read.rows.iter().position(|line| is_after(&line.row, step)));
        let kept = later.unwrap_or(read.rows.len());
        let mut length = if kept == 0 { 0 } else { read.rows[kept - 1].end };
        let mut file = OpenOptions::new().write(true).open(&path).map_err(MetricsError::io("write", &path))?;
        let write = MetricsError::io("write", &path);
        (|| {
            file.set_len(length)?;
            file.seek(SeekFrom::Start(length))?;
            if length > 0 && bytes.get(as_index(length) - 1) != Some(&b'\n') {
                file.write_all(b"\n")?; // the row was whole, only its line's end was missing
                length += 1;
            }
            file.sync_data()
        })()
        .map_err(write)?;
        Ok(Self { path, file, length, torn: read.torn, dropped: read.rows.len() - kept })
    }

    /// Appends one row and hands it to the system, so that it outlives this process.
    ///
    /// # Errors
    /// [`MetricsError::Io`], for example when the disk is full; what had been written of the row is taken back, so that
    /// the log stays whole and a later row can still follow.
    pub fn append(&mut self, row: &Row) -> Result<(), MetricsError> {
        let mut line = row.to_json();
        line.push('\n');
        if let Err(error) = self.file.write_all(line.as_bytes()).and_then(|()| self.file.flush()) {
            let _ = self.file.set_len(self.length);
            let _ = self.file.seek(SeekFrom::Start(self.length));
            return Err(MetricsError::io("write", &self.path)(error));
        }
        self.length += line.len() as u64;
        Ok(())
    }

    /// Continues a log that [`Log::reopen`] refuses because lines of it cannot be read, or because it is not there: what can be
    /// read goes on as the log, and the damaged file stays beside it as `metrics.jsonl.damaged-1`, …; returned with what
    /// happened, in words.
    ///
    /// # Errors
    /// [`MetricsError::Io`] if the folder cannot be written.
    pub fn mend(folder: &Path, upto_step: Option<u64>) -> Result<(Self, Vec<String>), MetricsError> {
        let path = folder.join(LOG_NAME);
        let (rows, mut told) = match std::fs::read(&path) {
            Ok(bytes) => salvage(&path, &bytes),
            Err(error) => (Vec::new(), vec![MetricsError::io("read", &path)(error).to_string()]),
        };
        if path.symlink_metadata().is_ok() {
            let free = |number: &u32| !folder.join(format!("{LOG_NAME}.damaged-{number}")).exists();
            let number = (1..).find(free).unwrap_or(u32::MAX);
            let aside = folder.join(format!("{LOG_NAME}.damaged-{number}"));
            std::fs::rename(&path, &aside).map_err(MetricsError::io("move", &path))?;
            told.push(format!("the damaged log is kept as {}", aside.display()));
        }
        super::atomic::replace(&path, |out| rows.iter().try_for_each(|row| writeln!(out, "{}", row.to_json())))
            .map_err(MetricsError::io("write", &path))?;
        Ok((Self::reopen(folder, upto_step)?, told))
    }

    /// Makes every row so far survive a power cut, and not only the end of this process.
    ///
    /// # Errors
    /// [`MetricsError::Io`].
    pub fn sync(&self) -> Result<(), MetricsError> {
        self.file.sync_data().map_err(MetricsError::io("write", &self.path))
    }

    /// The last line dropped by [`Log::reopen`], if it was torn.
    #[must_use]
    pub fn torn(&self) -> Option<&Torn> {
        self.torn.as_ref()
    }

    /// How many whole rows [`Log::reopen`] dropped because they are of later steps.
    #[must_use]
    pub fn dropped(&self) -> usize {
        self.dropped
    }

    /// Where the log is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Every row so far, as a table.
    ///
    /// # Errors
    /// As [`read_log`].
    pub fn frame(&self) -> Result<Frame, MetricsError> {
        read_file(&self.path).map(|(frame, _)| frame)
    }

    /// Writes every row so far to `metrics.parquet` beside the log, and returns its path. The log stays.
    ///
    /// # Errors
    /// As [`read_log`], and [`MetricsError::Io`] if the file cannot be written; a former one then stays whole.
    pub fn compact(&self) -> Result<PathBuf, MetricsError> {
        let parquet = self.path.with_file_name(PARQUET_NAME);
        self.frame()?.write_parquet(&parquet)?;
        Ok(parquet)
    }
}

/// Reads the log in `folder` without touching it: also that of a run that is going on or has crashed.
///
/// # Errors
/// [`MetricsError::Io`] if there is no log, [`MetricsError::Line`] if a line other than the last cannot be read,
/// [`MetricsError::Mixed`] if a column holds two kinds of values.
pub fn read_log(folder: &Path) -> Result<(Frame, Option<Torn>), MetricsError> {
    read_file(&folder.join(LOG_NAME))
}

/// Reads what can be read of the log in `folder`, and says what cannot: lines that are no rows are left out; where there is no
/// row at all, `metrics.parquet` stands in. Nothing is written.
///
/// # Errors
/// [`MetricsError::Mixed`] if a column holds two kinds of values.
pub fn read_log_anyway(folder: &Path) -> Result<(Frame, Vec<String>), MetricsError> {
    let path = folder.join(LOG_NAME);
    let (rows, mut problems) = match std::fs::read(&path) {
        Ok(bytes) => salvage(&path, &bytes),
        Err(error) => (Vec::new(), vec![MetricsError::io("read", &path)(error).to_string()]),
    };
    if rows.is_empty() {
        let parquet = folder.join(PARQUET_NAME);
        match Frame::read_parquet(&parquet) {
            Ok(frame) => {
                problems.push(format!("{} holds no row; {} stands in", path.display(), parquet.display()));
                return Ok((frame, problems));
            }
            Err(_) if !parquet.exists() => {}
            Err(error) => problems.push(error.to_string()),
        }
    }
    Ok((Frame::from_rows(&rows)?, problems))
}

/// The rows among `bytes`, and what else there is, in words.
fn salvage(path: &Path, bytes: &[u8]) -> (Vec<Row>, Vec<String>) {
    let (mut rows, mut lost) = (Vec::new(), Vec::new());
    for (index, line) in bytes.split_inclusive(|&byte| byte == b'\n').enumerate() {
        match std::str::from_utf8(line).ok().and_then(|text| Row::from_json(text.trim_end()).ok()) {
            Some(row) => rows.push(row),
            None => lost.push(index + 1),
        }
    }
    let told = lost.first().map(|first| {
        let more = if lost.len() > 1 { format!(" and {} more", lost.len() - 1) } else { String::new() };
        format!("line {first}{more} of {} cannot be read as rows and are left out", path.display())
    });
    (rows, told.into_iter().collect())
}

/// Reads the log in `folder` with `rows` after it, which are not written yet: what a callback sees at its step.
///
/// # Errors
/// As [`read_log`].
pub fn read_log_with(folder: &Path, rows: &[Row]) -> Result<Frame, MetricsError> {
    let path = folder.join(LOG_NAME);
    let bytes = std::fs::read(&path).map_err(MetricsError::io("read", &path))?;
    let read = parse(&path, &bytes)?;
    let all: Vec<Row> = read.rows.into_iter().map(|line| line.row).chain(rows.iter().cloned()).collect();
    Frame::from_rows(&all)
}

/// Bytes of a log's end that [`last_rows`] reads.
const TAIL: u64 = 16 << 10;

/// The last rows of the log in `folder`, some dozens of them, in order: what there is in its last 16 KiB. Empty where there
/// is no log that can be read.
#[must_use]
pub fn last_rows(folder: &Path) -> Vec<Row> {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(folder.join(LOG_NAME))?;
        let start = file.metadata()?.len().saturating_sub(TAIL);
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.take(TAIL).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    // The first line may begin in the middle, and the last may end there: neither then reads as a row.
    let lines = bytes.split(|&byte| byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok());
    lines.filter_map(|line| Row::from_json(line.trim_end()).ok()).collect()
}

fn read_file(path: &Path) -> Result<(Frame, Option<Torn>), MetricsError> {
    let bytes = std::fs::read(path).map_err(MetricsError::io("read", path))?;
    let read = parse(path, &bytes)?;
    let rows: Vec<Row> = read.rows.into_iter().map(|line| line.row).collect();
    Ok((Frame::from_rows(&rows)?, read.torn))
}

struct Line {
    row: Row,
    /// Offset of the byte after the line, its end included.
    end: u64,
}

struct Parsed {
    rows: Vec<Line>,
    torn: Option<Torn>,
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Parsed, MetricsError> {
    let mut parsed = Parsed { rows: Vec::new(), torn: None };
    let mut end = 0;
    for (index, line) in bytes.split_inclusive(|&byte| byte == b'\n').enumerate() {
        end += line.len();
        let text = std::str::from_utf8(line).map_err(|error| error.to_string());
        match text.and_then(|text| Row::from_json(text.trim_end())) {
            Ok(row) => parsed.rows.push(Line { row, end: end as u64 }),
            // The system may also have kept the line's end and lost what was before it.
            Err(_) if end == bytes.len() => {
                parsed.torn = Some(Torn { path: path.to_owned(), line: index + 1, bytes: line.len() });
            }
            Err(reason) => return Err(MetricsError::Line { path: path.to_owned(), line: index + 1, reason }),
        }
    }
    Ok(parsed)
}

#[expect(clippy::cast_precision_loss, reason = "steps stay far below 2^53")]
fn is_after(row: &Row, step: u64) -> bool {
    row.get(columns::STEP).and_then(super::Value::number).is_some_and(|found| found > step as f64)
}

#[expect(clippy::cast_possible_truncation, reason = "an offset into bytes that are in memory")]
fn as_index(offset: u64) -> usize {
    offset as usize
}
