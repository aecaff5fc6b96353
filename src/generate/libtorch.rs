//! The plain libtorch step as an engine: on the model's device, in its precision, one call for each layer of each step.
//! It is the reference that faster engines are compared with.

use tch::{Device, Kind, Tensor};

use super::{GenerateError, StepLogits};
use crate::model::{Model, ModelError, Stepper};

/// A model stepped by libtorch.
#[derive(Debug)]
pub struct LibtorchSteps<'m> {
    model: &'m Model,
    stepper: Stepper<'m>,
    device: Device,
    levels: usize,
    /// What is fed, as libtorch's indices.
    tokens: Vec<i64>,
    logits: Vec<f32>,
    /// Nothing was fed since the last reset, which costs as much as a new stepper.
    fresh: bool,
}

impl<'m> LibtorchSteps<'m> {
    /// `batch` streams of `model`, from silence. The model's weights must not change while they are stepped.
    ///
    /// # Errors
    /// [`GenerateError::Model`] when a layer looks ahead, or libtorch refuses.
    pub fn new(model: &'m Model, batch: usize) -> Result<Self, GenerateError> {
        let stepper = model.stepper(i64::try_from(batch).unwrap_or(i64::MAX))?;
        let levels = usize::try_from(model.levels()).unwrap_or(0);
        let logits = vec![0.0; batch * levels];
        Ok(Self { model, stepper, device: model.device(), levels, tokens: vec![0; batch], logits, fresh: true })
    }
}

impl StepLogits for LibtorchSteps<'_> {
    fn batch(&self) -> usize {
        self.tokens.len()
    }

    fn levels(&self) -> usize {
        self.levels
    }

    fn reset(&mut self) -> Result<(), GenerateError> {
        if !self.fresh {
            self.stepper.reset()?;
            self.fresh = true;
        }
        Ok(())
    }

    fn step(&mut self, tokens: &[u16]) -> Result<&[f32], GenerateError> {
        if tokens.len() != self.tokens.len() {
            return Err(GenerateError::Batch { found: self.tokens.len(), needed: tokens.len() });
        }
        self.fresh = false;
        for (index, &token) in self.tokens.iter_mut().zip(tokens) {
            *index = i64::from(token);
        }
        let torch = |error| GenerateError::from(ModelError::Torch(error));
        let tokens = Tensor::f_from_slice(&self.tokens).and_then(|x| x.f_to_device(self.device)).map_err(torch)?;
        let logits = self.stepper.step(&tokens)?; // (batch, levels)
        let logits =
            logits.f_to_kind(Kind::Float).and_then(|x| x.f_to_device(Device::Cpu)?.f_contiguous()).map_err(torch)?;
        logits.f_copy_data(&mut self.logits, tokens.numel() * self.levels).map_err(torch)?;
        Ok(&self.logits)
    }

    fn another(&self, batch: usize) -> Result<Box<dyn StepLogits + '_>, GenerateError> {
        Ok(Box::new(Self::new(self.model, batch)?))
    }
}
