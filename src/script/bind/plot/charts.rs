//! Charts of numbers and frames.

use rhai::{Array, Dynamic, Engine, Map};

use super::super::train::RunValue;
use super::super::{Outcome, real};
use super::{fault, numbers};
use crate::metrics::{Frame, columns};
use crate::options::Options;
use crate::plot::{
    self, BarsConfig, CurvesConfig, Figure, HeatmapConfig, HistogramConfig, Names, ParallelConfig, ScatterConfig,
    Series, Style,
};
use crate::script::convert::{self, a_type};
use crate::script::docs::{Doc, Docs};
use crate::script::fault::Fault;

const DOCS: &[Doc] = &[
    Doc {
        name: "loss_curve",
        of: "",
        signature: "loss_curve(run | [run, …] | frame) -> Figure",
        about: "Bits per byte over steps: each step faint, smoothed strong, validations as dots, baselines dashed. Of several \
                runs each has the name of its folder, or the label of [label, run].",
        options: None,
        example: "loss_curve(read_frame(run_folder)).save(out + \"/loss.svg\");\nlet run = load_run(run_folder);\n\
                  loss_curve([[\"8 layers\", run], [\"2 layers\", run]]).save(out + \"/depths.svg\");",
    },
    Doc {
        name: "curves",
        of: "",
        signature: "curves(frame | run | [run, …], #{ … } | x, y) -> Figure",
        about: "Lines of a frame, one for each value of `by`. Where several rows share a position (seeds of one setting), \
                their mean with a band. Of runs, one line for each, over steps, under the name of its folder or the label of \
                [label, run]. `curves(frame, \"step\", \"loss\")` for short.",
        options: Some(CurvesConfig::fields),
        example: "let f = table([\"step\", \"bpb\", \"n\"], [[0, 8, 16], [9, 6, 16], [0, 8, 64], [9, 5, 64]]);\ncurves(f, #{ \
                  y: \"bpb\", by: \"n\" }).save(out + \"/curves.png\");\ncurves(read_frame(run_folder), \"step\", \
                  \"lr\").save(out + \"/lr.png\");",
    },
    Doc {
        name: "curves",
        of: "",
        signature: "curves([[label, xs, ys], …], x_label, y_label) -> Figure",
        about: "Lines over one horizontal axis from arrays of numbers.",
        options: None,
        example: "curves([[\"squares\", [1, 2, 3], [1, 4, 9]]], \"n\", \"n²\").save(out + \"/squares.svg\");",
    },
    Doc {
        name: "scatter",
        of: "",
        signature: "scatter(frame, #{ … }) -> Figure",
        about: "A dot for each row of a frame, in groups or in colours of `by`.",
        options: Some(ScatterConfig::fields),
        example: "let f = table([\"parameters\", \"bpb\", \"net\"], [[1000, 6.1, \"s4\"], [4000, 5.2, \"s4\"], [4000, 5.4, \
                  \"s4d\"]]);\nscatter(f, #{ x: \"parameters\", y: \"bpb\", by: \"net\" }).log_x().save(out + \
                  \"/scatter.png\");",
    },
    Doc {
        name: "scatter",
        of: "",
        signature: "scatter(xs, ys[, x_label, y_label]) -> Figure",
        about: "A dot for each pair of two arrays of numbers.",
        options: None,
        example: "scatter([1, 2, 3], [2, 3, 5], \"n\", \"prime\").save(out + \"/primes.png\");",
    },
    Doc {
        name: "bars",
        of: "",
        signature: "bars(frame, #{ … }) -> Figure",
        about: "Bars for the values of a column, side by side for `by`. Where several rows share a bar: their mean, with error \
                bars.",
        options: Some(BarsConfig::fields),
        example: "let f = table([\"net\", \"bpb\"], [[\"s4\", 5.1], [\"s4\", 5.3], [\"s4d\", 5.4], [\"s4d\", 5.5]]);\nbars(f, #{ \
                  x: \"net\", y: \"bpb\", values: true, from: \"data\" }).save(out + \"/bars.png\");",
    },
    Doc {
        name: "heatmap",
        of: "",
        signature: "heatmap(frame, #{ … }) -> Figure",
        about: "A value in colour and in figures for each pair of two settings; pairs without a row are hatched.",
        options: Some(HeatmapConfig::fields),
        example: "let f = table([\"d_state\", \"d_model\", \"val_bpb\"], [[16, 32, 3.1], [64, 32, 2.9], [16, 64, \
                  2.8]]);\nheatmap(f, #{ x: \"d_state\", y: \"d_model\", value: \"val_bpb\", best: \"min\" }).save(out + \
                  \"/grid.png\");",
    },
    Doc {
        name: "parallel",
        of: "",
        signature: "parallel(frame, #{ … }) -> Figure",
        about: "Parallel coordinates: an axis for each column and one for the value, a line for each row in the colour of its \
                value, the best one strong.",
        options: Some(ParallelConfig::fields),
        example: "let f = table([\"lr\", \"net\", \"bpb\"], [[0.001, \"s4\", 3.1], [0.01, \"s4d\", 2.9], [0.004, \"s4\", \
                  2.8]]);\nparallel(f, #{ columns: [\"lr\", \"net\"], value: \"bpb\" }).save(out + \"/parallel.png\");",
    },
    Doc {
        name: "histogram",
        of: "",
        signature: "histogram(values | frame, column[, #{ … }]) -> Figure",
        about: "How often values fall into bins: of an array of numbers, or of a column of a frame. Of an array there is no \
                `column`.",
        options: Some(HistogramConfig::fields),
        example: "histogram([1, 2, 2, 3, 3, 3, 4], #{ bins: 4 }).save(out + \"/histogram.png\");\nhistogram(read_frame(\
                  run_folder), \"loss\").save(out + \"/losses.png\");",
    },
];

pub(super) fn register(engine: &mut Engine, docs: &mut Docs) {
    docs.add(DOCS);
    curves(engine);
    frames(engine);
    engine
        .register_fn("loss_curve", |run: RunValue| -> Outcome<Figure> { Ok(loss_curve(&[run.labelled()?])?) })
        .register_fn("loss_curve", |frame: Frame| -> Outcome<Figure> { Ok(loss_curve(&[("run".to_owned(), frame)])?) })
        .register_fn("loss_curve", |runs: Array| -> Outcome<Figure> {
            Ok(loss_curve(&labelled("loss_curve", &runs)?)?)
        });
}

fn curves(engine: &mut Engine) {
    engine
        .register_fn("curves", |series: Array, x: &str, y: &str| -> Outcome<Figure> {
            // Runs are meant where all of them are: then x and y are columns.
            if !series.is_empty() && series.iter().all(|item| labelled_run(item).is_some()) {
                return Ok(curves_of(&series.into(), columns_of(x, y))?);
            }
            let series = series.iter().map(one_series).collect::<Result<Vec<_>, Fault>>()?;
            Ok(plot::curves(&series, x, y).map_err(fault)?)
        })
        .register_fn("curves", |of: Frame, x: &str, y: &str| -> Outcome<Figure> {
            Ok(curves_of(&Dynamic::from(of), columns_of(x, y))?)
        })
        .register_fn("curves", |of: RunValue, x: &str, y: &str| -> Outcome<Figure> {
            Ok(curves_of(&Dynamic::from(of), columns_of(x, y))?)
        })
        .register_fn("curves", |of: Dynamic, options: Map| -> Outcome<Figure> {
            Ok(curves_of(&of, convert::options(&options)?)?)
        });
}

fn frames(engine: &mut Engine) {
    engine
        .register_fn("scatter", |frame: Frame, options: Map| -> Outcome<Figure> {
            let config: ScatterConfig = convert::options(&options)?;
            Ok(plot::scatter_of(&frame, &config).map_err(fault)?)
        })
        .register_fn("scatter", |xs: Array, ys: Array| -> Outcome<Figure> { Ok(scatter(&xs, &ys, ("x", "y"))?) })
        .register_fn("scatter", |xs: Array, ys: Array, x: &str, y: &str| -> Outcome<Figure> {
            Ok(scatter(&xs, &ys, (x, y))?)
        })
        .register_fn("bars", |frame: Frame, options: Map| -> Outcome<Figure> {
            let config: BarsConfig = convert::options(&options)?;
            Ok(plot::bars(&frame, &config).map_err(fault)?)
        })
        .register_fn("heatmap", |frame: Frame, options: Map| -> Outcome<Figure> {
            let config: HeatmapConfig = convert::options(&options)?;
            Ok(plot::heatmap(&frame, &config).map_err(fault)?)
        })
        .register_fn("parallel", |frame: Frame, options: Map| -> Outcome<Figure> {
            let config: ParallelConfig = convert::options(&options)?;
            Ok(plot::parallel(&frame, &config).map_err(fault)?)
        })
        .register_fn("histogram", |values: Array| -> Outcome<Figure> {
            Ok(histogram(&values, &HistogramConfig::default())?)
        })
        .register_fn("histogram", |values: Array, options: Map| -> Outcome<Figure> {
            Ok(histogram(&values, &convert::options(&options)?)?)
        })
        .register_fn("histogram", |frame: Frame, column: &str| -> Outcome<Figure> {
            Ok(plot::histogram_of(&frame, column, &HistogramConfig::default()).map_err(fault)?)
        })
        .register_fn("histogram", |frame: Frame, column: &str, options: Map| -> Outcome<Figure> {
            let config: HistogramConfig = convert::options(&options)?;
            Ok(plot::histogram_of(&frame, column, &config).map_err(fault)?)
        });
}

pub(super) fn loss_curve(runs: &[(String, Frame)]) -> Result<Figure, Fault> {
    let runs: Vec<(&str, &Frame)> = runs.iter().map(|(label, frame)| (label.as_str(), frame)).collect();
    Ok(plot::loss_curve(&runs)?)
}

/// The metrics of an array of runs: each under the label that it is given, or the name of its folder; where two would have
/// one name, under the folder's whole path.
pub(super) fn labelled(figure: &str, runs: &Array) -> Result<Vec<(String, Frame)>, Fault> {
    let runs: Vec<(Option<String>, RunValue)> = runs
        .iter()
        .map(|item| {
            labelled_run(item).ok_or_else(|| {
                Fault::new(format!("`{figure}` cannot draw {}", a_type(item.type_name())))
                    .with_hint("an array of runs, or of [label, run]")
            })
        })
        .collect::<Result<_, _>>()?;
    let names: Vec<String> = runs.iter().map(|(label, run)| label.clone().unwrap_or_else(|| run.name())).collect();
    let name = |at: usize, (label, run): &(Option<String>, RunValue)| {
        let alone = label.is_some() || names.iter().filter(|name| **name == names[at]).count() == 1;
        if alone { names[at].clone() } else { run.folder().display().to_string() }
    };
    runs.iter().enumerate().map(|(at, run)| Ok((name(at, run), run.1.frame()?))).collect()
}

/// A run, or `[label, run]`.
fn labelled_run(item: &Dynamic) -> Option<(Option<String>, RunValue)> {
    if let Some(run) = item.clone().try_cast::<RunValue>() {
        return Some((None, run));
    }
    let pair = item.as_array_ref().ok()?;
    let [label, run] = pair.as_slice() else { return None };
    Some((Some(label.as_immutable_string_ref().ok()?.to_string()), run.clone().try_cast::<RunValue>()?))
}

/// Options that say no more than which columns are drawn.
pub(super) fn columns_of(x: &str, y: &str) -> CurvesConfig {
    CurvesConfig { x: x.to_owned(), y: Some(Names::One(y.to_owned())), ..CurvesConfig::default() }
}

/// Lines of a frame, a run, or an array of runs.
pub(super) fn curves_of(of: &Dynamic, mut config: CurvesConfig) -> Result<Figure, Fault> {
    if let Some(frame) = of.clone().try_cast::<Frame>() {
        return plot::curves_of(&frame, &config).map_err(fault);
    }
    let runs = if let Some(run) = of.clone().try_cast::<RunValue>() {
        vec![(String::new(), run.frame()?)]
    } else if let Ok(runs) = of.as_array_ref() {
        labelled("curves", &runs)?
    } else {
        return Err(Fault::new(format!("`curves` cannot draw {}", a_type(of.type_name())))
            .with_hint("a frame, a run, or an array of runs"));
    };
    config.y.get_or_insert_with(|| Names::One(columns::BITS_PER_BYTE.to_owned()));
    plot::curves_of_runs(&runs, &config).map_err(fault)
}

/// `[label, xs, ys]`.
fn one_series(item: &Dynamic) -> Result<Series, Fault> {
    let wrong = || {
        Fault::new("`curves` needs each line as [label, xs, ys]")
            .with_hint("curves([[\"loss\", [1, 2, 3], [8, 6, 5]]], \"Step\", \"Bits per byte\")")
    };
    let parts = item.as_array_ref().map_err(|_| wrong())?;
    let [label, xs, ys] = parts.as_slice() else { return Err(wrong()) };
    let label = label.as_immutable_string_ref().map_err(|_| wrong())?;
    let numbers = |values: &Dynamic, what: &str| -> Result<Vec<f64>, Fault> {
        values.as_array_ref().map_err(|_| wrong())?.iter().map(|value| real(value, what)).collect()
    };
    let (x, y) = (numbers(xs, "a position of a line")?, numbers(ys, "a value of a line")?);
    Ok(Series::new(label.as_str(), x, y, Style::Line))
}

fn scatter(xs: &Array, ys: &Array, (x, y): (&str, &str)) -> Result<Figure, Fault> {
    let (xs, ys) = (numbers(xs, "a position of a dot")?, numbers(ys, "a value of a dot")?);
    plot::scatter(&xs, &ys, x, y).map_err(fault)
}

fn histogram(values: &Array, config: &HistogramConfig) -> Result<Figure, Fault> {
    plot::histogram(&numbers(values, "a value of the histogram")?, config).map_err(fault)
}
