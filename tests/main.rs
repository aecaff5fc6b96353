//! Every integration test in one binary: libtorch links slowly.

mod audio_corpus;
mod audio_decode;
mod audio_quantize;
mod audio_resample;
mod audio_spectra;
mod experiment;
mod generate;
mod golden_model;
mod golden_ssm;
mod metrics;
mod plot;
mod rooms;
mod setup;
mod support;
mod train_optim;
mod train_run;
mod train_schedule;
mod train_score;
