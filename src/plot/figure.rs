//! A figure: what is drawn, how large, in which colours, and where it is saved.

use super::axes::{self, LARGE};
use super::cells::{self, CELL, Ink};
use super::chart::{Chart, Series};
use super::colour::Theme;
use super::error::PlotError;
use super::heat::Heat;
use super::mark::Mark;
use super::paint;
use super::scale::{count, whole};
use std::io::Write;
use std::path::Path;

/// The least size that axes and labels fit into, in pixels.
const LEAST: (u32, u32) = (320, 200);
/// The largest size; drawing it takes 280 MB for a moment.
const MOST: (u32, u32) = (2400, 2400);

/// A figure, ready to be saved as PNG or SVG.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    content: Content,
    title: String,
    size: (u32, u32),
    theme: Theme,
    log_x: bool,
    log_y: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Content {
    Chart(Chart),
    Heat(Heat),
}

/// What laying out needs to know about the page.
#[derive(Debug)]
pub(super) struct Page<'a> {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) theme: Theme,
    pub(super) log_x: bool,
    pub(super) log_y: bool,
    title: &'a str,
}

impl Page<'_> {
    /// Where the drawing begins: below the title if there is one, else at `margin`.
    pub(super) fn top(&self, margin: f64) -> f64 {
        if self.title.is_empty() { margin } else { 46.0 }
    }

    pub(super) fn title(&self, left: f64, marks: &mut Vec<Mark>) {
        if !self.title.is_empty() {
            marks.push(axes::title((left, 24.0), self.title, self.width - left - 16.0, LARGE, self.theme));
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "sizes of a page, rounded")]
fn pixels(length: f64) -> u32 {
    length.round() as u32
}

impl Figure {
    pub(super) fn new(content: Content, size: (u32, u32)) -> Self {
        Self { content, title: String::new(), size, theme: Theme::Paper, log_x: false, log_y: false }
    }

    /// The figure with a title above it.
    #[must_use]
    pub fn title(mut self, title: &str) -> Self {
        title.clone_into(&mut self.title);
        self
    }

    /// The figure with a size in pixels; a PNG has twice as many dots each way.
    #[must_use]
    pub fn size(mut self, width: u32, height: u32) -> Self {
        self.size = (width, height);
        self
    }

    /// The figure in other colours.
    #[must_use]
    pub fn theme(mut self, theme: Theme) -> Self {
        self.theme = theme;
        self
    }

    /// The figure with a logarithmic x axis; spectrograms keep theirs in seconds.
    #[must_use]
    pub fn log_x(mut self, log: bool) -> Self {
        self.log_x = log;
        self
    }

    /// The figure with a logarithmic y axis; for a spectrogram that is its frequency, unless it is in mel bands.
    #[must_use]
    pub fn log_y(mut self, log: bool) -> Self {
        self.log_y = log;
        self
    }

    /// The series a chart draws, as numbers; none for spectrograms and waveforms.
    #[must_use]
    pub fn series(&self) -> &[Series] {
        match &self.content {
            Content::Chart(chart) => &chart.series,
            Content::Heat(_) => &[],
        }
    }

    /// The dashed levels a chart draws: label and value.
    #[must_use]
    pub fn levels(&self) -> Vec<(&str, f64)> {
        match &self.content {
            Content::Chart(chart) => chart.levels.iter().map(|level| (level.label.as_str(), level.value)).collect(),
            Content::Heat(_) => Vec::new(),
        }
    }

    fn marks(&self) -> Result<Vec<Mark>, PlotError> {
        let (width, height) = self.size;
        if width < LEAST.0 || height < LEAST.1 || width > MOST.0 || height > MOST.1 {
            let needed = format!("{} by {} to {} by {}", LEAST.0, LEAST.1, MOST.0, MOST.1);
            return Err(PlotError::Size { width, height, needed });
        }
        let page = Page {
            width: width.into(),
            height: height.into(),
            theme: self.theme,
            log_x: self.log_x,
            log_y: self.log_y,
            title: &self.title,
        };
        match &self.content {
            Content::Chart(chart) => chart.layout(&page),
            Content::Heat(heat) => heat.layout(&page),
        }
    }

    /// The figure as SVG text.
    ///
    /// # Errors
    /// [`PlotError::Size`] and [`PlotError::LogOfNonPositive`].
    pub fn svg(&self) -> Result<String, PlotError> {
        paint::svg(&self.marks()?, self.size, self.theme.background())
    }

    /// The figure as the bytes of a PNG file.
    ///
    /// # Errors
    /// As [`Figure::svg`].
    pub fn png(&self) -> Result<Vec<u8>, PlotError> {
        paint::png(&self.marks()?, self.size, self.theme.background())
    }

    /// The figure in the letters of a terminal, `columns` of them wide.
    ///
    /// # Errors
    /// As [`Figure::svg`].
    pub fn text(&self, columns: usize, ink: Ink) -> Result<String, PlotError> {
        /// A terminal is seldom higher.
        const HIGHEST: usize = 44;
        let (width, height) = (f64::from(self.size.0), f64::from(self.size.1));
        let wide = count(columns) * CELL.0;
        let rows = whole((wide * height / width / CELL.1).round()).clamp(14, HIGHEST);
        let page = self.clone().theme(Theme::Dark).size(pixels(wide), pixels(count(rows) * CELL.1));
        cells::text(&page.marks()?, columns, rows, Theme::Dark, ink)
    }

    /// Saves the figure as the name's ending says, `.png` or `.svg`: under a temporary name, then renamed.
    ///
    /// # Errors
    /// [`PlotError::Format`] for another ending, [`PlotError::Io`] if the file cannot be written (a former one then stays
    /// whole), and as [`Figure::svg`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), PlotError> {
        let path = path.as_ref();
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
        let bytes = match ending.as_deref() {
            Some("png") => self.png()?,
            Some("svg") => self.svg()?.into_bytes(),
            _ => return Err(PlotError::Format { path: path.to_owned() }),
        };
        crate::metrics::atomic::replace(path, |file| file.write_all(&bytes))
            .map_err(|source| PlotError::Io { path: path.to_owned(), source })
    }
}
