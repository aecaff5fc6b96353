//! A take as it is made: an iterator of chunks, for a player, a pipe, a page.

use super::making::{Job, Part};
use super::{GenerateConfig, GenerateError, Sound, Start, StepLogits, Take};
use crate::interrupt::Interrupt;

/// Some of a take's sound.
#[derive(Debug, Clone, PartialEq)]
pub struct Chunk {
    /// What was drawn.
    pub tokens: Vec<u16>,
    /// The same as sound, within -1 to 1.
    pub wave: Vec<f32>,
}

/// One take, chunk by chunk. The first one comes after the prompt has been heard, which is not part of any.
///
/// It ends where the take does, where it is interrupted, and after an error.
pub struct Chunks<'a, E: StepLogits + ?Sized> {
    job: Job<'a>,
    part: Part<'a, E>,
    size: usize,
    position: usize,
    interrupt: Interrupt,
    failed: bool,
}

impl<'a, E: StepLogits + ?Sized> Chunks<'a, E> {
    /// The take that `config` asks for, `size` samples at a time, from `engine`, which steps one stream.
    ///
    /// # Errors
    /// Those of [`generate`](super::generate()), and [`GenerateError::ManyTakes`]. `retry` and `keep` look back, and so are
    /// of no use here.
    pub fn new(
        engine: &'a mut E,
        config: &'a GenerateConfig,
        sound: &'a Sound,
        start: Start<'a>,
        size: usize,
        interrupt: &Interrupt,
    ) -> Result<Self, GenerateError> {
        let takes = start.takes(config);
        if takes != 1 {
            return Err(GenerateError::ManyTakes(takes));
        }
        let job = Job::new(config, sound, start, engine.batch(), engine.levels())?;
        let part = Part::new(&job, 0..1, engine, None)?;
        Ok(Self { job, part, size: size.max(1), position: 0, interrupt: interrupt.clone(), failed: false })
    }

    /// Samples that all chunks have together, if nothing comes between.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.job.drawn
    }

    /// Whether anything was drawn.
    #[must_use]
    pub fn is_begun(&self) -> bool {
        self.position > self.job.start.prompt.len()
    }

    /// The take as far as it has come, prompt included.
    ///
    /// # Errors
    /// [`GenerateError::NoState`] when its state is to be saved, and the engine keeps it to itself.
    pub fn finish(self) -> Result<Option<Take>, GenerateError> {
        Ok(self.part.finish(&self.job)?.pop())
    }

    fn advance(&mut self) -> Result<Option<Chunk>, GenerateError> {
        let prompt = self.job.start.prompt.len();
        loop {
            if self.position >= self.job.total() || self.interrupt.is_set() {
                return Ok(None);
            }
            let next = self.job.next(self.position, self.part.absorbs_together(), self.size);
            self.part.advance(&self.job, self.position..next)?;
            let begun = self.position;
            self.position = next;
            if begun >= prompt {
                let tokens = self.part.tokens().get(begun..).unwrap_or_default().to_vec();
                let wave = self.job.sound.quantizer.decode(&tokens);
                if self.part.is_broken() {
                    self.position = self.job.total();
                }
                return Ok(Some(Chunk { tokens, wave }).filter(|chunk| !chunk.tokens.is_empty()));
            }
        }
    }
}

impl<E: StepLogits + ?Sized> Iterator for Chunks<'_, E> {
    type Item = Result<Chunk, GenerateError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let chunk = self.advance();
        self.failed = chunk.is_err();
        chunk.transpose()
    }
}
