//! A run's metrics in forms that other programs read, and runs put aside.

use super::{ExperimentError, RunDir};
use crate::metrics::read_log_anyway;
use std::fs;
use std::path::{Path, PathBuf};

/// The folder that runs go to when they are thrown away, beside them.
pub const TRASH: &str = ".trash";

/// A form of metrics that others read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `metrics.csv`.
    Csv,
    /// `metrics.parquet`.
    Parquet,
    /// An event file of TensorBoard.
    TensorBoard,
}

/// Writes the metrics of `run` into `folder`, one file for each of `forms`, and returns their paths with what could not be
/// read, in words.
///
/// # Errors
/// [`ExperimentError::Nothing`] for a run without a row, [`ExperimentError::Write`], [`ExperimentError::Metrics`].
pub fn export(run: &RunDir, folder: &Path, forms: &[Form]) -> Result<(Vec<PathBuf>, Vec<String>), ExperimentError> {
    let (frame, problems) = read_log_anyway(run.path())?;
    if frame.height() == 0 {
        return Err(ExperimentError::Nothing { path: run.metrics_path(), column: "step" });
    }
    fs::create_dir_all(folder).map_err(|source| ExperimentError::Write { path: folder.to_owned(), source })?;
    // A run whose record is damaged still has its figures; its times then begin in 1970.
    let begun = run.read_record().map_or(0, |record| record.created_unix_s);
    let mut written = Vec::new();
    for form in forms {
        let path = match form {
            Form::Csv => folder.join("metrics.csv"),
            Form::Parquet => folder.join("metrics.parquet"),
            Form::TensorBoard => folder.join(format!("events.out.tfevents.{begun}.wasabi")),
        };
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 stay far below 2^53")]
        match form {
            Form::Csv => frame.write_csv(&path)?,
            Form::Parquet => frame.write_parquet(&path)?,
            Form::TensorBoard => frame.write_tensorboard(&path, begun as f64)?,
        }
        written.push(path);
    }
    Ok((written, problems))
}

/// Moves a run to the folder `.trash` beside it, and returns where it is now. Nothing is deleted.
///
/// # Errors
/// [`ExperimentError::Busy`] for a run that is being trained, [`ExperimentError::Write`].
pub fn discard(run: &RunDir) -> Result<PathBuf, ExperimentError> {
    let _lock = run.lock()?;
    // `.` and a link have no name of their own to keep.
    let path =
        fs::canonicalize(run.path()).map_err(|source| ExperimentError::Read { path: run.path().to_owned(), source })?;
    let trash = path.with_file_name(TRASH);
    fs::create_dir_all(&trash).map_err(|source| ExperimentError::Write { path: trash.clone(), source })?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let numbered = (2_u32..).map(|number| format!("{name}-{number}"));
    let place =
        std::iter::once(name.clone()).chain(numbered).map(|name| trash.join(name)).find(|place| !place.exists());
    let place = place.unwrap_or_else(|| trash.join(&name));
    fs::rename(&path, &place).map_err(|source| ExperimentError::Write { path: place.clone(), source })?;
    Ok(place)
}
