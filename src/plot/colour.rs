//! Colours: two themes, lines that colour-blind readers can tell apart, and perceptual maps for levels.

use super::magma::MAGMA;
use super::scale::{count, whole};
use super::viridis::VIRIDIS;

/// Red, green, blue, and how much of it: 1 hides what is below.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Colour {
    pub(super) rgb: (u8, u8, u8),
    pub(super) alpha: f64,
}

pub(super) const fn hex(value: u32) -> Colour {
    let [_, red, green, blue] = value.to_be_bytes();
    Colour { rgb: (red, green, blue), alpha: 1.0 }
}

impl Colour {
    pub(super) fn faint(self, alpha: f64) -> Self {
        Self { alpha, ..self }
    }

    /// Black or white, whichever can be read on this colour: the one with the larger contrast (WCAG 2.2).
    pub(super) fn ink_on(self) -> Self {
        // White has a contrast of 1.05 / (l + 0.05), black of (l + 0.05) / 0.05: they are equal at this luminance.
        const EQUAL: f64 = 0.179;
        if self.luminance() > EQUAL { hex(0x101214) } else { hex(0xffffff) }
    }

    /// Relative luminance of sRGB, 0 to 1.
    fn luminance(self) -> f64 {
        let linear = |channel: u8| {
            let part = f64::from(channel) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        let (red, green, blue) = self.rgb;
        0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
    }
}

/// Ink on what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Theme {
    /// Dark ink on white, for papers and reports.
    #[default]
    Paper,
    /// Light ink on near black, for screens.
    Dark,
}

impl Theme {
    /// Every theme with its name.
    pub const NAMES: [(&'static str, Self); 2] = [("paper", Self::Paper), ("dark", Self::Dark)];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Paper => "paper",
            Self::Dark => "dark",
        }
    }
}

/// How many colours lines have before they repeat.
pub(super) const COLOURS: usize = 7;

impl Theme {
    pub(super) fn background(self) -> Colour {
        match self {
            Self::Paper => hex(0xffffff),
            Self::Dark => hex(0x15171c),
        }
    }

    /// Titles and labels.
    pub(super) fn ink(self) -> Colour {
        match self {
            Self::Paper => hex(0x1b1e23),
            Self::Dark => hex(0xeceef1),
        }
    }

    /// Axis lines and tick labels.
    pub(super) fn quiet(self) -> Colour {
        match self {
            Self::Paper => hex(0x505660),
            Self::Dark => hex(0xa8afba),
        }
    }

    pub(super) fn grid(self) -> Colour {
        match self {
            Self::Paper => hex(0xe8eaed),
            Self::Dark => hex(0x2b2f37),
        }
    }

    /// A cell that holds no number.
    pub(super) fn missing(self) -> Colour {
        hex(0x808080)
    }

    /// The ground of a cell without a value, which hatching marks.
    pub(super) fn absent(self) -> Colour {
        match self {
            Self::Paper => hex(0xf1f2f4),
            Self::Dark => hex(0x22252c),
        }
    }

    /// The colour of line `index`: Okabe and Ito's set (jfly.uni-koeln.de/color), without the yellow that white swallows;
    /// blue and the last are lighter on dark.
    pub(super) fn line(self, index: usize) -> Colour {
        const PAPER: [u32; COLOURS] = [0x0072b2, 0xd55e00, 0x009e73, 0xcc79a7, 0xe69f00, 0x56b4e9, 0x4d4d4d];
        const DARK: [u32; COLOURS] = [0x4da6e0, 0xf08030, 0x2fc499, 0xdd94be, 0xf2b833, 0x8fd0f5, 0xc8c8c8];
        hex(match self {
            Self::Paper => PAPER[index % COLOURS],
            Self::Dark => DARK[index % COLOURS],
        })
    }

    /// The part of viridis that lines and dots take, so that none sinks into the page.
    pub(super) fn shades(self) -> Ramp {
        match self {
            Self::Paper => Ramp { map: Map::Viridis, from: 0.0, to: 0.88 },
            Self::Dark => Ramp { map: Map::Viridis, from: 0.25, to: 1.0 },
        }
    }
}

/// A perceptual colour map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Map {
    /// Black to light yellow, for spectrograms.
    Magma,
    /// Dark blue to yellow, for cells with text and for lines.
    Viridis,
}

/// A stretch of a colour map.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ramp {
    map: Map,
    from: f64,
    to: f64,
}

impl Ramp {
    /// All of a map.
    pub(super) fn whole(map: Map) -> Self {
        Self { map, from: 0.0, to: 1.0 }
    }

    /// The same colours, the last one first.
    pub(super) fn reversed(self) -> Self {
        Self { from: self.to, to: self.from, ..self }
    }

    /// The colour at a part between 0 (least) and 1 (most).
    pub(super) fn at(self, part: f64) -> Colour {
        let table = match self.map {
            Map::Magma => &MAGMA,
            Map::Viridis => &VIRIDIS,
        };
        let last = table.len() - 1;
        let part = self.from + part.clamp(0.0, 1.0) * (self.to - self.from);
        hex(table[whole((part * count(last)).round()).min(last)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ink_of_a_cell_can_be_read_on_every_colour_of_both_maps() {
        for map in [Map::Viridis, Map::Magma] {
            for step in 0..=255 {
                let ground = Ramp::whole(map).at(f64::from(step) / 255.0);
                let (ink, ground) = (ground.ink_on().luminance(), ground.luminance());
                let contrast = (ink.max(ground) + 0.05) / (ink.min(ground) + 0.05);
                assert!(contrast >= 4.0, "{map:?} at {step}: {contrast:.2}");
            }
        }
    }

    #[test]
    fn lines_and_shades_stand_out_from_the_page() {
        for theme in [Theme::Paper, Theme::Dark] {
            let ground = theme.background().luminance();
            let shades = (0..=20).map(|step| theme.shades().at(f64::from(step) / 20.0));
            for colour in (0..COLOURS).map(|index| theme.line(index)).chain(shades) {
                let light = colour.luminance();
                let contrast = (light.max(ground) + 0.05) / (light.min(ground) + 0.05);
                assert!(contrast > 1.6, "{theme:?}: {colour:?} has {contrast:.2}");
            }
        }
    }
}
