//! The S4 block: a state space as a long convolution, GELU, and a gated linear map.

use super::ModelError;
use super::linear::{Form, Linear};
use super::params::{Builder, Group, Init as Draw, Params};
use super::pass::Pass;
use super::s4_config::{Mode, S4Config};
use super::sashimi::SashimiConfig;
use super::spec::ModelSpec;
use crate::seed::Seed;
use crate::ssm::dense::{Attune, attune};
use crate::ssm::{Continuous, DtTransform, Recurrence, SsmError, StepFactors, Stored, Tape, conv, dplr, s4d};
use rand::Rng;
use std::cell::Cell;
use std::rc::Rc;
use tch::{Device, Kind, Tensor};

/// The state spaces of a layer and its skip `D`.
#[derive(Debug)]
struct S4Layer {
    name: String,
    config: S4Config,
    dt_transform: DtTransform,
    kind: Kind,
    d: Tensor,
    inv_dt: Tensor,
    c: Tensor,
    b: Tensor,
    a_real: Tensor,
    a_imag: Tensor,
    p: Option<Tensor>,
    l_kernel: Rc<Cell<i64>>,
}

/// `GLU(W · GELU(S4(x)) + b)`.
#[derive(Debug)]
pub struct S4Block {
    layer: S4Layer,
    output_linear: Linear,
}

/// A block's weights and state, ready to be stepped.
#[derive(Debug)]
pub(crate) struct S4Step {
    recurrence: Recurrence,
    d: Tensor,
    output_linear: Linear,
    state: Tensor,
}

/// The stored form of a start: `(log −Re λ, −Im λ)`, both clamped from below as the reference does.
fn stored_lambda(lambda: &Tensor) -> Result<(Tensor, Tensor), SsmError> {
    const LEAST: f64 = 1e-4;
    let real = lambda.f_real()?.f_neg()?.f_clamp_min(LEAST)?.f_log()?;
    Ok((real, lambda.f_imag()?.f_neg()?.f_clamp_min(LEAST)?))
}

impl S4Layer {
    fn new(config: &S4Config, channels: i64, spec: &ModelSpec, at: &Builder) -> Result<Self, ModelError> {
        let dt_transform = config.dt_transform.unwrap_or_else(|| spec.dt_transform());
        let start = config.start(channels, at)?;
        let half = config.d_state / 2;
        let outputs = if config.bidirectional { 2 } else { 1 };
        let d = at.param("D", &[1, channels], Group::Dense, Draw::Normal(1.0))?;
        let at = at.at("kernel");
        let (low, high) = (config.dt_min.ln(), config.dt_max.ln());
        let mut rng = at.draws("inv_dt");
        let inv_dt: Vec<f64> =
            (0..channels).map(|_| dt_transform.inverse(rng.random_range(low..=high).exp())).collect();
        let (a_real, a_imag) = stored_lambda(&start.lambda)?;
        let n_ssm = a_real.size()[0];
        let real = |x: &Tensor| x.f_resolve_conj()?.f_view_as_real();
        let ssm = |name: &str, shape: &[i64], values: Tensor| at.param(name, shape, Group::Ssm, Draw::Values(values));
        // Made in the order of the official state dict.
        let inv_dt = ssm("inv_dt", &[channels, 1], Tensor::from_slice(&inv_dt))?;
        // E|C|² = 1: both parts have variance one half.
        let c = at.param("C", &[outputs, channels, half, 2], Group::Kernel, Draw::Normal(0.5_f64.sqrt()))?;
        let b = ssm("B", &[1, n_ssm, half, 2], real(&start.b)?)?;
        let a_real = ssm("A_real", &[n_ssm, half], a_real)?;
        let a_imag = ssm("A_imag", &[n_ssm, half], a_imag)?;
        let (p, l_kernel) = match config.mode {
            Mode::Dplr => {
                let shape = [start.p.size()[0], n_ssm, half, 2];
                (Some(ssm("P", &shape, real(&start.p)?)?), at.length("l_kernel"))
            }
            Mode::S4d => (None, Rc::default()),
        };
        Ok(Self {
            name: super::layout::place(at.path()),
            config: config.clone(),
            dt_transform,
            kind: at.kind(),
            d,
            inv_dt,
            c,
            b,
            a_real,
            a_imag,
            p,
            l_kernel,
        })
    }

    fn system(&self) -> Result<Continuous, SsmError> {
        Stored {
            inv_dt: &self.inv_dt,
            a_real: &self.a_real,
            a_imag: &self.a_imag,
            b: &self.b,
            c: &self.c,
            p: self.p.as_ref(),
            dt_transform: self.dt_transform,
        }
        .continuous()
    }

    /// Attunes C̃ to `seq_len`, or to the first doubling of `l_kernel` that reaches it, in place.
    fn reach(&self, seq_len: i64) -> Result<(), SsmError> {
        if self.config.mode == Mode::S4d || self.l_kernel.get() >= seq_len {
            return Ok(());
        }
        let _no_grad = tch::no_grad_guard();
        while self.l_kernel.get() < seq_len {
            let length = self.l_kernel.get();
            let (change, next) =
                if length == 0 { (Attune::To(seq_len), seq_len) } else { (Attune::Double(length), 2 * length) };
            let c = attune(&self.system()?, change)?.f_view_as_real()?;
            self.c.shallow_clone().f_copy_(&c)?;
            self.l_kernel.set(next);
        }
        Ok(())
    }

    /// `(outputs, channels, seq_len)`, in the layer's kind.
    fn kernel(&self, seq_len: i64, pass: &mut Pass) -> Result<Tensor, ModelError> {
        self.reach(seq_len)?;
        let plain = pass.is_plain();
        pass.kernel(&self.name, seq_len, |tape| {
            let (system, attuned) = (self.system()?, self.l_kernel.get());
            let kernel = match self.config.mode {
                Mode::Dplr if plain => dplr::kernel_on_tape(&system, attuned)?.f_narrow(2, 0, seq_len)?,
                Mode::Dplr => dplr::kernel_in(&system, attuned, self.kind, tape)?.f_narrow(2, 0, seq_len)?,
                Mode::S4d if plain => s4d::kernel_on_tape(&system, self.config.discretization, seq_len)?,
                Mode::S4d => s4d::kernel(&system, self.config.discretization, seq_len, tape)?,
            };
            Ok(kernel.f_to_kind(self.kind)?)
        })
    }

    /// The first `seq_len` taps of the layer's impulse response, whatever length it is attuned to. Changes nothing.
    fn impulse_response(&self, channel: Option<i64>, seq_len: i64) -> Result<Tensor, ModelError> {
        let _no_grad = tch::no_grad_guard();
        let mut system = self.system()?;
        if let Some(channel) = channel {
            system = system.channels(channel, 1)?;
        }
        if self.config.mode == Mode::S4d {
            return Ok(s4d::kernel(&system, self.config.discretization, seq_len, &mut Tape::idle())?);
        }
        let attuned = self.l_kernel.get();
        if attuned >= seq_len {
            return Ok(dplr::kernel(&system, attuned, &mut Tape::idle())?.f_narrow(2, 0, seq_len)?);
        }
        if attuned > 0 {
            system.c = attune(&system, Attune::Undo(attuned))?;
        }
        system.c = attune(&system, Attune::To(seq_len))?;
        Ok(dplr::kernel(&system, seq_len, &mut Tape::idle())?)
    }

    /// `(batch, channels, seq_len)` → the same.
    fn forward(&self, u: &Tensor, pass: &mut Pass) -> Result<Tensor, ModelError> {
        let seq_len = u.size()[2];
        let kernel = self.kernel(seq_len, pass)?;
        let ahead = if self.config.bidirectional { Some(kernel.f_select(0, 1)?) } else { None };
        let y = conv::convolve(u, &kernel.f_select(0, 0)?, ahead.as_ref())?;
        // Not as a first tap of the kernel: D is large beside K, and its share of the FFT's rounding would be, too.
        let y = y.f_addcmul(u, &self.d.f_transpose(0, 1)?)?;
        pass.probe(&self.name, u, &y);
        Ok(y)
    }

    fn recurrence(&self) -> Result<Recurrence, ModelError> {
        if self.config.bidirectional {
            return Err(ModelError::NotCausal(self.name.clone()));
        }
        let system = self.system()?;
        Ok(match self.config.mode {
            Mode::Dplr => Recurrence::dplr(&system, self.l_kernel.get(), self.kind)?,
            Mode::S4d => Recurrence::diagonal(&system, self.config.discretization, self.kind)?,
        })
    }
}

impl S4Block {
    /// A block on its own, with its parameters.
    ///
    /// # Errors
    /// Whatever the options refuse; libtorch's.
    pub fn build(
        config: &S4Config,
        channels: i64,
        seed: Seed,
        device: Device,
        kind: Kind,
    ) -> Result<(Self, Params), ModelError> {
        crate::options::Options::validate(config)?;
        let builder = Builder::new(seed, device, kind);
        let block = Self::new(config, channels, &SashimiConfig::default().spec(), &builder)?;
        Ok((block, builder.finish()))
    }

    /// Place, options and continuous-time systems of the layer, for looking at.
    pub(crate) fn look(&self) -> Result<(&str, &S4Config, Continuous), SsmError> {
        Ok((&self.layer.name, &self.layer.config, self.layer.system()?))
    }

    /// The length that the kernel is attuned to; 0 before the first use, and always for S4D.
    #[must_use]
    pub fn l_kernel(&self) -> i64 {
        self.layer.l_kernel.get()
    }

    /// The block as a recurrence from the zero state, over a whole sequence `(batch, channels, seq_len)`.
    ///
    /// # Errors
    /// [`ModelError::NotCausal`] when the block looks ahead.
    pub fn steps(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        let _no_grad = tch::no_grad_guard();
        let mut stepper = self.stepper(x.size()[0])?;
        let steps: Result<Vec<Tensor>, ModelError> =
            (0..x.size()[2]).map(|t| stepper.step(&x.f_select(2, t)?)).collect();
        Ok(Tensor::f_stack(&steps?, 2)?)
    }

    pub(crate) fn new(config: &S4Config, channels: i64, spec: &ModelSpec, at: &Builder) -> Result<Self, ModelError> {
        let layer = S4Layer::new(config, channels, spec, &at.at("layer"))?;
        let at = at.at("output_linear").at(0);
        Ok(Self { layer, output_linear: Linear::new(channels, 2 * channels, Form::Plain, Group::NoDecay, &at)? })
    }

    /// `(batch, channels, seq_len)` → the same.
    ///
    /// # Errors
    /// libtorch's.
    pub fn forward(&self, x: &Tensor, pass: &mut Pass) -> Result<Tensor, ModelError> {
        let y = self.layer.forward(x, pass)?.f_gelu("none")?;
        let y = pass.drop_out(y, self.layer.config.dropout, self.layer.config.tie_dropout)?;
        Ok(self.output_linear.forward(&y)?.f_glu(1)?)
    }

    /// The first `seq_len` taps of the impulse response of each output and channel, without the skip `D`:
    /// `(outputs, channels, seq_len)`, float64. For looking at; changes nothing.
    ///
    /// # Errors
    /// libtorch's.
    pub fn impulse_response(&self, seq_len: i64) -> Result<Tensor, ModelError> {
        self.layer.impulse_response(None, seq_len)
    }

    /// The same of one channel: `(outputs, 1, seq_len)`.
    ///
    /// # Errors
    /// libtorch's, for a channel that does not exist, too.
    pub fn impulse_response_of(&self, channel: i64, seq_len: i64) -> Result<Tensor, ModelError> {
        self.layer.impulse_response(Some(channel), seq_len)
    }

    /// The steps dt of the channels, in SSM time a sample: `(channels)`, float64.
    ///
    /// # Errors
    /// libtorch's.
    pub fn dt(&self) -> Result<Tensor, ModelError> {
        let _no_grad = tch::no_grad_guard();
        Ok(self.layer.system()?.dt.f_squeeze_dim(-1)?)
    }

    /// The state spaces as they stand, and the length that their `c` is attuned to (0: not yet, and always for S4D).
    pub(super) fn system(&self) -> Result<(Continuous, i64), ModelError> {
        let _no_grad = tch::no_grad_guard();
        Ok((self.layer.system()?, self.l_kernel()))
    }

    /// The options of the block.
    #[must_use]
    pub fn config(&self) -> &S4Config {
        &self.layer.config
    }

    /// The kernel that a sequence of `seq_len` is convolved with, `(outputs, channels, seq_len)`. A length beyond any
    /// before attunes the block to it, as a forward pass does.
    ///
    /// # Errors
    /// libtorch's.
    pub fn kernel(&self, seq_len: i64) -> Result<Tensor, ModelError> {
        self.layer.kernel(seq_len, &mut Pass::eval())
    }

    /// The numbers of the recurrence, in float64.
    ///
    /// # Errors
    /// [`ModelError::NotCausal`] when the block looks ahead; libtorch's.
    pub(crate) fn step_factors(&self) -> Result<StepFactors, ModelError> {
        let config = &self.layer.config;
        if config.bidirectional {
            return Err(ModelError::NotCausal(self.layer.name.clone()));
        }
        let system = self.layer.system()?;
        Ok(match config.mode {
            Mode::Dplr => StepFactors::of_dplr(&system, self.layer.l_kernel.get(), config.n_ssm == Some(1))?,
            Mode::S4d => StepFactors::of_diagonal(&system, config.discretization)?,
        })
    }

    /// The skip `D`, `(1, channels)`, and the gated map.
    pub(crate) fn skip_and_map(&self) -> (&Tensor, &Linear) {
        (&self.layer.d, &self.output_linear)
    }

    pub(crate) fn stepper(&self, batch: i64) -> Result<S4Step, ModelError> {
        let recurrence = self.layer.recurrence()?;
        let state = recurrence.zero_state(batch)?;
        let d = self.layer.d.f_select(0, 0)?.f_detach()?;
        Ok(S4Step { recurrence, d, output_linear: self.output_linear.frozen()?, state })
    }
}

impl S4Step {
    /// The state space alone: `(batch, channels)` → the same.
    pub(crate) fn step_layer(&mut self, u: &Tensor) -> Result<Tensor, ModelError> {
        let (y, state) = self.recurrence.step(u, &self.state)?;
        self.state = state;
        Ok(y.f_select(0, 0)?.f_addcmul(u, &self.d)?)
    }

    pub(crate) fn step(&mut self, x: &Tensor) -> Result<Tensor, ModelError> {
        let y = self.step_layer(x)?.f_gelu("none")?;
        Ok(self.output_linear.step(&y)?.f_glu(1)?)
    }
}
