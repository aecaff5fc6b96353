//! `model`: blocks, tiers, and models with weights or without.

use std::path::Path;
use std::rc::Rc;

use rhai::{Array, Dynamic, Engine, Map};

use super::Outcome;
use super::audio::plural;
use super::train::RunValue;
use crate::audio::CorpusConfig;
use crate::device;
use crate::generate::Sound as TokenSound;
use crate::model::{
    BlockSpec, FeedForwardConfig, Mode, Model, ModelSpec, NormKind, PoolSpec, Preset, S4Config, SashimiConfig, TierSpec,
};
use crate::options::{OptionError, Options};
use crate::script::context::Context;
use crate::script::convert::{self, a_type};
use crate::script::docs::{Doc, Docs};
use crate::script::fault::Fault;
use crate::seed::Seed;
use crate::train::{Manifest, Precision, load_model};

crate::options! {
    /// The options of `model(tier, #{ … })`: what a composition needs beside its blocks.
    pub(crate) struct ModelConfig for "model" {
        /// Channels of the outermost tier.
        d_model: i64 = 64,
        /// Conventions: "repo" (released checkpoints) or "standalone".
        preset: Preset = Preset::Repo,
        /// Norm inside residual blocks: "scalar" or "affine"; `()` is the preset's.
        norm: Option<NormKind> = None,
        /// Dropout on what each residual block adds, a probability.
        dropres: f64 = 0.0,
    }
}

crate::options! {
    /// The options of `.pool(factor, #{ … }, inner)`.
    pub(crate) struct PoolConfig for "pool" {
        /// The inner tier has this many times the channels, at least 1.
        expand: i64 = 2,
    }
    ; validate = check_pool
}

fn check_pool(config: &PoolConfig) -> Result<(), OptionError> {
    if config.expand >= 1 { Ok(()) } else { Err(OptionError::value("expand", config.expand, "at least 1")) }
}

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
        signature: "sashimi(#{ … }) -> Model",
        about: "A SaShiMi: tiers of S4 and feed-forward blocks, pooled and widened on the way in.",
        options: Some(SashimiConfig::fields),
        example: "let net = sashimi(#{ d_model: 32, n_layers: 2, pool: [4, 4] });",
    },
    Doc {
        name: "isotropic",
        of: "",
        signature: "isotropic(#{ … }) -> Model",
        about: "S4 and feed-forward blocks at one rate, without pools. Takes the options of sashimi but `pool`.",
        options: Some(SashimiConfig::fields),
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
        name: "s4",
        of: "",
        signature: "s4([#{ … }]) -> Block",
        about: "A residual block around an S4 layer.",
        options: Some(S4Config::fields),
        example: "let block = s4(#{ d_state: 128 });",
    },
    Doc {
        name: "s4d",
        of: "",
        signature: "s4d([#{ … }]) -> Block",
        about: "A residual block around an S4D layer: diagonal state matrices.",
        options: Some(S4Config::fields),
        example: "let block = s4d(#{ d_state: 32, init: \"inv\" });",
    },
    Doc {
        name: "ff",
        of: "",
        signature: "ff([expand | #{ … }]) -> Block",
        about: "A residual feed-forward block whose hidden layer is `expand` times as wide (2 unless told).",
        options: Some(FeedForwardConfig::fields),
        example: "let block = ff(2);",
    },
    Doc {
        name: "tier",
        of: "",
        signature: "tier([block, …]) -> Tier",
        about: "Blocks that run at one rate.",
        options: None,
        example: "let inner = tier(repeat(2, [s4(), ff(2)]));",
    },
    Doc {
        name: "load_model",
        of: "",
        signature: "load_model(path) -> Model",
        about: "A trained model from a checkpoint, or from the folder of a run (its best checkpoint).",
        options: None,
        example: "let net = load_model(run_folder);",
    },
    Doc {
        name: "pool",
        of: "Tier",
        signature: "tier.pool(factor[, #{ … }], inner) -> Tier",
        about: "The tier with another inside it, which runs at 1/factor of the rate and sees `expand` times the channels.",
        options: Some(PoolConfig::fields),
        example: "let net = tier([s4(), ff(2)]).pool(4, tier([s4(), ff(2)]));",
    },
    Doc {
        name: "parameters",
        of: "Model",
        signature: "model.parameters",
        about: "How many trainable real numbers there are; for 256 levels where no audio has said how many.",
        options: None,
        example: "print(sashimi(#{ d_model: 16, n_layers: 1 }).parameters);",
    },
    Doc {
        name: "is_trained",
        of: "Model",
        signature: "model.is_trained",
        about: "Whether it has weights, or is a composition only.",
        options: None,
        example: "",
    },
];

pub(super) fn register(engine: &mut Engine, docs: &mut Docs, context: &Rc<Context>) {
    docs.add(DOCS);
    blocks(engine);
    tiers(engine);
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
            let parameters = model.parameters()?;
            Ok(i64::try_from(parameters).unwrap_or(i64::MAX))
        })
        .register_get("is_trained", |model: &mut ModelValue| model.trained.is_some())
        .register_fn("to_string", |model: &mut ModelValue| -> Outcome<String> { Ok(model.describe()?) })
        .register_fn("to_debug", |model: &mut ModelValue| -> Outcome<String> { Ok(model.describe()?) });
    let shared = Rc::clone(context);
    engine.register_fn("load_model", move |path: &str| -> Outcome<ModelValue> {
        shared.finish(load(&shared, Path::new(path)))
    });
}

fn blocks(engine: &mut Engine) {
    engine
        .register_type_with_name::<BlockSpec>("Block")
        .register_fn("s4", || BlockSpec::S4(S4Config::default()))
        .register_fn("s4", |options: Map| -> Outcome<BlockSpec> { Ok(BlockSpec::S4(convert::options(&options)?)) })
        .register_fn("s4d", || -> Outcome<BlockSpec> { Ok(s4d(Map::new())?) })
        .register_fn("s4d", |options: Map| -> Outcome<BlockSpec> { Ok(s4d(options)?) })
        .register_fn("ff", || BlockSpec::Ff(FeedForwardConfig::default()))
        .register_fn("ff", |expand: i64| -> Outcome<BlockSpec> {
            let config = FeedForwardConfig { expand, ..FeedForwardConfig::default() };
            config.validate().map_err(Fault::from)?;
            Ok(BlockSpec::Ff(config))
        })
        .register_fn("ff", |options: Map| -> Outcome<BlockSpec> { Ok(BlockSpec::Ff(convert::options(&options)?)) })
        .register_fn("to_string", |block: &mut BlockSpec| describe_block(block))
        .register_fn("to_debug", |block: &mut BlockSpec| describe_block(block));
}

fn tiers(engine: &mut Engine) {
    engine
        .register_type_with_name::<TierSpec>("Tier")
        .register_fn("tier", |blocks: Array| -> Outcome<TierSpec> {
            let mut tier = TierSpec::default();
            collect(&blocks, &mut tier.blocks)?;
            Ok(tier)
        })
        .register_fn("pool", |tier: TierSpec, factor: i64, inner: TierSpec| -> Outcome<TierSpec> {
            Ok(pooled(tier, factor, &PoolConfig::default(), inner)?)
        })
        .register_fn("pool", |tier: TierSpec, factor: i64, options: Map, inner: TierSpec| -> Outcome<TierSpec> {
            Ok(pooled(tier, factor, &convert::options(&options)?, inner)?)
        })
        .register_fn("to_string", |tier: &mut TierSpec| describe_tier(tier))
        .register_fn("to_debug", |tier: &mut TierSpec| describe_tier(tier));
}

/// Blocks, and arrays of blocks, in order.
fn collect(items: &Array, into: &mut Vec<BlockSpec>) -> Result<(), Fault> {
    for item in items {
        if let Some(block) = item.clone().try_cast::<BlockSpec>() {
            into.push(block);
        } else if let Ok(inner) = item.as_array_ref() {
            collect(&inner, into)?;
        } else {
            let found = a_type(item.type_name());
            return Err(Fault::new(format!("a tier is made of blocks, but {found} was found"))
                .with_hint("blocks are s4(…), s4d(…) and ff(…)"));
        }
    }
    Ok(())
}

fn s4d(mut options: Map) -> Result<BlockSpec, Fault> {
    if let Some(mode) = options.insert("mode".into(), "s4d".into()).filter(|mode| mode.to_string() != "s4d") {
        return Err(Fault {
            option: Some("mode".to_owned()),
            ..Fault::new(format!("`mode` is {mode}, but s4d's is always \"s4d\"")).with_hint("use s4(…)")
        });
    }
    let config: S4Config = convert::options(&options)?;
    debug_assert_eq!(config.mode, Mode::S4d);
    Ok(BlockSpec::S4(config))
}

fn pooled(tier: TierSpec, factor: i64, config: &PoolConfig, inner: TierSpec) -> Result<TierSpec, Fault> {
    if factor < 1 {
        return Err(OptionError::value("factor", factor, "at least 1").into());
    }
    if tier.pool.is_some() {
        return Err(Fault::new("this tier has a pool already")
            .with_hint("pool the inner tier: tier(…).pool(4, tier(…).pool(4, …))"));
    }
    Ok(TierSpec { pool: Some(PoolSpec { factor, expand: config.expand, inner: Box::new(inner) }), ..tier })
}

fn isotropic(options: &Map) -> Result<ModelValue, Fault> {
    if options.contains_key("pool") {
        return Err(Fault { option: Some("pool".to_owned()), ..Fault::new("an isotropic model has no `pool`") }
            .with_hint("use sashimi(#{ pool: … })"));
    }
    let mut settings = convert::settings(options, "isotropic")?;
    settings.insert("pool".to_owned(), serde_json::json!([]));
    composed(crate::options::parse::<SashimiConfig>(&settings)?.spec())
}

fn with_tier(tier: TierSpec, config: &ModelConfig) -> Result<ModelValue, Fault> {
    let ModelConfig { d_model, preset, norm, dropres } = *config;
    composed(ModelSpec { d_model, preset, norm, unet: false, dropres, tier })
}

fn composed(spec: ModelSpec) -> Result<ModelValue, Fault> {
    spec.validate()?;
    Ok(spec.into())
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

    fn parameters(&self) -> Result<usize, Fault> {
        match &self.trained {
            Some(trained) => Ok(trained.model.parameters()),
            None => Ok(self.on_cpu()?.parameters()),
        }
    }

    /// Initial weights on the CPU, to look at.
    pub(super) fn on_cpu(&self) -> Result<Model, Fault> {
        let cpu = device::open(device::Selection::Cpu)?;
        Ok(Model::new(&self.spec, USUAL_LEVELS, Seed(0), cpu, Precision::Float32.kind())?)
    }

    fn describe(&self) -> Result<String, Fault> {
        let state = match &self.trained {
            Some(trained) => format!("weights of {}", trained.origin),
            None => "not trained".to_owned(),
        };
        let shape = describe_tier(&self.spec.tier);
        let parameters = grouped(self.parameters()?);
        Ok(format!("Model: {parameters} parameters, d_model {}, {state}\n  {shape}", self.spec.d_model))
    }
}

/// `370112` as `370 112`, with thin spaces.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('\u{2009}');
        }
        text.push(digit);
    }
    text
}

fn describe_block(block: &BlockSpec) -> String {
    match block {
        BlockSpec::S4(config) if config.mode == Mode::S4d => format!("s4d(#{{ d_state: {} }})", config.d_state),
        BlockSpec::S4(config) => format!("s4(#{{ d_state: {} }})", config.d_state),
        BlockSpec::Ff(config) => format!("ff({})", config.expand),
    }
}

/// `tier of 8 blocks, pooled by 4 into tier of 8 blocks`.
fn describe_tier(tier: &TierSpec) -> String {
    let own = format!("tier of {}", plural(tier.down.len() + tier.blocks.len(), "block"));
    match &tier.pool {
        Some(pool) => format!("{own}, pooled by {} into {}", pool.factor, describe_tier(&pool.inner)),
        None => own,
    }
}
