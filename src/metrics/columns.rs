//! The names of the columns that runs write and figures read, so that neither can misspell them.

/// Optimizer updates done when the row was written.
pub const STEP: &str = "step";
/// Passes over the training data done, as a real number.
pub const EPOCH: &str = "epoch";
/// Which tokens the row is about: [`TRAIN`], [`VAL`] or [`TEST`].
pub const SPLIT: &str = "split";
/// Cross-entropy in nats per token.
pub const LOSS: &str = "loss";
/// Cross-entropy in bits per byte; see [`bits_per_byte`](super::bits_per_byte).
pub const BITS_PER_BYTE: &str = "bits_per_byte";
/// Share of tokens whose most likely prediction was right, 0 to 1.
pub const ACCURACY: &str = "accuracy";
/// Share of tokens among the 3 most likely predictions, 0 to 1.
pub const ACCURACY_AT_3: &str = "accuracy_at_3";
/// Share of tokens among the 5 most likely predictions, 0 to 1.
pub const ACCURACY_AT_5: &str = "accuracy_at_5";
/// Share of tokens among the 10 most likely predictions, 0 to 1.
pub const ACCURACY_AT_10: &str = "accuracy_at_10";
/// Learning rate of the main parameter group at this step.
pub const LR: &str = "lr";
/// Dropout probability of every block at this step, where it is scheduled.
pub const DROPOUT: &str = "dropout";
/// Tokens of a training window at this step, where they are scheduled.
pub const WINDOW: &str = "window";
/// Global norm of the gradient before clipping.
pub const GRAD_NORM: &str = "grad_norm";
/// Audio samples (tokens) processed in a second of wall time.
pub const SAMPLES_PER_SECOND: &str = "samples_per_second";
/// Wall time since the run began, in seconds.
pub const WALL_SECONDS: &str = "wall_seconds";
/// Bits per byte of a guess that gives every level the same probability.
pub const UNIFORM_BITS_PER_BYTE: &str = "uniform_bits_per_byte";
/// Bits per byte of the training split's histogram.
pub const UNIGRAM_BITS_PER_BYTE: &str = "unigram_bits_per_byte";
/// Bits per byte of the training split's table of token pairs.
pub const MARKOV_BITS_PER_BYTE: &str = "markov_bits_per_byte";

/// Value of [`SPLIT`] on the row of a training step.
pub const TRAIN: &str = "train";
/// Value of [`SPLIT`] on the row of a validation.
pub const VAL: &str = "val";
/// Value of [`SPLIT`] on the row of a final test.
pub const TEST: &str = "test";
