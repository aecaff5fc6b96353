//! The loop of generation, one position at a time, so that a caller can stream, stop or look at any of them.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::{Distribution, Drawing, GenerateError, StepLogits};
use crate::seed::Seed;

/// Streams of sound in the making.
///
/// Position `t` feeds every stream its token `t - 1` (the zero level at the start) and settles token `t`: given and not
/// counted ([`absorb`](Self::absorb), a prompt), given and counted ([`force`](Self::force), scoring), or drawn and counted
/// ([`draw`](Self::draw)). With `k` prompt tokens this is the reference's loop with `l_prefix = k + 1`
/// (golden/README.md §3.16).
///
/// After an error the session is spent: some of its streams may have advanced. No step allocates; what the engine behind
/// [`StepLogits`] does is its own affair.
pub struct Session<'a, E: StepLogits + ?Sized = dyn StepLogits + 'a> {
    engine: &'a mut E,
    /// Number of the first stream.
    first: usize,
    drawing: Drawing,
    distribution: Distribution,
    /// One generator for each stream at counter 0; draw `t` is made by a copy set to counter `t`.
    generators: Vec<ChaCha8Rng>,
    /// What was settled last and is fed next.
    tokens: Vec<u16>,
    position: u64,
    log_likelihood: Vec<f64>,
    entropy: Vec<f64>,
}

impl<'a, E: StepLogits + ?Sized> Session<'a, E> {
    /// A session from silence: the engine is reset, and `zero_level` is what it will be fed first.
    ///
    /// # Errors
    /// [`GenerateError::Option`] for a drawing out of range; [`GenerateError::LevelRange`] and [`GenerateError::Token`] when
    /// tokens cannot name the engine's levels; whatever the engine reports.
    pub fn new(engine: &'a mut E, drawing: Drawing, seed: Seed, zero_level: u16) -> Result<Self, GenerateError> {
        Self::from_stream(0, engine, drawing, seed, zero_level)
    }

    /// The same for some streams of a larger batch, of which `first` is the number of the first.
    ///
    /// # Errors
    /// Those of [`new`](Self::new).
    pub fn from_stream(
        first: usize,
        engine: &'a mut E,
        drawing: Drawing,
        seed: Seed,
        zero_level: u16,
    ) -> Result<Self, GenerateError> {
        drawing.validate()?;
        let (batch, levels) = (engine.batch(), engine.levels());
        if levels == 0 || levels > usize::from(u16::MAX) + 1 {
            return Err(GenerateError::LevelRange(levels));
        }
        engine.reset()?;
        let session = Self {
            engine,
            drawing,
            first,
            distribution: Distribution::new(levels),
            generators: (first..first + batch).map(|stream| seed.stream(&format!("generate/{stream}"), 0)).collect(),
            tokens: vec![zero_level; batch],
            position: 0,
            log_likelihood: vec![0.0; batch],
            entropy: vec![0.0; batch],
        };
        session.check_tokens(&[zero_level])?;
        Ok(session)
    }

    /// How many streams there are.
    #[must_use]
    pub fn batch(&self) -> usize {
        self.tokens.len()
    }

    /// How many tokens each stream has so far, the prompt's included.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Log-likelihood of the counted tokens of each stream, in nats, under the model's own distribution.
    #[must_use]
    pub fn log_likelihood(&self) -> &[f64] {
        &self.log_likelihood
    }

    /// Entropy of the model's own distribution at each counted token, summed, in nats, for each stream.
    #[must_use]
    pub fn entropy(&self) -> &[f64] {
        &self.entropy
    }

    /// Makes draws in another way from here on.
    ///
    /// # Errors
    /// [`GenerateError::Option`] for a drawing out of range; the former stays.
    pub fn set_drawing(&mut self, drawing: Drawing) -> Result<(), GenerateError> {
        drawing.validate()?;
        self.drawing = drawing;
        Ok(())
    }

    /// Settles the next token of each stream as given, without counting it: a prompt.
    ///
    /// # Errors
    /// [`GenerateError::Batch`] and [`GenerateError::Token`] for tokens that do not fit; whatever the engine reports.
    pub fn absorb(&mut self, tokens: &[u16]) -> Result<(), GenerateError> {
        self.check_batch(tokens)?;
        self.check_tokens(tokens)?;
        self.engine.step(&self.tokens)?;
        self.tokens.copy_from_slice(tokens);
        self.position += 1;
        Ok(())
    }

    /// Settles the next token of each stream as given, and counts it: how likely was it?
    ///
    /// # Errors
    /// Those of [`absorb`](Self::absorb) and of [`draw`](Self::draw).
    pub fn force(&mut self, tokens: &[u16]) -> Result<(), GenerateError> {
        self.check_batch(tokens)?;
        self.check_tokens(tokens)?;
        self.settle(|_, stream, _| tokens[stream])
    }

    /// Draws the next token of each stream, counts it, and returns them.
    ///
    /// # Errors
    /// Whatever the engine reports; [`GenerateError::NotFinite`] when its logits are no distribution.
    pub fn draw(&mut self) -> Result<&[u16], GenerateError> {
        let (drawing, position) = (self.drawing, self.position);
        self.settle(|distribution, _, generator| {
            distribution.shape(&drawing);
            let mut generator = generator.clone();
            generator.set_stream(position);
            distribution.draw(generator.random())
        })?;
        Ok(&self.tokens)
    }

    fn settle(
        &mut self,
        mut choose: impl FnMut(&mut Distribution, usize, &ChaCha8Rng) -> u16,
    ) -> Result<(), GenerateError> {
        let (batch, levels, position) = (self.tokens.len(), self.engine.levels(), self.position);
        let logits = self.engine.step(&self.tokens)?; // (batch, levels)
        if logits.len() != batch * levels {
            return Err(GenerateError::Logits { found: logits.len(), batch, levels });
        }
        for (stream, row) in logits.chunks_exact(levels).enumerate() {
            if !self.distribution.set(row) {
                return Err(GenerateError::NotFinite { stream: self.first + stream, position });
            }
            let token = choose(&mut self.distribution, stream, &self.generators[stream]);
            self.log_likelihood[stream] += self.distribution.log_probability(token);
            self.entropy[stream] += self.distribution.entropy();
            self.tokens[stream] = token;
        }
        self.position += 1;
        Ok(())
    }

    fn check_batch(&self, tokens: &[u16]) -> Result<(), GenerateError> {
        let (found, needed) = (self.batch(), tokens.len());
        if found == needed { Ok(()) } else { Err(GenerateError::Batch { found, needed }) }
    }

    fn check_tokens(&self, tokens: &[u16]) -> Result<(), GenerateError> {
        let levels = self.engine.levels();
        match tokens.iter().find(|&&token| usize::from(token) >= levels) {
            Some(&token) => Err(GenerateError::Token { token, position: self.position, levels }),
            None => Ok(()),
        }
    }
}
