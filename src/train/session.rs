//! The training loop: when to update, validate, save and stop. `update` and `validate` hold what it does then.

use super::adamw::{AdamW, AdamWConstants, Rates};
use super::ahead::Ahead;
use super::batches::Batches;
use super::curriculum::Curriculum;
use super::curve::Curve;
use super::evaluate::{baselines_of, chosen};
use super::manifest::{Manifest, Progress};
use super::report::{EvalReport, Observer, Outcome, Stop};
use super::room::explained;
use super::settings::jumps;
use super::update::Pending;
use super::{Control, TrainConfig, TrainError, checkpoint, rows};
use crate::audio::{Corpus, Part};
use crate::experiment::{RunDir, State, Status, make_way};
use crate::interrupt::Interrupt;
use crate::metrics::{Baselines, Frame, Log, MetricsError, PARQUET_NAME, Row, bits_per_byte, columns};
use crate::model::Model;
use crate::schedule::Schedule;
use crate::seed::Seed;
use std::path::PathBuf;
use std::time::Instant;

/// One sitting of training.
pub(super) struct Session<'a> {
    pub(super) model: &'a mut Model,
    pub(super) corpus: &'a Corpus,
    pub(super) config: &'a TrainConfig,
    pub(super) run: &'a RunDir,
    pub(super) observer: &'a mut dyn Observer,
    pub(super) interrupt: &'a Interrupt,
    pub(super) optimizer: AdamW,
    pub(super) batches: Batches,
    /// The thread that makes batches while [`Session::train`] runs.
    pub(super) ahead: Option<Ahead>,
    pub(super) schedule: Schedule,
    pub(super) curriculum: Curriculum,
    pub(super) total: u64,
    pub(super) progress: Progress,
    pub(super) control: Control,
    pub(super) eval_windows: Vec<usize>,
    pub(super) baselines: Baselines,
    /// What is validated while training windows are shorter than the corpus's: see [`Session::validate`].
    pub(super) twin: Option<Model>,
    log: Option<Log>,
    began: Instant,
    /// Training time of earlier sittings, in seconds.
    before: f64,
    pub(super) last_reading: Instant,
    pub(super) pending: Vec<Pending>,
    pub(super) last_loss: Option<f64>,
    pub(super) last_eval: Option<EvalReport>,
    pub(super) best_eval: Option<EvalReport>,
    pub(super) curve: Curve,
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
        let seed = Seed(config.seed);
        let batches = Batches::new(seed, corpus.train().windows(), config.batch, config.accumulate)?;
        let total = config.total(batches.steps_per_epoch());
        let eval_windows = chosen(corpus.val(), config.eval_windows);
        let baselines = baselines_of(corpus, Part::Val, &eval_windows)?;
        let constants = AdamWConstants { beta1: config.beta1, beta2: config.beta2, eps: config.eps };
        let optimizer = AdamW::new(model.params(), constants)?;
        let product = usize::try_from(model.spec().pool_product()).unwrap_or(1);
        let (dropout, window) = (config.dropout.as_ref(), config.window.as_ref());
        let curriculum = Curriculum::new(seed, dropout, window, total, corpus.config().window, product);
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
            ahead: None,
            schedule: config.schedule.resolved(total),
            curriculum,
            total,
            progress: Progress::default(),
            control: Control::default(),
            eval_windows,
            baselines,
            twin: None,
            log: None,
            began: now,
            before: 0.0,
            last_reading: now,
            pending: Vec::new(),
            last_loss: None,
            last_eval: None,
            best_eval: None,
            curve: Curve::default(),
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
        // A fork may have left them behind on purpose: then they begin at zero.
        if !checkpoint.moments.is_empty() {
            self.optimizer.load_state(&checkpoint.moments)?;
        }
        self.progress = checkpoint.manifest.progress.clone();
        self.before = self.progress.wall_seconds;
        self.saved = Some(self.progress.step);
        let log = self.reopen_log()?;
        self.look_back(&log.frame()?);
        self.log = Some(log);
        self.write_status(State::Running, None)
    }

    /// The log up to the checkpoint's step; one that is damaged is mended, and the observer is told.
    fn reopen_log(&mut self) -> Result<Log, TrainError> {
        let (folder, step) = (self.run.path(), self.progress.step);
        let log = match Log::reopen(folder, Some(step)) {
            Ok(log) => log,
            Err(error @ (MetricsError::Line { .. } | MetricsError::Io { action: "read", .. })) => {
                let (log, told) = Log::mend(folder, Some(step))?;
                self.observer.on_note(&format!("the run goes on with what can be read of its metrics: {error}"));
                told.iter().for_each(|note| self.observer.on_note(note));
                log
            }
            Err(error) => return Err(error.into()),
        };
        if let Some(torn) = log.torn() {
            self.observer.on_note(&torn.to_string());
        }
        let last = log.frame()?.last_number(columns::STEP).unwrap_or(0.0);
        #[expect(clippy::cast_precision_loss, reason = "numbers of updates stay far below 2^53")]
        if last < step as f64 {
            self.observer.on_note(&format!(
                "{} ends at step {last}, and the checkpoint is of step {step}: the rows between are lost",
                log.path().display()
            ));
        }
        Ok(log)
    }

    /// What earlier sittings have to say: the best validation, the curve so far, the kinds of observers' columns.
    fn look_back(&mut self, log: &Frame) {
        if let Some(best) = self.progress.best() {
            let levels = self.corpus.quantizer().levels();
            let windows = self.eval_windows.len();
            self.best_eval = rows::to_eval(log, best, self.total, windows, levels, self.baselines);
        }
        let updates = log.rows_where(columns::SPLIT, columns::TRAIN).ok();
        let bits = updates.as_ref().and_then(|updates| updates.numbers(columns::BITS_PER_BYTE)).unwrap_or_default();
        bits.into_iter().for_each(|bits| self.curve.push(bits));
        for column in log.columns() {
            if let Some(value) = (0..log.height()).find_map(|row| log.get(column, row)) {
                self.control.remember(column, &value);
            }
        }
    }

    /// Tells the observer of a run that was taken up what jumps because its settings are not the `former` ones, or that there
    /// is nothing left to do.
    pub(super) fn tell_what_changes(&mut self, former: Option<&TrainConfig>) {
        let (step, per_epoch) = (self.progress.step, self.batches.steps_per_epoch());
        if step >= self.total {
            let (name, more) = (self.run.name(), step.saturating_mul(2).max(1));
            self.observer.on_note(&format!(
                "{name} has done all of its {step} steps: nothing is left to do; more are made with resume(#{{ steps: {more} }})"
            ));
        } else if let Some(patience) = self.config.early_stop.filter(|patience| self.progress.since_best() >= *patience)
        {
            self.observer.on_note(&format!(
                "{} stopped early, after {patience} validations without a better one: it goes on with another `early_stop`, or \
                 with () for none",
                self.run.name()
            ));
        } else if let Some(former) = former {
            let jumps = jumps(former, self.config, per_epoch, step, &self.progress.validations);
            jumps.iter().for_each(|note| self.observer.on_note(note));
        }
    }

    /// Trains until there is a reason to stop, then saves; whoever insists on an end gets it unsaved, and what the last
    /// checkpoint holds stays.
    pub(super) fn train(mut self) -> Result<Outcome, TrainError> {
        let corpus = self.corpus;
        std::thread::scope(|scope| {
            // Without a thread to spare, batches are made when they are needed.
            self.ahead = Ahead::start(scope, corpus.train(), corpus.quantizer()).ok();
            self.train_to_the_end()
        })
    }

    fn train_to_the_end(mut self) -> Result<Outcome, TrainError> {
        self.observer.on_begin(self.run.path(), self.progress.step, self.total);
        (self.began, self.last_reading) = (Instant::now(), Instant::now());
        let stop = loop {
            let step = self.progress.step;
            if step > 0 && self.validation_is_due(step) {
                match self.validate(true) {
                    Err(TrainError::Interrupted { .. }) => break Stop::Interrupted,
                    other => other?,
                }
            }
            if self.interrupt.is_urgent() {
                return Err(TrainError::Interrupted { during: "training" });
            }
            let finished = self.reason_to_stop();
            if step > 0 && self.saved != Some(step) && (finished.is_some() || self.checkpoint_is_due(step)) {
                self.save_last()?;
            }
            match finished {
                Some(stop) => break stop,
                None => {
                    self.update().map_err(|error| explained(error, self.model, self.corpus, self.config, step + 1))?
                }
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
        } else if self.control.stopped().is_some() {
            Some(Stop::ByScript)
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

    /// The learning rates of the update that follows `step` finished ones, as settings and schedule have them.
    pub(super) fn planned_rates(&self, step: u64) -> Rates {
        let factor = self.schedule.at(step, &self.progress.validations);
        Rates {
            lr: self.config.lr * factor,
            ssm_lr: self.config.ssm_lr * factor,
            weight_decay: self.config.weight_decay,
        }
    }

    /// The same with what observers have multiplied them by.
    pub(super) fn rates_at(&self, step: u64) -> Rates {
        let (planned, factor) = (self.planned_rates(step), self.progress.rate_factor(step));
        Rates { lr: planned.lr * factor, ssm_lr: planned.ssm_lr * factor, ..planned }
    }

    /// Has an observer told something, and hears its wishes; `next` is the first update whose rates can still be changed, by
    /// the number of those before it.
    pub(super) fn tell(&mut self, next: u64, tell: impl FnOnce(&mut dyn Observer, &mut Control)) {
        let (planned, factor) = (self.planned_rates(next).lr, self.progress.rate_factor(next));
        self.control.prepare(planned, factor);
        tell(&mut *self.observer, &mut self.control);
        if self.control.scale().to_bits() != factor.to_bits() {
            self.progress.change_rate(next, self.control.scale());
        }
    }

    /// As [`Session::tell`], of something that steers nothing: wishes but for columns are forgotten.
    pub(super) fn tell_only(&mut self, next: u64, tell: impl FnOnce(&mut dyn Observer, &mut Control)) {
        let (control, changes) = (self.control.clone(), self.progress.rate_changes.clone());
        self.tell(next, tell);
        self.control.forget_wishes(control);
        self.progress.rate_changes = changes;
    }

    /// Writes `row` with the columns that the observer added to it.
    pub(super) fn append(&mut self, row: Row) -> Result<(), TrainError> {
        let extra = self.control.take_columns();
        let row = extra.into_iter().fold(row, |row, (name, value)| row.with(&name, value));
        self.log.as_mut().map_or(Ok(()), |log| Ok(log.append(&row)?))
    }

    pub(super) fn not_finite(&self, what: &'static str, value: f64, step: u64, lr: f64) -> TrainError {
        let last = self.run.checkpoint("last");
        TrainError::NotFinite { what, value, step, lr, checkpoint: last.is_file().then_some(last) }
    }

    pub(super) fn manifest(&mut self) -> Manifest {
        self.progress.wall_seconds = self.wall_seconds();
        let epoch = self.epoch(self.progress.step);
        Manifest::new(self.model, self.corpus, self.config.seed, epoch, &self.progress)
    }

    fn save_last(&mut self) -> Result<(), TrainError> {
        // What is saved has been seen to be finite.
        self.read_figures(self.progress.step)?;
        // The rows first: a checkpoint that survives a power cut has its log.
        self.log.as_ref().map_or(Ok(()), Log::sync)?;
        let manifest = self.manifest();
        checkpoint::save(&self.run.checkpoint("last"), self.model, Some(&self.optimizer), &manifest)?;
        self.saved = Some(self.progress.step);
        self.write_status(State::Running, None)?;
        self.last_reading = Instant::now();
        Ok(())
    }

    /// Tells lists of runs where this one stands.
    fn write_status(&self, state: State, reason: Option<String>) -> Result<(), TrainError> {
        let levels = self.corpus.quantizer().levels();
        let bits = |nll: f64| bits_per_byte(nll, levels);
        let best = self.progress.best();
        let validations: Vec<f64> = self.progress.validations.iter().map(|seen| bits(seen.nll)).collect();
        let status = Status {
            reason,
            steps: self.progress.step,
            wall_seconds: self.wall_seconds(),
            loss: self.last_loss.or_else(|| self.run.read_status()?.loss),
            val_bits_per_byte: validations.last().copied(),
            best_bits_per_byte: best.map(|best| bits(best.nll)),
            best_step: best.map(|best| best.step),
            curve: if validations.len() > 1 { Curve::of(&validations) } else { self.curve.clone() }.finite(),
            ..Status::new(state, self.total)
        };
        Ok(self.run.write_status(&status)?)
    }

    fn finish(mut self, stop: Stop) -> Result<Outcome, TrainError> {
        if self.saved != Some(self.progress.step) {
            self.save_last()?;
        }
        // Whoever reads of the run wants a figure: not after Ctrl-C, when somebody waits, nor after an error.
        let wanted = stop == Stop::TimeUp || (stop == Stop::ByScript && !self.control.has_failed());
        if wanted && self.progress.current().is_none() {
            match self.validate(false) {
                Ok(()) | Err(TrainError::Interrupted { .. }) => self.save_last()?,
                Err(error) => return Err(error),
            }
        }
        if let Some(log) = &self.log {
            make_way(&self.run.path().join(PARQUET_NAME))?;
            log.compact()?;
        }
        let reason = self.control.stopped().flatten().filter(|_| stop == Stop::ByScript).map(str::to_owned);
        let state = if self.control.has_failed() { State::Failed } else { stop.into() };
        self.write_status(state, reason.clone())?;
        let best: PathBuf = self.run.checkpoint("best");
        let steps = self.progress.step;
        Ok(Outcome {
            stop,
            reason,
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
    pub(super) fn epoch(&self, step: u64) -> f64 {
        step as f64 / self.batches.steps_per_epoch() as f64
    }

    pub(super) fn wall_seconds(&self) -> f64 {
        self.before + self.began.elapsed().as_secs_f64()
    }
}
