//! Rasters with few colours as PNG: a number for each dot, and a table of colours.
//!
//! A spectrogram has at most the 256 colours of its map. Written as numbers in the order of the map it is a third of its
//! size in red, green and blue, since neighbours on the map are neighbours in number.

use super::error::PlotError;
use std::collections::HashMap;

/// The most colours that a byte can number.
const MOST: usize = 256;

/// The dots of `rgb` as a PNG with a table of colours; `None` if there are too many of them.
pub(super) fn indexed(rgb: &[u8], columns: u32, rows: u32) -> Result<Option<Vec<u8>>, PlotError> {
    let Some((palette, dots)) = numbered(rgb) else { return Ok(None) };
    let backend = |error: png::EncodingError| PlotError::Backend { reason: error.to_string() };
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, columns, rows);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(palette);
    encoder.set_compression(png::Compression::Default); // the crate's own choice is its fastest, and twice the size
    encoder.set_filter(png::FilterType::Sub);
    let mut writer = encoder.write_header().map_err(backend)?;
    writer.write_image_data(&dots).map_err(backend)?;
    writer.finish().map_err(backend)?;
    Ok(Some(bytes))
}

/// The colours from dark to light, and each dot's number among them.
fn numbered(rgb: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut colours: HashMap<[u8; 3], u8> = HashMap::new();
    let dots = || rgb.chunks_exact(3).map(|dot| [dot[0], dot[1], dot[2]]);
    for dot in dots() {
        colours.insert(dot, 0);
        if colours.len() > MOST {
            return None;
        }
    }
    let mut palette: Vec<[u8; 3]> = colours.keys().copied().collect();
    palette.sort_by_key(|dot| (dot.iter().map(|part| u32::from(*part)).sum::<u32>(), *dot));
    for (number, dot) in (0..=u8::MAX).zip(&palette) {
        colours.insert(*dot, number);
    }
    let numbers = dots().map(|dot| colours.get(&dot).copied().unwrap_or(0)).collect();
    Some((palette.concat(), numbers))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(png: &[u8]) -> Vec<u8> {
        let mut decoder = png::Decoder::new(png);
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().expect("a PNG");
        let mut rgb = vec![0; reader.output_buffer_size()];
        let info = reader.next_frame(&mut rgb).expect("a picture");
        rgb.truncate(info.buffer_size());
        rgb
    }

    #[test]
    fn every_dot_keeps_its_colour() {
        let rgb: Vec<u8> = (0..=255_u8).rev().flat_map(|part| [part, part / 2, 255 - part]).collect();
        let png = indexed(&rgb, 16, 16).expect("encoded").expect("256 colours");
        assert_eq!(decoded(&png), rgb);
    }

    #[test]
    fn too_many_colours_have_no_table() {
        let rgb: Vec<u8> = (0..=256_u16).flat_map(|part| [u8::from(part > 255), part.to_le_bytes()[0], 0]).collect();
        assert_eq!(indexed(&rgb, 257, 1).expect("looked at"), None);
    }
}
