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

impl Theme {
    pub(super) fn background(self) -> Colour {
        match self {
            Self::Paper => hex(0xff_ff_ff),
            Self::Dark => hex(0x15_17_1c),
        }
    }

    /// Titles and labels.
    pub(super) fn ink(self) -> Colour {
        match self {
            Self::Paper => hex(0x1b_1e_23),
            Self::Dark => hex(0xec_ee_f1),
        }
    }

    /// Axis lines and tick labels.
    pub(super) fn quiet(self) -> Colour {
        match self {
            Self::Paper => hex(0x50_56_60),
            Self::Dark => hex(0xa8_af_ba),
        }
    }

    pub(super) fn grid(self) -> Colour {
        match self {
            Self::Paper => hex(0xe8_ea_ed),
            Self::Dark => hex(0x2b_2f_37),
        }
    }

    /// A cell that holds no number.
    pub(super) fn missing(self) -> Colour {
        hex(0x80_80_80)
    }

    /// The colour of line `index`: Okabe and Ito's set (jfly.uni-koeln.de/color), without the yellow that white swallows;
    /// blue and the last are lighter on dark.
    pub(super) fn line(self, index: usize) -> Colour {
        const PAPER: [u32; 7] = [0x00_72_b2, 0xd5_5e_00, 0x00_9e_73, 0xcc_79_a7, 0xe6_9f_00, 0x56_b4_e9, 0x4d_4d_4d];
        const DARK: [u32; 7] = [0x4d_a6_e0, 0xf0_80_30, 0x2f_c4_99, 0xdd_94_be, 0xf2_b8_33, 0x8f_d0_f5, 0xc8_c8_c8];
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
