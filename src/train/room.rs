//! Whether a step fits into memory, and what would: before the first update, and when an allocation fails in the middle.

use super::{Memory, TrainConfig, TrainError, WhenShort};
use crate::audio::Corpus;
use crate::device;
use crate::model::{Cost, Model, ModelSpec, TierSpec, Workload};
use tch::{Device, Kind};

/// A step surely does not fit when this share of its predicted peak does not: predictions are within 15 %.
const SURELY: f64 = 0.85;

/// Ways out that an error names.
const WAYS_OUT: usize = 3;

/// What a step was predicted to take, and how much there is.
#[derive(Debug, Clone, PartialEq)]
pub struct Shortage {
    /// The predicted peak of the process, in bytes.
    pub predicted: f64,
    /// What the process may hold in all, in bytes; none where the system does not say (a GPU's).
    pub room: Option<f64>,
    /// Tokens of a window, and windows in a pass.
    pub workload: (i64, i64),
    /// Whether blocks are run again.
    pub recompute: bool,
    /// What would fit: settings, and their predicted peak in bytes.
    pub ways_out: Vec<(String, f64)>,
    /// The update that failed, from 1, and what libtorch said; none when it was refused before.
    pub failed: Option<(u64, String)>,
}

impl std::fmt::Display for Shortage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (window, batch) = self.workload;
        if let Some((step, said)) = &self.failed {
            write!(f, "out of memory at step {step} ({said}): ")?;
        }
        let form = if self.recompute { ", memory \"recompute\"" } else { "" };
        write!(f, "a window of {window} with batch {batch}{form} is predicted to take {}", bytes(self.predicted))?;
        match self.room {
            Some(room) => write!(f, ", but there is room for {}", bytes(room)),
            None => write!(f, ", more than the device has left"),
        }
    }
}

impl Shortage {
    /// What to try next.
    #[must_use]
    pub fn hint(&self) -> String {
        let named: Vec<String> =
            self.ways_out.iter().map(|(what, peak)| format!("{what} ({})", bytes(*peak))).collect();
        let fits = match named.len() {
            0 => "nothing near it would fit: a smaller model, or a machine with more memory".to_owned(),
            _ => format!("what would fit: {}", named.join("; ")),
        };
        match self.failed {
            Some(_) => format!("{fits}; the last checkpoint and the metrics are whole"),
            None => format!("{fits}; when_short: \"try\" tries it all the same"),
        }
    }
}

/// That an update of `model` does not surely exceed the memory that is free.
pub(super) fn check_room(model: &Model, corpus: &Corpus, config: &TrainConfig) -> Result<(), TrainError> {
    if config.when_short == WhenShort::Try || model.device() != Device::Cpu {
        return Ok(());
    }
    let Some(room) = room() else { return Ok(()) };
    let shortage = shortage(model, corpus, config, Some(room))?;
    if SURELY * shortage.predicted > room { Err(TrainError::Memory(Box::new(shortage))) } else { Ok(()) }
}

/// `error` as a shortage of memory, if that is what it tells of.
pub(super) fn explained(
    error: TrainError,
    model: &Model,
    corpus: &Corpus,
    config: &TrainConfig,
    step: u64,
) -> TrainError {
    let said = error.to_string();
    let Some(short) = of_memory(&said) else { return error };
    let room = if model.device() == Device::Cpu { room() } else { None };
    match shortage(model, corpus, config, room) {
        Ok(shortage) => TrainError::Memory(Box::new(Shortage { failed: Some((step, short.to_owned())), ..shortage })),
        Err(_) => error,
    }
}

/// The part of an error's text that tells of a failed allocation: libtorch's allocators', on a CPU and on CUDA.
fn of_memory(said: &str) -> Option<&str> {
    const SIGNS: [&str; 4] =
        ["CUDA out of memory", "not enough memory", "can't allocate memory", "Cannot allocate memory"];
    let at = SIGNS.iter().find_map(|sign| said.find(sign))?;
    let end = said[at..].find(['.', '\n']).map_or(said.len(), |end| at + end);
    Some(&said[at..end])
}

/// What the process may hold in all.
fn room() -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "sizes of memories stay far below 2^53")]
    let real = |bytes: u64| bytes as f64;
    Some(real(device::free_memory()?) + real(device::held_memory()?))
}

fn shortage(model: &Model, corpus: &Corpus, config: &TrainConfig, room: Option<f64>) -> Result<Shortage, TrainError> {
    let product = model.spec().pool_product();
    let whole = i64::try_from(corpus.config().window).unwrap_or(i64::MAX);
    let batch = i64::try_from(config.batch).unwrap_or(i64::MAX);
    let asked = Asked {
        spec: model.spec(),
        levels: model.levels(),
        window: whole / product * product,
        batch,
        accumulate: config.accumulate,
        bytes: if model.kind() == Kind::Double { 8 } else { 4 },
        recompute: config.memory == Memory::Recompute,
    };
    let predicted = asked.peak(asked.spec, asked.window, batch, asked.recompute)?;
    // Without a figure of the device's, what is a good deal less than what failed.
    let ways_out = asked.ways_out(room.unwrap_or(0.75 * predicted))?;
    Ok(Shortage {
        predicted,
        room,
        workload: (asked.window, batch),
        recompute: asked.recompute,
        ways_out,
        failed: None,
    })
}

/// What is to be trained, and how.
struct Asked<'a> {
    spec: &'a ModelSpec,
    levels: i64,
    window: i64,
    batch: i64,
    accumulate: usize,
    bytes: i64,
    recompute: bool,
}

impl Asked<'_> {
    fn peak(&self, spec: &ModelSpec, window: i64, batch: i64, recompute: bool) -> Result<f64, TrainError> {
        let workload = Workload { window, batch, bytes: self.bytes };
        Ok(Cost::of_spec(spec, self.levels, workload)?.peak_of(recompute))
    }

    /// The first few changes after which a step fits into `room`, the mildest first.
    fn ways_out(&self, room: f64) -> Result<Vec<(String, f64)>, TrainError> {
        let mut found = Vec::new();
        let forms = if self.recompute { vec![true] } else { vec![false, true] };
        if !self.recompute {
            let peak = self.peak(self.spec, self.window, self.batch, true)?;
            found.push(("memory: \"recompute\"".to_owned(), peak));
        }
        for recompute in &forms {
            let with = if *recompute && !self.recompute { " with memory: \"recompute\"" } else { "" };
            let parts = (2..=self.batch).filter(|parts| self.batch % parts == 0);
            let mut smaller = parts.map(|parts| {
                let (batch, accumulate) = (self.batch / parts, self.accumulate as i64 * parts);
                let text = format!("batch: {batch}, accumulate: {accumulate}{with}");
                Ok::<_, TrainError>((text, self.peak(self.spec, self.window, batch, *recompute)?))
            });
            found.extend(first_within(&mut smaller, room)?);
        }
        for recompute in &forms {
            let with = if *recompute && !self.recompute { " with memory: \"recompute\"" } else { "" };
            let product = self.spec.pool_product();
            let halves = std::iter::successors(Some(self.window / 2 / product * product), |window| {
                Some(window / 2 / product * product)
            });
            let mut shorter = halves.take_while(|window| *window > 0).map(|window| {
                let text = format!("a corpus with window: {window}{with}");
                Ok((text, self.peak(self.spec, window, self.batch, *recompute)?))
            });
            found.extend(first_within(&mut shorter, room)?);
        }
        let shares = [(2, "half"), (4, "a quarter"), (8, "an eighth")];
        let mut shallower = shares.into_iter().map(|(share, name)| {
            let spec = ModelSpec { tier: thinned(&self.spec.tier, share), ..self.spec.clone() };
            let text = format!("{name} of the blocks in each tier");
            Ok((text, self.peak(&spec, self.window, self.batch, self.recompute)?))
        });
        found.extend(first_within(&mut shallower, room)?);
        found.retain(|(_, peak)| *peak <= room);
        found.truncate(WAYS_OUT);
        Ok(found)
    }
}

fn first_within(
    candidates: &mut dyn Iterator<Item = Result<(String, f64), TrainError>>,
    room: f64,
) -> Result<Option<(String, f64)>, TrainError> {
    for candidate in candidates {
        let (text, peak) = candidate?;
        if peak <= room {
            return Ok(Some((text, peak)));
        }
    }
    Ok(None)
}

/// The tier with one block of every `share`.
fn thinned(tier: &TierSpec, share: usize) -> TierSpec {
    let some = |blocks: &[crate::model::BlockSpec]| blocks.iter().take(blocks.len() / share).cloned().collect();
    let pool = tier.pool.as_ref().map(|pool| {
        let inner = Box::new(thinned(&pool.inner, share));
        crate::model::PoolSpec { inner, ..*pool }
    });
    TierSpec { down: some(&tier.down), pool, blocks: some(&tier.blocks) }
}

/// Bytes as people read them.
fn bytes(count: f64) -> String {
    if count >= 1e9 { format!("{:.1} GB", count / 1e9) } else { format!("{:.0} MB", count / 1e6) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SashimiConfig;

    fn asked(spec: &ModelSpec) -> Asked<'_> {
        Asked { spec, levels: 256, window: 32_768, batch: 4, accumulate: 2, bytes: 4, recompute: false }
    }

    #[test]
    fn ways_out_fit_and_are_three() {
        let spec = SashimiConfig::default().spec();
        let asked = asked(&spec);
        let whole = asked.peak(&spec, 32_768, 4, false).expect("a cost");
        for share in [0.9, 0.5, 0.3] {
            let found = asked.ways_out(share * whole).expect("ways out");
            assert_eq!(found.len(), WAYS_OUT, "{share}: {found:?}");
            assert!(found.iter().all(|(_, peak)| *peak <= share * whole), "{share}: {found:?}");
        }
        let smaller = asked.ways_out(0.7 * whole).expect("ways out");
        assert!(smaller.iter().any(|(text, _)| text == "batch: 2, accumulate: 4"), "{smaller:?}");
    }

    #[test]
    fn what_libtorch_says_of_memory_is_understood_and_nothing_else_is() {
        let cuda = "libtorch: CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 79 GiB";
        assert_eq!(of_memory(cuda), Some("CUDA out of memory"));
        let cpu = "libtorch: [enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you \
                   tried to allocate 137438953472 bytes. Error code 12 (Cannot allocate memory)";
        assert!(of_memory(cpu).is_some_and(|said| said.contains("137438953472 bytes")));
        assert_eq!(of_memory("libtorch: shapes do not match"), None);
    }
}
