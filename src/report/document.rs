//! A report as plain data: what it says, in order.

use super::config::ReportConfig;
use super::error::ReportError;
use super::prose;
use super::sound::Clip;
use crate::metrics::Frame;
use crate::plot::Figure;
use std::collections::BTreeSet;
use std::ops::Range;

/// A document, ready to be rendered.
#[derive(Debug, Clone)]
pub struct Report {
    pub(super) title: String,
    pub(super) config: ReportConfig,
    pub(super) parts: Vec<Part>,
    pub(super) origin: Origin,
}

/// What made a report, for its foot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// The script's file.
    pub script: Option<String>,
    /// The command that runs it again.
    pub command: Option<String>,
    /// The seeds of the runs in it.
    pub seeds: BTreeSet<u64>,
}

/// One part of a report.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// A heading.
    Section {
        /// Its words, as plain text.
        title: String,
        /// 1, or 2 for a subsection.
        level: u8,
    },
    /// Markdown. HTML within it is shown as text.
    Text(String),
    /// A table.
    Table {
        /// What it holds.
        frame: Frame,
        /// Plain text.
        caption: Option<String>,
    },
    /// A figure; its theme is the report's.
    Figure {
        /// The picture.
        figure: Figure,
        /// Plain text.
        caption: Option<String>,
    },
    /// Players in a row.
    Sounds {
        /// At least one.
        clips: Vec<Clip>,
        /// Plain text.
        caption: Option<String>,
    },
    /// Preformatted text.
    Code(Code),
}

/// Preformatted text, coloured where its maker knows the language.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Code {
    /// The text.
    pub text: String,
    /// The language's name, as Markdown's fences have it; empty for none.
    pub language: String,
    /// Plain text above it: a file's name.
    pub caption: Option<String>,
    /// What to colour: ascending, disjoint ranges of bytes.
    pub inks: Vec<(Range<usize>, Ink)>,
}

/// What a piece of code is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    /// A remark.
    Comment,
    /// A word of the language.
    Keyword,
    /// A number.
    Number,
    /// A text.
    Text,
}

impl Report {
    /// A report without parts.
    ///
    /// # Errors
    /// [`ReportError::Nameless`] for a title without words.
    pub fn new(title: &str, config: ReportConfig) -> Result<Self, ReportError> {
        let title = words(title, "the title of a report")?;
        Ok(Self { title, config, parts: Vec::new(), origin: Origin::default() })
    }

    /// The title.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// What it says, in order.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// What made it, to be filled in.
    pub fn origin(&mut self) -> &mut Origin {
        &mut self.origin
    }

    /// Adds a heading.
    ///
    /// # Errors
    /// [`ReportError::Nameless`] for one without words.
    pub fn section(&mut self, title: &str) -> Result<(), ReportError> {
        self.parts.push(Part::Section { title: words(title, "the heading of a section")?, level: 1 });
        Ok(())
    }

    /// Adds a heading below the last section's.
    ///
    /// # Errors
    /// [`ReportError::Nameless`] for one without words, [`ReportError::Astray`] before the first section.
    pub fn subsection(&mut self, title: &str) -> Result<(), ReportError> {
        let title = words(title, "the heading of a subsection")?;
        if !self.parts.iter().any(|part| matches!(part, Part::Section { .. })) {
            return Err(ReportError::Astray { title });
        }
        self.parts.push(Part::Section { title, level: 2 });
        Ok(())
    }

    /// Adds Markdown: CommonMark with tables and ~~strikethrough~~. HTML in it is shown as text.
    ///
    /// # Errors
    /// [`ReportError::Picture`] for a picture that is not a `data:` address: it would not be inside the page.
    pub fn text(&mut self, markdown: &str) -> Result<(), ReportError> {
        if let Some(address) = prose::outside_picture(markdown) {
            return Err(ReportError::Picture { address });
        }
        self.parts.push(Part::Text(markdown.to_owned()));
        Ok(())
    }

    /// Adds a table.
    ///
    /// # Errors
    /// [`ReportError::NoColumns`].
    pub fn table(&mut self, frame: Frame, caption: Option<&str>) -> Result<(), ReportError> {
        if frame.columns().is_empty() {
            return Err(ReportError::NoColumns);
        }
        self.parts.push(Part::Table { frame, caption: plain(caption) });
        Ok(())
    }

    /// Adds a figure. That it can be drawn shows when the report is rendered.
    pub fn figure(&mut self, figure: Figure, caption: Option<&str>) {
        self.parts.push(Part::Figure { figure, caption: plain(caption) });
    }

    /// Adds players in a row.
    ///
    /// # Errors
    /// [`ReportError::NoSounds`].
    pub fn sounds(&mut self, clips: Vec<Clip>, caption: Option<&str>) -> Result<(), ReportError> {
        if clips.is_empty() {
            return Err(ReportError::NoSounds);
        }
        self.parts.push(Part::Sounds { clips, caption: plain(caption) });
        Ok(())
    }

    /// Adds preformatted text.
    pub fn code(&mut self, code: Code) {
        self.parts.push(Part::Code(code));
    }

    /// The date that was given, or now.
    pub(super) fn date(&self) -> String {
        self.config.date.clone().unwrap_or_else(super::date::now)
    }

    /// What made it: program, command or script, seeds.
    pub(super) fn made(&self) -> Vec<String> {
        let mut made = vec![format!("wasabi {} ({})", env!("CARGO_PKG_VERSION"), env!("WASABI_REVISION"))];
        let seeds: BTreeSet<u64> = self.origin.seeds.iter().copied().chain(self.config.seed).collect();
        match seeds.len() {
            0 => {}
            1 => made.push(format!("seed {}", listed(&seeds))),
            _ => made.push(format!("seeds {}", listed(&seeds))),
        }
        made
    }
}

fn listed(seeds: &BTreeSet<u64>) -> String {
    seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")
}

/// Heading or caption in one line.
fn words(text: &str, what: &'static str) -> Result<String, ReportError> {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.is_empty() { Err(ReportError::Nameless { what }) } else { Ok(line) }
}

/// A caption; one without words is none.
fn plain(caption: Option<&str>) -> Option<String> {
    caption.and_then(|text| words(text, "a caption").ok())
}

/// `Figure 3`: captions are numbered, each kind by itself, where there is one.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    tables: usize,
    figures: usize,
    sounds: usize,
}

impl Numbers {
    /// The name of a part: its kind and number, if it has a caption.
    pub(super) fn name(&mut self, part: &Part) -> Option<String> {
        let (kind, count, caption) = match part {
            Part::Table { caption, .. } => ("Table", &mut self.tables, caption),
            Part::Figure { caption, .. } => ("Figure", &mut self.figures, caption),
            Part::Sounds { caption, .. } => ("Sound", &mut self.sounds, caption),
            Part::Section { .. } | Part::Text(_) | Part::Code(_) => return None,
        };
        caption.as_ref()?;
        *count += 1;
        Some(format!("{kind} {count}"))
    }
}
