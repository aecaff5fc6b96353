//! What can be wrong with sound: one variant for each thing that somebody can act on.

use std::io;
use std::path::{Path, PathBuf};

use super::play::PLAYER_VARIABLE;
use super::resample::{MAX_SAMPLE_RATE, MIN_SAMPLE_RATE};
use crate::options::OptionError;

/// Why audio could not be read, prepared or written. The message says what was found and what was needed;
/// [`AudioError::hint`] says what to try next.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant is its documentation, and its fields are the message's")]
pub enum AudioError {
    #[error("`{}` does not exist", .path.display())]
    NotFound { path: PathBuf },
    #[error("`{}` may not be read: permission denied", .path.display())]
    Denied { path: PathBuf, source: io::Error },
    #[error("`{}` could not be read: {source}", .path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("`{}` is a folder, but an audio file was needed", .path.display())]
    IsFolder { path: PathBuf },
    #[error("`{}` is empty: it holds 0 bytes", .path.display())]
    Empty { path: PathBuf },
    #[error("`{}` is not audio: it holds {found}", .path.display())]
    NotAudio { path: PathBuf, found: String },
    #[error("`{}` holds {format}, which wasabi cannot decode: WAV and FLAC are read", .path.display())]
    Unsupported { path: PathBuf, format: String },
    #[error("`{}` has 0 channels in its header, but needs at least 1", .path.display())]
    NoChannels { path: PathBuf },
    #[error("`{}` has a sample rate of {found} Hz in its header, but {MIN_SAMPLE_RATE} to {MAX_SAMPLE_RATE} Hz are needed", .path.display())]
    FileRate { path: PathBuf, found: u32 },
    #[error("`{}` is truncated: its header promises {claimed:.2} s, but only {present:.2} s are there", .path.display())]
    Truncated { path: PathBuf, present: f64, claimed: f64 },
    #[error("`{}` is damaged: {reason}", .path.display())]
    Damaged { path: PathBuf, reason: String },
    #[error("`{}` holds {count} NaN or infinite samples, the first at {first_seconds:.3} s, but every sample must be a finite number", .path.display())]
    NotFinite { path: PathBuf, count: u64, first_seconds: f64 },
    #[error("`{}` holds no samples: its header is followed by 0 frames", .path.display())]
    NoSamples { path: PathBuf },
    #[error("`{}` is a file, but a folder of audio files was needed", .path.display())]
    NotAFolder { path: PathBuf },
    #[error("the folder `{}` is empty, but audio files were needed", .path.display())]
    EmptyFolder { path: PathBuf },
    #[error("the folder `{}` holds no audio: none of its {files} files ends in {extensions}", .path.display())]
    NoAudio { path: PathBuf, files: usize, extensions: String },
    #[error("{} of {total} audio files in `{}` cannot be used: {}", .errors.len(), .folder.display(), join(.errors))]
    Refused { folder: PathBuf, total: usize, errors: Vec<AudioError> },
    #[error(
        "the {part} part is empty: {files} files at train_fraction {fraction} split into {} / {} / {}",
        .counts[0], .counts[1], .counts[2]
    )]
    EmptySplit { part: &'static str, files: usize, fraction: f64, counts: [usize; 3], works: Option<f64> },
    #[error("the {part} part has no window of {window} tokens: its longest file has {longest} tokens ({seconds:.2} s)")]
    NoWindows { part: &'static str, window: usize, longest: usize, seconds: f64 },
    #[error("{0}")]
    Option(#[from] OptionError),
    #[error("a sample rate of {found} Hz was asked for, but {MIN_SAMPLE_RATE} to {MAX_SAMPLE_RATE} Hz are possible")]
    Rate { found: u32 },
    #[error("{found} bits a token were asked for, but 1 to 16 are possible")]
    Bits { found: u8 },
    #[error("a batch needs at least one example, and every example between 1 and {window} tokens, but {found}")]
    Batch { window: usize, found: String },
    #[error("a spectrum needs {needed}, but {found} was asked for")]
    Spectrum { needed: &'static str, found: String },
    #[error("resampling from {from} Hz to {to} Hz failed: {reason}")]
    Resample { from: u32, to: u32, reason: String },
    #[error("`{}` could not be written: {source}", .path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("`{}` was not written: {reason}", .path.display())]
    Unwritable { path: PathBuf, reason: String },
    #[error("there is no program that plays sound; looked for {looked_for}")]
    NoPlayer { looked_for: String },
    #[error("{player} could not play the sound: {reason}")]
    Player { player: String, reason: String },
    #[error("reading or playing audio was interrupted")]
    Interrupted,
}

fn join(errors: &[AudioError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

const CONVERT: &str = "convert it first: ffmpeg -i INPUT -ar 16000 -ac 1 OUTPUT.wav";

impl AudioError {
    /// The error for a failed read of `path`, told apart by what the system answered.
    pub(super) fn read(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::NotFound => Self::NotFound { path },
            io::ErrorKind::PermissionDenied => Self::Denied { path, source },
            _ => Self::Io { path, source },
        }
    }

    pub(super) fn damaged(path: &Path, reason: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), reason: reason.into() }
    }

    /// What to try next.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NotFound { path } => not_found(path),
            Self::Denied { path, .. } => format!("allow reading it: chmod u+r '{}'", path.display()),
            Self::Io { .. } => "check the disk, and try to copy the file".into(),
            Self::IsFolder { .. } => "name one file inside it".into(),
            Self::Empty { .. } => "download or export it again".into(),
            Self::NotAudio { .. } => "remove the file, or give it the name of what it holds".into(),
            Self::Unsupported { .. } => CONVERT.into(),
            Self::NoChannels { .. } | Self::FileRate { .. } => "the header is wrong: export the file again".into(),
            Self::Truncated { .. } => {
                "copy or download it again; ffmpeg -i INPUT OUTPUT.wav rescues the part that is there".into()
            }
            Self::Damaged { .. } => {
                "copy or export it again; ffmpeg -i INPUT OUTPUT.wav rescues what can be read".into()
            }
            Self::NotFinite { .. } => "export it again, as 16-bit or 24-bit integers if the program allows".into(),
            Self::NoSamples { .. } => "export it again, or remove it".into(),
            Self::NotAFolder { path } => match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                Some(parent) => format!("name the folder: `{}`", parent.display()),
                None => "name the folder that holds it: `.`".into(),
            },
            Self::EmptyFolder { .. } => "put WAV or FLAC files into it, or name another folder".into(),
            Self::NoAudio { .. } => "name the folder that holds the recordings; its subfolders are searched too".into(),
            Self::Refused { errors, .. } => {
                let first = errors.iter().find_map(Self::hint).map(|hint| format!("{hint}; or ")).unwrap_or_default();
                format!("{first}leave such files out with on_error: \"skip\"")
            }
            Self::EmptySplit { works: Some(works), .. } => format!("train_fraction: {works} leaves no part empty"),
            Self::EmptySplit { .. } => "at least 3 files are needed, and a long one can be cut: \
                 ffmpeg -i INPUT -f segment -segment_time 60 part_%03d.wav"
                .into(),
            Self::NoWindows { longest, .. } if *longest > 0 => {
                format!("use a window of at most {longest} tokens, or drop_last: false, or longer files")
            }
            Self::NoWindows { .. } => "add longer files".into(),
            Self::Option(error) => return error.hint.clone(),
            Self::Rate { .. } => "models of the paper use 16000".into(),
            Self::Bits { .. } => "8 is usual".into(),
            Self::Spectrum { .. } => "the defaults are fft_size: 1024, hop: 256".into(),
            Self::Write { path, source } if source.kind() == io::ErrorKind::NotFound => match path.parent() {
                Some(parent) => format!("make the folder first: mkdir -p '{}'", parent.display()),
                None => return None,
            },
            Self::Write { .. } => "check that the folder may be written and the disk has room".into(),
            Self::NoPlayer { .. } => format!(
                "install one (Debian: apt install alsa-utils), name another one by {PLAYER_VARIABLE}=\"command\", or write a file: \
                 sound.save(\"sound.wav\")"
            ),
            Self::Player { .. } => format!(
                "is there a sound device? {PLAYER_VARIABLE}=\"command\" names another player; sound.save(\"sound.wav\") writes a file"
            ),
            Self::Batch { .. } | Self::Resample { .. } | Self::Unwritable { .. } | Self::Interrupted => return None,
        };
        Some(hint)
    }
}

/// The nearest name beside the one that is missing, or what to check.
fn not_found(path: &Path) -> String {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(entries) = std::fs::read_dir(folder) else {
        return format!("the folder `{}` is not there either", folder.display());
    };
    let names: Vec<String> = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    let typed = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    match crate::options::nearest(&typed, names.iter().map(String::as_str)) {
        Some(name) => format!("did you mean `{}`?", folder.join(name).display()),
        None => "check the path; relative paths start at the current folder".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_answers_decides_between_missing_denied_and_broken() {
        let error = |kind: io::ErrorKind| AudioError::read(Path::new("x.wav"), io::Error::from(kind));
        assert!(matches!(error(io::ErrorKind::NotFound), AudioError::NotFound { .. }));
        assert!(matches!(error(io::ErrorKind::PermissionDenied), AudioError::Denied { .. }));
        assert!(matches!(error(io::ErrorKind::Other), AudioError::Io { .. }));
        assert!(error(io::ErrorKind::PermissionDenied).to_string().contains("permission denied"));
    }
}
