//! The training loop: updates, validations, checkpoints, and every way of stopping.

use super::adamw::{AdamW, AdamWConstants, Rates};
use super::batches::{Batches, TokenBatch};
use super::evaluate::{baselines_of, chosen, score_windows};
use super::manifest::{Manifest, Progress};
use super::report::{EvalReport, Observer, Outcome, StepReport, Stop};
use super::rows;
use super::schedule::{Schedule, Validation};
use super::score::{TOP, hits, summed_nll};
use super::{TrainConfig, TrainError, checkpoint};
use crate::audio::{Corpus, Part};
use crate::experiment::RunDir;
use crate::interrupt::Interrupt;
use crate::metrics::{Baselines, Log, bits_per_byte};
use crate::model::{Model, Pass};
use crate::seed::Seed;
use std::path::PathBuf;
use std::time::Instant;
use tch::{Kind, Tensor};

/// Updates between readings of loss and gradient norm on a CUDA device, where each reading waits for the device to catch
/// up. On a CPU they are read at once: there is nothing to wait for, and a bad update is then never made.
const CUDA_READ_EVERY: usize = 16;

/// An update whose figures are still on the device.
struct Pending {
    report: StepReport,
    /// Loss, gradient norm and the hits of accuracy@k, `(6)` float64.
    figures: Tensor,
    /// Tokens of the update, if its hits were counted.
    scored: Option<u64>,
}

/// One sitting of training.
pub(super) struct Session<'a> {
    pub(super) model: &'a mut Model,
    pub(super) corpus: &'a Corpus,
    pub(super) config: &'a TrainConfig,
    pub(super) run: &'a RunDir,
    pub(super) observer: &'a mut dyn Observer,
    pub(super) interrupt: &'a Interrupt,
    optimizer: AdamW,
    batches: Batches,
    schedule: Schedule,
    total: u64,
    progress: Progress,
    eval_windows: Vec<usize>,
    baselines: Baselines,
    log: Option<Log>,
    began: Instant,
    /// Training time of earlier sittings, in seconds.
    before: f64,
    last_reading: Instant,
    pending: Vec<Pending>,
    last_loss: Option<f64>,
    last_eval: Option<EvalReport>,
    best_eval: Option<EvalReport>,
    saved: Option<u64>,
}

impl<'a> Session<'a> {
    /// Everything that can be refused is refused here, before the first update.
    pub(super) fn new(
        model: &'a mut Model,
        corpus: &'a Corpus,
        config: &'a TrainConfig,
        run: &'a RunDir,
        observer: &'a mut dyn Observer,
        interrupt: &'a Interrupt,
    ) -> Result<Self, TrainError> {
        let batches = Batches::new(Seed(config.seed), corpus.train().windows(), config.batch, config.accumulate)?;
        let total = config.steps.unwrap_or_else(|| config.epochs.saturating_mul(batches.steps_per_epoch()));
        let eval_windows = chosen(corpus.val(), config.eval_windows);
        let baselines = baselines_of(corpus, Part::Val, &eval_windows)?;
        let constants = AdamWConstants { beta1: config.beta1, beta2: config.beta2, eps: config.eps };
        let optimizer = AdamW::new(model.params(), constants)?;
        let now = Instant::now();
        Ok(Self {
            model,
            corpus,
            config,
            run,
            observer,
            interrupt,
            optimizer,
            batches,
            schedule: config.schedule.resolved(total),
            total,
            progress: Progress::default(),
            eval_windows,
            baselines,
            log: None,
            began: now,
            before: 0.0,
            last_reading: now,
            pending: Vec::new(),
            last_loss: None,
            last_eval: None,
            best_eval: None,
            saved: None,
        })
    }

    /// Begins a new run: an empty log, and a checkpoint of the initial weights, so that a disk without room is found now
    /// and there is always a checkpoint to name. A run that was `recorded` but died before its first checkpoint begins anew.
    pub(super) fn begin(&mut self, recorded: bool) -> Result<(), TrainError> {
        let anew = recorded && self.run.metrics_path().is_file();
        let folder = self.run.path();
        self.log = Some(if anew { Log::reopen(folder, Some(0))? } else { Log::create(folder)? });
        self.save_last()
    }

    /// Takes up a run where its last checkpoint left it; rows of later steps are about to be written again.
    pub(super) fn take_up(&mut self, checkpoint: &checkpoint::Checkpoint) -> Result<(), TrainError> {
        checkpoint.load_into(self.model)?;
        // The weights may be in tensors of their own now: give them back to the flat storage before the moments.
        let constants = AdamWConstants { beta1: self.config.beta1, beta2: self.config.beta2, eps: self.config.eps };
        self.optimizer = AdamW::new(self.model.params(), constants)?;
        self.optimizer.load_state(&checkpoint.moments)?;
        self.progress = checkpoint.manifest.progress.clone();
        self.before = self.progress.wall_seconds;
        self.saved = Some(self.progress.step);
        let log = Log::reopen(self.run.path(), Some(self.progress.step))?;
        if let Some(torn) = log.torn() {
            self.observer.on_note(&torn.to_string());
        }
        if let Some(best) = self.progress.best() {
            let levels = self.corpus.quantizer().levels();
            self.best_eval = rows::to_eval(&log.frame()?, best, self.eval_windows.len(), levels, self.baselines);
        }
        self.log = Some(log);
        Ok(())
    }

    /// Trains until there is a reason to stop, then saves.
    pub(super) fn train(mut self) -> Result<Outcome, TrainError> {
        self.observer.on_begin(self.progress.step, self.total);
        (self.began, self.last_reading) = (Instant::now(), Instant::now());
        let stop = loop {
            let step = self.progress.step;
            if step > 0 && self.validation_is_due(step) {
                match self.validate(true) {
                    Err(TrainError::Interrupted { .. }) => break Stop::Interrupted,
                    other => other?,
                }
            }
            let finished = self.reason_to_stop();
            if step > 0 && self.saved != Some(step) && (finished.is_some() || self.checkpoint_is_due(step)) {
                self.save_last()?;
            }
            match finished {
                Some(stop) => break stop,
                None => self.update()?,
            }
        };
        self.finish(stop)
    }

    fn reason_to_stop(&self) -> Option<Stop> {
        if self.progress.step >= self.total {
            Some(Stop::Finished)
        } else if self.config.early_stop.is_some_and(|patience| self.progress.since_best() >= patience) {
            Some(Stop::EarlyStopped)
        } else if self.interrupt.is_set() {
            Some(Stop::Interrupted)
        } else if self.config.max_seconds.is_some_and(|limit| self.began.elapsed().as_secs_f64() >= limit) {
            Some(Stop::TimeUp)
        } else {
            None
        }
    }

    fn every_validation(&self) -> u64 {
        if self.config.eval_every == 0 { self.batches.steps_per_epoch() } else { self.config.eval_every }
    }

    fn validation_is_due(&self, step: u64) -> bool {
        let done = self.progress.validations.last().is_some_and(|seen| seen.step == step);
        !done && (step >= self.total || step.is_multiple_of(self.every_validation()))
    }

    fn checkpoint_is_due(&self, step: u64) -> bool {
        let every = self.config.checkpoint_every;
        step.is_multiple_of(self.every_validation()) || (every > 0 && step.is_multiple_of(every))
    }

    /// The factor and the learning rate of the update that follows `step` finished ones.
    fn rates_at(&self, step: u64) -> Rates {
        let factor = self.schedule.at(step, &self.progress.validations);
        Rates {
            lr: self.config.lr * factor,
            ssm_lr: self.config.ssm_lr * factor,
            weight_decay: self.config.weight_decay,
        }
    }

    /// One update.
    fn update(&mut self) -> Result<(), TrainError> {
        let step = self.progress.step;
        let rates = self.rates_at(step);
        let scored = self.config.accuracy_every > 0 && (step + 1).is_multiple_of(self.config.accuracy_every);
        self.optimizer.zero_gradient()?;
        let (loss, tokens, hits) = self.gradient_at(step, scored)?;
        let norm = self.optimizer.gradient_norm()?;
        let pair = Tensor::f_stack(&[loss.f_to_kind(Kind::Double)?, norm.f_to_kind(Kind::Double)?], 0)?;
        let figures = Tensor::f_cat(&[pair, hits], 0)?;
        self.progress.tokens += tokens;
        let report = self.blank_report(step + 1, rates.lr, tokens);
        self.pending.push(Pending { report, figures, scored: scored.then_some(tokens) });
        if !self.model.device().is_cuda() || self.pending.len() >= CUDA_READ_EVERY {
            self.read_figures()?;
        }
        if let Some(limit) = self.config.clip {
            self.optimizer.clip(&norm, limit)?;
        }
        self.optimizer.step(rates)?;
        self.progress.step = step + 1;
        Ok(())
    }

    /// Gathers the gradient of the mean loss over all windows of an update; returns the loss `()`, the tokens that it is
    /// the mean over, and their hits `(4)`, which stay 0 unless they are to be counted.
    fn gradient_at(&mut self, step: u64, scored: bool) -> Result<(Tensor, u64, Tensor), TrainError> {
        let (corpus, window, device) = (self.corpus, self.corpus.config().window, self.model.device());
        let indices = self.batches.batch_at(step);
        let tokens: u64 = indices.iter().map(|&index| corpus.train().window(index).len() as u64).sum();
        let mut total = Tensor::f_zeros([TOP.len() as i64], (Kind::Double, device))?;
        let mut sum: Option<Tensor> = None;
        for (pass_number, chunk) in indices.chunks(self.config.batch).enumerate() {
            let batch = TokenBatch::new(corpus.train(), chunk, corpus.quantizer(), window, device)?;
            let counter = step * self.config.accumulate as u64 + pass_number as u64;
            let mut pass = Pass::train(Seed(self.config.seed), counter);
            let logits = self.model.forward(&batch.inputs, &mut pass)?;
            // Divided by the tokens of the whole update, so that passes of short windows weigh what they hold.
            #[expect(clippy::cast_precision_loss, reason = "counts of tokens stay far below 2^53")]
            let loss = summed_nll(&logits, &batch.targets)?.f_div_scalar(tokens as f64)?;
            pass.backward(&loss)?;
            if scored {
                total = total.f_add(&hits(&logits, &batch.targets)?)?;
            }
            let loss = loss.f_detach()?;
            sum = Some(match sum {
                Some(sum) => sum.f_add(&loss)?,
                None => loss,
            });
        }
        let loss = sum.unwrap_or_else(|| Tensor::from(f64::NAN));
        Ok((loss, tokens, total))
    }

    /// A report without the figures that are still on the device.
    fn blank_report(&self, step: u64, lr: f64, tokens: u64) -> StepReport {
        StepReport {
            step,
            total: self.total,
            epoch: self.epoch(step),
            tokens: self.progress.tokens,
            loss: f64::NAN,
            bits_per_byte: f64::NAN,
            accuracy: None,
            lr,
            grad_norm: f64::NAN,
            #[expect(clippy::cast_precision_loss, reason = "counts of tokens stay far below 2^53")]
            samples_per_second: tokens as f64, // divided by the time when it is known
            wall_seconds: 0.0,
        }
    }

    /// Reads the figures of all pending updates at once, writes their rows, and stops at the first that is not finite.
    fn read_figures(&mut self) -> Result<(), TrainError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let pending = std::mem::take(&mut self.pending);
        let figures: Vec<&Tensor> = pending.iter().map(|pending| &pending.figures).collect();
        let table: Vec<Vec<f64>> = Vec::try_from(&Tensor::f_stack(&figures, 0)?)?; // (updates, 6)
        #[expect(clippy::cast_precision_loss, reason = "a handful of updates")]
        let seconds = self.last_reading.elapsed().as_secs_f64() / pending.len() as f64;
        self.last_reading = Instant::now();
        let wall_seconds = self.wall_seconds();
        for (Pending { mut report, scored, .. }, row) in pending.into_iter().zip(table) {
            (report.loss, report.grad_norm) = (row[0], row[1]);
            #[expect(clippy::cast_precision_loss, reason = "counts of tokens stay far below 2^53")]
            let share = |tokens: u64| [2, 3, 4, 5].map(|at| row[at] / tokens as f64);
            report.accuracy = scored.map(share);
            report.bits_per_byte = bits_per_byte(report.loss, self.corpus.quantizer().levels());
            report.samples_per_second /= seconds.max(f64::MIN_POSITIVE);
            report.wall_seconds = wall_seconds;
            self.append(&rows::of_step(&report))?;
            self.last_loss = Some(report.loss);
            self.observer.on_step(&report);
            for (what, value) in [("loss", report.loss), ("norm of the gradient", report.grad_norm)] {
                if !value.is_finite() {
                    return Err(self.not_finite(what, value, report.step, report.lr));
                }
            }
        }
        Ok(())
    }

    fn not_finite(&self, what: &'static str, value: f64, step: u64, lr: f64) -> TrainError {
        let last = self.run.checkpoint("last");
        TrainError::NotFinite { what, value, step, lr, checkpoint: last.is_file().then_some(last) }
    }

    fn append(&mut self, row: &crate::metrics::Row) -> Result<(), TrainError> {
        self.log.as_mut().map_or(Ok(()), |log| Ok(log.append(row)?))
    }

    /// Scores the validation windows, writes the row, and saves the best weights. One that is not `due` steers nothing.
    fn validate(&mut self, due: bool) -> Result<(), TrainError> {
        self.read_figures()?;
        let observer = &mut *self.observer;
        let evaluation = score_windows(
            self.model,
            self.corpus,
            Part::Val,
            &self.eval_windows,
            self.config.batch,
            self.baselines,
            self.interrupt,
            &mut |done, total| observer.on_eval_progress(done, total),
        )?;
        let step = self.progress.step;
        let lr = self.rates_at(step.saturating_sub(1)).lr;
        if !evaluation.nll.is_finite() {
            return Err(self.not_finite("validation loss", evaluation.nll, step, lr));
        }
        let best = self.progress.best().is_none_or(|best| evaluation.nll < best.nll);
        let validations = if due { &mut self.progress.validations } else { &mut self.progress.extra };
        validations.push(Validation { step, nll: evaluation.nll });
        let (tokens, wall_seconds) = (self.progress.tokens, self.wall_seconds());
        let report = EvalReport { step, epoch: self.epoch(step), tokens, lr, evaluation, best, wall_seconds };
        self.append(&rows::of_eval(&report))?;
        if best {
            let manifest = self.manifest();
            checkpoint::save(&self.run.checkpoint("best"), self.model, None, &manifest)?;
            self.best_eval = Some(report.clone());
        }
        self.observer.on_eval(&report);
        self.last_eval = Some(report);
        self.last_reading = Instant::now(); // an update's speed does not include the validation before it
        Ok(())
    }

    fn manifest(&mut self) -> Manifest {
        self.progress.wall_seconds = self.wall_seconds();
        let epoch = self.epoch(self.progress.step);
        Manifest::new(self.model, self.corpus, self.config.seed, epoch, &self.progress)
    }

    fn save_last(&mut self) -> Result<(), TrainError> {
        // What is saved has been seen to be finite.
        self.read_figures()?;
        let manifest = self.manifest();
        checkpoint::save(&self.run.checkpoint("last"), self.model, Some(&self.optimizer), &manifest)?;
        self.saved = Some(self.progress.step);
        self.last_reading = Instant::now();
        Ok(())
    }

    fn finish(mut self, stop: Stop) -> Result<Outcome, TrainError> {
        if self.saved != Some(self.progress.step) {
            self.save_last()?;
        }
        if stop == Stop::TimeUp && self.progress.current().is_none() {
            match self.validate(false) {
                Ok(()) | Err(TrainError::Interrupted { .. }) => self.save_last()?,
                Err(error) => return Err(error),
            }
        }
        if let Some(log) = &self.log {
            log.compact()?;
        }
        let best: PathBuf = self.run.checkpoint("best");
        let steps = self.progress.step;
        Ok(Outcome {
            stop,
            steps,
            epoch: self.epoch(steps),
            tokens: self.progress.tokens,
            last_loss: self.last_loss,
            wall_seconds: self.wall_seconds(),
            last: self.last_eval,
            best: self.best_eval,
            run: self.run.path().to_owned(),
            last_checkpoint: self.run.checkpoint("last"),
            best_checkpoint: best.is_file().then_some(best),
        })
    }

    #[expect(clippy::cast_precision_loss, reason = "numbers of updates stay far below 2^53")]
    fn epoch(&self, step: u64) -> f64 {
        step as f64 / self.batches.steps_per_epoch() as f64
    }

    fn wall_seconds(&self) -> f64 {
        self.before + self.began.elapsed().as_secs_f64()
    }
}
