//! What can go wrong with a report.

use crate::audio::AudioError;
use crate::metrics::MetricsError;
use crate::plot::PlotError;
use std::io;
use std::path::{Path, PathBuf};

/// Why a report could not be put together, rendered or saved.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A heading without words.
    #[error("{what} is empty, but must say something")]
    Nameless {
        /// Which heading.
        what: &'static str,
    },
    /// A table without columns.
    #[error("a table without columns cannot be shown")]
    NoColumns,
    /// A subsection before the first section.
    #[error("the subsection `{title}` stands in no section")]
    Astray {
        /// Its heading.
        title: String,
    },
    /// Markdown that shows a picture by its address.
    #[error("the text shows the picture {address}, which would not be inside the page")]
    Picture {
        /// The address.
        address: String,
    },
    /// A row of players without sound.
    #[error("there is no sound in the row")]
    NoSounds,
    /// A sound that cannot be played.
    #[error("the sound `{name}` {reason}")]
    Sound {
        /// Its label.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A figure that cannot be drawn.
    #[error("{figure} cannot be drawn: {source}")]
    Figure {
        /// Which one: `figure 3 (“Loss”)`.
        figure: String,
        /// Why.
        #[source]
        source: PlotError,
    },
    /// A sound that cannot be encoded.
    #[error("a sound cannot be written: {0}")]
    Audio(#[source] AudioError),
    /// A table that cannot be written.
    #[error("a table cannot be written: {0}")]
    Table(#[source] MetricsError),
    /// A file name that names no known format.
    #[error("{} names no report format; needed a name that ends in .html or .md, or in neither for both", path.display())]
    Format {
        /// The path.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("cannot write {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Somebody asked to stop.
    #[error("the report was interrupted; nothing was written")]
    Interrupted,
}

impl ReportError {
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { path: path.to_owned(), source }
    }

    /// What to try next.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Astray { .. } => Some("begin with page.section(…)".into()),
            Self::Picture { .. } => Some("add pictures with page.figure(…)".into()),
            Self::NoSounds => Some("name each one: page.sounds([[\"real\", sound], [\"generated\", take]])".into()),
            Self::Figure { source, .. } => source.hint(),
            Self::Audio(source) => source.hint(),
            Self::Table(source) => source.hint(),
            Self::Format { path } => Some(format!("try {}", path.with_extension("html").display())),
            Self::Io { source, .. } => Some(match source.kind() {
                io::ErrorKind::NotFound => "make the folder first".into(),
                io::ErrorKind::PermissionDenied => "choose a folder that you may write to".into(),
                io::ErrorKind::ReadOnlyFilesystem => "that file system is read-only: choose another folder".into(),
                io::ErrorKind::StorageFull => "free some space; a former report is still whole".into(),
                io::ErrorKind::IsADirectory => "a folder is in the way: choose another name".into(),
                _ => return None,
            }),
            Self::Nameless { .. } | Self::NoColumns | Self::Sound { .. } | Self::Interrupted => None,
        }
    }
}
