//! The terminal as a [`Host`]: results to standard output; progress, notes and errors to standard error.
//!
//! On a terminal, long work is one bar with rate, message and time left. In a pipe or a file it is a plain line every few
//! seconds, without escape codes. Writing to a closed pipe is not an error: whoever read has seen enough.

use std::cell::{Cell, RefCell};
use std::io::{self, IsTerminal, Write};
use std::rc::Rc;
use std::time::{Duration, Instant};

use console::Term;
use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::graphics::Graphics;
use super::narrow::Narrow;
use crate::plot::{Figure, Ink};
use crate::script::{Diagnostic, Host, Task};

/// The least time between two plain lines of one task.
const EVERY: Duration = Duration::from_secs(5);

/// How often a bar is drawn in a second.
const REDRAWS: u8 = 10;

/// The columns of a terminal that does not tell.
const UNKNOWN: usize = 100;

/// The columns of what is no terminal.
const ENDLESS: usize = 1 << 20;

/// The most columns that a message is laid out for: longer lines read badly.
const WIDEST: usize = 140;

/// Standard output and standard error. Clones share the bar that is being drawn.
#[derive(Clone)]
pub struct Console {
    terminal: bool,
    colour: bool,
    bar: Rc<RefCell<Option<ProgressBar>>>,
    graphics: Rc<Cell<Graphics>>,
}

impl Default for Console {
    fn default() -> Self {
        Self::new()
    }
}

impl Console {
    /// The process's own streams, as their kind and `NO_COLOR` ask.
    #[must_use]
    pub fn new() -> Self {
        let terminal = io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { terminal, colour: terminal && !plain, bar: Rc::default(), graphics: Rc::default() }
    }

    /// Whether to colour what goes to standard error and to the prompt.
    #[must_use]
    pub fn colour(&self) -> bool {
        self.colour
    }

    /// Whether to colour what goes to standard output.
    pub(super) fn paints(&self) -> bool {
        self.colour && io::stdout().is_terminal()
    }

    /// How figures are drawn, as asked for.
    pub(super) fn graphics(&self) -> Graphics {
        self.graphics.get()
    }

    /// Draws figures in another way from now on.
    pub(super) fn set_graphics(&self, graphics: Graphics) {
        self.graphics.set(graphics);
    }

    /// Shows an error.
    pub fn report(&self, diagnostic: &Diagnostic) {
        let width = Term::stderr().size_checked().map_or(UNKNOWN, |(_, columns)| usize::from(columns));
        self.error(&diagnostic.render(width.min(WIDEST), self.colour));
    }

    /// The columns that prose is laid out for, be it shown on a terminal or not.
    pub(super) fn prose_width(&self) -> usize {
        self.width().min(WIDEST)
    }

    /// A line on standard error.
    pub fn error(&self, text: &str) {
        self.above_bar(|| drop(writeln!(io::stderr().lock(), "{text}")));
    }

    /// Writes while no bar is in the way.
    fn above_bar(&self, write: impl FnOnce()) {
        match self.bar.borrow().as_ref() {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    fn ink(&self) -> Ink {
        match std::env::var("COLORTERM").as_deref() {
            _ if !self.colour => Ink::Plain,
            Ok("truecolor" | "24bit") => Ink::True,
            _ => Ink::Palette,
        }
    }

    fn dim(&self, text: &str) -> String {
        if self.colour { format!("\u{1b}[2m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

impl Host for Console {
    fn print(&self, text: &str) {
        self.above_bar(|| {
            let mut out = io::stdout().lock();
            drop(writeln!(out, "{text}").and_then(|()| out.flush()));
        });
    }

    fn width(&self) -> usize {
        // A pipe or a file has no edge: every column of a table is wanted there.
        if !io::stdout().is_terminal() {
            return ENDLESS;
        }
        Term::stdout().size_checked().map_or(UNKNOWN, |(_, columns)| usize::from(columns)).min(WIDEST)
    }

    fn draw(&self, figure: &Figure) {
        if !io::stdout().is_terminal() {
            return;
        }
        let graphics = self.graphics.get().resolve(|name| std::env::var(name).ok());
        match graphics.draw(figure, self.width(), self.ink()) {
            Ok(Some(drawn)) => self.print(&drawn),
            Ok(None) => {}
            Err(error) => self.note(&format!("the figure cannot be drawn here: {error}")),
        }
    }

    fn note(&self, text: &str) {
        self.error(&self.dim(&format!("note: {text}")));
    }

    fn begin(&self, name: &str, total: Option<u64>) -> Box<dyn Task> {
        if !self.terminal {
            let (console, name) = (self.clone(), name.to_owned());
            return Box::new(Lines { console, name, total, begun: None, told: Instant::now(), complete: false });
        }
        let bar = ProgressBar::with_draw_target(
            total,
            ProgressDrawTarget::term_like_with_hz(Box::new(Narrow(Term::buffered_stderr())), REDRAWS),
        );
        bar.set_style(style(total.is_some(), self.colour));
        bar.set_prefix(name.to_owned());
        self.bar.replace(Some(bar.clone()));
        Box::new(Bar { console: self.clone(), bar, begun: false })
    }
}

fn style(known: bool, colour: bool) -> ProgressStyle {
    let (name, gauge) = if colour { ("{prefix:.bold}", "{bar:24.green/dim}") } else { ("{prefix}", "{bar:24}") };
    let template = if known {
        format!("{name} {gauge} {{pos}}/{{len}}{{pace}}{{msg}}{{left}}")
    } else {
        format!("{name} {{spinner}} {{pos}}{{msg}} · {{elapsed}}")
    };
    let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style
        .progress_chars("━╸─")
        .with_key("pace", |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            if let Some(rate) = rate(state.per_sec()) {
                let _ = write!(out, " · {rate}");
            }
        })
        .with_key("left", |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            if rate(state.per_sec()).is_some() {
                let _ = write!(out, " · {} left", HumanDuration(state.eta()));
            }
        })
}

/// `3.1/s`, or `4.2 s each` where a step takes longer than a second; nothing before there is a rate.
fn rate(per_second: f64) -> Option<String> {
    if !per_second.is_finite() || per_second <= 0.0 {
        None
    } else if per_second < 1.0 {
        Some(format!("{:.1} s each", 1.0 / per_second))
    } else if per_second < 100.0 {
        Some(format!("{per_second:.1}/s"))
    } else {
        Some(format!("{per_second:.0}/s"))
    }
}

/// One line on a terminal, redrawn.
struct Bar {
    console: Console,
    bar: ProgressBar,
    /// Whether the bar knows where it began: a run that goes on begins in the middle.
    begun: bool,
}

impl Task for Bar {
    fn advance(&mut self, done: u64, message: &str) {
        self.bar.set_message(if message.is_empty() { String::new() } else { format!(" · {message}") });
        self.bar.set_position(done);
        if !std::mem::replace(&mut self.begun, true) {
            self.bar.reset_eta();
        }
    }

    fn line(&mut self, text: &str) {
        self.console.error(text);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        self.console.bar.replace(None);
    }
}

/// A plain line now and then.
struct Lines {
    console: Console,
    name: String,
    total: Option<u64>,
    /// When the first figure came, and what it was: a run that goes on begins in the middle.
    begun: Option<(Instant, u64)>,
    told: Instant,
    /// The line that says that all is done has been written.
    complete: bool,
}

impl Task for Lines {
    fn advance(&mut self, done: u64, message: &str) {
        let (since, from) = *self.begun.get_or_insert_with(|| (Instant::now(), done));
        let last = self.total == Some(done) && !std::mem::replace(&mut self.complete, self.total == Some(done));
        if !last && self.told.elapsed() < EVERY {
            return;
        }
        self.told = Instant::now();
        #[expect(clippy::cast_precision_loss, reason = "a count of steps, shown with three digits")]
        let per_second = done.saturating_sub(from) as f64 / since.elapsed().as_secs_f64();
        let pace = rate(per_second);
        #[expect(clippy::cast_precision_loss, reason = "a count of steps, shown with three digits")]
        let left = self
            .total
            .filter(|_| pace.is_some() && !last)
            .map(|total| format!("{:.0} s left", total.saturating_sub(done) as f64 / per_second));
        let total = self.total.map_or_else(String::new, |total| format!("/{total}"));
        let message = Some(message.to_owned()).filter(|message| !message.is_empty());
        let facts: String = [pace, message, left].into_iter().flatten().map(|fact| format!(", {fact}")).collect();
        self.console.error(&format!("{} {done}{total}{facts}", self.name));
    }

    fn line(&mut self, text: &str) {
        self.console.error(text);
    }
}
