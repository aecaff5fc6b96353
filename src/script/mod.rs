//! What a script can say: Rhai with the rooms below bound to it, one file of `bind` for each room.
//!
//! Lives here: the engine and its limits, typed values and functions, options from maps, help, and errors that show the
//! line, a caret, what was expected and the nearest name. Does not: read lines, print, draw progress: a [`Host`] does.
//! May use: every room below (`audio`, `metrics`, `plot`, `report`, `model`, `train`, `generate`, `experiment`, `device`).

pub mod actions;
mod bind;
mod bound;
mod check;
mod complete;
mod context;
mod convert;
mod cursor;
mod diagnostic;
mod docs;
mod engine;
mod explain;
mod fault;
mod fence;
mod help;
mod host;
pub mod lexer;
mod manual;
mod params;
mod session;
mod source;
mod table;
mod texts;
mod transcript;
mod written;

pub use complete::{Candidate, Completion};
pub use context::Context;
pub use diagnostic::{Cause, Diagnostic, Mark};
pub use docs::{Doc, Docs};
pub use fault::Fault;
pub(crate) use fence::fenced;
pub use host::{Host, Task};
pub use params::{Declared, Parameter};
pub use session::{Session, Variable};
pub use source::Source;
pub use table::show_table;
pub use written::written;
