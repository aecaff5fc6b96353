//! The whole network, lowered, and one step of it: tiers inside tiers as a list, each with its phase.
//!
//! What an inner tier makes of the inputs collected so far is heard one inner step later. So a tier never waits for the one
//! inside it: a step goes through the outermost tier to the logits, and goes on inwards only where a pool has just been filled.

use pulp::{Simd, WithSimd};

use super::lanes::{Lanes, Line, WIDTH};
use super::matrix::Matrix;
use super::norm::Norm;
use super::state_space::{Memory, StateSpace};

/// What is inside a residual block.
#[derive(Debug)]
pub(super) enum Layer {
    /// A state space, GELU and a gated linear map, whose two halves are padded each to whole lines.
    S4(StateSpace, Matrix),
    /// Two linear maps with a GELU between.
    FeedForward(Matrix, Matrix),
}

/// `x + layer(norm(x))`.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) norm: Norm,
    pub(super) layer: Layer,
}

/// The way into the next tier and back.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) factor: usize,
    pub(super) down: Matrix,
    pub(super) up: Matrix,
}

/// A tier without those inside it.
#[derive(Debug)]
pub(super) struct Tier {
    pub(super) channel_lines: usize,
    pub(super) down: Vec<Block>,
    pub(super) blocks: Vec<Block>,
    /// None in the innermost tier.
    pub(super) pool: Option<Pool>,
    pub(super) unet: bool,
}

/// A lowered model: numbers only, shared by all who step it.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) levels: usize,
    /// `(levels, channel lines)`.
    pub(super) embedding: Vec<Line>,
    /// Outermost first.
    pub(super) tiers: Vec<Tier>,
    pub(super) norm: Norm,
    pub(super) head: Matrix,
}

/// What a tier remembers.
#[derive(Debug, Clone)]
pub(super) struct TierMemory {
    /// One for each S4 block, in the order that they run.
    pub(super) layers: Vec<Memory>,
    /// `(streams, phases, channel lines)`: inputs that wait for the next inner step.
    pub(super) collected: Vec<Line>,
    /// The same of the outputs that the last inner step made.
    pub(super) dealt: Vec<Line>,
    pub(super) phase: usize,
    /// `(streams, channel lines)`: the tier's input, then what passes through its blocks.
    x: Vec<Line>,
    /// The same, kept for the skips around it.
    kept: Vec<Vec<Line>>,
}

/// Streams of a network.
#[derive(Debug, Clone)]
pub(super) struct Streams {
    pub(super) tiers: Vec<TierMemory>,
    room: Room,
    /// `(streams, lines of levels)`.
    logits: Vec<Line>,
    /// Tokens fed to each.
    pub(super) position: u64,
}

/// Room for what is between two operations, enough for the widest.
#[derive(Debug, Clone)]
struct Room {
    normed: Vec<Line>,
    inner: Vec<Line>,
    wide: Vec<Line>,
}

impl Block {
    fn lines(&self) -> (usize, usize) {
        match &self.layer {
            Layer::S4(_, gated) => (gated.output_lines() / 2, gated.output_lines()),
            Layer::FeedForward(widen, narrow) => (narrow.output_lines(), widen.output_lines()),
        }
    }

    /// Bytes of its numbers.
    pub(super) fn bytes(&self) -> usize {
        match &self.layer {
            Layer::S4(space, gated) => space.bytes() + gated.bytes(),
            Layer::FeedForward(widen, narrow) => widen.bytes() + narrow.bytes(),
        }
    }

    /// Multiply-adds of one position of one stream, padding included, without norms and activations.
    pub(super) fn multiply_adds(&self) -> usize {
        match &self.layer {
            Layer::S4(space, gated) => space.multiply_adds() + gated.multiply_adds(),
            Layer::FeedForward(widen, narrow) => widen.multiply_adds() + narrow.multiply_adds(),
        }
    }
}

impl Tier {
    fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.down.iter().chain(&self.blocks)
    }

    fn memory(&self, streams: usize) -> TierMemory {
        let lines = self.channel_lines * streams;
        let pooled = lines * self.pool.as_ref().map_or(0, |pool| pool.factor);
        let layers = self.blocks().filter_map(|block| match &block.layer {
            Layer::S4(space, _) => Some(space.memory(streams)),
            Layer::FeedForward(..) => None,
        });
        TierMemory {
            layers: layers.collect(),
            collected: vec![Line::ZERO; pooled],
            dealt: vec![Line::ZERO; pooled],
            phase: 0,
            x: vec![Line::ZERO; lines],
            kept: vec![vec![Line::ZERO; lines]; self.down.len() + 1],
        }
    }
}

impl Network {
    /// Streams from silence.
    pub(super) fn streams(&self, streams: usize) -> Streams {
        let blocks = || self.tiers.iter().flat_map(Tier::blocks);
        let narrow =
            blocks().map(|block| block.lines().0).chain(self.tiers.iter().map(|tier| tier.channel_lines)).max();
        let wide = blocks().map(|block| block.lines().1).max();
        let room = |lines: Option<usize>| vec![Line::ZERO; streams * lines.unwrap_or(0)];
        Streams {
            tiers: self.tiers.iter().map(|tier| tier.memory(streams)).collect(),
            room: Room { normed: room(narrow), inner: room(narrow), wide: room(wide) },
            logits: room(Some(self.head.output_lines())),
            position: 0,
        }
    }

    /// The sum over what a step does, on average over the phases of the pools: of blocks and of other linear maps.
    pub(super) fn per_step(&self, of_block: impl Fn(&Block) -> usize, of_map: impl Fn(&Matrix) -> usize) -> f64 {
        let mut rate = 1.0;
        let mut sum = of_map(&self.head) as f64;
        for tier in &self.tiers {
            sum += rate * tier.blocks().map(&of_block).sum::<usize>() as f64;
            if let Some(pool) = &tier.pool {
                rate /= pool.factor as f64;
                sum += rate * (of_map(&pool.down) + of_map(&pool.up)) as f64;
            }
        }
        sum
    }
}

impl Streams {
    /// Back to silence.
    pub(super) fn reset(&mut self) {
        self.position = 0;
        for tier in &mut self.tiers {
            tier.layers.iter_mut().for_each(Memory::reset);
            tier.collected.fill(Line::ZERO);
            tier.dealt.fill(Line::ZERO);
            tier.phase = 0;
        }
    }

    /// Tokens fed to each stream since it was silent.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Whether every state is a finite number.
    pub(super) fn is_finite(&self) -> bool {
        self.tiers.iter().all(|tier| tier.layers.iter().all(Memory::is_finite))
    }

    /// Feeds one token to each stream. Returns the logits, `(streams, lines of levels)`.
    pub(super) fn step(&mut self, network: &Network, tokens: &[u16]) -> &[Line] {
        self.position += 1;
        pulp::Arch::new().dispatch(Step { network, streams: self, tokens });
        &self.logits
    }
}

struct Step<'a> {
    network: &'a Network,
    streams: &'a mut Streams,
    tokens: &'a [u16],
}

impl WithSimd for Step<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match WIDTH / S::F32_LANES {
            1 => self.run(Lanes::<S, 1>(simd)),
            2 => self.run(Lanes::<S, 2>(simd)),
            4 => self.run(Lanes::<S, 4>(simd)),
            _ => self.run(Lanes::<S, WIDTH>(simd)),
        }
    }
}

impl Step<'_> {
    #[inline(always)]
    fn run<S: Simd, const K: usize>(self, lanes: Lanes<S, K>) {
        let Self { network, streams, tokens } = self;
        let Streams { tiers, room, logits, .. } = streams;
        embed(network, tokens, &mut tiers[0].x);
        for (depth, tier) in network.tiers.iter().enumerate() {
            let (outer, own) = tiers.split_at_mut(depth);
            let Some((memory, within)) = own.split_first_mut() else { break };
            tier.step(lanes, memory, room);
            match (depth.checked_sub(1).and_then(|outer| network.tiers[outer].pool.as_ref()), outer.last_mut()) {
                (Some(pool), Some(outer)) => pool.up.multiply(lanes, &memory.x, &mut outer.dealt),
                _ => {
                    let normed = &mut room.normed[..memory.x.len()];
                    network.norm.apply(lanes, &memory.x, normed);
                    network.head.multiply(lanes, normed, logits);
                }
            }
            let (Some(pool), Some(next)) = (&tier.pool, within.first_mut()) else { break };
            memory.phase = (memory.phase + 1) % pool.factor;
            if memory.phase > 0 {
                break;
            }
            pool.down.multiply(lanes, &memory.collected, &mut next.x);
        }
    }
}

fn embed(network: &Network, tokens: &[u16], x: &mut [Line]) {
    let size = network.tiers[0].channel_lines;
    for (&token, x) in tokens.iter().zip(x.chunks_exact_mut(size)) {
        x.copy_from_slice(&network.embedding[usize::from(token) * size..][..size]);
    }
}

impl Tier {
    /// `y = x + dealt`, then `y + blocks(y)`; with U-Net wiring a skip around every block instead. Leaves the output in `x`.
    #[inline(always)]
    fn step<S: Simd, const K: usize>(&self, lanes: Lanes<S, K>, memory: &mut TierMemory, room: &mut Room) {
        let (before, around) = (self.down.len(), !(self.unet && self.pool.is_some()));
        let mut layers = memory.layers.iter_mut();
        memory.kept[0].copy_from_slice(&memory.x);
        for at in 0..=before + self.blocks.len() {
            if at == before {
                self.exchange(lanes, memory.phase, &mut memory.collected, &memory.dealt, &mut memory.x);
                if around {
                    memory.kept[0].copy_from_slice(&memory.x);
                }
            }
            let Some(block) = self.down.get(at).or_else(|| self.blocks.get(at - before)) else { break };
            block.step(lanes, &mut layers, &mut memory.x, room);
            if at + 1 < before {
                memory.kept[at + 1].copy_from_slice(&memory.x);
            } else if at >= before
                && let Some(skip) = before.checked_sub(at - before + 1)
            {
                add(lanes, &memory.kept[skip], &mut memory.x);
            }
        }
        if around {
            add(lanes, &memory.kept[0], &mut memory.x);
        }
    }

    /// Gives this position's input to the pool, and adds what the inner tier made of those before.
    #[inline(always)]
    fn exchange<S: Simd, const K: usize>(
        &self,
        lanes: Lanes<S, K>,
        phase: usize,
        collected: &mut [Line],
        dealt: &[Line],
        x: &mut [Line],
    ) {
        let Some(pool) = &self.pool else { return };
        let size = self.channel_lines;
        let streams = collected.chunks_exact_mut(pool.factor * size).zip(dealt.chunks_exact(pool.factor * size));
        for ((collected, dealt), x) in streams.zip(x.chunks_exact_mut(size)) {
            collected[phase * size..][..size].copy_from_slice(x);
            add(lanes, &dealt[phase * size..][..size], x);
        }
    }
}

impl Block {
    /// `x + layer(norm(x))`, in place.
    #[inline(always)]
    fn step<'m, S: Simd, const K: usize>(
        &self,
        lanes: Lanes<S, K>,
        layers: &mut impl Iterator<Item = &'m mut Memory>,
        x: &mut [Line],
        room: &mut Room,
    ) {
        let normed = &mut room.normed[..x.len()];
        self.norm.apply(lanes, x, normed);
        match &self.layer {
            Layer::S4(space, gated) => {
                let inner = &mut room.inner[..x.len()];
                let wide = &mut room.wide[..2 * x.len()];
                let Some(memory) = layers.next() else { return };
                space.step(lanes, memory, normed, inner);
                gated.multiply(lanes, inner, wide);
                let half = gated.output_lines() / 2;
                for (x, wide) in x.chunks_exact_mut(half).zip(wide.chunks_exact(2 * half)) {
                    let (value, gate) = wide.split_at(half);
                    for ((x, value), gate) in x.iter_mut().zip(value).zip(gate) {
                        let y = lanes.gate(lanes.load(value), lanes.load(gate));
                        lanes.store(x, lanes.add(lanes.load(x), y));
                    }
                }
            }
            Layer::FeedForward(widen, narrow) => {
                let wide = &mut room.wide[..x.len() / narrow.output_lines() * widen.output_lines()];
                widen.multiply(lanes, normed, wide);
                for line in &mut *wide {
                    lanes.store(line, lanes.gelu(lanes.load(line)));
                }
                let inner = &mut room.inner[..x.len()];
                narrow.multiply(lanes, wide, inner);
                add(lanes, inner, x);
            }
        }
    }
}

/// `to += from`.
#[inline(always)]
fn add<S: Simd, const K: usize>(lanes: Lanes<S, K>, from: &[Line], to: &mut [Line]) {
    for (to, from) in to.iter_mut().zip(from) {
        lanes.store(to, lanes.add(lanes.load(to), lanes.load(from)));
    }
}
