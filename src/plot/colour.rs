//! Colours: two themes, lines that colour-blind readers can tell apart, and a perceptual map for levels.

use super::magma::MAGMA;

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

impl std::fmt::Display for Theme {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Paper => "paper",
            Self::Dark => "dark",
        })
    }
}

/// The name of no theme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there are \"paper\" and \"dark\"")]
pub struct UnknownTheme;

impl std::str::FromStr for Theme {
    type Err = UnknownTheme;

    fn from_str(name: &str) -> Result<Self, UnknownTheme> {
        match name {
            "paper" => Ok(Self::Paper),
            "dark" => Ok(Self::Dark),
            _ => Err(UnknownTheme),
        }
    }
}

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

    /// The colour of line `index`: Okabe and Ito's set (jfly.uni-koeln.de/color), without the yellow that white swallows;
    /// blue and the last are lighter on dark.
    pub(super) fn line(self, index: usize) -> Colour {
        const PAPER: [u32; 7] = [0x0072b2, 0xd55e00, 0x009e73, 0xcc79a7, 0xe69f00, 0x56b4e9, 0x4d4d4d];
        const DARK: [u32; 7] = [0x4da6e0, 0xf08030, 0x2fc499, 0xdd94be, 0xf2b833, 0x8fd0f5, 0xc8c8c8];
        hex(match self {
            Self::Paper => PAPER[index % PAPER.len()],
            Self::Dark => DARK[index % DARK.len()],
        })
    }
}

/// The colour of a level between 0 (least) and 1 (most).
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the table")]
pub(super) fn level(part: f64) -> (u8, u8, u8) {
    let last = MAGMA.len() - 1;
    let index = (part.clamp(0.0, 1.0) * last as f64).round() as usize;
    hex(MAGMA[index.min(last)]).rgb
}
