//! A value as a script has it, where there is no script: `--temperature 'linear(1.1, 0.9)'` at a shell.

use rhai::packages::{Package, StandardPackage};
use rhai::{Dynamic, Engine};
use serde_json::Value;

use super::bind;
use super::convert;
use super::docs::Docs;

/// Operations that a value may take.
const OPERATIONS: u64 = 10_000;

/// What the expression `text` comes to as a setting: a schedule, a map, an array, arithmetic. None when it is no such expression.
#[must_use]
pub fn written(text: &str) -> Option<Value> {
    let mut engine = Engine::new_raw();
    engine.register_global_module(StandardPackage::new().as_shared_module());
    engine.set_max_operations(OPERATIONS).set_max_expr_depths(64, 64);
    bind::register_schedules(&mut engine, &mut Docs::default());
    convert::json(&engine.eval_expression::<Dynamic>(text).ok()?).ok()
}
