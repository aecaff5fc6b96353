//! `generate`: takes.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use rhai::{Array, Dynamic, Engine, Map};

use super::audio::{Sound, Sounding, register_methods, wav_format};
use super::model::{ModelValue, Trained};
use super::{Meter, Outcome};
use crate::audio::{SampleFormat, write_wav};
use crate::generate::{self, EngineChoice, GenerateConfig, GenerateError, LibtorchSteps, Lowered, Take};
use crate::metrics::{Frame, Row};
use crate::options::Options;
use crate::script::context::Context;
use crate::script::convert;
use crate::script::docs::{Doc, Docs};
use crate::script::fault::Fault;
use crate::script::table::show_table;

/// One generated sound. Clones share it.
#[derive(Debug, Clone)]
pub struct TakeValue {
    pub(crate) take: Rc<Take>,
    pub(crate) sample_rate: u32,
}

/// What one call of `generate` returned, in its order.
#[derive(Debug, Clone)]
pub struct Takes(Rc<[TakeValue]>);

/// Takes for examples.
macro_rules! takes {
    ($rest:literal) => {
        concat!("let takes = generate(load_model(run_folder), #{ samples: 16, batch: 2 });\n", $rest)
    };
}

/// A take for examples.
macro_rules! take {
    ($rest:literal) => {
        concat!("let take = generate(load_model(run_folder), #{ samples: 16 })[0];\n", $rest)
    };
}

/// What a take can do because it holds a sound.
const fn as_sound(name: &'static str, signature: &'static str, example: &'static str) -> Doc {
    Doc { name, of: "Take", signature, about: "As of a Sound, of the take's sound.", options: None, example }
}

const DOCS: &[Doc] = &[
    Doc {
        name: "generate",
        of: "",
        signature: "generate(model | run[, #{ … }]) -> Takes",
        about: "Draws sound from a trained model, one sample at a time; of a run, its best weights. The likeliest take \
                comes first.",
        options: Some(GenerateConfig::fields),
        example: "let takes = generate(load_model(run_folder), #{ seconds: 0.01, batch: 2, seed: 7 });\n\
                  takes[0].save(out + \"/take.wav\");",
    },
    Doc {
        name: "table",
        of: "Takes",
        signature: "takes.table() -> Frame",
        about: "A row for each take: stream, seconds, log-likelihood in nats, bits per token, entropy in bits per token.",
        options: None,
        example: takes!("print(takes.table().sort(\"bits_per_token\"));"),
    },
    Doc {
        name: "len",
        of: "Takes",
        signature: "takes.len() -> integer",
        about: "How many takes there are. `takes[i]` is one, and `for take in takes` goes through them.",
        options: None,
        example: takes!("print(takes.len());\nfor take in takes { print(take.bits_per_token) }"),
    },
    Doc {
        name: "save",
        of: "Takes",
        signature: "takes.save(folder) -> array of text",
        about: "Writes every take as `take-<stream>.wav`, and returns the paths.",
        options: None,
        example: takes!("print(takes.save(out));"),
    },
    Doc {
        name: "save",
        of: "Take",
        signature: "take.save(path[, \"float\"]) -> Take",
        about: "Writes a 16-bit WAV file, or with \"float\" a 32-bit float one, making its folder where needed.",
        options: None,
        example: take!("take.save(out + \"/take.wav\");"),
    },
    Doc {
        name: "sound",
        of: "Take",
        signature: "take.sound -> Sound",
        about: "The take as a Sound. What a sound can do, a take can do too, joining by + and * among it.",
        options: None,
        example: take!("print((take + silence(0.01) + take.sound).seconds);"),
    },
    Doc {
        name: "play",
        of: "Take",
        signature: "take.play()",
        about: "Plays it, as `sound.play()`.",
        options: None,
        example: take!("try { take.play() } catch (fault) { print(fault.message) }"),
    },
    Doc {
        name: "tokens",
        of: "Take",
        signature: "take.tokens([#{ … }]) -> array of integer",
        about: "The prompt's and the drawn tokens as the model has them; with options, those of the sound, as `sound.tokens`.",
        options: None,
        example: take!("print(take.tokens());"),
    },
    as_sound("sample_rate", "take.sample_rate -> integer", take!("print(take.sample_rate);")),
    as_sound("channels", "take.channels -> integer", take!("print(take.channels);")),
    as_sound("samples", "take.samples -> array of real", take!("print(take.samples.len());")),
    as_sound("peak", "take.peak -> real", take!("print(take.peak);")),
    as_sound("peak_db", "take.peak_db -> real", take!("print(take.peak_db);")),
    as_sound("rms", "take.rms -> real", take!("print(take.rms);")),
    as_sound("mono", "take.mono() -> Sound", take!("print(take.mono());")),
    as_sound("slice", "take.slice(from[, to]) -> Sound", take!("print(take.slice(0.0005));")),
    as_sound("resample", "take.resample(sample_rate) -> Sound", take!("print(take.resample(8000));")),
    as_sound("fade", "take.fade(seconds[, seconds]) -> Sound", take!("print(take.fade(0.0001));")),
    as_sound("normalise", "take.normalise([peak]) -> Sound", take!("print(take.normalise());")),
    as_sound("spectrum", "take.spectrum([#{ … }]) -> Frame", take!("print(take.spectrum(#{ fft_size: 8 }));")),
    Doc {
        name: "log_likelihood",
        of: "Take",
        signature: "take.log_likelihood -> real",
        about: "Of what was drawn, under the model's own distribution, in nats.",
        options: None,
        example: take!("print(take.log_likelihood);"),
    },
    Doc {
        name: "bits_per_token",
        of: "Take",
        signature: "take.bits_per_token -> real",
        about: "What each drawn token cost the model on average.",
        options: None,
        example: take!("print(take.bits_per_token);"),
    },
    Doc {
        name: "stream",
        of: "Take",
        signature: "take.stream -> integer",
        about: "Its number in the batch: the same sound, whatever the batch size.",
        options: None,
        example: take!("print(take.stream);"),
    },
    Doc {
        name: "seconds",
        of: "Take",
        signature: "take.seconds -> real",
        about: "The duration.",
        options: None,
        example: take!("print(take.seconds);"),
    },
];

pub(super) fn register(engine: &mut Engine, docs: &mut Docs, context: &Rc<Context>) {
    docs.add(DOCS);
    let shared = Rc::clone(context);
    engine.register_fn("generate", move |model: Dynamic| -> Outcome<Takes> {
        let outcome = ModelValue::of(&shared, &model).and_then(|m| draw(&shared, &m, &GenerateConfig::default()));
        shared.finish(outcome)
    });
    let shared = Rc::clone(context);
    engine.register_fn("generate", move |model: Dynamic, options: Map| -> Outcome<Takes> {
        let config = convert::options(&options)?;
        let outcome = ModelValue::of(&shared, &model).and_then(|model| draw(&shared, &model, &config));
        shared.finish(outcome)
    });
    engine
        .register_type_with_name::<Takes>("Takes")
        .register_iterator::<Takes>()
        .register_fn("len", |takes: &mut Takes| i64::try_from(takes.0.len()).unwrap_or(i64::MAX))
        .register_indexer_get(|takes: &mut Takes, index: i64| -> Outcome<TakeValue> { Ok(takes.at(index)?) })
        .register_fn("table", |takes: &mut Takes| -> Outcome<Frame> { Ok(takes.table()?) })
        .register_fn("save", |takes: &mut Takes, folder: &str| -> Outcome<Array> {
            let paths = takes.save(Path::new(folder))?;
            Ok(paths.into_iter().map(|path| path.display().to_string().into()).collect())
        });
    for name in ["to_string", "to_debug"] {
        let host = Rc::clone(&context.host);
        engine.register_fn(name, move |takes: &mut Takes| -> Outcome<String> {
            Ok(show_table(&takes.table()?, host.width()))
        });
    }
    one(engine, context);
}

fn one(engine: &mut Engine, context: &Rc<Context>) {
    register_methods::<TakeValue>(engine, context);
    engine
        .register_type_with_name::<TakeValue>("Take")
        .register_get("log_likelihood", |take: &mut TakeValue| take.take.log_likelihood)
        .register_get("bits_per_token", |take: &mut TakeValue| take.take.bits_per_token())
        .register_get("stream", |take: &mut TakeValue| i64::try_from(take.take.stream).unwrap_or(i64::MAX))
        .register_get("seconds", |take: &mut TakeValue| take.sound().seconds())
        .register_get("sound", |take: &mut TakeValue| take.sound())
        .register_fn("tokens", |take: &mut TakeValue| -> Array {
            take.take.tokens.iter().map(|&token| Dynamic::from(i64::from(token))).collect()
        })
        .register_fn("save", |take: TakeValue, path: &str| -> Outcome<TakeValue> {
            take.save(Path::new(path), SampleFormat::Pcm16)?;
            Ok(take)
        })
        .register_fn("save", |take: TakeValue, path: &str, format: &str| -> Outcome<TakeValue> {
            take.save(Path::new(path), wav_format(format)?)?;
            Ok(take)
        })
        .register_fn("to_string", |take: &mut TakeValue| take.describe())
        .register_fn("to_debug", |take: &mut TakeValue| take.describe());
}

/// Draws takes from a trained model.
///
/// # Errors
/// For a model without weights, options out of range, or a prompt that cannot be read.
pub fn draw(context: &Context, model: &ModelValue, config: &GenerateConfig) -> Result<Takes, Fault> {
    let trained = model.weights()?;
    let sound = trained.sound;
    let prompt = match &config.prompt {
        Some(path) => sound.prompt(path, config.prompt_seconds)?,
        None => Vec::new(),
    };
    config.validate()?;
    let lowered = lower(context, trained, config.engine)?;
    let mut meter = Meter::new(context, "generating");
    let rate = f64::from(sound.sample_rate);
    let (start, batch) = (Instant::now(), config.batch);
    let mut told = Instant::now();
    let mut progress = |done: usize, total: usize| {
        // A line for every sample would cost more than the sample.
        if done == total || told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            #[expect(clippy::cast_precision_loss, reason = "a count of samples stays far below 2^53")]
            let (seconds, takes) = (done as f64 / rate, batch as f64);
            let speed = seconds * takes / start.elapsed().as_secs_f64().max(1e-9);
            meter.advance(done as u64, total as u64, &format!("{seconds:.2} s of sound, {speed:.2} times real time"));
        }
    };
    let takes = match &lowered {
        Some(model) => {
            let threads = crate::device::threads();
            generate::generate_lowered(model, config, &sound, &prompt, threads, &context.interrupt, &mut progress)?
        }
        None => {
            let mut engine = LibtorchSteps::new(&trained.model, config.batch)?;
            generate::generate(&mut engine, config, &sound, &prompt, &context.interrupt, &mut progress)?
        }
    };
    let value = |take| TakeValue { take: Rc::new(take), sample_rate: sound.sample_rate };
    Ok(Takes(takes.into_iter().map(value).collect()))
}

/// How often the progress of a call is shown.
const TELL_EVERY: Duration = Duration::from_millis(50);

/// The engine's form of a model; none where libtorch is to step it, with a note when that was not asked for.
fn lower(context: &Context, trained: &Trained, choice: EngineChoice) -> Result<Option<Lowered>, Fault> {
    if choice == EngineChoice::Libtorch {
        return Ok(None);
    }
    match Lowered::new(&trained.model) {
        Ok(lowered) => Ok(Some(lowered)),
        Err(reason @ GenerateError::NotLowered(_)) if choice == EngineChoice::Auto => {
            context.host.note(&format!("{reason}: libtorch steps it, much slower"));
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

impl Takes {
    fn at(&self, index: i64) -> Result<TakeValue, Fault> {
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
        let row = |value: &TakeValue| {
            #[expect(clippy::cast_precision_loss, reason = "a count of samples stays far below 2^53")]
            let drawn = value.take.drawn().len().max(1) as f64;
            Row::new()
                .with("stream", value.take.stream)
                .with("seconds", value.sound().seconds())
                .with("log_likelihood", value.take.log_likelihood)
                .with("bits_per_token", value.take.bits_per_token())
                .with("entropy_bits", value.take.entropy / std::f64::consts::LN_2 / drawn)
        };
        Ok(Frame::from_rows(&self.0.iter().map(row).collect::<Vec<_>>())?)
    }

    /// Writes every take into `folder`, and returns their paths.
    ///
    /// # Errors
    /// What the system says.
    pub fn save(&self, folder: &Path) -> Result<Vec<PathBuf>, Fault> {
        let save = |value: &TakeValue| {
            let path = folder.join(format!("take-{}.wav", value.take.stream));
            value.save(&path, SampleFormat::Pcm16)?;
            Ok(path)
        };
        self.0.iter().map(save).collect()
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

    fn save(&self, path: &Path, format: SampleFormat) -> Result<(), Fault> {
        super::make_folder(path)?;
        Ok(write_wav(path, &self.take.wave, self.sample_rate, format)?)
    }

    fn describe(&self) -> String {
        let Take { stream, log_likelihood, .. } = &*self.take;
        let seconds = self.sound().seconds();
        format!(
            "Take {stream}: {seconds:.2} s, log-likelihood {log_likelihood:.1}, {:.3} bits per token",
            self.take.bits_per_token()
        )
    }
}
