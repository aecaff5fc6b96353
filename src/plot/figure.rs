//! A figure: what is drawn, how large, in which colours, and where it is saved.

use super::bars::Bars;
use super::cells::{self, CELL, Ink};
use super::chart::{Chart, Freedom, Series};
use super::colour::Theme;
use super::error::PlotError;
use super::grid::Grid;
use super::heatmap::Heatmap;
use super::legend::{Entry, Place};
use super::mark::{Dash, Mark};
use super::page::{Look, Note, Page, Panel, Rule};
use super::paint::{self, Sheet};
use super::parallel::Parallel;
use super::scale::{count, whole};
use super::spectrogram::Spectra;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

/// The least size that axes and labels fit into, in pixels.
const LEAST: (u32, u32) = (320, 200);
/// The largest size; drawing it takes 90 MB for a moment.
const MOST: (u32, u32) = (2400, 2400);
/// Dots of a saved PNG in a pixel of the page: sharp on dense screens and in print.
const DENSITY: f64 = 2.0;
/// The widest picture that [`Figure::rgb`] makes, in dots.
const WIDEST: u32 = 4800;

/// A figure, ready to be saved as PNG or SVG. Clones share what they draw.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    content: Arc<Content>,
    title: String,
    size: (u32, u32),
    theme: Theme,
    look: Look,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Content {
    Chart(Chart),
    Bars(Bars),
    Spectra(Spectra),
    Heatmap(Heatmap),
    Parallel(Parallel),
    Grid(Grid),
}

/// Something that a modifier changes, and that not every kind of figure has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    LogX,
    LogY,
    Labels,
    XLimits,
    YLimits,
    Legend,
    Notes,
    Level,
    Upright,
}

impl Content {
    /// What it is called in messages.
    fn kind(&self) -> &'static str {
        match self {
            Self::Chart(Chart { freedom: Freedom::Wave, .. }) => "a waveform",
            Self::Chart(Chart { freedom: Freedom::Plane, .. }) => "a plot of eigenvalues",
            Self::Chart(chart) if !chart.steps.is_empty() => "a histogram",
            Self::Chart(chart) if chart.series.is_empty() => "a scatter plot",
            Self::Chart(_) => "a chart of curves",
            Self::Bars(_) => "a bar chart",
            Self::Spectra(_) => "a spectrogram",
            Self::Heatmap(_) => "a heatmap",
            Self::Parallel(_) => "a plot of parallel coordinates",
            Self::Grid(_) => "a grid",
        }
    }

    /// Why this kind of figure has no such part; `None` where it has.
    fn refuses(&self, part: Part) -> Option<&'static str> {
        const CATEGORIES: &str = "its axis holds categories, not numbers";
        match (self, part) {
            (Self::Grid(_), _) => Some("each of its figures has its own"),
            (Self::Chart(chart), Part::LogX | Part::LogY) => match chart.freedom {
                Freedom::Any => None,
                Freedom::Wave => Some("time begins at 0, and amplitudes lie on both sides of it"),
                Freedom::Plane => Some("the parts of eigenvalues lie on both sides of 0"),
            },
            (Self::Chart(_), _) => None,
            (Self::Bars(_), Part::LogX | Part::XLimits | Part::Upright) => Some(CATEGORIES),
            (Self::Bars(_), _) => None,
            (Self::Spectra(_), Part::LogX) => Some("time begins at 0"),
            (Self::Spectra(spectra), Part::LogY | Part::YLimits) if spectra.in_bands() => {
                Some("its frequencies are mel bands, which have a spacing of their own")
            }
            (Self::Spectra(_), Part::Legend) => Some("its colour bar says what the colours mean"),
            (Self::Spectra(_), _) => None,
            (Self::Heatmap(_), Part::Labels) => None,
            (Self::Heatmap(_), Part::Legend) => Some("its colour bar says what the colours mean"),
            (Self::Heatmap(_), _) => Some("its axes hold categories, not numbers"),
            (Self::Parallel(_), Part::LogX | Part::LogY) => Some("each axis has its own scale; see the option `log`"),
            (Self::Parallel(_), Part::Labels) => Some("each axis has its own label: the column's name"),
            (Self::Parallel(_), Part::Legend) => Some("the colours are those of its last axis"),
            (Self::Parallel(_), _) => Some("each axis has its own scale"),
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "sizes of a page, rounded")]
fn pixels(length: f64) -> u32 {
    length.round() as u32
}

impl Figure {
    pub(super) fn new(content: Content, size: (u32, u32)) -> Self {
        Self { content: Arc::new(content), title: String::new(), size, theme: Theme::Paper, look: Look::default() }
    }

    /// What kind of figure it is, with its article: `a heatmap`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.content.kind()
    }

    /// Width and height in pixels.
    #[must_use]
    pub fn dimensions(&self) -> (u32, u32) {
        self.size
    }

    fn can(&self, part: Part, modifier: &'static str) -> Result<(), PlotError> {
        match self.content.refuses(part) {
            Some(reason) => Err(PlotError::NotFor { modifier, kind: self.kind(), reason }),
            None => Ok(()),
        }
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

    /// The figure with another label of its horizontal axis.
    ///
    /// # Errors
    /// [`PlotError::NotFor`] for grids and parallel coordinates.
    pub fn x_label(mut self, label: &str) -> Result<Self, PlotError> {
        self.can(Part::Labels, "x_label")?;
        self.look.x_label = Some(label.to_owned());
        Ok(self)
    }

    /// The figure with another label of its vertical axis.
    ///
    /// # Errors
    /// As [`Figure::x_label`].
    pub fn y_label(mut self, label: &str) -> Result<Self, PlotError> {
        self.can(Part::Labels, "y_label")?;
        self.look.y_label = Some(label.to_owned());
        Ok(self)
    }

    /// The figure with a logarithmic x axis.
    ///
    /// # Errors
    /// [`PlotError::NotFor`] for a kind of figure whose x axis has no logarithm.
    pub fn log_x(mut self, log: bool) -> Result<Self, PlotError> {
        self.can(Part::LogX, "log_x")?;
        self.look.log_x = log;
        Ok(self)
    }

    /// The figure with a logarithmic y axis; for a spectrogram that is its frequency.
    ///
    /// # Errors
    /// [`PlotError::NotFor`] for a kind of figure whose y axis has no logarithm.
    pub fn log_y(mut self, log: bool) -> Result<Self, PlotError> {
        self.can(Part::LogY, "log_y")?;
        self.look.log_y = log;
        Ok(self)
    }

    /// The figure with the axes that are given a range cut to it; a spectrogram's are in seconds and Hz.
    ///
    /// # Errors
    /// [`PlotError::Limits`] for a range that is none, [`PlotError::NotFor`] for a kind of figure without such an axis.
    pub fn limits(mut self, x: Option<(f64, f64)>, y: Option<(f64, f64)>) -> Result<Self, PlotError> {
        for (axis, limits, part) in [('x', x, Part::XLimits), ('y', y, Part::YLimits)] {
            let Some((low, high)) = limits else { continue };
            self.can(part, "limits")?;
            if !(low.is_finite() && high.is_finite() && low < high) {
                return Err(PlotError::Limits { axis, low, high });
            }
        }
        self.look.x_limits = x.or(self.look.x_limits);
        self.look.y_limits = y.or(self.look.y_limits);
        Ok(self)
    }

    /// The figure with its legend elsewhere, or without one.
    ///
    /// # Errors
    /// [`PlotError::NotFor`] for figures with a colour bar instead.
    pub fn legend(mut self, place: Place) -> Result<Self, PlotError> {
        self.can(Part::Legend, "legend")?;
        self.look.legend = place;
        Ok(self)
    }

    /// The figure with a text at a point of its data. The places of a bar chart count from 0; a spectrogram's are in seconds
    /// and Hz.
    ///
    /// # Errors
    /// [`PlotError::NotFor`] for a kind of figure whose axes are not numbers.
    pub fn annotate(mut self, x: f64, y: f64, text: &str) -> Result<Self, PlotError> {
        self.can(Part::Notes, "annotate")?;
        self.look.notes.push(Note { x, y, text: text.to_owned() });
        Ok(self)
    }

    /// The figure with a dashed line across it at a value of y, named in the legend unless the label is empty.
    ///
    /// # Errors
    /// As [`Figure::annotate`].
    pub fn hline(self, y: f64, label: &str) -> Result<Self, PlotError> {
        self.can(Part::Level, "hline")?;
        Ok(self.rule(y, false, label))
    }

    /// The figure with a dashed upright line at a value of x, named in the legend unless the label is empty.
    ///
    /// # Errors
    /// As [`Figure::annotate`].
    pub fn vline(self, x: f64, label: &str) -> Result<Self, PlotError> {
        self.can(Part::Upright, "vline")?;
        Ok(self.rule(x, true, label))
    }

    fn rule(mut self, at: f64, upright: bool, label: &str) -> Self {
        // The first differ from the baselines of a loss curve, as far as the patterns go.
        let dash = [Dash::Short, Dash::Dots, Dash::Long][self.look.rules.len() % 3];
        self.look.rules.push(Rule { at, upright, label: label.to_owned(), dash });
        self
    }

    /// The series a chart draws, as numbers; none for other kinds of figures.
    #[must_use]
    pub fn series(&self) -> &[Series] {
        match &*self.content {
            Content::Chart(chart) => &chart.series,
            _ => &[],
        }
    }

    /// The dots of a scatter plot or of eigenvalues: a label and the points of each group.
    #[must_use]
    pub fn dots(&self) -> Vec<(&str, Vec<(f64, f64)>)> {
        let Content::Chart(chart) = &*self.content else { return Vec::new() };
        let points = |x: &[f64], y: &[f64]| x.iter().copied().zip(y.iter().copied()).collect();
        chart.clouds.iter().map(|cloud| (cloud.label.as_str(), points(&cloud.x, &cloud.y))).collect()
    }

    /// The bins of a histogram: a label, the edges and the heights of each group.
    #[must_use]
    pub fn bins(&self) -> Vec<(&str, &[f64], &[f64])> {
        let Content::Chart(chart) = &*self.content else { return Vec::new() };
        chart.steps.iter().map(|steps| (steps.label.as_str(), &steps.edges[..], &steps.heights[..])).collect()
    }

    /// The bars of a bar chart: the label of each group, and the value and the ends of the error bar at each place (NaN for
    /// none).
    #[must_use]
    pub fn bars(&self) -> Vec<(&str, Vec<[f64; 3]>)> {
        let Content::Bars(bars) = &*self.content else { return Vec::new() };
        let bar = |(value, ends): (&f64, &(f64, f64))| [*value, ends.0, ends.1];
        bars.groups.iter().map(|g| (g.label.as_str(), g.values.iter().zip(&g.ends).map(bar).collect())).collect()
    }

    /// The cells of a heatmap, row by row from the bottom; NaN for one without a value.
    #[must_use]
    pub fn cells(&self) -> Vec<&[f64]> {
        match &*self.content {
            Content::Heatmap(heatmap) => heatmap.cells.chunks(heatmap.columns()).collect(),
            _ => Vec::new(),
        }
    }

    /// The lines of parallel coordinates, the best one last: where each crosses its axes, categories counted from 0.
    #[must_use]
    pub fn lines(&self) -> Vec<Vec<f64>> {
        match &*self.content {
            Content::Parallel(parallel) => parallel.lines(),
            _ => Vec::new(),
        }
    }

    /// The dashed levels a chart draws: label and value.
    #[must_use]
    pub fn levels(&self) -> Vec<(&str, f64)> {
        match &*self.content {
            Content::Chart(chart) => chart.levels.iter().map(|level| (level.label.as_str(), level.value)).collect(),
            _ => Vec::new(),
        }
    }

    /// The levels of the first and the last colour of a spectrogram.
    pub(super) fn levels_db(&self) -> Option<(f64, f64)> {
        match &*self.content {
            Content::Spectra(spectra) => Some(spectra.levels()),
            _ => None,
        }
    }

    pub(super) fn theme_now(&self) -> Theme {
        self.theme
    }

    /// Title and entries of its legend.
    pub(super) fn entries(&self, page: &Page<'_>) -> (String, Vec<Entry>) {
        match &*self.content {
            Content::Chart(chart) => chart.legend(page),
            Content::Bars(bars) => bars.legend(page),
            _ => (String::new(), Vec::new()),
        }
    }

    /// Whether it would draw a legend where it likes.
    pub(super) fn has_legend(&self) -> bool {
        let look = Look::default();
        let page = Page::new((900.0, 600.0), self.theme, 1.0, &look, "", Panel::default());
        let named = self.entries(&page).1.iter().any(|entry| !entry.label.is_empty());
        self.look.legend == Place::Auto && self.look.rules.is_empty() && named
    }

    /// The figure as a panel of a grid, in the grid's theme.
    pub(super) fn panel(
        &self,
        size: (f64, f64),
        page: &Page<'_>,
        panel: Panel,
        shared_legend: bool,
    ) -> Result<Vec<Mark>, PlotError> {
        let mut look = self.look.clone();
        if shared_legend && self.has_legend() {
            look.legend = Place::None;
        }
        self.layout(&Page::new(size, page.theme, page.density, &look, &self.title, panel))
    }

    fn layout(&self, page: &Page<'_>) -> Result<Vec<Mark>, PlotError> {
        match &*self.content {
            Content::Chart(chart) => chart.layout(page),
            Content::Bars(bars) => bars.layout(page),
            Content::Spectra(spectra) => spectra.layout(page),
            Content::Heatmap(heatmap) => heatmap.layout(page),
            Content::Parallel(parallel) => parallel.layout(page),
            Content::Grid(grid) => grid.layout(page),
        }
    }

    /// The figure on a page of `size`, for `density` dots to a pixel.
    fn sheet(&self, size: (u32, u32), density: f64) -> Result<Sheet, PlotError> {
        let (width, height) = size;
        if width < LEAST.0 || height < LEAST.1 || width > MOST.0 || height > MOST.1 {
            let needed = format!("{} by {} to {} by {}", LEAST.0, LEAST.1, MOST.0, MOST.1);
            return Err(PlotError::Size { width, height, needed });
        }
        let page =
            Page::new((width.into(), height.into()), self.theme, density, &self.look, &self.title, Panel::default());
        Ok(Sheet { marks: self.layout(&page)?, size, background: self.theme.background() })
    }

    /// The figure as SVG text.
    ///
    /// # Errors
    /// [`PlotError::Size`], [`PlotError::LogOfNonPositive`] and [`PlotError::LogLimits`].
    pub fn svg(&self) -> Result<String, PlotError> {
        self.sheet(self.size, DENSITY)?.svg()
    }

    /// The figure as the bytes of a PNG file, two dots to a pixel of the page.
    ///
    /// # Errors
    /// As [`Figure::svg`].
    pub fn png(&self) -> Result<Vec<u8>, PlotError> {
        self.sheet(self.size, DENSITY)?.png(DENSITY)
    }

    /// The figure `width` dots wide: red, green and blue of each dot, row by row, then width and height. It is laid out for
    /// that width, so that a narrow one has fewer ticks and not smaller letters.
    ///
    /// # Errors
    /// [`PlotError::Size`] for a width below 160 or above 4800 dots, and as [`Figure::svg`].
    pub fn rgb(&self, width: u32) -> Result<(Vec<u8>, u32, u32), PlotError> {
        let (sheet, scale) = self.sheet_for(width)?;
        Ok(sheet.rgb(scale))
    }

    /// The same as the bytes of a PNG file, written for speed.
    ///
    /// # Errors
    /// As [`Figure::rgb`].
    pub fn png_at(&self, width: u32) -> Result<Vec<u8>, PlotError> {
        let (sheet, scale) = self.sheet_for(width)?;
        let (rgb, columns, rows) = sheet.rgb(scale);
        paint::quick_png(&rgb, columns, rows)
    }

    /// The narrowest page that it is laid out for; narrower pictures of it have smaller letters.
    fn narrowest(&self) -> u32 {
        match &*self.content {
            Content::Grid(grid) => grid.narrowest(),
            Content::Parallel(_) => self.size.0 * 2 / 3,
            _ => 480,
        }
    }

    /// A page for a picture `width` dots wide, and how many dots a pixel of it has.
    fn sheet_for(&self, width: u32) -> Result<(Sheet, f64), PlotError> {
        if !(160..=WIDEST).contains(&width) {
            let needed = format!("a width of 160 to {WIDEST}");
            return Err(PlotError::Size { width, height: 0, needed });
        }
        let page_width = width.clamp(self.narrowest().min(self.size.0), self.size.0);
        let part = f64::from(page_width) / f64::from(self.size.0);
        // A narrower page keeps its shape, but not to where labels leave nothing for the data.
        let height = paint::units(f64::from(self.size.1) * part).max(LEAST.1.max(260).min(self.size.1));
        let scale = f64::from(width) / f64::from(page_width);
        Ok((self.sheet((page_width, height), scale)?, scale))
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
        let size = (pixels(wide), pixels(count(rows) * CELL.1));
        let sheet = self.clone().theme(Theme::Dark).sheet(size, 1.0)?;
        cells::text(&sheet.marks, columns, rows, Theme::Dark, ink)
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
