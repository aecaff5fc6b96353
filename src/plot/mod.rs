//! Figures from metrics and sound: curves, spectrograms, waveforms, kernels, as PNG and SVG.
//!
//! Lives here: [`Figure`] and the functions that make one ([`curves`], [`loss_curve`], [`spectrogram`],
//! [`spectrogram_pair`], [`waveform`], [`kernels`]), axes and ticks, colours, the bundled font. A figure is first laid out
//! as a list of marks in a page's own units, the same for every format; only then does plotters put them on a bitmap or
//! into SVG. Does not: compute what it shows, see a tensor, or open a window. May use: `metrics`, `audio`.
//!
//! ```
//! use wasabi::plot::{Series, Style, curves};
//! let series = Series::new("loss", vec![0.0, 1.0, 2.0], vec![8.0, 6.5, 6.0], Style::Line);
//! let figure = curves(&[series], "Step", "Bits per byte")?.title("A short run");
//! assert!(figure.svg()?.contains("A short run"));
//! # Ok::<(), wasabi::plot::PlotError>(())
//! ```

mod axes;
mod chart;
mod colour;
mod curves;
mod error;
mod figure;
mod font;
mod heat;
mod indexed;
mod magma;
mod mark;
mod paint;
mod scale;
mod sound;

pub use chart::{Series, Style};
pub use colour::Theme;
pub use curves::{curves, loss_curve, metric_curve, smooth};
pub use error::PlotError;
pub use figure::Figure;
pub use heat::{FrequencyAxis, SpectrogramData, spectrogram, spectrogram_pair};
pub use sound::{kernels, waveform};
