//! A report onto the disk: whole or not at all.
//!
//! Everything is rendered before anything is written. The files beside the Markdown are written into a folder aside and
//! moved into place when all of them are there; the Markdown follows; and last goes what an earlier report of that name
//! referred to and this one does not. Other files in the folder stay.

use super::document::Report;
use super::draw::{self, Wanted};
use super::error::ReportError;
use super::html;
use super::markdown::{self, Content, KINDS, Twin};
use crate::interrupt::Interrupt;
use crate::metrics::atomic;
use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Endings of the page and of the Markdown.
const HTML: [&str; 2] = ["html", "htm"];
const MARKDOWN: [&str; 2] = ["md", "markdown"];

/// What a name asks for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Targets {
    page: Option<PathBuf>,
    twin: Option<PathBuf>,
}

impl Report {
    /// The report as one HTML file that holds everything it shows.
    ///
    /// # Errors
    /// [`ReportError::Figure`] for a figure that cannot be drawn, [`ReportError::Interrupted`].
    pub fn html(&self, interrupt: &Interrupt) -> Result<String, ReportError> {
        html::render(self, &draw::pictures(self, Wanted { page: true, files: false }, interrupt)?)
    }

    /// Saves the report as the name's ending says, and returns what was written: `.html` for one page that holds
    /// everything, `.md` for Markdown with a folder of figures and sounds beside it (`NAME-files`), neither for both.
    ///
    /// Former files of these names are replaced. Of a former report's files in `NAME-files`, those that the new one does
    /// not refer to are removed.
    ///
    /// # Errors
    /// [`ReportError::Format`] for another ending; [`ReportError::Figure`] and [`ReportError::Interrupted`], with nothing
    /// written; [`ReportError::Io`] when the system refuses.
    pub fn save(&self, path: &Path, interrupt: &Interrupt) -> Result<Vec<PathBuf>, ReportError> {
        let targets = Targets::of(path)?;
        let wanted = Wanted { page: targets.page.is_some(), files: targets.twin.is_some() };
        let pictures = draw::pictures(self, wanted, interrupt)?;
        let page = targets.page.map(|path| Ok((html::render(self, &pictures)?, path))).transpose()?;
        let twin = targets.twin.map(|path| Ok((markdown::render(self, pictures, &link(&path))?, path))).transpose()?;
        if interrupt.is_set() {
            return Err(ReportError::Interrupted);
        }
        let mut written = Vec::new();
        if let Some((text, path)) = page {
            atomic::replace(&path, |file| file.write_all(text.as_bytes())).map_err(ReportError::io(&path))?;
            written.push(path);
        }
        if let Some((twin, path)) = twin {
            write(&twin, &path)?;
            written.push(path);
        }
        Ok(written)
    }
}

impl Targets {
    fn of(path: &Path) -> Result<Self, ReportError> {
        let refuse = || ReportError::Format { path: path.to_owned() };
        let name = path.file_name().ok_or_else(refuse)?;
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
        match ending.as_deref() {
            Some(ending) if HTML.contains(&ending) => Ok(Self { page: Some(path.to_owned()), twin: None }),
            Some(ending) if MARKDOWN.contains(&ending) => Ok(Self { page: None, twin: Some(path.to_owned()) }),
            // The end of a number is no ending: `lr-0.001`.
            Some(ending) if !ending.is_empty() && !ending.bytes().all(|byte| byte.is_ascii_digit()) => Err(refuse()),
            _ => {
                let with = |ending: &str| {
                    let mut name = OsString::from(name);
                    name.push(ending);
                    Some(path.with_file_name(name))
                };
                Ok(Self { page: with(".html"), twin: with(".md") })
            }
        }
    }
}

/// The folder of a Markdown file: `depth-files` for `depth.md`.
fn folder_of(path: &Path) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push("-files");
    path.with_file_name(name)
}

/// The name of that folder as links have it: percent-encoded, so that blanks and brackets do not end a link.
fn link(path: &Path) -> String {
    let name = folder_of(path).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let byte = |byte: u8| match byte {
        plain if plain.is_ascii_alphanumeric() || b"-._~".contains(&plain) => char::from(plain).to_string(),
        other => format!("%{other:02X}"),
    };
    name.bytes().map(byte).collect()
}

fn write(twin: &Twin, path: &Path) -> Result<(), ReportError> {
    let former = fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let folder = folder_of(path);
    if !twin.files.is_empty() {
        fill(&folder, &twin.files)?;
    }
    atomic::replace(path, |file| file.write_all(twin.text.as_bytes())).map_err(ReportError::io(path))?;
    let stale =
        referred(&former, &link(path)).into_iter().filter(|name| !twin.files.iter().any(|(kept, _)| kept == name));
    for name in stale {
        // Gone already, or not ours to remove: the report itself is whole.
        drop(fs::remove_file(folder.join(name)));
    }
    if twin.files.is_empty() {
        drop(fs::remove_dir(&folder)); // only if nothing is left in it
    }
    Ok(())
}

/// Writes `files` into `folder`: aside first, so that a full disk leaves the former ones as they were.
fn fill(folder: &Path, files: &[(String, Content)]) -> Result<(), ReportError> {
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let aside = tempfile::Builder::new()
        .prefix(".report-")
        .suffix(".part")
        .tempdir_in(parent)
        .map_err(ReportError::io(parent))?;
    for (name, content) in files {
        let path = aside.path().join(name);
        match content {
            Content::Bytes(bytes) => {
                atomic::replace(&path, |file| file.write_all(bytes)).map_err(ReportError::io(&folder.join(name)))?;
            }
            Content::Csv(frame) => frame.write_csv(&path).map_err(ReportError::Table)?,
        }
    }
    fs::create_dir_all(folder).map_err(ReportError::io(folder))?;
    for (name, _) in files {
        let target = folder.join(name);
        fs::rename(aside.path().join(name), &target).map_err(ReportError::io(&target))?;
    }
    Ok(())
}

/// The names of our kinds that `markdown` refers to within `folder`.
fn referred(markdown: &str, folder: &str) -> Vec<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    let mut names: Vec<String> = markdown
        .split(&format!("({folder}/"))
        .skip(1)
        .filter_map(|rest| rest.split_once(')').map(|(name, _)| name.to_owned()))
        .filter(|name| KINDS.iter().any(|kind| name.starts_with(kind)) && name.chars().all(plain))
        .collect();
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(path: &str) -> Option<(Option<String>, Option<String>)> {
        let text = |path: PathBuf| path.display().to_string();
        Targets::of(Path::new(path)).ok().map(|targets| (targets.page.map(text), targets.twin.map(text)))
    }

    #[test]
    fn a_name_without_an_ending_asks_for_both() {
        let both = |page: &str, twin: &str| Some((Some(page.to_owned()), Some(twin.to_owned())));
        assert_eq!(targets("a/depth"), both("a/depth.html", "a/depth.md"));
        assert_eq!(targets("lr-0.001"), both("lr-0.001.html", "lr-0.001.md"));
        assert_eq!(targets("a.HTML"), Some((Some("a.HTML".to_owned()), None)));
        assert_eq!(targets("a.md"), Some((None, Some("a.md".to_owned()))));
        for bad in ["a.pdf", "a.", "..", "/"] {
            assert_eq!(targets(bad).is_some(), bad == "a.", "{bad}");
        }
    }

    #[test]
    fn links_lead_into_the_folder_whatever_its_name() {
        assert_eq!(link(Path::new("a/depth.md")), "depth-files");
        assert_eq!(link(Path::new("a (1) ü.md")), "a%20%281%29%20%C3%BC-files");
    }

    #[test]
    fn only_our_own_names_count_as_referred() {
        let text = "[![x](f-files/figure-1.png)](f-files/figure-1.svg) [a](f-files/photo.png) [b](f-files/figure-../x) \
                    [c](other/figure-2.png) [d](f-files/figure-1.png)";
        assert_eq!(referred(text, "f-files"), ["figure-1.png", "figure-1.svg"]);
    }
}
