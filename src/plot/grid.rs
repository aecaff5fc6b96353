//! Grids: several figures on one page.

use super::axes::X_ROOM;
use super::error::PlotError;
use super::figure::{Content, Figure};
use super::legend::{Legend, Place};
use super::mark::{Mark, Rect};
use super::page::{Look, Page, Panel};
use super::scale::{count, whole};
use super::spectrogram::{NAME_WIDTH, TICKS_ONLY, common_levels, level_bar};
use crate::options::OptionError;

crate::options! {
    /// The options of `grid(figures, columns, #{ … })`.
    pub struct GridConfig for "grid" {
        /// A letter in the corner of each panel: a, b, c …
        letters: bool = false,
        /// One legend below all panels, where theirs are the same.
        share_legend: bool = true,
        /// One scale of colours for all panels, where all are spectrograms.
        share_levels: bool = true,
        /// Width of the page; `()` suits the number of columns. [pixels; 320 to 2400]
        width: Option<u32> = None,
        /// Height of each row; `()` suits its figures. [pixels; 130 to 2400]
        row_height: Option<u32> = None,
    }
    ; validate = check
}

/// The least height of a panel that holds anything, and the least width.
const LEAST: (f64, f64) = (190.0, 130.0);
/// The most panels of a grid.
const MOST: usize = 64;
/// The largest page, each way.
const LARGEST: f64 = 2400.0;

fn check(config: &GridConfig) -> Result<(), OptionError> {
    match (config.width, config.row_height) {
        (Some(width), _) if !(320..=2400).contains(&width) => {
            Err(OptionError::value("width", width, "between 320 and 2400 pixels"))
        }
        (_, Some(height)) if !(130..=2400).contains(&height) => {
            Err(OptionError::value("row_height", height, "between 130 and 2400 pixels"))
        }
        _ => Ok(()),
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Grid {
    pub(super) figures: Vec<Figure>,
    columns: usize,
    letters: bool,
    share_legend: bool,
    share_levels: bool,
    /// Heights of the rows on a page of the usual size; their proportions hold on any other.
    rows: Vec<f64>,
}

/// Figures on one page, row by row, `columns` beside each other. Each is laid out anew for its panel, so that texts keep their
/// size.
///
/// # Errors
/// [`PlotError::Empty`] for no figure, [`PlotError::TooMany`] for more panels than a page holds.
pub fn grid(figures: &[Figure], columns: usize, config: &GridConfig) -> Result<Figure, PlotError> {
    let hint = "make several grids, or give it more columns";
    if figures.is_empty() {
        return Err(PlotError::Empty { what: "a grid without figures".into() });
    }
    if columns == 0 {
        return Err(PlotError::NotPositive { what: "the number of columns of a grid", found: 0.0 });
    }
    if figures.len() > MOST {
        return Err(PlotError::TooMany { what: "panels", found: figures.len(), most: MOST, hint });
    }
    let columns = columns.min(figures.len());
    let width = config.width.map_or_else(|| usual_width(figures, columns), f64::from);
    let each = width / count(columns);
    if each < LEAST.0 {
        let most = whole(width / LEAST.0);
        return Err(PlotError::TooMany {
            what: "columns",
            found: columns,
            most,
            hint: "give it fewer columns, or a larger width",
        });
    }
    let suits = |row: &[Figure]| row.iter().map(|figure| panel_height(figure, each)).fold(LEAST.1, f64::max);
    let mut rows: Vec<f64> =
        figures.chunks(columns).map(|row| config.row_height.map_or_else(|| suits(row), f64::from)).collect();
    let most = whole(LARGEST / LEAST.1);
    if rows.len() > most {
        return Err(PlotError::TooMany { what: "rows", found: rows.len(), most, hint });
    }
    let total: f64 = rows.iter().sum();
    if total > LARGEST {
        rows.iter_mut().for_each(|row| *row *= LARGEST / total);
    }
    let GridConfig { letters, share_legend, share_levels, .. } = *config;
    let mut grid = Grid { figures: figures.to_vec(), columns, letters, share_legend, share_levels, rows };
    if grid.levels().is_some() {
        // Only the last row names its axis.
        let last = grid.rows.len() - 1;
        grid.rows[..last].iter_mut().for_each(|row| *row -= X_ROOM - TICKS_ONLY);
    }
    let height: f64 = grid.rows.iter().sum();
    let legend = if grid.shares().is_some() { 40.0 } else { 0.0 };
    Ok(Figure::new(Content::Grid(grid), (round(width), round((height + legend).clamp(200.0, LARGEST)))))
}

fn usual_width(figures: &[Figure], columns: usize) -> f64 {
    match columns {
        1 => figures.iter().map(|figure| f64::from(figure.dimensions().0)).fold(320.0, f64::max),
        2 => 1120.0,
        3 => 1320.0,
        columns => (count(columns) * 350.0).min(1800.0),
    }
}

/// The height of a figure `width` wide: in proportion, with what labels and ticks do not give up.
fn panel_height(figure: &Figure, width: f64) -> f64 {
    let (own_width, own_height) = figure.dimensions();
    let ratio = f64::from(own_height) / f64::from(own_width);
    ratio * width + 100.0 * (1.0 - width / f64::from(own_width)).max(0.0)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "pixels of a page, clamped")]
fn round(pixels: f64) -> u32 {
    pixels.round() as u32
}

/// `a`, `b`, … `z`, `aa`, …
fn letter(index: usize) -> String {
    let last = char::from(b'a' + u8::try_from(index % 26).unwrap_or(0));
    if index < 26 { last.to_string() } else { format!("{}{last}", letter(index / 26 - 1)) }
}

impl Grid {
    /// The figure whose legend stands for all, if all have the same.
    fn shares(&self) -> Option<&Figure> {
        let own: Vec<&Figure> = self.figures.iter().filter(|figure| figure.has_legend()).collect();
        let (first, others) = own.split_first().filter(|(_, others)| self.share_legend && !others.is_empty())?;
        let look = Look::default();
        let page = Page::new((900.0, 600.0), first.theme_now(), 1.0, &look, "", Panel::default());
        let wanted = first.entries(&page);
        others.iter().all(|other| other.entries(&page) == wanted).then_some(*first)
    }

    /// The narrowest page that its panels are laid out for.
    pub(super) fn narrowest(&self) -> u32 {
        u32::try_from(self.columns).unwrap_or(u32::MAX).saturating_mul(280)
    }

    /// The levels that the colours of all panels span, if all are spectrograms that share them.
    fn levels(&self) -> Option<(f64, f64)> {
        let ranges: Vec<(f64, f64)> = self.figures.iter().map(Figure::levels_db).collect::<Option<_>>()?;
        (self.share_levels && ranges.len() > 1).then(|| common_levels(ranges.into_iter()))
    }

    pub(super) fn layout(&self, page: &Page<'_>) -> Result<Vec<Mark>, PlotError> {
        let mut marks = Vec::new();
        page.title(16.0, &mut marks);
        let mut all = Rect { left: 0.0, top: page.top(0.0), right: page.width, bottom: page.height };
        let shared = self.shares();
        if let Some(figure) = shared {
            let look = Look { legend: Place::Below, ..Look::default() };
            let size = (page.width, page.height);
            let page = Page::new(size, page.theme, page.density, &look, "", Panel::default());
            let (title, entries) = figure.entries(&page);
            let legend = Legend::new(&title, entries, &page);
            all.bottom -= legend.below() + 10.0;
            legend.draw(&all, all.bottom, &page, &mut marks);
        }
        let levels = self.levels();
        if let Some(levels) = levels {
            let bar = level_bar(levels);
            let inner = Rect { top: all.top + 46.0, bottom: all.bottom - X_ROOM, ..all };
            all.right -= bar.room(inner.height());
            bar.draw(&Rect { right: all.right - 10.0, ..inner }, page, &mut marks);
        }
        let total: f64 = self.rows.iter().sum();
        // The first column is wider by the names of its axes, where the others have none.
        let extra = if levels.is_some() { NAME_WIDTH } else { 0.0 };
        let width = (all.width() - extra) / count(self.columns);
        let mut upper = all.top;
        let last = self.rows.len() - 1;
        for (row, (figures, height)) in self.figures.chunks(self.columns).zip(&self.rows).enumerate() {
            let height = all.height() * height / total;
            for (column, figure) in figures.iter().enumerate() {
                let index = row * self.columns + column;
                // The lowest of its column names the x axis, the first of its row the y axis.
                let lowest = row == last || index + self.columns >= self.figures.len();
                let panel = Panel {
                    letter: self.letters.then(|| letter(index)),
                    levels,
                    x_label: levels.is_none() || lowest,
                    y_label: levels.is_none() || column == 0,
                };
                let own = if column == 0 { width + extra } else { width };
                let left = count(column) * width + if column == 0 { 0.0 } else { extra };
                let drawn = figure.panel((own, height), page, panel, shared.is_some())?;
                marks.extend(drawn.into_iter().map(|mark| mark.moved((left, upper))));
            }
            upper += height;
        }
        Ok(marks)
    }
}
