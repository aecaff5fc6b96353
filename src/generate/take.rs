//! Whole takes: a prompt continued, a state gone on with, or silence broken, a batch at a time.

use std::ops::Range;

use rayon::prelude::*;

use super::making::{Job, Part};
use super::{GenerateConfig, GenerateError, Lowered, SessionState, Sound, Start, StepLogits, retry};
use crate::interrupt::Interrupt;

/// What the model thought of a second of a take, summed over its samples.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Sums {
    /// Samples drawn in it: a second's worth, and fewer at the end.
    pub samples: usize,
    /// Of what was drawn, under the model's own distribution, in nats.
    pub log_likelihood: f64,
    /// Of the model's own distribution at each draw, in nats.
    pub entropy: f64,
}

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
    /// The same second by second, from the prompt's end on.
    pub seconds: Vec<Sums>,
    /// How often its end was drawn again after a failure.
    pub retries: usize,
    /// Why it ended too early, if the model gave out: its logits were no numbers any more.
    pub stopped: Option<String>,
    /// What to go on from, of this stream alone, where the takes' state is to be saved.
    pub ending: Option<Box<SessionState>>,
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

/// Generates `config.samples` takes, each continuing `prompt` (which may be empty) by the length that `config` asks for.
///
/// The takes come ordered by log-likelihood, the likeliest first and equals by their number, unless `config.sort` is off.
/// `progress` is told how many positions of how many are done, the prompt's included: after every position, or after as many
/// of the prompt's as the engine absorbs at once. When `interrupt` is set, the takes end where they are and are returned; they
/// may then hold less than the prompt. When logits cease to be numbers after something was drawn, they end there, and say so
/// ([`Take::stopped`]).
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
    generate_from(engine, config, sound, Start { prompt, state: None }, interrupt, progress)
}

/// [`generate`] from a state, too: as many takes as it has, each going on as if it had never stopped.
///
/// # Errors
/// Those of [`generate`], and [`GenerateError::NoState`].
pub fn generate_from(
    engine: &mut dyn StepLogits,
    config: &GenerateConfig,
    sound: &Sound,
    start: Start<'_>,
    interrupt: &Interrupt,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Vec<Take>, GenerateError> {
    let job = Job::new(config, sound, start, engine.batch(), engine.levels())?;
    let mut part = Part::new(&job, 0..job.takes, engine, None)?;
    let mut position = 0;
    while position < job.total() && !interrupt.is_set() && !part.is_broken() {
        let next = job.next(position, part.absorbs_together(), 1);
        part.advance(&job, position..next)?;
        position = next;
        progress(position, job.total());
    }
    let mut takes = part.finish(&job)?;
    if config.retry > 0 {
        let mut alone = engine.another(1)?;
        takes.iter_mut().try_for_each(|take| retry::mend(&job, &mut *alone, take, interrupt))?;
    }
    Ok(choose(takes, config))
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
    generate_lowered_from(model, config, sound, Start { prompt, state: None }, threads, interrupt, progress)
}

/// [`generate_from`] with the engine.
///
/// # Errors
/// Those of [`generate`].
pub fn generate_lowered_from(
    model: &Lowered,
    config: &GenerateConfig,
    sound: &Sound,
    start: Start<'_>,
    threads: usize,
    interrupt: &Interrupt,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Vec<Take>, GenerateError> {
    let takes = start.takes(config);
    let job = Job::new(config, sound, start, takes, model.levels())?;
    let (heard, mut position) = match hear_once(model, &job, interrupt, progress)? {
        Some((state, position)) => (Some(state), position),
        None => (None, 0),
    };
    let (shares, each) = Lowered::shares(takes, threads);
    let firsts: Vec<usize> = (0..=shares).map(|share| share * takes / shares).collect();
    let mut engines: Vec<_> = firsts.windows(2).map(|ends| model.engine_on(ends[1] - ends[0], each)).collect();
    let parts = engines.iter_mut().zip(firsts.windows(2));
    let mut parts = parts
        .map(|(engine, ends)| Part::new(&job, ends[0]..ends[1], engine, heard.as_ref().map(|state| (state, position))))
        .collect::<Result<Vec<_>, _>>()?;
    let together = (LOOK_EVERY / takes).clamp(1, LOOK_EVERY);
    while position < job.total() && !interrupt.is_set() && !parts.iter().any(Part::is_broken) {
        let next = job.next(position, parts.first().map_or(1, Part::absorbs_together), together);
        if let [part] = &mut parts[..] {
            part.advance(&job, position..next)?;
        } else {
            parts.par_iter_mut().try_for_each(|part| part.advance(&job, position..next))?;
        }
        position = next;
        progress(position, job.total());
    }
    let mut takes = Vec::with_capacity(job.takes);
    for part in parts {
        takes.extend(part.finish(&job)?);
    }
    if config.retry > 0 {
        takes.par_iter_mut().try_for_each(|take| retry::mend(&job, &mut model.engine(1), take, interrupt))?;
    }
    Ok(choose(takes, config))
}

/// Tokens, over all takes, after which somebody may want to know or to stop: some milliseconds' worth.
const LOOK_EVERY: usize = 512;

/// A prompt that many takes begin with, heard by one of them for all: what they go on from, and how much of it was heard.
fn hear_once(
    model: &Lowered,
    job: &Job<'_>,
    interrupt: &Interrupt,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Option<(SessionState, usize)>, GenerateError> {
    if job.takes == 1 || job.start.state.is_some() || job.start.prompt.is_empty() {
        return Ok(None);
    }
    let mut engine = model.engine(1);
    let mut part = Part::new(job, 0..1, &mut engine, None)?;
    let mut position = 0;
    while position < job.start.prompt.len() && !interrupt.is_set() {
        let next = job.next(position, part.absorbs_together(), 1);
        part.advance(job, position..next)?;
        position = next;
        progress(position, job.total());
    }
    Ok(Some((part.state()?, position)))
}

/// Those that `config` keeps, in its order.
pub(super) fn choose(mut takes: Vec<Take>, config: &GenerateConfig) -> Vec<Take> {
    if let Some(keep) = config.keep {
        let each = |take: &Take| -take.bits_per_token();
        let mut order: Vec<usize> = (0..takes.len()).collect();
        order.sort_by(|&a, &b| each(&takes[a]).total_cmp(&each(&takes[b])));
        let Range { start, end } = keep.ranks(takes.len());
        let kept = &order[start..end];
        let mut number = 0..;
        takes.retain(|_| number.next().is_some_and(|number| kept.contains(&number)));
    }
    if config.sort {
        takes.sort_by(|a, b| b.log_likelihood.total_cmp(&a.log_likelihood)); // stable: equals stay by number
    }
    takes
}
