//! One row of figures: what happened at one step.

use super::{Baselines, columns};

/// One figure.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A count.
    Int(i64),
    /// A measurement; NaN and the infinities are kept as such.
    Real(f64),
    /// A name.
    Text(String),
    /// Yes or no.
    Bool(bool),
}

impl Value {
    /// The kind in words, for messages.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Int(_) => "an integer",
            Self::Real(_) => "a real number",
            Self::Text(_) => "text",
            Self::Bool(_) => "a truth value",
        }
    }

    /// The value as a number, when it is one.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts of steps stay far below 2^53")]
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Int(value) => Some(*value as f64),
            Self::Real(value) => Some(*value),
            Self::Text(_) | Self::Bool(_) => None,
        }
    }
}

macro_rules! value_from {
    ($($kind:ty => |$value:ident| $make:expr;)*) => {$(
        impl From<$kind> for Value {
            fn from($value: $kind) -> Self {
                $make
            }
        }
    )*};
}

value_from! {
    i64 => |value| Self::Int(value);
    i32 => |value| Self::Int(value.into());
    u32 => |value| Self::Int(value.into());
    // A frame's integers are signed: a count above 2^63 does not occur, and would read as the largest.
    u64 => |value| Self::Int(value.try_into().unwrap_or(i64::MAX));
    usize => |value| Self::Int(value.try_into().unwrap_or(i64::MAX));
    f64 => |value| Self::Real(value);
    f32 => |value| Self::Real(value.into());
    bool => |value| Self::Bool(value);
    &str => |value| Self::Text(value.to_owned());
    String => |value| Self::Text(value);
}

/// Named figures in the order they were given; a name given twice keeps its place and takes the later value.
///
/// ```
/// # use wasabi::metrics::Row;
/// let row = Row::new().with("step", 3).with("loss", 2.1).with("split", "train");
/// assert_eq!(row.to_json(), r#"{"step":3,"loss":2.1,"split":"train"}"#);
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Row(Vec<(String, Value)>);

impl Row {
    /// A row without figures.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The row with one more figure.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.set(name, value);
        self
    }

    /// The row with one more figure, if there is one; a frame shows the absent one as null.
    #[must_use]
    pub fn with_some(self, name: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// The row with the bits per byte of a split's baselines, under the names that figures look for.
    #[must_use]
    pub fn with_baselines(self, baselines: &Baselines) -> Self {
        self.with(columns::UNIFORM_BITS_PER_BYTE, baselines.uniform.per_byte)
            .with(columns::UNIGRAM_BITS_PER_BYTE, baselines.unigram.per_byte)
            .with(columns::MARKOV_BITS_PER_BYTE, baselines.markov.per_byte)
    }

    /// Sets one figure.
    pub fn set(&mut self, name: &str, value: impl Into<Value>) {
        let value = value.into();
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, slot)) => *slot = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// One figure by name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// All figures in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// How many figures.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
