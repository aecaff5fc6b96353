//! What can go wrong with a figure.

use crate::options::OptionError;
use std::path::PathBuf;

/// Why a figure could not be made or saved.
#[derive(Debug, thiserror::Error)]
pub enum PlotError {
    /// There is nothing to draw.
    #[error("{what} has no finite value to draw")]
    Empty {
        /// Which series, spectrogram or waveform.
        what: String,
    },
    /// Two lengths that must be equal are not.
    #[error("{what}: {found} found, {needed} needed")]
    Lengths {
        /// What is compared.
        what: String,
        /// What was given.
        found: usize,
        /// What was needed.
        needed: usize,
    },
    /// A logarithmic axis for values that have no logarithm.
    #[error("a logarithmic {axis} axis needs values above 0, and none is")]
    LogOfNonPositive {
        /// `x` or `y`.
        axis: char,
    },
    /// Limits from 0 or below on a logarithmic axis.
    #[error("the {axis} axis is logarithmic, so its limits cannot begin at {low}")]
    LogLimits {
        /// `x` or `y`.
        axis: char,
        /// The lower limit.
        low: f64,
    },
    /// Limits that leave no range.
    #[error("the limits of the {axis} axis are {low} to {high}, but must be finite, the lower one first")]
    Limits {
        /// `x` or `y`.
        axis: char,
        /// The lower limit.
        low: f64,
        /// The upper limit.
        high: f64,
    },
    /// Limits that leave none of the data.
    #[error("nothing lies within the limits, so the {axis} axis has no range")]
    NothingWithin {
        /// The axis without a range.
        axis: char,
    },
    /// A modifier for another kind of figure.
    #[error("`{modifier}` makes no sense for {kind}: {reason}")]
    NotFor {
        /// What was asked for.
        modifier: &'static str,
        /// What kind of figure it is.
        kind: &'static str,
        /// Why not.
        reason: &'static str,
    },
    /// An option that cannot be followed: a column that is not there, a choice that does not fit the data.
    #[error("{source}")]
    Option {
        /// Which option, and why.
        #[from]
        source: OptionError,
    },
    /// More of something than a figure can show.
    #[error("{found} {what} are more than a figure can show; needed at most {most}")]
    TooMany {
        /// What is counted.
        what: &'static str,
        /// What was given.
        found: usize,
        /// The most.
        most: usize,
        /// What to try.
        hint: &'static str,
    },
    /// A number that has to be positive and finite.
    #[error("{what} is {found}, but must be above 0 and finite")]
    NotPositive {
        /// Which number.
        what: &'static str,
        /// What was given.
        found: f64,
    },
    /// A page that cannot hold the figure.
    #[error("a figure of {width} by {height} pixels found, {needed} needed")]
    Size {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// The least and the most.
        needed: String,
    },
    /// Labels and legends that leave no room for the data.
    #[error("titles, labels and legends leave no room for the data on {width} by {height} pixels")]
    Cramped {
        /// Width of the page, or of the panel of a grid, in pixels.
        width: u32,
        /// Its height.
        height: u32,
    },
    /// A frame without the column a figure is about.
    #[error("run `{run}` has no column `{column}` of numbers; it has {}", known.join(", "))]
    NoColumn {
        /// The run's label.
        run: String,
        /// The column.
        column: String,
        /// What there is.
        known: Vec<String>,
    },
    /// A file name that names no known format.
    #[error("{} names no picture format; needed a name that ends in .png or .svg", path.display())]
    Format {
        /// The path.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("cannot write {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A back end refused; with pictures in memory this is a defect of ours.
    #[error("cannot draw the figure: {reason}")]
    Backend {
        /// What it said.
        reason: String,
    },
}

impl PlotError {
    /// What to try next.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Empty { .. } => Some("check that the run logged anything, and that it is not all NaN".into()),
            Self::LogOfNonPositive { axis } => Some(format!("leave the {axis} axis linear")),
            Self::LogLimits { axis, .. } => Some(format!("begin above 0, or leave the {axis} axis linear")),
            Self::NothingWithin { .. } => Some("widen the limits".into()),
            Self::NotFor { modifier: "limits", kind: "a heatmap", .. } => {
                Some("its option `range` bounds the colours: heatmap(frame, #{ …, range: [2, 4] })".into())
            }
            Self::NotFor { kind: "a grid", .. } => Some("change the figures before they go into the grid".into()),
            Self::Option { source } => source.hint.clone(),
            Self::TooMany { hint, .. } => Some((*hint).into()),
            Self::NoColumn { column, known, .. } => crate::options::nearest(column, known.iter().map(String::as_str))
                .map(|near| format!("did you mean `{near}`?")),
            Self::Cramped { .. } => Some("a larger .size(…), shorter names, or .legend(\"none\")".into()),
            Self::Format { path } => Some(format!("try {}", path.with_extension("png").display())),
            Self::Io { source, .. } => match source.kind() {
                std::io::ErrorKind::NotFound => Some("make the folder first".into()),
                std::io::ErrorKind::PermissionDenied => Some("choose a folder that you may write to".into()),
                std::io::ErrorKind::StorageFull => Some("free some space; a former figure is still whole".into()),
                _ => None,
            },
            Self::Lengths { .. }
            | Self::NotPositive { .. }
            | Self::NotFor { .. }
            | Self::Limits { .. }
            | Self::Size { .. }
            | Self::Backend { .. } => None,
        }
    }
}
