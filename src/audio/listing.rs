//! The audio files of a folder, in natural order of their paths below it.

use std::path::{Path, PathBuf};

use super::{AudioError, natural_order};

/// Extensions that are decoded.
const DECODED: [&str; 3] = ["wav", "wave", "flac"];
/// Extensions of audio that is not decoded. Such files are refused by name: leaving them out in silence would train on
/// less than the user thinks.
const NOT_DECODED: [&str; 17] = [
    "mp3", "ogg", "oga", "opus", "m4a", "mp4", "aac", "wma", "aif", "aiff", "aifc", "caf", "au", "ac3", "amr", "wv",
    "ape",
];

/// A file of a corpus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    /// Its path below the corpus folder, with `/` between folders.
    pub(super) name: String,
    /// Where it is.
    pub(super) path: PathBuf,
}

/// The extension of a name, in lower case.
pub(super) fn extension(path: &Path) -> Option<String> {
    path.extension().map(|extension| extension.to_string_lossy().to_lowercase())
}

/// Lists the audio files in `folder` and its subfolders, in natural order of their names.
///
/// Hidden files and folders (a dot in front) and files without an audio extension are left out.
pub(super) fn list(folder: &Path) -> Result<Vec<Listed>, AudioError> {
    let metadata = std::fs::metadata(folder).map_err(|error| AudioError::read(folder, error))?;
    if !metadata.is_dir() {
        return Err(AudioError::NotAFolder { path: folder.to_owned() });
    }
    let mut found = Vec::new();
    let mut others = 0;
    walk(folder, "", &mut Vec::new(), &mut found, &mut others)?;
    if found.is_empty() {
        let path = folder.to_owned();
        return Err(match others {
            0 => AudioError::EmptyFolder { path },
            files => AudioError::NoAudio { path, files, extensions: extensions() },
        });
    }
    found.sort_by(|a, b| natural_order(&a.name, &b.name));
    Ok(found)
}

fn extensions() -> String {
    let (last, first) = DECODED.split_last().unwrap_or((&"", &[]));
    let first: Vec<String> = first.iter().map(|extension| format!(".{extension}")).collect();
    format!("{} or .{last}", first.join(", "))
}

/// Adds the files below `folder`; `above` holds the folders being walked, so that a link to one of them is not followed.
fn walk(
    folder: &Path,
    prefix: &str,
    above: &mut Vec<PathBuf>,
    found: &mut Vec<Listed>,
    others: &mut usize,
) -> Result<(), AudioError> {
    let failed = |error| AudioError::read(folder, error);
    let real = folder.canonicalize().map_err(failed)?;
    if above.contains(&real) {
        return Ok(());
    }
    above.push(real);
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        let path = entry.path();
        let metadata = std::fs::metadata(&path);
        if metadata.as_ref().is_ok_and(std::fs::Metadata::is_dir) {
            walk(&path, &format!("{prefix}{name}/"), above, found, others)?;
            continue;
        }
        // A link to nothing stays in the list when its name is that of audio: decoding then refuses it by name.
        let usable = metadata.is_err() || metadata.is_ok_and(|metadata| metadata.is_file());
        let audio = extension(&path)
            .is_some_and(|extension| DECODED.iter().chain(&NOT_DECODED).any(|known| *known == extension));
        if usable && audio {
            found.push(Listed { name: format!("{prefix}{name}"), path });
        } else {
            *others += 1;
        }
    }
    above.pop();
    Ok(())
}
