//! The bundled font: Inter, regular and semi-bold, in the binary, so that no figure depends on what a machine has.

use ab_glyph::point;
use ab_glyph::{
    Font, FontRef, Glyph, GlyphId, Outline, OutlineCurve, OutlinedGlyph, PxScale, PxScaleFactor, Rect, ScaleFont,
};
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

/// A text without what no format can show: control characters, which XML forbids, and invisible joiners.
pub(super) fn printable(text: &str) -> String {
    let invisible = |letter: char| matches!(letter, '\u{200b}'..='\u{200f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}');
    let space = |letter: char| if letter.is_whitespace() { ' ' } else { letter };
    let kept = text.chars().map(space).filter(|letter| !letter.is_control() && !invisible(*letter));
    kept.filter(|letter| !matches!(letter, '\u{fffe}' | '\u{ffff}')).collect()
}

/// What stands for a letter that the font lacks, so that no empty box does; nothing for marks and pictographs.
fn stand_in(letter: char) -> &'static str {
    match letter {
        '⟨' | '〈' | '⟪' => "‹",
        '⟩' | '〉' | '⟫' => "›",
        '⋯' | '⋮' => "…",
        '⋅' | '∙' | '∘' => "·",
        '∗' | '★' | '☆' => "*",
        '∥' | '‖' => "||",
        '≪' => "<<",
        '≫' => ">>",
        '≡' => "=",
        '∝' => "~",
        '∈' => "in",
        '≲' => "≤",
        '≳' => "≥",
        '✓' | '✔' => "√",
        '✗' | '✘' => "×",
        '■' | '□' | '▪' | '●' | '○' | '◆' => "•",
        '▶' | '➔' | '➜' | '⟶' => "→",
        '⟵' => "←",
        '⟹' => "⇒",
        '─' | '━' => "—",
        '│' | '┃' => "|",
        letter if letter.is_alphanumeric() => "?",
        _ => "",
    }
}

/// The mark over a letter that a combining character stands for, in a form that the font has.
fn mark_over(letter: char) -> Option<char> {
    match letter {
        '\u{304}' | '\u{305}' => Some('¯'),
        '\u{302}' => Some('^'),
        '\u{303}' => Some('~'),
        '\u{308}' => Some('¨'),
        '\u{307}' => Some('˙').filter(|dot| has(*dot)).or(Some('·')),
        _ => None,
    }
}

fn has(letter: char) -> bool {
    Weight::Regular.face().glyph_id(letter) != GlyphId(0)
}

/// Glyphs side by side from 0, and the width they take.
fn line(text: &str, size: f64, weight: Weight) -> (Vec<Glyph>, f32) {
    let face = weight.face();
    let scaled = face.as_scaled(scale(face, size));
    let mut glyphs = Vec::new();
    let mut x = 0.0;
    let mut before: Option<(GlyphId, char)> = None;
    for letter in printable(text).chars() {
        if let (Some(mark), Some((base, under))) = (mark_over(letter), before) {
            // Centred over the letter; marks are drawn for small letters, and lie higher over large ones.
            let id = scaled.glyph_id(mark);
            let centre = x - scaled.h_advance(base) / 2.0 - scaled.h_advance(id) / 2.0;
            let tall = !under.is_lowercase() || "bdfhklt".contains(under) || under == 'λ';
            let raise = if tall { narrow(size) * 0.15 } else { 0.0 };
            glyphs.push(id.with_scale_and_position(scaled.scale(), point(centre, -raise)));
            continue;
        }
        let own = [letter];
        let stand_in: Vec<char> = if has(letter) { own.to_vec() } else { stand_in(letter).chars().collect() };
        for letter in stand_in {
            let id = scaled.glyph_id(letter);
            x += before.map_or(0.0, |(before, _)| scaled.kern(before, id));
            glyphs.push(id.with_scale_and_position(scaled.scale(), point(x, 0.0)));
            x += scaled.h_advance(id);
            before = Some((id, letter));
        }
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

/// How much of each pixel a polygon covers, as a letter of that outline would: `ink(x, y, coverage)`. Its corners lie on a
/// page, which bounds the work.
pub(super) fn cover_polygon(points: &[(f64, f64)], ink: &mut dyn FnMut(f64, f64, f32)) {
    let corners: Vec<_> = points.iter().map(|(x, y)| point(narrow(*x), narrow(*y))).collect();
    let Some(first) = corners.first() else { return };
    let mut bounds = Rect { min: *first, max: *first };
    for corner in &corners {
        bounds.min = point(bounds.min.x.min(corner.x), bounds.min.y.min(corner.y));
        bounds.max = point(bounds.max.x.max(corner.x), bounds.max.y.max(corner.y));
    }
    let next = corners.iter().cycle().skip(1);
    let curves = corners.iter().zip(next).map(|(from, to)| OutlineCurve::Line(*from, *to)).collect();
    // Fonts count upwards: a negative vertical factor turns that round.
    let factor = PxScaleFactor { horizontal: 1.0, vertical: -1.0 };
    let shape = OutlinedGlyph::new(GlyphId(0).with_scale(1.0), Outline { bounds, curves }, factor);
    let origin = shape.px_bounds().min;
    shape.draw(|x, y, coverage| {
        if coverage > 0.0 {
            ink(f64::from(origin.x) + f64::from(x), f64::from(origin.y) + f64::from(y), coverage.min(1.0));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_shows_an_empty_box() {
        let hostile = "ABC 09 λΛ ĀB̄K̄ n² 10⁻³ −±×·≤→ ⟨x⟩ ∥ ✓ ■ 音楽 Привет 🎺 ﬁ \u{7}\u{200d}\u{fe0f} é ñ";
        for weight in [Weight::Regular, Weight::SemiBold] {
            let (glyphs, width) = line(hostile, 12.0, weight);
            assert!(width > 100.0 && glyphs.len() > 40);
            let boxes = glyphs.iter().filter(|glyph| glyph.id == GlyphId(0)).count();
            assert_eq!(boxes, 0, "{weight:?}");
        }
    }

    #[test]
    fn letters_of_our_own_labels_are_in_the_font() {
        for letter in "λΛΔĀ²³⁰¹⁴⁵⁶⁷⁸⁹⁻−×±·…–—→∞σμ%()‹›√≤≥¯".chars() {
            assert!(has(letter), "`{letter}` is not");
        }
    }

    #[test]
    fn a_combining_mark_takes_no_room_and_is_drawn() {
        assert_eq!(width("B\u{304}", 12.0, Weight::Regular), width("B", 12.0, Weight::Regular));
        assert_eq!(line("B\u{304}", 12.0, Weight::Regular).0.len(), 2);
    }

    #[test]
    fn a_polygon_covers_its_area() {
        let mut area = 0.0;
        // A square of 10 by 10 that begins within a dot.
        cover_polygon(&[(0.25, 0.5), (10.25, 0.5), (10.25, 10.5), (0.25, 10.5)], &mut |_, _, part| {
            area += f64::from(part)
        });
        assert!((area - 100.0).abs() < 0.1, "{area}");
        cover_polygon(&[], &mut |_, _, _| panic!("nothing to draw"));
    }
}
