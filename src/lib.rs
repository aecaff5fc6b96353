//! wasabi: an interactive workbench for S4 audio models.

pub mod options;
pub mod seed;
