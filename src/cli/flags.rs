//! Options as flags: one definition behind `train(…, #{ d_state: 128 })` and `wasabi train --d-state 128`.

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};
use serde_json::{Map, Value};

use crate::options::{self, Field, OptionError, Options};
use crate::script::written;

/// Adds a flag for every option of `T`. A name that is taken comes with its owner: `--train-window` beside the `--window` of
/// a corpus.
pub(super) fn add<T: Options>(command: Command) -> Command {
    T::fields().iter().fold(command, |command, field| {
        let taken = command.get_arguments().any(|arg| arg.get_long() == Some(&field.name.replace('_', "-")));
        let name = if taken { format!("{}_{}", T::OWNER, field.name) } else { field.name.to_owned() };
        command.arg(flag(field, T::OWNER, id::<T>(field), name))
    })
}

/// What clap calls the flag of an option.
fn id<T: Options>(field: &Field) -> String {
    format!("{}.{}", T::OWNER, field.name)
}

/// `command`, refusing the argument `name` beside any option of `T`; flags that stand before every command stay allowed.
pub(super) fn without<T: Options>(command: Command, name: &'static str) -> Command {
    command.mut_arg(name, |arg| arg.conflicts_with_all(T::fields().iter().map(id::<T>)))
}

fn flag(field: &'static Field, owner: &'static str, id: String, name: String) -> Arg {
    let default = (field.default)();
    let mut facts = Vec::new();
    facts.extend(field.unit());
    facts.extend(field.range());
    facts.extend(match &default {
        Value::Null => None,
        Value::String(text) => Some(format!("default: {text}")),
        other => Some(format!("default: {other}")),
    });
    let shown = if facts.is_empty() { String::new() } else { format!(" [{}]", facts.join("; ")) };
    let arg = Arg::new(id)
        .long(name.replace('_', "-"))
        .alias(name)
        .value_name(value_name(&default))
        .allow_negative_numbers(true)
        .help_heading(format!("Options of {owner}"))
        .help(format!("{}{shown}", field.about()));
    // `--unet` alone means yes.
    if default.is_boolean() { arg.num_args(0..=1).require_equals(true).default_missing_value("true") } else { arg }
}

fn value_name(default: &Value) -> &'static str {
    match default {
        Value::Bool(_) => "true|false",
        Value::Number(number) if number.is_f64() => "REAL",
        Value::Number(_) => "N",
        Value::Array(_) => "N,N,…",
        Value::String(_) | Value::Null | Value::Object(_) => "VALUE",
    }
}

/// The options of `T` that stand on the command line, the rest at their defaults.
///
/// # Errors
/// As [`options::parse`].
pub(super) fn read<T: Options>(matches: &ArgMatches) -> Result<T, OptionError> {
    options::parse(&given::<T>(matches))
}

/// The options of `T` that stand on the command line, the rest as in `base`.
///
/// # Errors
/// As [`options::parse`].
pub(super) fn read_over<T: Options>(matches: &ArgMatches, base: &T) -> Result<T, OptionError> {
    let mut settings = match serde_json::to_value(base) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    };
    settings.extend(given::<T>(matches));
    options::parse(&settings)
}

/// The options of `T` that stand on the command line, unread.
pub(super) fn given<T: Options>(matches: &ArgMatches) -> Map<String, Value> {
    let text = |field: &Field| {
        let id = id::<T>(field);
        let typed = matches.value_source(&id) == Some(ValueSource::CommandLine);
        matches.get_one::<String>(&id).filter(|_| typed).cloned()
    };
    T::fields().iter().filter_map(|field| Some((field.name.to_owned(), json(&text(field)?, field)))).collect()
}

/// A flag's text as the kind of value that its option takes; what does not fit stays text, for the option to refuse. An
/// option that may be absent takes `none`, and `()` as scripts have it.
fn json(text: &str, field: &Field) -> Value {
    if field.kind.contains("Option") && ["()", "none", "None", "null"].contains(&text) {
        return Value::Null;
    }
    let is_text = ["PathBuf", "String"].iter().any(|kind| field.kind.contains(kind));
    if is_text {
        return Value::String(text.to_owned());
    }
    if (field.default)().is_array() && !text.starts_with('[') {
        let list = format!("[{text}]");
        return serde_json::from_str(&list).unwrap_or_else(|_| Value::String(text.to_owned()));
    }
    let looks_like_script = text.contains(['(', '#']) || text.starts_with('[');
    let as_script = || written(text).filter(|_| looks_like_script);
    serde_json::from_str(text).ok().or_else(as_script).unwrap_or_else(|| Value::String(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::options! {
        /// A test.
        pub(crate) struct Sample for "sample" {
            /// Learning rate.
            lr: f64 = 0.5,
            /// Pools.
            pool: Vec<usize> = vec![4, 4],
            /// Where.
            out: Option<std::path::PathBuf> = None,
            /// Both ways.
            both: bool = false,
        }
    }

    fn parsed(line: &[&str]) -> Result<Sample, OptionError> {
        let command = add::<Sample>(Command::new("sample"));
        read(&command.try_get_matches_from([&["sample"], line].concat()).expect("known flags"))
    }

    #[test]
    fn a_flag_takes_the_type_of_its_option() {
        let sample = parsed(&["--lr", "1", "--pool", "4,2", "--out", "7", "--both"]).expect("fitting values");
        assert_eq!(sample, Sample { lr: 1.0, pool: vec![4, 2], out: Some("7".into()), both: true });
        assert_eq!(parsed(&["--pool=[]", "--both=false"]).expect("fitting").pool, Vec::<usize>::new());
        assert_eq!(parsed(&[]), Ok(Sample::default()));
        for none in ["()", "none", "None", "null"] {
            assert_eq!(parsed(&["--out", none]).expect("no value is a value here").out, None);
        }
    }

    crate::options! {
        /// Another test.
        pub(crate) struct Second for "second" {
            /// Another learning rate.
            lr: f64 = 0.25,
            /// Its own.
            steps: u64 = 1,
        }
    }

    #[test]
    fn a_name_that_is_taken_comes_with_its_owner() {
        let command = || add::<Second>(add::<Sample>(Command::new("sample")));
        let matches = command().get_matches_from(["sample", "--lr", "1", "--second-lr", "2", "--steps", "3"]);
        assert_eq!(read::<Sample>(&matches).expect("fitting").lr, 1.0);
        assert_eq!(read::<Second>(&matches), Ok(Second { lr: 2.0, steps: 3 }));
        let matches = command().get_matches_from(["sample", "--lr", "1"]);
        assert_eq!(read::<Second>(&matches), Ok(Second::default()), "the first table's flag is not the second's");
    }

    crate::options! {
        /// A third.
        pub(crate) struct Third for "third" {
            /// Over time.
            rate: crate::schedule::Schedule = crate::schedule::Schedule::constant(),
            /// Some of it.
            keep: Option<crate::generate::Keep> = None,
        }
    }

    #[test]
    fn a_flag_takes_what_a_script_would_say() {
        let command = || add::<Third>(Command::new("third"));
        let given = |value: &str| read::<Third>(&command().get_matches_from(["third", "--rate", value]));
        let linear = given("linear(1.1, 0.9, 16000)").expect("a schedule");
        assert_eq!(linear.rate.at(16_000, &[]), 0.9);
        assert_eq!(given(r#"{"kind":"linear","from":1.1,"to":0.9,"steps":16000}"#), Ok(linear));
        assert_eq!(given("linear(").expect_err("no expression").key, "rate");
        let keep = command().get_matches_from(["third", "--keep", "#{ drop_low: 0.4 }"]);
        assert!(read::<Third>(&keep).expect("a map").keep.is_some());
    }

    #[test]
    fn a_value_of_the_wrong_type_is_blamed_on_its_option() {
        assert_eq!(parsed(&["--lr", "fast"]).expect_err("text").key, "lr");
    }
}
