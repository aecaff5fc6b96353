//! `plot`: figures.

mod charts;
mod compose;
mod look;
mod sounds;
mod systems;

use std::rc::Rc;

use rhai::{Array, Dynamic, Engine};

use super::real;
use crate::plot::{Figure, PlotError};
use crate::script::context::Context;
use crate::script::docs::Docs;
use crate::script::fault::Fault;

pub(super) fn register(engine: &mut Engine, docs: &mut Docs, context: &Rc<Context>) {
    engine.register_type_with_name::<Figure>("Figure");
    charts::register(engine, docs);
    sounds::register(engine, docs, context);
    systems::register(engine, docs, context);
    compose::register(engine, docs, context);
    look::register(engine, docs);
}

/// Shows a figure at the prompt: saved under the next free name, drawn where the host can, and its path told.
///
/// # Errors
/// What the file system or the figure refuses.
pub(crate) fn show_figure(context: &Context, figure: &Figure) -> Result<String, Fault> {
    let figure = match context.theme.get() {
        Some(theme) => figure.clone().theme(theme),
        None => figure.clone(),
    };
    let folder = context.figures.borrow().clone();
    let path = (1_u32..).map(|number| folder.join(format!("figure-{number:03}.png"))).find(|path| !path.exists());
    let path = path.unwrap_or_else(|| folder.join("figure.png"));
    super::make_folder(&path)?;
    figure.save(&path)?;
    context.host.draw(&figure);
    Ok(format!("Figure: saved as {}", path.display()))
}

/// The numbers of an array.
fn numbers(values: &Array, what: &str) -> Result<Vec<f64>, Fault> {
    values.iter().map(|value| real(value, what)).collect()
}

/// A figure's error; one about an option points at it.
fn fault(error: PlotError) -> Fault {
    match error {
        PlotError::Option { source } => source.into(),
        other => other.into(),
    }
}

/// The values of an array if all of it are of one type.
fn all_of<T: Clone + 'static>(values: &Array) -> Option<Vec<T>> {
    values.iter().map(|value: &Dynamic| value.clone().try_cast::<T>()).collect()
}
