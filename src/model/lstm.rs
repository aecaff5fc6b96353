//! The LSTM block, what S4 is compared with: libtorch's own recurrence over a whole sequence, its cell for one step.

use super::ModelError;
use super::linear::{Form, Linear};
use super::params::{Builder, Group, Init, Params};
use super::pass::Pass;
use super::spec::{at_least, probability};
use crate::options;
use crate::options::OptionError;
use crate::seed::Seed;
use tch::{Device, Kind, Tensor};

options! {
    /// The options of `lstm(#{ … })`.
    pub struct LstmConfig for "lstm" {
        /// Hidden units of each layer; `()` is as many as the channels. [units; 1 to 65536]
        d_hidden: Option<i64> = None,
        /// Layers, each of which reads the one before. [layers; 1 to 64]
        layers: i64 = 1,
        /// Dropout on the output of each layer, the last one too. [probability; 0 to below 1]
        dropout: f64 = 0.0,
        /// Drop a unit for the whole sequence rather than single samples. [; true, false]
        tie_dropout: bool = false,
    }
    ; validate = check
}

/// The widest layer: one more doubling, and its recurrent matrix alone takes 64 GB.
const MOST_UNITS: i64 = 65_536;

/// The most layers: deeper stacks are built of blocks, which have residuals and norms.
const MOST_LAYERS: i64 = 64;

fn check(config: &LstmConfig) -> Result<(), OptionError> {
    if let Some(units) = config.d_hidden {
        at_least("d_hidden", units, 1)?;
        if units > MOST_UNITS {
            return Err(OptionError::value("d_hidden", units, &format!("at most {MOST_UNITS}")));
        }
    }
    at_least("layers", config.layers, 1)?;
    if config.layers > MOST_LAYERS {
        return Err(OptionError::value("layers", config.layers, &format!("at most {MOST_LAYERS}"))
            .with_hint("put several lstm(…) blocks into the tier: they have residuals and norms"));
    }
    probability("dropout", config.dropout)
}

impl LstmConfig {
    /// Hidden units of a block on so many channels.
    #[must_use]
    pub fn units(&self, channels: i64) -> i64 {
        self.d_hidden.unwrap_or(channels)
    }
}

/// One layer: gates in the order input, forget, cell, output, as torch stacks them.
#[derive(Debug)]
struct Cell {
    w_ih: Tensor, // (4 units, inputs)
    w_hh: Tensor, // (4 units, units)
    b_ih: Tensor, // (4 units)
    b_hh: Tensor, // (4 units)
}

/// `W · LSTM(x) + b`; without the map where there are as many units as channels.
#[derive(Debug)]
pub struct LstmBlock {
    name: String,
    config: LstmConfig,
    cells: Vec<Cell>,
    output_linear: Option<Linear>,
}

/// A block's weights and state (h, c), ready to be stepped.
#[derive(Debug)]
pub(crate) struct LstmStep {
    cells: Vec<Cell>,
    output_linear: Option<Linear>,
    state: Vec<(Tensor, Tensor)>, // (batch, units) each
}

impl Cell {
    /// torch.nn.LSTM's initialisation: everything uniform in `±1/√units`.
    ///
    /// The matrices decay as those of linear maps do. The biases do not, as no bias of the backbone does: the reference
    /// asks whether a name *ends* in `bias`, and torch's `bias_ih_l0` does not, but decay would pull the forget gates
    /// towards one half, which is a change of memory and no regulariser.
    fn new(inputs: i64, units: i64, layer: i64, at: &Builder) -> Result<Self, ModelError> {
        let bound = 1.0 / (units as f64).sqrt();
        let make = |name: &str, shape: &[i64], group| {
            at.param(&format!("{name}_l{layer}"), shape, group, Init::Uniform(bound))
        };
        Ok(Self {
            w_ih: make("weight_ih", &[4 * units, inputs], Group::Dense)?,
            w_hh: make("weight_hh", &[4 * units, units], Group::Dense)?,
            b_ih: make("bias_ih", &[4 * units], Group::NoDecay)?,
            b_hh: make("bias_hh", &[4 * units], Group::NoDecay)?,
        })
    }

    fn units(&self) -> i64 {
        self.w_hh.size()[1]
    }

    /// h or c before the first sample.
    fn zero(&self, shape: &[i64]) -> Result<Tensor, ModelError> {
        Ok(Tensor::f_zeros(shape, (self.w_hh.kind(), self.w_hh.device()))?)
    }

    /// The weights as views of one piece of memory, in the order that cuDNN packs them: it copies them together (and
    /// says so, at every call) where they lie apart, as they do in the optimiser's flat storage.
    fn in_one_piece(&self) -> Result<Vec<Tensor>, ModelError> {
        let weights = [&self.w_ih, &self.w_hh, &self.b_ih, &self.b_hh];
        let flat = weights.iter().map(|weight| weight.f_reshape([-1])).collect::<Result<Vec<_>, _>>()?;
        let whole = Tensor::f_cat(&flat, 0)?;
        let mut start = 0;
        let mut views = Vec::with_capacity(weights.len());
        for weight in weights {
            let size = weight.size();
            let length = size.iter().product();
            views.push(whole.f_narrow(0, start, length)?.f_view(size.as_slice())?);
            start += length;
        }
        Ok(views)
    }

    /// `(batch, seq_len, inputs)` → `(batch, seq_len, units)`, from the zero state.
    fn forward(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        let shape = [1, x.size()[0], self.units()];
        let state = [self.zero(&shape)?, self.zero(&shape)?];
        let weights = self.in_one_piece()?;
        let (y, _, _) = x.f_lstm(&state, &weights, true, 1, 0.0, false, false, true)?;
        Ok(y)
    }

    /// `(batch, inputs)` and the state before it → the state after it; its h is the output.
    fn step(&self, x: &Tensor, (h, c): &(Tensor, Tensor)) -> Result<(Tensor, Tensor), ModelError> {
        Ok(x.f_lstm_cell(&[h, c], &self.w_ih, &self.w_hh, Some(&self.b_ih), Some(&self.b_hh))?)
    }

    fn frozen(&self) -> Result<Self, ModelError> {
        Ok(Self {
            w_ih: self.w_ih.f_detach()?,
            w_hh: self.w_hh.f_detach()?,
            b_ih: self.b_ih.f_detach()?,
            b_hh: self.b_hh.f_detach()?,
        })
    }
}

impl LstmBlock {
    /// A block on its own, with its parameters.
    ///
    /// # Errors
    /// Whatever the options refuse; libtorch's.
    pub fn build(
        config: &LstmConfig,
        channels: i64,
        seed: Seed,
        device: Device,
        kind: Kind,
    ) -> Result<(Self, Params), ModelError> {
        crate::options::Options::validate(config)?;
        let builder = Builder::new(seed, device, kind);
        let block = Self::new(config, channels, &builder)?;
        Ok((block, builder.finish()))
    }

    pub(crate) fn new(config: &LstmConfig, channels: i64, at: &Builder) -> Result<Self, ModelError> {
        let units = config.units(channels);
        let inside = at.at("lstm");
        let cell = |layer| Cell::new(if layer == 0 { channels } else { units }, units, layer, &inside);
        let cells = (0..config.layers).map(cell).collect::<Result<_, _>>()?;
        let back = || Linear::new(units, channels, Form::Plain, Group::NoDecay, &at.at("output_linear"));
        let output_linear = if units == channels { None } else { Some(back()?) };
        Ok(Self { name: super::layout::place(at.path()), config: config.clone(), cells, output_linear })
    }

    /// `(batch, channels, seq_len)` → the same.
    ///
    /// # Errors
    /// libtorch's.
    pub fn forward(&self, x: &Tensor, pass: &mut Pass) -> Result<Tensor, ModelError> {
        let LstmConfig { dropout, tie_dropout, .. } = self.config;
        let mut y = x.f_transpose(1, 2)?; // (b, l, c)
        for cell in &self.cells {
            let layer = cell.forward(&y)?.f_transpose(1, 2)?; // (b, units, l)
            y = pass.drop_out(layer, dropout, tie_dropout)?.f_transpose(1, 2)?; // (b, l, units)
        }
        let y = y.f_transpose(1, 2)?; // (b, units, l)
        let y = match &self.output_linear {
            Some(map) => map.forward(&y.f_contiguous()?)?,
            None => y,
        };
        pass.probe(&self.name, x, &y);
        Ok(y)
    }

    /// The block as a recurrence from the zero state, over a whole sequence `(batch, channels, seq_len)`.
    ///
    /// # Errors
    /// libtorch's.
    pub fn steps(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        let _no_grad = tch::no_grad_guard();
        let mut stepper = self.stepper(x.size()[0])?;
        let steps: Result<Vec<Tensor>, ModelError> =
            (0..x.size()[2]).map(|t| stepper.step(&x.f_select(2, t)?)).collect();
        Ok(Tensor::f_stack(&steps?, 2)?)
    }

    pub(crate) fn stepper(&self, batch: i64) -> Result<LstmStep, ModelError> {
        let zero = |cell: &Cell| Ok((cell.zero(&[batch, cell.units()])?, cell.zero(&[batch, cell.units()])?));
        Ok(LstmStep {
            cells: self.cells.iter().map(Cell::frozen).collect::<Result<_, _>>()?,
            output_linear: self.output_linear.as_ref().map(Linear::frozen).transpose()?,
            state: self.cells.iter().map(zero).collect::<Result<_, ModelError>>()?,
        })
    }
}

impl LstmStep {
    /// `(batch, channels)` → the same.
    pub(crate) fn step(&mut self, x: &Tensor) -> Result<Tensor, ModelError> {
        let mut y = x.shallow_clone();
        for (cell, state) in self.cells.iter().zip(&mut self.state) {
            *state = cell.step(&y, state)?;
            y = state.0.shallow_clone();
        }
        match &self.output_linear {
            Some(map) => map.step(&y),
            None => Ok(y),
        }
    }
}
