//! The Rhai engine: its limits, where it prints, when it stops.

use std::rc::Rc;
use std::time::{Duration, Instant};

use rhai::{Dynamic, Engine, EvalAltResult};

use super::context::{Context, interrupted};

/// The same in debug and release builds, so that what runs at the desk runs on the cluster.
mod limits {
    /// Nested calls; Rhai's own default differs between debug and release.
    pub(super) const CALLS: usize = 64;
    /// Nesting of an expression, outside and inside functions.
    pub(super) const DEPTH: (usize, usize) = (96, 64);
    /// Bytes of a text.
    pub(super) const TEXT: usize = 64 << 20;
    /// Elements of an array or map.
    pub(super) const ELEMENTS: usize = 16 << 20;
    /// Variables in reach.
    pub(super) const VARIABLES: usize = 4096;
    /// Functions of a script.
    pub(super) const FUNCTIONS: usize = 4096;
    /// Imported modules.
    pub(super) const MODULES: usize = 256;
}

/// An engine with the language and nothing of ours.
pub(super) fn engine(context: &Rc<Context>) -> Engine {
    let mut engine = Engine::new();
    engine
        .set_max_call_levels(limits::CALLS)
        .set_max_expr_depths(limits::DEPTH.0, limits::DEPTH.1)
        .set_max_operations(0)
        .set_max_string_size(limits::TEXT)
        .set_max_array_size(limits::ELEMENTS)
        .set_max_map_size(limits::ELEMENTS)
        .set_max_variables(limits::VARIABLES)
        .set_max_functions(limits::FUNCTIONS)
        .set_max_modules(limits::MODULES)
        .set_strict_variables(true)
        .set_fail_on_invalid_map_property(true);
    let host = Rc::clone(&context.host);
    engine.on_print(move |text| host.print(text));
    let host = Rc::clone(&context.host);
    engine.on_debug(move |text, _, position| host.print(&format!("{position:?}: {text}")));
    let interrupt = context.interrupt.clone();
    engine.on_progress(move |_| interrupt.is_set().then_some(Dynamic::UNIT));
    sleep(&mut engine, context);
    engine
}

/// Rhai's own `sleep` cannot be interrupted.
fn sleep(engine: &mut Engine, context: &Rc<Context>) {
    const POLL: Duration = Duration::from_millis(20);
    let wait = {
        let interrupt = context.interrupt.clone();
        move |seconds: f64| -> Result<(), Box<EvalAltResult>> {
            let asked = Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX);
            let begun = Instant::now();
            while let Some(left) = asked.checked_sub(begun.elapsed()).filter(|left| !left.is_zero()) {
                if interrupt.is_set() {
                    return Err(interrupted());
                }
                std::thread::sleep(left.min(POLL));
            }
            Ok(())
        }
    };
    let whole = wait.clone();
    engine.register_fn("sleep", wait);
    #[expect(clippy::cast_precision_loss, reason = "nobody sleeps for 2^53 seconds")]
    engine.register_fn("sleep", move |seconds: i64| whole(seconds as f64));
}
