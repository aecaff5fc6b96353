//! A row as one line of JSON, and back, exactly.
//!
//! Numbers go through the standard library's parser and not `serde_json`'s, whose default may miss the nearest float64
//! by one unit in the last place: a log read back equals the log written. JSON has no NaN: it is written as the text
//! `"NaN"`, and the infinities as `"inf"` and `"-inf"`, so those three texts read back as numbers.

use super::{Row, Value};
use std::fmt::Write;

impl Row {
    /// The row as one line of JSON, without the line's end.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut line = String::from("{");
        for (index, (name, value)) in self.iter().enumerate() {
            if index > 0 {
                line.push(',');
            }
            push_text(&mut line, name);
            line.push(':');
            push_value(&mut line, value);
        }
        line.push('}');
        line
    }

    /// Reads what [`Row::to_json`] wrote; null values are left out.
    ///
    /// # Errors
    /// In words: what was found where, when `line` is not a flat JSON object.
    pub fn from_json(line: &str) -> Result<Self, String> {
        let mut scan = Scan { text: line, at: 0 };
        let mut row = Self::new();
        scan.expect('{')?;
        if !scan.accept('}') {
            loop {
                let name = scan.text()?;
                scan.expect(':')?;
                if let Some(value) = scan.value()? {
                    row.set(&name, value);
                }
                if !scan.accept(',') {
                    break;
                }
            }
            scan.expect('}')?;
        }
        scan.skip_space();
        if scan.at < line.len() { Err(scan.wrong("the end of the line")) } else { Ok(row) }
    }
}

fn push_text(line: &mut String, text: &str) {
    line.push_str(&serde_json::Value::from(text).to_string());
}

fn push_value(line: &mut String, value: &Value) {
    match value {
        Value::Int(value) => {
            let _ = write!(line, "{value}");
        }
        // `{:?}` is the shortest text that reads back as the same float64, and always has a point or an exponent.
        Value::Real(value) if value.is_finite() => {
            let _ = write!(line, "{value:?}");
        }
        Value::Real(value) => {
            let _ = write!(line, "\"{value}\"");
        }
        Value::Text(value) => push_text(line, value),
        Value::Bool(value) => {
            let _ = write!(line, "{value}");
        }
    }
}

struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip_space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    fn wrong(&self, needed: &str) -> String {
        match self.rest().chars().next() {
            Some(found) => format!("`{found}` at character {}, where {needed} is needed", self.at + 1),
            None => format!("it ends where {needed} is needed"),
        }
    }

    fn accept(&mut self, mark: char) -> bool {
        self.skip_space();
        let found = self.rest().starts_with(mark);
        if found {
            self.at += mark.len_utf8();
        }
        found
    }

    fn expect(&mut self, mark: char) -> Result<(), String> {
        if self.accept(mark) { Ok(()) } else { Err(self.wrong(&format!("`{mark}`"))) }
    }

    fn text(&mut self) -> Result<String, String> {
        self.skip_space();
        let rest = self.rest();
        if !rest.starts_with('"') {
            return Err(self.wrong("a quoted name"));
        }
        let mut escaped = false;
        let end = rest.char_indices().skip(1).find(|&(_, mark)| {
            let closes = mark == '"' && !escaped;
            escaped = mark == '\\' && !escaped;
            closes
        });
        let Some((end, _)) = end else { return Err("it ends inside a quoted text".into()) };
        let text = serde_json::from_str(&rest[..=end]).map_err(|error| error.to_string())?;
        self.at += end + 1;
        Ok(text)
    }

    fn value(&mut self) -> Result<Option<Value>, String> {
        self.skip_space();
        if self.rest().starts_with('"') {
            return self.text().map(|text| {
                Some(match text.as_str() {
                    "NaN" => Value::Real(f64::NAN),
                    "inf" => Value::Real(f64::INFINITY),
                    "-inf" => Value::Real(f64::NEG_INFINITY),
                    _ => Value::Text(text),
                })
            });
        }
        let rest = self.rest();
        let end = rest.find([',', '}', ' ']).unwrap_or(rest.len());
        let word = &rest[..end];
        let starts_as_number = word.starts_with(|mark: char| mark == '-' || mark.is_ascii_digit());
        let value = match word {
            "true" => Some(Value::Bool(true)),
            "false" => Some(Value::Bool(false)),
            "null" => None,
            _ if !starts_as_number => return Err(self.wrong("a number, text, true, false or null")),
            _ => match (word.parse::<i64>(), word.parse::<f64>()) {
                (Ok(value), _) => Some(Value::Int(value)),
                (_, Ok(value)) => Some(Value::Real(value)),
                _ => return Err(self.wrong("a number")),
            },
        };
        self.at += end;
        Ok(value)
    }
}
