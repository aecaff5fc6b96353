//! Spectrograms: level in colour over time and frequency.

use super::axes::{self, Axes, MEDIUM, X_ROOM};
use super::colour::{self, Colour};
use super::error::PlotError;
use super::figure::{Content, Figure, Page};
use super::mark::{Mark, Rect};
use super::scale::{Scale, count, whole};
use crate::audio::{MelSpectrogram, Spectrogram, to_db};

/// How far below the loudest cell colours still differ: about the range of the ear between loud and quiet music.
const RANGE_DB: f64 = 80.0;
/// Dots of a raster in a pixel of the page, each way.
const DENSITY: f64 = 2.0;

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
pub(super) struct Heat {
    panels: Vec<(String, SpectrogramData)>,
    /// Levels of the darkest and the lightest colour.
    db: (f64, f64),
}

/// A spectrogram, its title empty for none: colours span the loudest cell and 80 dB below it.
///
/// # Errors
/// [`PlotError::Lengths`], [`PlotError::NotPositive`] or [`PlotError::Empty`] for data that cannot be drawn.
pub fn spectrogram(data: &SpectrogramData, title: &str) -> Result<Figure, PlotError> {
    let heat = Heat::new(vec![(String::new(), data.clone())])?;
    Ok(Figure::new(Content::Heat(heat), (920, 380)).title(title))
}

/// Two spectrograms above each other, each with its name, on one scale of time and of level, so that colours compare.
///
/// # Errors
/// As [`spectrogram`].
pub fn spectrogram_pair(upper: (&str, &SpectrogramData), lower: (&str, &SpectrogramData)) -> Result<Figure, PlotError> {
    let panels = [upper, lower].map(|(name, data)| (name.to_owned(), data.clone())).to_vec();
    Ok(Figure::new(Content::Heat(Heat::new(panels)?), (920, 620)))
}

impl Heat {
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

    pub(super) fn layout(&self, page: &Page<'_>) -> Result<Vec<Mark>, PlotError> {
        let most_hz = self.panels.iter().map(|(_, data)| data.max_hz()).fold(0.0, f64::max);
        let unit = if most_hz >= 2000.0 { 1000.0 } else { 1.0 };
        let seconds = self.panels.iter().map(|(_, data)| data.seconds).fold(0.0, f64::max);
        let time = Scale::linear(0.0, seconds);
        let levels = Scale::linear(self.db.0, self.db.1);
        let scales: Vec<Scale> = self.panels.iter().map(|(_, data)| data.scale(page.log_y, unit)).collect();

        let named = self.panels.iter().any(|(name, _)| !name.is_empty());
        let (top, gap) = (page.top(16.0), if named { 24.0 } else { 0.0 });
        let each = (page.height - X_ROOM - top + PANEL_GAP) / count(self.panels.len());
        let height = each - PANEL_GAP - gap;
        let left = scales.iter().map(|scale| axes::y_room(scale, height)).fold(0.0, f64::max);
        let right = page.width - 104.0;
        let mut marks = Vec::new();
        page.title(left, &mut marks);
        let mut upper = top;
        for (index, ((name, data), scale)) in self.panels.iter().zip(&scales).enumerate() {
            let last = index + 1 == self.panels.len();
            let area = Rect { left, top: upper + gap, right, bottom: upper + gap + height };
            if named {
                marks.push(axes::title((left, upper + 10.0), name, right - left, MEDIUM, page.theme));
            }
            let axes = Axes { area, x: &time, y: scale, theme: page.theme };
            let filled = Rect { right: left + area.width() * data.seconds / seconds, ..area };
            marks.push(self.raster(data, scale, unit, filled, page.theme.missing()));
            let label = frequency_label(data, unit);
            axes.frame(last.then_some("Time (s)"), label, true, &mut marks);
            upper += each;
        }
        let bar = Rect { left: right + 20.0, top: top + gap, right: right + 34.0, bottom: page.height - X_ROOM };
        marks.push(bar_raster(bar));
        axes::bar_scale(bar, &levels, "Level (dB)", page.theme, &mut marks);
        Ok(marks)
    }

    /// The picture of one spectrogram: each dot is the mean level of the cells below it, or the nearest one.
    fn raster(&self, data: &SpectrogramData, scale: &Scale, unit: f64, area: Rect, missing: Colour) -> Mark {
        let columns = whole(area.width() * DENSITY).max(1);
        let rows = whole(area.height() * DENSITY).max(1);
        let bins: Vec<(usize, usize)> = (0..rows)
            .map(|row| {
                let edge = |row: usize| data.bin_at(scale, unit, 1.0 - count(row) / count(rows));
                span(edge(row + 1) + 0.5, edge(row) + 0.5, data.bins)
            })
            .collect();
        let edge = |column: usize| count(column) * count(data.frames) / count(columns);
        let frames: Vec<(usize, usize)> =
            (0..columns).map(|column| span(edge(column), edge(column + 1), data.frames)).collect();
        let mut rgb = Vec::with_capacity(3 * rows * columns);
        for bins in &bins {
            for frames in &frames {
                let (red, green, blue) = match mean(data, *frames, *bins, self.db) {
                    Some(level) => colour::level((level - self.db.0) / (self.db.1 - self.db.0)),
                    None => missing.rgb,
                };
                rgb.extend([red, green, blue]);
            }
        }
        Mark::Raster { area, columns: narrow(columns), rows: narrow(rows), rgb }
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

fn bar_raster(area: Rect) -> Mark {
    let rgb = (0..256).rev().flat_map(|row| <[u8; 3]>::from(colour::level(f64::from(row) / 255.0))).collect();
    Mark::Raster { area, columns: 1, rows: 256, rgb }
}
