//! Figures from metrics and sound: curves, dots, bars, heatmaps, spectrograms, waveforms, kernels, as PNG and SVG.
//!
//! Lives here: [`Figure`] with what changes its look, the functions that make one (from plain numbers: [`curves`],
//! [`scatter`], [`histogram`], [`waveform`], [`spectrogram`], [`kernel_plot`], [`eigen_plot`]; from a frame:
//! [`curves_of`], [`loss_curve`], [`scatter_of`], [`bars`], [`heatmap`], [`parallel`], [`histogram_of`]; from figures:
//! [`grid`]), axes and ticks, legends, colours, the bundled font. A figure is first laid out as a list of marks in a page's
//! own units, the same for every format; only then do those become a bitmap or SVG. Does not: see a tensor, or open a
//! window; of what it shows it computes no more than means, spreads and counts. May use: `metrics`, `audio`.
//!
//! ```
//! use wasabi::plot::{Series, Style, curves};
//! let series = Series::new("loss", vec![0.0, 1.0, 2.0], vec![8.0, 6.5, 6.0], Style::Line);
//! let figure = curves(&[series], "Step", "Bits per byte")?.title("A short run");
//! assert!(figure.svg()?.contains("A short run"));
//! # Ok::<(), wasabi::plot::PlotError>(())
//! ```

mod axes;
mod bar;
mod bars;
mod cells;
mod chart;
mod colour;
mod curves;
mod error;
mod figure;
mod font;
mod frame;
mod grid;
mod heatmap;
mod histogram;
mod indexed;
mod legend;
mod lines;
mod magma;
mod mark;
mod names;
mod overlay;
mod page;
mod paint;
mod parallel;
mod scale;
mod scatter;
mod sound;
mod spectrogram;
mod stats;
mod systems;
mod text;
mod viridis;

pub use bars::{BarsConfig, Base, bars};
pub use cells::Ink;
pub use chart::{Band, Series, Style};
pub use colour::Theme;
pub use curves::{curves, loss_curve, metric_curve, smooth};
pub use error::PlotError;
pub use figure::Figure;
pub use frame::Names;
pub use grid::{GridConfig, grid};
pub use heatmap::{Aggregate, Best, HeatmapConfig, heatmap};
pub use histogram::{Height, HistogramConfig, histogram, histogram_of};
pub use legend::Place;
pub use lines::{CurvesConfig, curves_of, curves_of_runs};
pub use parallel::{ParallelConfig, parallel};
pub use scatter::{ScatterConfig, scatter, scatter_of};
pub use sound::waveform;
pub use spectrogram::{FrequencyAxis, SpectrogramData, spectrogram, spectrogram_pair};
pub use stats::Interval;
pub use systems::{Kernel, Plane, Spectrum, eigen_plot, kernel_plot};
