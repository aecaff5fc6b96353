//! Drawing takes, whole or chunk by chunk.

use std::io;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::super::Meter;
use super::super::model::{ModelValue, Trained};
use super::takes::{TakeValue, Takes};
use crate::device::Device;
use crate::generate::{
    self, Chunk, Chunks, EngineChoice, GenerateConfig, GenerateError, LibtorchSteps, Lowered, ModelName, SessionState,
    Sound, Start, StateFile, StepLogits, Take,
};
use crate::interrupt::Interrupt;
use crate::options::Options;
use crate::script::actions;
use crate::script::context::Context;
use crate::script::fault::Fault;

/// Draws takes from a trained model.
///
/// # Errors
/// For a model without weights, options out of range, a prompt or a state that cannot be read, a state of another model.
pub fn draw(context: &Context, model: &ModelValue, config: &GenerateConfig) -> Result<Drawn, Fault> {
    let begun = Begun::new(context, model, config)?;
    let mut meter = Meter::new(context, "generating");
    let rate = f64::from(begun.sound.sample_rate);
    let takes = begun.start().takes(config);
    let (clock, mut told) = (Instant::now(), Instant::now());
    let mut progress = |done: usize, total: usize| {
        // A line for every sample would cost more than the sample.
        if done == total || told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            #[expect(clippy::cast_precision_loss, reason = "a count of samples stays far below 2^53")]
            let (seconds, takes) = (done as f64 / rate, takes as f64);
            let speed = seconds * takes / clock.elapsed().as_secs_f64().max(1e-9);
            meter.advance(done as u64, total as u64, &format!("{seconds:.2} s of sound, {speed:.2} times real time"));
        }
    };
    let (sound, start, interrupt) = (&begun.sound, begun.start(), &context.interrupt);
    let takes = match &begun.lowered {
        Some(model) => {
            let threads = crate::device::threads();
            generate::generate_lowered_from(model, config, sound, start, threads, interrupt, &mut progress)?
        }
        // A GPU waits for no draw of the host's.
        None if begun.trained.model.device() != Device::Cpu => {
            generate::generate_on_device(&begun.trained.model, config, sound, start, interrupt, &mut progress)?
        }
        None => {
            let mut engine = LibtorchSteps::new(&begun.trained.model, takes)?;
            generate::generate_from(&mut engine, config, sound, start, interrupt, &mut progress)?
        }
    };
    Ok(begun.end(config, takes))
}

/// What was drawn.
#[derive(Debug)]
pub struct Drawn {
    /// The takes.
    pub takes: Takes,
    /// Why the state that they end in could not be saved.
    pub failed: Option<Fault>,
}

/// How often the progress of a call is shown.
const TELL_EVERY: Duration = Duration::from_millis(50);

/// What became of a stream.
#[derive(Debug)]
pub struct Streamed {
    /// The take as far as it came.
    pub takes: Takes,
    /// Why whoever was given the chunks wanted no more.
    pub refused: Option<io::Error>,
    /// What went wrong after the first chunk.
    pub failed: Option<Fault>,
}

/// Draws one take and gives it to `sink` as it is made: the number of samples that are to come and the sample rate first, then
/// chunks of a fiftieth of a second. What was made is returned however the stream ends.
///
/// # Errors
/// Those of [`draw`], before the first chunk; after it, [`Streamed::refused`] and [`Streamed::failed`] say what happened.
pub fn stream(
    context: &Context,
    model: &ModelValue,
    config: &GenerateConfig,
    sink: &mut dyn Sink,
) -> Result<Streamed, Fault> {
    let begun = Begun::new(context, model, config)?;
    let mut engine: Box<dyn StepLogits + '_> = match &begun.lowered {
        Some(model) => Box::new(model.engine_on(1, crate::device::threads())),
        None => Box::new(LibtorchSteps::new(&begun.trained.model, 1)?),
    };
    let rate = begun.sound.sample_rate;
    let size = (f64::from(rate) * CHUNK_SECONDS).ceil() as usize;
    let mut chunks = Chunks::new(&mut *engine, config, &begun.sound, begun.start(), size, &context.interrupt)?;
    let (refused, failed) = match pour(&mut chunks, rate, &context.interrupt, sink) {
        Ok(refused) => (refused, None),
        Err(fault) if chunks.is_begun() => (None, Some(fault)),
        Err(fault) => return Err(fault),
    };
    let takes = chunks.finish()?.into_iter().collect();
    let Drawn { takes, failed: unsaved } = begun.end(config, takes);
    Ok(Streamed { takes, refused, failed: failed.or(unsaved) })
}

/// Takes a stream's sound as it is made.
pub trait Sink {
    /// So many samples at so many a second are to come.
    ///
    /// # Errors
    /// When no more is wanted.
    fn begin(&mut self, samples: usize, sample_rate: u32) -> io::Result<()>;

    /// The next of them.
    ///
    /// # Errors
    /// When no more is wanted.
    fn chunk(&mut self, chunk: &Chunk) -> io::Result<()>;
}

/// Length of a chunk: short enough that the first is heard at once, long enough that handing it on costs nothing.
const CHUNK_SECONDS: f64 = 0.02;

fn pour<E: StepLogits + ?Sized>(
    chunks: &mut Chunks<'_, E>,
    rate: u32,
    interrupt: &Interrupt,
    sink: &mut dyn Sink,
) -> Result<Option<io::Error>, Fault> {
    if let Err(error) = sink.begin(chunks.samples(), rate) {
        return Ok(Some(error));
    }
    for chunk in chunks {
        match sink.chunk(&chunk?) {
            // A reader that a signal woke is no reader that left.
            Err(error) if error.kind() == io::ErrorKind::Interrupted && interrupt.is_set() => break,
            Err(error) => return Ok(Some(error)),
            Ok(()) => {}
        }
    }
    Ok(None)
}

/// All that a call needs, read and checked.
struct Begun<'a> {
    trained: &'a Trained,
    sound: Sound,
    prompt: Vec<u16>,
    state: Option<SessionState>,
    /// The model's name, where a state is read or written.
    name: Option<ModelName>,
    lowered: Option<Lowered>,
}

impl<'a> Begun<'a> {
    fn new(context: &Context, model: &'a ModelValue, config: &GenerateConfig) -> Result<Self, Fault> {
        let trained = model.weights()?;
        let sound = trained.sound;
        config.validate()?;
        if let Some(path) = &config.save_state {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            actions::check_writable(folder.unwrap_or(Path::new(".")))?;
        }
        let prompt = match &config.prompt {
            Some(path) => sound.prompt(path, config.prefix)?,
            None => Vec::new(),
        };
        let named = config.state.is_some() || config.save_state.is_some();
        let name = if named { Some(ModelName::of(&trained.model, &trained.origin)?) } else { None };
        let state = match (&config.state, &name) {
            (Some(path), Some(name)) => {
                let state = StateFile::of_model(path, name)?;
                let (path, found, needed) = (path.display().to_string(), state.voices.len(), config.samples);
                if needed != 1 && needed != found {
                    return Err(GenerateError::StateTakes { path, found, needed }.into());
                }
                Some(state)
            }
            _ => None,
        };
        let lowered = lower(context, trained, config)?;
        if lowered.is_none() && (config.save_state.is_some() || config.state.is_some()) {
            return Err(GenerateError::NoState.into()); // now, and not when all is drawn
        }
        Ok(Self { trained, sound, prompt, state, name, lowered })
    }

    fn start(&self) -> Start<'_> {
        Start { prompt: &self.prompt, state: self.state.as_ref() }
    }

    /// The takes as values, their state saved where that was asked for.
    fn end(&self, config: &GenerateConfig, mut takes: Vec<Take>) -> Drawn {
        let mut failed = None;
        if let (Some(path), Some(model)) = (&config.save_state, &self.name) {
            let mut endings: Vec<SessionState> =
                takes.iter_mut().filter_map(|take| Some(*take.ending.take()?)).collect();
            endings.sort_by_key(|state| state.voices.first().map(|voice| voice.voice.stream));
            if let Some(state) = SessionState::joined(&endings.iter().collect::<Vec<_>>()) {
                failed = StateFile { model: model.clone(), state }.write(path).err().map(Fault::from);
            }
        }
        let value = |take| TakeValue { take: Rc::new(take), sample_rate: self.sound.sample_rate };
        Drawn { takes: Takes(takes.into_iter().map(value).collect()), failed }
    }
}

/// The engine's form of a model; none where libtorch is to step it, with a note when that was not asked for.
fn lower(context: &Context, trained: &Trained, config: &GenerateConfig) -> Result<Option<Lowered>, Fault> {
    // The engine runs on the CPU; it alone keeps states.
    let on_gpu = trained.model.device() != Device::Cpu && config.state.is_none() && config.save_state.is_none();
    if config.engine == EngineChoice::Libtorch || (config.engine == EngineChoice::Auto && on_gpu) {
        return Ok(None);
    }
    match Lowered::in_precision(&trained.model, config.precision) {
        Ok(lowered) => Ok(Some(lowered)),
        Err(reason @ GenerateError::NotLowered(_)) if config.engine == EngineChoice::Auto => {
            context.host.note(&format!("{reason}: libtorch steps it, much slower"));
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}
