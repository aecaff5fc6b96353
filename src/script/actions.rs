//! What the script's functions do, for the command line to do the same.

use std::path::Path;

pub use super::bind::audio::{CorpusValue, describe as describe_corpus, open};
pub use super::bind::generate::{Drawn, Sink, Streamed, Takes, draw, stream};
pub use super::bind::model::{ModelValue, load, load_with_manifest};
pub use super::bind::train::{RunValue, describe as describe_evaluation, resume, score_model, train_model};
pub(crate) use super::bind::train::{differing_in, runs};

use super::fault::Fault;
use crate::audio::CorpusConfig;
use crate::experiment::RunDir;
use crate::options::{self, Options};

/// How the corpus of a run was opened.
///
/// # Errors
/// When the run's record cannot be read, or says what this version does not understand.
pub fn corpus_of(run: &RunDir) -> Result<CorpusConfig, Fault> {
    let mut settings = run.read_record()?.corpus;
    // Beside the options, the record says what the windows held.
    settings.retain(|key, _| CorpusConfig::fields().iter().any(|field| field.name == key));
    Ok(options::parse(&settings)?)
}

/// Makes `folder` and finds it writable, before long work goes into what it will hold.
///
/// # Errors
/// What the system says.
pub fn check_writable(folder: &Path) -> Result<(), Fault> {
    let refused = |error: std::io::Error| {
        Fault::new(format!("cannot write into {}: {error}", folder.display()))
            .with_hint("choose a folder that you may write to")
    };
    std::fs::create_dir_all(folder).map_err(refused)?;
    tempfile::tempfile_in(folder).map(drop).map_err(refused)
}
