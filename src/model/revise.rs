//! The algebra of compositions: the same one with options changed wherever they apply.

use super::ModelError;
use super::feed_forward::FeedForwardConfig;
use super::lstm::LstmConfig;
use super::s4_config::{Mode, S4Config};
use super::sashimi::SashimiConfig;
use super::spec::{BlockSpec, ModelConfig, ModelSpec, PoolSpec, TierSpec, at_least};
use crate::options::{self, Field, OptionError, Options, nearest};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// What each stage of pools has of its own.
const POOLING: [&str; 2] = ["pool", "expand"];

/// Every option that can be changed in a composition; none has a default, since what is not named stays as it is.
#[must_use]
pub fn changeable_fields() -> &'static [Field] {
    static FIELDS: LazyLock<Vec<Field>> = LazyLock::new(|| {
        let of = |fields: &'static [Field], names: &'static [&'static str]| {
            fields.iter().filter(move |field| names.contains(&field.name))
        };
        let fields = ModelConfig::fields()
            .iter()
            .chain(of(SashimiConfig::fields(), &["pool", "expand", "ff"]))
            .chain(S4Config::fields())
            .chain(of(LstmConfig::fields(), &["d_hidden", "layers"]));
        fields.map(|field| Field { default: || Value::Null, ..*field }).collect()
    });
    &FIELDS
}

/// What is to be changed, and what has found its place so far.
struct Changes<'a> {
    settings: &'a Map<String, Value>,
    used: BTreeSet<&'a str>,
}

impl<'a> Changes<'a> {
    fn new(settings: &'a Map<String, Value>) -> Self {
        Self { settings, used: BTreeSet::new() }
    }

    fn take(&mut self, name: &str) -> Option<&'a Value> {
        let (name, value) = self.settings.get_key_value(name)?;
        self.used.insert(name);
        Some(value)
    }

    /// `config` with those changes that are among `names`.
    fn apply<T: Options>(
        &mut self,
        config: &T,
        names: impl IntoIterator<Item = &'static str>,
    ) -> Result<T, OptionError> {
        let mut settings = settings_of(config);
        for name in names {
            if let Some(value) = self.take(name) {
                settings.insert(name.to_owned(), value.clone());
            }
        }
        options::parse(&settings)
    }

    fn unused(&self) -> Option<&'a String> {
        self.settings.keys().find(|key| !self.used.contains(key.as_str()))
    }

    /// That every change applied somewhere; `applicable` are those that could.
    fn check(&self, applicable: &[&str]) -> Result<(), OptionError> {
        let Some(key) = self.unused() else { return Ok(()) };
        let here = || format!("here apply {}", applicable.join(", "));
        let (message, hint) = if key == "n_layers" {
            let message = "`n_layers` is no option of a composition that is made".to_owned();
            (message, "compose anew, sashimi(#{ n_layers: … }), or take blocks out with drop_layers([…])".to_owned())
        } else if changeable_fields().iter().any(|field| field.name == key) {
            (format!("`{key}` applies to nothing in this composition"), here())
        } else {
            let near = nearest(key, applicable.iter().copied());
            (format!("unknown option `{key}`"), near.map_or_else(here, |near| format!("did you mean `{near}`?")))
        };
        Err(OptionError { key: key.clone(), message, hint: Some(hint) })
    }
}

fn settings_of<T: Options>(config: &T) -> Map<String, Value> {
    match serde_json::to_value(config) {
        Ok(Value::Object(settings)) => settings,
        _ => Map::new(),
    }
}

fn names(fields: &'static [Field]) -> impl Iterator<Item = &'static str> {
    fields.iter().map(|field| field.name)
}

impl BlockSpec {
    /// The block with options changed, under the names that its own function has.
    ///
    /// # Errors
    /// A name that it does not have; a value out of range.
    pub fn with(&self, settings: &Map<String, Value>) -> Result<Self, OptionError> {
        let mut changes = Changes::new(settings);
        let (block, own): (_, Vec<&str>) = match self {
            Self::Ff(config) => {
                let own = || names(FeedForwardConfig::fields());
                (Self::Ff(changes.apply(config, own())?), own().collect())
            }
            other => {
                let block = other.revised(&mut changes)?;
                let own = block.changeable().collect();
                (block, own)
            }
        };
        let Some(key) = changes.unused() else { return Ok(block) };
        let kind = block.kind();
        let hint = match nearest(key, own.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("{kind} has {}", own.join(", ")),
        };
        Err(OptionError { key: key.clone(), message: format!("unknown option `{key}` for {kind}"), hint: Some(hint) })
    }

    /// The names under which a composition changes this block.
    fn changeable(&self) -> Box<dyn Iterator<Item = &'static str> + '_> {
        match self {
            Self::S4(config) => Box::new(config.meaningful()),
            Self::Ff(_) => Box::new(["ff", "dropout", "tie_dropout"].into_iter()),
            Self::Lstm(_) => Box::new(names(LstmConfig::fields())),
        }
    }

    fn revised(&self, changes: &mut Changes<'_>) -> Result<Self, OptionError> {
        Ok(match self {
            Self::S4(config) => {
                let mut config = config.clone();
                let mode = changes.settings.get("mode").and_then(|mode| serde_json::from_value(mode.clone()).ok());
                if let Some(mode) = mode.filter(|mode: &Mode| *mode != config.mode) {
                    // What means nothing in the new mode does not lie in wait for the next change.
                    let S4Config { rank, discretization, .. } = S4Config::default();
                    config = S4Config { mode, rank, discretization, ..config };
                }
                let names: Vec<_> = config.meaningful().collect();
                Self::S4(changes.apply(&config, names)?)
            }
            Self::Ff(config) => {
                let mut config = changes.apply(config, ["dropout", "tie_dropout"])?;
                if let Some(value) = changes.take("ff") {
                    config.expand = integer("ff", value)?;
                    at_least("ff", config.expand, 1)
                        .map_err(|error| error.with_hint("drop_layers([…]) takes blocks out"))?;
                }
                Self::Ff(config)
            }
            Self::Lstm(config) => Self::Lstm(changes.apply(config, names(LstmConfig::fields()))?),
        })
    }
}

impl TierSpec {
    /// The tier, and those inside it, with options changed wherever they apply.
    ///
    /// # Errors
    /// A name that applies nowhere; a value out of range.
    pub fn with(&self, settings: &Map<String, Value>) -> Result<Self, OptionError> {
        let mut changes = Changes::new(settings);
        let tier = self.revised(&mut changes)?;
        changes.check(&tier.changeable())?;
        Ok(tier)
    }

    fn revised(&self, changes: &mut Changes<'_>) -> Result<Self, OptionError> {
        let stages = self.pool_factors().len();
        let mut of_stages = |name: &str| match changes.take(name).filter(|_| stages > 0) {
            Some(value) => per_stage(name, value, stages).map(Some),
            None => {
                changes.used.remove(name);
                Ok(None)
            }
        };
        let (factors, expands) = (of_stages("pool")?, of_stages("expand")?);
        let mut tier = self.of_blocks(changes)?;
        let mut at = Some(&mut tier);
        for stage in 0.. {
            let Some(pool) = at.and_then(|tier| tier.pool.as_mut()) else { break };
            pool.factor = factors.as_ref().map_or(pool.factor, |factors| factors[stage]);
            pool.expand = expands.as_ref().map_or(pool.expand, |expands| expands[stage]);
            at = Some(&mut *pool.inner);
        }
        Ok(tier)
    }

    fn of_blocks(&self, changes: &mut Changes<'_>) -> Result<Self, OptionError> {
        let mut each = |blocks: &[BlockSpec]| -> Result<Vec<BlockSpec>, OptionError> {
            blocks.iter().map(|block| block.revised(changes)).collect()
        };
        let (down, blocks) = (each(&self.down)?, each(&self.blocks)?);
        let pool = match &self.pool {
            Some(pool) => Some(PoolSpec { inner: Box::new(pool.inner.of_blocks(changes)?), ..*pool }),
            None => None,
        };
        Ok(Self { down, pool, blocks })
    }

    /// The names that apply somewhere.
    fn changeable(&self) -> Vec<&'static str> {
        let mut found: Vec<&'static str> = if self.pool.is_some() { POOLING.to_vec() } else { Vec::new() };
        for block in self.tiers().flat_map(|tier| tier.down.iter().chain(&tier.blocks)) {
            for name in block.changeable() {
                if !found.contains(&name) {
                    found.push(name);
                }
            }
        }
        found
    }

    /// With blocks before each pool as a U-Net has them (as many as after it, of the same kinds), or without any.
    fn wired(&self, unet: bool) -> Self {
        let down = if unet && self.pool.is_some() { self.blocks.clone() } else { Vec::new() };
        let pool = self.pool.as_ref().map(|pool| PoolSpec { inner: Box::new(pool.inner.wired(unet)), ..*pool });
        Self { down, pool, blocks: self.blocks.clone() }
    }
}

impl ModelSpec {
    /// The same composition with options changed wherever they apply.
    ///
    /// Names are those of `model(…)` and of the blocks; `ff` is the width of feed-forward blocks, `pool` and `expand` are
    /// one number for all pools or one for each. `unet` puts blocks before each pool, of the same kinds as after it, or
    /// takes them away.
    ///
    /// # Errors
    /// A name that applies nowhere, with those that do; a value out of range.
    pub fn with(&self, settings: &Map<String, Value>) -> Result<Self, ModelError> {
        let mut changes = Changes::new(settings);
        let config = changes.apply(&self.config(), names(ModelConfig::fields()))?;
        let wired;
        let tier = if config.unet == self.unet {
            &self.tier
        } else {
            wired = self.tier.wired(config.unet);
            &wired
        };
        let tier = tier.revised(&mut changes)?;
        let mut applicable: Vec<&str> = names(ModelConfig::fields()).collect();
        applicable.extend(tier.changeable());
        changes.check(&applicable)?;
        Self::new(&config, tier)
    }

    /// Whether weights of `self` are weights of `other`, which differs in nothing but dropout.
    #[must_use]
    pub fn differs_in_dropout_alone(&self, other: &Self) -> bool {
        self.undropped() == other.undropped()
    }

    fn undropped(&self) -> Self {
        let mut spec = self.clone();
        spec.dropres = 0.0;
        let mut at = Some(&mut spec.tier);
        while let Some(tier) = at {
            for block in tier.down.iter_mut().chain(&mut tier.blocks) {
                let (dropout, tied) = match block {
                    BlockSpec::S4(config) => (&mut config.dropout, &mut config.tie_dropout),
                    BlockSpec::Ff(config) => (&mut config.dropout, &mut config.tie_dropout),
                    BlockSpec::Lstm(config) => (&mut config.dropout, &mut config.tie_dropout),
                };
                (*dropout, *tied) = (0.0, false);
            }
            at = tier.pool.as_mut().map(|pool| &mut *pool.inner);
        }
        spec
    }
}

/// One number for every stage, or one for each.
fn per_stage(name: &str, value: &Value, stages: usize) -> Result<Vec<i64>, OptionError> {
    let numbers = match value {
        Value::Array(values) => values.iter().map(|value| integer(name, value)).collect::<Result<Vec<_>, _>>()?,
        single => vec![integer(name, single)?; stages],
    };
    if numbers.len() != stages {
        let pools = if stages == 1 {
            "1 number: there is 1 pool".to_owned()
        } else {
            format!("{stages} numbers, one for each pool")
        };
        return Err(OptionError::value(name, value, &pools));
    }
    numbers.iter().try_for_each(|number| at_least(name, *number, 1))?;
    Ok(numbers)
}

fn integer(name: &str, value: &Value) -> Result<i64, OptionError> {
    value.as_i64().ok_or_else(|| OptionError::value(name, value, "an integer"))
}
