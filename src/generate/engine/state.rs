//! What a stream remembers as plain numbers, in an order that depends on the model alone and not on how its numbers are packed:
//! how a prompt's state comes into the engine, and how a state is kept.
//!
//! For each tier, the outermost first: for each S4 layer in the order that they run, each mode's z (re, then im), then each w; then
//! the pool's collected inputs and dealt outputs, phase by phase. Each of them is a vector over the tier's channels.

use super::lanes::{Line, WIDTH, lines_for};
use super::tiers::Streams;
use crate::generate::StreamState;

/// The sizes of what a tier remembers.
#[derive(Debug)]
pub(super) struct TierShape {
    pub(super) channels: usize,
    /// Modes and rank of each S4 layer.
    pub(super) layers: Vec<(usize, usize)>,
    /// Of its pool; 0 without one.
    pub(super) factor: usize,
}

/// The sizes of what a stream remembers.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) tiers: Vec<TierShape>,
}

impl Shape {
    /// How many numbers that is.
    pub(super) fn numbers(&self) -> usize {
        let vectors = |tier: &TierShape| {
            tier.layers.iter().map(|(modes, rank)| 2 * modes + rank).sum::<usize>() + 2 * tier.factor
        };
        self.tiers.iter().map(|tier| tier.channels * vectors(tier)).sum()
    }

    /// Silence.
    pub(super) fn silence(&self) -> StreamState {
        StreamState { position: 0, numbers: vec![0.0; self.numbers()] }
    }
}

/// Goes through a stream's numbers, a vector of channels at a time.
pub(super) struct Cursor<'a> {
    rest: &'a mut [f32],
}

impl<'a> Cursor<'a> {
    pub(super) fn new(numbers: &'a mut [f32]) -> Self {
        Self { rest: numbers }
    }

    fn next(&mut self, channels: usize) -> &'a mut [f32] {
        let rest = std::mem::take(&mut self.rest);
        let (next, rest) = rest.split_at_mut(channels.min(rest.len()));
        self.rest = rest;
        next
    }

    /// The next vector into `lines`, zeros in the padding.
    pub(super) fn read(&mut self, channels: usize, lines: &mut dyn Iterator<Item = &mut Line>) {
        let vector = self.next(channels);
        for (numbers, line) in vector.chunks(WIDTH).zip(lines) {
            *line = Line::ZERO;
            line.0[..numbers.len()].copy_from_slice(numbers);
        }
    }

    /// `lines` into the next vector.
    pub(super) fn write(&mut self, channels: usize, lines: &mut dyn Iterator<Item = &mut Line>) {
        let vector = self.next(channels);
        for (numbers, line) in vector.chunks_mut(WIDTH).zip(lines) {
            numbers.copy_from_slice(&line.0[..numbers.len()]);
        }
    }
}

impl Streams {
    /// Every vector of channels of `stream` of `streams`, in the order above.
    fn exchange(
        &mut self,
        shape: &Shape,
        (stream, streams): (usize, usize),
        mut with: impl FnMut(usize, &mut dyn Iterator<Item = &mut Line>),
    ) {
        for (tier, memory) in shape.tiers.iter().zip(&mut self.tiers) {
            let lines = lines_for(tier.channels);
            for (&(modes, rank), [first, second]) in tier.layers.iter().zip(&mut memory.layers) {
                for vector in 0..2 * modes + rank {
                    let at = (modes, rank, vector);
                    with(
                        tier.channels,
                        &mut first.vector(at, (stream, streams)).chain(second.vector(at, (stream, streams))),
                    );
                }
            }
            let own = stream * tier.factor * lines;
            for pooled in [&mut memory.collected, &mut memory.dealt] {
                for vector in pooled[own..][..tier.factor * lines].chunks_exact_mut(lines) {
                    with(tier.channels, &mut vector.iter_mut());
                }
            }
        }
    }

    /// What `stream` of `streams` remembers.
    pub(super) fn save(&mut self, shape: &Shape, stream: usize, streams: usize) -> StreamState {
        let mut state = StreamState { position: self.position, ..shape.silence() };
        let mut cursor = Cursor::new(&mut state.numbers);
        self.exchange(shape, (stream, streams), |channels, lines| cursor.write(channels, lines));
        state
    }

    /// Puts what a stream remembered into `stream` of `streams`. All of them must get states of one position.
    pub(super) fn restore(&mut self, shape: &Shape, state: &StreamState, stream: usize, streams: usize) {
        let mut numbers = state.numbers.clone();
        let mut cursor = Cursor::new(&mut numbers);
        self.exchange(shape, (stream, streams), |channels, lines| cursor.read(channels, lines));
        self.position = state.position;
        let mut steps = state.position;
        for (tier, memory) in shape.tiers.iter().zip(&mut self.tiers) {
            memory.layers.iter_mut().flatten().for_each(|layer| layer.steps = steps);
            let factor = (tier.factor as u64).max(1);
            memory.phase = usize::try_from(steps % factor).unwrap_or(0);
            steps /= factor;
        }
    }
}
