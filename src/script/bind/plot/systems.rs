//! Kernels and eigenvalues of a model's state spaces.

use std::rc::Rc;

use rhai::{Dynamic, Engine, Map};

use super::super::Outcome;
use super::super::model::ModelValue;
use super::fault;
use crate::model::{ModelError, Place, StateMatrix};
use crate::options::{OptionError, Options};
use crate::plot::{self, Figure, Kernel, Plane, Spectrum};
use crate::script::context::Context;
use crate::script::convert;
use crate::script::docs::{Doc, Docs};
use crate::script::fault::Fault;

crate::options! {
    /// The options of `kernel_plot(model, #{ … })`.
    pub(crate) struct KernelPlotConfig for "kernel_plot" {
        /// How far the kernels are shown. [samples of the sound; 1 to 1048576]
        length: usize = 512,
        /// Only the S4 layer that is this block of summary(); `()` for all. [; a block's number]
        block: Option<usize> = None,
        /// How many channels of each layer, evenly over them from the first on. [channels; 1 to 64]
        channels: usize = 1,
    }
    ; validate = check_kernels
}

crate::options! {
    /// The options of `eigen_plot(model, #{ … })`.
    pub(crate) struct EigenPlotConfig for "eigen_plot" {
        /// Of the continuous-time system, or of the discretised one with the unit circle. [; "continuous", "discrete"]
        plane: Plane = Plane::Continuous,
        /// The whole state matrix Λ − P P*, or its diagonal Λ alone; of S4D both are Λ. [; "whole", "diagonal"]
        matrix: StateMatrix = StateMatrix::Whole,
        /// Only the S4 layer that is this block of summary(); `()` for all. [; a block's number]
        block: Option<usize> = None,
        /// Step that the discrete plane is shown for; `()` is the median of each layer's channels. [SSM time a sample; above 0]
        dt: Option<f64> = None,
    }
    ; validate = check_eigenvalues
}

/// The longest kernel that is computed: a minute at 16 kHz, and more than a picture can show.
const LONGEST: usize = 1 << 20;
/// The most channels of a layer, and the most lines of a figure.
const MOST_CHANNELS: usize = 64;
const MOST_LINES: usize = 128;

fn check_kernels(config: &KernelPlotConfig) -> Result<(), OptionError> {
    if !(1..=LONGEST).contains(&config.length) {
        return Err(OptionError::value("length", config.length, "between 1 and 1048576 samples"));
    }
    if !(1..=MOST_CHANNELS).contains(&config.channels) {
        return Err(OptionError::value("channels", config.channels, "between 1 and 64"));
    }
    Ok(())
}

fn check_eigenvalues(config: &EigenPlotConfig) -> Result<(), OptionError> {
    match config.dt {
        Some(dt) if !(dt.is_finite() && dt > 0.0) => Err(OptionError::value("dt", dt, "above 0")),
        Some(_) if config.plane == Plane::Continuous => {
            Err(OptionError::value("dt", "given", "left out in the continuous plane, which knows no step")
                .with_hint("plane: \"discrete\""))
        }
        _ => Ok(()),
    }
}

const DOCS: &[Doc] = &[
    Doc {
        name: "kernel_plot",
        of: "",
        signature: "kernel_plot(model | run[, #{ … }]) -> Figure",
        about: "The convolution kernels of the S4 layers over their lag: how long, and at which pitches, each remembers. Layers \
                inside a pool are shown in samples of the sound, too. Of a model without weights: as it would start.",
        options: Some(KernelPlotConfig::fields),
        example: "let net = sashimi(#{ d_model: 8, n_layers: 1, pool: [4], d_state: 16 });\nkernel_plot(net, #{ length: 64 \
                  }).save(out + \"/kernels.svg\");",
    },
    Doc {
        name: "eigen_plot",
        of: "",
        signature: "eigen_plot(model | run[, #{ … }]) -> Figure",
        about: "The eigenvalues of the state matrices in the complex plane, a colour for each S4 layer: of A = Λ − P P* (of S4D: \
                Λ), decomposed in float64, or discretised with the unit circle. HiPPO matrices are far from normal, so their \
                eigenvalues answer to rounding in the last bits; `matrix: \"diagonal\"` shows the stored Λ alone.",
        options: Some(EigenPlotConfig::fields),
        example: "let net = isotropic(#{ d_model: 8, n_layers: 2, d_state: 16 });\neigen_plot(net, #{ plane: \"discrete\" \
                  }).save(out + \"/eigen.png\");",
    },
];

pub(super) fn register(engine: &mut Engine, docs: &mut Docs, context: &Rc<Context>) {
    docs.add(DOCS);
    let shared = Rc::clone(context);
    engine.register_fn("kernel_plot", move |model: Dynamic| -> Outcome<Figure> {
        shared.finish(kernels(&shared, &model, &KernelPlotConfig::default()))
    });
    let shared = Rc::clone(context);
    engine.register_fn("kernel_plot", move |model: Dynamic, options: Map| -> Outcome<Figure> {
        let config = convert::options(&options)?;
        shared.finish(kernels(&shared, &model, &config))
    });
    let shared = Rc::clone(context);
    engine.register_fn("eigen_plot", move |model: Dynamic| -> Outcome<Figure> {
        shared.finish(eigenvalues(&shared, &model, &EigenPlotConfig::default()))
    });
    let shared = Rc::clone(context);
    engine.register_fn("eigen_plot", move |model: Dynamic, options: Map| -> Outcome<Figure> {
        let config = convert::options(&options)?;
        shared.finish(eigenvalues(&shared, &model, &config))
    });
}

/// The layers to show, one or all, by their place among the blocks that hold one, `blocks`.
fn chosen(block: Option<usize>, blocks: &[usize]) -> Result<Vec<usize>, Fault> {
    match (block, block.map(|block| blocks.iter().position(|own| *own == block))) {
        _ if blocks.is_empty() => Err(Fault::new("this model has no S4 layer")),
        (Some(block), Some(None)) => {
            let list = blocks.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
            let needed = format!("a block with an S4 layer: {list}");
            Err(OptionError::value("block", block, &needed).with_hint("model.summary() numbers the blocks").into())
        }
        (_, Some(Some(place))) => Ok(vec![place]),
        (_, None | Some(None)) => Ok((0..blocks.len()).collect()),
    }
}

pub(super) fn kernels(context: &Context, model: &Dynamic, config: &KernelPlotConfig) -> Result<Figure, Fault> {
    let kernels = ModelValue::of(context, model)?.on_network(|network| {
        let places: Vec<_> = network.spec().blocks().collect();
        let all = network.s4_layers();
        let blocks: Vec<usize> = all.iter().map(|(index, _)| *index).collect();
        let layers = chosen(config.block, &blocks)?;
        let mut kernels = Vec::new();
        for &layer in &layers {
            let (index, block) = all[layer];
            let Place { channels, rate: step, .. } = places[index];
            let taps = config.length.div_ceil(usize::try_from(step).unwrap_or(1));
            let shown = i64::try_from(config.channels).unwrap_or(i64::MAX).min(channels);
            for channel in (0..shown).map(|index| index * channels / shown) {
                if context.interrupt.is_set() {
                    return Err(ModelError::Interrupted.into());
                }
                let taps = i64::try_from(taps).unwrap_or(i64::MAX);
                let response = block.impulse_response_of(channel, taps)?; // (outputs, 1, taps): of the first output
                let row = response.f_select(0, 0).and_then(|first| first.f_select(0, 0)).map_err(ModelError::from)?;
                let values = Vec::<f64>::try_from(&row).map_err(ModelError::from)?;
                let rate = if step > 1 { format!(" (1/{step} rate)") } else { String::new() };
                let label = match (layers.len(), shown) {
                    (_, 1) => format!("block {index}{rate}"),
                    (1, _) => format!("channel {channel}"),
                    _ => format!("block {index}, channel {channel}"),
                };
                #[expect(clippy::cast_precision_loss, reason = "a product of pooling factors")]
                let spacing = step as f64;
                let number = if shown == 1 { index } else { kernels.len() };
                kernels.push(Kernel { label, number, taps: values, spacing });
            }
        }
        Ok(kernels)
    })?;
    if kernels.len() > MOST_LINES {
        return Err(Fault::new(format!("{} kernels are more than a figure can show", kernels.len()))
            .with_hint("choose a `block`, or fewer `channels`"));
    }
    let what = match (config.block, config.channels) {
        (None, 1) => "Block",
        (Some(_), _) => "Channel, in their order",
        _ => "Block and channel, in their order",
    };
    plot::kernel_plot(&kernels, what).map_err(fault)
}

fn eigenvalues(context: &Context, model: &Dynamic, config: &EigenPlotConfig) -> Result<Figure, Fault> {
    let model = ModelValue::of(context, model)?;
    let (layers, blocks) = model.on_network(|network| {
        let blocks: Vec<usize> = network.s4_layers().iter().map(|(index, _)| *index).collect();
        chosen(config.block, &blocks)?; // before the work
        Ok((network.eigenvalues(config.matrix, &context.interrupt)?, blocks))
    })?;
    let spectra: Vec<Spectrum> = chosen(config.block, &blocks)?
        .into_iter()
        .map(|place| {
            let (found, number) = (&layers[place], blocks[place]);
            let dt = config.dt.unwrap_or_else(|| found.median_dt());
            let label = format!("block {number}");
            match config.plane {
                Plane::Continuous => Spectrum { label, number, values: found.values.clone(), dt: None },
                Plane::Discrete => Spectrum { label, number, values: found.discrete(dt), dt: Some(dt) },
            }
        })
        .collect();
    plot::eigen_plot(&spectra, config.plane).map_err(fault)
}
