//! Long work as the host sees it: a task that begins when the first figure comes.

use crate::script::context::Context;
use crate::script::host::Task;

/// Progress of one call.
pub(super) struct Meter<'a> {
    context: &'a Context,
    name: &'static str,
    task: Option<Box<dyn Task>>,
    done: u64,
}

impl<'a> Meter<'a> {
    pub(super) fn new(context: &'a Context, name: &'static str) -> Self {
        Self { context, name, task: None, done: 0 }
    }

    /// `done` of `total` are behind.
    pub(super) fn advance(&mut self, done: u64, total: u64, message: &str) {
        self.done = done;
        let (context, name) = (self.context, self.name);
        self.task.get_or_insert_with(|| context.host.begin(name, Some(total))).advance(done, message);
    }

    /// What it is busy with while no step is made.
    pub(super) fn message(&mut self, message: &str) {
        let done = self.done;
        if let Some(task) = &mut self.task {
            task.advance(done, message);
        }
    }

    /// A line that stays.
    pub(super) fn line(&mut self, text: &str) {
        match &mut self.task {
            Some(task) => task.line(text),
            None => self.context.host.note(text),
        }
    }

    /// Something worth knowing.
    pub(super) fn note(&mut self, text: &str) {
        self.context.host.note(text);
    }
}
