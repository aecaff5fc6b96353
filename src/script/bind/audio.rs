//! `audio`: a corpus, and single sounds.

use std::path::Path;
use std::rc::Rc;

use rhai::{Array, Dynamic, Engine, Map};

use super::generate::TakeValue;
use super::{Outcome, metrics::FrameValue, real};
use crate::audio::{AudioError, Corpus, CorpusConfig, Part, SampleFormat, load_mono, resample, write_wav};
use crate::metrics::{Frame, MetricsError, Row};
use crate::options::Options;
use crate::script::context::Context;
use crate::script::convert::{self, a_type};
use crate::script::docs::{Doc, Docs};
use crate::script::fault::Fault;

/// A corpus. Clones share it.
pub type CorpusValue = Rc<Corpus>;

/// A piece of mono sound. Clones share the samples.
#[derive(Debug, Clone)]
pub(crate) struct Sound {
    pub(crate) name: String,
    pub(crate) samples: Rc<[f32]>,
    pub(crate) sample_rate: u32,
}

const DOCS: &[Doc] = &[
    Doc {
        name: "corpus",
        of: "",
        signature: "corpus(#{ … }) -> Corpus",
        about: "A folder of audio, resampled, turned into tokens, cut into windows and split by file into training, \
                validation and test. `corpus(folder)` takes the defaults.",
        options: Some(CorpusConfig::fields),
        example: "let music = corpus(#{ from: \"data\", window: 2048, train_fraction: 0.67 });",
    },
    Doc {
        name: "audio",
        of: "",
        signature: "audio(path[, sample_rate]) -> Sound",
        about: "A WAV or FLAC file, mixed down to mono and resampled to 16000 Hz or the given rate.",
        options: None,
        example: "let piece = audio(\"data/bigband_005.flac\").slice(10, 14);",
    },
    Doc {
        name: "files",
        of: "Corpus",
        signature: "corpus.files() -> Frame",
        about: "A row for each file: name, seconds, part (train, val, test), windows.",
        options: None,
        example: "print(corpus(#{ from: \"data\", train_fraction: 0.67 }).files());",
    },
    Doc {
        name: "paths",
        of: "Corpus",
        signature: "corpus.paths(\"train\" | \"val\" | \"test\") -> array",
        about: "The paths of the files of a part.",
        options: None,
        example: "let piece = audio(corpus(#{ from: \"data\", train_fraction: 0.67 }).paths(\"val\")[0]);",
    },
    Doc {
        name: "sample_rate",
        of: "Corpus",
        signature: "corpus.sample_rate",
        about: "Samples a second, in Hz.",
        options: None,
        example: "",
    },
    Doc {
        name: "levels",
        of: "Corpus",
        signature: "corpus.levels",
        about: "How many different tokens there are: 2^bits.",
        options: None,
        example: "",
    },
    Doc {
        name: "windows",
        of: "Corpus",
        signature: "corpus.windows",
        about: "How many windows there are to train on.",
        options: None,
        example: "",
    },
    Doc {
        name: "seconds",
        of: "Sound",
        signature: "sound.seconds",
        about: "The duration.",
        options: None,
        example: "",
    },
    Doc {
        name: "sample_rate",
        of: "Sound",
        signature: "sound.sample_rate",
        about: "Samples a second, in Hz.",
        options: None,
        example: "",
    },
    Doc {
        name: "peak",
        of: "Sound",
        signature: "sound.peak",
        about: "The largest magnitude; 1 is full scale.",
        options: None,
        example: "",
    },
    Doc {
        name: "slice",
        of: "Sound",
        signature: "sound.slice(from, to) -> Sound",
        about: "The part between two times, in seconds.",
        options: None,
        example: "let bar = audio(\"data/bigband_005.flac\").slice(10, 12.5);",
    },
    Doc {
        name: "resample",
        of: "Sound",
        signature: "sound.resample(sample_rate) -> Sound",
        about: "The same sound at another rate, in Hz.",
        options: None,
        example: "let low = audio(\"data/bigband_005.flac\").slice(0, 1).resample(8000);",
    },
    Doc {
        name: "save",
        of: "Sound",
        signature: "sound.save(path)",
        about: "Writes a 16-bit WAV file, making its folder where needed.",
        options: None,
        example: "audio(\"data/bigband_005.flac\").slice(0, 1).save(out + \"/piece.wav\");",
    },
];

pub(super) fn register(engine: &mut Engine, docs: &mut Docs, context: &Rc<Context>) {
    docs.add(DOCS);
    engine
        .register_type_with_name::<CorpusValue>("Corpus")
        .register_fn("files", |corpus: &mut CorpusValue| -> Outcome<FrameValue> {
            Ok(files(corpus).map_err(Fault::from)?)
        })
        .register_fn("paths", |corpus: &mut CorpusValue, part: &str| -> Outcome<Array> { Ok(paths(corpus, part)?) })
        .register_get("sample_rate", |corpus: &mut CorpusValue| i64::from(corpus.config().sample_rate))
        .register_get("levels", |corpus: &mut CorpusValue| i64::from(corpus.quantizer().levels()))
        .register_get("windows", |corpus: &mut CorpusValue| whole(corpus.train().windows()))
        .register_fn("to_string", |corpus: &mut CorpusValue| describe(corpus))
        .register_fn("to_debug", |corpus: &mut CorpusValue| describe(corpus));
    let shared = Rc::clone(context);
    engine.register_fn("corpus", move |options: Map| -> Outcome<CorpusValue> {
        let config = convert::options(&options)?;
        shared.finish(open(&shared, &config))
    });
    let shared = Rc::clone(context);
    engine.register_fn("corpus", move |folder: &str| -> Outcome<CorpusValue> {
        let config = CorpusConfig { from: folder.into(), ..CorpusConfig::default() };
        shared.finish(open(&shared, &config))
    });
    sounds(engine, context);
}

fn sounds(engine: &mut Engine, context: &Rc<Context>) {
    engine
        .register_type_with_name::<Sound>("Sound")
        .register_get("seconds", |sound: &mut Sound| sound.seconds())
        .register_get("sample_rate", |sound: &mut Sound| i64::from(sound.sample_rate))
        .register_get("peak", |sound: &mut Sound| f64::from(sound.peak()))
        .register_fn("slice", |sound: &mut Sound, from: Dynamic, to: Dynamic| -> Outcome<Sound> {
            Ok(sound.slice(real(&from, "the start")?, real(&to, "the end")?)?)
        })
        .register_fn("resample", |sound: &mut Sound, rate: i64| -> Outcome<Sound> { Ok(sound.resample(rate)?) })
        .register_fn("save", |sound: &mut Sound, path: &str| -> Outcome<()> { Ok(sound.save(Path::new(path))?) })
        .register_fn("to_string", |sound: &mut Sound| sound.describe())
        .register_fn("to_debug", |sound: &mut Sound| sound.describe());
    let shared = Rc::clone(context);
    engine.register_fn("audio", move |path: &str| -> Outcome<Sound> {
        Ok(read(&shared, path, i64::from(CorpusConfig::default().sample_rate))?)
    });
    let shared = Rc::clone(context);
    engine.register_fn("audio", move |path: &str, rate: i64| -> Outcome<Sound> { Ok(read(&shared, path, rate)?) });
}

/// Opens a corpus and passes its warnings on.
///
/// # Errors
/// What is wrong with the folder or its files.
pub fn open(context: &Context, config: &CorpusConfig) -> Result<CorpusValue, Fault> {
    let corpus = Corpus::open(config, &context.interrupt)?;
    for warning in corpus.warnings() {
        context.host.note(warning);
    }
    Ok(Rc::new(corpus))
}

fn read(context: &Context, path: &str, rate: i64) -> Result<Sound, Fault> {
    let clip = load_mono(Path::new(path), hertz(rate)?)?;
    for warning in &clip.warnings {
        context.host.note(warning);
    }
    Ok(Sound { name: clip.name, samples: clip.samples.into(), sample_rate: clip.sample_rate })
}

fn hertz(rate: i64) -> Result<u32, Fault> {
    u32::try_from(rate)
        .map_err(|_| Fault::new(format!("a sample rate of {rate} Hz was asked for, but it must be above 0")))
}

impl Sound {
    /// What a script may give where sound is asked for: a sound or a take.
    pub(super) fn of(value: &Dynamic) -> Result<Self, Fault> {
        if let Some(take) = value.clone().try_cast::<TakeValue>() {
            return Ok(take.sound());
        }
        value.clone().try_cast::<Self>().ok_or_else(|| {
            Fault::new(format!("a sound was needed, but {} was found", a_type(value.type_name())))
                .with_hint("audio(path) is one, and so is a take: generate(…)[0]")
        })
    }

    /// The duration.
    pub(super) fn seconds(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a count of samples stays far below 2^53")]
        let samples = self.samples.len() as f64;
        samples / f64::from(self.sample_rate)
    }

    fn peak(&self) -> f32 {
        self.samples.iter().fold(0.0, |peak, sample| sample.abs().max(peak))
    }

    fn slice(&self, from: f64, to: f64) -> Result<Self, Fault> {
        let seconds = self.seconds();
        if !(0.0 <= from && from < to && to <= seconds) {
            return Err(Fault::new(format!(
                "no sound between {from} s and {to} s: `{}` has {seconds:.2} s",
                self.name
            ))
            .with_hint("give the start and the end in seconds, the start first"));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the length")]
        let at = |time: f64| ((time * f64::from(self.sample_rate)).round() as usize).min(self.samples.len());
        Ok(Self { samples: self.samples[at(from)..at(to)].into(), ..self.clone() })
    }

    fn resample(&self, rate: i64) -> Result<Self, Fault> {
        let rate = hertz(rate)?;
        let samples = resample(&self.samples, self.sample_rate, rate)?;
        Ok(Self { name: self.name.clone(), samples: samples.into(), sample_rate: rate })
    }

    /// Writes a 16-bit WAV file, making its folder where needed.
    pub(crate) fn save(&self, path: &Path) -> Result<(), Fault> {
        super::make_folder(path)?;
        write_wav(path, &self.samples, self.sample_rate, SampleFormat::Pcm16).map_err(|error: AudioError| error.into())
    }

    fn describe(&self) -> String {
        format!("Sound {}: {:.2} s at {} Hz, peak {:.3}", self.name, self.seconds(), self.sample_rate, self.peak())
    }
}

fn files(corpus: &Corpus) -> Result<FrameValue, MetricsError> {
    let row = |file: &crate::audio::FileEntry| {
        Row::new()
            .with("file", file.name.as_str())
            .with("seconds", file.seconds)
            .with("part", part_name(file.part))
            .with("windows", whole(file.windows))
    };
    Frame::from_rows(&corpus.files().iter().map(row).collect::<Vec<_>>())
}

fn paths(corpus: &Corpus, part: &str) -> Result<Array, Fault> {
    let known = [Part::Train, Part::Val, Part::Test];
    let wanted = known.into_iter().find(|known| part_name(*known) == part);
    let wanted = wanted.ok_or_else(|| {
        Fault::new(format!("a corpus has no part `{part}`")).with_hint("\"train\", \"val\" or \"test\"")
    })?;
    let folder = &corpus.config().from;
    let files = corpus.files().iter().filter(|file| file.part == wanted);
    Ok(files.map(|file| folder.join(&file.name).display().to_string().into()).collect())
}

fn part_name(part: Part) -> &'static str {
    match part {
        Part::Train => "train",
        Part::Val => "val",
        Part::Test => "test",
    }
}

/// Two lines for people.
#[must_use]
pub fn describe(corpus: &Corpus) -> String {
    let config = corpus.config();
    let seconds: f64 = corpus.files().iter().map(|file| file.seconds).sum();
    let part = |part: Part| {
        let files = corpus.files().iter().filter(|file| file.part == part).count();
        let windows = corpus.part(part).windows();
        format!("{} {} ({})", part_name(part), plural(files, "file"), plural(windows, "window"))
    };
    format!(
        "Corpus {}: {}, {:.1} min at {} Hz, {} levels, windows of {}\n  {}, {}, {}",
        config.from.display(),
        plural(corpus.files().len(), "file"),
        seconds / 60.0,
        config.sample_rate,
        corpus.quantizer().levels(),
        config.window,
        part(Part::Train),
        part(Part::Val),
        part(Part::Test),
    )
}

/// `1 file`, `2 files`.
pub(super) fn plural(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// A count as Rhai's integer.
fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
