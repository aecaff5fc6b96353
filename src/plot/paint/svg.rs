//! A page as SVG text.

use super::encode::small;
use super::{Sheet, backend, pieces, place, units};
use crate::plot::colour::Colour;
use crate::plot::error::PlotError;
use crate::plot::font::{FAMILY, Weight, printable};
use crate::plot::indexed::indexed;
use crate::plot::mark::{Anchor, Mark, Rect};
use base64::Engine;
use plotters::backend::{DrawingBackend, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontDesc, FontFamily, FontStyle, FontTransform, RGBAColor, ShapeStyle, TextStyle};

/// Units in a pixel of the page.
const UNITS: f64 = 10.0;

pub(super) fn document(sheet: &Sheet) -> Result<String, PlotError> {
    let (width, height) = sheet.size;
    let page = (width * units(UNITS), height * units(UNITS));
    let mut body = String::new();
    {
        let mut target = SVGBackend::with_string(&mut body, page);
        for mark in &sheet.marks {
            shape(&mut target, mark)?;
        }
        target.present().map_err(backend)?;
    }
    // Our own head: a page of `width` pixels over the view box that plotters drew on, its paper, and the rasters below all
    // else; joins are round, because sharp ones would stand out of noise as spikes.
    let shapes = body.split_once(">\n").map_or("", |(_, shapes)| shapes);
    let (red, green, blue) = sheet.background.rgb;
    let mut document = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {} {}\" \
         stroke-linejoin=\"round\">\n<rect width=\"100%\" height=\"100%\" fill=\"#{red:02X}{green:02X}{blue:02X}\"/>\n",
        page.0, page.1
    );
    for mark in &sheet.marks {
        if let Mark::Raster { area, columns, rows, rgb } = mark {
            document.push_str(&image(area, *columns, *rows, rgb)?);
        }
    }
    Ok(document + shapes)
}

fn shape(target: &mut SVGBackend<'_>, mark: &Mark) -> Result<(), PlotError> {
    match mark {
        Mark::Fill { points, colour } => {
            let path: Vec<_> = points.iter().map(|point| place(*point, UNITS)).collect();
            target.fill_polygon(path, &stroke(*colour, 1.0)).map_err(backend)
        }
        Mark::Disc { centre, radius, colour } => target
            .draw_circle(place(*centre, UNITS), units(radius * UNITS), &stroke(*colour, 1.0), true)
            .map_err(backend),
        Mark::Text { at, text: content, size, weight, colour, anchor, upright } => {
            let style = text(*size * UNITS, *weight, *colour, *anchor, *upright);
            target.draw_text(&printable(content), &style, place(*at, UNITS)).map_err(backend)
        }
        Mark::Line { points, colour, width, dash } => {
            for piece in pieces(points, *dash) {
                let mut path: Vec<_> = piece.into_iter().map(|point| place(point, UNITS)).collect();
                path.dedup();
                target.draw_path(path, &stroke(*colour, width * UNITS)).map_err(backend)?;
            }
            Ok(())
        }
        Mark::Raster { .. } => Ok(()),
    }
}

fn stroke(colour: Colour, width: f64) -> ShapeStyle {
    let (red, green, blue) = colour.rgb;
    ShapeStyle { color: RGBAColor(red, green, blue, colour.alpha), filled: true, stroke_width: units(width).max(1) }
}

fn text(size: f64, weight: Weight, colour: Colour, anchor: Anchor, upright: bool) -> TextStyle<'static> {
    /// Plotters sets SVG text at this part less than it is asked for.
    const PLOTTERS_EM: f64 = 1.24;
    let style = if weight == Weight::SemiBold { FontStyle::Bold } else { FontStyle::Normal };
    let turn = if upright { FontTransform::None } else { FontTransform::Rotate270 };
    let (red, green, blue) = colour.rgb;
    let horizontal = match anchor {
        Anchor::Start => HPos::Left,
        Anchor::Middle => HPos::Center,
        Anchor::End => HPos::Right,
    };
    let font = FontDesc::new(FontFamily::Name(FAMILY), size * PLOTTERS_EM, style).transform(turn);
    let mut style = TextStyle::from(font).pos(Pos::new(horizontal, VPos::Center));
    style.color.rgb = (red, green, blue);
    style.color.alpha = colour.alpha;
    style
}

fn image(area: &Rect, columns: u32, rows: u32, rgb: &[u8]) -> Result<String, PlotError> {
    let png = match indexed(rgb, columns, rows)? {
        Some(png) => png,
        None => small(rgb, columns, rows, 1.0)?,
    };
    let data = base64::engine::general_purpose::STANDARD.encode(png);
    let at = |value: f64| units(value * UNITS);
    Ok(format!(
        "<image x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" preserveAspectRatio=\"none\" href=\"data:image/png;base64,{data}\"/>\n",
        at(area.left),
        at(area.top),
        at(area.width()),
        at(area.height()),
    ))
}
