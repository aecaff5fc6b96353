//! Settings as a flat list of names and values: what lists of runs show, and what differs between them.

use super::Record;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Settings by their dotted names.
pub type Settings = BTreeMap<String, Value>;

/// Every setting of `record` that decides the outcome, by its dotted name: `train.lr`, `corpus.window`, `model.d_model`.
///
/// What stands in a list (a tier's blocks) is named once: `model.tier.blocks.count`, and `model.tier.blocks.s4.d_state`, which
/// is one value where all blocks share it and the list of values otherwise.
#[must_use]
pub fn flatten(record: &Record) -> Settings {
    let mut out = Settings::new();
    for (name, map) in [("corpus", &record.corpus), ("train", &record.train), ("model", &record.model)] {
        flatten_map(map, name, &mut out);
    }
    out
}

fn flatten_map(map: &Map<String, Value>, name: &str, out: &mut Settings) {
    for (key, value) in map {
        flatten_value(value, &format!("{name}.{key}"), out);
    }
}

fn flatten_value(value: &Value, name: &str, out: &mut Settings) {
    match value {
        Value::Object(map) if !map.is_empty() => flatten_map(map, name, out),
        Value::Array(items) if !items.is_empty() && items.iter().all(Value::is_object) => {
            out.insert(format!("{name}.count"), items.len().into());
            let mut seen: BTreeMap<String, Vec<Value>> = BTreeMap::new();
            for item in items {
                let mut one = Settings::new();
                flatten_value(item, name, &mut one);
                one.into_iter().for_each(|(key, value)| seen.entry(key).or_default().push(value));
            }
            out.extend(seen.into_iter().map(|(key, values)| {
                let same = values.iter().all(|value| *value == values[0]);
                (key, if same { values[0].clone() } else { Value::Array(values) })
            }));
        }
        other => drop(out.insert(name.to_owned(), other.clone())),
    }
}
