//! Takes in the making: some of the streams of a call, from its start on.

use std::ops::Range;

use super::take::Sums;
use super::{DrawPlan, GenerateConfig, GenerateError, Session, SessionState, Sound, StepLogits, Take};
use crate::options::Options;

/// Where takes begin: in silence or in a state, then with a prompt.
#[derive(Debug, Clone, Copy, Default)]
pub struct Start<'a> {
    /// What every take hears first; it may be empty.
    pub prompt: &'a [u16],
    /// What they go on from.
    pub state: Option<&'a SessionState>,
}

impl Start<'_> {
    /// How many takes that makes.
    #[must_use]
    pub fn takes(&self, config: &GenerateConfig) -> usize {
        self.state.map_or(config.samples, |state| state.voices.len())
    }
}

/// What one call has to do.
pub(super) struct Job<'a> {
    pub(super) config: &'a GenerateConfig,
    pub(super) sound: &'a Sound,
    pub(super) start: Start<'a>,
    pub(super) takes: usize,
    /// Tokens to draw for each take.
    pub(super) drawn: usize,
    pub(super) plan: DrawPlan,
}

impl<'a> Job<'a> {
    /// For an engine of `batch` streams over `levels`.
    pub(super) fn new(
        config: &'a GenerateConfig,
        sound: &'a Sound,
        start: Start<'a>,
        batch: usize,
        levels: usize,
    ) -> Result<Self, GenerateError> {
        config.validate()?;
        let drawn = config.tokens(sound.sample_rate)?;
        let takes = start.takes(config);
        if batch != takes {
            return Err(GenerateError::Batch { found: batch, needed: takes });
        }
        let quantizer = sound.quantizer.levels() as usize;
        if levels != quantizer {
            return Err(GenerateError::Levels { model: levels, quantizer });
        }
        let before = start.state.map_or(0, |state| state.drawn);
        Ok(Self { config, sound, start, takes, drawn, plan: config.drawing().resolved(before + drawn as u64) })
    }

    /// Positions of each take.
    pub(super) fn total(&self) -> usize {
        self.start.prompt.len() + self.drawn
    }

    /// Where to stop next: `absorbed` positions further within the prompt, `drawn` further after it.
    pub(super) fn next(&self, position: usize, absorbed: usize, drawn: usize) -> usize {
        let prompt = self.start.prompt.len();
        if position < prompt { (position + absorbed).min(prompt) } else { (position + drawn).min(self.total()) }
    }

    /// A second in samples.
    pub(super) fn second(&self) -> usize {
        (self.sound.sample_rate as usize).max(1)
    }
}

/// A take in the making.
#[derive(Default)]
pub(super) struct Making {
    pub(super) tokens: Vec<u16>,
    pub(super) seconds: Vec<Sums>,
}

impl Making {
    /// Counts a token that was drawn after `drawn` others of this call.
    pub(super) fn count(&mut self, token: u16, drawn: usize, second: usize, (log_probability, entropy): (f64, f64)) {
        self.tokens.push(token);
        if drawn.is_multiple_of(second) {
            self.seconds.push(Sums::default());
        }
        if let Some(sums) = self.seconds.last_mut() {
            sums.samples += 1;
            sums.log_likelihood += log_probability;
            sums.entropy += entropy;
        }
    }
}

impl Making {
    /// The take as it is.
    pub(super) fn into_take(self, job: &Job<'_>, stream: usize) -> Take {
        Take {
            stream,
            prompt: job.start.prompt.len().min(self.tokens.len()),
            log_likelihood: self.seconds.iter().map(|sums| sums.log_likelihood).sum(),
            entropy: self.seconds.iter().map(|sums| sums.entropy).sum(),
            seconds: self.seconds,
            retries: 0,
            stopped: None,
            ending: None,
            wave: job.sound.quantizer.decode(&self.tokens),
            tokens: self.tokens,
        }
    }
}

/// Some of the takes in the making.
pub(super) struct Part<'a, E: StepLogits + ?Sized> {
    session: Session<'a, E>,
    takes: Vec<Making>,
    streams: Vec<usize>,
    /// What ended it after something was drawn.
    broken: Option<GenerateError>,
}

impl<'a, E: StepLogits + ?Sized> Part<'a, E> {
    /// Streams `range` of the job. `heard`: the state of one that has heard so much of the prompt already.
    pub(super) fn new(
        job: &Job<'_>,
        range: Range<usize>,
        engine: &'a mut E,
        heard: Option<(&SessionState, usize)>,
    ) -> Result<Self, GenerateError> {
        let plan = job.plan.clone();
        let session = match (heard, job.start.state) {
            (Some((state, _)), _) => Session::resume(engine, plan, &state.for_streams(range.clone()))?,
            (None, Some(state)) => Session::resume(engine, plan, &state.part(range.clone()))?,
            (None, None) => {
                let zero = job.sound.quantizer.zero_level();
                Session::from_stream(range.start, engine, plan, job.config.seed(), zero)?
            }
        };
        let prompt = heard.map_or(&[][..], |(_, heard)| &job.start.prompt[..heard]);
        let make = |_| {
            let mut tokens = Vec::with_capacity(job.total());
            tokens.extend_from_slice(prompt);
            Making { tokens, seconds: Vec::new() }
        };
        let streams =
            session.voices().iter().map(|voice| usize::try_from(voice.stream).unwrap_or(usize::MAX)).collect();
        Ok(Self { takes: range.map(make).collect(), streams, session, broken: None })
    }

    /// See [`StepLogits::absorbs_together`].
    pub(super) fn absorbs_together(&self) -> usize {
        self.session.absorbs_together()
    }

    /// Those of the first take so far.
    pub(super) fn tokens(&self) -> &[u16] {
        self.takes.first().map_or(&[], |take| &take.tokens)
    }

    pub(super) fn state(&mut self) -> Result<SessionState, GenerateError> {
        self.session.state()
    }

    /// Whether the model gave out: nothing more will come.
    pub(super) fn is_broken(&self) -> bool {
        self.broken.is_some()
    }

    /// Settles the tokens of some positions.
    pub(super) fn advance(&mut self, job: &Job<'_>, positions: Range<usize>) -> Result<(), GenerateError> {
        let prompt = job.start.prompt;
        let given = positions.start.min(prompt.len())..positions.end.min(prompt.len());
        self.session.absorb_all(&prompt[given.clone()])?;
        self.takes.iter_mut().for_each(|take| take.tokens.extend_from_slice(&prompt[given.clone()]));
        for position in given.end.max(positions.start)..positions.end {
            match self.session.draw() {
                Err(error @ GenerateError::NotFinite { .. }) if position > prompt.len() => {
                    self.broken = Some(error);
                    break;
                }
                outcome => outcome.map(drop)?,
            }
            let settled = self.session.tokens().iter().zip(self.session.last());
            for (take, (&token, &last)) in self.takes.iter_mut().zip(settled) {
                take.count(token, position - prompt.len(), job.second(), last);
            }
        }
        Ok(())
    }

    /// The takes as they are.
    pub(super) fn finish(mut self, job: &Job<'_>) -> Result<Vec<Take>, GenerateError> {
        let mut endings = Vec::new();
        if job.config.save_state.is_some() && self.broken.is_none() {
            let state = self.session.state()?;
            endings.extend((0..self.takes.len()).map(|at| Some(Box::new(state.part(at..at + 1)))));
        }
        let stopped = self.broken.map(|error| error.to_string());
        let takes = self.streams.iter().zip(self.takes);
        let ending = endings.into_iter().chain(std::iter::repeat_with(|| None));
        let finished = takes.zip(ending).map(|((&stream, making), ending)| Take {
            stopped: stopped.clone(),
            ending,
            ..making.into_take(job, stream)
        });
        Ok(finished.collect())
    }
}
