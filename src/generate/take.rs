//! Whole takes: a prompt continued, or silence broken, a batch at a time.

use super::{GenerateConfig, GenerateError, Session, Sound, StepLogits};
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
    check_engine(engine, config, sound)?;
    let total = prompt.len() + drawn;
    let mut takes: Vec<Vec<u16>> = vec![Vec::with_capacity(total); config.batch];
    let mut given = vec![0; config.batch];
    let mut session = Session::new(engine, config.drawing(), config.seed(), sound.quantizer.zero_level())?;
    for position in 0..total {
        if interrupt.is_set() {
            break;
        }
        let settled = if let Some(&token) = prompt.get(position) {
            given.fill(token);
            session.absorb(&given)?;
            &given
        } else {
            session.draw()?
        };
        for (take, &token) in takes.iter_mut().zip(settled) {
            take.push(token);
        }
        progress(position + 1, total);
    }
    let mut takes: Vec<Take> = takes
        .into_iter()
        .enumerate()
        .map(|(stream, tokens)| Take {
            stream,
            prompt: prompt.len().min(tokens.len()),
            log_likelihood: session.log_likelihood()[stream],
            entropy: session.entropy()[stream],
            wave: sound.quantizer.decode(&tokens),
            tokens,
        })
        .collect();
    if config.sort {
        takes.sort_by(|a, b| b.log_likelihood.total_cmp(&a.log_likelihood)); // stable: equals stay by number
    }
    Ok(takes)
}

fn check_engine(engine: &dyn StepLogits, config: &GenerateConfig, sound: &Sound) -> Result<(), GenerateError> {
    if engine.batch() != config.batch {
        return Err(GenerateError::Batch { found: engine.batch(), needed: config.batch });
    }
    let (model, quantizer) = (engine.levels(), sound.quantizer.levels() as usize);
    if model == quantizer { Ok(()) } else { Err(GenerateError::Levels { model, quantizer }) }
}
