//! A chart: lines, dots, bins and bands over two axes, with a legend outside them.

mod draw;
mod range;
mod series;

pub use series::{Band, Series, Style};
pub(super) use series::{Cloud, Level, Outline, Steps};

use super::axes::{self, Axes, X_ROOM};
use super::bar::Bar;
use super::colour::{COLOURS, Colour, Theme};
use super::error::PlotError;
use super::legend::{Entry, Legend, Sample};
use super::mark::{Dash, Mark, Marker, Rect};
use super::overlay;
use super::page::Page;
use super::scale::Scale;
use super::sound::Wave;

pub(super) use range::scale;

/// What of a figure its axes can do; see [`Chart::axes`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Freedom {
    /// Linear or logarithmic, as asked.
    #[default]
    Any,
    /// Amplitudes on both sides of 0 over time.
    Wave,
    /// One unit is as long on both axes, where the data allow it.
    Plane,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Chart {
    pub(super) series: Vec<Series>,
    pub(super) clouds: Vec<Cloud>,
    pub(super) steps: Vec<Steps>,
    pub(super) levels: Vec<Level>,
    pub(super) outlines: Vec<Outline>,
    pub(super) wave: Option<Wave>,
    pub(super) x_label: String,
    pub(super) y_label: String,
    /// The whole of the x axis, instead of the range of the data.
    pub(super) x_range: Option<(f64, f64)>,
    pub(super) y_range: Option<(f64, f64)>,
    pub(super) freedom: Freedom,
    /// Values of y are counts.
    pub(super) counts: bool,
    /// Colours alone tell series apart, or sizes: lines turn too often to be dashed, dots lie on each other.
    pub(super) solid: bool,
    /// What the colours of shaded series and dots mean; it takes the place of their legend.
    pub(super) bar: Option<Bar>,
    /// What the labels of the legend are values of: a column.
    pub(super) legend_title: String,
    /// What else the legend says: the meaning of bands.
    pub(super) band_label: String,
    /// The sizes of dots: a label and a radius each.
    pub(super) sizes: Vec<(String, f64)>,
}

/// How one series is drawn.
#[derive(Debug, Clone, Copy)]
struct Pen {
    colour: Colour,
    width: f64,
    dash: Dash,
    marker: Marker,
}

/// From this many colours on, lines and dots differ in a second way.
const MANY: usize = 5;

impl Chart {
    /// Refuses series that cannot be drawn.
    pub(super) fn check(self) -> Result<Self, PlotError> {
        for (index, series) in self.series.iter().enumerate() {
            series.check(index)?;
        }
        for (index, cloud) in self.clouds.iter().enumerate() {
            cloud.check(index)?;
        }
        if self.series.is_empty() && self.clouds.is_empty() && self.steps.is_empty() && self.wave.is_none() {
            return Err(PlotError::Empty { what: "a chart without series".into() });
        }
        Ok(self)
    }

    pub(super) fn layout(&self, page: &Page<'_>) -> Result<Vec<Mark>, PlotError> {
        let (mut x, mut y) = (self.x_scale(page.look)?, self.y_scale(page.look)?);
        let legend = Legend::new(&self.legend_title, self.entries(page), page);
        let top = page.top(16.0);
        let bottom = page.height - X_ROOM - legend.below();
        let bar = self.bar.as_ref().map_or(0.0, |bar| bar.room(bottom - top));
        let right = page.width - if bar > 0.0 { bar + (legend.right() - 24.0) } else { legend.right() };
        let mut area = Rect { left: axes::y_room(&y, bottom - top, page), top, right, bottom };
        if self.freedom == Freedom::Plane {
            area = equalize(area, &mut x, &mut y, page);
        }
        page.check(&area)?;
        let axes = Axes { area, x: &x, y: &y, theme: page.theme, longest: axes::longest(page) };

        let mut marks = Vec::new();
        page.title(area.left, &mut marks);
        axes.grid(&mut marks);
        self.draw(page, &axes, &mut marks);
        overlay::draw(page, &axes, 1.0, &mut marks);
        axes.frame(Some(page.x_label(&self.x_label)), page.y_label(&self.y_label), false, &mut marks);
        let mut beside = area;
        if let Some(bar) = &self.bar {
            bar.draw(&area, page, &mut marks);
            beside.right += bar.room(bottom - top) - 18.0;
        }
        legend.draw(&beside, bottom + X_ROOM, page, &mut marks);
        Ok(marks)
    }

    /// How many colours of the palette are in use.
    fn colours(&self) -> usize {
        let series = self.series.iter().enumerate().filter(|(_, series)| series.shade.is_none());
        let lines = series.map(|(index, series)| series.colour.unwrap_or(index) + 1);
        let dots = self.clouds.iter().filter(|cloud| cloud.shade.is_empty()).map(|cloud| cloud.colour + 1);
        lines.chain(dots).max().unwrap_or(0)
    }

    fn pen(&self, index: usize, theme: Theme) -> Pen {
        let series = &self.series[index];
        let colour = series.colour.unwrap_or(index);
        let many = series.shade.is_none() && self.colours() >= MANY;
        let (width, alpha) = match series.style {
            Style::Raw => (0.8, 0.3),
            Style::Smoothed => (2.0, 1.0),
            Style::Line if self.series.len() > 2 * COLOURS => (1.2, 1.0),
            Style::Points | Style::Line => (1.5, 1.0),
        };
        let dashed = many && !self.solid && series.style != Style::Raw;
        Pen {
            colour: series.shade.map_or(theme.line(colour), |part| theme.shades().at(part)).faint(alpha),
            width,
            dash: if dashed { Dash::of(colour) } else { Dash::Solid },
            marker: if many { Marker::of(colour) } else { Marker::Disc },
        }
    }

    fn cloud_marker(&self, cloud: &Cloud) -> Marker {
        if cloud.shade.is_empty() && self.clouds.len() > 1 && !self.solid {
            Marker::of(cloud.colour)
        } else {
            Marker::Disc
        }
    }

    /// Title and entries of the legend.
    pub(super) fn legend(&self, page: &Page<'_>) -> (String, Vec<Entry>) {
        (self.legend_title.clone(), self.entries(page))
    }

    fn entries(&self, page: &Page<'_>) -> Vec<Entry> {
        let theme = page.theme;
        let mut entries = Vec::new();
        for (index, series) in self.series.iter().enumerate().filter(|(_, series)| series.in_legend(&self.bar)) {
            let pen = self.pen(index, theme);
            let colour = pen.colour.faint(pen.colour.alpha.max(0.45));
            let mut sample = Sample::line(colour, pen.width.max(1.2), pen.dash);
            sample.dot = (series.style == Style::Points).then_some((pen.marker, 3.4));
            entries.push(Entry { label: series.label.clone(), sample });
        }
        for cloud in self.clouds.iter().filter(|cloud| cloud.shade.is_empty()) {
            let sample = Sample::dot(theme.line(cloud.colour), self.cloud_marker(cloud), 4.2);
            entries.push(Entry { label: cloud.label.clone(), sample });
        }
        for steps in &self.steps {
            let sample = Sample::patch(theme.line(steps.colour).faint(draw::bins_alpha(self.steps.len()).max(0.5)));
            entries.push(Entry { label: steps.label.clone(), sample });
        }
        let quiet = theme.quiet();
        entries.push(Entry { label: self.band_label.clone(), sample: Sample::patch(quiet.faint(0.3)) });
        for (label, radius) in &self.sizes {
            entries.push(Entry { label: label.clone(), sample: Sample::dot(quiet, Marker::Disc, *radius) });
        }
        let plain = |label: &str, dash| Entry { label: label.to_owned(), sample: Sample::line(quiet, 1.3, dash) };
        entries.extend(self.outlines.iter().map(|outline| plain(&outline.label, Dash::Solid)));
        entries.extend(self.levels.iter().map(|level| plain(&level.label, level.dash)));
        entries.extend(overlay::entries(page));
        entries
    }
}

/// Makes a unit as long on both axes by widening the shorter range, unless that would leave the data a sliver.
fn equalize(area: Rect, x: &mut Scale, y: &mut Scale, page: &Page<'_>) -> Rect {
    /// The most that a range is stretched.
    const MOST: f64 = 4.0;
    let (across, up) = ((x.high - x.low) / area.width(), (y.high - y.low) / area.height());
    let unit = across.max(up);
    if unit > MOST * across.min(up) {
        return area;
    }
    let widen = |scale: &mut Scale, length: f64, limits: Option<(f64, f64)>| {
        let extra = unit * length - (scale.high - scale.low);
        if limits.is_none() {
            (scale.low, scale.high) = (scale.low - extra / 2.0, scale.high + extra / 2.0);
        }
    };
    widen(x, area.width(), page.look.x_limits);
    widen(y, area.height(), page.look.y_limits);
    Rect { left: axes::y_room(y, area.height(), page), ..area }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pens(lines: usize) -> Vec<Pen> {
        let series = |index: usize| Series::new(&index.to_string(), vec![0.0, 1.0], vec![0.0, 1.0], Style::Line);
        let chart = Chart { series: (0..lines).map(series).collect(), ..Chart::default() };
        (0..lines).map(|index| chart.pen(index, Theme::Paper)).collect()
    }

    #[test]
    fn up_to_four_lines_are_solid_and_twenty_eight_differ() {
        assert!(pens(4).iter().all(|pen| pen.dash == Dash::Solid && pen.marker == Marker::Disc));
        let many = pens(28);
        for (index, one) in many.iter().enumerate() {
            for other in &many[..index] {
                assert!((one.colour.rgb, one.dash) != (other.colour.rgb, other.dash), "line {index} has a double");
            }
        }
        let neighbours = many.windows(2).all(|pair| pair[0].colour != pair[1].colour && pair[0].dash != pair[1].dash);
        assert!(neighbours, "neighbours differ in both ways");
    }
}
