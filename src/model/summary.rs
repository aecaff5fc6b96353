//! A model line by line: what runs, how large it is, what it costs to step, how far back it looks.

use super::layout::Part;
use super::memory::effective_memory;
use super::params::{Builder, Group};
use super::s4_config::Mode;
use super::spec::{BlockSpec, ModelSpec};
use super::{Model, ModelError};
use crate::interrupt::Interrupt;
use crate::seed::Seed;
use std::collections::BTreeMap;
use tch::Kind;

/// Real multiply-adds of one DPLR step for each complex state, without the correction: E·y takes 4, 2u·B 2, D·y 4 and
/// Re C·x 2; each term of the correction adds 8 (s, s·P, q and q·P, 2 each). With rank 1 that is 20 (MATH.md §1).
const DPLR_STEP: i64 = 12;
const CORRECTION: i64 = 8;

/// The same of a diagonal step: Ā·x takes 4, B̄·u 2, Re C·x 2.
const DIAGONAL_STEP: i64 = 8;

/// One line of a [`Summary`].
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// The number of a block, as [`ModelSpec::without`] counts; none for what is no block.
    pub index: Option<usize>,
    /// The official name, without the leading `model.`.
    pub name: String,
    /// What it is: "s4", "s4d", "ff", "lstm", "down pool", "up pool", "embedding", "norm" or "head".
    pub block: &'static str,
    /// The tier that it is in, 0 outermost.
    pub tier: usize,
    /// Channels and positions, where L is the length of the input: "128 × L/4".
    pub shape: String,
    /// State size N of an S4 layer.
    pub d_state: Option<i64>,
    /// Trainable real numbers, its norm's among them.
    pub parameters: usize,
    /// The optimiser's groups that these are in, with how many are in each.
    pub groups: Vec<(Group, usize)>,
    /// Multiply-adds for each sample that the model puts out, stepped as a recurrence; none for what looks ahead.
    pub macs_per_sample: Option<f64>,
    /// Input samples that one of its outputs draws on; none where that is not known (an LSTM), or not asked for.
    pub receptive_field: Option<i64>,
}

/// Everything that runs, in the order that it runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Embedding, blocks and pools, the final norm, the head.
    pub lines: Vec<Line>,
}

impl Summary {
    /// A summary of `spec` without its receptive fields, from shapes alone: no weight is drawn.
    ///
    /// Multiply-adds are those of products with weights and with states; norms, biases and activations are left out. For
    /// H channels and N = `d_state`: S4 `(12 + 8·rank)·H·N/2 + H + 2H²` (the state; D; the gated map), S4D
    /// `8·H·N/2 + H + 2H²`, feed-forward `2·expand·H²`, LSTM `4h(inputs + h) + 3h` a layer and `h·H` for the map back, a
    /// pool `expand·H²` a sample each way, head `d_model · levels`; each divided by the rate of its tier.
    ///
    /// # Errors
    /// Whatever [`ModelSpec::validate`] refuses.
    pub fn of_spec(spec: &ModelSpec, levels: i64) -> Result<Self, ModelError> {
        spec.validate()?;
        Self::counted(&Model::sketch(spec, levels)?)
    }

    /// The same with receptive fields: of the weights of `model`, or of initial ones.
    ///
    /// A layer's is its own reach alone: 1 sample at full rate for what works position by position, the factor for a
    /// pool, and for S4 its effective memory: the lag beyond which its kernel holds less than a thousandth of its energy,
    /// the longest of its four channels with the smallest steps. All in samples of the model's input.
    ///
    /// # Errors
    /// [`ModelError::Interrupted`]; libtorch's.
    pub fn measured(model: &Model, interrupt: &Interrupt) -> Result<Self, ModelError> {
        let mut summary = Self::counted(model)?;
        let memory = |block| if interrupt.is_set() { Err(ModelError::Interrupted) } else { effective_memory(block) };
        let memories = model.backbone.tier.s4_blocks().map(memory).collect::<Result<Vec<_>, _>>()?;
        let mut memories = memories.into_iter();
        let places = model.spec().places();
        // Line 0 is the embedding; a line for each place follows.
        for (line, place) in summary.lines[1..].iter_mut().zip(&places) {
            line.receptive_field = match place.part {
                Part::Down(pool) | Part::Up(pool) => Some(pool.factor * place.rate),
                Part::Block(BlockSpec::S4(_)) => memories.next().map(|lag| lag * place.rate),
                Part::Block(BlockSpec::Ff(_)) => Some(place.rate),
                Part::Block(BlockSpec::Lstm(_)) => None,
            };
        }
        for line in &mut summary.lines {
            if matches!(line.block, "embedding" | "norm" | "head") {
                line.receptive_field = Some(1);
            }
        }
        Ok(summary)
    }

    /// [`Summary::measured`] of initial weights.
    ///
    /// # Errors
    /// Whatever [`ModelSpec::validate`] refuses; as [`Summary::measured`].
    pub fn measured_spec(spec: &ModelSpec, levels: i64, interrupt: &Interrupt) -> Result<Self, ModelError> {
        Self::measured(&Model::sketch(spec, levels)?, interrupt)
    }

    fn counted(model: &Model) -> Result<Self, ModelError> {
        let spec = model.spec();
        let (width, levels) = (spec.d_model, model.levels());
        let mut lines = vec![Line::new(model, "encoder.0", "embedding", (0, format!("{width} × L")), Some(0.0))];
        let mut index = 0;
        for place in spec.places() {
            let wide = |expand: i64| place.channels * expand;
            let long = |factor: i64| length(place.rate * factor);
            let (channels, here) = (place.channels, format!("{} × {}", place.channels, long(1)));
            let (block, shape) = match place.part {
                Part::Block(block) => (block.kind(), here),
                Part::Down(pool) => ("down pool", format!("{here} → {} × {}", wide(pool.expand), long(pool.factor))),
                Part::Up(pool) => ("up pool", format!("{} × {} → {here}", wide(pool.expand), long(pool.factor))),
            };
            let macs = match place.part {
                Part::Block(block) => step_cost(block, channels),
                Part::Down(pool) | Part::Up(pool) => Some(pool.expand as f64 * (channels * channels) as f64),
            };
            let macs = macs.map(|macs| macs / place.rate as f64);
            let mut line = Line::new(model, &format!("model.{}", place.name), block, (place.tier, shape), macs);
            if let Some(block) = place.block() {
                line.index = Some(index);
                index += 1;
                if let BlockSpec::S4(config) = block {
                    line.d_state = Some(config.d_state);
                }
            }
            lines.push(line);
        }
        lines.push(Line::new(model, "model.norm", "norm", (0, format!("{width} × L")), Some(0.0)));
        let shape = (0, format!("{width} × L → {levels} × L"));
        lines.push(Line::new(model, "decoder.0", "head", shape, Some((width * levels) as f64)));
        Ok(Self { lines })
    }

    /// Trainable real numbers.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.lines.iter().map(|line| line.parameters).sum()
    }

    /// Multiply-adds for each sample, stepped as a recurrence; none when a block looks ahead.
    #[must_use]
    pub fn macs_per_sample(&self) -> Option<f64> {
        self.lines.iter().map(|line| line.macs_per_sample).sum()
    }

    /// How far back an output looks, in samples: the reaches of all lines, one after the other. None where one of them
    /// is not known.
    #[must_use]
    pub fn receptive_field(&self) -> Option<i64> {
        let further = self.lines.iter().map(|line| line.receptive_field.map(|samples| samples - 1));
        further.sum::<Option<i64>>().map(|samples| samples + 1)
    }
}

impl Line {
    fn new(model: &Model, path: &str, block: &'static str, (tier, shape): (usize, String), macs: Option<f64>) -> Self {
        let prefix = format!("{path}.");
        let own = || model.params().list.iter().filter(|param| param.name.starts_with(&prefix));
        let mut groups = BTreeMap::new();
        for param in own() {
            *groups.entry(param.group).or_insert(0) += param.tensor.numel();
        }
        Self {
            index: None,
            name: path.trim_start_matches("model.").to_owned(),
            block,
            tier,
            shape,
            d_state: None,
            parameters: own().map(|param| param.tensor.numel()).sum(),
            groups: groups.into_iter().collect(),
            macs_per_sample: macs,
            receptive_field: None,
        }
    }
}

impl Model {
    /// Names and shapes of the composition's parameters, with the values of its state spaces: see [`Builder::sketch`].
    fn sketch(spec: &ModelSpec, levels: i64) -> Result<Self, ModelError> {
        Self::make(spec, levels, Builder::sketch(Seed(0), Kind::Float))
    }
}

/// Multiply-adds of one step of a block, without its norm.
fn step_cost(block: &BlockSpec, channels: i64) -> Option<f64> {
    // In floating point, which does not overflow.
    let h = channels as f64;
    Some(match block {
        BlockSpec::S4(config) if config.bidirectional => return None,
        BlockSpec::S4(config) => {
            let each = match config.mode {
                Mode::Dplr => DPLR_STEP + CORRECTION * config.rank(),
                Mode::S4d => DIAGONAL_STEP,
            };
            (each * config.d_state / 2) as f64 * h + h + 2.0 * h * h
        }
        BlockSpec::Ff(config) => 2.0 * config.expand as f64 * h * h,
        BlockSpec::Lstm(config) => {
            let units = config.units(channels) as f64;
            let layer = |inputs: f64| 4.0 * units * (inputs + units) + 3.0 * units;
            let back = if config.units(channels) == channels { 0.0 } else { units * h };
            layer(h) + (config.layers - 1) as f64 * layer(units) + back
        }
    })
}

/// The length of a tier in terms of the input's.
fn length(rate: i64) -> String {
    if rate == 1 { "L".to_owned() } else { format!("L/{rate}") }
}
