//! Evaluations: what a model scored, beside what guesses without a model score.

use std::rc::Rc;

use rhai::{Dynamic, Engine, Map};

use super::super::Outcome;
use super::super::audio::CorpusValue;
use super::super::meter::Meter;
use super::super::model::ModelValue;
use crate::audio::Corpus;
use crate::generate::Sound as TokenSound;
use crate::metrics::{Frame, Row};
use crate::options::Options;
use crate::script::context::Context;
use crate::script::convert;
use crate::script::docs::{Doc, Docs};
use crate::script::fault::Fault;
use crate::script::table::show_table;
use crate::train::{ClipScore, EvaluateConfig, Evaluation};

const DOCS: &[Doc] = &[
    Doc {
        name: "evaluate",
        of: "",
        signature: "evaluate(model | run, corpus[, split | #{ … }]) -> Evaluation",
        about: "Scores a trained model (of a run, its best weights) on a part of a corpus: \"train\", \"val\" or \"test\".",
        options: Some(EvaluateConfig::fields),
        example: "print(evaluate(load_model(run_folder), music, #{ windows: 1 }));",
    },
    Doc {
        name: "split",
        of: "Evaluation",
        signature: "evaluation.split -> text",
        about: "The part of the corpus that was scored.",
        options: None,
        example: "print(evaluate(load_model(run_folder), music, #{ windows: 1 }).split);",
    },
    Doc {
        name: "nll",
        of: "Evaluation",
        signature: "evaluation.nll -> real",
        about: "Cross-entropy in nats per token.",
        options: None,
        example: "print(evaluate(load_model(run_folder), music, #{ windows: 1 }).nll);",
    },
    Doc {
        name: "bits_per_byte",
        of: "Evaluation",
        signature: "evaluation.bits_per_byte -> real",
        about: "Cross-entropy in bits per byte: of 8-bit tokens, bits per token.",
        options: None,
        example: "print(evaluate(load_model(run_folder), music, #{ windows: 1 }).bits_per_byte);",
    },
    Doc {
        name: "accuracy",
        of: "Evaluation",
        signature: "evaluation.accuracy -> real",
        about: "Share of tokens that the model thought the likeliest, 0 to 1.",
        options: None,
        example: "print(evaluate(load_model(run_folder), music, #{ windows: 1 }).accuracy);",
    },
    Doc {
        name: "accuracy_at_3",
        of: "Evaluation",
        signature: "evaluation.accuracy_at_3 -> real",
        about: "Share of tokens among the 3 that the model thought the likeliest, 0 to 1.",
        options: None,
        example: "print(evaluate(load_model(run_folder), music, #{ windows: 1 }).accuracy_at_3);",
    },
    Doc {
        name: "accuracy_at_5",
        of: "Evaluation",
        signature: "evaluation.accuracy_at_5 -> real",
        about: "Share of tokens among the 5 that the model thought the likeliest, 0 to 1.",
        options: None,
        example: "print(evaluate(load_model(run_folder), music, #{ windows: 1 }).accuracy_at_5);",
    },
    Doc {
        name: "accuracy_at_10",
        of: "Evaluation",
        signature: "evaluation.accuracy_at_10 -> real",
        about: "Share of tokens among the 10 that the model thought the likeliest, 0 to 1.",
        options: None,
        example: "print(evaluate(load_model(run_folder), music, #{ windows: 1 }).accuracy_at_10);",
    },
    Doc {
        name: "tokens",
        of: "Evaluation",
        signature: "evaluation.tokens -> integer",
        about: "How many tokens were scored.",
        options: None,
        example: "print(evaluate(load_model(run_folder), music, #{ windows: 1 }).tokens);",
    },
    Doc {
        name: "uniform",
        of: "Evaluation",
        signature: "evaluation.uniform -> real",
        about: "Bits per byte of a guess that knows nothing, on the same windows.",
        options: None,
        example: "print(evaluate(load_model(run_folder), music, #{ windows: 1 }).uniform);",
    },
    Doc {
        name: "unigram",
        of: "Evaluation",
        signature: "evaluation.unigram -> real",
        about: "Bits per byte of a guess by how frequent each token is, on the same windows.",
        options: None,
        example: "print(evaluate(load_model(run_folder), music, #{ windows: 1 }).unigram);",
    },
    Doc {
        name: "markov",
        of: "Evaluation",
        signature: "evaluation.markov -> real",
        about: "Bits per byte of a guess from the token before, on the same windows.",
        options: None,
        example: "print(evaluate(load_model(run_folder), music, #{ windows: 1 }).markov);",
    },
    Doc {
        name: "below_markov",
        of: "Evaluation",
        signature: "evaluation.below_markov -> real",
        about: "How many bits per byte the model is below the Markov baseline; negative when it is above.",
        options: None,
        example: "print(evaluate(load_model(run_folder), music, #{ windows: 1 }).below_markov);",
    },
    Doc {
        name: "table",
        of: "Evaluation",
        signature: "evaluation.table() -> Frame",
        about: "The model beside the baselines of the same windows.",
        options: None,
        example: "print(evaluate(load_model(run_folder), music, #{ windows: 1 }).table());",
    },
    Doc {
        name: "clips",
        of: "Evaluation",
        signature: "evaluation.clips() -> Frame",
        about: "Bits per byte of each file.",
        options: None,
        example: "print(evaluate(load_model(run_folder), music, #{ windows: 1 }).clips());",
    },
];

pub(super) fn register(engine: &mut Engine, docs: &mut Docs, context: &Rc<Context>) {
    docs.add(DOCS);
    let shared = Rc::clone(context);
    engine.register_fn("evaluate", move |model: Dynamic, corpus: CorpusValue| -> Outcome<Evaluation> {
        shared.finish(score(&shared, &model, &corpus, &EvaluateConfig::default()))
    });
    let shared = Rc::clone(context);
    engine.register_fn("evaluate", move |model: Dynamic, corpus: CorpusValue, split: &str| -> Outcome<Evaluation> {
        let options = Map::from([("split".into(), split.into())]);
        shared.finish(score(&shared, &model, &corpus, &convert::options(&options)?))
    });
    let shared = Rc::clone(context);
    engine.register_fn("evaluate", move |model: Dynamic, corpus: CorpusValue, options: Map| -> Outcome<Evaluation> {
        shared.finish(score(&shared, &model, &corpus, &convert::options(&options)?))
    });
    engine
        .register_type_with_name::<Evaluation>("Evaluation")
        .register_get("split", |found: &mut Evaluation| found.part.to_string())
        .register_get("nll", |found: &mut Evaluation| found.nll)
        .register_get("bits_per_byte", |found: &mut Evaluation| found.bits_per_byte)
        .register_get("accuracy", |found: &mut Evaluation| found.accuracy)
        .register_get("accuracy_at_3", |found: &mut Evaluation| found.accuracy_at_3)
        .register_get("accuracy_at_5", |found: &mut Evaluation| found.accuracy_at_5)
        .register_get("accuracy_at_10", |found: &mut Evaluation| found.accuracy_at_10)
        .register_get("tokens", |found: &mut Evaluation| i64::try_from(found.tokens).unwrap_or(i64::MAX))
        .register_get("uniform", |found: &mut Evaluation| found.baselines.uniform.per_byte)
        .register_get("unigram", |found: &mut Evaluation| found.baselines.unigram.per_byte)
        .register_get("markov", |found: &mut Evaluation| found.baselines.markov.per_byte)
        .register_get("below_markov", |found: &mut Evaluation| found.baselines.markov.per_byte - found.bits_per_byte)
        .register_fn("table", |found: &mut Evaluation| -> Outcome<Frame> { Ok(table(found)?) })
        .register_fn("clips", |found: &mut Evaluation| -> Outcome<Frame> { Ok(clips(found)?) })
        .register_fn("to_string", |found: &mut Evaluation| -> Outcome<String> { Ok(describe(found)?) })
        .register_fn("to_debug", |found: &mut Evaluation| -> Outcome<String> { Ok(describe(found)?) });
}

fn score(context: &Context, model: &Dynamic, corpus: &Corpus, config: &EvaluateConfig) -> Result<Evaluation, Fault> {
    score_model(context, &ModelValue::of(context, model)?, corpus, config)
}

/// Scores a trained model on a part of a corpus.
///
/// # Errors
/// For a model without weights, a corpus whose tokens mean something else than the model's, and what the scoring refuses.
pub fn score_model(
    context: &Context,
    model: &ModelValue,
    corpus: &Corpus,
    config: &EvaluateConfig,
) -> Result<Evaluation, Fault> {
    let trained = model.weights()?;
    check_tokens(&trained.sound, corpus)?;
    let mut meter = Meter::new(context, "scoring");
    let mut progress = |done: usize, total: usize| meter.advance(done as u64, total as u64, "windows");
    Ok(crate::train::evaluate(&trained.model, corpus, config, &context.interrupt, &mut progress)?)
}

/// That a token of the corpus means what it means to the model: scores of other tokens are numbers without a meaning.
fn check_tokens(sound: &TokenSound, corpus: &Corpus) -> Result<(), Fault> {
    let config = corpus.config();
    let found = TokenSound { quantizer: corpus.quantizer(), scaling: config.scaling, sample_rate: config.sample_rate };
    if found == *sound {
        return Ok(());
    }
    let (found, needed) = (settings_of(&found), settings_of(sound));
    let differing = |from: &[(&str, String); 4], other: &[(&str, String); 4]| -> String {
        let unlike = from.iter().zip(other).filter(|(a, b)| a.1 != b.1);
        unlike.map(|((name, value), _)| format!("{name}: {value}")).collect::<Vec<_>>().join(", ")
    };
    let (of_corpus, of_model) = (differing(&found, &needed), differing(&needed, &found));
    Err(Fault::new(format!("the corpus was opened with {of_corpus}, but the model was trained with {of_model}"))
        .with_hint(format!("open the corpus with {of_model}")))
}

/// What tokens mean, as the options of a corpus say it.
fn settings_of(sound: &TokenSound) -> [(&'static str, String); 4] {
    let name = |value: serde_json::Result<serde_json::Value>| value.map_or_else(|e| e.to_string(), |v| v.to_string());
    [
        ("sample_rate", sound.sample_rate.to_string()),
        ("quantization", name(serde_json::to_value(sound.quantizer.quantization()))),
        ("bits", sound.quantizer.bits().to_string()),
        ("scaling", name(serde_json::to_value(sound.scaling))),
    ]
}

/// The model beside the baselines of the same windows.
pub(crate) fn table(found: &Evaluation) -> Result<Frame, Fault> {
    let markov = found.baselines.markov.per_byte;
    let row = |who: &str, bits: f64| {
        Row::new().with("what", who).with("bits_per_byte", bits).with("below_markov", markov - bits)
    };
    let rows = [
        row("uniform", found.baselines.uniform.per_byte),
        row("unigram", found.baselines.unigram.per_byte),
        row("markov", markov),
        row("model", found.bits_per_byte),
    ];
    Ok(Frame::from_rows(&rows)?)
}

fn clips(found: &Evaluation) -> Result<Frame, Fault> {
    let row = |clip: &ClipScore| {
        Row::new()
            .with("file", clip.name.as_str())
            .with("bits_per_byte", clip.bits_per_byte)
            .with("tokens", clip.tokens)
    };
    Ok(Frame::from_rows(&found.clips.iter().map(row).collect::<Vec<_>>())?)
}

/// Wide enough for the three columns of an evaluation.
const TABLE_WIDTH: usize = 80;

/// The table with a line about accuracy below it.
///
/// # Errors
/// When the figures make no frame.
pub fn describe(found: &Evaluation) -> Result<String, Fault> {
    let Evaluation { part, tokens, .. } = found;
    let table = show_table(&table(found)?, TABLE_WIDTH);
    Ok(format!("Evaluation on {part}, {tokens} tokens\n{table}\n{}", accuracies(found)))
}

/// What the table leaves out: `accuracy 12.5 %, @3 30.1 %, …`.
pub(crate) fn accuracies(found: &Evaluation) -> String {
    let percent = |share: f64| format!("{:.1}", 100.0 * share);
    format!(
        "accuracy {} %, @3 {} %, @5 {} %, @10 {} %",
        percent(found.accuracy),
        percent(found.accuracy_at_3),
        percent(found.accuracy_at_5),
        percent(found.accuracy_at_10),
    )
}
