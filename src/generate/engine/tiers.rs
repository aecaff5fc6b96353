//! The whole network, lowered, and one step of it: tiers inside tiers as a list, each with its phase.
//!
//! What an inner tier makes of the inputs collected so far is heard one inner step later. So a tier never waits for the one
//! inside it: a step goes through the outermost tier to the logits, and goes on inwards only where a pool has just been filled.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::lanes::{Lanes, Line, WIDTH};
use super::matrix::Matrix;
use super::norm::Norm;
use super::partner::Seat;
use super::state_space::{Memory, StateSpace};

/// Something in two parts, one for each of two cores. A lone core does one after the other.
pub(super) type Parts<T> = [T; 2];

/// What is inside a residual block. Each part leaves a share of every sum, and the two shares are added: the parts meet once.
#[derive(Debug)]
pub(super) enum Layer {
    /// A state space with its GELU, for half of the channels, and what a gated linear map makes of these. The map's two halves
    /// are padded each to whole lines.
    S4(Parts<(StateSpace, Matrix)>),
    /// To half of the hidden channels, a GELU, and back.
    FeedForward(Parts<(Matrix, Matrix)>),
}

/// `x + layer(norm(x))`.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) norm: Norm,
    pub(super) layer: Layer,
}

/// A linear map of which each part makes half of the outputs.
#[derive(Debug)]
pub(super) struct Map(pub(super) Parts<Matrix>);

/// The way into the next tier and back.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) factor: usize,
    pub(super) down: Map,
    pub(super) up: Map,
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
    /// For each S4 block, in the order that they run.
    pub(super) layers: Vec<Parts<Memory>>,
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
    /// What each part adds to a sum, or its half of a map's outputs.
    shares: Parts<Vec<Line>>,
}

/// Who steps: a lone core both parts, one of two cores its own.
pub(super) enum Team<'a> {
    Alone,
    Seat(&'a mut Seat),
}

impl Team<'_> {
    fn parts(&self) -> Range<usize> {
        match self {
            Self::Alone => 0..2,
            Self::Seat(seat) => seat.part()..seat.part() + 1,
        }
    }

    /// Whether this core is the one that is asked for logits.
    fn leads(&self) -> bool {
        self.parts().start == 0
    }

    /// Fills in the other part's share, when this core made its own.
    fn exchange(&mut self, [first, second]: [&mut [Line]; 2]) {
        match self {
            Self::Alone => {}
            Self::Seat(seat) if seat.part() == 0 => seat.exchange(first, second),
            Self::Seat(seat) => seat.exchange(second, first),
        }
    }
}

/// The shares' first so many lines.
fn shares(shares: &mut Parts<Vec<Line>>, lines: [usize; 2]) -> Parts<&mut [Line]> {
    let [first, second] = shares;
    [&mut first[..lines[0]], &mut second[..lines[1]]]
}

impl Layer {
    /// The numbers and linear maps of both parts, as something counts them.
    fn sum(&self, of_space: impl Fn(&StateSpace) -> usize, of_map: impl Fn(&Matrix) -> usize) -> usize {
        match self {
            Self::S4(parts) => parts.iter().map(|(space, gated)| of_space(space) + of_map(gated)).sum(),
            Self::FeedForward(parts) => parts.iter().map(|(widen, narrow)| of_map(widen) + of_map(narrow)).sum(),
        }
    }

    /// Lines that a stream needs: of a part between its operations, and of a share.
    fn lines(&self) -> (usize, usize) {
        match self {
            Self::S4([(space, gated), _]) => (space.lines(), gated.output_lines()),
            Self::FeedForward([(widen, narrow), _]) => (widen.output_lines(), narrow.output_lines()),
        }
    }
}

impl Block {
    /// Bytes of its numbers.
    pub(super) fn bytes(&self) -> usize {
        self.layer.sum(StateSpace::bytes, Matrix::bytes)
    }

    /// Multiply-adds of one position of one stream, padding included, without norms and activations.
    pub(super) fn multiply_adds(&self) -> usize {
        self.layer.sum(StateSpace::multiply_adds, Matrix::multiply_adds)
    }
}

impl Map {
    fn output_lines(&self) -> Parts<usize> {
        let [first, second] = &self.0;
        [first.output_lines(), second.output_lines()]
    }

    /// `x`: `(streams, input lines)`; `y`: `(streams, output lines)`.
    #[inline(always)]
    fn apply<S: Simd, const K: usize>(
        &self,
        lanes: Lanes<S, K>,
        team: &mut Team<'_>,
        x: &[Line],
        room: &mut Parts<Vec<Line>>,
        y: &mut [Line],
    ) {
        let outputs = self.output_lines();
        let streams = y.len() / (outputs[0] + outputs[1]);
        let mut shares = shares(room, outputs.map(|lines| streams * lines));
        for part in team.parts() {
            self.0[part].multiply(lanes, x, shares[part]);
        }
        team.exchange(shares.each_mut().map(|share| &mut **share));
        for (stream, y) in y.chunks_exact_mut(outputs[0] + outputs[1]).enumerate() {
            let (first, second) = y.split_at_mut(outputs[0]);
            first.copy_from_slice(&shares[0][stream * outputs[0]..][..outputs[0]]);
            second.copy_from_slice(&shares[1][stream * outputs[1]..][..outputs[1]]);
        }
    }
}

impl Tier {
    pub(super) fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.down.iter().chain(&self.blocks)
    }

    fn memory(&self, streams: usize) -> TierMemory {
        let lines = self.channel_lines * streams;
        let pooled = lines * self.pool.as_ref().map_or(0, |pool| pool.factor);
        let layers = self.blocks().filter_map(|block| match &block.layer {
            Layer::S4(parts) => Some(parts.each_ref().map(|(space, _)| space.memory(streams))),
            Layer::FeedForward(_) => None,
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
        let room = |lines: Option<usize>| vec![Line::ZERO; streams * lines.unwrap_or(0)];
        let normed = room(self.tiers.iter().map(|tier| tier.channel_lines).max());
        let between = blocks().map(|block| block.layer.lines().0).max();
        let share = room(self.share_lines().max());
        Streams {
            tiers: self.tiers.iter().map(|tier| tier.memory(streams)).collect(),
            room: Room { normed, inner: room(between), shares: [share.clone(), share] },
            logits: room(Some(self.head.output_lines())),
            position: 0,
        }
    }

    /// Lines of each share of a stream.
    pub(super) fn share_lines(&self) -> impl Iterator<Item = usize> {
        let pools = self.tiers.iter().filter_map(|tier| tier.pool.as_ref());
        let maps = pools.flat_map(|pool| [&pool.down, &pool.up]);
        let of_blocks = self.tiers.iter().flat_map(Tier::blocks).map(|block| block.layer.lines().1);
        of_blocks.chain(maps.map(|map| map.output_lines()[0]))
    }

    /// The sum over what a step does, on average over the phases of the pools: of blocks and of other linear maps.
    pub(super) fn per_step(&self, of_block: impl Fn(&Block) -> usize, of_map: impl Fn(&Matrix) -> usize) -> f64 {
        let mut rate = 1.0;
        let mut sum = of_map(&self.head) as f64;
        for tier in &self.tiers {
            sum += rate * tier.blocks().map(&of_block).sum::<usize>() as f64;
            if let Some(pool) = &tier.pool {
                rate /= pool.factor as f64;
                sum += rate * pool.down.0.iter().chain(&pool.up.0).map(&of_map).sum::<usize>() as f64;
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
            tier.layers.iter_mut().flatten().for_each(Memory::reset);
            tier.collected.fill(Line::ZERO);
            tier.dealt.fill(Line::ZERO);
            tier.phase = 0;
        }
    }

    /// Tokens fed to each stream since it was silent.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// The logits of the last step, `(streams, lines of levels)`.
    pub(super) fn logits(&self) -> &[Line] {
        &self.logits
    }

    /// Takes up where `lead` is, and the memory of its second part.
    pub(super) fn follow(&mut self, lead: &mut Self) {
        self.position = lead.position;
        for (own, lead) in self.tiers.iter_mut().zip(&mut lead.tiers) {
            own.phase = lead.phase;
            own.collected.copy_from_slice(&lead.collected);
            own.dealt.copy_from_slice(&lead.dealt);
            own.layers
                .iter_mut()
                .zip(&mut lead.layers)
                .for_each(|(own, lead)| std::mem::swap(&mut own[1], &mut lead[1]));
        }
    }

    /// Returns that memory.
    pub(super) fn give_back(&mut self, lead: &mut Self) {
        let tiers = self.tiers.iter_mut().zip(&mut lead.tiers);
        for (own, lead) in tiers.flat_map(|(own, lead)| own.layers.iter_mut().zip(&mut lead.layers)) {
            std::mem::swap(&mut own[1], &mut lead[1]);
        }
    }

    /// Whether every state is a finite number.
    pub(super) fn is_finite(&self) -> bool {
        self.tiers.iter().all(|tier| tier.layers.iter().flatten().all(Memory::is_finite))
    }

    /// Feeds one token to each stream. Returns the logits, `(streams, lines of levels)`.
    pub(super) fn step(&mut self, network: &Network, tokens: &[u16], team: Team<'_>) -> &[Line] {
        self.position += 1;
        pulp::Arch::new().dispatch(Step { network, streams: self, tokens, team });
        &self.logits
    }
}

struct Step<'a> {
    network: &'a Network,
    streams: &'a mut Streams,
    tokens: &'a [u16],
    team: Team<'a>,
}

impl WithSimd for Step<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match const { WIDTH / S::F32_LANES } {
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
        let Self { network, streams, tokens, mut team } = self;
        let Streams { tiers, room, logits, .. } = streams;
        embed(network, tokens, &mut tiers[0].x);
        for (depth, tier) in network.tiers.iter().enumerate() {
            let (outer, own) = tiers.split_at_mut(depth);
            let Some((memory, within)) = own.split_first_mut() else { break };
            tier.step(lanes, &mut team, memory, room);
            match (depth.checked_sub(1).and_then(|outer| network.tiers[outer].pool.as_ref()), outer.last_mut()) {
                (Some(pool), Some(outer)) => {
                    pool.up.apply(lanes, &mut team, &memory.x, &mut room.shares, &mut outer.dealt);
                }
                _ => {
                    let normed = &mut room.normed[..memory.x.len()];
                    network.norm.apply(lanes, &memory.x, normed);
                    if team.leads() {
                        network.head.multiply(lanes, normed, logits);
                    }
                }
            }
            let (Some(pool), Some(next)) = (&tier.pool, within.first_mut()) else { break };
            memory.phase = (memory.phase + 1) % pool.factor;
            if memory.phase > 0 {
                break;
            }
            pool.down.apply(lanes, &mut team, &memory.collected, &mut room.shares, &mut next.x);
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
    fn step<S: Simd, const K: usize>(
        &self,
        lanes: Lanes<S, K>,
        team: &mut Team<'_>,
        memory: &mut TierMemory,
        room: &mut Room,
    ) {
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
            block.step(lanes, team, &mut layers, &mut memory.x, room);
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
        team: &mut Team<'_>,
        layers: &mut impl Iterator<Item = &'m mut Parts<Memory>>,
        x: &mut [Line],
        room: &mut Room,
    ) {
        let streams = x.len() / self.norm.lines();
        let normed = &mut room.normed[..x.len()];
        self.norm.apply(lanes, x, normed);
        let mut shares = shares(&mut room.shares, [streams * self.layer.lines().1; 2]);
        match &self.layer {
            Layer::S4(parts) => {
                let Some(memories) = layers.next() else { return };
                for part in team.parts() {
                    let (space, gated) = &parts[part];
                    let inner = &mut room.inner[..streams * space.lines()];
                    space.step(lanes, &mut memories[part], normed, inner);
                    gated.multiply(lanes, inner, shares[part]);
                }
            }
            Layer::FeedForward(parts) => {
                for part in team.parts() {
                    let (widen, narrow) = &parts[part];
                    let inner = &mut room.inner[..streams * widen.output_lines()];
                    widen.multiply(lanes, normed, inner);
                    for line in &mut *inner {
                        lanes.store(line, lanes.gelu(lanes.load(line)));
                    }
                    narrow.multiply(lanes, inner, shares[part]);
                }
            }
        }
        team.exchange(shares.each_mut().map(|share| &mut **share));
        let [first, second] = shares;
        match &self.layer {
            Layer::S4(_) => {
                let size = self.norm.lines();
                let rows = first.chunks_exact(2 * size).zip(second.chunks_exact(2 * size));
                for (x, (first, second)) in x.chunks_exact_mut(size).zip(rows) {
                    for (at, x) in x.iter_mut().enumerate() {
                        let sum = |at: usize| lanes.add(lanes.load(&first[at]), lanes.load(&second[at]));
                        lanes.store(x, lanes.add(lanes.load(x), lanes.gate(sum(at), sum(size + at))));
                    }
                }
            }
            Layer::FeedForward(_) => {
                for ((x, first), second) in x.iter_mut().zip(&*first).zip(&*second) {
                    let sum = lanes.add(lanes.load(first), lanes.load(second));
                    lanes.store(x, lanes.add(lanes.load(x), sum));
                }
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
