//! One forward pass: whether it will run backward, where its dropout masks come from, what it remembers.

use super::ModelError;
use crate::interrupt::Interrupt;
use crate::seed::Seed;
use crate::ssm::{SsmError, Tape};
use std::collections::HashMap;
use tch::Tensor;

/// Held from seeding libtorch's one generator until what was seeded has been drawn.
static GENERATOR: std::sync::Mutex<()> = std::sync::Mutex::new(());

/// What a layer with a state saw and said, kept for [`super::verify`].
#[derive(Debug)]
pub(crate) struct Probe {
    pub(crate) layer: String,
    pub(crate) input: Tensor,
    pub(crate) output: Tensor,
}

/// The context of a forward pass.
///
/// A pass for evaluation may serve many batches: it computes each kernel once. A pass for training serves one.
#[derive(Debug, Default)]
pub struct Pass {
    pub(crate) tape: Tape,
    dropout: Option<(Seed, u64)>,
    /// In place of every block's own dropout.
    scheduled: Option<f64>,
    masks: u64,
    kernels: Option<HashMap<(String, i64), Tensor>>,
    probes: Option<Vec<Probe>>,
    interrupt: Option<Interrupt>,
    plain: bool,
}

impl Pass {
    /// A pass without dropout and without a tape. The parameters must not change while it is used.
    #[must_use]
    pub fn eval() -> Self {
        Self { kernels: Some(HashMap::new()), ..Self::default() }
    }

    /// A pass that will run backward; its dropout masks depend on `seed`, `counter` and their place in the model alone.
    #[must_use]
    pub fn train(seed: Seed, counter: u64) -> Self {
        Self { tape: Tape::recording(), dropout: Some((seed, counter)), ..Self::default() }
    }

    /// The same pass with the dropout `probability` in every block, whatever the block's own; `None` changes nothing. What
    /// residual blocks add is dropped as the model has it.
    #[must_use]
    pub fn with_dropout(self, probability: Option<f64>) -> Self {
        Self { scheduled: probability, ..self }
    }

    /// The same pass, which keeps what goes into each residual block and not what is computed inside: the backward pass runs
    /// each block again. Takes a third more time, and a fraction of the memory; the gradients are the same, bit for bit.
    #[must_use]
    pub fn recomputing(self) -> Self {
        Self { tape: self.tape.recomputing(), ..self }
    }

    /// The same pass in plain libtorch operations throughout: the slow, obvious twin of every fast form.
    #[must_use]
    pub fn plain(self) -> Self {
        Self { plain: true, ..self }
    }

    /// Whether fast forms give way to plain libtorch operations.
    pub(crate) fn is_plain(&self) -> bool {
        self.plain
    }

    /// The same pass, given up between two blocks when somebody insists on an end.
    #[must_use]
    pub fn heeding(self, interrupt: &Interrupt) -> Self {
        Self { interrupt: Some(interrupt.clone()), ..self }
    }

    /// Whether to go on with the next block.
    pub(crate) fn heed(&self) -> Result<(), ModelError> {
        let insists = self.interrupt.as_ref().is_some_and(Interrupt::is_urgent);
        if insists { Err(ModelError::Interrupted) } else { Ok(()) }
    }

    /// `x` as where the next block begins: see [`Tape::anchor`].
    pub(crate) fn anchor(&mut self, x: Tensor) -> Result<Tensor, ModelError> {
        Ok(self.tape.anchor(x)?)
    }

    /// `block` on the anchored `x`; where the pass recomputes, without keeping anything but what comes out. `graded` blocks
    /// compute otherwise where no gradient is wanted: they are run with one, and what they keep is dropped at once.
    pub(crate) fn through<F>(&mut self, x: &Tensor, graded: bool, block: F) -> Result<Tensor, ModelError>
    where
        F: Fn(&Tensor, &mut Self) -> Result<Tensor, ModelError> + 'static,
    {
        if !self.tape.recomputes() {
            return block(x, self);
        }
        let twin = self.at_the_same_place(Tape::idle());
        let y = {
            let _guard = (!graded).then(tch::no_grad_guard);
            let mut pass = twin.at_the_same_place(Tape::idle());
            let y = block(x, &mut pass)?;
            self.masks = pass.masks;
            y
        };
        Ok(self.tape.stretch(x, &y, move |x| {
            let mut pass = twin.at_the_same_place(Tape::recording());
            let y = block(x, &mut pass).map_err(|error| SsmError::Again(Box::new(error)))?;
            Ok((y, pass.tape))
        })?)
    }

    /// A pass that draws the masks that this one draws next.
    fn at_the_same_place(&self, tape: Tape) -> Self {
        let Self { dropout, scheduled, masks, plain, .. } = *self;
        Self { tape, dropout, scheduled, masks, plain, interrupt: self.interrupt.clone(), ..Self::default() }
    }

    /// An evaluation that keeps what each layer with a state saw and said.
    pub(crate) fn probing() -> Self {
        Self { probes: Some(Vec::new()), ..Self::eval() }
    }

    pub(crate) fn probes(self) -> Vec<Probe> {
        self.probes.unwrap_or_default()
    }

    pub(crate) fn probe(&mut self, layer: &str, input: &Tensor, output: &Tensor) {
        if let Some(probes) = &mut self.probes {
            let (input, output) = (input.shallow_clone(), output.shallow_clone());
            probes.push(Probe { layer: layer.to_owned(), input, output });
        }
    }

    /// The kernel of `layer` for `seq_len`, made once where the pass allows it.
    pub(crate) fn kernel<F>(&mut self, layer: &str, seq_len: i64, make: F) -> Result<Tensor, ModelError>
    where
        F: FnOnce(&mut Tape) -> Result<Tensor, ModelError>,
    {
        let key = (layer.to_owned(), seq_len);
        if let Some(kernel) = self.kernels.as_ref().and_then(|kernels| kernels.get(&key)) {
            return Ok(kernel.shallow_clone());
        }
        let kernel = make(&mut self.tape)?;
        if let Some(kernels) = &mut self.kernels {
            kernels.insert(key, kernel.shallow_clone());
        }
        Ok(kernel)
    }

    /// A block's dropout on `x` `(batch, channels, seq_len)`; `tied` drops a channel for a whole sequence.
    pub(crate) fn drop_out(&mut self, x: Tensor, probability: f64, tied: bool) -> Result<Tensor, ModelError> {
        self.mask(x, self.scheduled.unwrap_or(probability), tied)
    }

    /// Dropout on what a residual block adds, `(batch, channels, seq_len)`: whole channels, and never scheduled.
    pub(crate) fn drop_residual(&mut self, x: Tensor, probability: f64) -> Result<Tensor, ModelError> {
        self.mask(x, probability, true)
    }

    fn mask(&mut self, x: Tensor, probability: f64, tied: bool) -> Result<Tensor, ModelError> {
        let Some((seed, counter)) = self.dropout.filter(|_| probability > 0.0) else {
            return Ok(x);
        };
        // libtorch's generator, seeded anew for each mask: stateless, and on the device of `x`. There is one generator
        // for the whole process, so nobody else may draw between the seed and the mask.
        let _alone = GENERATOR.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        #[expect(clippy::cast_possible_wrap, reason = "any 64 bits will do")]
        tch::manual_seed(seed.derive(&format!("dropout/{}", self.masks), counter) as i64);
        self.masks += 1;
        let mut shape = x.size();
        if tied {
            shape[2] = 1;
        }
        let keep = 1.0 - probability;
        let mask = Tensor::f_empty(&shape, (x.kind(), x.device()))?.f_bernoulli_float_(keep)?.f_div_scalar_(keep)?;
        Ok(x.f_mul(&mask)?)
    }

    /// Runs `loss` backward to every parameter. Never call `loss.backward()` itself: it stops at the kernels.
    ///
    /// # Errors
    /// libtorch's, when `loss` is not a scalar that this pass computed.
    pub fn backward(self, loss: &Tensor) -> Result<(), ModelError> {
        self.tape.backward(loss).map_err(|error| match error {
            SsmError::Again(error) => match error.downcast::<ModelError>() {
                Ok(error) => *error,
                Err(error) => ModelError::Ssm(SsmError::Again(error)),
            },
            error => ModelError::Ssm(error),
        })
    }
}
