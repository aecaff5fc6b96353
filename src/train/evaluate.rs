//! What a model scores on a part of the corpus, beside what guesses without a model score there.

use super::TrainError;
use super::batches::TokenBatch;
use super::score::{RowScore, score};
use crate::audio::{Corpus, Part, Split};
use crate::interrupt::Interrupt;
use crate::metrics::{Baselines, baselines, bits_per_byte};
use crate::model::{Model, Pass};
use crate::options::{OptionError, Options};

crate::options! {
    /// What to score a model on.
    pub struct EvaluateConfig for "evaluate" {
        /// The part of the corpus. [; "train", "val", "test"]
        split: Part = Part::Val,
        /// Windows in one forward pass. [windows; 1 or more]
        batch: usize = 4,
        /// Windows scored, spread evenly over the part; by default all. [windows; 1 or more]
        windows: Option<usize> = None,
    }
    ; validate = validate
}

fn validate(config: &EvaluateConfig) -> Result<(), OptionError> {
    if config.batch == 0 {
        return Err(OptionError::value("batch", config.batch, "at least 1"));
    }
    if config.windows == Some(0) {
        return Err(OptionError::value("windows", 0, "at least 1"));
    }
    Ok(())
}

/// The score of one file.
#[derive(Debug, Clone, PartialEq)]
pub struct ClipScore {
    /// Its path below the corpus folder.
    pub name: String,
    /// Cross-entropy in bits per byte over its windows.
    pub bits_per_byte: f64,
    /// Tokens scored.
    pub tokens: u64,
}

/// What a model scored.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// The part it was scored on.
    pub part: Part,
    /// Cross-entropy in nats per token.
    pub nll: f64,
    /// The same in bits per byte; see [`bits_per_byte`].
    pub bits_per_byte: f64,
    /// Share of tokens with the largest logit.
    pub accuracy: f64,
    /// Share of tokens among the 3 largest logits.
    pub accuracy_at_3: f64,
    /// Share of tokens among the 5 largest logits.
    pub accuracy_at_5: f64,
    /// Share of tokens among the 10 largest logits.
    pub accuracy_at_10: f64,
    /// Tokens scored.
    pub tokens: u64,
    /// Windows scored.
    pub windows: usize,
    /// Each file's own figure, in the corpus's order; files without a scored window are left out.
    pub clips: Vec<ClipScore>,
    /// What guesses fitted on the training windows score on the very windows that the model was scored on.
    pub baselines: Baselines,
    /// How long the model took, in seconds.
    pub seconds: f64,
}

/// Scores `model` on a part of `corpus`. `progress` hears of windows done and windows in all.
///
/// # Errors
/// [`TrainError::Options`] for an option out of range or a part without windows, [`TrainError::Levels`] for a model of
/// another number of levels, [`TrainError::Model`] for a window that does not divide by the pools,
/// [`TrainError::Interrupted`] when asked to stop.
pub fn evaluate(
    model: &Model,
    corpus: &Corpus,
    config: &EvaluateConfig,
    interrupt: &Interrupt,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Evaluation, TrainError> {
    config.validate()?;
    check_levels(model, corpus)?;
    model.check_length(i64::try_from(corpus.config().window).unwrap_or(i64::MAX))?;
    let windows = chosen(corpus.part(config.split), config.windows);
    if windows.is_empty() {
        return Err(TrainError::Options(
            OptionError::value("split", config.split, "a part of the corpus with windows")
                .with_hint("add files, shorten the window, or change train_fraction"),
        ));
    }
    let baselines = baselines_of(corpus, config.split, &windows)?;
    score_windows(model, corpus, config.split, &windows, config.batch, baselines, interrupt, progress)
}

/// That the model's head fits the corpus's tokens.
pub(super) fn check_levels(model: &Model, corpus: &Corpus) -> Result<(), TrainError> {
    let levels = corpus.quantizer().levels();
    if model.levels() == i64::from(levels) {
        Ok(())
    } else {
        Err(TrainError::Levels { model: model.levels(), corpus: levels })
    }
}

/// At most `limit` windows of a split, spread evenly.
pub(super) fn chosen(split: &Split, limit: Option<usize>) -> Vec<usize> {
    let all = split.windows();
    let count = limit.map_or(all, |limit| limit.min(all));
    (0..count).map(|index| index * all / count).collect()
}

/// What guesses fitted on the training windows score on `windows` of a part.
pub(super) fn baselines_of(corpus: &Corpus, part: Part, windows: &[usize]) -> Result<Baselines, TrainError> {
    let (train, split) = (corpus.train(), corpus.part(part));
    let fitted = (0..train.windows()).map(|index| train.window(index));
    let scored = windows.iter().map(|&index| split.window(index));
    Ok(baselines(fitted, scored, corpus.quantizer().levels())?)
}

/// The scoring itself, with the choices made.
#[expect(clippy::too_many_arguments, reason = "one call each from evaluation and training, with everything at hand")]
pub(super) fn score_windows(
    model: &Model,
    corpus: &Corpus,
    part: Part,
    windows: &[usize],
    batch: usize,
    baselines: Baselines,
    interrupt: &Interrupt,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Evaluation, TrainError> {
    let _guard = tch::no_grad_guard();
    let began = std::time::Instant::now();
    let split = corpus.part(part);
    let mut total = RowScore::default();
    let mut clips = vec![RowScore::default(); split.clip_names().len()];
    let mut pass = Pass::eval().heeding(interrupt); // one for all batches: it computes each kernel once
    for (done, indices) in windows.chunks(batch).enumerate() {
        if interrupt.is_set() {
            return Err(TrainError::Interrupted { during: "evaluation" });
        }
        progress(done * batch, windows.len());
        let tokens = TokenBatch::new(split, indices, corpus.quantizer(), corpus.config().window, model.device())?;
        let logits = model.forward(&tokens.inputs, &mut pass)?;
        for (row, &index) in score(&logits, &tokens.targets)?.iter().zip(indices) {
            total.add(row);
            clips[split.clip_of(index)].add(row);
        }
    }
    progress(windows.len(), windows.len());
    let levels = corpus.quantizer().levels();
    let share = |hits: u64| ratio(hits, total.counted);
    let nll = mean_nll(&total);
    Ok(Evaluation {
        part,
        nll,
        bits_per_byte: bits_per_byte(nll, levels),
        accuracy: share(total.hits[0]),
        accuracy_at_3: share(total.hits[1]),
        accuracy_at_5: share(total.hits[2]),
        accuracy_at_10: share(total.hits[3]),
        tokens: total.counted,
        windows: windows.len(),
        clips: clip_scores(split, &clips, levels),
        baselines,
        seconds: began.elapsed().as_secs_f64(),
    })
}

fn clip_scores(split: &Split, clips: &[RowScore], levels: u32) -> Vec<ClipScore> {
    let named = split.clip_names().iter().zip(clips).filter(|(_, score)| score.counted > 0);
    named
        .map(|(name, score)| ClipScore {
            name: name.clone(),
            bits_per_byte: bits_per_byte(mean_nll(score), levels),
            tokens: score.counted,
        })
        .collect()
}

#[expect(clippy::cast_precision_loss, reason = "counts of tokens stay far below 2^53")]
fn mean_nll(score: &RowScore) -> f64 {
    score.nll / score.counted as f64
}

#[expect(clippy::cast_precision_loss, reason = "counts of tokens stay far below 2^53")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}
