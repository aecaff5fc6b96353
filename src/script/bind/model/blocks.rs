//! Blocks and tiers: what a model is made of.

use rhai::serde::to_dynamic;
use rhai::{Array, Dynamic, Engine, Map};

use super::super::Outcome;
use super::text;
use crate::model::{BlockSpec, FeedForwardConfig, LstmConfig, Mode, PoolSpec, S4Config, TierSpec};
use crate::options::{Field, OptionError, Options, nearest};
use crate::script::convert::{self, a_type};
use crate::script::docs::{Doc, Docs};
use crate::script::fault::Fault;

crate::options! {
    /// The options of `.pool(factor, #{ … }, inner)`.
    pub(crate) struct PoolConfig for "pool" {
        /// The inner tier's channels. [times the outer's; 1 or more]
        expand: i64 = 2,
    }
    ; validate = check_pool
}

fn check_pool(config: &PoolConfig) -> Result<(), OptionError> {
    if config.expand >= 1 { Ok(()) } else { Err(OptionError::value("expand", config.expand, "at least 1")) }
}

const DOCS: &[Doc] = &[
    Doc {
        name: "s4",
        of: "",
        signature: "s4([#{ … }]) -> Block",
        about: "A residual block around an S4 layer: norm, state space (diagonal plus low rank), GELU, gated map.",
        options: Some(S4Config::dplr_fields),
        example: "let block = s4(#{ d_state: 128 });",
    },
    Doc {
        name: "s4d",
        of: "",
        signature: "s4d([#{ … }]) -> Block",
        about: "A residual block around an S4D layer: diagonal state matrices.",
        options: Some(S4Config::diagonal_fields),
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
        name: "lstm",
        of: "",
        signature: "lstm([d_hidden | #{ … }]) -> Block",
        about: "A residual block around an LSTM with `d_hidden` units (as many as there are channels unless told); with \
                another number than the channels, a linear map leads back to them. A window is worked through sample by \
                sample, so that training is slow beside S4.",
        options: Some(LstmConfig::fields),
        example: "let net = model(tier([lstm(32), ff(2)]), #{ d_model: 16 });\nlet deep = lstm(#{ layers: 2, dropout: 0.1 });",
    },
    Doc {
        name: "tier",
        of: "",
        signature: "tier([block, …][, [block, …]]) -> Tier",
        about: "Blocks that run at one rate. A pooled tier of a U-Net takes two arrays: the blocks before its pool and as \
                many after it.",
        options: None,
        example: "let inner = tier(repeat(2, [s4(), ff(2)]));\nlet outer = tier([s4()], [s4()]).pool(4, inner);\n\
                  let net = model(outer, #{ unet: true });",
    },
    Doc {
        name: "with",
        of: "Block",
        signature: "block.with(#{ … }) -> Block",
        about: "The block with options changed, under the names of its own function.",
        options: None,
        example: "print(s4(#{ d_state: 32 }).with(#{ d_state: 128 }));",
    },
    Doc {
        name: "kind",
        of: "Block",
        signature: "block.kind -> text",
        about: "The name of its function: \"s4\", \"s4d\", \"ff\" or \"lstm\".",
        options: None,
        example: "print(ff(2).kind);",
    },
    Doc {
        name: "options",
        of: "Block",
        signature: "block.options() -> map",
        about: "All its options with their values.",
        options: None,
        example: "print(s4().options().d_state);",
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
        name: "with",
        of: "Tier",
        signature: "tier.with(#{ … }) -> Tier",
        about: "The tier, and the ones inside it, with options changed wherever they apply: those of blocks under their \
                names, `ff` for the width of feed-forward blocks, `pool` and `expand` for pools.",
        options: None,
        example: "let fine = tier([s4(), ff(2)]).with(#{ d_state: 128, ff: 4 });",
    },
    Doc {
        name: "blocks",
        of: "Tier",
        signature: "tier.blocks -> array of Block",
        about: "Its blocks; of a U-Net's tier, those after the pool.",
        options: None,
        example: "print(tier([s4(), ff(2)]).blocks.len());",
    },
    Doc {
        name: "before",
        of: "Tier",
        signature: "tier.before -> array of Block",
        about: "The blocks before the pool: a U-Net has such.",
        options: None,
        example: "print(sashimi(#{ unet: true, n_layers: 1 }).outer.before.len());",
    },
    Doc {
        name: "inner",
        of: "Tier",
        signature: "tier.inner -> Tier",
        about: "The tier inside its pool; () without a pool.",
        options: None,
        example: "print(tier([s4()]).pool(4, tier([ff(2)])).inner.blocks[0]);",
    },
    Doc {
        name: "to_text",
        of: "Tier",
        signature: "tier.to_text() -> text",
        about: "The script that makes it.",
        options: None,
        example: "print(tier(repeat(3, [s4(), ff(2)])).to_text());",
    },
];

pub(super) fn register(engine: &mut Engine, docs: &mut Docs) {
    docs.add(DOCS);
    blocks(engine);
    tiers(engine);
}

fn blocks(engine: &mut Engine) {
    engine
        .register_type_with_name::<BlockSpec>("Block")
        .register_fn("s4", || BlockSpec::S4(S4Config::default()))
        .register_fn("s4", |options: Map| -> Outcome<BlockSpec> { Ok(s4(&options)?) })
        .register_fn("s4d", || -> Outcome<BlockSpec> { Ok(s4d(Map::new())?) })
        .register_fn("s4d", |options: Map| -> Outcome<BlockSpec> { Ok(s4d(options)?) })
        .register_fn("ff", || BlockSpec::Ff(FeedForwardConfig::default()))
        .register_fn("ff", |expand: i64| -> Outcome<BlockSpec> {
            let config = FeedForwardConfig { expand, ..FeedForwardConfig::default() };
            config.validate().map_err(Fault::from)?;
            Ok(BlockSpec::Ff(config))
        })
        .register_fn("ff", |options: Map| -> Outcome<BlockSpec> { Ok(BlockSpec::Ff(convert::options(&options)?)) })
        .register_fn("lstm", || BlockSpec::Lstm(LstmConfig::default()))
        .register_fn("lstm", |units: i64| -> Outcome<BlockSpec> {
            let config = LstmConfig { d_hidden: Some(units), ..LstmConfig::default() };
            config.validate().map_err(Fault::from)?;
            Ok(BlockSpec::Lstm(config))
        })
        .register_fn("lstm", |options: Map| -> Outcome<BlockSpec> { Ok(BlockSpec::Lstm(convert::options(&options)?)) })
        .register_fn("with", |block: &mut BlockSpec, options: Map| -> Outcome<BlockSpec> {
            Ok(block.with(&convert::settings(&options, block.kind())?).map_err(Fault::from)?)
        })
        .register_get("kind", |block: &mut BlockSpec| block.kind())
        .register_fn("options", |block: &mut BlockSpec| match block {
            BlockSpec::S4(config) => to_dynamic(&*config),
            BlockSpec::Ff(config) => to_dynamic(&*config),
            BlockSpec::Lstm(config) => to_dynamic(&*config),
        })
        .register_fn("==", |one: BlockSpec, other: BlockSpec| one == other)
        .register_fn("!=", |one: BlockSpec, other: BlockSpec| one != other)
        .register_fn("to_string", |block: &mut BlockSpec| text::of_block(block))
        .register_fn("to_debug", |block: &mut BlockSpec| text::of_block(block));
}

fn tiers(engine: &mut Engine) {
    let array = |blocks: &[BlockSpec]| blocks.iter().cloned().map(Dynamic::from).collect::<Array>();
    engine
        .register_type_with_name::<TierSpec>("Tier")
        .register_fn("tier", |blocks: Array| -> Outcome<TierSpec> {
            let mut tier = TierSpec::default();
            collect(&blocks, &mut tier.blocks)?;
            Ok(tier)
        })
        .register_fn("tier", |before: Array, after: Array| -> Outcome<TierSpec> {
            let mut tier = TierSpec::default();
            collect(&before, &mut tier.down)?;
            collect(&after, &mut tier.blocks)?;
            Ok(tier)
        })
        .register_fn("pool", |tier: TierSpec, factor: i64, inner: TierSpec| -> Outcome<TierSpec> {
            Ok(pooled(tier, factor, &PoolConfig::default(), inner)?)
        })
        .register_fn("pool", |tier: TierSpec, factor: i64, options: Map, inner: TierSpec| -> Outcome<TierSpec> {
            Ok(pooled(tier, factor, &convert::options(&options)?, inner)?)
        })
        .register_fn("with", |tier: &mut TierSpec, options: Map| -> Outcome<TierSpec> {
            Ok(tier.with(&convert::settings(&options, "with")?).map_err(Fault::from)?)
        })
        .register_get("blocks", move |tier: &mut TierSpec| array(&tier.blocks))
        .register_get("before", move |tier: &mut TierSpec| array(&tier.down))
        .register_get("inner", |tier: &mut TierSpec| match &tier.pool {
            Some(pool) => Dynamic::from((*pool.inner).clone()),
            None => Dynamic::UNIT,
        })
        .register_fn("==", |one: TierSpec, other: TierSpec| one == other)
        .register_fn("!=", |one: TierSpec, other: TierSpec| one != other)
        .register_fn("to_text", |tier: &mut TierSpec| text::of_tier(tier))
        .register_fn("to_string", |tier: &mut TierSpec| text::outline(tier))
        .register_fn("to_debug", |tier: &mut TierSpec| text::of_tier(tier));
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
                .with_hint("blocks are s4(…), s4d(…), ff(…) and lstm(…)"));
        }
    }
    Ok(())
}

/// That `options` has no name beside `fields`: for functions whose struct has more than they take.
pub(super) fn check_names(options: &Map, owner: &str, fields: &'static [Field]) -> Result<(), Fault> {
    let names = || fields.iter().map(|field| field.name);
    let Some(key) = options.keys().find(|key| !names().any(|name| name == key.as_str())) else { return Ok(()) };
    let hint = match nearest(key, names()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("{owner} takes {}", names().collect::<Vec<_>>().join(", ")),
    };
    let fault = Fault::new(format!("unknown option `{key}` for {owner}")).with_hint(hint);
    Err(Fault { option: Some(key.to_string()), ..fault })
}

fn s4(options: &Map) -> Result<BlockSpec, Fault> {
    check_names(options, "s4", S4Config::dplr_fields())?;
    Ok(BlockSpec::S4(convert::options(options)?))
}

fn s4d(mut options: Map) -> Result<BlockSpec, Fault> {
    check_names(&options, "s4d", S4Config::diagonal_fields())?;
    options.insert("mode".into(), "s4d".into());
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
