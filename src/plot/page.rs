//! The page that a figure is laid out on: its size, its theme, what modifiers asked for, and its title.

use super::colour::Theme;
use super::error::PlotError;
use super::font::{self, Weight};
use super::legend::Place;
use super::mark::{Anchor, Dash, Mark, Rect};
use super::paint::units;
use super::scale::count;
use super::text::{self, LARGE, SMALL};

/// What modifiers changed, the same for every kind of figure.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Look {
    pub(super) log_x: bool,
    pub(super) log_y: bool,
    pub(super) x_label: Option<String>,
    pub(super) y_label: Option<String>,
    pub(super) x_limits: Option<(f64, f64)>,
    pub(super) y_limits: Option<(f64, f64)>,
    pub(super) legend: Place,
    pub(super) notes: Vec<Note>,
    pub(super) rules: Vec<Rule>,
}

/// A text at a point of the data.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Note {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) text: String,
}

/// A dashed line across the whole of the data: at a value of y, or upright at a value of x.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rule {
    pub(super) at: f64,
    pub(super) upright: bool,
    pub(super) label: String,
    pub(super) dash: Dash,
}

/// Below this width in pixels a legend goes below the data rather than beside it.
const NARROW: f64 = 560.0;

/// Distance between the lines of a title.
const TITLE_LINE: f64 = 20.0;

/// What laying out needs to know about the page.
#[derive(Debug)]
pub(super) struct Page<'a> {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) theme: Theme,
    /// Dots that a pixel of the page will have, each way: rasters are made for them.
    pub(super) density: f64,
    pub(super) look: &'a Look,
    pub(super) panel: Panel,
    title: Vec<String>,
}

/// What a grid asks of one of its panels.
#[derive(Debug, Clone)]
pub(super) struct Panel {
    /// What it is called: `a`.
    pub(super) letter: Option<String>,
    /// Levels of the first and the last colour of spectrograms, where the grid draws one bar for all.
    pub(super) levels: Option<(f64, f64)>,
    /// Whether spectrograms name their axes, or the outer ones do.
    pub(super) x_label: bool,
    pub(super) y_label: bool,
}

impl Default for Panel {
    fn default() -> Self {
        Self { letter: None, levels: None, x_label: true, y_label: true }
    }
}

impl<'a> Page<'a> {
    pub(super) fn new(
        (width, height): (f64, f64),
        theme: Theme,
        density: f64,
        look: &'a Look,
        title: &str,
        panel: Panel,
    ) -> Self {
        // Titles begin where the data begin, which only the layout knows: this is about there.
        const USUAL_LEFT: f64 = 80.0;
        let room = (width - USUAL_LEFT - 16.0).max(60.0);
        let title = text::wrap(title, room, LARGE, Weight::SemiBold, 2);
        Self { width, height, theme, density, look, panel, title }
    }

    /// Where the drawing begins: below the title if there is one, else at `margin`.
    pub(super) fn top(&self, margin: f64) -> f64 {
        match (self.title.len(), &self.panel.letter) {
            (0, None) => margin,
            (0, Some(_)) => margin.max(40.0),
            (lines, _) => 26.0 + TITLE_LINE * count(lines),
        }
    }

    /// Draws the title from `left` on, and the letter of the panel in its corner.
    pub(super) fn title(&self, left: f64, marks: &mut Vec<Mark>) {
        if let Some(letter) = &self.panel.letter {
            marks.push(text::title((10.0, 24.0), letter, 40.0, LARGE, self.theme));
        }
        // A letter takes the corner that a title over a narrow axis would need.
        let left = if self.panel.letter.is_some() { left.max(34.0) } else { left };
        let widest = self.title.iter().map(|line| font::width(line, LARGE, Weight::SemiBold)).fold(0.0, f64::max);
        let left = left.min((self.width - widest - 10.0).max(10.0));
        for (index, line) in self.title.iter().enumerate() {
            let at = (left, 24.0 + TITLE_LINE * count(index));
            marks.push(text::title(at, line, self.width - left - 8.0, LARGE, self.theme));
        }
    }

    /// Refuses an area for the data that labels have left too little of.
    pub(super) fn check(&self, area: &Rect) -> Result<(), PlotError> {
        const LEAST: (f64, f64) = (40.0, 24.0);
        if area.width() >= LEAST.0 && area.height() >= LEAST.1 {
            return Ok(());
        }
        Err(PlotError::Cramped { width: units(self.width), height: units(self.height) })
    }

    /// Where the legend goes, as far as the page has a say.
    pub(super) fn legend_place(&self) -> Place {
        match self.look.legend {
            Place::Auto if self.width < NARROW => Place::Below,
            asked => asked,
        }
    }

    /// The label of an axis: what a modifier asked for, else the figure's own.
    pub(super) fn x_label<'b>(&'b self, own: &'b str) -> &'b str {
        self.look.x_label.as_deref().unwrap_or(own)
    }

    /// As [`Page::x_label`].
    pub(super) fn y_label<'b>(&'b self, own: &'b str) -> &'b str {
        self.look.y_label.as_deref().unwrap_or(own)
    }

    /// A text of the page's ink.
    pub(super) fn text(&self, at: (f64, f64), content: &str, anchor: Anchor) -> Mark {
        text::text(at, content, SMALL, self.theme, anchor, true)
    }
}
