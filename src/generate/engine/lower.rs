//! From a model to a network: every number taken once, in float64 where it matters, and packed.

use tch::{Device, Kind, Tensor};

use super::lanes::{lines_for, to_lines};
use super::matrix::{Layout, Matrix};
use super::norm::Norm;
use super::state_space::StateSpace;
use super::tiers::{Block, Layer, Network, Pool, Tier};
use crate::generate::GenerateError;
use crate::model::{self, Model, ModelError};

/// Why a model cannot be stepped by the engine, for people.
fn refuse(what: impl Into<String>) -> GenerateError {
    GenerateError::NotLowered(what.into())
}

/// The packed form of `model`.
///
/// # Errors
/// [`GenerateError::NotLowered`] for what the engine cannot step, by name; [`GenerateError::Model`] for libtorch's errors.
pub(super) fn lower(model: &Model) -> Result<Network, GenerateError> {
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
        let down = tier.down.iter().map(|block| self::block(block, channels)).collect::<Result<_, _>>()?;
        let blocks = tier.blocks.iter().map(|block| self::block(block, channels)).collect::<Result<_, _>>()?;
        let (pool, inside) = match &tier.pooled {
            Some(pooled) => {
                let (pool, inside) = self::pool(pooled, channels)?;
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
        head: matrix(head, Layout::plain(d_model), Layout::plain(levels))?,
    })
}

fn block(residual: &model::Residual, channels: usize) -> Result<Block, GenerateError> {
    let plain = Layout::plain(channels);
    let layer = match &residual.layer {
        model::Layer::S4(block) => {
            let factors = block.step_factors().map_err(|error| match error {
                ModelError::NotCausal(name) => refuse(format!("{name}, which looks ahead")),
                other => other.into(),
            })?;
            let (skip, gated) = block.skip_and_map();
            Layer::S4(StateSpace::pack(&factors, &numbers(skip)?), matrix(gated, plain, Layout::halves(channels))?)
        }
        model::Layer::Lstm(_) => return Err(refuse("an LSTM block".to_owned())),
        model::Layer::FeedForward(block) => {
            let [widen, narrow] = block.maps();
            let [hidden, _] = sizes(&widen.matrix()?);
            let hidden = Layout::plain(hidden);
            Layer::FeedForward(matrix(widen, plain, hidden)?, matrix(narrow, hidden, plain)?)
        }
    };
    Ok(Block { norm: norm(&residual.norm, channels)?, layer })
}

/// The pool, and how many channels there are inside it.
fn pool(pooled: &model::Pooled, channels: usize) -> Result<(Pool, usize), GenerateError> {
    let factor = usize::try_from(pooled.down.factor).unwrap_or(0);
    let [inside, _] = sizes(&pooled.down.down.matrix()?);
    let (phases, inner) = (Layout::phases(channels, factor), Layout::plain(inside));
    let (down, up) = (matrix(&pooled.down.down, phases, inner)?, matrix(&pooled.up.up, inner, phases)?);
    Ok((Pool { factor, down, up }, inside))
}

pub(super) fn norm(norm: &model::Norm, channels: usize) -> Result<Norm, GenerateError> {
    Ok(match norm {
        model::Norm::Scalar { m, s } => Norm::scalar(number(m)?, number(s)?, channels),
        model::Norm::Affine { weight, bias, .. } => Norm::affine(&numbers(weight)?, &numbers(bias)?),
    })
}

pub(super) fn matrix(linear: &model::Linear, inputs: Layout, outputs: Layout) -> Result<Matrix, GenerateError> {
    Ok(Matrix::pack(&numbers(&linear.matrix()?)?, &numbers(linear.bias())?, inputs, outputs))
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
