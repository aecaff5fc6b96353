//! How to draw as time goes on: each number of a [`Drawing`] may follow a schedule, a step of which is a sample drawn.

use super::Drawing;
use crate::options::OptionError;
use crate::schedule::Varying;

/// A [`Drawing`] for each sample drawn; those of a prompt do not count as steps.
#[derive(Debug, Clone, PartialEq)]
pub struct DrawPlan {
    /// [`Drawing::temperature`].
    pub temperature: Varying,
    /// [`Drawing::top_k`], rounded to the nearest whole number.
    pub top_k: Varying,
    /// [`Drawing::top_p`].
    pub top_p: Varying,
    /// [`Drawing::min_p`].
    pub min_p: Varying,
}

impl From<Drawing> for DrawPlan {
    fn from(drawing: Drawing) -> Self {
        let Drawing { temperature, top_k, top_p, min_p } = drawing;
        Self { temperature: temperature.into(), top_k: (top_k as f64).into(), top_p: top_p.into(), min_p: min_p.into() }
    }
}

impl DrawPlan {
    /// Checks the ranges of all that will come.
    ///
    /// # Errors
    /// The name of the option out of range, as `generate` has it.
    pub fn validate(&self) -> Result<(), OptionError> {
        self.temperature
            .check("temperature", "a finite number of at least 0", |found| found >= 0.0 && found.is_finite())
            .map_err(|error| {
                error.with_hint("1 draws from the model itself, 0 always takes the most probable token")
            })?;
        self.top_k.check("top_k", "a whole number of at least 0", |found| found >= 0.0 && found.is_finite())?;
        if let Some(fixed) = self.top_k.fixed().filter(|found| found.fract() != 0.0) {
            return Err(OptionError::value("top_k", fixed, "a whole number of at least 0"));
        }
        self.top_p.check("top_p", "above 0 and at most 1", |found| found > 0.0 && found <= 1.0).map_err(|error| {
            error.with_hint("1 keeps every token; `temperature: 0` or `top_k: 1` keeps only the most probable")
        })?;
        self.min_p
            .check("min_p", "at least 0 and at most 1", |found| (0.0..=1.0).contains(&found))
            .map_err(|error| error.with_hint("0 keeps every token, 1 only those as probable as the most probable"))
    }

    /// The plan of a take of which `total` samples are drawn: what was left open to the rest of it gets its length.
    #[must_use]
    pub fn resolved(&self, total: u64) -> Self {
        let Self { temperature, top_k, top_p, min_p } = self;
        Self {
            temperature: temperature.resolved(total),
            top_k: top_k.resolved(total),
            top_p: top_p.resolved(total),
            min_p: min_p.resolved(total),
        }
    }

    /// How the sample is drawn that follows `drawn` others.
    #[must_use]
    pub fn at(&self, drawn: u64) -> Drawing {
        Drawing {
            temperature: self.temperature.at(drawn),
            top_k: self.top_k.at(drawn).round() as usize,
            top_p: self.top_p.at(drawn),
            min_p: self.min_p.at(drawn),
        }
    }

    /// How every sample is drawn, where nothing changes.
    #[must_use]
    pub fn fixed(&self) -> Option<Drawing> {
        let all = [&self.temperature, &self.top_k, &self.top_p, &self.min_p];
        all.iter().all(|number| number.fixed().is_some()).then(|| self.at(0))
    }
}
