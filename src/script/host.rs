//! What a script needs from whoever runs it: somewhere to print, and somebody to watch long work.
//!
//! The script room itself prints nothing: the prompt, the command line and the tests each bring their own host.

use crate::plot::Figure;

/// The outside of a session.
pub trait Host {
    /// A line, or several, that the script printed.
    fn print(&self, text: &str);

    /// How many columns of text there are for a table.
    fn width(&self) -> usize {
        100
    }

    /// Shows a figure, where there is a way to.
    fn draw(&self, _figure: &Figure) {}

    /// Something worth knowing that the script did not ask for: a skipped file, a rate that was cut.
    fn note(&self, text: &str);

    /// Long work begins: `total` steps, where that is known. Dropping the task ends it.
    fn begin(&self, name: &str, total: Option<u64>) -> Box<dyn Task>;
}

/// Long work under way.
pub trait Task {
    /// `done` steps are behind; `message` says how it goes: the loss, the bits per byte.
    fn advance(&mut self, done: u64, message: &str);

    /// A line that stays, such as a validation result.
    fn line(&mut self, text: &str);
}
