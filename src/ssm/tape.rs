//! Gradients made by hand, beside libtorch's tape.
//!
//! tch has no custom autograd functions, so the tape is cut at a heavy product: its output goes on as a fresh leaf, and
//! after the loss has run backward to that leaf, the hand-made gradient takes over and hands the rest back to the tape
//! (MATH.md §3).
//!
//! A tape that **recomputes** is cut at every stretch (a residual block) too: what stands between two leaves is not kept,
//! but run again, with a tape of its own, when the gradient arrives at its end. So only the leaves are in memory, and the
//! operations of one stretch at a time.

use super::SsmError;
use tch::{Kind, Tensor};

/// The gradient of a cut: from the output's gradient to one gradient for each input.
type Backward = Box<dyn Fn(&Tensor) -> Result<Vec<Tensor>, SsmError>>;

/// A stretch run once more on its input: its output, and the cuts that were made on the way.
type Again = Box<dyn Fn(&Tensor) -> Result<(Tensor, Tape), SsmError>>;

enum Cut {
    /// A product with a hand-made gradient.
    HandMade { inputs: Vec<Tensor>, output: Tensor, backward: Backward },
    /// The same values as a leaf of their own.
    Through { input: Tensor, output: Tensor },
    /// A stretch that is run again; its input is a leaf.
    Again { input: Tensor, output: Tensor, again: Again },
}

/// The cuts of one forward pass.
#[derive(Default)]
pub struct Tape {
    cuts: Vec<Cut>,
    recording: bool,
    recomputing: bool,
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
        Self { recording: true, ..Self::default() }
    }

    /// A tape for a pass that will not: nothing is kept.
    #[must_use]
    pub fn idle() -> Self {
        Self::default()
    }

    /// A recording tape that keeps the ends of stretches and not what is between them.
    pub(crate) fn recomputing(self) -> Self {
        Self { recomputing: self.recording, ..self }
    }

    /// Whether stretches are run again when the gradient arrives at their end.
    pub(crate) fn recomputes(&self) -> bool {
        self.recomputing
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
        let output = output.set_requires_grad(true);
        let leaf = output.shallow_clone();
        self.cuts.push(Cut::HandMade { inputs, output, backward: Box::new(backward) });
        leaf
    }

    /// `x` as a leaf, for a stretch to begin at; whatever uses `x` afterwards must use the leaf. Does nothing on a tape
    /// that does not recompute.
    pub(crate) fn anchor(&mut self, x: Tensor) -> Result<Tensor, SsmError> {
        if self.recomputing { self.level(x) } else { Ok(x) }
    }

    /// `x` as a leaf on any tape that records, so that its gradient comes back laid out as `x` is, whatever laid it out
    /// beyond: sums over it then run in the same order whether stretches are run again or not.
    pub(crate) fn level(&mut self, x: Tensor) -> Result<Tensor, SsmError> {
        if !self.recording || !x.requires_grad() || x.is_leaf() {
            return Ok(x);
        }
        let output = x.f_detach()?.set_requires_grad(true);
        let leaf = output.shallow_clone();
        self.cuts.push(Cut::Through { input: x, output });
        Ok(leaf)
    }

    /// Puts `output`, computed by a stretch from the leaf `input` without a gradient, back onto the tape; `again` is the
    /// same stretch with one.
    pub(crate) fn stretch<F>(&mut self, input: &Tensor, output: &Tensor, again: F) -> Result<Tensor, SsmError>
    where
        F: Fn(&Tensor) -> Result<(Tensor, Self), SsmError> + 'static,
    {
        let output = output.f_detach()?.set_requires_grad(true);
        let leaf = output.shallow_clone();
        self.cuts.push(Cut::Again { input: input.shallow_clone(), output, again: Box::new(again) });
        Ok(leaf)
    }

    /// Runs `loss` backward, through every cut, down to the parameters.
    ///
    /// # Errors
    /// libtorch's, when `loss` is not a scalar on this tape.
    pub fn backward(self, loss: &Tensor) -> Result<(), SsmError> {
        loss.f_backward()?;
        // The gradient of Σ input·g with respect to the input is g: one call then serves every hand-made gradient.
        let mut handed_back = HandedBack::default();
        // From the last to the first: the gradient of a leaf is whole when all that came after it has run backward. Each cut
        // is dropped with its leaves once it has been dealt with, so that memory shrinks on the way.
        for cut in self.cuts.into_iter().rev() {
            match cut {
                Cut::HandMade { inputs, output, backward } => {
                    let gradient = output.grad();
                    if gradient.defined() {
                        for (input, gradient) in inputs.iter().zip(backward(&gradient)?) {
                            handed_back.add(&input.f_mul(&gradient)?.f_sum(Kind::Double)?)?;
                        }
                    }
                }
                Cut::Through { input, output } => {
                    handed_back.run_backward()?;
                    let gradient = output.grad();
                    if gradient.defined() {
                        weighed(&input, &gradient)?.f_backward()?;
                    }
                }
                Cut::Again { input, output, again } => {
                    handed_back.run_backward()?;
                    let gradient = output.grad();
                    if gradient.defined() {
                        run_again(input, &gradient, &again)?;
                    }
                }
            }
        }
        handed_back.run_backward()
    }
}

/// Runs a stretch again and backward. Its parameters' gradients grow, and so does the input's, in the order of sums of a pass
/// that had kept everything: what arrived from beyond the stretch first, then what the stretch adds, operation by operation.
fn run_again(input: Tensor, gradient: &Tensor, again: &Again) -> Result<(), SsmError> {
    // Not the leaf itself: there, all that arrives in one backward pass is added up before it joins what was there.
    let x = if input.requires_grad() { input.f_alias()? } else { input.shallow_clone() };
    let (output, tape) = again(&x)?;
    let mut root = weighed(&output, gradient)?;
    drop(output);
    let mut before = input.grad();
    if before.defined() {
        // The newest operation runs backward first, so this reaches `x` before everything else does.
        let first = weighed(&x, &before.f_detach_copy()?)?;
        root = root.f_add(&first)?;
        let _ = before.f_zero_()?;
    }
    drop((x, input));
    tape.backward(&root)
}

/// `Σ x·g`, `()`: running it backward gives `x` the gradient `g`, exactly (1 · g is g).
fn weighed(x: &Tensor, gradient: &Tensor) -> Result<Tensor, SsmError> {
    Ok(x.f_reshape([-1])?.f_dot(&gradient.f_reshape([-1])?)?)
}

/// Shares of gradients that wait for one backward call.
#[derive(Default)]
struct HandedBack(Option<Tensor>);

impl HandedBack {
    fn add(&mut self, share: &Tensor) -> Result<(), SsmError> {
        self.0 = Some(match self.0.take() {
            Some(sum) => sum.f_add(share)?,
            None => share.shallow_clone(),
        });
        Ok(())
    }

    fn run_backward(&mut self) -> Result<(), SsmError> {
        self.0.take().map_or(Ok(()), |sum| Ok(sum.f_backward()?))
    }
}
