//! From a model to a network: every number taken once, in float64 where it matters, and packed.

use tch::{Device, Kind, Tensor};

use super::lanes::{lines_for, to_lines};
use super::matrix::{Layout, Matrix, Side};
use super::norm::Norm;
use super::state_space::StateSpace;
use super::tiers::{Block, Layer, Map, Network, Pool, Tier};
use crate::generate::{GenerateError, Precision};
use crate::model::{self, Model, ModelError, StepFactors};

/// Why a model cannot be stepped by the engine, for people.
fn refuse(what: impl Into<String>) -> GenerateError {
    GenerateError::NotLowered(what.into())
}

/// The packed form of `model`, its linear maps in `precision`.
///
/// # Errors
/// [`GenerateError::NotLowered`] for what the engine cannot step, by name; [`GenerateError::Model`] for libtorch's errors.
pub(super) fn lower(model: &Model, precision: Precision) -> Result<Network, GenerateError> {
    if model.kind() != Kind::Float {
        return Err(refuse("weights of another precision than float32"));
    }
    let _no_grad = tch::no_grad_guard();
    let (outermost, norm, embedding, head) = model.parts();
    let [levels, d_model] = sizes(embedding);
    let table = numbers(embedding)?;
    let mut tiers = Vec::new();
    let (mut next, mut channels) = (Some(outermost), d_model);
    while let Some(tier) = next {
        let down = tier.down.iter().map(|block| self::block(block, channels, precision)).collect::<Result<_, _>>()?;
        let blocks =
            tier.blocks.iter().map(|block| self::block(block, channels, precision)).collect::<Result<_, _>>()?;
        let (pool, inside) = match &tier.pooled {
            Some(pooled) => {
                let (pool, inside) = self::pool(pooled, channels, precision)?;
                (Some(pool), inside)
            }
            None => (None, channels),
        };
        tiers.push(Tier { channel_lines: lines_for(channels), down, blocks, pool, unet: tier.unet });
        next = tier.pooled.as_ref().map(|pooled| &*pooled.inner);
        channels = inside;
    }
    Ok(Network {
        levels,
        embedding: table.chunks_exact(d_model).flat_map(|row| to_lines(row.iter().copied())).collect(),
        tiers,
        norm: self::norm(norm, d_model)?,
        head: matrix(head, Layout::plain(d_model), Layout::plain(levels), precision)?,
    })
}

fn block(residual: &model::Residual, channels: usize, precision: Precision) -> Result<Block, GenerateError> {
    let plain = Layout::plain(channels);
    let layer = match &residual.layer {
        model::Layer::S4(block) => {
            let factors = factors(block)?;
            let (skip, gated) = block.skip_and_map();
            let (skip, gated) = (numbers(skip)?, Weights::of(gated)?);
            Layer::S4([0, 1].map(|part| {
                (
                    StateSpace::pack(&factors, &skip, part),
                    gated.of_inputs(plain, Layout::halves(channels), part, precision),
                )
            }))
        }
        model::Layer::Lstm(_) => return Err(refuse("an LSTM block".to_owned())),
        model::Layer::FeedForward(block) => {
            let [widen, narrow] = block.maps();
            let [widen, narrow] = [Weights::of(widen)?, Weights::of(narrow)?];
            let hidden = Layout::plain(widen.outputs());
            Layer::FeedForward([0, 1].map(|part| {
                (widen.of_outputs(plain, hidden, part, precision), narrow.of_inputs(hidden, plain, part, precision))
            }))
        }
    };
    Ok(Block { norm: norm(&residual.norm, channels)?, layer })
}

/// The numbers of a layer's recurrence, in float64.
pub(super) fn factors(block: &model::S4Block) -> Result<StepFactors, GenerateError> {
    block.step_factors().map_err(|error| match error {
        ModelError::NotCausal(name) => refuse(format!("{name}, which looks ahead")),
        other => other.into(),
    })
}

/// The pool, and how many channels there are inside it.
fn pool(pooled: &model::Pooled, channels: usize, precision: Precision) -> Result<(Pool, usize), GenerateError> {
    let factor = usize::try_from(pooled.down.factor).unwrap_or(0);
    let [down, up] = [Weights::of(&pooled.down.down)?, Weights::of(&pooled.up.up)?];
    let (phases, inner) = (Layout::phases(channels, factor), Layout::plain(down.outputs()));
    let inside = inner.size;
    let down = Map([0, 1].map(|part| down.of_outputs(phases, inner, part, precision)));
    let up = Map([0, 1].map(|part| up.of_outputs(inner, phases, part, precision)));
    Ok((Pool { factor, down, up }, inside))
}

/// A linear map's numbers.
struct Weights {
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl Weights {
    fn of(linear: &model::Linear) -> Result<Self, GenerateError> {
        Ok(Self { weight: numbers(&linear.matrix()?)?, bias: numbers(linear.bias())? })
    }

    fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// Half of the outputs.
    fn of_outputs(&self, inputs: Layout, outputs: Layout, part: usize, precision: Precision) -> Matrix {
        Matrix::pack(&self.weight, Some(&self.bias), &Side::all(inputs), &Side::part(outputs, part), precision)
    }

    /// What half of the inputs adds to all outputs; the bias goes with the first half.
    fn of_inputs(&self, inputs: Layout, outputs: Layout, part: usize, precision: Precision) -> Matrix {
        let bias = (part == 0).then_some(&self.bias[..]);
        Matrix::pack(&self.weight, bias, &Side::part(inputs, part), &Side::all(outputs), precision)
    }
}

pub(super) fn norm(norm: &model::Norm, channels: usize) -> Result<Norm, GenerateError> {
    Ok(match norm {
        model::Norm::Scalar { m, s } => Norm::scalar(number(m)?, number(s)?, channels),
        model::Norm::Affine { weight, bias, .. } => Norm::affine(&numbers(weight)?, &numbers(bias)?),
    })
}

/// The whole of a linear map.
pub(super) fn matrix(
    linear: &model::Linear,
    inputs: Layout,
    outputs: Layout,
    precision: Precision,
) -> Result<Matrix, GenerateError> {
    let Weights { weight, bias } = Weights::of(linear)?;
    Ok(Matrix::pack(&weight, Some(&bias), &Side::all(inputs), &Side::all(outputs), precision))
}

pub(super) fn sizes(matrix: &Tensor) -> [usize; 2] {
    let size = matrix.size();
    std::array::from_fn(|axis| size.get(axis).and_then(|&n| usize::try_from(n).ok()).unwrap_or(0))
}

fn number(tensor: &Tensor) -> Result<f32, GenerateError> {
    Ok(numbers(tensor)?.first().copied().unwrap_or(0.0))
}

pub(super) fn numbers(tensor: &Tensor) -> Result<Vec<f32>, GenerateError> {
    let flat = tensor.f_detach().and_then(|x| x.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?.f_contiguous());
    let read = |flat: &Tensor| {
        let mut numbers = vec![0.0; flat.numel()];
        flat.f_view([-1])?.f_copy_data(&mut numbers, flat.numel()).map(|()| numbers)
    };
    Ok(flat.and_then(|flat| read(&flat)).map_err(ModelError::Torch)?)
}
