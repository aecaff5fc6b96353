//! One update: its gradient, its figures, and who hears of them.

use super::ahead::Asked;
use super::batches::TokenRows;
use super::report::StepReport;
use super::score::{TOP, hits};
use super::session::Session;
use super::{Memory, TrainError};
use crate::metrics::bits_per_byte;
use crate::model::Pass;
use crate::seed::Seed;
use std::time::Instant;
use tch::{Kind, Tensor};

/// Updates between readings of loss and gradient norm on a CUDA device, where each reading waits for the device to catch
/// up. On a CPU they are read at once: there is nothing to wait for, and a bad update is then never made.
const CUDA_READ_EVERY: usize = 16;

/// An update whose figures are still on the device.
pub(super) struct Pending {
    report: StepReport,
    /// Loss, gradient norm and the hits of accuracy@k, `(6)` float64.
    figures: Tensor,
    /// Tokens of the update, if its hits were counted.
    scored: Option<u64>,
}

/// What an update sees.
struct Seen {
    /// Each window and where its piece begins.
    pieces: Vec<(usize, usize)>,
    /// Tokens of a piece, at most.
    window: usize,
    /// Tokens in all of them.
    tokens: u64,
    /// In place of the blocks' own.
    dropout: Option<f64>,
}

impl Seen {
    /// What each pass of `batch` windows is made of.
    fn passes(&self, batch: usize) -> Vec<Asked> {
        let asked = |chunk: &[(usize, usize)]| Asked { pieces: chunk.to_vec(), window: self.window };
        self.pieces.chunks(batch).map(asked).collect()
    }
}

impl Session<'_> {
    /// One update.
    pub(super) fn update(&mut self) -> Result<(), TrainError> {
        let step = self.progress.step;
        let rates = self.rates_at(step);
        let scored = self.config.accuracy_every > 0 && (step + 1).is_multiple_of(self.config.accuracy_every);
        let seen = self.seen_at(step);
        self.optimizer.zero_gradient()?;
        let (loss, hits) = self.gradient_at(step, &seen, scored)?;
        let norm = self.optimizer.gradient_norm()?;
        let pair = Tensor::f_stack(&[loss.f_to_kind(Kind::Double)?, norm.f_to_kind(Kind::Double)?], 0)?;
        let figures = Tensor::f_cat(&[pair, hits], 0)?;
        self.progress.tokens += seen.tokens;
        let report = self.blank_report(step + 1, rates.lr, &seen);
        self.pending.push(Pending { report, figures, scored: scored.then_some(seen.tokens) });
        if self.must_read(step + 1) {
            // The rates of this update are taken: a wish counts from the next one on.
            self.read_figures(step + 1)?;
        }
        if let Some(limit) = self.config.clip {
            self.optimizer.clip(&norm, limit)?;
        }
        self.optimizer.step(rates)?;
        self.progress.step = step + 1;
        Ok(())
    }

    /// Whether the figures up to update `step` must be read now.
    fn must_read(&self, step: u64) -> bool {
        let asked = || self.observer.figures_every().is_some_and(|every| step.is_multiple_of(every.max(1)));
        !self.model.device().is_cuda() || self.pending.len() >= CUDA_READ_EVERY || asked()
    }

    /// What the update that follows `step` finished ones trains on.
    fn seen_at(&mut self, step: u64) -> Seen {
        let (train, whole) = (self.corpus.train(), self.corpus.config().window);
        let window = self.curriculum.window_at(step, &self.progress.validations).unwrap_or(whole);
        let dropout = self.curriculum.dropout_at(step, &self.progress.validations);
        let indices = self.batches.batch_at(step);
        let lengths = || indices.iter().map(|&index| train.window(index).len());
        let starts = if self.curriculum.is_cut(window) {
            self.curriculum.cuts(step, window, lengths())
        } else {
            vec![0; indices.len()]
        };
        let tokens = lengths().map(|length| length.min(window) as u64).sum();
        Seen { pieces: indices.iter().copied().zip(starts).collect(), window, tokens, dropout }
    }

    /// The rows of the passes of an update, made ahead where that was foreseen; those of the next update are asked for.
    fn rows_of(&mut self, step: u64, seen: &Seen) -> Vec<TokenRows> {
        let (train, quantizer) = (self.corpus.train(), self.corpus.quantizer());
        let passes = seen.passes(self.config.batch);
        let Some(mut ahead) = self.ahead.take() else {
            return passes.iter().map(|pass| TokenRows::cut(train, &pass.pieces, quantizer, pass.window)).collect();
        };
        let rows = |pass: &Asked| {
            ahead.take(pass).unwrap_or_else(|| TokenRows::cut(train, &pass.pieces, quantizer, pass.window))
        };
        let rows = passes.iter().map(rows).collect();
        if step + 1 < self.total {
            // As things stand: a validation before it may have its windows cut otherwise, and then they are made anew.
            ahead.ask(self.seen_at(step + 1).passes(self.config.batch));
        }
        self.ahead = Some(ahead);
        rows
    }

    /// Gathers the gradient of the mean loss over all windows of an update; returns the loss `()` and the hits `(4)`, which
    /// stay 0 unless they are to be counted.
    fn gradient_at(&mut self, step: u64, seen: &Seen, scored: bool) -> Result<(Tensor, Tensor), TrainError> {
        let device = self.model.device();
        let mut total = Tensor::f_zeros([TOP.len() as i64], (Kind::Double, device))?;
        let mut sum: Option<Tensor> = None;
        let made = self.rows_of(step, seen);
        for (pass_number, rows) in made.into_iter().enumerate() {
            let batch = rows.to_tensors(device)?;
            let counter = step * self.config.accumulate as u64 + pass_number as u64;
            let mut pass =
                Pass::train(Seed(self.config.seed), counter).with_dropout(seen.dropout).heeding(self.interrupt);
            if self.config.memory == Memory::Recompute {
                pass = pass.recomputing();
            }
            let mut count = |logits: &Tensor, targets: &Tensor| -> Result<(), TrainError> {
                if scored {
                    let _ = total.f_add_(&hits(logits, targets)?)?;
                }
                Ok(())
            };
            let nll = self.model.summed_nll(&batch.inputs, &batch.targets, &mut pass, &mut count)?;
            // Divided by the tokens of the whole update, so that passes of short windows weigh what they hold.
            #[expect(clippy::cast_precision_loss, reason = "counts of tokens stay far below 2^53")]
            let loss = nll.f_div_scalar(seen.tokens as f64)?;
            pass.backward(&loss)?;
            let loss = loss.f_detach()?;
            sum = Some(match sum {
                Some(sum) => sum.f_add(&loss)?,
                None => loss,
            });
        }
        let loss = sum.unwrap_or_else(|| Tensor::from(f64::NAN));
        Ok((loss, total))
    }

    /// A report without the figures that are still on the device.
    fn blank_report(&self, step: u64, lr: f64, seen: &Seen) -> StepReport {
        StepReport {
            step,
            total: self.total,
            epoch: self.epoch(step),
            tokens: self.progress.tokens,
            loss: f64::NAN,
            bits_per_byte: f64::NAN,
            accuracy: None,
            lr,
            dropout: seen.dropout,
            window: self.config.window.as_ref().map(|_| seen.window),
            grad_norm: f64::NAN,
            #[expect(clippy::cast_precision_loss, reason = "counts of tokens stay far below 2^53")]
            samples_per_second: seen.tokens as f64, // divided by the time when it is known
            wall_seconds: 0.0,
        }
    }

    /// Reads the figures of all pending updates at once, tells the observer, writes their rows, and stops at the first that
    /// is not finite. `next` is the first update whose rates can still be changed.
    pub(super) fn read_figures(&mut self, next: u64) -> Result<(), TrainError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let pending = std::mem::take(&mut self.pending);
        let figures: Vec<&Tensor> = pending.iter().map(|pending| &pending.figures).collect();
        let table: Vec<Vec<f64>> = Vec::try_from(&Tensor::f_stack(&figures, 0)?)?; // (updates, 6)
        #[expect(clippy::cast_precision_loss, reason = "a handful of updates")]
        let seconds = self.last_reading.elapsed().as_secs_f64() / pending.len() as f64;
        let wall_seconds = self.wall_seconds();
        for (Pending { mut report, scored, .. }, row) in pending.into_iter().zip(table) {
            (report.loss, report.grad_norm) = (row[0], row[1]);
            #[expect(clippy::cast_precision_loss, reason = "counts of tokens stay far below 2^53")]
            let share = |tokens: u64| [2, 3, 4, 5].map(|at| row[at] / tokens as f64);
            report.accuracy = scored.map(share);
            report.bits_per_byte = bits_per_byte(report.loss, self.corpus.quantizer().levels());
            report.samples_per_second /= seconds.max(f64::MIN_POSITIVE);
            report.wall_seconds = wall_seconds;
            self.last_loss = Some(report.loss);
            self.curve.push(report.bits_per_byte);
            self.tell(next, |observer, control| observer.on_step(&report, control));
            self.append(report.row())?;
            for (what, value) in [("loss", report.loss), ("norm of the gradient", report.grad_norm)] {
                if !value.is_finite() {
                    return Err(self.not_finite(what, value, report.step, report.lr));
                }
            }
        }
        self.last_reading = Instant::now(); // an update's speed does not include what observers did after the one before
        Ok(())
    }
}
