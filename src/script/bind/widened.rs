//! Rhai's own functions where they are stricter than their author's reader: functions of a real take integers too, and
//! `for_each` hands over the element.

use rhai::{Array, Dynamic, Engine, EvalAltResult, FnPtr, FuncRegistration, Module, NativeCallContext};

use super::{Outcome, parameters, real};
use crate::script::fault::Fault;

type OfOne = fn(f64) -> f64;
type OfTwo = fn(f64, f64) -> f64;

/// Functions of one real that give a real, for integers.
const OF_ONE: &[(&str, OfOne)] = &[
    ("sqrt", f64::sqrt),
    ("exp", f64::exp),
    ("ln", f64::ln),
    ("log", f64::log10),
    ("sin", f64::sin),
    ("cos", f64::cos),
    ("tan", f64::tan),
    ("asin", f64::asin),
    ("acos", f64::acos),
    ("atan", f64::atan),
    ("sinh", f64::sinh),
    ("cosh", f64::cosh),
    ("tanh", f64::tanh),
    ("asinh", f64::asinh),
    ("acosh", f64::acosh),
    ("atanh", f64::atanh),
    ("to_degrees", f64::to_degrees),
    ("to_radians", f64::to_radians),
];

/// Functions of one real that leave an integer as it is.
const OF_WHOLE: &[&str] = &["floor", "ceiling", "round", "int"];

/// Questions about a real, and what they come to for an integer.
const ASKED: &[(&str, bool)] = &[("is_nan", false), ("is_finite", true), ("is_infinite", false)];

/// Functions of two reals, for whichever of them is an integer.
const OF_TWO: &[(&str, OfTwo)] = &[("hypot", f64::hypot), ("atan", f64::atan2), ("log", f64::log)];

pub(super) fn register(engine: &mut Engine) {
    let mut module = Module::new();
    #[expect(clippy::cast_precision_loss, reason = "as Rhai's own to_float does")]
    for &(name, of) in OF_ONE {
        FuncRegistration::new(name).set_into_module(&mut module, move |x: i64| of(x as f64));
    }
    for &name in OF_WHOLE {
        FuncRegistration::new(name).set_into_module(&mut module, |x: i64| x);
    }
    FuncRegistration::new("fraction").set_into_module(&mut module, |_: i64| 0_i64);
    for &(name, answer) in ASKED {
        FuncRegistration::new(name).set_into_module(&mut module, move |_: i64| answer);
    }
    #[expect(clippy::cast_precision_loss, reason = "as Rhai's own to_float does")]
    for &(name, of) in OF_TWO {
        FuncRegistration::new(name).set_into_module(&mut module, move |x: i64, y: i64| of(x as f64, y as f64));
        FuncRegistration::new(name).set_into_module(&mut module, move |x: i64, y: f64| of(x as f64, y));
        FuncRegistration::new(name).set_into_module(&mut module, move |x: f64, y: i64| of(x, y as f64));
    }
    FuncRegistration::new("for_each").set_into_module(&mut module, for_each);
    FuncRegistration::new("sort").set_into_module(&mut module, sort);
    engine.register_global_module(module.into());
}

/// Calls `function` with each element (and, if it takes two values, its place); as `this` the element can be changed.
fn for_each(call: NativeCallContext<'_>, array: &mut Array, function: FnPtr) -> Outcome<()> {
    let values = parameters(&call, &function).unwrap_or(1);
    for (at, item) in array.iter_mut().enumerate() {
        let place = Dynamic::from(i64::try_from(at).unwrap_or(i64::MAX));
        let given = [item.clone(), place];
        let _ = function.call_raw(&call, Some(item), given.into_iter().take(values).collect::<Vec<_>>())?;
    }
    Ok(())
}

/// Sorts an array of texts, of bools, or of numbers, whole ones beside others.
fn sort(array: &mut Array) -> Result<(), Box<EvalAltResult>> {
    if array.iter().all(|item| item.is_int() || item.is_float()) {
        let mut keyed: Vec<(f64, Dynamic)> =
            array.drain(..).map(|item| Ok((real(&item, "an element")?, item))).collect::<Result<_, Fault>>()?;
        keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
        array.extend(keyed.into_iter().map(|(_, item)| item));
    } else if array.iter().all(Dynamic::is_string) {
        array.sort_by_cached_key(ToString::to_string);
    } else if array.iter().all(Dynamic::is_bool) {
        array.sort_by_key(|item| item.as_bool().unwrap_or_default());
    } else {
        return Err(Fault::new("an array of different kinds of values cannot be sorted")
            .with_hint("sort(|a, b| a.key - b.key) says by what: below 0 where a comes first")
            .into());
    }
    Ok(())
}
