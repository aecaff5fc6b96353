//! Compositions and models without some of their blocks: for ablations, of trained weights too.

use super::layout::Place;
use super::spec::{BlockSpec, ModelSpec, PoolSpec, TierSpec};
use super::{Model, ModelError};
use crate::seed::Seed;
use std::collections::BTreeSet;
use tch::{Device, Kind, Tensor};

impl TierSpec {
    /// The tier without the blocks whose numbers are in `dropped`; `next` is the number of its first.
    fn thinned(&self, dropped: &BTreeSet<usize>, next: &mut usize) -> Self {
        let down = kept(&self.down, dropped, next);
        let pool = self.pool.as_ref().map(|pool| {
            let inner = Box::new(pool.inner.thinned(dropped, next));
            PoolSpec { inner, ..*pool }
        });
        Self { down, pool, blocks: kept(&self.blocks, dropped, next) }
    }
}

fn kept(blocks: &[BlockSpec], dropped: &BTreeSet<usize>, next: &mut usize) -> Vec<BlockSpec> {
    let first = *next;
    *next += blocks.len();
    let numbered = blocks.iter().enumerate().filter(|(i, _)| !dropped.contains(&(first + i)));
    numbered.map(|(_, block)| block.clone()).collect()
}

impl ModelSpec {
    /// The composition without some of its blocks, which count from 0 in the order that they run.
    ///
    /// # Errors
    /// [`ModelError::NoBlock`], [`ModelError::SameBlock`]; [`ModelError::BrokenPair`] where a U-Net's tier would be left
    /// with another number of blocks before its pool than after.
    pub fn without(&self, blocks: &[i64]) -> Result<Self, ModelError> {
        let dropped = self.numbers(blocks)?;
        let tier = self.tier.thinned(&dropped, &mut 0);
        for (depth, thinned) in tier.tiers().enumerate() {
            if self.unet && thinned.pool.is_some() && thinned.down.len() != thinned.blocks.len() {
                let (down, up) = (thinned.down.len(), thinned.blocks.len());
                return Err(ModelError::BrokenPair { tier: depth, down, up, partners: self.partners(depth, &dropped) });
            }
        }
        let spec = Self { tier, ..self.clone() };
        spec.validate()?;
        Ok(spec)
    }

    fn numbers(&self, blocks: &[i64]) -> Result<BTreeSet<usize>, ModelError> {
        let mut numbers = BTreeSet::new();
        for &index in blocks {
            let (number, _) = self.block(index)?;
            if !numbers.insert(number) {
                return Err(ModelError::SameBlock(number));
            }
        }
        Ok(numbers)
    }

    /// The kept partners of the dropped blocks of a U-Net's tier: block j going up adds what block n − 1 − j going down
    /// was given.
    fn partners(&self, depth: usize, dropped: &BTreeSet<usize>) -> Vec<usize> {
        let numbered = self.blocks().enumerate().filter(|(_, place)| place.tier == depth);
        let numbers: Vec<usize> = numbered.map(|(number, _)| number).collect();
        let pairs = numbers.iter().zip(numbers.iter().rev());
        pairs.filter(|(own, partner)| dropped.contains(own) && !dropped.contains(partner)).map(|(_, p)| *p).collect()
    }
}

impl Model {
    /// The model without some of its blocks: what is left keeps its weights, under the names that it has now.
    ///
    /// # Errors
    /// As [`ModelSpec::without`]; libtorch's.
    pub fn without(&self, blocks: &[i64]) -> Result<Self, ModelError> {
        let spec = self.spec().without(blocks)?;
        let dropped = self.spec().numbers(blocks)?;
        let mut number = 0;
        let mut is_kept = |place: &Place<'_>| {
            let here = number;
            number += usize::from(place.block().is_some());
            place.block().is_none() || !dropped.contains(&here)
        };
        let old = self.spec().places();
        let gone: Vec<String> =
            old.iter().filter(|place| !is_kept(place)).map(|place| format!("model.{}.", place.name)).collect();
        let kept = old.iter().map(|place| format!("model.{}.", place.name)).filter(|name| !gone.contains(name));
        let new = spec.places();
        let moves: Vec<(String, String)> = kept.zip(new.iter().map(|place| format!("model.{}.", place.name))).collect();
        let weights = self.state_dict().into_iter().filter(|(name, _)| !gone.iter().any(|gone| name.starts_with(gone)));
        let moved = weights.map(|(name, tensor)| {
            let found = moves.iter().find_map(|(from, to)| Some(format!("{to}{}", name.strip_prefix(from.as_str())?)));
            (found.unwrap_or(name), tensor)
        });
        let weights: Vec<_> = moved.collect();
        let model = Self::new(&spec, self.levels, Seed(0), self.device, self.kind)?;
        model.load_state_dict(&weights)?;
        Ok(model)
    }

    /// Whether both have the same weights, and S4 kernels attuned to the same lengths, bit for bit. Names are compared
    /// too, so that models of different compositions are never the same.
    ///
    /// # Errors
    /// libtorch's.
    pub fn has_weights_of(&self, other: &Self) -> Result<bool, ModelError> {
        let (own, others) = (self.state_dict(), other.state_dict());
        if own.len() != others.len() {
            return Ok(false);
        }
        for ((name, tensor), (other_name, other)) in own.iter().zip(&others) {
            let alike = name == other_name && tensor.size() == other.size() && tensor.kind() == other.kind();
            if !alike || !bits(tensor)?.f_equal(&bits(other)?)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The same weights under `spec`, which may differ in dropout alone.
    ///
    /// # Errors
    /// [`ModelError::StateDict`] when it differs in more.
    pub fn under(&self, spec: &ModelSpec) -> Result<Self, ModelError> {
        let model = Self::new(spec, self.levels, Seed(0), self.device, self.kind)?;
        model.load_state_dict(&self.state_dict())?;
        Ok(model)
    }
}

/// A tensor's bits as integers, on the CPU: NaN equals itself there, and 0 differs from −0.
fn bits(tensor: &Tensor) -> Result<Tensor, ModelError> {
    let here = tensor.f_to_device(Device::Cpu)?.f_contiguous()?;
    Ok(match here.kind() {
        Kind::Float => here.f_view_dtype(Kind::Int)?,
        Kind::Double => here.f_view_dtype(Kind::Int64)?,
        _ => here,
    })
}

/// `0, 2, 5`.
pub(super) fn list(numbers: &[usize]) -> String {
    numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
