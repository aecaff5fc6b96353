//! Dots as PNG files.

use super::{backend, units};
use crate::plot::error::PlotError;
use png::{AdaptiveFilterType, BitDepth, ColorType, Compression, Encoder, FilterType, PixelDimensions, Unit};

/// A small file: most rows of a figure equal the one above, so that `Up` leaves long runs of zeros. `scale` dots make a pixel
/// of 96 to the inch: viewers and typesetters then know the intended size.
pub(super) fn small(rgb: &[u8], columns: u32, rows: u32, scale: f64) -> Result<Vec<u8>, PlotError> {
    encode(rgb, (columns, rows), Compression::Default, Some(scale))
}

/// A larger file in a fraction of the time, for a picture that is looked at once.
pub(in crate::plot) fn quick(rgb: &[u8], columns: u32, rows: u32) -> Result<Vec<u8>, PlotError> {
    encode(rgb, (columns, rows), Compression::Fast, None)
}

fn encode(
    rgb: &[u8],
    (columns, rows): (u32, u32),
    compression: Compression,
    scale: Option<f64>,
) -> Result<Vec<u8>, PlotError> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, columns, rows);
    encoder.set_color(ColorType::Rgb);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(compression);
    encoder.set_adaptive_filter(AdaptiveFilterType::NonAdaptive);
    encoder.set_filter(FilterType::Up);
    if let Some(scale) = scale {
        let per_metre = units(scale * 96.0 / 0.0254);
        encoder.set_pixel_dims(Some(PixelDimensions { xppu: per_metre, yppu: per_metre, unit: Unit::Meter }));
    }
    let mut writer = encoder.write_header().map_err(backend)?;
    writer.write_image_data(rgb).map_err(backend)?;
    writer.finish().map_err(backend)?;
    Ok(bytes)
}
