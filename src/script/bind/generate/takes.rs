//! Takes as a script holds them.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::super::audio::{Sound, Sounding};
use crate::audio::{SampleFormat, amplitude_db, write_wav, write_what_fits};
use crate::generate::{Failure, GenerateConfig, QualityConfig, Second, Take, first_failure};
use crate::metrics::{Frame, Row};
use crate::script::fault::Fault;

/// One generated sound. Clones share it.
#[derive(Debug, Clone)]
pub struct TakeValue {
    pub(crate) take: Rc<Take>,
    pub(crate) sample_rate: u32,
}

/// What one call of `generate` returned, in its order.
#[derive(Debug, Clone)]
pub struct Takes(pub(super) Rc<[TakeValue]>);

/// Columns of the table of takes.
const TABLE: [&str; 8] =
    ["stream", "seconds", "log_likelihood", "bits_per_token", "entropy_bits", "retries", "failure", "time_to_failure"];

/// Columns of the frame of their quality.
const QUALITY: [&str; 10] = [
    "stream",
    "second",
    "rms",
    "rms_db",
    "flatness",
    "onset_rate",
    "entropy_bits",
    "bits_per_token",
    "log_likelihood",
    "failure",
];

/// Silence in a column of decibels, so that it can be drawn.
const QUIETEST_DB: f64 = -120.0;

impl Takes {
    pub(super) fn at(&self, index: i64) -> Result<TakeValue, Fault> {
        let found = usize::try_from(index).ok().and_then(|at| self.0.get(at));
        found.cloned().ok_or_else(|| {
            Fault::new(format!("there is no take {index}: the last is {}", self.0.len().saturating_sub(1)))
                .with_hint("the first is take 0")
        })
    }

    /// A row for each take.
    ///
    /// # Errors
    /// When the figures make no frame.
    pub fn table(&self) -> Result<Frame, Fault> {
        let row = |value: &TakeValue| -> Result<Row, Fault> {
            let failure = value.failure()?;
            #[expect(clippy::cast_precision_loss, reason = "a count of samples stays far below 2^53")]
            let drawn = value.take.drawn().len().max(1) as f64;
            Ok(Row::new()
                .with("stream", value.take.stream)
                .with("seconds", value.sound().seconds())
                .with("log_likelihood", value.take.log_likelihood)
                .with("bits_per_token", value.take.bits_per_token())
                .with("entropy_bits", value.take.entropy / std::f64::consts::LN_2 / drawn)
                .with("retries", value.take.retries)
                .with_some("failure", failure.map(|(failure, _)| failure.name()))
                .with_some("time_to_failure", failure.map(|(_, seconds)| seconds)))
        };
        let rows = self.0.iter().map(row).collect::<Result<Vec<_>, _>>()?;
        Ok(Frame::from_rows_under(&TABLE, &rows)?)
    }

    /// The takes second by second.
    ///
    /// # Errors
    /// When the figures make no frame.
    pub fn quality(&self, config: &QualityConfig) -> Result<Frame, Fault> {
        let mut rows = Vec::new();
        for value in self.0.iter() {
            rows.extend(value.quality_rows(config)?);
        }
        Ok(Frame::from_rows_under(&QUALITY, &rows)?)
    }

    /// How much was drawn, of the shortest take, of how much `config` asks for: `85.30 of 1000.00 s`.
    pub(super) fn drawn_of(&self, config: &GenerateConfig) -> String {
        let shortest = self.0.iter().min_by_key(|value| value.take.drawn().len());
        let (drawn, rate) = shortest.map_or((0, 1.0), |value| (value.take.drawn().len(), f64::from(value.sample_rate)));
        let whole = config.length.map_or(config.seconds, |length| length as f64 / rate);
        format!("{:.2} of {whole:.2} s", drawn as f64 / rate)
    }

    /// Why they ended too early, if something other than an interrupt did it.
    #[must_use]
    pub fn stopped(&self) -> Option<&str> {
        self.0.iter().find_map(|value| value.take.stopped.as_deref())
    }

    /// Writes every take into `folder`, and returns their paths.
    ///
    /// # Errors
    /// What the system says.
    pub fn save(&self, folder: &Path) -> Result<Vec<PathBuf>, Fault> {
        let path_of = |value: &TakeValue| folder.join(format!("take-{}.wav", value.take.stream));
        let mut paths = Vec::new();
        for (at, value) in self.0.iter().enumerate() {
            let path = path_of(value);
            if let Err(fault) = value.save(&path, SampleFormat::Pcm16) {
                let left: Vec<PathBuf> = self.0[at + 1..].iter().map(path_of).collect();
                return Err(value.save_what_fits(&path, fault, &left));
            }
            paths.push(path);
        }
        Ok(paths)
    }
}

impl IntoIterator for Takes {
    type Item = TakeValue;
    type IntoIter = std::vec::IntoIter<TakeValue>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter().cloned().collect::<Vec<_>>().into_iter()
    }
}

impl Sounding for TakeValue {
    fn as_sound(&self) -> Sound {
        self.sound()
    }
}

impl TakeValue {
    /// The take as a sound.
    pub(crate) fn sound(&self) -> Sound {
        let name = format!("take {}", self.take.stream);
        Sound::mono(name, self.take.wave.as_slice(), self.sample_rate)
    }

    /// How it fails first, and when.
    pub(super) fn failure(&self) -> Result<Option<(Failure, f64)>, Fault> {
        let drawn = &self.take.wave[self.take.prompt..];
        Ok(first_failure(drawn, self.sample_rate, &QualityConfig::default())?)
    }

    /// The take second by second.
    pub(super) fn quality(&self, config: &QualityConfig) -> Result<Frame, Fault> {
        Ok(Frame::from_rows_under(&QUALITY, &self.quality_rows(config)?)?)
    }

    fn quality_rows(&self, config: &QualityConfig) -> Result<Vec<Row>, Fault> {
        let quality = self.take.quality(self.sample_rate, config)?;
        let row = |second: &Second| {
            Row::new()
                .with("stream", self.take.stream)
                .with("second", second.start)
                .with("rms", second.sound.rms)
                .with("rms_db", amplitude_db(second.sound.rms).max(QUIETEST_DB))
                .with("flatness", second.sound.flatness)
                .with("onset_rate", second.sound.onset_rate)
                .with("entropy_bits", second.entropy / std::f64::consts::LN_2)
                .with("bits_per_token", -second.log_likelihood / std::f64::consts::LN_2)
                .with("log_likelihood", second.log_likelihood)
                .with_some("failure", second.failure.map(Failure::name))
        };
        Ok(quality.seconds.iter().map(row).collect())
    }

    pub(super) fn save(&self, path: &Path, format: SampleFormat) -> Result<(), Fault> {
        super::super::make_folder(path)?;
        Ok(write_wav(path, &self.take.wave, self.sample_rate, format)?)
    }

    /// After `fault`: writes of the take what the disk has room for, and says so. Where it was not for want of room, the fault.
    fn save_what_fits(&self, path: &Path, fault: Fault, left: &[PathBuf]) -> Fault {
        let Ok(fitting @ 1..) = write_what_fits(path, &self.take.wave, self.sample_rate) else { return fault };
        let seconds = |samples: usize| samples as f64 / f64::from(self.sample_rate);
        let (held, whole) = (seconds(fitting), seconds(self.take.wave.len()));
        let missing = if left.is_empty() {
            String::new()
        } else {
            let names: Vec<String> = left.iter().map(|path| path.display().to_string()).collect();
            format!("; {} could not be written at all", names.join(", "))
        };
        let message = format!("{}: it holds the first {held:.2} of {whole:.2} s{missing}", fault.message);
        Fault { message, ..fault }
            .with_hint("make room, or write to another disk: at a prompt, `takes.save(folder)` does so again")
    }

    pub(super) fn describe(&self) -> String {
        let Take { stream, log_likelihood, .. } = &*self.take;
        let seconds = self.sound().seconds();
        format!(
            "Take {stream}: {seconds:.2} s, log-likelihood {log_likelihood:.1}, {:.3} bits per token",
            self.take.bits_per_token()
        )
    }
}
