//! `generate`: the function (`draw`), the values that it returns (`takes`), and their docs.

mod docs;
mod draw;
mod takes;

use std::path::Path;
use std::rc::Rc;

use rhai::{Array, Dynamic, Engine, Map};

use super::Outcome;
use super::audio::{register_methods, wav_format};
use super::model::ModelValue;
use crate::audio::SampleFormat;
use crate::generate::{GenerateConfig, QualityConfig};
use crate::metrics::Frame;
use crate::plot::{self, CurvesConfig, Figure, GridConfig, Names};
use crate::script::context::Context;
use crate::script::convert;
use crate::script::docs::Docs;
use crate::script::fault::Fault;
use crate::script::table::show_table;

pub use draw::{Drawn, Sink, Streamed, draw, stream};
pub(crate) use takes::TakeValue;
pub use takes::Takes;

pub(super) fn register(engine: &mut Engine, docs: &mut Docs, context: &Rc<Context>) {
    docs.add(docs::DOCS);
    let shared = Rc::clone(context);
    engine.register_fn("generate", move |model: Dynamic| -> Outcome<Takes> {
        let config = GenerateConfig::default();
        let outcome = ModelValue::of(&shared, &model).and_then(|model| draw_and_tell(&shared, &model, &config));
        shared.finish(outcome)
    });
    let shared = Rc::clone(context);
    engine.register_fn("generate", move |model: Dynamic, options: Map| -> Outcome<Takes> {
        let config = convert::options(&options)?;
        let outcome = ModelValue::of(&shared, &model).and_then(|model| draw_and_tell(&shared, &model, &config));
        shared.finish(outcome)
    });
    engine
        .register_type_with_name::<Takes>("Takes")
        .register_iterator::<Takes>()
        .register_fn("len", |takes: &mut Takes| i64::try_from(takes.0.len()).unwrap_or(i64::MAX))
        .register_indexer_get(|takes: &mut Takes, index: i64| -> Outcome<TakeValue> { Ok(takes.at(index)?) })
        .register_fn("quality", |takes: &mut Takes| -> Outcome<Frame> { Ok(takes.quality(&QualityConfig::default())?) })
        .register_fn("quality", |takes: &mut Takes, options: Map| -> Outcome<Frame> {
            Ok(takes.quality(&convert::options(&options)?)?)
        })
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

/// [`draw`], and a word on takes that an interrupt ended early.
fn draw_and_tell(context: &Context, model: &ModelValue, config: &GenerateConfig) -> Result<Takes, Fault> {
    let Drawn { takes, failed } = draw(context, model, config)?;
    if let Some(fault) = failed {
        context.host.note(&format!("{}; the takes are kept", fault.message));
    }
    if context.interrupt.is_set() {
        let written = config
            .save_state
            .as_ref()
            .map_or_else(String::new, |path| format!(", and {} what to go on from", path.display()));
        context.host.note(&format!(
            "interrupted: each take holds {} of what was asked for{written}; `takes.save(folder)` writes the sound",
            takes.drawn_of(config),
        ));
    }
    Ok(takes)
}

fn one(engine: &mut Engine, context: &Rc<Context>) {
    register_methods::<TakeValue>(engine, context);
    engine
        .register_type_with_name::<TakeValue>("Take")
        .register_get("log_likelihood", |take: &mut TakeValue| take.take.log_likelihood)
        .register_get("bits_per_token", |take: &mut TakeValue| take.take.bits_per_token())
        .register_fn("quality", |take: &mut TakeValue| -> Outcome<Frame> {
            Ok(take.quality(&QualityConfig::default())?)
        })
        .register_fn("quality", |take: &mut TakeValue, options: Map| -> Outcome<Frame> {
            Ok(take.quality(&convert::options(&options)?)?)
        })
        .register_get("failure", |take: &mut TakeValue| -> Outcome<Dynamic> {
            Ok(take.failure()?.map_or(Dynamic::UNIT, |(failure, _)| failure.name().into()))
        })
        .register_get("time_to_failure", |take: &mut TakeValue| -> Outcome<Dynamic> {
            Ok(take.failure()?.map_or(Dynamic::UNIT, |(_, seconds)| seconds.into()))
        })
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

/// How takes hold up: a panel for each figure, a line for each take.
pub(super) fn quality_figure(takes: &Takes) -> Result<Figure, Fault> {
    const PANELS: [(&str, &str); 5] = [
        ("rms_db", "RMS (dB)"),
        ("flatness", "Spectral flatness"),
        ("onset_rate", "Onsets a second"),
        ("entropy_bits", "Entropy (bits a token)"),
        ("bits_per_token", "Bits a token"),
    ];
    let frame = takes.quality(&QualityConfig::default())?;
    let panel = |(column, label): (&str, &str)| {
        let config = CurvesConfig {
            x: "second".to_owned(),
            y: Some(Names::One(column.to_owned())),
            by: Some("stream".to_owned()),
            x_label: Some("Seconds after the prompt".to_owned()),
            y_label: Some(label.to_owned()),
            ..CurvesConfig::default()
        };
        plot::curves_of(&frame, &config)
    };
    let panels = PANELS.into_iter().map(panel).collect::<Result<Vec<_>, _>>()?;
    Ok(plot::grid(&panels, 2, &GridConfig::default())?)
}
