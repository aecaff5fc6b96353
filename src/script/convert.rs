//! Script values to settings: `#{ d_model: 64, pool: [4, 4] }` as the JSON that [`options::parse`] reads.

use rhai::{Dynamic, Map};
use serde_json::Value;

use super::bind;
use super::fault::Fault;
use crate::options::{self, Options};

/// Reads a script's map as options of `T`.
pub(super) fn options<T: Options>(map: &Map) -> Result<T, Fault> {
    Ok(options::parse(&settings(map, T::OWNER)?)?)
}

/// A script's map as settings; `owner` names what they belong to, for errors.
pub(super) fn settings(map: &Map, owner: &str) -> Result<serde_json::Map<String, Value>, Fault> {
    let setting = |key: &str, value: &Dynamic| match json(value) {
        Ok(value) => Ok((key.to_owned(), value)),
        Err(found) => {
            let fault = Fault::new(format!("option `{key}` of {owner} cannot be {found}"));
            Err(Fault { option: Some(key.to_owned()), ..fault })
        }
    };
    map.iter().map(|(key, value)| setting(key, value)).collect()
}

/// A value as JSON, or the name of the type that has no JSON form.
pub(super) fn json(value: &Dynamic) -> Result<Value, String> {
    if let Some(value) = bind::as_json(value) {
        return Ok(value);
    }
    if let Ok(array) = value.as_array_ref() {
        return array.iter().map(json).collect();
    }
    if let Ok(map) = value.as_map_ref() {
        return map.iter().map(|(key, value)| Ok((key.to_string(), json(value)?))).collect();
    }
    plain(value).ok_or_else(|| a_type(value.type_name()))
}

fn plain(value: &Dynamic) -> Option<Value> {
    if value.is_unit() {
        Some(Value::Null)
    } else if let Ok(integer) = value.as_int() {
        Some(integer.into())
    } else if let Ok(real) = value.as_float() {
        Some(real.into())
    } else if let Ok(flag) = value.as_bool() {
        Some(flag.into())
    } else {
        value.as_immutable_string_ref().ok().map(|text| Value::String(text.to_string()))
    }
}

/// The same with its article: `an integer`, `a Model`, `text`.
pub(super) fn a_type(name: &str) -> String {
    match type_word(name) {
        word @ ("text" | "nothing" | "Takes" | "Groups") => word.to_owned(),
        word if word.starts_with(['a', 'i', 'E']) => format!("an {word}"),
        word => format!("a {word}"),
    }
}

/// Rhai's name for a type in the words of a script author.
pub(super) fn type_word(name: &str) -> &str {
    match name.rsplit("::").next().unwrap_or(name).trim_end_matches('>') {
        "ModelValue" => "Model",
        "RunValue" => "Run",
        "TakeValue" => "Take",
        "ReportValue" => "Report",
        "TierSpec" => "Tier",
        "BlockSpec" => "Block",
        "i64" => "integer",
        "f64" => "real",
        "string" | "&str" | "ImmutableString" | "String" | "&str | ImmutableString | String" => "text",
        "bool" => "bool",
        "()" => "nothing",
        "map" | "Map" => "map",
        "array" | "Array" => "array",
        "Fn" | "FnPtr" => "function",
        "?" | "Dynamic" => "value",
        other => other,
    }
}
