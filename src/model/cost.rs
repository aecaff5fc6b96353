//! What a training step costs, before anyone waits: counted from shapes, part by part.
//!
//! Multiply-adds are those of products with weights, of kernels (one for each pair of node and mode, forward) and of
//! transforms; a backward pass does twice the work of the forward one. Bytes are what libtorch's tape holds. One line of
//! [`FITTED`] for each kind of part says how many; `cargo bench --bench training -- --fit` measures them anew.

use super::layout::Part;
use super::s4_config::Mode;
use super::spec::{BlockSpec, ModelSpec};
use super::summary::Summary;
use super::{ModelError, Preset};

/// What a part holds, in bytes a channel and position: of each sequence of the batch, and once whatever the batch (a kernel).
#[derive(Debug, Clone, Copy, PartialEq)]
struct Held {
    part: &'static str,
    /// From the forward pass until the backward pass has been there.
    kept: f64,
    kept_once: f64,
    /// Beyond that, while it is computed or differentiated.
    work: f64,
    work_once: f64,
}

/// Float32, on a CPU. Counted from the tensors that each operation saves; those of `s4` with `ff` found within a tenth by
/// measurement, of 2 and 8 layers at windows of 8192 to 131072.
const FITTED: [Held; 6] = [
    Held { part: "s4", kept: 20.0, kept_once: 20.0, work: 55.0, work_once: 15.0 },
    Held { part: "s4d", kept: 38.0, kept_once: 45.0, work: 55.0, work_once: 90.0 },
    // For a hidden layer as wide as the channels: `ff` multiplies what lies above the norm by its expansion.
    Held { part: "ff", kept: 27.0, kept_once: 0.0, work: 40.0, work_once: 0.0 },
    // For as many units as channels, and for each layer.
    Held { part: "lstm", kept: 48.0, kept_once: 0.0, work: 48.0, work_once: 0.0 },
    Held { part: "pool", kept: 12.0, kept_once: 0.0, work: 16.0, work_once: 0.0 },
    // A level and position.
    Held { part: "head", kept: 0.0, kept_once: 0.0, work: 21.0, work_once: 0.0 },
];

/// Bytes a channel and position between two blocks, the same where blocks are run again (values and, on the way back,
/// gradients), and of the norm inside a block (what it centres, what it puts out).
const STREAM: f64 = 4.0;
const STREAM_AGAIN: f64 = 5.0;
const NORM: f64 = 8.0;

/// What running blocks again takes beyond what it holds, measured: a channel and position of each sequence after the first.
const GAPS_EACH: f64 = 32.0;

/// Positions whose logits are in memory at a time.
const CHUNK: f64 = 2048.0;

/// Tensors of at least so many bytes come from the system one by one and go back to it (glibc's largest threshold); smaller ones come
/// from the heap, which keeps gaps between what is kept, and what was let go of for the next of its size.
const HEAP: f64 = 32.0 * 1024.0 * 1024.0;

/// How many times more what is kept takes in the heap, and what the heap holds besides; measured.
const KEPT_IN_HEAP: f64 = 1.2;
const HEAP_ITSELF: f64 = 145e6;

/// The program with libtorch, before a model is made, in bytes.
const PROGRAM: f64 = 130e6;

/// What a step is asked about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Workload {
    /// Tokens of a window.
    pub window: i64,
    /// Windows in one pass.
    pub batch: i64,
    /// Bytes of a real number: 4 or 8.
    pub bytes: i64,
}

/// What a step of training costs, from shapes alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Cost {
    /// What was asked about.
    pub workload: Workload,
    /// Trainable real numbers.
    pub parameters: f64,
    /// Multiply-adds of matrix products, forward and backward.
    pub dense: f64,
    /// Multiply-adds of kernels: a node and a mode each; forward and backward.
    pub kernels: f64,
    /// Multiply-adds of Fourier transforms, forward and backward.
    pub transforms: f64,
    /// Bytes read and written by what is limited by memory: norms, activations, sums; forward and backward.
    pub traffic: f64,
    /// Bytes of activations that are kept for the backward pass.
    pub activations: f64,
    /// The same where blocks are run again.
    pub activations_recomputed: f64,
    /// Bytes of weights, gradients and the optimiser's two moments.
    pub optimizer: f64,
    /// The most bytes that the process holds on a CPU.
    pub peak: f64,
    /// The same where blocks are run again.
    pub peak_recomputed: f64,
    /// Multiply-adds of the blocks' forward pass, which recomputing adds: share of a step.
    pub again: f64,
}

impl Cost {
    /// Of one update of `spec` on one pass of `workload`.
    ///
    /// # Errors
    /// Whatever [`ModelSpec::validate`] refuses; [`ModelError::Indivisible`].
    pub fn of_spec(spec: &ModelSpec, levels: i64, workload: Workload) -> Result<Self, ModelError> {
        let product = spec.pool_product();
        if workload.window < 1 || workload.window % product != 0 {
            let pool = spec.tier.pool_factors();
            return Err(ModelError::Indivisible { seq_len: workload.window, pool, product });
        }
        #[expect(clippy::cast_precision_loss, reason = "numbers of parameters stay far below 2^53")]
        let parameters = Summary::of_spec(spec, levels)?.parameters() as f64;
        Ok(Sum::of(spec, levels as f64, workload).finish(workload, parameters))
    }

    /// Multiply-adds of a step, forward and backward.
    #[must_use]
    pub fn multiply_adds(&self) -> f64 {
        self.dense + self.kernels + self.transforms
    }

    /// The peak in either form.
    #[must_use]
    pub fn peak_of(&self, recompute: bool) -> f64 {
        if recompute { self.peak_recomputed } else { self.peak }
    }
}

/// Sums over the parts of a model.
#[derive(Default)]
struct Sum {
    dense: f64,
    kernels: f64,
    transforms: f64,
    traffic: f64,
    kept: f64,
    /// What is kept where blocks are run again: what stands between them, and the pools.
    between: f64,
    /// The most that one part works with, and the most that one block takes when it is run again.
    work: f64,
    block: f64,
    /// Multiply-adds of blocks alone, forward.
    blocks: f64,
    /// Bytes of the outermost tier's stream.
    largest: f64,
}

impl Sum {
    fn of(spec: &ModelSpec, levels: f64, workload: Workload) -> Self {
        let mut sum = Self::default();
        let batch = workload.batch as f64;
        for place in spec.places() {
            let (h, l) = (place.channels as f64, (workload.window / place.rate) as f64);
            match place.part {
                Part::Block(block) => sum.block(block, h, l, batch, spec),
                Part::Down(pool) | Part::Up(pool) => {
                    let held = held("pool");
                    sum.dense += 3.0 * batch * l * pool.expand as f64 * h * h;
                    sum.kept += held.kept * batch * h * l;
                    sum.between += held.kept * batch * h * l;
                    sum.work = sum.work.max(held.work * batch * h * l);
                }
            }
        }
        let (h, l) = (spec.d_model as f64, workload.window as f64);
        sum.dense += 3.0 * batch * l * h * levels;
        sum.traffic += 10.0 * 4.0 * batch * l * levels;
        // What goes into the head, and its gradient, which is made in the forward pass, a chunk of logits at a time.
        sum.kept += (STREAM + NORM + 8.0) * batch * h * l;
        sum.between += (STREAM + NORM + 8.0) * batch * h * l;
        sum.work = sum.work.max(held("head").work * CHUNK.min(batch * l) * levels);
        sum.largest = batch * h * l * workload.bytes as f64;
        sum
    }

    fn block(&mut self, block: &BlockSpec, h: f64, l: f64, batch: f64, spec: &ModelSpec) {
        let held = held(block.kind());
        let (size, once) = (batch * h * l, h * l);
        // Times that the part's own line counts, and the share of dropout's masks and outputs.
        let (wide, dropout) = match block {
            BlockSpec::S4(config) => {
                let modes = config.d_state as f64 / 2.0;
                let outputs = if config.bidirectional { 2.0 } else { 1.0 };
                let pairs = match config.mode {
                    Mode::Dplr => (1.0 + config.rank() as f64) * (outputs + config.rank() as f64) * l / 2.0,
                    Mode::S4d => outputs * l,
                };
                self.kernels += 3.0 * 4.0 * pairs * modes * h;
                // 2.5 n log₂ n multiply-adds and additions of a real transform of n = 2l, three forward, six in all.
                self.transforms += 1.25 * 2.0 * l * (2.0 * l).log2() * h * (4.0 * batch + 2.0 * outputs);
                self.dense += 3.0 * 2.0 * size * h;
                self.blocks += 2.0 * size * h;
                (1.0, config.dropout)
            }
            BlockSpec::Ff(config) => {
                self.dense += 3.0 * 2.0 * config.expand as f64 * size * h;
                self.blocks += 2.0 * config.expand as f64 * size * h;
                (config.expand as f64, config.dropout)
            }
            BlockSpec::Lstm(config) => {
                let units = config.units(place_channels(h)) as f64;
                let macs = (4.0 * units * (h + units) + 8.0 * units * units * (config.layers - 1) as f64) * batch * l;
                self.dense += 3.0 * macs;
                self.blocks += macs;
                (units / h * config.layers as f64, config.dropout)
            }
        };
        let masks = if dropout > 0.0 { 2.0 * 4.0 * wide } else { 0.0 } + if spec.dropres > 0.0 { 4.0 } else { 0.0 };
        let norm = if spec.preset == Preset::Standalone { NORM + 4.0 } else { NORM };
        let own = (norm + masks + (held.kept - NORM) * wide) * size + held.kept_once * once;
        let work = held.work * wide * size + held.work_once * once;
        self.kept += own + STREAM * size;
        self.between += STREAM_AGAIN * size;
        self.work = self.work.max(work);
        self.block = self.block.max(own + work + GAPS_EACH * (size - once));
        // Each kept byte is written, read in the backward pass, and its gradient written and read.
        self.traffic += 4.0 * own + 12.0 * STREAM * size;
    }

    fn finish(self, workload: Workload, parameters: f64) -> Cost {
        let scale = workload.bytes as f64 / 4.0;
        let (of_kept, heap) = if self.largest < HEAP { (KEPT_IN_HEAP, HEAP_ITSELF) } else { (1.0, 0.0) };
        let (kept, between) = (self.kept * scale * of_kept, self.between * scale * of_kept);
        let (block, work) = (self.block * scale, self.work * scale);
        let optimizer = 4.0 * workload.bytes as f64 * parameters;
        let all = self.dense + self.kernels + self.transforms;
        let forward = self.blocks + (self.kernels + self.transforms) / 3.0;
        Cost {
            workload,
            parameters,
            dense: self.dense,
            kernels: self.kernels,
            transforms: self.transforms,
            traffic: self.traffic * scale,
            activations: kept,
            activations_recomputed: between,
            optimizer,
            peak: PROGRAM + heap + optimizer + kept + work,
            peak_recomputed: PROGRAM + 2.0 * heap + optimizer + between + block.max(work),
            again: if all > 0.0 { forward / all } else { 0.0 },
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "numbers of channels are whole")]
fn place_channels(h: f64) -> i64 {
    h as i64
}

fn held(part: &str) -> Held {
    FITTED.into_iter().find(|held| held.part == part).unwrap_or(FITTED[0])
}
