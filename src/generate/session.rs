//! The loop of generation, one position at a time, so that a caller can stream, stop or look at any of them.

use std::ops::Range;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::{Distribution, DrawPlan, Drawing, GenerateError, StepLogits, StreamState};
use crate::seed::Seed;

/// Streams of sound in the making.
///
/// Position `t` feeds every stream its token `t - 1` (the zero level at the start) and settles token `t`: given and not
/// counted ([`absorb`](Self::absorb), [`absorb_all`](Self::absorb_all), a prompt), given and counted ([`force`](Self::force),
/// scoring), or drawn and counted ([`draw`](Self::draw)). With `k` prompt tokens this is the reference's loop with
/// `l_prefix = k + 1` (golden/README.md §3.16).
///
/// After an error the session is spent: some of its streams may have advanced. No step allocates; what the engine behind
/// [`StepLogits`] does is its own affair.
pub struct Session<'a, E: StepLogits + ?Sized = dyn StepLogits + 'a> {
    engine: &'a mut E,
    plan: DrawPlan,
    /// The plan where it never changes.
    fixed: Option<Drawing>,
    distribution: Distribution,
    seed: Seed,
    voices: Vec<Voice>,
    /// One generator for each stream at counter 0; draw `t` is made by a copy set to counter `t`.
    generators: Vec<ChaCha8Rng>,
    /// What was settled last and is fed next.
    tokens: Vec<u16>,
    position: u64,
    /// Tokens drawn of each stream: what the plan counts by.
    drawn: u64,
    log_likelihood: Vec<f64>,
    entropy: Vec<f64>,
    /// Of the token counted last: its log-probability, and the entropy of what it was drawn from.
    last: Vec<(f64, f64)>,
}

/// Which random numbers a stream draws with, beside the seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Voice {
    /// The number of the stream.
    pub stream: u64,
    /// How often it was begun anew with other numbers.
    pub attempt: u64,
}

impl Voice {
    /// The number from 0 to below 1 that decides the draw at `position`.
    pub(super) fn uniform(generator: &ChaCha8Rng, position: u64) -> f64 {
        let mut generator = generator.clone();
        generator.set_stream(position);
        generator.random()
    }

    /// The stream's generator at counter 0.
    pub(super) fn generator(self, seed: Seed) -> ChaCha8Rng {
        let Self { stream, attempt } = self;
        match attempt {
            0 => seed.stream(&format!("generate/{stream}"), 0),
            _ => seed.stream(&format!("generate/{stream}/{attempt}"), 0),
        }
    }
}

/// All that a stream goes on from, besides model, seed and position.
#[derive(Debug, Clone, PartialEq)]
pub struct VoiceState {
    /// Which random numbers it draws with.
    pub voice: Voice,
    /// What was settled last and is fed next.
    pub token: u16,
    /// What the engine remembers.
    pub memory: StreamState,
}

/// All that a session goes on from, besides the model.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionState {
    /// The seed of the draws.
    pub seed: Seed,
    /// Tokens that each stream has.
    pub position: u64,
    /// How many of those were drawn.
    pub drawn: u64,
    /// The streams.
    pub voices: Vec<VoiceState>,
}

impl SessionState {
    /// Some of its streams.
    #[must_use]
    pub fn part(&self, streams: Range<usize>) -> Self {
        Self { voices: self.voices[streams].to_vec(), ..*self }
    }

    /// The stream of that number alone.
    #[must_use]
    pub fn only(&self, stream: u64) -> Option<Self> {
        let at = self.voices.iter().position(|state| state.voice.stream == stream)?;
        Some(self.part(at..at + 1))
    }

    /// The streams of these numbers, each in the state of the first.
    #[must_use]
    pub fn for_streams(&self, streams: Range<usize>) -> Self {
        let first = self.voices.first();
        let of = |stream: usize| {
            first.map(|state| VoiceState { voice: Voice { stream: stream as u64, attempt: 0 }, ..state.clone() })
        };
        Self { voices: streams.filter_map(of).collect(), ..*self }
    }

    /// The states of single streams at the same position, as one.
    #[must_use]
    pub fn joined(parts: &[&Self]) -> Option<Self> {
        let first = parts.first()?;
        let voices = parts.iter().flat_map(|part| part.voices.iter().cloned()).collect();
        Some(Self { voices, ..**first })
    }
}

impl<'a, E: StepLogits + ?Sized> Session<'a, E> {
    /// A session from silence: the engine is reset, and `zero_level` is what it will be fed first.
    ///
    /// # Errors
    /// [`GenerateError::Option`] for a drawing out of range; [`GenerateError::LevelRange`] and [`GenerateError::Token`] when
    /// tokens cannot name the engine's levels; whatever the engine reports.
    pub fn new(
        engine: &'a mut E,
        drawing: impl Into<DrawPlan>,
        seed: Seed,
        zero_level: u16,
    ) -> Result<Self, GenerateError> {
        Self::from_stream(0, engine, drawing, seed, zero_level)
    }

    /// The same for some streams of a larger batch, of which `first` is the number of the first.
    ///
    /// # Errors
    /// Those of [`new`](Self::new).
    pub fn from_stream(
        first: usize,
        engine: &'a mut E,
        drawing: impl Into<DrawPlan>,
        seed: Seed,
        zero_level: u16,
    ) -> Result<Self, GenerateError> {
        let voices =
            (first..first + engine.batch()).map(|stream| Voice { stream: stream as u64, attempt: 0 }).collect();
        Self::of_voices(voices, engine, drawing, seed, zero_level)
    }

    /// The same for any streams of a larger batch, one for each of the engine's.
    ///
    /// # Errors
    /// Those of [`new`](Self::new), and [`GenerateError::Batch`].
    pub fn of_voices(
        voices: Vec<Voice>,
        engine: &'a mut E,
        drawing: impl Into<DrawPlan>,
        seed: Seed,
        zero_level: u16,
    ) -> Result<Self, GenerateError> {
        let plan = drawing.into();
        plan.validate()?;
        let (batch, levels) = (engine.batch(), engine.levels());
        if levels == 0 || levels > usize::from(u16::MAX) + 1 {
            return Err(GenerateError::LevelRange(levels));
        }
        if voices.len() != batch {
            return Err(GenerateError::Batch { found: batch, needed: voices.len() });
        }
        engine.reset()?;
        let session = Self {
            engine,
            fixed: plan.fixed(),
            plan,
            distribution: Distribution::new(levels),
            seed,
            generators: voices.iter().map(|voice| voice.generator(seed)).collect(),
            voices,
            tokens: vec![zero_level; batch],
            position: 0,
            drawn: 0,
            log_likelihood: vec![0.0; batch],
            entropy: vec![0.0; batch],
            last: vec![(0.0, 0.0); batch],
        };
        session.check_tokens(&[zero_level])?;
        Ok(session)
    }

    /// A session that goes on where another was: what it draws is what that one would have drawn, bit for bit. Likelihood and
    /// entropy are counted from here.
    ///
    /// # Errors
    /// Those of [`new`](Self::new), and of [`StepLogits::restore`].
    pub fn resume(
        engine: &'a mut E,
        drawing: impl Into<DrawPlan>,
        state: &SessionState,
    ) -> Result<Self, GenerateError> {
        let voices = state.voices.iter().map(|state| state.voice).collect();
        let mut session = Self::of_voices(voices, engine, drawing, state.seed, 0)?;
        let tokens: Vec<u16> = state.voices.iter().map(|state| state.token).collect();
        session.check_tokens(&tokens)?;
        let memories: Vec<StreamState> = state.voices.iter().map(|state| state.memory.clone()).collect();
        session.engine.restore(&memories)?;
        (session.tokens, session.position, session.drawn) = (tokens, state.position, state.drawn);
        Ok(session)
    }

    /// What to [`resume`](Self::resume) from.
    ///
    /// # Errors
    /// [`GenerateError::NoState`] for an engine that keeps its state to itself.
    pub fn state(&mut self) -> Result<SessionState, GenerateError> {
        let memories = self.engine.save()?.into_iter();
        let voices = memories.zip(&self.voices).zip(&self.tokens);
        Ok(SessionState {
            seed: self.seed,
            position: self.position,
            drawn: self.drawn,
            voices: voices.map(|((memory, &voice), &token)| VoiceState { voice, token, memory }).collect(),
        })
    }

    /// How many streams there are.
    #[must_use]
    pub fn batch(&self) -> usize {
        self.tokens.len()
    }

    /// The streams' numbers.
    #[must_use]
    pub fn voices(&self) -> &[Voice] {
        &self.voices
    }

    /// What was settled last of each stream.
    #[must_use]
    pub fn tokens(&self) -> &[u16] {
        &self.tokens
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

    /// Of the token of each stream that was counted last: its log-probability under the model's own distribution, and that
    /// distribution's entropy, both in nats.
    #[must_use]
    pub fn last(&self) -> &[(f64, f64)] {
        &self.last
    }

    /// Makes draws in another way from here on.
    ///
    /// # Errors
    /// [`GenerateError::Option`] for a drawing out of range; the former stays.
    pub fn set_drawing(&mut self, drawing: impl Into<DrawPlan>) -> Result<(), GenerateError> {
        let plan = drawing.into();
        plan.validate()?;
        (self.fixed, self.plan) = (plan.fixed(), plan);
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

    /// Settles the next tokens of every stream as given, all at once and the same for all, without counting them: a prompt,
    /// in whatever form its engine takes it fastest.
    ///
    /// # Errors
    /// [`GenerateError::Token`] for tokens that the model does not have; whatever the engine reports.
    pub fn absorb_all(&mut self, tokens: &[u16]) -> Result<(), GenerateError> {
        let Some((&last, fed)) = tokens.split_last() else { return Ok(()) };
        self.check_row(tokens)?;
        // By the position and not by the tokens, which may happen to be equal: what is summed in which order must not depend on
        // the streams beside one.
        match self.tokens.first() {
            Some(&zero) if self.position == 0 => self.engine.absorb(&[&[zero], fed].concat())?,
            _ => {
                self.engine.step(&self.tokens)?;
                self.engine.absorb(fed)?;
            }
        }
        self.tokens.fill(last);
        self.position += tokens.len() as u64;
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
        let (drawing, position) = (self.fixed.unwrap_or_else(|| self.plan.at(self.drawn)), self.position);
        self.settle(|distribution, _, generator| {
            distribution.shape(&drawing);
            distribution.draw(Voice::uniform(generator, position))
        })?;
        self.drawn += 1;
        Ok(&self.tokens)
    }

    /// Tells the plan that `drawn` tokens were drawn before what comes, whoever drew them.
    pub fn set_drawn(&mut self, drawn: u64) {
        self.drawn = drawn;
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
                let stream = usize::try_from(self.voices[stream].stream).unwrap_or(usize::MAX);
                return Err(GenerateError::NotFinite { stream, position });
            }
            let token = choose(&mut self.distribution, stream, &self.generators[stream]);
            let (log_probability, entropy) = (self.distribution.log_probability(token), self.distribution.entropy());
            self.log_likelihood[stream] += log_probability;
            self.entropy[stream] += entropy;
            self.last[stream] = (log_probability, entropy);
            self.tokens[stream] = token;
        }
        self.position += 1;
        Ok(())
    }

    fn check_batch(&self, tokens: &[u16]) -> Result<(), GenerateError> {
        let (found, needed) = (self.batch(), tokens.len());
        if found == needed { Ok(()) } else { Err(GenerateError::Batch { found, needed }) }
    }

    /// Of tokens side by side, one for each stream.
    fn check_tokens(&self, tokens: &[u16]) -> Result<(), GenerateError> {
        tokens.iter().try_for_each(|&token| self.check_token(token, self.position))
    }

    /// Of tokens one after another.
    fn check_row(&self, tokens: &[u16]) -> Result<(), GenerateError> {
        tokens.iter().zip(self.position..).try_for_each(|(&token, position)| self.check_token(token, position))
    }

    fn check_token(&self, token: u16, position: u64) -> Result<(), GenerateError> {
        let levels = self.engine.levels();
        if usize::from(token) < levels { Ok(()) } else { Err(GenerateError::Token { token, position, levels }) }
    }

    /// How many tokens of a prompt the engine takes at once.
    #[must_use]
    pub fn absorbs_together(&self) -> usize {
        self.engine.absorbs_together()
    }
}
