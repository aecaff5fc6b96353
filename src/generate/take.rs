//! Whole takes: a prompt continued, or silence broken, a batch at a time.

use std::ops::Range;

use rayon::prelude::*;

use super::{Engine, GenerateConfig, GenerateError, Lowered, Session, Sound, StepLogits};
use crate::interrupt::Interrupt;
use crate::options::Options;

/// One generated sound.
#[derive(Debug, Clone, PartialEq)]
pub struct Take {
    /// Its number in the batch: with the seed and the model, all that it depends on.
    pub stream: usize,
    /// The prompt, then what was drawn.
    pub tokens: Vec<u16>,
    /// How many of `tokens` are the prompt's.
    pub prompt: usize,
    /// Of what was drawn, under the model's own distribution (no temperature, no mask), in nats.
    pub log_likelihood: f64,
    /// Of the model's own distribution at each draw, summed, in nats.
    pub entropy: f64,
    /// `tokens` as sound, within -1 to 1.
    pub wave: Vec<f32>,
}

impl Take {
    /// What was drawn, without the prompt.
    #[must_use]
    pub fn drawn(&self) -> &[u16] {
        &self.tokens[self.prompt..]
    }

    /// What each drawn token cost the model on average, in bits; NaN when nothing was drawn.
    #[must_use]
    pub fn bits_per_token(&self) -> f64 {
        -self.log_likelihood / std::f64::consts::LN_2 / self.drawn().len() as f64
    }
}

/// Generates `config.batch` takes, each continuing `prompt` (which may be empty) by the length that `config` asks for.
///
/// The takes come ordered by log-likelihood, the likeliest first and equals by their number, unless `config.sort` is off.
/// `progress` is told after every position how many of how many are done, the prompt's included. When `interrupt` is set,
/// the takes end where they are and are returned; they may then hold less than the prompt.
///
/// # Errors
/// [`GenerateError::Option`] for options outside their range; [`GenerateError::Batch`] and [`GenerateError::Levels`] for an
/// engine that was made for something else; [`GenerateError::Token`] for a prompt outside the quantizer's levels; and
/// whatever the engine reports.
pub fn generate(
    engine: &mut dyn StepLogits,
    config: &GenerateConfig,
    sound: &Sound,
    prompt: &[u16],
    interrupt: &Interrupt,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Vec<Take>, GenerateError> {
    config.validate()?;
    let drawn = config.tokens(sound.sample_rate)?;
    check_engine(engine.batch(), engine.levels(), config, sound)?;
    let total = prompt.len() + drawn;
    let mut part = Part::new(0, engine, config, sound, total)?;
    for position in 0..total {
        if interrupt.is_set() {
            break;
        }
        part.advance(prompt, position..position + 1)?;
        progress(position + 1, total);
    }
    Ok(finish(vec![part], prompt.len(), config, sound))
}

/// [`generate`] with the engine, the takes shared among `threads` threads. Take `i` is the same however many there are.
///
/// Progress comes, and an interrupt is looked for, every few positions.
///
/// # Errors
/// Those of [`generate`].
pub fn generate_lowered(
    model: &Lowered,
    config: &GenerateConfig,
    sound: &Sound,
    prompt: &[u16],
    threads: usize,
    interrupt: &Interrupt,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Vec<Take>, GenerateError> {
    config.validate()?;
    let total = prompt.len() + config.tokens(sound.sample_rate)?;
    check_engine(config.batch, model.levels(), config, sound)?;
    let shares = threads.clamp(1, config.batch);
    let firsts: Vec<usize> = (0..=shares).map(|share| share * config.batch / shares).collect();
    let mut engines: Vec<Engine> = firsts.windows(2).map(|ends| model.engine(ends[1] - ends[0])).collect();
    let parts = engines.iter_mut().zip(&firsts);
    let mut parts =
        parts.map(|(engine, &first)| Part::new(first, engine, config, sound, total)).collect::<Result<Vec<_>, _>>()?;
    let together = (LOOK_EVERY / config.batch).clamp(1, LOOK_EVERY);
    let mut position = 0;
    while position < total && !interrupt.is_set() {
        let next = (position + together).min(total);
        if let [part] = &mut parts[..] {
            part.advance(prompt, position..next)?;
        } else {
            parts.par_iter_mut().try_for_each(|part| part.advance(prompt, position..next))?;
        }
        position = next;
        progress(position, total);
    }
    Ok(finish(parts, prompt.len(), config, sound))
}

/// Tokens, over all takes, after which somebody may want to know or to stop: some milliseconds' worth.
const LOOK_EVERY: usize = 512;

/// Some of the takes in the making.
struct Part<'a, E: StepLogits + ?Sized> {
    first: usize,
    session: Session<'a, E>,
    takes: Vec<Vec<u16>>,
    /// A prompt's token, for each stream.
    given: Vec<u16>,
}

impl<'a, E: StepLogits + ?Sized> Part<'a, E> {
    fn new(
        first: usize,
        engine: &'a mut E,
        config: &GenerateConfig,
        sound: &Sound,
        total: usize,
    ) -> Result<Self, GenerateError> {
        let batch = engine.batch();
        let zero = sound.quantizer.zero_level();
        let session = Session::from_stream(first, engine, config.drawing(), config.seed(), zero)?;
        Ok(Self { first, session, takes: vec![Vec::with_capacity(total); batch], given: vec![0; batch] })
    }

    fn advance(&mut self, prompt: &[u16], positions: Range<usize>) -> Result<(), GenerateError> {
        for position in positions {
            let settled = if let Some(&token) = prompt.get(position) {
                self.given.fill(token);
                self.session.absorb(&self.given)?;
                &self.given
            } else {
                self.session.draw()?
            };
            for (take, &token) in self.takes.iter_mut().zip(settled) {
                take.push(token);
            }
        }
        Ok(())
    }
}

fn finish<E: StepLogits + ?Sized>(
    parts: Vec<Part<'_, E>>,
    prompt: usize,
    config: &GenerateConfig,
    sound: &Sound,
) -> Vec<Take> {
    let mut takes = Vec::with_capacity(config.batch);
    for part in parts {
        let counted = part.session.log_likelihood().iter().zip(part.session.entropy());
        for ((stream, tokens), (&log_likelihood, &entropy)) in (part.first..).zip(part.takes).zip(counted) {
            let (prompt, wave) = (prompt.min(tokens.len()), sound.quantizer.decode(&tokens));
            takes.push(Take { stream, tokens, prompt, log_likelihood, entropy, wave });
        }
    }
    if config.sort {
        takes.sort_by(|a, b| b.log_likelihood.total_cmp(&a.log_likelihood)); // stable: equals stay by number
    }
    takes
}

fn check_engine(batch: usize, model: usize, config: &GenerateConfig, sound: &Sound) -> Result<(), GenerateError> {
    if batch != config.batch {
        return Err(GenerateError::Batch { found: batch, needed: config.batch });
    }
    let quantizer = sound.quantizer.levels() as usize;
    if model == quantizer { Ok(()) } else { Err(GenerateError::Levels { model, quantizer }) }
}
