//! `model`: models with weights or without; what scripts compose them of, and what they do with them, is in the folder.

mod algebra;
mod blocks;
mod cost;
mod kernels;
mod summary;
mod text;

pub(in crate::script::bind) use text::literal;

use std::path::Path;
use std::rc::Rc;

use rhai::{Dynamic, Engine, Map};

use super::Outcome;
use super::train::RunValue;
use crate::audio::CorpusConfig;
use crate::device;
use crate::generate::Sound as TokenSound;
use crate::model::{Model, ModelConfig, ModelError, ModelSpec, SashimiConfig, Summary, TierSpec};
use crate::options::Options;
use crate::script::context::Context;
use crate::script::convert::{self, a_type};
use crate::script::docs::{Doc, Docs};
use crate::script::fault::Fault;
use crate::seed::Seed;
use crate::train::{Manifest, Precision, load_model};

/// A composition, and the weights if it has been trained. Clones share the weights.
#[derive(Clone)]
pub struct ModelValue {
    pub(crate) spec: ModelSpec,
    pub(crate) trained: Option<Rc<Trained>>,
}

/// Weights, and what their tokens mean.
pub(crate) struct Trained {
    pub(crate) model: Model,
    pub(crate) sound: TokenSound,
    /// Where the weights come from, for people.
    pub(crate) origin: String,
}

/// Levels that are assumed where no audio has said how many there are: 8 bits.
const USUAL_LEVELS: i64 = 256;

const DOCS: &[Doc] = &[
    Doc {
        name: "sashimi",
        of: "",
        signature: "sashimi([#{ … }]) -> Model",
        about: "A SaShiMi: tiers of S4 and feed-forward blocks, pooled and widened on the way in.",
        options: Some(SashimiConfig::fields),
        example: "let net = sashimi(#{ d_model: 32, n_layers: 2, pool: [4, 4] });",
    },
    Doc {
        name: "isotropic",
        of: "",
        signature: "isotropic([#{ … }]) -> Model",
        about: "S4 and feed-forward blocks at one rate, without pools. Takes the options of sashimi but those of pools.",
        options: Some(SashimiConfig::isotropic_fields),
        example: "let net = isotropic(#{ d_model: 32, n_layers: 4 });",
    },
    Doc {
        name: "model",
        of: "",
        signature: "model(tier[, #{ … }]) -> Model",
        about: "A model from a composition of tiers.",
        options: Some(ModelConfig::fields),
        example: "let net = model(tier(repeat(2, [s4(#{ d_state: 16 }), ff(2)])), #{ d_model: 32 });",
    },
    Doc {
        name: "load_model",
        of: "",
        signature: "load_model(path | run_folder) -> Model",
        about: "A trained model from a checkpoint, or from the folder of a run (its best checkpoint).",
        options: None,
        example: "let net = load_model(run_folder);",
    },
    Doc {
        name: "parameters",
        of: "Model",
        signature: "model.parameters -> integer",
        about: "How many trainable real numbers there are; for 256 levels where no audio has said how many.",
        options: None,
        example: "print(sashimi(#{ d_model: 16, n_layers: 1 }).parameters);",
    },
    Doc {
        name: "is_trained",
        of: "Model",
        signature: "model.is_trained -> bool",
        about: "Whether it has weights, or is a composition only.",
        options: None,
        example: "print(load_model(run_folder).is_trained);",
    },
    Doc {
        name: "is_causal",
        of: "Model",
        signature: "model.is_causal -> bool",
        about: "Whether every block looks at the past alone, so that the model can generate.",
        options: None,
        example: "print(sashimi(#{ bidirectional: true }).is_causal);   // false",
    },
    Doc {
        name: "outer",
        of: "Model",
        signature: "model.outer -> Tier",
        about: "Its outermost tier, to be composed anew.",
        options: None,
        example: "let wide = model(sashimi(#{ n_layers: 1 }).outer, #{ d_model: 128 });",
    },
    Doc {
        name: "blocks",
        of: "Model",
        signature: "model.blocks -> array of Block",
        about: "Its blocks in the order that they run, numbered as summary() numbers them.",
        options: None,
        example: "print(sashimi(#{ n_layers: 1, pool: [4] }).blocks[2]);",
    },
];

pub(super) fn register(engine: &mut Engine, docs: &mut Docs, context: &Rc<Context>) {
    docs.add(&DOCS[..CONSTRUCTORS]);
    blocks::register(engine, docs);
    docs.add(&DOCS[CONSTRUCTORS..]);
    algebra::register(engine, docs, context);
    summary::register(engine, docs, context);
    kernels::register(engine, docs, context);
    cost::register(engine, docs);
    engine
        .register_type_with_name::<ModelValue>("Model")
        .register_fn("sashimi", || ModelValue::from(SashimiConfig::default().spec()))
        .register_fn("sashimi", |options: Map| -> Outcome<ModelValue> {
            Ok(composed(convert::options::<SashimiConfig>(&options)?.spec())?)
        })
        .register_fn("isotropic", |options: Map| -> Outcome<ModelValue> { Ok(isotropic(&options)?) })
        .register_fn("isotropic", || -> Outcome<ModelValue> { Ok(isotropic(&Map::new())?) })
        .register_fn("model", |tier: TierSpec| -> Outcome<ModelValue> { Ok(with_tier(tier, &ModelConfig::default())?) })
        .register_fn("model", |tier: TierSpec, options: Map| -> Outcome<ModelValue> {
            Ok(with_tier(tier, &convert::options(&options)?)?)
        })
        .register_get("parameters", |model: &mut ModelValue| -> Outcome<i64> {
            let parameters = model.counts()?.parameters();
            Ok(i64::try_from(parameters).unwrap_or(i64::MAX))
        })
        .register_get("is_trained", |model: &mut ModelValue| model.trained.is_some())
        .register_get("is_causal", |model: &mut ModelValue| model.spec.is_causal())
        .register_get("outer", |model: &mut ModelValue| model.spec.tier.clone())
        .register_get("blocks", |model: &mut ModelValue| {
            let places = model.spec.blocks();
            places.filter_map(|place| place.block().cloned().map(Dynamic::from)).collect::<rhai::Array>()
        })
        .register_fn("to_string", |model: &mut ModelValue| -> Outcome<String> { Ok(model.describe()?) });
    let shared = Rc::clone(context);
    engine.register_fn("load_model", move |path: &str| -> Outcome<ModelValue> {
        shared.finish(load(&shared, Path::new(path)))
    });
}

/// How many of [`DOCS`] are functions; the blocks that they are made of come next, then what models have.
const CONSTRUCTORS: usize = 4;

fn isotropic(options: &Map) -> Result<ModelValue, Fault> {
    if options.contains_key("pool") {
        return Err(Fault { option: Some("pool".to_owned()), ..Fault::new("an isotropic model has no `pool`") }
            .with_hint("use sashimi(#{ pool: … })"));
    }
    blocks::check_names(options, "isotropic", SashimiConfig::isotropic_fields())?;
    let mut settings = convert::settings(options, "isotropic")?;
    settings.insert("pool".to_owned(), serde_json::json!([]));
    composed(crate::options::parse::<SashimiConfig>(&settings)?.spec())
}

fn with_tier(tier: TierSpec, config: &ModelConfig) -> Result<ModelValue, Fault> {
    Ok(ModelSpec::new(config, tier).map_err(blamed)?.into())
}

fn composed(spec: ModelSpec) -> Result<ModelValue, Fault> {
    spec.validate().map_err(blamed)?;
    Ok(spec.into())
}

/// A refusal as a fault that keeps the name of the option, so that the caret can point at it.
fn blamed(error: ModelError) -> Fault {
    match error {
        ModelError::Option(option) => option.into(),
        other => other.into(),
    }
}

/// A trained model from a checkpoint or a run's folder.
///
/// # Errors
/// What is wrong with the checkpoint or the device.
pub fn load(context: &Context, path: &Path) -> Result<ModelValue, Fault> {
    Ok(load_with_manifest(context, path)?.0)
}

/// The same, with what the checkpoint says of itself.
///
/// # Errors
/// As [`load`].
pub fn load_with_manifest(context: &Context, path: &Path) -> Result<(ModelValue, Manifest), Fault> {
    let device = device::open(context.device.get())?;
    if !path.exists() {
        return Err(Fault::new(format!("there is no checkpoint {}", path.display()))
            .with_hint("a checkpoint ends in .safetensors; the folder of a run stands for its best one"));
    }
    let (model, manifest) = load_model(path, device)?;
    let origin = format!("{}, step {}", path.display(), manifest.step);
    Ok((ModelValue::trained(model, token_sound(&manifest)?, origin), manifest))
}

/// What the tokens of a checkpoint mean.
fn token_sound(manifest: &Manifest) -> Result<TokenSound, Fault> {
    Ok(TokenSound { quantizer: manifest.quantizer()?, scaling: manifest.scaling, sample_rate: manifest.sample_rate })
}

impl From<ModelSpec> for ModelValue {
    fn from(spec: ModelSpec) -> Self {
        Self { spec, trained: None }
    }
}

impl ModelValue {
    /// A model with weights.
    pub(crate) fn trained(model: Model, sound: TokenSound, origin: String) -> Self {
        Self { spec: model.spec().clone(), trained: Some(Rc::new(Trained { model, sound, origin })) }
    }

    /// What a script may give where a model is asked for: a model, a run (its best weights), or a bare tier.
    pub(crate) fn of(context: &Context, value: &Dynamic) -> Result<Self, Fault> {
        if let Some(model) = value.clone().try_cast::<Self>() {
            Ok(model)
        } else if let Some(run) = value.clone().try_cast::<RunValue>() {
            run.best(context)
        } else if let Some(tier) = value.clone().try_cast::<TierSpec>() {
            with_tier(tier, &ModelConfig::default())
        } else {
            let found = a_type(value.type_name());
            Err(Fault::new(format!("a model was needed, but {found} was found")).with_hint(
                "a model is what sashimi(…), isotropic(…), model(…) or load_model(…) returns; a run has one too",
            ))
        }
    }

    /// The weights, or why there are none.
    pub(crate) fn weights(&self) -> Result<&Rc<Trained>, Fault> {
        self.trained.as_ref().ok_or_else(|| {
            Fault::new("this model has no weights yet").with_hint("train(model, corpus, #{ … }) returns a run that has")
        })
    }

    /// A fresh network: the trained weights if there are any, else initial ones from `seed`.
    pub(crate) fn build(&self, context: &Context, levels: i64, seed: Seed) -> Result<Model, Fault> {
        let device = device::open(context.device.get())?;
        let model = Model::new(&self.spec, levels, seed, device, Precision::Float32.kind())?;
        if let Some(trained) = &self.trained {
            if trained.model.levels() != levels {
                return Err(Fault::new(format!(
                    "the model has {} levels, the corpus {levels}",
                    trained.model.levels()
                ))
                .with_hint("open the corpus with the bits that the model was trained with"));
            }
            model.load_state_dict(&trained.model.state_dict())?;
        }
        Ok(model)
    }

    /// What its tokens mean; for a model without weights, mu-law of 8 bits at 16 kHz.
    pub(crate) fn sound(&self) -> TokenSound {
        let usual = CorpusConfig::default();
        let (quantizer, scaling, sample_rate) = (usual.quantizer(), usual.scaling, usual.sample_rate);
        self.trained.as_ref().map_or(TokenSound { quantizer, scaling, sample_rate }, |trained| trained.sound)
    }

    /// Its summary without receptive fields: what shapes alone tell.
    fn counts(&self) -> Result<Summary, Fault> {
        let levels = self.trained.as_ref().map_or(USUAL_LEVELS, |trained| trained.model.levels());
        Ok(Summary::of_spec(&self.spec, levels)?)
    }

    /// Initial weights on the CPU, to look at.
    pub(super) fn on_cpu(&self) -> Result<Model, Fault> {
        let cpu = device::open(device::Selection::Cpu)?;
        Ok(Model::new(&self.spec, USUAL_LEVELS, Seed(0), cpu, Precision::Float32.kind())?)
    }

    /// The composition as the script that makes it.
    #[must_use]
    pub fn to_text(&self) -> String {
        text::of_model(&self.spec)
    }

    /// What there is to say in a line: `Model: 370 112 parameters, d_model 64, not trained`.
    fn heading(&self, parameters: usize) -> String {
        let state = match &self.trained {
            Some(trained) => format!("weights of {}", trained.origin),
            None => "not trained".to_owned(),
        };
        format!("Model: {} parameters, d_model {}, {state}", text::grouped(parameters), self.spec.d_model)
    }

    fn describe(&self) -> Result<String, Fault> {
        Ok(format!("{}\n  {}", self.heading(self.counts()?.parameters()), text::outline(&self.spec.tier)))
    }
}
