//! The parts of a corpus: which files train, which validate, which test, and the windows of each.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// A part of a corpus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// What a model is fitted on.
    Train,
    /// What choices are made on.
    Val,
    /// What is left for the end.
    Test,
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Train => "train",
            Self::Val => "val",
            Self::Test => "test",
        })
    }
}

/// The cut points of `n` sorted files: training is `0..train`, validation `train..val`, test `val..n`.
///
/// `train = trunc(p n)` and `val = trunc((p + (1 - p) / 2) n)` in float64, as the reference implementation cuts.
#[must_use]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "truncation is the rule; p is in 0..=1")]
pub fn split_points(n: usize, train_fraction: f64) -> (usize, usize) {
    let train = (train_fraction * n as f64) as usize;
    let val = ((train_fraction + (1.0 - train_fraction) / 2.0) * n as f64) as usize;
    (train.min(n), val.min(n))
}

/// The sizes of the three parts.
pub(super) fn split_counts(n: usize, train_fraction: f64) -> [usize; 3] {
    let (train, val) = split_points(n, train_fraction);
    [train, val - train, n - val]
}

/// The share of files that train unless told: that of the reference implementation.
pub(super) const USUAL_FRACTION: f64 = 0.88;

/// [`USUAL_FRACTION`], or where that leaves a part of `n` files empty, the nearest that does not, if there is one.
pub(super) fn usual_fraction(n: usize) -> f64 {
    let whole = split_counts(n, USUAL_FRACTION).iter().all(|&count| count > 0);
    if whole { USUAL_FRACTION } else { fraction_that_works(n, USUAL_FRACTION).unwrap_or(USUAL_FRACTION) }
}

/// The fraction nearest to `wanted`, in whole percent, that leaves no part of `n` files empty.
pub(super) fn fraction_that_works(n: usize, wanted: f64) -> Option<f64> {
    (1..100)
        .map(|percent| f64::from(percent) / 100.0)
        .filter(|&fraction| split_counts(n, fraction).iter().all(|&count| count > 0))
        .min_by(|a, b| (a - wanted).abs().total_cmp(&(b - wanted).abs()))
}

/// The windows of one part of a corpus, in natural order of the files and from front to back in each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Split {
    tokens: Vec<u16>,
    windows: Vec<(Range<usize>, usize)>,
    clips: Vec<String>,
}

impl Split {
    /// Adds a file's tokens, cut into windows of `window`; returns how many it gave.
    pub(super) fn add(&mut self, name: &str, tokens: &[u16], window: usize, drop_last: bool) -> usize {
        let clip = self.clips.len();
        self.clips.push(name.to_owned());
        let before = self.windows.len();
        for chunk in tokens.chunks(window) {
            if chunk.len() == window || !drop_last {
                let start = self.tokens.len();
                self.tokens.extend_from_slice(chunk);
                self.windows.push((start..self.tokens.len(), clip));
            }
        }
        self.windows.len() - before
    }

    /// How many windows there are.
    #[must_use]
    pub fn windows(&self) -> usize {
        self.windows.len()
    }

    /// The tokens of window `i`: as many as the configured window, or fewer at the end of a file when short windows
    /// are kept.
    ///
    /// # Panics
    /// When `i` is not below [`Split::windows`], as indexing does.
    #[must_use]
    pub fn window(&self, i: usize) -> &[u16] {
        &self.tokens[self.windows[i].0.clone()]
    }

    /// Which clip window `i` was cut from: an index into [`Split::clip_names`].
    ///
    /// # Panics
    /// When `i` is not below [`Split::windows`], as indexing does.
    #[must_use]
    pub fn clip_of(&self, i: usize) -> usize {
        self.windows[i].1
    }

    /// The files of this part, in natural order, also those too short for a window.
    #[must_use]
    pub fn clip_names(&self) -> &[String] {
        &self.clips
    }

    /// Tokens in all windows together.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.tokens.len()
    }
}
