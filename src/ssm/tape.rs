//! Gradients made by hand, beside libtorch's tape.
//!
//! tch has no custom autograd functions, so the tape is cut at a heavy product: its output goes on as a fresh leaf, and
//! after the loss has run backward to that leaf, the hand-made gradient takes over and hands the rest back to the tape
//! (MATH.md §3).

use super::SsmError;
use tch::{Kind, Tensor};

/// The gradient of a cut: from the output's gradient to one gradient for each input.
type Backward = Box<dyn Fn(&Tensor) -> Result<Vec<Tensor>, SsmError>>;

struct Cut {
    inputs: Vec<Tensor>,
    output: Tensor,
    backward: Backward,
}

/// The cuts of one forward pass.
#[derive(Default)]
pub struct Tape {
    cuts: Vec<Cut>,
    recording: bool,
}

impl std::fmt::Debug for Tape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tape").field("cuts", &self.cuts.len()).field("recording", &self.recording).finish()
    }
}

impl Tape {
    /// A tape for a pass that will run backward.
    #[must_use]
    pub fn recording() -> Self {
        Self { cuts: Vec::new(), recording: true }
    }

    /// A tape for a pass that will not: nothing is kept.
    #[must_use]
    pub fn idle() -> Self {
        Self::default()
    }

    /// Puts `output`, computed outside the tape from `inputs`, back onto it.
    ///
    /// Inputs and output are real tensors; gradients are ordinary partial derivatives of the loss.
    pub(crate) fn cut<F>(&mut self, inputs: Vec<Tensor>, output: Tensor, backward: F) -> Tensor
    where
        F: Fn(&Tensor) -> Result<Vec<Tensor>, SsmError> + 'static,
    {
        if !self.recording || !inputs.iter().any(Tensor::requires_grad) {
            return output;
        }
        let leaf = output.set_requires_grad(true);
        self.cuts.push(Cut { inputs, output: leaf.shallow_clone(), backward: Box::new(backward) });
        leaf
    }

    /// Runs `loss` backward, through every cut, down to the parameters.
    ///
    /// # Errors
    /// libtorch's, when `loss` is not a scalar on this tape.
    pub fn backward(self, loss: &Tensor) -> Result<(), SsmError> {
        loss.f_backward()?;
        let mut handed_back: Option<Tensor> = None;
        for cut in self.cuts {
            let gradient = cut.output.grad();
            if !gradient.defined() {
                continue;
            }
            for (input, gradient) in cut.inputs.iter().zip((cut.backward)(&gradient)?) {
                // The gradient of Σ input·g with respect to the input is g: one call then serves every cut.
                let share = input.f_mul(&gradient)?.f_sum(Kind::Double)?;
                handed_back = Some(match handed_back {
                    Some(sum) => sum.f_add(&share)?,
                    None => share,
                });
            }
        }
        handed_back.map_or(Ok(()), |sum| Ok(sum.f_backward()?))
    }
}
