//! Every integration test in one binary: libtorch links slowly.

mod audio_corpus;
mod audio_decode;
mod audio_quantize;
mod audio_resample;
mod audio_spectra;
mod cli;
mod engine;
mod experiment;
mod generate;
mod golden_model;
mod golden_ssm;
mod metrics;
mod plot;
mod repl;
mod rooms;
mod script;
mod script_fixture;
mod setup;
mod support;
mod train_optim;
mod train_run;
mod train_schedule;
mod train_score;
