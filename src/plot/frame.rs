//! What figures read from a frame: numbers, categories, and how people call a column.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::error::PlotError;
use super::scale::plain;
use crate::metrics::{Frame, Value, columns};
use crate::options::{OptionError, nearest};

/// One name, or several: `"loss"`, `["loss", "lr"]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Names {
    /// A single column.
    One(String),
    /// Columns in order.
    Many(Vec<String>),
}

impl Names {
    pub(super) fn all(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Many(names) => names,
        }
    }
}

/// The distinct values of a column.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Categories {
    /// As people read them: numbers ascending, other values as they first occur.
    pub(super) names: Vec<String>,
    /// The values themselves, where all are numbers.
    pub(super) numbers: Option<Vec<f64>>,
    /// Which of them each row has; `None` where a row has no value.
    pub(super) of: Vec<Option<usize>>,
}

impl Categories {
    /// The rows of each category, in order.
    pub(super) fn rows(&self) -> Vec<Vec<usize>> {
        let mut rows = vec![Vec::new(); self.names.len()];
        for (row, category) in self.of.iter().enumerate() {
            if let Some(category) = category {
                rows[*category].push(row);
            }
        }
        rows
    }

    /// One category that every row is in.
    pub(super) fn single(rows: usize) -> Self {
        Self { names: vec![String::new()], numbers: None, of: vec![Some(0); rows] }
    }

    /// Places between 0 and 1 for many numeric categories, evenly by rank; `None` when colours of the palette do.
    pub(super) fn ranks(&self, palette: usize) -> Option<Vec<f64>> {
        self.numbers.as_ref().filter(|numbers| numbers.len() > palette)?;
        let last = super::scale::count(self.names.len() - 1);
        Some((0..self.names.len()).map(|index| super::scale::count(index) / last).collect())
    }
}

/// The column that option `option` of `figure` names, which has to be given.
pub(super) fn needed<'a>(
    figure: &str,
    option: &str,
    name: Option<&'a String>,
    frame: &Frame,
) -> Result<&'a str, PlotError> {
    name.map(String::as_str).ok_or_else(|| {
        let numeric: Vec<&str> = frame.columns().into_iter().filter(|name| frame.numbers(name).is_some()).collect();
        PlotError::from(OptionError {
            key: option.to_owned(),
            message: format!("{figure} of a frame needs `{option}`: the name of a column"),
            hint: Some(format!("columns of numbers are {}", numeric.join(", "))),
        })
    })
}

/// The numbers of a column that an option names; NaN where a row has none.
pub(super) fn numbers(frame: &Frame, option: &str, name: &str) -> Result<Vec<f64>, PlotError> {
    require(frame, option, name)?;
    frame.numbers(name).ok_or_else(|| {
        let kind = (0..frame.height()).find_map(|row| frame.get(name, row)).map_or("nothing", |value| value.kind());
        OptionError {
            key: option.to_owned(),
            message: format!("`{option}` is the column `{name}`, which holds {kind}, but must hold numbers"),
            hint: None,
        }
        .into()
    })
}

/// The values of a column that an option names as categories.
pub(super) fn categories(frame: &Frame, option: &str, name: &str) -> Result<Categories, PlotError> {
    require(frame, option, name)?;
    if let Some(values) = frame.numbers(name) {
        return Ok(of_numbers(&values));
    }
    let mut names: Vec<String> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    let of = (0..frame.height())
        .map(|row| {
            let text = words(&frame.get(name, row)?);
            Some(*known.entry(text.clone()).or_insert_with(|| {
                names.push(text);
                names.len() - 1
            }))
        })
        .collect();
    Ok(Categories { names, numbers: None, of })
}

/// Numbers as categories; those that are not finite are in none.
pub(super) fn of_numbers(values: &[f64]) -> Categories {
    let mut distinct: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).map(|v| v + 0.0).collect();
    distinct.sort_by(f64::total_cmp);
    distinct.dedup();
    let of = values
        .iter()
        .map(|value| value.is_finite().then(|| distinct.partition_point(|known| *known < value + 0.0)))
        .collect();
    Categories { names: distinct.iter().map(|value| plain(*value)).collect(), numbers: Some(distinct), of }
}

/// A value as a label.
pub(super) fn words(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Bool(flag) => flag.to_string(),
        other => other.number().map_or_else(|| format!("{other:?}"), plain),
    }
}

fn require(frame: &Frame, option: &str, name: &str) -> Result<(), PlotError> {
    let known = frame.columns();
    if known.contains(&name) {
        return Ok(());
    }
    let hint = match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("there are {}", known.join(", ")),
    };
    let message = format!("`{option}` is \"{name}\", but the frame has no such column");
    Err(OptionError { key: option.to_owned(), message, hint: Some(hint) }.into())
}

/// The rows whose column `split` has this value; all of them for `None`.
pub(super) fn of_split(frame: &Frame, split: Option<&str>) -> Result<Frame, PlotError> {
    let Some(split) = split else { return Ok(frame.clone()) };
    let wrong = |message: String, hint: Option<String>| OptionError { key: "split".to_owned(), message, hint };
    let texts = frame.text(columns::SPLIT).ok_or_else(|| {
        wrong(format!("`split` is \"{split}\", but the frame has no column `{}` of texts", columns::SPLIT), None)
    })?;
    let mut known: Vec<String> = Vec::new();
    for text in texts.into_iter().flatten() {
        if !known.contains(&text) {
            known.push(text);
        }
    }
    if !known.iter().any(|text| text == split) {
        let hint = format!("there are \"{}\"", known.join("\", \""));
        return Err(wrong(format!("`split` is \"{split}\", but no row has that"), Some(hint)).into());
    }
    frame.rows_where(columns::SPLIT, split).map_err(|error| wrong(error.to_string(), None).into())
}

/// How people call a column, with its unit where the name tells one.
pub(super) fn axis_label(column: &str) -> String {
    let known = match column {
        columns::STEP | "steps" => "Step",
        columns::EPOCH => "Epoch",
        columns::BITS_PER_BYTE => "Cross-entropy (bits per byte)",
        columns::LOSS | "nll" => "Cross-entropy (nats per token)",
        "val_bpb" | "val_bits_per_byte" | "best_bits_per_byte" => "Validation (bits per byte)",
        "test_bpb" | "test_bits_per_byte" => "Test (bits per byte)",
        "train_bpb" | "train_bits_per_byte" => "Training (bits per byte)",
        columns::ACCURACY => "Accuracy (share of tokens)",
        columns::LR => "Learning rate",
        columns::GRAD_NORM => "Gradient norm",
        columns::SAMPLES_PER_SECOND => "Speed (samples/s)",
        columns::WALL_SECONDS => "Wall time (s)",
        "parameters" => "Parameters",
        "" => "",
        _ => return by_suffix(column),
    };
    known.to_owned()
}

/// `decode_ms` → `Decode (ms)`; a name without a unit stays as it is.
fn by_suffix(column: &str) -> String {
    const UNITS: [(&str, &str); 12] = [
        ("_bits_per_byte", "bits per byte"),
        ("_bpb", "bits per byte"),
        ("_seconds", "s"),
        ("_minutes", "min"),
        ("_hours", "h"),
        ("_ms", "ms"),
        ("_khz", "kHz"),
        ("_hz", "Hz"),
        ("_db", "dB"),
        ("_bytes", "bytes"),
        ("_mib", "MiB"),
        ("_percent", "%"),
    ];
    let named = UNITS.iter().find_map(|(suffix, unit)| Some((column.strip_suffix(suffix)?, unit)));
    let Some((name, unit)) = named.filter(|(name, _)| !name.is_empty()) else { return column.to_owned() };
    let mut letters = name.replace('_', " ").chars().collect::<Vec<_>>();
    letters[0] = letters[0].to_ascii_uppercase();
    format!("{} ({unit})", letters.into_iter().collect::<String>())
}
