//! Reports: what a researcher takes away and hands on, as one page that can be read, heard and printed.
//!
//! Lives here: [`Report`], a plain document (a title and [`Part`]s: headings, Markdown, tables, figures, sounds, code),
//! and its two forms: one self-contained HTML file, and Markdown with its figures and sounds in a folder beside it.
//! Does not: decide what a report says, compute what it shows, draw figures, print. May use: `metrics` (frames, files
//! that are whole or absent), `plot` (figures), `audio` (sound as bytes).
//!
//! The HTML page asks for nothing outside itself, and says so to the browser: its content security policy refuses every
//! address but `data:`. Figures follow the reader's light or dark setting within one SVG.
//!
//! ```
//! use wasabi::interrupt::Interrupt;
//! use wasabi::report::{Report, ReportConfig};
//! let mut report = Report::new("Depth", ReportConfig::default())?;
//! report.section("Results")?;
//! report.text("Two layers are **on a par** with eight.")?;
//! let page = report.html(&Interrupt::default())?;
//! assert!(page.contains("<strong>on a par</strong>"));
//! # Ok::<(), wasabi::report::ReportError>(())
//! ```

mod adaptive;
mod cells;
mod config;
mod date;
mod document;
mod draw;
mod error;
mod html;
mod markdown;
mod prose;
mod save;
mod sound;

pub use config::{PageTheme, ReportConfig};
pub use document::{Code, Ink, Origin, Part, Report};
pub use error::ReportError;
pub use sound::Clip;
