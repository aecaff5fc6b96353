//! Spectrograms: level in colour over time and frequency.

use super::axes::{self, Axes, X_ROOM};
use super::bar::Bar;
use super::chart::scale;
use super::colour::{Colour, Map, Ramp};
use super::error::PlotError;
use super::figure::{Content, Figure};
use super::mark::{Anchor, Mark, Rect};
use super::overlay;
use super::page::Page;
use super::scale::{Scale, count, whole};
use super::text::{self, MEDIUM, small_width};
use crate::audio::{MelSpectrogram, Spectrogram, to_db};

/// How far below the loudest cell colours still differ: about the range of the ear between loud and quiet music.
const RANGE_DB: f64 = 80.0;

/// Room below the data for the labels of ticks alone, and beside them for the name of the axis.
pub(super) const TICKS_ONLY: f64 = 26.0;
pub(super) const NAME_WIDTH: f64 = 22.0;

/// Room between the ticks of one panel and the name of the next.
const PANEL_GAP: f64 = 14.0;

/// What the bins of a spectrogram are.
#[derive(Debug, Clone, PartialEq)]
pub enum FrequencyAxis {
    /// Evenly spaced from 0 Hz to `max_hz`, both ends included: half the sample rate for an FFT.
    Linear {
        /// Frequency of the last bin.
        max_hz: f64,
    },
    /// Bands at these centres in Hz, ascending, one for each bin; drawn evenly spaced.
    Bands {
        /// Centre frequencies.
        centres_hz: Vec<f64>,
    },
}

/// A spectrogram as plain data.
#[derive(Debug, Clone, PartialEq)]
pub struct SpectrogramData {
    /// How many instants.
    pub frames: usize,
    /// How many frequencies at each.
    pub bins: usize,
    /// Levels in dB, `(frames, bins)` row by row; NaN is drawn grey, −∞ as the quietest.
    pub db: Vec<f32>,
    /// Duration in seconds.
    pub seconds: f64,
    /// What the bins are.
    pub axis: FrequencyAxis,
}

impl SpectrogramData {
    fn check(&self, name: &str) -> Result<(), PlotError> {
        if self.frames.checked_mul(self.bins) != Some(self.db.len()) {
            let what = format!("levels of {name} ({} frames of {} bins)", self.frames, self.bins);
            return Err(PlotError::Lengths {
                what,
                found: self.db.len(),
                needed: self.frames.saturating_mul(self.bins),
            });
        }
        if !(self.seconds.is_finite() && self.seconds > 0.0) {
            return Err(PlotError::NotPositive { what: "the duration in seconds", found: self.seconds });
        }
        if self.bins < 2 {
            return Err(PlotError::Lengths { what: format!("bins of {name}"), found: self.bins, needed: 2 });
        }
        match &self.axis {
            FrequencyAxis::Linear { max_hz } if !(max_hz.is_finite() && *max_hz > 0.0) => {
                return Err(PlotError::NotPositive { what: "the highest frequency in Hz", found: *max_hz });
            }
            FrequencyAxis::Bands { centres_hz } if centres_hz.len() != self.bins => {
                let what = format!("band centres of {name}");
                return Err(PlotError::Lengths { what, found: centres_hz.len(), needed: self.bins });
            }
            FrequencyAxis::Bands { centres_hz } => {
                let ascending = |pair: &&[f64]| pair[0] < pair[1] && pair[0].is_finite() && pair[1].is_finite();
                if let Some(pair) = centres_hz.windows(2).find(|pair| !ascending(pair)) {
                    return Err(PlotError::NotPositive {
                        what: "the distance between band centres",
                        found: pair[1] - pair[0],
                    });
                }
            }
            FrequencyAxis::Linear { .. } => {}
        }
        if self.db.iter().any(|level| level.is_finite()) {
            Ok(())
        } else {
            Err(PlotError::Empty { what: name.to_owned() })
        }
    }

    fn max_hz(&self) -> f64 {
        match &self.axis {
            FrequencyAxis::Linear { max_hz } => *max_hz,
            FrequencyAxis::Bands { centres_hz } => centres_hz.last().copied().unwrap_or(0.0),
        }
    }

    /// The frequency axis in Hz divided by `unit`.
    fn scale(&self, log: bool, unit: f64) -> Scale {
        match &self.axis {
            // Below a 160th of the highest frequency (50 Hz of 8 kHz) bins are as wide as octaves and say little.
            FrequencyAxis::Linear { max_hz } if log => {
                let first = (max_hz / count(self.bins - 1)).max(max_hz / 160.0);
                Scale::log(first / unit, max_hz / unit)
            }
            FrequencyAxis::Linear { max_hz } => Scale::linear(0.0, max_hz / unit),
            FrequencyAxis::Bands { centres_hz } => Scale::bands(centres_hz.iter().map(|hz| hz / unit).collect()),
        }
    }

    /// The bin, with fractions, at a frequency scale's fraction.
    fn bin_at(&self, scale: &Scale, unit: f64, part: f64) -> f64 {
        match &self.axis {
            FrequencyAxis::Linear { max_hz } => scale.value(part) * unit / max_hz * count(self.bins - 1),
            FrequencyAxis::Bands { .. } => part * count(self.bins - 1),
        }
    }
}

/// Power below this, relative to a sine of full scale, is drawn as this much: lower than any 16-bit sound.
const FLOOR_DB: f32 = -120.0;

/// Duration of `frames` instants a `hop` apart. The first is centred on 0 and the last on the end, so that cells, drawn side
/// by side, lie at most half a hop off.
fn duration(frames: usize, hop: usize, sample_rate: u32) -> f64 {
    count(frames.saturating_sub(1).max(1) * hop) / f64::from(sample_rate)
}

impl From<&Spectrogram> for SpectrogramData {
    fn from(spectrum: &Spectrogram) -> Self {
        Self {
            frames: spectrum.frames,
            bins: spectrum.bins,
            db: to_db(&spectrum.power, FLOOR_DB),
            seconds: duration(spectrum.frames, spectrum.hop, spectrum.sample_rate),
            axis: FrequencyAxis::Linear { max_hz: f64::from(spectrum.sample_rate) / 2.0 },
        }
    }
}

impl From<&MelSpectrogram> for SpectrogramData {
    fn from(spectrum: &MelSpectrogram) -> Self {
        Self {
            frames: spectrum.frames,
            bins: spectrum.n_mels,
            db: to_db(&spectrum.power, FLOOR_DB),
            seconds: duration(spectrum.frames, spectrum.hop, spectrum.sample_rate),
            axis: FrequencyAxis::Bands { centres_hz: spectrum.centres.clone() },
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Spectra {
    panels: Vec<(String, SpectrogramData)>,
    /// Levels of the darkest and the lightest colour.
    db: (f64, f64),
}

/// A spectrogram, its title empty for none: colours span the loudest cell and 80 dB below it.
///
/// # Errors
/// [`PlotError::Lengths`], [`PlotError::NotPositive`] or [`PlotError::Empty`] for data that cannot be drawn.
pub fn spectrogram(data: &SpectrogramData, title: &str) -> Result<Figure, PlotError> {
    let spectra = Spectra::new(vec![(String::new(), data.clone())])?;
    Ok(Figure::new(Content::Spectra(spectra), (920, 380)).title(title))
}

/// Two spectrograms above each other, each with its name, on one scale of time and of level, so that colours compare.
///
/// # Errors
/// As [`spectrogram`].
pub fn spectrogram_pair(upper: (&str, &SpectrogramData), lower: (&str, &SpectrogramData)) -> Result<Figure, PlotError> {
    let panels = [upper, lower].map(|(name, data)| (name.to_owned(), data.clone())).to_vec();
    Ok(Figure::new(Content::Spectra(Spectra::new(panels)?), (920, 620)))
}

/// What the colours between two levels in dB mean.
pub(super) fn level_bar((low, high): (f64, f64)) -> Bar {
    Bar { scale: Scale::linear(low, high), label: "Level (dB)".to_owned(), map: Some(Map::Magma) }
}

/// The levels that colours span where these are the ranges of several spectrograms: the loudest, and what is within the range
/// of the ear below it.
pub(super) fn common_levels(ranges: impl Iterator<Item = (f64, f64)>) -> (f64, f64) {
    let (low, high) =
        ranges.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), range| (low.min(range.0), high.max(range.1)));
    (low.max(high - RANGE_DB), high)
}

/// One spectrogram on the page.
struct Panel<'a> {
    data: &'a SpectrogramData,
    /// Frequency in Hz divided by `unit`.
    scale: &'a Scale,
    unit: f64,
    time: &'a Scale,
    area: Rect,
}

impl Spectra {
    fn new(panels: Vec<(String, SpectrogramData)>) -> Result<Self, PlotError> {
        for (name, data) in &panels {
            data.check(&if name.is_empty() { "the spectrogram".to_owned() } else { format!("spectrogram `{name}`") })?;
        }
        let finite =
            panels.iter().flat_map(|(_, data)| &data.db).copied().filter(|level| level.is_finite()).map(f64::from);
        let (least, most) =
            finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), level| (low.min(level), high.max(level)));
        let low = least.max(most - RANGE_DB);
        // Silence throughout has one level: a scale below it keeps it dark and the bar readable.
        let db = if low < most { (low, most) } else { (most, most + RANGE_DB) };
        Ok(Self { panels, db })
    }

    /// Levels of the first and the last colour.
    pub(super) fn levels(&self) -> (f64, f64) {
        self.db
    }

    /// Whether a panel shows mel bands, which have no logarithmic form of their own.
    pub(super) fn in_bands(&self) -> bool {
        self.panels.iter().any(|(_, data)| matches!(data.axis, FrequencyAxis::Bands { .. }))
    }

    pub(super) fn layout(&self, page: &Page<'_>) -> Result<Vec<Mark>, PlotError> {
        let most_hz = self.panels.iter().map(|(_, data)| data.max_hz()).fold(0.0, f64::max);
        let unit = if most_hz >= 2000.0 { 1000.0 } else { 1.0 };
        let seconds = self.panels.iter().map(|(_, data)| data.seconds).fold(0.0, f64::max);
        let time = scale('x', false, page.look.x_limits, Some((0.0, seconds)), &[], 0.0)?;
        let mut scales = Vec::new();
        for (_, data) in &self.panels {
            scales.push(match page.look.y_limits {
                Some((low, high)) => scale('y', page.look.log_y, Some((low / unit, high / unit)), None, &[], 0.0)?,
                None => data.scale(page.look.log_y, unit),
            });
        }
        let named = self.panels.iter().any(|(name, _)| !name.is_empty());
        let (top, gap) = (page.top(16.0), if named { 24.0 } else { 0.0 });
        let x_room = if page.panel.x_label { X_ROOM } else { TICKS_ONLY };
        let each = (page.height - x_room - top + PANEL_GAP) / count(self.panels.len());
        let height = each - PANEL_GAP - gap;
        let db = page.panel.levels.unwrap_or(self.db);
        let bar = level_bar(db);
        let unnamed = if page.panel.y_label { 0.0 } else { NAME_WIDTH };
        let left = scales.iter().map(|scale| axes::y_room(scale, height, page)).fold(0.0, f64::max) - unnamed;
        let beside = if page.panel.levels.is_some() { 14.0 } else { bar.room(height) };
        let all = Rect { left, top: top + gap, right: page.width - beside, bottom: page.height - x_room };
        let mut marks = Vec::new();
        page.title(left, &mut marks);
        for (index, ((name, data), scale)) in self.panels.iter().zip(&scales).enumerate() {
            let upper = top + count(index) * each;
            let area = Rect { top: upper + gap, bottom: upper + gap + height, ..all };
            if named {
                marks.push(text::title((left, upper + 10.0), name, area.width(), MEDIUM, page.theme));
            }
            page.check(&area)?;
            let panel = Panel { data, scale, unit, time: &time, area };
            marks.extend(panel.raster(db, bar.ramp(page.theme), page));
            let axes = Axes { area, x: &time, y: scale, theme: page.theme, longest: axes::longest(page) };
            draw_rules(page, &axes, unit, &mut marks);
            overlay::notes(page, &axes, unit, &mut marks);
            let x_label = if page.panel.x_label { page.x_label("Time (s)") } else { "" };
            let y_label = if page.panel.y_label { page.y_label(frequency_label(data, unit)) } else { "" };
            axes.frame((index + 1 == self.panels.len()).then_some(x_label), y_label, true, &mut marks);
        }
        if page.panel.levels.is_none() {
            bar.draw(&all, page, &mut marks);
        }
        Ok(marks)
    }
}

/// Rules over a picture: white with a dark edge, readable on every colour, their labels beside them.
fn draw_rules(page: &Page<'_>, axes: &Axes<'_>, unit: f64, marks: &mut Vec<Mark>) {
    const WHITE: Colour = Colour { rgb: (255, 255, 255), alpha: 1.0 };
    const EDGE: Colour = Colour { rgb: (0, 0, 0), alpha: 0.5 };
    for rule in &page.look.rules {
        for points in overlay::across(rule, axes, unit) {
            let end = points[points.len() - 1];
            for (colour, width) in [(EDGE, 3.0), (WHITE, 1.3)] {
                marks.push(Mark::Line { points: points.clone(), colour, width, dash: rule.dash });
            }
            if rule.label.is_empty() {
                continue;
            }
            let width = small_width(&rule.label);
            let (left, y) =
                if rule.upright { (end.0 + 5.0, end.1 + 11.0) } else { (end.0 - width - 6.0, end.1 - 10.0) };
            let left = left.min(axes.area.right - width - 4.0);
            let ground = Rect { left: left - 3.0, top: y - 7.5, right: left + width + 3.0, bottom: y + 7.5 };
            marks.push(Mark::Fill { points: ground.corners(), colour: page.theme.background().faint(0.82) });
            marks.push(page.text((left, y), &rule.label, Anchor::Start));
        }
    }
}

impl Panel<'_> {
    /// The picture: each dot is the mean level of the cells below it, or the nearest one. None when the limits leave nothing.
    fn raster(&self, db: (f64, f64), ramp: Ramp, page: &Page<'_>) -> Option<Mark> {
        let Self { data, scale, unit, time, area } = self;
        let across = |second: f64| time.fraction(second).map(|part| area.left + part * area.width());
        let filled = Rect { left: across(0.0)?, right: across(data.seconds)?, ..*area }.within(area);
        let columns = whole(filled.width() * page.density);
        let rows = whole(filled.height() * page.density);
        if columns == 0 || rows == 0 {
            return None;
        }
        let bins: Vec<Option<(usize, usize)>> = (0..rows)
            .map(|row| {
                let edge = |row: usize| data.bin_at(scale, *unit, 1.0 - count(row) / count(rows));
                let (from, to) = (edge(row + 1) + 0.5, edge(row) + 0.5);
                (to > 0.0 && from < count(data.bins)).then(|| span(from, to, data.bins))
            })
            .collect();
        let frame = |column: usize| {
            let part = (filled.left - area.left + filled.width() * count(column) / count(columns)) / area.width();
            time.value(part) / data.seconds * count(data.frames)
        };
        let frames: Vec<(usize, usize)> =
            (0..columns).map(|column| span(frame(column), frame(column + 1), data.frames)).collect();
        let mut rgb = Vec::with_capacity(3 * rows * columns);
        for bins in &bins {
            for frames in &frames {
                let level = bins.map(|bins| mean(data, *frames, bins, db));
                let (red, green, blue) = match level {
                    Some(Some(level)) => ramp.at((level - db.0) / (db.1 - db.0)).rgb,
                    Some(None) => page.theme.missing().rgb,
                    None => page.theme.background().rgb, // above what was sampled
                };
                rgb.extend([red, green, blue]);
            }
        }
        Some(Mark::Raster { area: filled, columns: narrow(columns), rows: narrow(rows), rgb })
    }
}

fn frequency_label(data: &SpectrogramData, unit: f64) -> &'static str {
    match (&data.axis, unit > 1.0) {
        (FrequencyAxis::Linear { .. }, true) => "Frequency (kHz)",
        (FrequencyAxis::Linear { .. }, false) => "Frequency (Hz)",
        (FrequencyAxis::Bands { .. }, true) => "Frequency (kHz, mel)",
        (FrequencyAxis::Bands { .. }, false) => "Frequency (Hz, mel)",
    }
}

fn narrow(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// The cells from `from` to `to`, at least one, within `0..cells`.
fn span(from: f64, to: f64, cells: usize) -> (usize, usize) {
    let first = whole(from.max(0.0)).min(cells - 1);
    (first, whole(to.max(0.0)).clamp(first + 1, cells))
}

/// Mean level of a block of cells in dB, each within the colours' range; `None` if one is NaN.
fn mean(data: &SpectrogramData, frames: (usize, usize), bins: (usize, usize), (low, high): (f64, f64)) -> Option<f64> {
    let mut sum = 0.0;
    for frame in frames.0..frames.1 {
        for level in &data.db[frame * data.bins + bins.0..frame * data.bins + bins.1] {
            if level.is_nan() {
                return None;
            }
            sum += f64::from(*level).clamp(low, high);
        }
    }
    Some(sum / count((frames.1 - frames.0) * (bins.1 - bins.0)))
}
