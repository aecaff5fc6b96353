//! Models from models: with other options, without some blocks; and how two of them differ.

use std::rc::Rc;

use rhai::serde::to_dynamic;
use rhai::{Array, Dynamic, Engine, EvalAltResult, Map, Token};
use serde_json::Value;

use super::super::Outcome;
use super::text::{array, literal};
use super::{ModelValue, Trained};
use crate::metrics::{Frame, Row};
use crate::model::{BlockSpec, Mode, ModelSpec, TierSpec, changeable_fields};
use crate::script::context::Context;
use crate::script::convert::{self, a_type};
use crate::script::docs::{Doc, Docs};
use crate::script::fault::Fault;

const DOCS: &[Doc] = &[
    Doc {
        name: "with",
        of: "Model",
        signature: "model.with(#{ … }) -> Model",
        about: "The same composition with options changed wherever they apply. `ff` is the width of feed-forward blocks; \
                `pool` and `expand` are one number for all pools or one for each; `unet` puts blocks before each pool, of \
                the kinds after it. Weights are kept where nothing but dropout changes; else a note says that the model \
                is not trained any more.",
        options: Some(changeable_fields),
        example: "let net = sashimi(#{ n_layers: 2 });\nlet wide = net.with(#{ d_state: 128, d_model: 32 });",
    },
    Doc {
        name: "drop_layers",
        of: "Model",
        signature: "model.drop_layers([index, …]) -> Model",
        about: "The model without some of its blocks, by their numbers in summary(): they count from 0 in the order that \
                they run. The blocks that are left keep their weights. Of a U-Net, blocks go in pairs: one before the \
                pool, one after.",
        options: None,
        example: "let thin = load_model(run_folder).drop_layers([0]);\nprint(thin.parameters);",
    },
    Doc {
        name: "equals",
        of: "Model",
        signature: "model.equals(other) -> bool",
        about: "Whether both are the same composition (what is left to a preset counts as what the preset says) and, where \
                both are trained, have the same weights bit for bit. `==` says the same.",
        options: None,
        example: "print(sashimi().equals(sashimi(#{ d_state: 64 })));   // true",
    },
    Doc {
        name: "diff",
        of: "Model",
        signature: "model.diff(other) -> Frame",
        about: "The options in which two models differ: name, this, other. Where blocks of one model differ among \
                themselves, their values are listed in the order that they run. No rows where equals() is true.",
        options: None,
        example: "print(sashimi(#{ n_layers: 8 }).diff(sashimi(#{ n_layers: 2, d_state: 128 })));",
    },
    Doc {
        name: "options",
        of: "Model",
        signature: "model.options() -> map",
        about: "The composition as a map: d_model, preset, norm, dropres, unet, and the tiers with all options of their \
                blocks.",
        options: None,
        example: "print(sashimi().options().tier.pool.factor);",
    },
    Doc {
        name: "to_text",
        of: "Model",
        signature: "model.to_text() -> text",
        about: "The script that makes the composition.",
        options: None,
        example: "print(sashimi(#{ n_layers: 2 }).drop_layers([3]).to_text());",
    },
];

/// Rhai reserves the word `with` for a day to come; here it is a name like any other, and the method that it says.
#[expect(deprecated, reason = "Rhai marks the token mapper so because it may change, not because it goes")]
fn free_with(engine: &mut Engine) {
    engine.on_parse_token(|token, _, _| match token {
        Token::Reserved(word) if *word == "with" => Token::Identifier(word),
        other => other,
    });
}

pub(super) fn register(engine: &mut Engine, docs: &mut Docs, context: &Rc<Context>) {
    docs.add(DOCS);
    free_with(engine);
    let shared = Rc::clone(context);
    engine.register_fn("with", move |model: &mut ModelValue, options: Map| -> Outcome<ModelValue> {
        Ok(with(&shared, model, &options)?)
    });
    engine
        .register_fn("drop_layers", |model: &mut ModelValue, blocks: Array| -> Outcome<ModelValue> {
            Ok(without(model, &blocks)?)
        })
        .register_fn("equals", |one: &mut ModelValue, other: ModelValue| -> Outcome<bool> { Ok(one.equals(&other)?) })
        .register_fn("==", |one: ModelValue, other: ModelValue| -> Outcome<bool> { Ok(one.equals(&other)?) })
        .register_fn("!=", |one: ModelValue, other: ModelValue| -> Outcome<bool> { Ok(!one.equals(&other)?) })
        .register_fn("diff", |one: &mut ModelValue, other: ModelValue| -> Outcome<Frame> { Ok(one.diff(&other)?) })
        .register_fn("options", |model: &mut ModelValue| -> Result<Dynamic, Box<EvalAltResult>> {
            to_dynamic(&model.spec)
        })
        .register_fn("to_text", |model: &mut ModelValue| model.to_text());
}

fn with(context: &Context, model: &ModelValue, options: &Map) -> Result<ModelValue, Fault> {
    let spec = model.spec.with(&convert::settings(options, "with")?).map_err(super::blamed)?;
    let Some(trained) = &model.trained else { return Ok(spec.into()) };
    if !spec.differs_in_dropout_alone(&model.spec) {
        let changed: Vec<String> = options.keys().map(|key| format!("`{key}`")).collect();
        context.host.note(&format!(
            "the weights of {} are no weights of a model with another {}: what `with` returns is not trained",
            trained.origin,
            changed.join(", ")
        ));
        return Ok(spec.into());
    }
    let kept = Trained { model: trained.model.under(&spec)?, sound: trained.sound, origin: trained.origin.clone() };
    Ok(ModelValue { spec, trained: Some(Rc::new(kept)) })
}

fn without(model: &ModelValue, blocks: &Array) -> Result<ModelValue, Fault> {
    let number = |item: &Dynamic| {
        item.as_int().map_err(|_| {
            Fault::new(format!("a block's number was needed, but {} was found", a_type(item.type_name())))
                .with_hint("model.summary() numbers the blocks from 0")
        })
    };
    let numbers = blocks.iter().map(number).collect::<Result<Vec<i64>, Fault>>()?;
    let Some(trained) = &model.trained else { return Ok(model.spec.without(&numbers)?.into()) };
    if numbers.is_empty() {
        return Ok(model.clone());
    }
    let left = trained.model.without(&numbers)?;
    let names = numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let what = if numbers.len() == 1 { "block" } else { "blocks" };
    Ok(ModelValue::trained(left, trained.sound, format!("{}, without {what} {names}", trained.origin)))
}

impl ModelValue {
    /// The same composition and, where both are trained, the same weights.
    fn equals(&self, other: &Self) -> Result<bool, Fault> {
        Ok(self.spec.resolved() == other.spec.resolved() && self.weights_agree(other)?)
    }

    fn weights_agree(&self, other: &Self) -> Result<bool, Fault> {
        match (&self.trained, &other.trained) {
            (Some(one), Some(two)) => Ok(Rc::ptr_eq(one, two) || one.model.has_weights_of(&two.model)?),
            _ => Ok(true),
        }
    }

    fn diff(&self, other: &Self) -> Result<Frame, Fault> {
        let (one, two) = (self.spec.resolved(), other.spec.resolved());
        let mut rows = differences(&one, &two);
        if rows.is_empty() && !self.weights_agree(other)? {
            let origin = |value: &Self| value.trained.as_ref().map_or_else(String::new, |t| t.origin.clone());
            rows.push(("weights".to_owned(), origin(self), origin(other)));
        }
        if rows.is_empty() {
            let none = ["name", "this", "other"].map(|name| (name, Vec::new()));
            return Ok(Frame::from_numbers(none)?);
        }
        let row = |(name, this, other): (String, String, String)| {
            Row::new().with("name", name).with("this", this).with("other", other)
        };
        Ok(Frame::from_rows(&rows.into_iter().map(row).collect::<Vec<_>>())?)
    }
}

type Difference = (String, String, String);

/// The blocks before or after a tier's pool.
type Side = fn(&TierSpec) -> &Vec<BlockSpec>;

/// Where two resolved compositions differ.
fn differences(one: &ModelSpec, two: &ModelSpec) -> Vec<Difference> {
    let mut rows = Vec::new();
    let mut compare = |name: &str, this: String, other: String| {
        if this != other {
            rows.push((name.to_owned(), this, other));
        }
    };
    let config = |spec: &ModelSpec| serde_json::to_value(spec.config()).unwrap_or_default();
    let (this, other) = (config(one), config(two));
    for (name, value) in this.as_object().into_iter().flatten() {
        compare(name, literal(value), literal(&other[name]));
    }
    let expands = |spec: &ModelSpec| {
        let pools = spec.tier.tiers().filter_map(|tier| tier.pool.as_ref()).map(|pool| pool.expand);
        literal(&pools.collect::<Vec<_>>().into())
    };
    compare("pool", literal(&one.tier.pool_factors().into()), literal(&two.tier.pool_factors().into()));
    compare("expand", expands(one), expands(two));
    let depth = one.tier.tiers().count().max(two.tier.tiers().count());
    for at in 0..depth {
        let kinds = |spec: &ModelSpec, side: Side| {
            spec.tier.tiers().nth(at).map_or_else(|| "–".to_owned(), |tier| kinds(side(tier)))
        };
        let (down, up): (Side, Side) = (|tier| &tier.down, |tier| &tier.blocks);
        compare(&format!("tier {at} before its pool"), kinds(one, down), kinds(two, down));
        compare(&format!("tier {at}"), kinds(one, up), kinds(two, up));
    }
    for field in changeable_fields() {
        let (this, other) = (values(one, field.name), values(two, field.name));
        if !this.is_empty() && !other.is_empty() {
            compare(field.name, listed(&this), listed(&other));
        }
    }
    rows
}

/// `repeat(8, [s4, ff])`; S4D counts as S4 here, since `mode` tells them apart.
fn kinds(blocks: &[BlockSpec]) -> String {
    let kind = |block: &BlockSpec| match block {
        BlockSpec::S4(_) => "s4".to_owned(),
        other => other.kind().to_owned(),
    };
    array(&blocks.iter().map(kind).collect::<Vec<_>>())
}

/// The values that an option has in the blocks that have it, in the order that they run.
fn values(spec: &ModelSpec, name: &str) -> Vec<String> {
    let value = |block: &BlockSpec| -> Option<Value> {
        let settings = match block {
            BlockSpec::S4(config) => serde_json::to_value(config),
            BlockSpec::Ff(config) => serde_json::to_value(config),
            BlockSpec::Lstm(config) => serde_json::to_value(config),
        };
        // What `with` calls `ff`; the name `expand` is the pools'. What means nothing in a mode is no difference.
        let key = match (block, name) {
            (BlockSpec::Ff(_), "ff") => "expand",
            (BlockSpec::Ff(_), "expand") => return None,
            (BlockSpec::S4(config), "rank") if config.mode == Mode::S4d => return None,
            (BlockSpec::S4(config), "discretization") if config.mode == Mode::Dplr => return None,
            _ => name,
        };
        settings.ok()?.get(key).cloned()
    };
    spec.blocks().filter_map(|place| place.block().and_then(value)).map(|value| literal(&value)).collect()
}

/// `64` where all are, else `64 × 4, 128 × 4`.
fn listed(values: &[String]) -> String {
    let runs = runs_of_one(values);
    match runs.as_slice() {
        [(value, _)] => (*value).to_owned(),
        runs => {
            let some = runs
                .iter()
                .map(|(value, times)| if *times == 1 { (*value).to_owned() } else { format!("{value} × {times}") });
            some.collect::<Vec<_>>().join(", ")
        }
    }
}

fn runs_of_one(values: &[String]) -> Vec<(&str, usize)> {
    let mut found: Vec<(&str, usize)> = Vec::new();
    for value in values {
        match found.last_mut() {
            Some((last, times)) if *last == value => *times += 1,
            _ => found.push((value, 1)),
        }
    }
    found
}
