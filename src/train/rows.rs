//! Reports as rows of the metrics log.

use super::Evaluation;
use super::report::{EvalReport, StepReport};
use crate::audio::Part;
use crate::metrics::{Baselines, Frame, Row, bits_per_byte, columns};
use crate::schedule::Validation;

/// Tokens trained on so far.
pub const TOKENS: &str = "tokens";

/// The columns that a run writes itself; observers' columns have other names.
pub const RESERVED: [&str; 19] = [
    columns::STEP,
    columns::EPOCH,
    columns::SPLIT,
    TOKENS,
    columns::LOSS,
    columns::BITS_PER_BYTE,
    columns::ACCURACY,
    columns::ACCURACY_AT_3,
    columns::ACCURACY_AT_5,
    columns::ACCURACY_AT_10,
    columns::LR,
    columns::DROPOUT,
    columns::WINDOW,
    columns::GRAD_NORM,
    columns::SAMPLES_PER_SECOND,
    columns::WALL_SECONDS,
    columns::UNIFORM_BITS_PER_BYTE,
    columns::UNIGRAM_BITS_PER_BYTE,
    columns::MARKOV_BITS_PER_BYTE,
];

pub(super) fn of_step(report: &StepReport) -> Row {
    let mut row = Row::new()
        .with(columns::STEP, report.step)
        .with(columns::EPOCH, report.epoch)
        .with(columns::SPLIT, columns::TRAIN)
        .with(TOKENS, report.tokens)
        .with(columns::LOSS, report.loss)
        .with(columns::BITS_PER_BYTE, report.bits_per_byte)
        .with(columns::LR, report.lr)
        .with_some(columns::DROPOUT, report.dropout)
        .with_some(columns::WINDOW, report.window)
        .with(columns::GRAD_NORM, report.grad_norm)
        .with(columns::SAMPLES_PER_SECOND, report.samples_per_second)
        .with(columns::WALL_SECONDS, report.wall_seconds);
    if let Some(accuracy) = report.accuracy {
        row = with_accuracy(row, accuracy);
    }
    row
}

pub(super) fn of_eval(report: &EvalReport) -> Row {
    let evaluation = &report.evaluation;
    #[expect(clippy::cast_precision_loss, reason = "counts of tokens stay far below 2^53")]
    let speed = evaluation.tokens as f64 / evaluation.seconds.max(f64::MIN_POSITIVE);
    let row = Row::new()
        .with(columns::STEP, report.step)
        .with(columns::EPOCH, report.epoch)
        .with(columns::SPLIT, evaluation.part.to_string())
        .with(TOKENS, report.tokens)
        .with(columns::LOSS, evaluation.nll)
        .with(columns::BITS_PER_BYTE, evaluation.bits_per_byte)
        .with(columns::LR, report.lr)
        .with(columns::SAMPLES_PER_SECOND, speed)
        .with(columns::WALL_SECONDS, report.wall_seconds);
    let accuracy = [evaluation.accuracy, evaluation.accuracy_at_3, evaluation.accuracy_at_5, evaluation.accuracy_at_10];
    with_accuracy(row, accuracy).with_baselines(&evaluation.baselines)
}

/// The inverse of [`of_eval`] for the validation `seen` of `windows` windows, whose row is in `log`: all but the figures of
/// single files. `None` if the row is not there.
pub(super) fn to_eval(
    log: &Frame,
    seen: Validation,
    total: u64,
    windows: usize,
    levels: u32,
    baselines: Baselines,
) -> Option<EvalReport> {
    let rows = log.rows_where(columns::SPLIT, &Part::Val.to_string()).ok()?;
    #[expect(clippy::cast_precision_loss, reason = "numbers of updates stay far below 2^53")]
    let at = rows.numbers(columns::STEP)?.iter().position(|&step| step == seen.step as f64)?;
    let number = |column: &str| rows.numbers(column)?.get(at).copied();
    #[expect(clippy::cast_precision_loss, reason = "counts of tokens stay far below 2^53")]
    let scored = baselines.tokens as f64;
    let evaluation = Evaluation {
        part: Part::Val,
        nll: seen.nll,
        bits_per_byte: bits_per_byte(seen.nll, levels),
        accuracy: number(columns::ACCURACY)?,
        accuracy_at_3: number(columns::ACCURACY_AT_3)?,
        accuracy_at_5: number(columns::ACCURACY_AT_5)?,
        accuracy_at_10: number(columns::ACCURACY_AT_10)?,
        tokens: baselines.tokens,
        windows,
        clips: Vec::new(),
        baselines,
        seconds: scored / number(columns::SAMPLES_PER_SECOND)?,
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count, exact in float64")]
    let tokens = number(TOKENS)? as u64;
    Some(EvalReport {
        step: seen.step,
        total,
        epoch: number(columns::EPOCH)?,
        tokens,
        lr: number(columns::LR)?,
        evaluation,
        best: true,
        wall_seconds: number(columns::WALL_SECONDS)?,
    })
}

fn with_accuracy(row: Row, [at_1, at_3, at_5, at_10]: [f64; 4]) -> Row {
    row.with(columns::ACCURACY, at_1)
        .with(columns::ACCURACY_AT_3, at_3)
        .with(columns::ACCURACY_AT_5, at_5)
        .with(columns::ACCURACY_AT_10, at_10)
}
