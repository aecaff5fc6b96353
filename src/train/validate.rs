//! One validation.

use super::evaluate::score_windows;
use super::report::{EvalReport, Weights};
use super::session::Session;
use super::{Evaluation, TrainError, checkpoint};
use crate::audio::Part;
use crate::schedule::Validation;
use std::time::Instant;

impl Session<'_> {
    /// Scores the validation windows, tells the observer, writes the row, and saves the best weights. One that is not `due`
    /// steers nothing.
    pub(super) fn validate(&mut self, due: bool) -> Result<(), TrainError> {
        self.read_figures(self.progress.step)?;
        let evaluation = self.score()?;
        let step = self.progress.step;
        let lr = self.rates_at(step.saturating_sub(1)).lr;
        if !evaluation.nll.is_finite() {
            return Err(self.not_finite("validation loss", evaluation.nll, step, lr));
        }
        let best = self.progress.best().is_none_or(|best| evaluation.nll < best.nll);
        let validations = if due { &mut self.progress.validations } else { &mut self.progress.extra };
        validations.push(Validation { step, nll: evaluation.nll });
        let report = EvalReport {
            step,
            total: self.total,
            epoch: self.epoch(step),
            tokens: self.progress.tokens,
            lr,
            evaluation,
            best,
            wall_seconds: self.wall_seconds(),
        };
        let weights = Weights::of(self.model);
        if due {
            self.tell(step, |observer, control| observer.on_eval(&report, &weights, control));
        } else {
            self.tell_only(step, |observer, control| observer.on_eval(&report, &weights, control));
        }
        self.append(report.row())?;
        if best {
            let manifest = self.manifest();
            checkpoint::save(&self.run.checkpoint("best"), self.model, None, &manifest)?;
            self.best_eval = Some(report.clone());
        }
        self.keep_top()?;
        self.last_eval = Some(report);
        self.last_reading = Instant::now(); // an update's speed does not include the validation before it
        Ok(())
    }

    /// The figures. Scoring whole windows would attune every S4 layer's C to them in place, and its kernels would be as long
    /// ever after: while training windows are cut, a copy is scored. So a validation never changes what is trained.
    fn score(&mut self) -> Result<Evaluation, TrainError> {
        let before = self.progress.step.saturating_sub(1);
        let window = self.curriculum.window_at(before, &self.progress.validations);
        if window.is_some_and(|window| self.curriculum.is_cut(window)) {
            match &self.twin {
                Some(twin) => twin.load_state_dict(&self.model.state_dict())?,
                None => self.twin = Some(Weights::of(self.model).to_model()?),
            }
        } else {
            self.twin = None;
        }
        let observer = &mut *self.observer;
        score_windows(
            self.twin.as_ref().unwrap_or(self.model),
            self.corpus,
            Part::Val,
            &self.eval_windows,
            self.config.batch,
            self.baselines,
            self.interrupt,
            &mut |done, total| observer.on_eval_progress(done, total),
        )
    }
}
