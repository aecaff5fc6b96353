//! Several figures on one page, and a figure of whatever there is.

use std::rc::Rc;

use rhai::{Array, Dynamic, Engine, Map};

use super::super::audio::Sound;
use super::super::generate::{TakeValue, Takes, quality_figure};
use super::super::model::ModelValue;
use super::super::train::RunValue;
use super::super::{Outcome, count};
use super::charts::{columns_of, curves_of, labelled, loss_curve};
use super::systems::KernelPlotConfig;
use super::{all_of, fault, numbers, sounds, systems};
use crate::metrics::Frame;
use crate::model::TierSpec;
use crate::options::{OptionError, Options};
use crate::plot::{self, CurvesConfig, Figure, GridConfig, Series, Style};
use crate::script::context::Context;
use crate::script::convert::{self, a_type};
use crate::script::docs::{Doc, Docs};
use crate::script::fault::Fault;
use crate::train::Schedule;

crate::options! {
    /// The options of `plot(schedule, #{ … })`.
    pub(crate) struct SchedulePlotConfig for "plot" {
        /// How many updates are shown; `()` is the schedule's own length, or 1000. [updates; 1 to 100000000]
        steps: Option<u64> = None,
        /// What the multiples are of, for an axis in learning rates. [; above 0]
        lr: Option<f64> = None,
    }
    ; validate = check
}

fn check(config: &SchedulePlotConfig) -> Result<(), OptionError> {
    match (config.steps, config.lr) {
        (Some(steps), _) if !(1..=100_000_000).contains(&steps) => {
            Err(OptionError::value("steps", steps, "between 1 and 100000000"))
        }
        (_, Some(lr)) if !(lr.is_finite() && lr > 0.0) => Err(OptionError::value("lr", lr, "a number above 0")),
        _ => Ok(()),
    }
}

const DOCS: &[Doc] = &[
    Doc {
        name: "grid",
        of: "",
        signature: "grid([figure, …], columns[, #{ … }]) -> Figure",
        about: "Figures on one page, row by row, in the theme of the grid. Each is laid out anew for its panel, so that letters \
                keep their size.",
        options: Some(GridConfig::fields),
        example: "let a = plot([1, 4, 9]).title(\"Squares\");\nlet b = plot([1, 8, 27]).title(\"Cubes\");\ngrid([a, b], 2, #{ \
                  letters: true }).save(out + \"/grid.png\");",
    },
    Doc {
        name: "plot",
        of: "",
        signature: "plot(schedule[, #{ … }]) -> Figure",
        about: "What a schedule multiplies the learning rate by, over steps. A plateau, which waits for validations, shows as \
                it begins.",
        options: Some(SchedulePlotConfig::fields),
        example: "plot(warmup(100).then(cosine()), #{ steps: 1000, lr: 0.004 }).save(out + \"/rate.png\");",
    },
    Doc {
        name: "plot",
        of: "",
        signature: "plot(frame | run | [run, …], x, y | #{ … }) -> Figure",
        about: "Columns over each other, as curves draws them. `plot(run)` and `plot([run, …])` alone are loss_curve.",
        options: Some(CurvesConfig::fields),
        example: "plot(read_frame(run_folder), \"step\", \"lr\").save(out + \"/lr.png\");\nplot(read_frame(run_folder), #{ y: \
                  \"bits_per_byte\", split: \"train\" }).save(out + \"/train.png\");",
    },
    Doc {
        name: "plot",
        of: "",
        signature: "plot(model[, #{ … }]) -> Figure",
        about: "The kernels of a model, as kernel_plot draws them.",
        options: Some(KernelPlotConfig::fields),
        example: "plot(isotropic(#{ d_model: 8, n_layers: 1 }), #{ length: 128 }).save(out + \"/kernels.png\");",
    },
    Doc {
        name: "plot",
        of: "",
        signature: "plot(sound | [number, …]) -> Figure",
        about: "The waveform of a Sound or a Take; numbers over their index.",
        options: None,
        example: "plot(audio(\"data/bigband_005.flac\").slice(0, 1)).save(out + \"/wave.png\");\nplot([3, 1, 2]).save(out + \
                  \"/three.png\");",
    },
];

pub(super) fn register(engine: &mut Engine, docs: &mut Docs, context: &Rc<Context>) {
    docs.add(DOCS);
    engine
        .register_fn("grid", |figures: Array, columns: i64| -> Outcome<Figure> {
            Ok(grid(&figures, columns, &GridConfig::default())?)
        })
        .register_fn("grid", |figures: Array, columns: i64, options: Map| -> Outcome<Figure> {
            Ok(grid(&figures, columns, &convert::options(&options)?)?)
        })
        .register_fn("plot", |of: Dynamic, x: &str, y: &str| -> Outcome<Figure> {
            Ok(curves_of(&of, columns_of(x, y))?)
        });
    let shared = Rc::clone(context);
    engine.register_fn("plot", move |of: Dynamic| -> Outcome<Figure> { shared.finish(usual(&shared, &of, None)) });
    let shared = Rc::clone(context);
    engine.register_fn("plot", move |of: Dynamic, options: Map| -> Outcome<Figure> {
        shared.finish(usual(&shared, &of, Some(&options)))
    });
}

fn grid(figures: &Array, columns: i64, config: &GridConfig) -> Result<Figure, Fault> {
    let figure = |(index, item): (usize, &Dynamic)| {
        item.clone().try_cast::<Figure>().ok_or_else(|| {
            Fault::new(format!("a grid is made of figures, but {} was found at {index}", a_type(item.type_name())))
                .with_hint("plot(value) makes a figure of most values")
        })
    };
    let figures: Vec<Figure> = figures.iter().enumerate().map(figure).collect::<Result<_, Fault>>()?;
    plot::grid(&figures, count(columns, "the number of columns of a grid")?, config).map_err(fault)
}

/// The figure that most people want of a value.
fn usual(context: &Context, of: &Dynamic, options: Option<&Map>) -> Result<Figure, Fault> {
    if let Some(schedule) = of.clone().try_cast::<Schedule>() {
        let config = options.map(convert::options).transpose()?.unwrap_or_default();
        return schedule_curve(&schedule, &config);
    }
    if of.is::<ModelValue>() || of.is::<TierSpec>() {
        let config = options.map(convert::options).transpose()?.unwrap_or_default();
        return systems::kernels(context, of, &config);
    }
    let runs = of.as_array_ref().ok().is_some_and(|items| !items.is_empty() && all_of::<RunValue>(&items).is_some());
    if let Some(options) = options.filter(|_| runs || of.is::<RunValue>() || of.is::<Frame>()) {
        return curves_of(of, convert::options(options)?);
    }
    if options.is_some() {
        return Err(Fault::new(format!("`plot` of {} takes no options", a_type(of.type_name())))
            .with_hint("schedules, models, runs and frames do"));
    }
    if let Some(run) = of.clone().try_cast::<RunValue>() {
        return loss_curve(&[run.labelled()?]);
    }
    if of.is::<Sound>() || of.is::<TakeValue>() {
        return sounds::waveform(&Sound::of(of)?);
    }
    if let Some(takes) = of.clone().try_cast::<Takes>() {
        return quality_figure(&takes);
    }
    if let Some(figure) = of.clone().try_cast::<Figure>() {
        return Ok(figure);
    }
    if let Ok(items) = of.as_array_ref() {
        if runs {
            return loss_curve(&labelled("plot", &items)?);
        }
        return over_index(&items);
    }
    let found = a_type(of.type_name());
    let hint = if of.is::<Frame>() {
        "name the columns: plot(frame, \"step\", \"loss\")"
    } else {
        "a schedule, a run, runs, a sound, a model, a frame with two columns, or an array of numbers"
    };
    Err(Fault::new(format!("there is no usual figure of {found}")).with_hint(hint))
}

fn over_index(values: &Array) -> Result<Figure, Fault> {
    let y = numbers(values, "a value to plot")?;
    #[expect(clippy::cast_precision_loss, reason = "the length of an array")]
    let x = (0..y.len()).map(|index| index as f64).collect();
    plot::curves(&[Series::new("", x, y, Style::Line)], "Index", "Value").map_err(fault)
}

/// The learning rate, or its multiple, over updates.
fn schedule_curve(schedule: &Schedule, config: &SchedulePlotConfig) -> Result<Figure, Fault> {
    /// What a schedule without an end is shown for.
    const USUAL: u64 = 1000;
    /// More points than a page has columns.
    const POINTS: u64 = 4000;
    let steps = config.steps.or_else(|| schedule.length()).unwrap_or(USUAL).max(1);
    let whole = schedule.resolved(steps);
    let stride = steps.div_ceil(POINTS);
    // The update before and the one at each multiple of the stride: a drop stays a drop.
    let mut at: Vec<u64> = (0..=steps).step_by(usize::try_from(stride).unwrap_or(1)).collect();
    at.push(steps);
    at.dedup();
    #[expect(clippy::cast_precision_loss, reason = "numbers of updates stay far below 2^53")]
    let x: Vec<f64> = at.iter().map(|step| *step as f64).collect();
    let y = at.iter().map(|step| whole.at(*step, &[]) * config.lr.unwrap_or(1.0)).collect();
    let label = if config.lr.is_some() { "Learning rate" } else { "Multiple of the learning rate" };
    let figure = plot::curves(&[Series::new("", x, y, Style::Line)], "Step", label).map_err(fault)?;
    Ok(figure.size(760, 340))
}
