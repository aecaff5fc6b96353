//! `run.toml`: everything that it takes to repeat a run.

use super::{ExperimentError, unix_s};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The layout of `run.toml` that this version writes.
pub const RECORD_SCHEMA: u32 = 1;

/// What a run was made of. The parts are fully resolved settings, as JSON objects: this room need not know the types.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The layout of this file.
    pub schema: u32,
    /// BLAKE3 of the schema and of every setting below that decides the outcome: equal signatures, equal runs.
    pub signature: String,
    /// The seed of every random number of the run.
    pub seed: u64,
    /// When it was started, seconds since 1970-01-01 UTC.
    pub created_unix_s: u64,
    /// The code that ran, as `git describe` names it.
    pub revision: String,
    /// Where it ran: `cpu`, `cuda:0`.
    pub device: String,
    /// Threads used inside an operation; sums are split by it, so other counts may round differently.
    pub threads: u32,
    /// What its people call it; decides nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The sweep that this run is a trial of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// The run that it went on from, and where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forked_from: Option<ForkOrigin>,
    /// Callbacks that took part, by name, each in its own words where they are known.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub callbacks: BTreeMap<String, String>,
    /// Versions of what rounds and stores.
    pub versions: Versions,
    /// The audio and its content hash.
    pub corpus: Map<String, Value>,
    /// The training settings.
    pub train: Map<String, Value>,
    /// The network.
    pub model: Map<String, Value>,
    /// The script that started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<String>,
}

/// Where a run was forked off another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForkOrigin {
    /// The folder of the other run.
    pub run: String,
    /// The updates that the other run had done.
    pub step: u64,
    /// The signature of the other run.
    pub signature: String,
    /// Whether the optimiser's moments came along.
    pub moments: bool,
}

/// Versions of what decides numbers and formats.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Versions {
    /// This program.
    pub wasabi: String,
    /// The tensor library's Rust side.
    pub tch: String,
    /// The folder of libtorch that this program was linked with.
    pub libtorch: String,
}

impl Versions {
    /// The versions of this build.
    #[must_use]
    pub fn of_this_build() -> Self {
        Self {
            wasabi: env!("CARGO_PKG_VERSION").to_owned(),
            tch: "0.24.0".to_owned(), // pinned with `=` in Cargo.toml
            libtorch: option_env!("WASABI_BUILT_WITH_LIBTORCH").unwrap_or("unknown").to_owned(),
        }
    }
}

impl Record {
    /// A record of a run that starts now, on this build.
    #[must_use]
    pub fn new(
        seed: u64,
        device: String,
        threads: u32,
        corpus: Map<String, Value>,
        train: Map<String, Value>,
        model: Map<String, Value>,
    ) -> Self {
        Self {
            schema: RECORD_SCHEMA,
            signature: signature(seed, &[&corpus, &train, &model]),
            seed,
            created_unix_s: unix_s(),
            revision: option_env!("WASABI_REVISION").unwrap_or("unknown").to_owned(),
            device,
            threads,
            label: None,
            parent: None,
            forked_from: None,
            callbacks: BTreeMap::new(),
            versions: Versions::of_this_build(),
            corpus,
            train,
            model,
            script: None,
        }
    }

    /// The same record with the callbacks that take part; they are part of the signature.
    #[must_use]
    pub fn with_callbacks(mut self, callbacks: BTreeMap<String, String>) -> Self {
        if !callbacks.is_empty() {
            let words = callbacks.iter().map(|(name, text)| (name.clone(), Value::String(text.clone()))).collect();
            self.signature = signature(self.seed, &[&self.corpus, &self.train, &self.model, &words]);
        }
        self.callbacks = callbacks;
        self
    }

    /// The same record, of a run that was begun as `former` says and now goes on.
    #[must_use]
    pub fn going_on(mut self, former: &Self) -> Self {
        self.created_unix_s = former.created_unix_s;
        self.parent.clone_from(&former.parent);
        self.label = self.label.or_else(|| former.label.clone());
        self.forked_from.clone_from(&former.forked_from);
        self.script.clone_from(&former.script);
        self
    }

    /// The settings that differ from `other`, as `train.lr: 0.004, was 0.001`.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut out = Vec::new();
        for (name, new, old) in [
            ("corpus", &self.corpus, &other.corpus),
            ("train", &self.train, &other.train),
            ("model", &self.model, &other.model),
        ] {
            let keys = new.keys().chain(old.keys().filter(|key| !new.contains_key(*key)));
            // A record of an earlier version lacks settings that came later; they were none then.
            let of = |map: &'_ Map<String, Value>, key: &str| map.get(key).cloned().unwrap_or(Value::Null);
            out.extend(keys.filter(|key| of(new, key) != of(old, key)).map(|key| {
                let show = |value: Value| if value.is_null() { "none".to_owned() } else { value.to_string() };
                format!("{name}.{key}: {}, was {}", show(of(new, key)), show(of(old, key)))
            }));
        }
        out
    }

    pub(super) fn to_toml(&self) -> Result<String, ExperimentError> {
        let refuse = |_| ExperimentError::Setting { key: "run".to_owned(), reason: "TOML refuses its shape" };
        let value = serde_json::to_value(self).map_err(|_| refuse(()))?;
        let text = toml::to_string_pretty(&to_toml(&value, "run")?).map_err(|_| refuse(()))?;
        Ok(format!("# What this run was made of. \"{NONE}\" stands for none.\n{text}"))
    }

    pub(super) fn from_toml(text: &str) -> Result<Self, String> {
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
        match table.get("schema").and_then(toml::Value::as_integer) {
            Some(found) if found == i64::from(RECORD_SCHEMA) => {}
            Some(found) => return Err(of_another_schema(&table, found)),
            None => return Err("it names no schema".to_owned()),
        }
        let value = serde_json::to_value(&table).map_err(|error| error.to_string())?;
        serde_json::from_value(with_nulls(value)).map_err(|error| error.to_string())
    }
}

/// What differs in a record of another layout: who wrote it, and which entries are new to this version.
fn of_another_schema(table: &toml::Table, found: i64) -> String {
    const KNOWN: [&str; 14] = [
        "schema",
        "signature",
        "seed",
        "created_unix_s",
        "revision",
        "device",
        "threads",
        "label",
        "parent",
        "forked_from",
        "callbacks",
        "versions",
        "corpus",
        "train",
    ];
    let text = |value: Option<&toml::Value>| value.and_then(toml::Value::as_str).unwrap_or("unknown").to_owned();
    let version = text(table.get("versions").and_then(|versions| versions.get("wasabi")));
    let revision = text(table.get("revision"));
    let build = Versions::of_this_build().wasabi;
    let strange: Vec<&str> = table
        .keys()
        .map(String::as_str)
        .filter(|key| !KNOWN.contains(key) && !["model", "script"].contains(key))
        .collect();
    let more = if strange.is_empty() { String::new() } else { format!("; unknown here: {}", strange.join(", ")) };
    format!(
        "it has schema {found}, this version reads schema {RECORD_SCHEMA}; it was written by wasabi {version} ({revision}), this \
         is wasabi {build}{more}"
    )
}

/// What stands for `null` in run.toml, since TOML has none and leaving it out would mean the default.
const NONE: &str = "()";

/// Gives every [`NONE`] its meaning back.
fn with_nulls(value: Value) -> Value {
    match value {
        Value::String(text) if text == NONE => Value::Null,
        Value::Object(map) => Value::Object(map.into_iter().map(|(key, item)| (key, with_nulls(item))).collect()),
        Value::Array(items) => Value::Array(items.into_iter().map(with_nulls).collect()),
        other => other,
    }
}

fn signature(seed: u64, parts: &[&Map<String, Value>]) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("wasabi 2026 run signature");
    hasher.update(&RECORD_SCHEMA.to_le_bytes());
    hasher.update(&seed.to_le_bytes());
    for part in parts {
        let text = Value::Object((*part).clone()).to_string();
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

fn to_toml(value: &Value, key: &str) -> Result<toml::Value, ExperimentError> {
    let refuse = |reason| ExperimentError::Setting { key: key.to_owned(), reason };
    Ok(match value {
        Value::Null => toml::Value::String(NONE.to_owned()),
        Value::Bool(flag) => toml::Value::Boolean(*flag),
        Value::String(text) if text == NONE => return Err(refuse("\"()\" stands for none there")),
        Value::String(text) => toml::Value::String(text.clone()),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => toml::Value::Integer(integer),
            (None, Some(real)) if number.is_f64() => toml::Value::Float(real),
            _ => return Err(refuse("TOML's integers end at 9223372036854775807")),
        },
        Value::Array(items) => {
            toml::Value::Array(items.iter().map(|item| to_toml(item, key)).collect::<Result<_, _>>()?)
        }
        Value::Object(map) => {
            let entry = |(name, item): (&String, &Value)| Ok((name.clone(), to_toml(item, &format!("{key}.{name}"))?));
            toml::Value::Table(map.iter().map(entry).collect::<Result<_, ExperimentError>>()?)
        }
    })
}
