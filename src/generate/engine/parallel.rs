//! A prompt at once: each layer over the whole sequence before the next one, and the state that a stream is in after it.
//!
//! What lies between positions alone (the state spaces) goes from the first sample to the last, a line of channels on a thread of
//! its own ([`Scan`]); all else is one matrix product over positions, some of them on each thread. Each layer's numbers are read
//! once for a sequence and not once for a sample, and no layer waits for another: that is what stepping cannot have. At the widths
//! and state sizes of audio models this costs less than the same layer as a convolution, whose kernel alone takes longer to make
//! (docs/performance.md), and the state at the end falls out of it: no separate sum over the sequence.
//!
//! Sums are taken in a fixed order, so the state is the same, bit for bit, on any number of threads.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::lanes::{Lanes, Line, WIDTH, lines_for};
use super::lower;
use super::matrix::{Layout, Matrix};
use super::norm::Norm;
use super::scan::{Column, Scan};
use super::state::{Cursor, Shape};
use crate::generate::{GenerateError, Precision, StreamState};
use crate::model::{self, Model};

/// Positions that go through the tiers together; each line of channels of each takes 64 bytes in some buffers.
pub(super) const TOGETHER: usize = 8192;

/// Positions of one task: their vectors stay in the caches.
const PIECE: usize = 64;

/// What is inside a residual block.
#[derive(Debug)]
enum Layer {
    S4(Scan, Matrix),
    FeedForward(Matrix, Matrix),
}

#[derive(Debug)]
struct Block {
    norm: Norm,
    layer: Layer,
}

#[derive(Debug)]
struct Pool {
    factor: usize,
    down: Matrix,
    up: Matrix,
}

#[derive(Debug)]
struct Tier {
    channels: usize,
    down: Vec<Block>,
    blocks: Vec<Block>,
    pool: Option<Pool>,
    unet: bool,
}

/// A model without its head, for whole sequences of one stream.
#[derive(Debug)]
pub(super) struct Parallel {
    /// `(levels, channel lines)`.
    embedding: Vec<Line>,
    /// Outermost first.
    tiers: Vec<Tier>,
}

/// What a tier remembers of its stream.
#[derive(Debug)]
struct Memory {
    /// For each S4 layer `(lines of channels, modes)` of (re, im), and `(lines of channels, rank)`.
    layers: Vec<(Vec<Line>, Vec<Line>)>,
    /// `(phases, channel lines)`.
    collected: Vec<Line>,
    dealt: Vec<Line>,
    /// Positions so far.
    steps: u64,
}

impl Parallel {
    /// The packed form of `model`, which the engine can step, its linear maps in `precision`.
    ///
    /// # Errors
    /// As [`lower::lower`].
    pub(super) fn new(model: &Model, precision: Precision) -> Result<Self, GenerateError> {
        let _no_grad = tch::no_grad_guard();
        let (outermost, _, embedding, _) = model.parts();
        let [_, d_model] = lower::sizes(embedding);
        let table = lower::numbers(embedding)?;
        let mut tiers = Vec::new();
        let (mut next, mut channels) = (Some(outermost), d_model);
        while let Some(tier) = next {
            let blocks = |blocks: &[model::Residual]| -> Result<Vec<Block>, GenerateError> {
                blocks.iter().map(|residual| block(residual, channels, precision)).collect()
            };
            let (down, blocks) = (blocks(&tier.down)?, blocks(&tier.blocks)?);
            let mut inside = channels;
            let mut pool = None;
            if let Some(pooled) = &tier.pooled {
                let factor = usize::try_from(pooled.down.factor).unwrap_or(1);
                [inside, _] = lower::sizes(&pooled.down.down.matrix()?);
                let (phases, inner) = (Layout::phases(channels, factor), Layout::plain(inside));
                let down = lower::matrix(&pooled.down.down, phases, inner, precision)?;
                pool = Some(Pool { factor, down, up: lower::matrix(&pooled.up.up, inner, phases, precision)? });
            }
            tiers.push(Tier { channels, down, blocks, pool, unet: tier.unet });
            next = tier.pooled.as_ref().map(|pooled| &*pooled.inner);
            channels = inside;
        }
        let embedding =
            table.chunks_exact(d_model).flat_map(|row| super::lanes::to_lines(row.iter().copied())).collect();
        Ok(Self { embedding, tiers })
    }

    /// What its streams remember.
    pub(super) fn shape(&self) -> Shape {
        Shape { tiers: self.tiers.iter().map(Tier::shape).collect() }
    }

    /// Feeds `tokens`, each one that the model has, to a stream in `state`.
    pub(super) fn absorb(&self, state: &mut StreamState, tokens: &[u16]) {
        let mut memories = self.memories(state);
        let lines = lines_for(self.tiers[0].channels);
        for tokens in tokens.chunks(TOGETHER) {
            let mut x = Vec::with_capacity(tokens.len() * lines);
            for &token in tokens {
                x.extend_from_slice(&self.embedding[usize::from(token) * lines..][..lines]);
            }
            through(&self.tiers, &mut memories, &mut x);
        }
        state.position += tokens.len() as u64;
        let mut cursor = Cursor::new(&mut state.numbers);
        for (tier, memory) in self.tiers.iter().zip(&mut memories) {
            tier.exchange(memory, |channels, lines| cursor.write(channels, lines));
        }
    }

    fn memories(&self, state: &mut StreamState) -> Vec<Memory> {
        let mut steps = state.position;
        let mut cursor = Cursor::new(&mut state.numbers);
        let mut memories = Vec::with_capacity(self.tiers.len());
        for tier in &self.tiers {
            let mut memory = tier.memory(steps);
            tier.exchange(&mut memory, |channels, lines| cursor.read(channels, lines));
            memories.push(memory);
            steps /= tier.pool.as_ref().map_or(1, |pool| pool.factor as u64);
        }
        memories
    }
}

fn block(residual: &model::Residual, channels: usize, precision: Precision) -> Result<Block, GenerateError> {
    let plain = Layout::plain(channels);
    let layer = match &residual.layer {
        model::Layer::S4(block) => {
            let (skip, gated) = block.skip_and_map();
            let scan = Scan::pack(&lower::factors(block)?, &lower::numbers(skip)?);
            Layer::S4(scan, lower::matrix(gated, plain, Layout::halves(channels), precision)?)
        }
        model::Layer::FeedForward(block) => {
            let [widen, narrow] = block.maps();
            let [hidden, _] = lower::sizes(&widen.matrix()?);
            let hidden = Layout::plain(hidden);
            Layer::FeedForward(
                lower::matrix(widen, plain, hidden, precision)?,
                lower::matrix(narrow, hidden, plain, precision)?,
            )
        }
        model::Layer::Lstm(_) => return Err(GenerateError::NotLowered("an LSTM block".to_owned())),
    };
    Ok(Block { norm: lower::norm(&residual.norm, channels)?, layer })
}

impl Tier {
    fn scans(&self) -> impl Iterator<Item = &Scan> {
        self.down.iter().chain(&self.blocks).filter_map(|block| match &block.layer {
            Layer::S4(scan, _) => Some(scan),
            Layer::FeedForward(..) => None,
        })
    }

    fn shape(&self) -> super::state::TierShape {
        super::state::TierShape {
            channels: self.channels,
            layers: self.scans().map(|scan| (scan.modes, scan.rank)).collect(),
            factor: self.pool.as_ref().map_or(0, |pool| pool.factor),
        }
    }

    fn memory(&self, steps: u64) -> Memory {
        let lines = lines_for(self.channels);
        let zeros = |count: usize| vec![Line::ZERO; lines * count];
        let pooled = zeros(self.pool.as_ref().map_or(0, |pool| pool.factor));
        let layers = self.scans().map(|scan| (zeros(2 * scan.modes), zeros(scan.rank))).collect();
        Memory { layers, collected: pooled.clone(), dealt: pooled, steps }
    }

    /// Every vector of channels of `memory`, in the order of [`Shape`].
    fn exchange<'m>(
        &self,
        memory: &'m mut Memory,
        mut with: impl FnMut(usize, &mut dyn Iterator<Item = &'m mut Line>),
    ) {
        let lines = lines_for(self.channels);
        for (scan, (state, fed_back)) in self.scans().zip(&mut memory.layers) {
            for (vectors, numbers) in [(2 * scan.modes, state), (scan.rank, fed_back)] {
                // Each line of channels holds all its vectors: the vectors' lines lie apart.
                let mut columns: Vec<_> =
                    numbers.chunks_exact_mut(vectors.max(1)).map(|column| column.iter_mut()).collect();
                for _ in 0..vectors {
                    with(self.channels, &mut columns.iter_mut().filter_map(Iterator::next));
                }
            }
        }
        for pooled in [&mut memory.collected, &mut memory.dealt] {
            for vector in pooled.chunks_exact_mut(lines) {
                with(self.channels, &mut vector.iter_mut());
            }
        }
    }
}

/// `x`, `(positions, channel lines)`, through the first of `tiers` and those inside it, in place: the twin of a step.
fn through(tiers: &[Tier], memories: &mut [Memory], x: &mut [Line]) {
    let (Some((tier, inside)), Some((memory, within))) = (tiers.split_first(), memories.split_first_mut()) else {
        return;
    };
    let (before, around) = (tier.down.len(), !(tier.unet && tier.pool.is_some()));
    let steps = memory.steps;
    let mut scanned = 0;
    let mut kept = vec![x.to_vec()];
    for at in 0..=before + tier.blocks.len() {
        if at == before {
            if let Some(pool) = &tier.pool {
                pool.exchange(lines_for(tier.channels), memory, x, |x| through(inside, within, x));
            }
            if around {
                kept[0].copy_from_slice(x);
            }
        }
        let Some(block) = tier.down.get(at).or_else(|| tier.blocks.get(at - before)) else { break };
        if let Layer::S4(..) = block.layer {
            block.pass(memory.layers.get_mut(scanned), steps, x);
            scanned += 1;
        } else {
            block.pass(None, steps, x);
        }
        if at + 1 < before {
            kept.push(x.to_vec());
        } else if at >= before
            && let Some(skip) = before.checked_sub(at - before + 1)
        {
            add(&kept[skip], x);
        }
    }
    if around {
        add(&kept[0], x);
    }
    memory.steps += (x.len() / lines_for(tier.channels)) as u64;
}

impl Pool {
    /// Gives `x` to the inner tiers, and adds what they made of the inputs before, one inner step later.
    fn exchange(&self, lines: usize, memory: &mut Memory, x: &mut [Line], inside: impl FnOnce(&mut [Line])) {
        let phase = usize::try_from(memory.steps % self.factor as u64).unwrap_or(0);
        let group = self.factor * lines;
        let waiting = [&memory.collected[..phase * lines], x].concat();
        let whole = waiting.len() / group;
        let mut inner = vec![Line::ZERO; whole * self.down.output_lines()];
        multiply(&self.down, (group, &waiting[..whole * group]), &mut inner);
        if whole > 0 {
            inside(&mut inner);
        }
        let mut dealt = memory.dealt.clone();
        dealt.resize((1 + whole) * group, Line::ZERO);
        multiply(&self.up, (self.down.output_lines(), &inner), &mut dealt[group..]);
        add(&dealt[phase * lines..][..x.len()], x);
        memory.dealt.copy_from_slice(&dealt[whole * group..]);
        let rest = &waiting[whole * group..];
        memory.collected[..rest.len()].copy_from_slice(rest);
        memory.collected[rest.len()..].fill(Line::ZERO); // of no more use
    }
}

impl Block {
    /// `x + layer(norm(x))`, in place, `steps` positions after silence.
    fn pass(&self, memory: Option<&mut (Vec<Line>, Vec<Line>)>, steps: u64, x: &mut [Line]) {
        match (&self.layer, memory) {
            (Layer::S4(scan, gated), Some((state, fed_back))) => {
                let lines = lines_for(scan.channels);
                let mut u = vec![Line::ZERO; x.len()];
                let pieces = u.par_chunks_mut(PIECE * lines).zip(x.par_chunks(PIECE * lines));
                pieces.for_each(|(out, x)| dispatch(Normed { norm: &self.norm, x, out }));
                let samples = x.len() / lines;
                let mut y = vec![Line::ZERO; x.len()]; // (lines of channels, samples)
                let states = state.par_chunks_exact_mut(2 * scan.modes);
                let mut none: Vec<Line> = vec![Line::ZERO; if scan.rank == 0 { lines } else { 0 }];
                let fed_back = if scan.rank == 0 { &mut none } else { fed_back };
                let columns =
                    states.zip(fed_back.par_chunks_exact_mut(scan.rank.max(1))).zip(y.par_chunks_exact_mut(samples));
                columns.enumerate().for_each(|(number, ((state, fed_back), out))| {
                    dispatch(Scanned { scan, column: Column { number, state, fed_back, steps, u: &u, out } });
                });
                let pieces = x.par_chunks_mut(PIECE * lines).enumerate();
                pieces.for_each(|(piece, x)| dispatch(Gated { gated, y: &y, first: piece * PIECE, samples, x }));
            }
            (Layer::FeedForward(widen, narrow), _) => {
                let pieces = x.par_chunks_mut(PIECE * narrow.output_lines());
                pieces.for_each(|x| dispatch(Fed { norm: &self.norm, maps: [widen, narrow], x }));
            }
            (Layer::S4(..), None) => {}
        }
    }
}

/// Something that is done with the CPU's vectors.
trait Vectored {
    fn run<S: Simd, const K: usize>(self, lanes: Lanes<S, K>);
}

struct Dispatched<T>(T);

impl<T: Vectored> WithSimd for Dispatched<T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match const { WIDTH / S::F32_LANES } {
            1 => self.0.run(Lanes::<S, 1>(simd)),
            2 => self.0.run(Lanes::<S, 2>(simd)),
            4 => self.0.run(Lanes::<S, 4>(simd)),
            _ => self.0.run(Lanes::<S, WIDTH>(simd)),
        }
    }
}

fn dispatch(task: impl Vectored) {
    pulp::Arch::new().dispatch(Dispatched(task));
}

struct Normed<'a> {
    norm: &'a Norm,
    x: &'a [Line],
    out: &'a mut [Line],
}

impl Vectored for Normed<'_> {
    #[inline(always)]
    fn run<S: Simd, const K: usize>(self, lanes: Lanes<S, K>) {
        self.norm.apply(lanes, self.x, self.out);
    }
}

struct Scanned<'a> {
    scan: &'a Scan,
    column: Column<'a>,
}

impl Vectored for Scanned<'_> {
    #[inline(always)]
    fn run<S: Simd, const K: usize>(self, lanes: Lanes<S, K>) {
        self.scan.run(lanes, self.column);
    }
}

/// `x += value · σ(gate)`, of the two halves that `gated` makes of the samples of `y` from `first`.
struct Gated<'a> {
    gated: &'a Matrix,
    y: &'a [Line],
    first: usize,
    samples: usize,
    x: &'a mut [Line],
}

impl Vectored for Gated<'_> {
    #[inline(always)]
    fn run<S: Simd, const K: usize>(self, lanes: Lanes<S, K>) {
        let half = self.gated.output_lines() / 2;
        let rows = self.x.len() / half;
        let mut inner = vec![Line::ZERO; self.x.len()];
        for (column, y) in self.y.chunks_exact(self.samples).enumerate() {
            for (row, y) in y[self.first..][..rows].iter().enumerate() {
                inner[row * half + column] = *y;
            }
        }
        let mut wide = vec![Line::ZERO; 2 * self.x.len()];
        self.gated.multiply(lanes, &inner, &mut wide);
        for (x, wide) in self.x.chunks_exact_mut(half).zip(wide.chunks_exact(2 * half)) {
            let (value, gate) = wide.split_at(half);
            for ((x, value), gate) in x.iter_mut().zip(value).zip(gate) {
                let y = lanes.gate(lanes.load(value), lanes.load(gate));
                lanes.store(x, lanes.add(lanes.load(x), y));
            }
        }
    }
}

/// A whole feed-forward block.
struct Fed<'a> {
    norm: &'a Norm,
    maps: [&'a Matrix; 2],
    x: &'a mut [Line],
}

impl Vectored for Fed<'_> {
    #[inline(always)]
    fn run<S: Simd, const K: usize>(self, lanes: Lanes<S, K>) {
        let [widen, narrow] = self.maps;
        let mut inner = vec![Line::ZERO; self.x.len()];
        self.norm.apply(lanes, self.x, &mut inner);
        let mut wide = vec![Line::ZERO; self.x.len() / narrow.output_lines() * widen.output_lines()];
        widen.multiply(lanes, &inner, &mut wide);
        for line in &mut wide {
            lanes.store(line, lanes.gelu(lanes.load(line)));
        }
        narrow.multiply(lanes, &wide, &mut inner);
        for (x, y) in self.x.iter_mut().zip(&inner) {
            lanes.store(x, lanes.add(lanes.load(x), lanes.load(y)));
        }
    }
}

struct Mapped<'a> {
    matrix: &'a Matrix,
    x: &'a [Line],
    y: &'a mut [Line],
}

impl Vectored for Mapped<'_> {
    #[inline(always)]
    fn run<S: Simd, const K: usize>(self, lanes: Lanes<S, K>) {
        self.matrix.multiply(lanes, self.x, self.y);
    }
}

/// `y = matrix · x` for all rows of `x`, each of `lines`.
fn multiply(matrix: &Matrix, (lines, x): (usize, &[Line]), y: &mut [Line]) {
    let pieces = y.par_chunks_mut(PIECE * matrix.output_lines()).zip(x.par_chunks(PIECE * lines));
    pieces.for_each(|(y, x)| dispatch(Mapped { matrix, x, y }));
}

/// `to += from`.
fn add(from: &[Line], to: &mut [Line]) {
    for (to, from) in to.iter_mut().flat_map(|line| &mut line.0).zip(from.iter().flat_map(|line| &line.0)) {
        *to += from;
    }
}
