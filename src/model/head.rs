//! The head and its cross-entropy, some positions at a time: logits are never all in memory, nor kept for the gradient.

use super::{Model, ModelError, Pass};
use tch::{Kind, Reduction, Tensor};

/// Positions of a chunk: 2048 rows of 256 logits stay in the second-level caches of a few cores.
const POSITIONS: i64 = 2048;

/// The target that counts nothing.
const IGNORED: i64 = -100;

impl Model {
    /// The summed cross-entropy in nats, `()`, with gradient; what [`Model::forward`] and a cross-entropy of its logits make of
    /// the same, with a chunk of logits in memory at a time. `see` is shown every chunk's logits `(n, levels)` and targets `(n)`.
    ///
    /// The gradient with respect to the head and to what goes into it is made at once, while a chunk's logits are there: it is
    /// `softmax − one-hot`. A plain pass makes all logits, and leaves the gradient to libtorch.
    ///
    /// # Shapes
    /// `inputs` as [`Model::forward`] takes them, `(batch, seq_len)`. `targets` the same, int64; −100 counts nothing.
    /// # Errors
    /// [`ModelError::Indivisible`] when the pools do not divide `seq_len`; whatever `see` reports; libtorch's.
    pub fn summed_nll<E: From<ModelError> + From<tch::TchError>>(
        &self,
        inputs: &Tensor,
        targets: &Tensor,
        pass: &mut Pass,
        mut see: impl FnMut(&Tensor, &Tensor) -> Result<(), E>,
    ) -> Result<Tensor, E> {
        let targets = targets.f_reshape([-1])?;
        if pass.is_plain() {
            let logits = self.forward(inputs, pass)?.f_reshape([-1, self.levels()])?;
            see(&logits.f_detach()?, &targets)?;
            return Ok(logits.f_cross_entropy_loss::<Tensor>(&targets, None, Reduction::Sum, IGNORED, 0.0)?);
        }
        let features = self.features(inputs, pass)?;
        let x = features.f_reshape([-1, features.size()[2]])?; // (n, d_model)
        let (_, _, _, head) = self.parts();
        let (weight, bias) = (head.matrix()?, head.bias().shallow_clone());
        let made = {
            let _no_grad = tch::no_grad_guard();
            Chunks::new(&x, &weight, &bias)?.run(&targets, &mut see)?
        };
        let Chunks { nll, gradients, .. } = made;
        Ok(pass.tape.cut(vec![x, weight, bias], nll, move |gradient| {
            gradients.iter().map(|own| Ok(own.f_mul(&gradient.f_to_kind(own.kind())?)?)).collect()
        }))
    }
}

/// What goes into the head, and what has been made of the chunks so far.
struct Chunks<'a> {
    x: &'a Tensor,
    weight: &'a Tensor,
    bias: &'a Tensor,
    /// `()`, float64.
    nll: Tensor,
    /// With respect to x, weight and bias.
    gradients: [Tensor; 3],
}

impl<'a> Chunks<'a> {
    fn new(x: &'a Tensor, weight: &'a Tensor, bias: &'a Tensor) -> Result<Self, tch::TchError> {
        let nll = Tensor::f_zeros([], (Kind::Double, x.device()))?;
        let gradients = [x.f_empty_like()?, weight.f_zeros_like()?, bias.f_zeros_like()?];
        Ok(Self { x, weight, bias, nll, gradients })
    }

    fn run<E: From<tch::TchError>>(
        mut self,
        targets: &Tensor,
        see: &mut impl FnMut(&Tensor, &Tensor) -> Result<(), E>,
    ) -> Result<Self, E> {
        let all = self.x.size()[0];
        for from in (0..all).step_by(usize::try_from(POSITIONS).unwrap_or(1)) {
            let count = POSITIONS.min(all - from);
            let (x, targets) = (self.x.f_narrow(0, from, count)?, targets.f_narrow(0, from, count)?);
            let logits = x.f_linear(self.weight, Some(self.bias))?;
            see(&logits, &targets)?;
            let log_p = logits.f_log_softmax(-1, None)?;
            let nll = log_p.f_nll_loss::<Tensor>(&targets, None, Reduction::Sum, IGNORED)?;
            let _ = self.nll.f_add_(&nll.f_to_kind(Kind::Double)?)?;
            // softmax − one-hot, and nothing where nothing counts.
            let counts = targets.f_ge(0)?.f_to_kind(x.kind())?.f_unsqueeze(-1)?; // (n, 1)
            let mut to_logits = log_p.f_exp()?.f_mul(&counts)?;
            let _ = to_logits.f_scatter_add_(1, &targets.f_clamp_min(0)?.f_unsqueeze(-1)?, &counts.f_neg()?)?;
            let [to_x, to_weight, to_bias] = &mut self.gradients;
            to_x.f_narrow(0, from, count)?.f_copy_(&to_logits.f_matmul(self.weight)?)?;
            let _ = to_weight.f_addmm_(&to_logits.f_transpose(0, 1)?, &x)?;
            let _ = to_bias.f_add_(&to_logits.f_sum_dim_intlist([0_i64].as_slice(), false, None)?)?;
        }
        Ok(self)
    }
}
