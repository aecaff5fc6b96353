//! A folder of audio as a corpus.

use std::rc::Rc;

use rhai::{Array, Engine, Map};

use crate::audio::{Corpus, CorpusConfig, Part};
use crate::metrics::{Frame, MetricsError, Row};
use crate::options::Options;
use crate::script::bind::Outcome;
use crate::script::bind::metrics::FrameValue;
use crate::script::context::Context;
use crate::script::convert;
use crate::script::docs::{Doc, Docs};
use crate::script::fault::Fault;

/// A corpus. Clones share it.
pub type CorpusValue = Rc<Corpus>;

const DOCS: &[Doc] = &[
    Doc {
        name: "corpus",
        of: "",
        signature: "corpus(folder | #{ … }) -> Corpus",
        about: "A folder of audio, resampled, turned into tokens, cut into windows and split by file into training, \
                validation and test. `corpus(folder)` takes the defaults.",
        options: Some(CorpusConfig::fields),
        example: "let music = corpus(#{ from: \"data\", window: 2048 });",
    },
    Doc {
        name: "files",
        of: "Corpus",
        signature: "corpus.files() -> Frame",
        about: "A row for each file: name, seconds, part (train, val, test), windows.",
        options: None,
        example: "print(corpus(#{ from: \"data\" }).files());",
    },
    Doc {
        name: "paths",
        of: "Corpus",
        signature: "corpus.paths(\"train\" | \"val\" | \"test\") -> array of text",
        about: "The paths of the files of a part.",
        options: None,
        example: "let piece = audio(corpus(#{ from: \"data\" }).paths(\"val\")[0]);",
    },
    Doc {
        name: "sample_rate",
        of: "Corpus",
        signature: "corpus.sample_rate -> integer",
        about: "Samples a second, in Hz.",
        options: None,
        example: "print(music.sample_rate);",
    },
    Doc {
        name: "levels",
        of: "Corpus",
        signature: "corpus.levels -> integer",
        about: "How many different tokens there are: 2^bits.",
        options: None,
        example: "print(music.levels);",
    },
    Doc {
        name: "windows",
        of: "Corpus",
        signature: "corpus.windows -> integer",
        about: "How many windows there are to train on.",
        options: None,
        example: "print(music.windows);",
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
pub(in crate::script::bind) fn plural(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// A count as Rhai's integer.
fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
