//! Does the convolution (or an LSTM's sequence) say what the recurrence says? Layer by layer, in float32 and in float64.

use super::tier::Layer;
use super::{Model, ModelError, Pass};
use tch::{Kind, Tensor};

/// The largest differences of one layer between its two forms.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerDifference {
    /// The layer's place (`c_layers.0`), or `logits`.
    pub layer: String,
    /// Largest absolute output, in float64: what the differences are to be compared with.
    pub largest_output: f64,
    /// |convolution − recurrence| in float32.
    pub single: f64,
    /// |convolution − recurrence| in float64.
    pub double: f64,
}

/// Compares both forms of `model` on `inputs` `(batch, seq_len)`, int64: each S4 layer and LSTM on the input that it
/// saw as a whole sequence, and the logits of the whole model.
///
/// The model that is given stays as it is, its attuned lengths too.
///
/// # Errors
/// [`ModelError::NotCausal`] for a bidirectional model; [`ModelError::Indivisible`].
pub fn verify(model: &Model, inputs: &Tensor) -> Result<Vec<LayerDifference>, ModelError> {
    let _no_grad = tch::no_grad_guard();
    let single = differences(&model.to_kind(Kind::Float)?, inputs)?;
    let double = differences(&model.to_kind(Kind::Double)?, inputs)?;
    Ok(single
        .into_iter()
        .zip(double)
        .map(|(single, double)| LayerDifference {
            layer: double.0,
            largest_output: double.1,
            single: single.2,
            double: double.2,
        })
        .collect())
}

/// [`verify`] on tokens of one stream, as audio holds them: the model is fed the zero level, then all but the last.
///
/// # Errors
/// As [`verify`].
pub fn verify_tokens(model: &Model, tokens: &[u16], zero_level: u16) -> Result<Vec<LayerDifference>, ModelError> {
    let shifted = std::iter::once(zero_level).chain(tokens.iter().copied()).take(tokens.len());
    let inputs: Vec<i64> = shifted.map(i64::from).collect();
    verify(model, &Tensor::f_from_slice(&inputs)?.f_unsqueeze(0)?.f_to_device(model.device())?)
}

/// Name, largest output and largest difference of each layer, the logits last.
fn differences(model: &Model, inputs: &Tensor) -> Result<Vec<(String, f64, f64)>, ModelError> {
    let batch = inputs.size()[0];
    let mut pass = Pass::probing();
    let logits = model.forward(inputs, &mut pass)?;
    let mut rows = Vec::new();
    let layers = model.backbone.tier.layers();
    let recurrences = layers.iter().filter(|layer| !matches!(layer, Layer::FeedForward(_)));
    for (probe, layer) in pass.probes().into_iter().zip(recurrences) {
        let (largest, difference) = compare(&probe.output, &stepped(layer, &probe.input, batch)?)?;
        rows.push((probe.layer, largest, difference));
    }
    let mut stepper = model.stepper(batch)?;
    let steps: Result<Vec<Tensor>, ModelError> =
        (0..inputs.size()[1]).map(|t| stepper.step(&inputs.f_select(1, t)?)).collect();
    let (largest, difference) = compare(&logits, &Tensor::f_stack(&steps?, 1)?)?;
    rows.push(("logits".to_owned(), largest, difference));
    Ok(rows)
}

/// The recurrent part of `layer` over `x` `(batch, channels, seq_len)`, one sample at a time.
fn stepped(layer: &Layer, x: &Tensor, batch: i64) -> Result<Tensor, ModelError> {
    match layer {
        Layer::S4(block) => {
            let mut stepper = block.stepper(batch)?;
            one_by_one(x, |x| stepper.step_layer(&x))
        }
        Layer::Lstm(block) => {
            let mut stepper = block.stepper(batch)?;
            one_by_one(x, |x| stepper.step(&x))
        }
        Layer::FeedForward(block) => one_by_one(x, |x| block.step(&x)),
    }
}

fn one_by_one(x: &Tensor, step: impl FnMut(Tensor) -> Result<Tensor, ModelError>) -> Result<Tensor, ModelError> {
    let samples = (0..x.size()[2]).map(|t| Ok(x.f_select(2, t)?)).collect::<Result<Vec<_>, ModelError>>()?;
    let steps = samples.into_iter().map(step).collect::<Result<Vec<_>, _>>()?;
    Ok(Tensor::f_stack(&steps, 2)?)
}

fn compare(a: &Tensor, b: &Tensor) -> Result<(f64, f64), ModelError> {
    let largest = a.f_abs()?.f_max()?.f_double_value(&[])?;
    Ok((largest, a.f_sub(b)?.f_abs()?.f_max()?.f_double_value(&[])?))
}
