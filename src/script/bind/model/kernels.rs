//! The impulse responses of S4 layers, as numbers.

use std::rc::Rc;

use rhai::{Array, Dynamic, Engine, Map};

use super::super::{Outcome, count};
use super::ModelValue;
use crate::model::{Model, ModelError, S4Block};
use crate::script::context::Context;
use crate::script::docs::{Doc, Docs};
use crate::script::fault::Fault;

/// Taps of a kernel unless told.
const USUAL_LENGTH: usize = 512;

/// The longest kernel that is computed, in samples: a minute at 16 kHz, and room.
const LONGEST: usize = 1 << 20;

/// Numbers that a script is handed at once: each takes 16 bytes there.
const MOST_NUMBERS: usize = 1 << 22;

const DOCS: &[Doc] = &[
    Doc {
        name: "kernels",
        of: "Model",
        signature: "model.kernels([length]) -> array",
        about: "The impulse responses of the S4 layers over their first 512 (or `length`) samples, each at the rate of its \
                tier and without the skip D: a map for each layer, with `index` and `name` as in summary(), `d_state`, \
                `channels`, `dt` (a step for each channel, in SSM time a sample), `kernel` (an array for each channel) \
                and, where the layer looks ahead, `ahead` likewise. Without training, of initial weights.",
        options: None,
        example: "let layers = sashimi(#{ d_model: 4, n_layers: 1, d_state: 8, pool: [4] }).kernels(32);\n\
                  print(layers[0].kernel[0].len());",
    },
    Doc {
        name: "kernel",
        of: "Model",
        signature: "model.kernel(index, channel[, length]) -> array",
        about: "The impulse response of one channel of an S4 layer, which has its number in summary(), over its first 512 \
                (or `length`) samples.",
        options: None,
        example: "print(isotropic(#{ d_model: 4, n_layers: 1, d_state: 8 }).kernel(0, 3, 16));",
    },
];

pub(super) fn register(engine: &mut Engine, docs: &mut Docs, context: &Rc<Context>) {
    docs.add(DOCS);
    let shared = Rc::clone(context);
    engine.register_fn("kernels", move |model: &mut ModelValue| -> Outcome<Array> {
        shared.finish(kernels(&shared, model, USUAL_LENGTH))
    });
    let shared = Rc::clone(context);
    engine.register_fn("kernels", move |model: &mut ModelValue, length: i64| -> Outcome<Array> {
        shared.finish(taps(length).and_then(|length| kernels(&shared, model, length)))
    });
    engine
        .register_fn("kernel", |model: &mut ModelValue, index: i64, channel: i64| -> Outcome<Array> {
            Ok(kernel(model, index, channel, USUAL_LENGTH)?)
        })
        .register_fn("kernel", |model: &mut ModelValue, index: i64, channel: i64, length: i64| -> Outcome<Array> {
            Ok(kernel(model, index, channel, taps(length)?)?)
        });
}

fn taps(length: i64) -> Result<usize, Fault> {
    let length = count(length, "the length of a kernel")?;
    if (1..=LONGEST).contains(&length) {
        return Ok(length);
    }
    Err(Fault::new(format!("a kernel of {length} samples cannot be computed"))
        .with_hint(format!("1 to {LONGEST} samples")))
}

impl ModelValue {
    /// `look` on the network that has the weights, or on one with initial ones.
    pub(crate) fn on_network<T>(&self, look: impl FnOnce(&Model) -> Result<T, Fault>) -> Result<T, Fault> {
        match &self.trained {
            Some(trained) => look(&trained.model),
            None => look(&self.on_cpu()?),
        }
    }
}

fn kernel(model: &ModelValue, index: i64, channel: i64, length: usize) -> Result<Array, Fault> {
    let taps = i64::try_from(length).unwrap_or(i64::MAX);
    model.on_network(|network| {
        let kernel = network.kernel(index, channel, taps)?.f_select(0, 0).map_err(ModelError::from)?;
        let numbers = Vec::<f64>::try_from(&kernel).map_err(ModelError::from)?;
        Ok(numbers.into_iter().map(Dynamic::from).collect())
    })
}

fn kernels(context: &Context, model: &ModelValue, length: usize) -> Result<Array, Fault> {
    let channels = |spec: &crate::model::ModelSpec| -> i64 {
        let s4 = spec.blocks().filter(|place| matches!(place.block(), Some(crate::model::BlockSpec::S4(_))));
        s4.map(|place| place.channels).sum()
    };
    let numbers = usize::try_from(channels(&model.spec)).unwrap_or(usize::MAX).saturating_mul(length);
    if numbers > MOST_NUMBERS {
        let fault = Fault::new(format!("the kernels of all layers over {length} samples are {numbers} numbers"));
        return Err(fault.with_hint(format!(
            "at most {MOST_NUMBERS} at once: ask for fewer samples, or for one channel, model.kernel(index, channel, length)"
        )));
    }
    model.on_network(|network| {
        let places: Vec<_> = network.spec().blocks().map(|place| place.name).collect();
        let mut layers = Array::new();
        for (index, block) in network.s4_layers() {
            if context.interrupt.is_set() {
                return Err(Fault::new("stopped as asked"));
            }
            layers.push(Dynamic::from(layer(index, &places[index], block, length)?));
        }
        Ok(layers)
    })
}

fn layer(index: usize, name: &str, block: &S4Block, length: usize) -> Result<Map, Fault> {
    let taps = i64::try_from(length).unwrap_or(i64::MAX);
    let response = block.impulse_response(taps)?; // (outputs, channels, length)
    let (outputs, channels) = (response.size()[0], response.size()[1]);
    let of_output = |output: i64| -> Result<Dynamic, ModelError> {
        let mut all = Array::new();
        for channel in 0..channels {
            let kernel = response.f_select(0, output)?.f_select(0, channel)?;
            let taps = Vec::<f64>::try_from(&kernel)?;
            all.push(Dynamic::from(taps.into_iter().map(Dynamic::from).collect::<Array>()));
        }
        Ok(Dynamic::from(all))
    };
    let dt = Vec::<f64>::try_from(&block.dt()?).map_err(ModelError::from)?;
    let mut map = Map::new();
    map.insert("index".into(), Dynamic::from(i64::try_from(index).unwrap_or(i64::MAX)));
    map.insert("name".into(), Dynamic::from(name.to_owned()));
    map.insert("d_state".into(), Dynamic::from(block.config().d_state));
    map.insert("channels".into(), Dynamic::from(channels));
    map.insert("dt".into(), Dynamic::from(dt.into_iter().map(Dynamic::from).collect::<Array>()));
    map.insert("kernel".into(), of_output(0)?);
    if outputs > 1 {
        map.insert("ahead".into(), of_output(1)?);
    }
    Ok(map)
}
