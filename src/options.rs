//! Options with one definition: the same struct gives a script's `#{ … }`, the flags of the command line, `help`, and
//! the settings written beside a run.
//!
//! [`options!`](crate::options!) declares plain data: every field has a doc line and a default. [`parse`] reads one from
//! JSON-like settings and, when it cannot, says which option it was, what was found, what was needed, and which name was
//! probably meant. May use: no room.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

/// One option as people see it.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// The name as typed: `d_state`.
    pub name: &'static str,
    /// What it means; ends in `[unit; range]`, either of which may be empty.
    pub doc: &'static str,
    /// The Rust type as written, for `help`.
    pub kind: &'static str,
    /// The default, as JSON.
    pub default: fn() -> Value,
}

impl Field {
    /// What it means, on one line, without unit and range.
    #[must_use]
    pub fn about(&self) -> String {
        let (about, _) = split_bracket(self.doc);
        on_one_line(about)
    }

    /// Its unit: `Hz`, `samples`; None for a bare number, text or flag.
    #[must_use]
    pub fn unit(&self) -> Option<String> {
        split_bracket(self.doc)
            .1
            .map(|bracket| on_one_line(bracket.split(';').next().unwrap_or("")))
            .filter(|u| !u.is_empty())
    }

    /// What it may be: `above 0`, `0 to below 1`, or the texts to choose from.
    #[must_use]
    pub fn range(&self) -> Option<String> {
        split_bracket(self.doc)
            .1
            .and_then(|bracket| Some(on_one_line(bracket.split_once(';')?.1)))
            .filter(|r| !r.is_empty())
    }

    /// Unit and range in one phrase: `samples, 2 to 65536`.
    #[must_use]
    pub fn facts(&self) -> String {
        [self.unit(), self.range()].into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    /// The texts it may be, where it is one of a few.
    #[must_use]
    pub fn choices(&self) -> Vec<String> {
        let range = self.range().filter(|range| range.starts_with('"')).unwrap_or_default();
        range.split('"').skip(1).step_by(2).map(str::to_owned).collect()
    }

    /// Its type in a script author's words: `real`, `whole number or ()`.
    #[must_use]
    pub fn type_word(&self) -> String {
        type_word(self.kind)
    }

    /// The default as a script says it.
    #[must_use]
    pub fn default_text(&self) -> String {
        as_script(&(self.default)())
    }
}

fn on_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A doc comment and the inside of the bracket that it ends in.
fn split_bracket(doc: &'static str) -> (&'static str, Option<&'static str>) {
    let doc = doc.trim();
    let inside =
        doc.strip_suffix(']').and_then(|open| open.rsplit_once('[')).filter(|(_, inside)| inside.contains(';'));
    inside.map_or((doc, None), |(about, inside)| (about.trim(), Some(inside)))
}

fn type_word(kind: &str) -> String {
    let kind: String = kind.split_whitespace().collect();
    let inside = |name: &str| kind.strip_prefix(name).and_then(|rest| rest.strip_suffix('>'));
    if let Some(inner) = inside("Option<") {
        return format!("{} or ()", type_word(inner));
    }
    if let Some(inner) = inside("Vec<") {
        return match type_word(inner).as_str() {
            "integer" | "whole number" => "array of integers".to_owned(),
            "real" => "array of numbers".to_owned(),
            other => format!("array of {other}s"),
        };
    }
    match kind.rsplit("::").next().unwrap_or(&kind) {
        "f64" | "f32" => "real",
        "i64" | "i32" => "integer",
        "u64" | "u32" | "u16" | "u8" | "usize" => "whole number",
        "bool" => "bool",
        "PathBuf" => "path",
        "String" => "text",
        "Schedule" => "schedule",
        "Varying" => "real or schedule",
        "Callback" | "FnPtr" | "Fn" => "function",
        "Value" => "value",
        "Keep" => "map",
        _ => "text", // a closed set: its range lists the names
    }
    .to_owned()
}

/// JSON as a script says it: `()` for null, `#{ a: 1 }` for an object.
#[must_use]
pub fn as_script(value: &Value) -> String {
    match value {
        Value::Null => "()".to_owned(),
        Value::Array(items) => format!("[{}]", items.iter().map(as_script).collect::<Vec<_>>().join(", ")),
        Value::Object(map) if map.is_empty() => "#{}".to_owned(),
        Value::Object(map) => {
            let fields = map.iter().map(|(key, value)| format!("{key}: {}", as_script(value)));
            format!("#{{ {} }}", fields.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// A struct declared with [`options!`](crate::options!).
pub trait Options: Serialize + DeserializeOwned + Default {
    /// What the options belong to, as scripts say it: `train`.
    const OWNER: &'static str;

    /// Every option, in the order of declaration.
    fn fields() -> &'static [Field];

    /// Checks ranges and combinations that the types cannot carry.
    ///
    /// # Errors
    /// The name of the offending option, with what was found and what was needed.
    fn validate(&self) -> Result<(), OptionError> {
        Ok(())
    }
}

/// Why options could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct OptionError {
    /// The option at fault.
    pub key: String,
    /// What was found and what was needed.
    pub message: String,
    /// What to try.
    pub hint: Option<String>,
}

impl OptionError {
    /// An error about the value of `key`.
    #[must_use]
    pub fn value(key: &str, found: impl std::fmt::Display, needed: &str) -> Self {
        Self { key: key.to_owned(), message: format!("`{key}` is {found}, but must be {needed}"), hint: None }
    }

    /// The same error with what to try next.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// The name in `known` nearest to `typed`, when it is near enough to be a slip of the finger: one letter in a short name, a
/// third of a long one, and nothing for a single letter, which is as near to any other.
#[must_use]
pub fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let letters = |name: &str| name.chars().count();
    let typed_letters = letters(typed);
    known
        .into_iter()
        .filter(|name| typed_letters > 1 && letters(name) > 1)
        .map(|name| (strsim::damerau_levenshtein(typed, name), name))
        .filter(|(distance, name)| *distance <= 1.max(letters(name).min(typed_letters) / 3))
        .min()
        .map(|(_, name)| name)
}

/// What the field calls an option elsewhere, and what it may be called here, the likeliest first.
const SYNONYMS: &[(&str, &[&str])] = &[
    ("layer", &["block"]),
    ("batch", &["samples"]),
    ("takes", &["samples"]),
    ("learning_rate", &["lr"]),
    ("rate", &["lr", "sample_rate"]),
    ("batch_size", &["batch"]),
    ("bs", &["batch"]),
    ("epochs", &["steps"]),
    ("n_epochs", &["epochs"]),
    ("num_epochs", &["epochs"]),
    ("max_epochs", &["epochs"]),
    ("n_steps", &["steps"]),
    ("num_steps", &["steps"]),
    ("max_steps", &["steps"]),
    ("iterations", &["steps"]),
    ("iters", &["steps"]),
    ("updates", &["steps"]),
    ("hidden", &["d_model", "d_hidden"]),
    ("hidden_size", &["d_model", "d_hidden"]),
    ("hidden_dim", &["d_model", "d_hidden"]),
    ("dim", &["d_model"]),
    ("width", &["d_model"]),
    ("channels", &["d_model"]),
    ("n_embd", &["d_model"]),
    ("embed_dim", &["d_model"]),
    ("layers", &["n_layers"]),
    ("num_layers", &["n_layers"]),
    ("n_blocks", &["n_layers"]),
    ("depth", &["n_layers"]),
    ("state", &["d_state"]),
    ("state_size", &["d_state"]),
    ("state_dim", &["d_state"]),
    ("dropout_rate", &["dropout"]),
    ("drop", &["dropout"]),
    ("p_dropout", &["dropout"]),
    ("pooling", &["pool"]),
    ("strides", &["pool"]),
    ("expansion", &["expand"]),
    ("wd", &["weight_decay"]),
    ("decay", &["weight_decay"]),
    ("l2", &["weight_decay"]),
    ("scheduler", &["schedule"]),
    ("lr_schedule", &["schedule"]),
    ("lr_scheduler", &["schedule"]),
    ("warmup", &["schedule"]),
    ("warmup_steps", &["schedule"]),
    ("patience", &["early_stop"]),
    ("early_stopping", &["early_stop"]),
    ("grad_clip", &["clip"]),
    ("clip_norm", &["clip"]),
    ("max_norm", &["clip"]),
    ("grad_accum", &["accumulate"]),
    ("accumulation", &["accumulate"]),
    ("timeout", &["max_seconds"]),
    ("val_every", &["eval_every"]),
    ("save_every", &["checkpoint_every"]),
    ("output", &["out"]),
    ("output_dir", &["out"]),
    ("dir", &["out", "from"]),
    ("folder", &["out", "from"]),
    ("name", &["out"]),
    ("path", &["from", "out"]),
    ("data", &["from"]),
    ("root", &["from"]),
    ("resume", &["existing"]),
    ("overwrite", &["existing"]),
    ("sr", &["sample_rate", "rate"]),
    ("fs", &["sample_rate", "rate"]),
    ("window_size", &["window"]),
    ("seq_len", &["window"]),
    ("length", &["window", "seconds", "samples"]),
    ("n_bits", &["bits"]),
    ("train_split", &["train_fraction"]),
    ("temp", &["temperature"]),
    ("duration", &["seconds"]),
    ("n", &["batch"]),
    ("group", &["by"]),
    ("hue", &["by"]),
    ("color", &["by"]),
    ("colour", &["by"]),
    ("z", &["value"]),
    ("values", &["value"]),
    ("index", &["rows"]),
];

/// The option in `known` that was meant by `typed`: the [`nearest`], or what the field's other word for it is here.
#[must_use]
pub fn meant<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let known: Vec<&str> = known.into_iter().collect();
    let synonyms = SYNONYMS.iter().find(|(word, _)| *word == typed).map_or(&[][..], |(_, names)| names);
    let synonym = synonyms.iter().find_map(|name| known.iter().copied().find(|known| known == name));
    synonym.or_else(|| nearest(typed, known))
}

/// A library's sentence as one of ours begins: in lower case, unless its first word is written in capitals.
#[must_use]
pub fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    let second_is_upper = text.chars().nth(1).is_some_and(char::is_uppercase);
    match chars.next() {
        Some(first) if !second_is_upper => first.to_lowercase().chain(chars).collect(),
        _ => text.to_owned(),
    }
}

/// Reads options from `settings`; what is not named keeps its default.
///
/// # Errors
/// [`OptionError`] for a name that does not exist (with the nearest one that does), a value of the wrong type, or
/// whatever [`Options::validate`] refuses.
pub fn parse<T: Options>(settings: &Map<String, Value>) -> Result<T, OptionError> {
    let fields = T::fields();
    for key in settings.keys() {
        if !fields.iter().any(|field| field.name == key) {
            return Err(unknown::<T>(key));
        }
    }
    let mut merged = match serde_json::to_value(T::default()) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    };
    for (key, value) in settings {
        let mut trial = merged.clone();
        trial.insert(key.clone(), value.clone());
        // One at a time, so that a wrong type is blamed on the option that has it.
        serde_json::from_value::<T>(Value::Object(trial.clone()))
            .map_err(|error| wrong_type::<T>(key, value, &error))?;
        merged = trial;
    }
    let options: T = serde_json::from_value(Value::Object(merged)).map_err(|error| OptionError {
        key: T::OWNER.to_owned(),
        message: error.to_string(),
        hint: None,
    })?;
    options.validate()?;
    Ok(options)
}

fn unknown<T: Options>(key: &str) -> OptionError {
    let names = || T::fields().iter().map(|field| field.name);
    let hint = match meant(key, names()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("{} takes {}", T::OWNER, names().collect::<Vec<_>>().join(", ")),
    };
    OptionError { key: key.to_owned(), message: format!("unknown option `{key}` for {}", T::OWNER), hint: Some(hint) }
}

fn wrong_type<T: Options>(key: &str, value: &Value, error: &serde_json::Error) -> OptionError {
    let field = T::fields().iter().find(|field| field.name == key);
    OptionError {
        key: key.to_owned(),
        message: format!("option `{key}` of {} cannot be {}: {error}", T::OWNER, as_script(value)),
        hint: field.map(|field| {
            let facts = field.facts();
            let facts = if facts.is_empty() { facts } else { format!(" [{facts}]") };
            format!("`{key}`: {}{facts}", field.about())
        }),
    }
}

/// Declares a struct of options: `options! { /// Doc. pub struct Name for "owner" { /// Doc. field: Type = default, … } }`.
///
/// The struct derives `Debug`, `Clone`, `PartialEq`, `Serialize` and `Deserialize` (unknown names are errors, missing
/// ones take their default), and implements `Default`. Implement [`Options`] for it with
/// `options! { … ; validate = path }`, or without `; validate` when every value of the types is fine.
#[macro_export]
macro_rules! options {
    (
        $(#[doc = $about:expr])*
        $vis:vis struct $name:ident for $owner:literal {
            $( $(#[doc = $doc:expr])* $field:ident : $kind:ty = $default:expr ),* $(,)?
        }
        $(; validate = $validate:path)?
    ) => {
        $(#[doc = $about])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields, default)]
        $vis struct $name {
            $( $(#[doc = $doc])* pub $field: $kind, )*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $( $field: $default, )* }
            }
        }

        impl $crate::options::Options for $name {
            const OWNER: &'static str = $owner;

            fn fields() -> &'static [$crate::options::Field] {
                &[ $( $crate::options::Field {
                    name: stringify!($field),
                    doc: concat!($($doc, "\n"),*),
                    kind: stringify!($kind),
                    default: || {
                        let value: $kind = $default;
                        serde_json::to_value(value).unwrap_or(serde_json::Value::Null)
                    },
                } ),* ]
            }

            $( fn validate(&self) -> Result<(), $crate::options::OptionError> { $validate(self) } )?
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::options! {
        /// A test.
        pub(crate) struct Sample for "sample" {
            /// Learning rate, a step.
            lr: f64 = 0.5,
            /// How many.
            count: usize = 3,
        }
        ; validate = positive
    }

    fn positive(sample: &Sample) -> Result<(), OptionError> {
        if sample.lr > 0.0 { Ok(()) } else { Err(OptionError::value("lr", sample.lr, "above 0")) }
    }

    fn map(text: &str) -> Map<String, Value> {
        serde_json::from_str(text).expect("the test's own JSON")
    }

    #[test]
    fn an_integer_is_taken_where_a_real_is_expected() {
        assert_eq!(parse::<Sample>(&map(r#"{"lr": 1}"#)), Ok(Sample { lr: 1.0, count: 3 }));
    }

    #[test]
    fn a_misspelt_option_is_refused_with_the_nearest_name() {
        let error = parse::<Sample>(&map(r#"{"cuont": 1}"#)).expect_err("misspelt");
        assert_eq!(error.hint.as_deref(), Some("did you mean `count`?"));
    }

    #[test]
    fn a_guess_is_near_and_knows_the_words_of_the_field() {
        assert_eq!(nearest("a", ["b", "ab"]), None, "a letter is near to everything");
        assert_eq!(nearest("xs", ["x", "ys"]), Some("ys"));
        assert_eq!(nearest("tow", ["two", "now", "wot"]), Some("now"), "one step, the first of them");
        assert_eq!(nearest("abc", ["acd"]), None);
        assert_eq!(nearest("sashimmi", ["sashimi"]), Some("sashimi"));
        assert_eq!(meant("learning_rate", ["steps", "lr"]), Some("lr"));
        assert_eq!(meant("epochs", ["steps"]), Some("steps"));
        assert_eq!(meant("learning_rate", ["steps"]), None, "only what is taken here");
    }

    #[test]
    fn a_wrong_type_is_blamed_on_its_option() {
        let error = parse::<Sample>(&map(r#"{"lr": 2, "count": "many"}"#)).expect_err("wrong type");
        assert_eq!(error.key, "count");
    }

    #[test]
    fn a_field_tells_its_type_unit_and_range() {
        let field = |doc, kind| Field { name: "x", doc, kind, default: || Value::Null };
        let hop = field(" From one window\n to the next. [samples; 1 or more]\n", "Option<u32>");
        assert_eq!(
            (hop.about().as_str(), hop.facts().as_str()),
            ("From one window to the next.", "samples, 1 or more")
        );
        assert_eq!(hop.type_word(), "whole number or ()");
        let init = field("Start. [; \"legs\", \"legt\"]", "Init");
        assert_eq!(
            (init.unit(), init.choices(), init.type_word().as_str()),
            (None, vec!["legs".to_owned(), "legt".to_owned()], "text")
        );
        let list = field("`[]` is an isotropic model", "Vec<i64>");
        assert_eq!((list.range(), list.type_word().as_str()), (None, "array of integers"), "no bracket of ours");
        assert_eq!(
            as_script(&serde_json::json!({ "kind": "warmup", "steps": null })),
            "#{ kind: \"warmup\", steps: () }"
        );
    }

    #[test]
    fn a_refused_range_names_the_option() {
        assert_eq!(parse::<Sample>(&map(r#"{"lr": -1}"#)).expect_err("negative").key, "lr");
    }
}
