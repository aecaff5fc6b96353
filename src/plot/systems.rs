//! State spaces: convolution kernels over their lag, and eigenvalues in their plane. Plain numbers: `script` gets them from
//! a model.

use super::bar::Bar;
use super::chart::{Chart, Cloud, Freedom, Outline, Series, Style};
use super::colour::COLOURS;
use super::error::PlotError;
use super::figure::{Content, Figure};
use super::scale::{Scale, count, significant};
use serde::{Deserialize, Serialize};

/// The impulse response of one channel of a layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Kernel {
    /// Which layer, which channel.
    pub label: String,
    /// Its number on the bar that takes the place of a legend of many.
    pub number: usize,
    /// Its taps, from lag 0 on.
    pub taps: Vec<f64>,
    /// Samples of the sound from one tap to the next: more than 1 inside a pool.
    pub spacing: f64,
}

/// Convolution kernels over their lag, one line each; more than seven are coloured in their order, which `what` counts.
///
/// # Errors
/// [`PlotError::Empty`] if there is none, or one has no finite tap.
pub fn kernel_plot(kernels: &[Kernel], what: &str) -> Result<Figure, PlotError> {
    let mut chart = Chart {
        x_label: "Lag (samples)".into(),
        y_label: "Convolution kernel".into(),
        solid: true,
        ..Chart::default()
    };
    for (index, kernel) in kernels.iter().enumerate() {
        let x = (0..kernel.taps.len()).map(|tap| count(tap) * kernel.spacing).collect();
        let mut series = Series::new(&kernel.label, x, kernel.taps.clone(), Style::Line);
        series.shade = shade(index, kernels.len());
        chart.series.push(series);
    }
    chart.bar = order_bar(kernels.iter().map(|kernel| kernel.number), what);
    Ok(Figure::new(Content::Chart(chart.check()?), (920, 380)))
}

/// The eigenvalues of a layer's state matrices: real and imaginary parts.
#[derive(Debug, Clone, PartialEq)]
pub struct Spectrum {
    /// Which layer.
    pub label: String,
    /// Its number on the bar that takes the place of a legend of many.
    pub number: usize,
    /// All of them, conjugates included.
    pub values: Vec<(f64, f64)>,
    /// The step that they are discretised with, in SSM time a sample.
    pub dt: Option<f64>,
}

/// Which eigenvalues they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Plane {
    /// Of the continuous-time system, λ per unit of SSM time: it is stable left of 0.
    Continuous,
    /// Of the discretised system's Ā: it is stable within the unit circle, which is drawn.
    Discrete,
}

/// Eigenvalues in the complex plane, a colour for each layer. A unit is as long on both axes, except in the continuous plane
/// where one side would be over four times the other.
///
/// # Errors
/// [`PlotError::Empty`] if there is no spectrum, or one has no finite value.
pub fn eigen_plot(spectra: &[Spectrum], plane: Plane) -> Result<Figure, PlotError> {
    let mut chart = Chart { freedom: Freedom::Plane, solid: true, ..Chart::default() };
    for (colour, spectrum) in spectra.iter().enumerate() {
        let (x, y): (Vec<f64>, Vec<f64>) = spectrum.values.iter().copied().unzip();
        let shade = shade(colour, spectra.len()).map_or_else(Vec::new, |part| vec![part; x.len()]);
        // Layers that start alike have the same eigenvalues: smaller dots on larger ones show them all.
        let above = count(spectra.len() - 1 - colour);
        let ring = 1.2_f64.min(6.0 / count(spectra.len()));
        let radius = vec![2.4 + ring * above; x.len()];
        let label = match spectrum.dt {
            Some(dt) => format!("{}, Δ = {}", spectrum.label, significant(dt)),
            None => spectrum.label.clone(),
        };
        chart.clouds.push(Cloud { label, x, y, shade, colour, radius, ..Cloud::default() });
    }
    chart.bar = order_bar(spectra.iter().map(|spectrum| spectrum.number), "Block");
    let (outline, part) = match plane {
        Plane::Discrete => {
            let turn = |step: u32| (f64::from(step) / 180.0 * std::f64::consts::PI).sin_cos();
            let points = (0..=360).map(turn).map(|(sin, cos)| (cos, sin)).collect();
            (Outline { label: "unit circle".into(), points }, "part of the eigenvalues of Ā")
        }
        Plane::Continuous => {
            let parts = || spectra.iter().flat_map(|spectrum| &spectrum.values).map(|(_, im)| *im);
            let ends =
                parts().filter(|im| im.is_finite()).fold((0.0_f64, 0.0_f64), |(l, h), im| (l.min(im), h.max(im)));
            let outline = Outline { label: "Re = 0".into(), points: vec![(0.0, ends.0), (0.0, ends.1)] };
            (outline, "part of λ (per unit of SSM time)")
        }
    };
    chart.outlines.push(outline);
    chart.x_label = format!("Real {part}");
    chart.y_label = format!("Imaginary {part}");
    Ok(Figure::new(Content::Chart(chart.check()?), (680, 540)))
}

/// The colour of number `index` of many, by its place; `None` where the palette does.
fn shade(index: usize, of: usize) -> Option<f64> {
    (of > COLOURS).then(|| count(index) / count(of - 1))
}

/// What the colours of many in a row mean.
fn order_bar(numbers: impl ExactSizeIterator<Item = usize>, what: &str) -> Option<Bar> {
    if numbers.len() <= COLOURS {
        return None;
    }
    let names = numbers.map(|number| number.to_string()).collect();
    Some(Bar { scale: Scale::names(names), label: what.to_owned(), map: None })
}
