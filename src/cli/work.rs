//! `wasabi train`, `evaluate`, `generate`: the scripts' functions with flags for options.

use std::path::{Path, PathBuf};

use clap::{Arg, ArgMatches, Command};

use super::flags;
use crate::audio::CorpusConfig;
use crate::experiment::RunDir;
use crate::generate::GenerateConfig;
use crate::model::SashimiConfig;
use crate::script::actions::{self, ModelValue, RunValue};
use crate::script::{Context, Diagnostic, Fault, show_table};
use crate::train::{EvaluateConfig, TrainConfig};

/// `wasabi train`: a SaShiMi on a folder of audio, or a run gone on with.
pub(super) fn train_command() -> Command {
    let command = Command::new("train").about("Train a SaShiMi on a folder of audio, or go on with a run").arg(
        Arg::new("resume")
            .long("resume")
            .value_name("FOLDER")
            .help("Go on with the run in this folder, with the settings it was started with and those given now"),
    );
    let command = flags::add::<CorpusConfig>(command);
    let command = flags::add::<SashimiConfig>(command);
    let command = flags::add::<TrainConfig>(command);
    let command = flags::without::<CorpusConfig>(command, "resume");
    flags::without::<SashimiConfig>(command, "resume")
}

/// `wasabi evaluate CHECKPOINT`.
pub(super) fn evaluate_command() -> Command {
    let command = Command::new("evaluate")
        .about("Score a trained model on a folder of audio, beside the baselines of the same windows")
        .arg(checkpoint());
    let command = flags::add::<EvaluateConfig>(command);
    flags::add::<CorpusConfig>(command)
}

/// `wasabi generate CHECKPOINT`, or `--checkpoint CHECKPOINT`.
pub(super) fn generate_command() -> Command {
    let command = Command::new("generate")
        .about("Draw sound from a trained model")
        .after_help(
            "Examples:\n  wasabi generate experiments/run --seconds 10 --samples 30 --prompt theme.wav --prefix 2 --out takes\n  \
             wasabi generate experiments/run --seconds 60 --stream | aplay",
        )
        .arg(checkpoint().required(false).required_unless_present("model"))
        .arg(
            Arg::new("model")
                .long("checkpoint")
                .value_name("CHECKPOINT")
                .conflicts_with("checkpoint")
                .value_parser(clap::value_parser!(PathBuf))
                .help("The checkpoint, as a flag"),
        )
        .arg(
            Arg::new("out")
                .long("out")
                .value_name("FOLDER")
                .value_parser(clap::value_parser!(PathBuf))
                .help("Where to write the takes, as take-0.wav, … [default: samples, of a run: its own]"),
        )
        .arg(
            Arg::new("stream")
                .long("stream")
                .value_name("wav|raw")
                .value_parser(["wav", "raw"])
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value("wav")
                .help(
                    "Write the take to standard output while it is made, as a player takes it: a WAV stream, or with =raw bare \
                     16-bit samples (aplay -t raw -f S16_LE -c 1 -r RATE). It is written to its file, too",
                ),
        );
    flags::add::<GenerateConfig>(command)
}

fn checkpoint() -> Arg {
    Arg::new("checkpoint")
        .value_name("CHECKPOINT")
        .required(true)
        .value_parser(clap::value_parser!(PathBuf))
        .help("A checkpoint (.safetensors), or the folder of a run, which stands for its best one")
}

/// Trains, and prints the run.
pub(super) fn train(matches: &ArgMatches, context: &Context) -> Result<(), Diagnostic> {
    if let Some(folder) = matches.get_one::<String>("resume") {
        return go_on(matches, Path::new(folder), context);
    }
    let corpus = flags::read::<CorpusConfig>(matches).map_err(usage)?;
    let spec = flags::read::<SashimiConfig>(matches).map_err(usage)?.spec();
    let config = flags::read::<TrainConfig>(matches).map_err(usage)?;
    let corpus = actions::open(context, &corpus).map_err(|fault| stopped(context, fault))?;
    context.host.print(&actions::describe_corpus(&corpus));
    told(context, actions::train_model(context, &ModelValue::from(spec), &corpus, &config))
}

/// Goes on with the run in `folder` under the settings that are given, and prints it.
pub(super) fn go_on(matches: &ArgMatches, folder: &Path, context: &Context) -> Result<(), Diagnostic> {
    told(context, actions::resume(context, folder, &flags::given::<TrainConfig>(matches)))
}

/// Prints a run, and says how one that was interrupted goes on.
fn told(context: &Context, run: Result<RunValue, Fault>) -> Result<(), Diagnostic> {
    let run = run.map_err(|fault| stopped(context, fault))?;
    context.host.print(&run.describe());
    if run.is_interrupted() {
        let folder = run.folder().display();
        return Err(Diagnostic::interrupted("training stopped as asked, and saved")
            .with_hint(format!("go on with it: wasabi train --resume {folder}")));
    }
    Ok(())
}

/// Scores a checkpoint, and prints the table. The audio is read as that of the training unless flags say otherwise.
pub(super) fn evaluate(matches: &ArgMatches, context: &Context) -> Result<(), Diagnostic> {
    let config = flags::read::<EvaluateConfig>(matches).map_err(usage)?;
    let path = matches.get_one::<PathBuf>("checkpoint").cloned().unwrap_or_default();
    let (model, manifest) = actions::load_with_manifest(context, &path).map_err(|fault| stopped(context, fault))?;
    let trained_on = match run_of(&path) {
        Some(run) => actions::corpus_of(&run)?,
        None => CorpusConfig {
            sample_rate: manifest.sample_rate,
            quantization: manifest.quantization,
            bits: manifest.bits,
            scaling: manifest.scaling,
            window: manifest.window,
            ..CorpusConfig::default()
        },
    };
    let corpus: CorpusConfig = flags::read_over(matches, &trained_on).map_err(usage)?;
    if let (Some(then), Some(now)) = (trained_on.train_fraction, corpus.train_fraction)
        && corpus.from == trained_on.from
        && now.to_bits() != then.to_bits()
    {
        context.host.note(&format!(
            "trained at train_fraction {then}, scored at {now}: files that it was trained on may be among the scored ones"
        ));
    }
    let corpus = actions::open(context, &corpus).map_err(|fault| stopped(context, fault))?;
    let found = actions::score_model(context, &model, &corpus, &config).map_err(|fault| stopped(context, fault))?;
    context.host.print(&actions::describe_evaluation(&found)?);
    Ok(())
}

/// Draws takes, writes them, and prints their table.
pub(super) fn generate(matches: &ArgMatches, context: &Context) -> Result<(), Diagnostic> {
    let config = flags::read::<GenerateConfig>(matches).map_err(usage)?;
    let path =
        matches.get_one::<PathBuf>("checkpoint").or_else(|| matches.get_one("model")).cloned().unwrap_or_default();
    let out = matches.get_one::<PathBuf>("out").cloned();
    let out = out.or_else(|| Some(run_of(&path)?.samples())).unwrap_or_else(|| PathBuf::from("samples"));
    let model = actions::load(context, &path).map_err(|fault| stopped(context, fault))?;
    actions::check_writable(&out)?;
    if let Some(format) = matches.get_one::<String>("stream") {
        return super::stream::run(context, &model, &config, &out, format == "raw");
    }
    let drawn = actions::draw(context, &model, &config).map_err(|fault| stopped(context, fault))?;
    let actions::Drawn { takes, failed } = drawn;
    let paths = takes.save(&out)?;
    context.host.print(&show_table(&takes.table()?, context.host.width()));
    for path in paths {
        context.host.print(&path.display().to_string());
    }
    if let Some(fault) = failed {
        return Err(Diagnostic::from(fault).with_hint("the takes are written; what to go on from is not"));
    }
    if let Some(reason) = takes.stopped() {
        return Err(gave_out(reason));
    }
    if context.interrupt.is_set() {
        return Err(Diagnostic::interrupted("generation stopped as asked; what was drawn is written"));
    }
    Ok(())
}

/// A model whose logits ceased to be numbers.
pub(super) fn gave_out(reason: &str) -> Diagnostic {
    Diagnostic::new(format!("{reason}; what was drawn before is written")).with_hint(
        "the weights may hold NaN, or the recurrence diverges: `wasabi verify` on the checkpoint tells which layer",
    )
}

/// The run whose folder is given as a checkpoint; None for a file.
fn run_of(checkpoint: &Path) -> Option<RunDir> {
    RunDir::open(checkpoint).ok()
}

/// An option that stands on the command line and cannot be right.
pub(super) fn usage(error: crate::options::OptionError) -> Diagnostic {
    Diagnostic::from(Fault::from(error)).of_usage()
}

/// A fault, or the interrupt that caused it.
pub(super) fn stopped(context: &Context, fault: Fault) -> Diagnostic {
    if context.interrupt.is_set() { Diagnostic::interrupted("stopped as asked") } else { fault.into() }
}
