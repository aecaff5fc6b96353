//! The checkpoints of the best few validations, beside `best`.

use super::manifest::Progress;
use super::session::Session;
use super::{TrainError, checkpoint};
use std::fs;

/// What the names of these checkpoints begin with; the step follows.
const PREFIX: &str = "top-";

impl Session<'_> {
    /// Saves the weights as they were just validated if that was among the `top_k` best, and then takes away what no longer
    /// is. Files of other names stay.
    pub(super) fn keep_top(&mut self) -> Result<(), TrainError> {
        if self.config.top_k == 0 {
            return Ok(());
        }
        let kept = best_steps(&self.progress, self.config.top_k);
        if kept.contains(&self.progress.step) {
            let path = self.run.checkpoint(&format!("{PREFIX}{}", self.progress.step));
            let manifest = self.manifest();
            checkpoint::save(&path, self.model, None, &manifest)?;
        }
        for entry in fs::read_dir(self.run.checkpoints()).into_iter().flatten().filter_map(Result::ok) {
            let path = entry.path();
            let ours = ["safetensors", "json"].iter().any(|kind| path.extension().is_some_and(|found| found == *kind));
            let step = path.file_stem().and_then(|name| name.to_str()?.strip_prefix(PREFIX)?.parse::<u64>().ok());
            if ours && step.is_some_and(|step| !kept.contains(&step)) {
                // What cannot be taken away costs room, and nothing else.
                drop(fs::remove_file(&path));
            }
        }
        Ok(())
    }
}

/// The steps of the `count` best validations, due or not; of equals, the earlier ones.
fn best_steps(progress: &Progress, count: usize) -> Vec<u64> {
    let mut seen: Vec<_> = progress.validations.iter().chain(&progress.extra).collect();
    seen.sort_by(|a, b| a.nll.total_cmp(&b.nll).then(a.step.cmp(&b.step)));
    let mut steps: Vec<u64> = Vec::new();
    for validation in seen {
        if !steps.contains(&validation.step) {
            steps.push(validation.step);
        }
    }
    steps.truncate(count);
    steps
}
