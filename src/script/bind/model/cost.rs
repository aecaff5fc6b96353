//! What a training step costs, before anyone waits.

use rhai::{Engine, Map};

use super::super::Outcome;
use super::text::grouped;
use super::{ModelValue, USUAL_LEVELS};
use crate::model::{Cost, Machine, Workload};
use crate::options::{OptionError, Options};
use crate::script::convert;
use crate::script::docs::{Doc, Docs};
use crate::script::fault::Fault;

crate::options! {
    /// The step that `explain` is asked about.
    pub(crate) struct ExplainConfig for "explain" {
        /// Tokens of a window; the pools must divide it. [tokens; 1 or more]
        window: i64 = 8192,
        /// Windows in one pass. [windows; 1 or more]
        batch: i64 = 1,
    }
    ; validate = validate
}

fn validate(config: &ExplainConfig) -> Result<(), OptionError> {
    for (key, value) in [("window", config.window), ("batch", config.batch)] {
        if !(1..=MOST).contains(&value) {
            return Err(OptionError::value(key, value, &format!("from 1 to {MOST}")));
        }
    }
    Ok(())
}

/// More tokens than anyone trains on at once.
const MOST: i64 = 1 << 32;

/// What a step costs, for scripts.
#[derive(Debug, Clone)]
pub(crate) struct CostValue {
    cost: Cost,
    seconds: f64,
    seconds_recompute: f64,
}

const fn property(name: &'static str, signature: &'static str, about: &'static str, example: &'static str) -> Doc {
    Doc { name, of: "Cost", signature, about, options: None, example }
}

const DOCS: &[Doc] = &[
    Doc {
        name: "explain",
        of: "Model",
        signature: "model.explain([#{ … }]) -> Cost",
        about: "What one pass of training costs, counted from shapes before anyone waits: parameters, multiply-adds forward and \
                backward, bytes, and the peak of the whole process on a CPU (within 15 %), with everything kept and with \
                `memory: \"recompute\"`. Seconds are an estimate from this machine's rates of matrix products and of memory, \
                measured once: expect them within a factor of two.",
        options: Some(ExplainConfig::fields),
        example: "print(sashimi(#{ n_layers: 8 }).explain(#{ window: 131072, batch: 1 }));",
    },
    property(
        "parameters",
        "cost.parameters -> integer",
        "Trainable real numbers.",
        "print(sashimi(#{ n_layers: 2 }).explain().parameters);",
    ),
    property(
        "multiply_adds",
        "cost.multiply_adds -> real",
        "Multiply-adds of a step, forward and backward: matrix products, kernels and Fourier transforms.",
        "print(sashimi(#{ n_layers: 2 }).explain().multiply_adds);",
    ),
    property(
        "activation_bytes",
        "cost.activation_bytes -> real",
        "Bytes that the forward pass keeps for the backward one.",
        "print(sashimi(#{ n_layers: 2 }).explain().activation_bytes);",
    ),
    property(
        "optimizer_bytes",
        "cost.optimizer_bytes -> real",
        "Bytes of weights, gradients and the optimiser's two moments.",
        "print(sashimi(#{ n_layers: 2 }).explain().optimizer_bytes);",
    ),
    property(
        "peak_bytes",
        "cost.peak_bytes -> real",
        "The most bytes that the process holds on a CPU, the program itself among them.",
        "print(sashimi(#{ n_layers: 2 }).explain(#{ window: 32768 }).peak_bytes);",
    ),
    property(
        "peak_bytes_recompute",
        "cost.peak_bytes_recompute -> real",
        "The same with `memory: \"recompute\"`.",
        "print(sashimi(#{ n_layers: 2 }).explain(#{ window: 32768 }).peak_bytes_recompute);",
    ),
    property(
        "seconds",
        "cost.seconds -> real",
        "About how long a step takes on this machine's CPU, in seconds.",
        "print(sashimi(#{ n_layers: 2 }).explain().seconds > 0);",
    ),
    property(
        "seconds_recompute",
        "cost.seconds_recompute -> real",
        "The same with `memory: \"recompute\"`.",
        "print(sashimi(#{ n_layers: 2 }).explain().seconds_recompute > 0);",
    ),
];

pub(super) fn register(engine: &mut Engine, docs: &mut Docs) {
    docs.add(DOCS);
    engine
        .register_type_with_name::<CostValue>("Cost")
        .register_fn("explain", |model: &mut ModelValue| -> Outcome<CostValue> { Ok(explain(model, &Map::new())?) })
        .register_fn("explain", |model: &mut ModelValue, options: Map| -> Outcome<CostValue> {
            Ok(explain(model, &options)?)
        })
        .register_get("parameters", |cost: &mut CostValue| whole(cost.cost.parameters))
        .register_get("multiply_adds", |cost: &mut CostValue| cost.cost.multiply_adds())
        .register_get("activation_bytes", |cost: &mut CostValue| cost.cost.activations)
        .register_get("optimizer_bytes", |cost: &mut CostValue| cost.cost.optimizer)
        .register_get("peak_bytes", |cost: &mut CostValue| cost.cost.peak)
        .register_get("peak_bytes_recompute", |cost: &mut CostValue| cost.cost.peak_recomputed)
        .register_get("seconds", |cost: &mut CostValue| cost.seconds)
        .register_get("seconds_recompute", |cost: &mut CostValue| cost.seconds_recompute)
        .register_fn("to_string", |cost: &mut CostValue| cost.table())
        .register_fn("to_debug", |cost: &mut CostValue| cost.table());
}

fn explain(model: &ModelValue, options: &Map) -> Result<CostValue, Fault> {
    let config: ExplainConfig = convert::options(options)?;
    config.validate()?;
    let levels = model.trained.as_ref().map_or(USUAL_LEVELS, |trained| trained.model.levels());
    let workload = Workload { window: config.window, batch: config.batch, bytes: 4 };
    let cost = Cost::of_spec(&model.spec, levels, workload)?;
    let machine = Machine::cpu()?;
    let (seconds, seconds_recompute) = (machine.seconds(&cost, false), machine.seconds(&cost, true));
    Ok(CostValue { cost, seconds, seconds_recompute })
}

#[expect(clippy::cast_possible_truncation, reason = "a number of parameters is whole and far below 2^53")]
fn whole(number: f64) -> i64 {
    number as i64
}

impl CostValue {
    fn table(&self) -> String {
        let Cost { workload, .. } = self.cost;
        let bytes = |count: f64| {
            if count >= 1e9 { format!("{:.2} GB", count / 1e9) } else { format!("{:.0} MB", count / 1e6) }
        };
        let count = |number: f64| grouped(usize::try_from(whole(number)).unwrap_or(0));
        let seconds =
            |value: f64| format!("{} s", if value >= 10.0 { format!("{value:.0}") } else { format!("{value:.2}") });
        let row = |what: &str, kept: String, again: String| format!("{what:<24}{kept:>12}{again:>14}");
        let (windows, cost) = (if workload.batch == 1 { "window" } else { "windows" }, &self.cost);
        [
            format!("A step on {} {windows} of {} tokens", workload.batch, workload.window),
            row("", "keep".to_owned(), "recompute".to_owned()),
            row("parameters", count(cost.parameters), String::new()),
            row(
                "multiply-adds",
                format!("{:.2e}", cost.multiply_adds()),
                format!("{:.2e}", cost.multiply_adds() * (1.0 + cost.again)),
            ),
            row("activations", bytes(cost.activations), bytes(cost.activations_recomputed)),
            row("weights and optimiser", bytes(cost.optimizer), bytes(cost.optimizer)),
            row("peak of the process", bytes(cost.peak), bytes(cost.peak_recomputed)),
            row("about", seconds(self.seconds), seconds(self.seconds_recompute)),
        ]
        .join("\n")
    }
}
