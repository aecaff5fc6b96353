//! wasabi: an interactive workbench for S4 audio models.
//!
//! A researcher types at a prompt, or runs a script, that composes S4 layers, pooling factors and training schedules;
//! trains on a folder of audio; looks at loss curves and spectrograms; and listens.
//!
//! # The map
//! Rooms use rooms below them and never one above; `tests/rooms.rs` holds the arrows.
//!
//! ```text
//! cli                  the command line
//! repl                 the prompt
//! script               what a script can say: one binding file for each room, help, errors that point
//! report               one page that holds figures, tables and sound; its Markdown twin
//! plot     experiment  figures                                | runs on disk
//! train    generate    schedules, AdamW, the loop, checkpoints | a trained model as a recurrence, drawing
//! model                S4 and feed-forward blocks, tiers, the whole network, weight names
//! audio    ssm    metrics   sound as numbers | the mathematics | rows, frames and baselines
//! device   seed   options   interrupt   schedule   the ground that every room stands on
//! ```
//!
//! Data flows one way: files → [`audio`] samples → tokens → windows → [`model`] logits → loss → [`metrics`] frame →
//! [`plot`] and [`report`]; and back out: [`generate`] tokens → samples → wav.

pub mod audio;
pub mod cli;
pub mod device;
pub mod experiment;
pub mod generate;
pub mod interrupt;
pub mod metrics;
pub mod model;
pub mod options;
pub mod plot;
pub mod repl;
pub mod report;
pub mod schedule;
pub mod script;
pub mod seed;
pub mod ssm;
pub mod train;
