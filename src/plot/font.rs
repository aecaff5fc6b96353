//! The bundled font: Inter, regular and semi-bold, in the binary, so that no figure depends on what a machine has.

use ab_glyph::{Font, FontRef, Glyph, PxScale, ScaleFont, point};
use std::sync::OnceLock;

/// What SVG text names, with what to fall back on where Inter is not installed.
pub(super) const FAMILY: &str = "Inter, 'Helvetica Neue', Helvetica, Arial, 'DejaVu Sans', sans-serif";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    Regular,
    SemiBold,
}

impl Weight {
    fn face(self) -> &'static FontRef<'static> {
        static REGULAR: OnceLock<FontRef<'static>> = OnceLock::new();
        static SEMI_BOLD: OnceLock<FontRef<'static>> = OnceLock::new();
        let (cell, bytes): (_, &'static [u8]) = match self {
            Self::Regular => (&REGULAR, include_bytes!("font/Inter-Regular.otf")),
            Self::SemiBold => (&SEMI_BOLD, include_bytes!("font/Inter-SemiBold.otf")),
        };
        cell.get_or_init(|| FontRef::try_from_slice(bytes).expect("the bundled font is a font"))
    }
}

/// `ab_glyph` scales by the height of a line; `size` is the em.
fn scale(face: &FontRef<'_>, size: f64) -> PxScale {
    let em = face.units_per_em().unwrap_or(1000.0);
    PxScale::from(narrow(size) * face.height_unscaled() / em)
}

#[expect(clippy::cast_possible_truncation, reason = "sizes of pages and letters, exact enough in float32")]
fn narrow(value: f64) -> f32 {
    value as f32
}

/// Glyphs side by side from 0, and the width they take.
fn line(text: &str, size: f64, weight: Weight) -> (Vec<Glyph>, f32) {
    let face = weight.face();
    let scaled = face.as_scaled(scale(face, size));
    let mut glyphs = Vec::new();
    let mut x = 0.0;
    let mut before = None;
    for letter in text.chars() {
        let id = scaled.glyph_id(letter);
        x += before.map_or(0.0, |before| scaled.kern(before, id));
        glyphs.push(id.with_scale_and_position(scaled.scale(), point(x, 0.0)));
        x += scaled.h_advance(id);
        before = Some(id);
    }
    (glyphs, x)
}

/// Width of a text in page units.
pub(super) fn width(text: &str, size: f64, weight: Weight) -> f64 {
    line(text, size, weight).1.into()
}

/// Draws a text from its left end, centred vertically about capital letters: `ink(x, y, coverage)` for each pixel.
pub(super) fn draw(text: &str, size: f64, weight: Weight, ink: &mut dyn FnMut(f64, f64, f32)) {
    /// Half the height of Inter's capitals, in ems.
    const HALF_CAPITAL: f64 = 0.364;
    for glyph in line(text, size, weight).0 {
        let Some(outline) = weight.face().outline_glyph(glyph) else { continue };
        let origin = outline.px_bounds().min;
        outline.draw(|x, y, coverage| {
            let x = f64::from(origin.x) + f64::from(x);
            let y = f64::from(origin.y) + f64::from(y) + HALF_CAPITAL * size;
            ink(x, y, coverage.clamp(0.0, 1.0));
        });
    }
}
