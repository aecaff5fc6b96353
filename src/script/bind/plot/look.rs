//! What changes the look of a figure, and how it is saved.

use std::path::Path;

use rhai::{Array, Dynamic, Engine, Map};

use super::super::{Outcome, make_folder, real, texts};
use super::fault;
use crate::options::Options;
use crate::options::nearest;
use crate::plot::{Figure, Place, PlotError, Theme};
use crate::script::convert;
use crate::script::docs::{Doc, Docs};
use crate::script::fault::Fault;

crate::options! {
    /// The options of `figure.limits(#{ … })`.
    pub(crate) struct LimitsConfig for "limits" {
        /// What the horizontal axis shows; `()` leaves it. [in its own unit, of a spectrogram s; two numbers, the lower one first]
        x: Option<[f64; 2]> = None,
        /// What the vertical axis shows; `()` leaves it. [in its own unit, of a spectrogram Hz; two numbers, the lower one first]
        y: Option<[f64; 2]> = None,
    }
}

const DOCS: &[Doc] = &[
    Doc {
        name: "title",
        of: "Figure",
        signature: "figure.title(text) -> Figure",
        about: "The figure with a title above it; a long one takes two lines.",
        options: None,
        example: "plot([3, 1, 2]).title(\"Three values\").save(out + \"/title.png\");",
    },
    Doc {
        name: "x_label",
        of: "Figure",
        signature: "figure.x_label(text) -> Figure",
        about: "The figure with another label of its horizontal axis. Give the unit.",
        options: None,
        example: "plot([3, 1, 2]).x_label(\"Time (s)\").save(out + \"/x_label.png\");",
    },
    Doc {
        name: "y_label",
        of: "Figure",
        signature: "figure.y_label(text) -> Figure",
        about: "The figure with another label of its vertical axis. Give the unit.",
        options: None,
        example: "plot([3, 1, 2]).y_label(\"Level (dB)\").save(out + \"/y_label.png\");",
    },
    Doc {
        name: "log_x",
        of: "Figure",
        signature: "figure.log_x([on]) -> Figure",
        about: "The figure with a logarithmic horizontal axis, or with `false` a linear one.",
        options: None,
        example: "plot([3, 1, 2]).log_x().save(out + \"/log_x.png\");",
    },
    Doc {
        name: "log_y",
        of: "Figure",
        signature: "figure.log_y([on]) -> Figure",
        about: "The figure with a logarithmic vertical axis (of a spectrogram: its frequency), or with `false` a linear one.",
        options: None,
        example: "plot([300, 10, 2]).log_y().save(out + \"/log_y.png\");",
    },
    Doc {
        name: "limits",
        of: "Figure",
        signature: "figure.limits(#{ x: [from, to], y: [from, to] } | x_from, x_to, y_from, y_to) -> Figure",
        about: "The figure with its axes cut to a range, in the unit of each axis; those of a spectrogram in seconds and Hz.",
        options: Some(LimitsConfig::fields),
        example: "plot([3, 1, 2]).limits(#{ y: [0, 4] }).save(out + \"/limits.png\");",
    },
    Doc {
        name: "size",
        of: "Figure",
        signature: "figure.size(width, height) -> Figure",
        about: "The figure in another size, in pixels from 320 × 200 to 2400 × 2400. A PNG has two dots to a pixel each way.",
        options: None,
        example: "plot([3, 1, 2]).size(400, 300).save(out + \"/size.png\");",
    },
    Doc {
        name: "theme",
        of: "Figure",
        signature: "figure.theme(\"paper\" | \"dark\") -> Figure",
        about: "The figure on white, for papers, or on near black, for screens.",
        options: None,
        example: "plot([3, 1, 2]).theme(\"dark\").save(out + \"/dark.png\");",
    },
    Doc {
        name: "legend",
        of: "Figure",
        signature: "figure.legend(\"right\" | \"below\" | \"none\" | \"auto\") -> Figure",
        about: "The figure with its legend elsewhere. On its own (\"auto\") it is to the right, or below on a narrow page.",
        options: None,
        example: "curves([[\"a\", [1, 2], [3, 4]], [\"b\", [1, 2], [4, 3]]], \"x\", \"y\").legend(\"below\").save(out + \
                  \"/legend.png\");",
    },
    Doc {
        name: "annotate",
        of: "Figure",
        signature: "figure.annotate(x, y, text) -> Figure",
        about: "The figure with a ring at a point of its data and a text beside it. The places of a bar chart count from 0.",
        options: None,
        example: "plot([3, 1, 2]).annotate(1, 1, \"the least\").save(out + \"/annotate.png\");",
    },
    Doc {
        name: "hline",
        of: "Figure",
        signature: "figure.hline(y[, label]) -> Figure",
        about: "The figure with a dashed line across it, named in the legend: a baseline, a target.",
        options: None,
        example: "plot([3, 1, 2]).hline(1.5, \"target\").save(out + \"/hline.png\");",
    },
    Doc {
        name: "vline",
        of: "Figure",
        signature: "figure.vline(x[, label]) -> Figure",
        about: "The figure with a dashed upright line, named in the legend: the step where something changed.",
        options: None,
        example: "plot([3, 1, 2]).vline(1, \"rate cut\").save(out + \"/vline.png\");",
    },
    Doc {
        name: "save",
        of: "Figure",
        signature: "figure.save(path, …) -> text | array",
        about: "Writes .png or .svg files, up to four at once or an array of any number, making their folders where needed. \
                Returns the path, or the paths.",
        options: None,
        example: "waveform(audio(\"data/bigband_005.flac\").slice(0, 1)).save(out + \"/a.png\", out + \"/a.svg\");",
    },
];

pub(super) fn register(engine: &mut Engine, docs: &mut Docs) {
    docs.add(DOCS);
    engine
        .register_fn("title", |figure: Figure, text: &str| figure.title(text))
        .register_fn("size", |figure: Figure, width: i64, height: i64| -> Outcome<Figure> {
            let pixels =
                |found: i64| u32::try_from(found).map_err(|_| Fault::new(format!("{found} pixels are impossible")));
            Ok(figure.size(pixels(width)?, pixels(height)?))
        })
        .register_fn("theme", |figure: Figure, name: &str| -> Outcome<Figure> {
            Ok(figure.theme(choice("theme", name, &Theme::NAMES)?))
        })
        .register_fn("legend", |figure: Figure, name: &str| -> Outcome<Figure> {
            let known =
                [("right", Place::Right), ("below", Place::Below), ("none", Place::None), ("auto", Place::Auto)];
            changed(figure.legend(choice("place of a legend", name, &known)?))
        })
        .register_fn("x_label", |figure: Figure, text: &str| changed(figure.x_label(text)))
        .register_fn("y_label", |figure: Figure, text: &str| changed(figure.y_label(text)))
        .register_fn("log_x", |figure: Figure| changed(figure.log_x(true)))
        .register_fn("log_x", |figure: Figure, on: bool| changed(figure.log_x(on)))
        .register_fn("log_y", |figure: Figure| changed(figure.log_y(true)))
        .register_fn("log_y", |figure: Figure, on: bool| changed(figure.log_y(on)));
    marks(engine);
    saving(engine);
    for name in ["to_string", "to_debug"] {
        engine.register_fn(name, |figure: &mut Figure| describe(figure));
    }
}

fn changed(figure: Result<Figure, PlotError>) -> Outcome<Figure> {
    Ok(figure.map_err(fault)?)
}

/// One line for people.
fn describe(figure: &Figure) -> String {
    let (width, height) = figure.dimensions();
    format!(
        "Figure: {}, {width} × {height} pixels; .save(\"name.png\") or .save(\"name.svg\") writes it",
        figure.kind()
    )
}

/// One of a closed set of names.
fn choice<T: Copy>(what: &str, name: &str, known: &[(&str, T)]) -> Result<T, Fault> {
    if let Some((_, value)) = known.iter().find(|(known, _)| *known == name) {
        return Ok(*value);
    }
    let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
    let list = names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(" or ");
    let hint = match nearest(name, names.iter().copied()) {
        Some(near) if names.len() > 2 => format!("did you mean \"{near}\"? There are {list}"),
        _ => list,
    };
    Err(Fault::new(format!("unknown {what} `{name}`")).with_hint(hint))
}

fn marks(engine: &mut Engine) {
    engine
        .register_fn("limits", |figure: Figure, options: Map| -> Outcome<Figure> {
            let LimitsConfig { x, y } = convert::options(&options)?;
            changed(figure.limits(x.map(<(f64, f64)>::from), y.map(<(f64, f64)>::from)))
        })
        .register_fn(
            "limits",
            |figure: Figure, left: Dynamic, right: Dynamic, low: Dynamic, high: Dynamic| -> Outcome<Figure> {
                let range = |from: &Dynamic, to: &Dynamic| -> Result<_, Fault> {
                    Ok(Some((real(from, "a limit of an axis")?, real(to, "a limit of an axis")?)))
                };
                changed(figure.limits(range(&left, &right)?, range(&low, &high)?))
            },
        )
        .register_fn("annotate", |figure: Figure, x: Dynamic, y: Dynamic, text: &str| -> Outcome<Figure> {
            changed(figure.annotate(real(&x, "the x of a note")?, real(&y, "the y of a note")?, text))
        })
        .register_fn("hline", |figure: Figure, y: Dynamic| -> Outcome<Figure> { rule(figure, &y, "", Figure::hline) })
        .register_fn("hline", |figure: Figure, y: Dynamic, label: &str| -> Outcome<Figure> {
            rule(figure, &y, label, Figure::hline)
        })
        .register_fn("vline", |figure: Figure, x: Dynamic| -> Outcome<Figure> { rule(figure, &x, "", Figure::vline) })
        .register_fn("vline", |figure: Figure, x: Dynamic, label: &str| -> Outcome<Figure> {
            rule(figure, &x, label, Figure::vline)
        });
}

type Drawing = fn(Figure, f64, &str) -> Result<Figure, PlotError>;

fn rule(figure: Figure, at: &Dynamic, label: &str, draw: Drawing) -> Outcome<Figure> {
    let at = real(at, "the place of a line")?;
    if !at.is_finite() {
        return Err(Fault::new(format!("the place of a line is {at}, but must be finite")).into());
    }
    changed(draw(figure, at, label))
}

fn saving(engine: &mut Engine) {
    fn save(figure: &Figure, paths: &[&str]) -> Outcome<Dynamic> {
        for path in paths.iter().map(Path::new) {
            make_folder(path)?;
            figure.save(path).map_err(fault)?;
        }
        let mut saved: Array = paths.iter().map(|path| Dynamic::from((*path).to_owned())).collect();
        Ok(if saved.len() == 1 { saved.remove(0) } else { saved.into() })
    }
    engine
        .register_fn("save", |figure: &mut Figure, a: &str| save(figure, &[a]))
        .register_fn("save", |figure: &mut Figure, a: &str, b: &str| save(figure, &[a, b]))
        .register_fn("save", |figure: &mut Figure, a: &str, b: &str, c: &str| save(figure, &[a, b, c]))
        .register_fn("save", |figure: &mut Figure, a: &str, b: &str, c: &str, d: &str| save(figure, &[a, b, c, d]))
        .register_fn("save", |figure: &mut Figure, paths: Array| -> Outcome<Dynamic> {
            let paths = texts(&paths, "the list of paths")?;
            save(figure, &paths.iter().map(String::as_str).collect::<Vec<_>>())
        });
}
