//! `wasabi verify`: does the convolution say what the recurrence says? Layer by layer, in float32 and in float64.

use std::path::{Path, PathBuf};

use clap::{Arg, ArgMatches, Command};

use super::flags;
use crate::generate::Sound;
use crate::metrics::{Frame, Row};
use crate::model::verify::verify_tokens;
use crate::model::{Model, SashimiConfig};
use crate::script::actions::{self, ModelValue};
use crate::script::{Context, Diagnostic, Fault, show_table};
use crate::seed::Seed;

/// Tokens compared unless told: long enough for slow modes to show, short enough for a second of recurrence.
const USUAL_LENGTH: usize = 1024;

/// In float64 both forms agree to about 1e-10 of the largest output; above this they compute different things.
const TOLERANCE: f64 = 1e-6;

/// `wasabi verify [CHECKPOINT]`.
pub(super) fn command() -> Command {
    let command =
        Command::new("verify")
            .about("Compare convolution and recurrence of a trained model, or of a fresh SaShiMi, layer by layer")
            .arg(
                Arg::new("checkpoint")
                    .value_name("CHECKPOINT")
                    .value_parser(clap::value_parser!(PathBuf))
                    .help("A checkpoint or the folder of a run; without it, a fresh SaShiMi of the options below"),
            )
            .arg(
                Arg::new("tokens").long("tokens").value_name("FILE").value_parser(clap::value_parser!(PathBuf)).help(
                    "Tokens to compare on: a WAV or FLAC file, or a text file of integers; without it, random ones",
                ),
            )
            .arg(
                Arg::new("length")
                    .long("length")
                    .value_name("N")
                    .value_parser(clap::value_parser!(usize))
                    .help(format!("How many tokens; the pools must divide it [default: about {USUAL_LENGTH}]")),
            )
            .arg(
                Arg::new("seed")
                    .long("seed")
                    .value_name("N")
                    .default_value("0")
                    .value_parser(clap::value_parser!(u64))
                    .help("Seed of random tokens and of fresh weights"),
            );
    let command = flags::add::<SashimiConfig>(command);
    flags::without::<SashimiConfig>(command, "checkpoint")
}

/// Prints the table; an error when the forms disagree.
pub(super) fn run(matches: &ArgMatches, context: &Context) -> Result<(), Diagnostic> {
    let seed = Seed(matches.get_one::<u64>("seed").copied().unwrap_or_default());
    let value = match matches.get_one::<PathBuf>("checkpoint") {
        Some(path) => actions::load(context, path)?,
        None => ModelValue::from(flags::read::<SashimiConfig>(matches).map_err(super::work::usage)?.spec()),
    };
    let sound = value.sound();
    let fresh;
    let model = match &value.trained {
        Some(trained) => &trained.model,
        None => {
            fresh = value.build(context, i64::from(sound.quantizer.levels()), seed)?;
            &fresh
        }
    };
    let tokens = tokens(matches, model, &sound, seed)?;
    context.host.note(&format!("comparing on {} tokens", tokens.len()));
    let differences = verify_tokens(model, &tokens, sound.quantizer.zero_level()).map_err(Fault::from)?;
    let row = |found: &crate::model::verify::LayerDifference| {
        Row::new()
            .with("layer", found.layer.as_str())
            .with("largest_output", found.largest_output)
            .with("float32", format!("{:.1e}", found.single))
            .with("float64", format!("{:.1e}", found.double))
    };
    let rows: Vec<Row> = differences.iter().map(row).collect();
    let frame = Frame::from_rows(&rows).map_err(Fault::from)?;
    context.host.print(&show_table(&frame, context.host.width()));
    // NaN is not below anything: `all` and not `any` with the comparison turned round.
    if differences.iter().all(|found| found.double <= TOLERANCE * found.largest_output.max(1.0)) {
        context.host.print("convolution and recurrence agree");
        return Ok(());
    }
    Err(Diagnostic::new("convolution and recurrence disagree in float64")
        .with_hint("the table names the layer; please report it with the checkpoint"))
}

fn tokens(matches: &ArgMatches, model: &Model, sound: &Sound, seed: Seed) -> Result<Vec<u16>, Diagnostic> {
    let product = usize::try_from(model.spec().pool_product()).unwrap_or(1);
    let asked = matches.get_one::<usize>("length").copied();
    let length = asked.unwrap_or_else(|| USUAL_LENGTH.next_multiple_of(product));
    let found = match matches.get_one::<PathBuf>("tokens") {
        Some(path) => read(path, sound)?,
        None => (0..length).map(|at| random(seed, at, sound.quantizer.levels())).collect(),
    };
    if let Some(asked) = asked.filter(|asked| *asked > found.len()) {
        return Err(Diagnostic::new(format!("{asked} tokens were asked for, but there are {}", found.len())));
    }
    let whole = found.len().min(length) / product * product;
    // A length that somebody asked for is kept, so that the model can say what is wrong with it.
    Ok(found[..asked.unwrap_or(whole)].to_vec())
}

fn random(seed: Seed, at: usize, levels: u32) -> u16 {
    let drawn = seed.derive("verify", at as u64) % u64::from(levels);
    u16::try_from(drawn).unwrap_or(0) // levels is at most 2^16
}

fn read(path: &Path, sound: &Sound) -> Result<Vec<u16>, Fault> {
    let extension = path.extension().map(|text| text.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    if matches!(extension.as_str(), "wav" | "flac") {
        return Ok(sound.prompt(path, None)?);
    }
    let text = std::fs::read_to_string(path)
        .map_err(|error| Fault::new(format!("cannot read tokens from {}: {error}", path.display())))?;
    let levels = sound.quantizer.levels();
    let words = text.split(|c: char| c.is_whitespace() || matches!(c, ',' | '[' | ']')).filter(|word| !word.is_empty());
    words
        .map(|word| {
            word.parse::<u16>().ok().filter(|token| u32::from(*token) < levels).ok_or_else(|| {
                Fault::new(format!("`{word}` in {} is no token", path.display()))
                    .with_hint(format!("tokens are integers from 0 to {}", levels - 1))
            })
        })
        .collect()
}
