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
    sounds::register(engine, docs);
    systems::register(engine, docs, context);
    compose::register(engine, docs, context);
    look::register(engine, docs);
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
